// A chain as polkadot-api sees it, over JSON-RPC v2 alone.

import assert from 'node:assert/strict';

import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import {
  compactNumber,
  decAnyMetadata,
  Tuple,
  unifyMetadata,
} from '@polkadot-api/substrate-bindings';
import { createClient } from 'polkadot-api';
import { getPolkadotSigner, withMetadataHash } from 'polkadot-api/signer';
import { getWsRawProvider } from 'polkadot-api/ws';
import { filter, firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';

import { concat, fromHex, hex, wrong } from './bytes.mjs';
import { Nonces, rewrite, variant } from './call.mjs';

export const library = 'polkadot-api';

// Transactions that one connection may have under way at the node; it refuses more than 16.
const UNDER_WAY = 12;

// What wallets and light tools ask an archive node for.
const INTERFACE = [
  'archive_v1_body',
  'archive_v1_call',
  'archive_v1_finalizedHeight',
  'archive_v1_genesisHash',
  'archive_v1_hashByHeight',
  'archive_v1_header',
  'archive_v1_storage',
  'chainHead_v1_body',
  'chainHead_v1_call',
  'chainHead_v1_follow',
  'chainHead_v1_header',
  'chainHead_v1_storage',
  'chainSpec_v1_chainName',
  'chainSpec_v1_genesisHash',
  'chainSpec_v1_properties',
  'transactionWatch_v1_submitAndWatch',
  'transaction_v1_broadcast',
  'transaction_v1_stop',
];

export async function connect(url) {
  // Nothing stands between the library and the node that would fall back to older methods.
  return chainOf(createClient(getWsRawProvider(url, { websocketClass: WebSocket })));
}

// The chain that a client of the library follows.
export async function chainOf(client) {
  const { genesisHash, properties } = await client.getChainSpecData();
  const { hash } = await client.getFinalizedBlock();
  return new Chain(client, fromHex(genesisHash), properties, await client.getMetadata(hash));
}

class Chain {
  #calls = new Set();
  #free = UNDER_WAY;
  #waiting = [];

  constructor(client, genesis, properties, metadata) {
    this.client = client;
    this.api = client.getUnsafeApi();
    this.genesis = genesis;
    this.properties = properties;
    this.metadata = unifyMetadata(decAnyMetadata(metadata));
    this.lookup = getLookupFn(this.metadata);
    this.builder = getDynamicBuilder(this.lookup);
    this.nonces = new Nonces((who) =>
      this.api.apis.AccountNonceApi.account_nonce(who, { at: 'best' }),
    );
    this.pallets = this.metadata.pallets.map((pallet) => this.#describe(pallet));
    for (const { name, calls } of this.pallets)
      for (const one of calls) this.#calls.add(`${name}.${one.name}`);
  }

  async end() {
    this.client.destroy();
  }

  coin() {
    return { symbol: this.properties.tokenSymbol, decimals: this.properties.tokenDecimals };
  }

  #describe(pallet) {
    const variants = (part) => (part ? this.metadata.lookup[part.type].def.value : []);
    const entry = ({ name, docs, fields }) => ({
      name,
      docs: lines(docs),
      fields: fields?.map((field) => ({
        name: field.name ?? '',
        docs: lines(field.docs),
      })),
    });
    return {
      name: pallet.name,
      docs: lines(pallet.docs),
      calls: variants(pallet.calls).map(entry),
      events: variants(pallet.events).map(entry),
      errors: variants(pallet.errors).map(entry),
      storage: (pallet.storage?.items ?? []).map((item) => ({
        ...entry(item),
        map: item.type.tag === 'map',
      })),
      constants: pallet.constants.map(entry),
    };
  }

  views() {
    return this.metadata.apis.flatMap(({ name, methods }) =>
      methods.map((method) => `${name}.${method.name}`),
    );
  }

  // ---- transactions ----

  tx({ pallet, name, args }) {
    return this.api.tx[pallet][name](rewrite(args, forms));
  }

  encoded(call) {
    return this.tx(call).getEncodedData();
  }

  fee(account, call) {
    return this.tx(call).getEstimatedFees(account.publicKey);
  }

  async submit(account, call, signer = signerOf(account)) {
    const nonce = await this.nonces.take(account.address);
    return this.#included(this.tx(call).signSubmitAndWatch(signer, { nonce }));
  }

  // With the hash of the metadata among what is signed.
  submitWithMetadataHash(account, call) {
    return this.submit(account, call, this.#hashing(signerOf(account)));
  }

  // With another hash.
  submitWithWrongMetadataHash(account, call) {
    const base = signerOf(account);
    const signTx = (data, { CheckMetadataHash: right, ...extensions }, ...rest) => {
      const [tag, ...digest] = right.additionalSigned;
      const additionalSigned = concat(Uint8Array.of(tag), wrong(Uint8Array.from(digest)));
      const CheckMetadataHash = { ...right, additionalSigned };
      return base.signTx(data, { ...extensions, CheckMetadataHash }, ...rest);
    };
    const signer = this.#hashing({ ...base, signTx });
    return this.#included(this.tx(call).signSubmitAndWatch(signer, { nonce: 0 }));
  }

  #hashing(signer) {
    const { symbol, decimals } = this.coin();
    return withMetadataHash({ decimals, tokenSymbol: symbol }, signer);
  }

  // A general transaction: no signature, no fee.
  async submitGeneral(call) {
    return this.#included(this.client.submitAndWatch(await this.#general(call)));
  }

  #general(call) {
    // What a wallet would sign, unsigned: preamble and version of the extensions stand in front.
    const signTx = async (data, extensions) => {
      const values = this.metadata.extrinsic.signedExtensions[0].map(
        ({ identifier }) => extensions[identifier].value,
      );
      const body = concat(Uint8Array.of(0x45, 0), ...values, data);
      return concat(compactNumber.enc(body.length), body);
    };
    const nobody = { publicKey: new Uint8Array(32), signTx };
    return this.tx(call).sign(nobody, { nonce: 0, mortality: { mortal: false } });
  }

  async #included(events) {
    while (this.#free === 0) await new Promise((go) => this.#waiting.push(go));
    this.#free -= 1;
    try {
      const inBlock = ({ type, found }) => type === 'txBestBlocksState' && found;
      return outcome(await firstValueFrom(events.pipe(filter(inBlock))));
    } finally {
      this.#free += 1;
      this.#waiting.shift()?.();
    }
  }

  // The node offers the whole interface, and follows a transaction to its block by the older way
  // of it, which the library itself does not use.
  async checkInterface(account, call) {
    const { methods } = await this.client._request('rpc_methods', []);
    assert.deepEqual(
      INTERFACE.filter((method) => !methods.includes(method)),
      [],
    );
    const nonce = await this.nonces.take(account.address);
    const signed = hex(await this.tx(call).sign(signerOf(account), { nonce }));
    const watch = ['submitAndWatch', 'unwatch'].map((method) => `transactionWatch_v1_${method}`);
    const events = this.client._subscribe(...watch, [signed]);
    await firstValueFrom(events.pipe(filter(({ event }) => event === 'finalized')));
    return methods.filter((method) => /_v1_/.test(method)).length;
  }

  // ---- reading ----

  async head() {
    const [{ number, hash }] = await this.client.getBestBlocks();
    return { number, hash: fromHex(hash) };
  }

  async finalized() {
    return (await this.client.getFinalizedBlock()).number;
  }

  async read(pallet, item) {
    const query = this.api.query[pallet][item.name];
    const at = { at: 'best' };
    return item.map ? query.getEntries(at) : [await query.getValue(at)];
  }

  constant(pallet, name) {
    return this.api.constants[pallet][name]();
  }

  view(path, args) {
    const [name, method] = path.split('.');
    return this.api.apis[name][method](...rewrite(args, forms), { at: 'best' });
  }

  // The names of all calls and events of a block, each of them decoded.
  async block(number) {
    const [hash] = await this.client._request('archive_v1_hashByHeight', [number]);
    const [body, events] = await Promise.all([
      this.client.getBlockBody(hash),
      this.api.query.System.Events.getValue({ at: hash }),
    ]);
    const calls = body.map((extrinsic) => this.#decoded(extrinsic));
    return {
      calls: calls.flatMap((one) => [...this.#callsIn(one)]),
      events: events.map(({ event }) => `${event.type}.${event.value.type}`),
      shown: () => ({ extrinsics: calls, events: events.map(({ event }) => event) }),
    };
  }

  // The call of an extrinsic, read together with what stands before it.
  #decoded(extrinsic) {
    const { address, signature, signedExtensions } = this.metadata.extrinsic;
    const extensions = signedExtensions[0].map(({ type }) => type);
    const forms = {
      0x04: [],
      0x05: [],
      0x45: extensions,
      0x84: [address, signature, ...extensions],
    };
    // Behind the length, a compact number. General ones have the version of their extensions, too.
    const start = [1, 2, 4][extrinsic[0] & 3];
    const preamble = extrinsic[start];
    const decoders = [...forms[preamble], this.lookup.call].map(
      (type) => this.builder.buildDefinition(type).dec,
    );
    // A copy, since the decoders know nothing of views.
    return Tuple.dec(...decoders)(extrinsic.slice(start + (preamble === 0x45 ? 2 : 1))).at(-1);
  }

  *#callsIn(value) {
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
    const path = `${value.type}.${value.value?.type}`;
    if (this.#calls.has(path)) yield path;
    for (const part of Object.values(value)) yield* this.#callsIn(part);
  }
}

const forms = {
  call: ({ pallet, name, args }) => variant(pallet, variant(name, rewrite(args, forms))),
  bytes: (bytes) => bytes,
  single: (_, value) => value,
  variant,
};

const signerOf = (account) =>
  getPolkadotSigner(account.publicKey, 'Sr25519', (message) => account.sign(message));

function outcome({ block, dispatchError, events }) {
  return {
    block: block.number,
    index: block.index,
    error: dispatchError && errorName(dispatchError),
    events: events.map(({ type, value }) => ({ path: `${type}.${value.type}`, data: value.value })),
  };
}

function errorName({ type, value }) {
  const inner = value?.type ? errorName(value) : '';
  return [type, inner].filter((word) => word && word !== 'Module').join('.');
}

const lines = (docs) =>
  docs
    .map((line) => line.trim())
    .join('\n')
    .trim();
