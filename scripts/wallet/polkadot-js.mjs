// A chain as @polkadot/api sees it.

import assert from 'node:assert/strict';

import { merkleizeMetadata } from '@polkadot-api/merkleize-metadata';
import { ApiPromise, WsProvider } from '@polkadot/api';
import { stringCamelCase } from '@polkadot/util';

import { hex, wrong } from './bytes.mjs';
import { Nonces, rewrite } from './call.mjs';
import { failure, send } from './transaction.mjs';

export const library = '@polkadot/api';

export async function connect(url) {
  const provider = new WsProvider(url);
  const api = await ApiPromise.create({ provider, noInitWarn: true });
  return new Chain(provider, api);
}

class Chain {
  constructor(provider, api) {
    this.provider = provider;
    this.api = api;
    this.genesis = api.genesisHash.toU8a();
    this.nonces = new Nonces(async (who) =>
      (await api.rpc.system.accountNextIndex(who)).toNumber(),
    );
    this.named = new Map();
    this.pallets = api.runtimeMetadata.asLatest.pallets.map((pallet) => this.#describe(pallet));
  }

  async end() {
    await this.api.disconnect();
  }

  coin() {
    const { chainTokens, chainDecimals } = this.api.registry;
    return { symbol: chainTokens[0], decimals: chainDecimals[0] };
  }

  #describe(pallet) {
    const name = pallet.name.toString();
    this.named.set(pallet.index.toNumber(), name);
    const variants = (part) =>
      part.isNone ? [] : [...this.#type(part.unwrap().type).def.asVariant.variants];
    const entry = ({ name: own, docs, fields }) => ({
      name: own.toString(),
      docs: lines(docs),
      fields: fields?.map((field) => ({
        name: field.name.unwrapOr('').toString(),
        docs: lines(field.docs),
      })),
    });
    const items = pallet.storage.isNone ? [] : [...pallet.storage.unwrap().items];
    return {
      name,
      docs: lines(pallet.docs),
      calls: variants(pallet.calls).map(entry),
      events: variants(pallet.events).map(entry),
      errors: variants(pallet.errors).map(entry),
      storage: items.map((item) => ({ ...entry(item), map: item.type.isMap })),
      constants: [...pallet.constants].map(entry),
    };
  }

  #type(id) {
    return this.api.registry.lookup.getSiType(id);
  }

  views() {
    return this.api.runtimeMetadata.asLatest.apis.flatMap((one) =>
      one.methods.map((method) => `${one.name}.${method.name}`),
    );
  }

  // ---- transactions ----

  tx({ pallet, name, args }) {
    const creator = this.api.tx[stringCamelCase(pallet)][stringCamelCase(name)];
    const value = rewrite(
      args,
      this.#forms((inner) => this.tx(inner)),
    );
    // The library has its own spelling of names, and takes what is missing for zero.
    const spelt = new Map(Object.entries(value).map(([key, part]) => [stringCamelCase(key), part]));
    const expected = creator.meta.args.map((arg) => stringCamelCase(arg.name.toString()));
    assert.deepEqual(expected, [...spelt.keys()], `the arguments of ${pallet}.${name}`);
    return creator(...spelt.values());
  }

