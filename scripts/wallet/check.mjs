// Connects as a wallet does, with no custom types; transfers; decodes every event of every block.
// Arguments: the node's address and an account to send to. Exits 0 when all of it worked.

import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';

const [url, dest] = process.argv.slice(2);
const XEN = 10n ** 12n;

function fail(what) {
  console.error(`wallet check: ${what}`);
  process.exit(1);
}

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const [symbol] = api.registry.chainTokens;
const [decimals] = api.registry.chainDecimals;
if (symbol !== 'XEN' || decimals !== 12) fail(`the coin is ${symbol} with ${decimals} decimals`);

const free = async () => (await api.query.system.account(dest)).data.free.toBigInt();
const before = await free();
const alice = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
await new Promise((done, refuse) => {
  api.tx.balances
    .transferKeepAlive(dest, XEN)
    .signAndSend(alice, ({ status, dispatchError }) => {
      if (dispatchError) refuse(new Error(`the transfer was refused: ${dispatchError}`));
      if (status.isInBlock) done();
    })
    .catch(refuse);
}).catch((error) => fail(error.message));
if ((await free()) !== before + XEN) fail('the transfer did not arrive');

const best = (await api.rpc.chain.getHeader()).number.toNumber();
const seen = new Map();
for (let number = 1; number <= best; number += 1) {
  const hash = await api.rpc.chain.getBlockHash(number);
  const [block, at] = await Promise.all([api.rpc.chain.getBlock(hash), api.at(hash)]);
  for (const extrinsic of block.block.extrinsics) extrinsic.toHuman();
  for (const { event } of await at.query.system.events()) {
    const name = `${event.section}.${event.method}`;
    event.toHuman();
    seen.set(name, (seen.get(name) ?? 0) + 1);
  }
}
const needed = [
  'minedIdentity.Registered',
  'announcements.Announced',
  'channels.Opened',
  'channels.Settled',
  'balances.Transfer',
];
for (const name of needed) if (!seen.has(name)) fail(`no event ${name} in ${best} blocks`);
console.error(`   ${best} blocks, ${[...seen.values()].reduce((a, b) => a + b, 0)} events of ${seen.size} kinds`);
await api.disconnect();
