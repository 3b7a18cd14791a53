// Uses a chain as a wallet does, with no custom types, by one of two libraries, or by a light client.
//
//   node check.mjs LIBRARY NODE_URL all              makes every call, and reads everything
//   node check.mjs LIBRARY NODE_URL read [EVENT...]  reads everything; the events must be there
//   node check.mjs LIBRARY NODE_URL block NUMBER     prints a block as it is decoded
//   node check.mjs LIBRARY NODE_URL docs             prints what is told of the own pallets
//   node check.mjs light SPECIFICATION follow        reads what stands, and pays
//
// LIBRARY is polkadot-js or papi. A specification names nodes that a light client can dial. $OWN_PALLETS has the names of the chain's own pallets.

import assert from 'node:assert/strict';

import { hex } from './bytes.mjs';
import { call } from './call.mjs';
import { missingDocs, printed } from './docs.mjs';
import { Context, XEN } from './scenario/context.mjs';
import { runAll } from './scenario/index.mjs';
import { NOT_ASKED, VIEWS } from './views.mjs';

const [library, url, what, ...needed] = process.argv.slice(2);
const { connect, library: title } = await import(`./${library}.mjs`);
const say = (line) => console.error(`   ${title}: ${line}`);

function theCoin(chain) {
  assert.deepEqual(chain.coin(), { symbol: 'XEN', decimals: 12 });
}

function ownPallets(chain) {
  const names = process.env.OWN_PALLETS.split(' ');
  return names.map(
    (name) =>
      chain.pallets.find((pallet) => pallet.name === name) ?? assert.fail(`no pallet ${name}`),
  );
}

function documented(chain) {
  const missing = [...missingDocs(ownPallets(chain))];
  assert.deepEqual(missing, [], 'without documentation');
}

// ---- the metadata's hash ----

async function metadataHashIsChecked(ctx) {
  const [someone] = await ctx.funded(XEN, 'offline signer');
  const remark = call('System.remark_with_event', { remark: new TextEncoder().encode('as shown') });
  const refused = ctx.chain.submitWithWrongMetadataHash(someone, remark);
  await assert.rejects(refused, /BadProof|bad signature/i);
  const { error } = await ctx.chain.submitWithMetadataHash(someone, remark);
  assert.equal(error, undefined);
  say(
    'a transaction that names the hash of the metadata is taken in, and refused with another hash',
  );
}

// ---- reading ----

async function readStorage(chain) {
  let items = 0;
  let entries = 0;
  for (const pallet of chain.pallets) {
    for (const item of pallet.storage) {
      entries += (await chain.read(pallet.name, item)).length;
      items += 1;
    }
  }
  say(`${items} storage items, ${entries} entries`);
}

async function readConstants(chain) {
  let count = 0;
  for (const pallet of chain.pallets) {
    for (const { name } of pallet.constants) {
      const value = await chain.constant(pallet.name, name);
      assert.notEqual(value, undefined, `${pallet.name}.${name}`);
      count += 1;
    }
  }
  say(`${count} constants`);
}

async function askViews(ctx) {
  const { chain } = ctx;
  const asked = chain.views().filter((path) => !(path in NOT_ASKED));
  assert.deepEqual(
    asked.filter((path) => !(path in VIEWS)),
    [],
    'runtime APIs without arguments in views.mjs',
  );
  for (const path of asked) await chain.view(path, VIEWS[path](ctx.bank));
  const fee = await chain.fee(ctx.bank, call('System.remark', { remark: new Uint8Array(8) }));
  assert(fee > 0n, 'a remark costs nothing');
  say(`${asked.length} runtime APIs`);
}

// Blocks that are asked for at the same time.
const AT_ONCE = 16;

// Decodes every block up to a number; gives the names of the calls and events in them.
async function decodeBlocks(chain, last) {
  const seen = { calls: new Set(), events: new Set() };
  let events = 0;
  for (let first = 0; first <= last; first += AT_ONCE) {
    const numbers = Array.from(
      { length: Math.min(AT_ONCE, last + 1 - first) },
      (_, i) => first + i,
    );
    for (const block of await Promise.all(numbers.map((number) => chain.block(number)))) {
      block.shown();
      for (const path of block.calls) seen.calls.add(path);
      for (const path of block.events) seen.events.add(path);
      events += block.events.length;
    }
  }
  say(
    `${last + 1} blocks, ${events} events of ${seen.events.size} kinds, ${seen.calls.size} kinds of calls`,
  );
  return seen;
}

function everyCallWasMade(chain, seen) {
  const calls = chain.pallets.flatMap((pallet) =>
    pallet.calls.map(({ name }) => `${pallet.name}.${name}`),
  );
  const never = calls.filter((path) => !seen.calls.has(path));
  assert.deepEqual(never, [], 'calls that no scenario makes; see scenario/index.mjs');
}

// JSON-RPC v2, where the library speaks it.
async function checkInterface(ctx) {
  if (!ctx.chain.checkInterface) return;
  const [someone] = await ctx.funded(XEN, 'watcher');
  const count = await ctx.chain.checkInterface(
    someone,
    call('System.remark', { remark: new Uint8Array(8) }),
  );
  say(`${count} methods of JSON-RPC v2; transactions are broadcast, and submitted and watched`);
}

async function readAll(ctx) {
  theCoin(ctx.chain);
  documented(ctx.chain);
  await readConstants(ctx.chain);
  await askViews(ctx);
  await readStorage(ctx.chain);
}

const plain = (_, value) => {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? hex(value) : value;
};

const WORK = {
  async all(ctx) {
    await Promise.all([runAll(ctx), metadataHashIsChecked(ctx), checkInterface(ctx), readAll(ctx)]);
    const seen = await decodeBlocks(ctx.chain, await ctx.settled());
    everyCallWasMade(ctx.chain, seen);
    // Once more, with what the calls have left.
    await readStorage(ctx.chain);
  },
  async read(ctx) {
    await readAll(ctx);
    const seen = await decodeBlocks(ctx.chain, await ctx.chain.finalized());
    assert.deepEqual(
      needed.filter((path) => !seen.events.has(path)),
      [],
      'events that are missing',
    );
  },
  async block(ctx) {
    const shown = (await ctx.chain.block(Number(needed[0]))).shown();
    console.log(JSON.stringify(shown, plain, 2));
  },
  async follow(ctx) {
    theCoin(ctx.chain);
    await readStorage(ctx.chain);
    await ctx.funded(XEN, 'paid by a light client');
    const block = await ctx.settled();
    say(`a payment is final in block ${block}, which no server vouched for`);
  },
  async docs(ctx) {
    console.log(printed(ownPallets(ctx.chain)));
  },
};

try {
  const chain = await connect(url);
  await WORK[what](new Context(chain));
  await chain.end();
  // A light client keeps its connections for a while.
  process.exit(0);
} catch (error) {
  say(process.env.TRACE ? error.stack : error.message);
  // What is still under way has no more use.
  process.exit(1);
}