  #forms(call) {
    const variant = (type, value) => (value === undefined ? type : { [type]: value });
    return { call, bytes: hex, single: (name, value) => ({ [name]: value }), variant };
  }

  encoded(call) {
    return this.tx(call).method.toU8a();
  }

  async fee(account, call) {
    return (await this.tx(call).paymentInfo(account)).partialFee.toBigInt();
  }

  async submit(account, call, options = {}) {
    const nonce = await this.nonces.take(account.address);
    return this.#outcome(await send(this.tx(call), account, { nonce, ...options }));
  }

  // With the hash of the metadata among what is signed.
  async submitWithMetadataHash(account, call) {
    return this.submit(account, call, { mode: 1, metadataHash: hex(await this.#metadataHash()) });
  }

  // With another hash. The node is asked directly, since the library writes refusals to the terminal.
  async submitWithWrongMetadataHash(account, call) {
    const metadataHash = hex(wrong(await this.#metadataHash()));
    const signed = await this.tx(call).signAsync(account, { mode: 1, metadataHash });
    return this.provider.send('author_submitExtrinsic', [signed.toHex()]);
  }

  async #metadataHash() {
    const metadata = await this.api.call.metadata.metadataAtVersion(15);
    const { symbol, decimals } = this.coin();
    const info = { decimals, tokenSymbol: symbol };
    return merkleizeMetadata(metadata.unwrap().toU8a(true), info).digest();
  }

  // A general transaction: no signature, no fee.
  async submitGeneral(call) {
    const payload = { era: '0x00', nonce: 0, tip: 0, mode: 0, method: this.tx(call).method };
    const general = this.api.registry.createType('GeneralExtrinsic', { payload }).toHex();
    const hash = await new Promise((done, refuse) => {
      const told = (error, status) => {
        if (error) refuse(error);
        else if (status.inBlock) done(status.inBlock);
        else if (['invalid', 'dropped'].includes(status)) refuse(new Error(status));
      };
      const method = 'author_submitAndWatchExtrinsic';
      this.provider.subscribe('author_extrinsicUpdate', method, [general], told).catch(refuse);
    });
    const { block } = await this.provider.send('chain_getBlock', [hash]);
    const index = block.extrinsics.indexOf(general);
    const records = await (await this.api.at(hash)).query.system.events();
    const events = records.filter(
      ({ phase }) => phase.isApplyExtrinsic && phase.asApplyExtrinsic.eqn(index),
    );
    const failed = events.find(({ event }) => this.api.events.system.ExtrinsicFailed.is(event));
    const blockNumber = parseInt(block.header.number, 16);
    return this.#outcome({
      events,
      dispatchError: failed?.event.data[0],
      blockNumber,
      txIndex: index,
    });
  }

  #outcome({ events, dispatchError, blockNumber, txIndex }) {
    return {
      block: Number(blockNumber),
      index: txIndex,
      error: dispatchError && failure(dispatchError).name,
      events: events.map(({ event }) => this.#event(event)),
    };
  }

  #event(event) {
    const names = event.meta.fields.map((field, i) => field.name.unwrapOr(i).toString());
    return {
      path: `${this.named.get(event.index[0])}.${event.meta.name}`,
      data: Object.fromEntries(names.map((name, i) => [name, event.data[i].toJSON()])),
    };
  }

  // ---- reading ----

  async head() {
    const header = await this.api.rpc.chain.getHeader();
    return { number: header.number.toNumber(), hash: header.hash.toU8a() };
  }

  async finalized() {
    const hash = await this.api.rpc.chain.getFinalizedHead();
    return (await this.api.rpc.chain.getHeader(hash)).number.toNumber();
  }

  async read(pallet, item) {
    const query = this.api.query[stringCamelCase(pallet)][stringCamelCase(item.name)];
    if (!item.map) return [(await query()).toHuman()];
    const entries = await query.entries();
    return entries.map(([key, value]) => [key.toHuman(), value.toHuman()]);
  }

  constant(pallet, name) {
    return this.api.consts[stringCamelCase(pallet)][stringCamelCase(name)].toHuman();
  }

  async view(path, args) {
    const [name, method] = path.split('.').map((word) => stringCamelCase(word));
    const value = rewrite(
      args,
      this.#forms((inner) => this.tx(inner).method),
    );
    return (await this.api.call[name][method](...value)).toHuman();
  }

  // The names of all calls and events of a block, each of them decoded.
  async block(number) {
    const hash = await this.api.rpc.chain.getBlockHash(number);
    const [raw, at] = await Promise.all([
      this.provider.send('chain_getBlock', [hash.toHex()]),
      this.api.at(hash),
    ]);
    const events = await at.query.system.events();
    const extrinsics = raw.block.extrinsics.map((bytes) =>
      at.registry.createType('Extrinsic', bytes),
    );
    return {
      calls: extrinsics.flatMap((extrinsic) => [...this.#callsIn(extrinsic.method)]),
      events: events.map(({ event }) => this.#event(event).path),
      shown: () => ({
        extrinsics: extrinsics.map((extrinsic) => extrinsic.toHuman()),
        events: events.map(({ event }) => event.toHuman()),
      }),
    };
  }

  *#callsIn(value) {
    if (Array.isArray(value)) for (const part of value) yield* this.#callsIn(part);
    if (!value?.callIndex) return;
    yield `${this.named.get(value.callIndex[0])}.${value.meta.name}`;
    for (const arg of value.args) yield* this.#callsIn(arg);
  }
}

const lines = (docs) =>
  docs
    .map((line) => line.toString())
    .join('\n')
    .trim();
