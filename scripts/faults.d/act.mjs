// Transactions and events by the stock wallet library, with no custom types. The first argument is the
// node's address, the second what to do:
//   send SURI PALLET.CALL ARGUMENTS    ARGUMENTS is a JSON array; waits until it is final
//   events SURI FROM NAME...           events of these names, in the final blocks from a number on, that
//                                      name the account
//   address SURI                       the account's address on this chain, and its public key
// Prints one JSON value. Exits 1 when a transaction is refused or fails.

import { createRequire } from 'node:module';

import { succeed } from '../wallet/transaction.mjs';

const library = createRequire(`${process.env.WALLET_LIBRARIES}/package.json`);
const { ApiPromise, Keyring, WsProvider } = library('@polkadot/api');
const { u8aToHex } = library('@polkadot/util');
const [url, what, ...rest] = process.argv.slice(2);

let api;

function at(place, path) {
  const [pallet, name] = path.split('.');
  const found = place[pallet]?.[name];
  if (!found) throw new Error(`the chain has no ${path}`);
  return found;
}

const pair = (suri) => new Keyring({ type: 'sr25519', ss58Format: api.registry.chainSS58 }).addFromUri(suri);
const address = (suri) => ({ address: pair(suri).address, public: u8aToHex(pair(suri).publicKey) });

async function send(suri, path, text) {
  const call = at(api.tx, path)(...JSON.parse(text));
  const { status, events } = await succeed(call, pair(suri), { final: true });
  return { block: status.asFinalized.toHex(), events: events.map(told) };
}

const told = ({ event }) => ({ name: `${event.section}.${event.method}`, data: event.data.toHuman() });

async function events(suri, from, ...names) {
  const who = pair(suri).address;
  const last = (await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())).number.toNumber();
  const found = [];
  for (let number = Number(from); number <= last; number += 1) {
    const there = await api.at(await api.rpc.chain.getBlockHash(number));
    for (const record of await there.query.system.events()) {
      const one = told(record);
      if (names.includes(one.name) && JSON.stringify(one.data).includes(who)) found.push({ block: number, ...one });
    }
  }
  return found;
}

try {
  api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
  console.log(JSON.stringify(await { send, events, address }[what](...rest)));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
process.exit(0);
