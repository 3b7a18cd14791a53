// Identities mined, announcements stamped, deposits spent together, channels paid by vouchers.

import assert from 'node:assert/strict';

import {
  announcementId,
  channelId,
  depositId,
  hash,
  hex,
  identityWork,
  mine,
  spendBytes,
  splitBytes,
  stampWork,
  text,
  voucherBytes,
} from '../bytes.mjs';
import { call, Single, variant } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

const number = (value) => BigInt(String(value).replaceAll(',', ''));
const constant = async (ctx, pallet, name) => number(await ctx.chain.constant(pallet, name));

async function registration(ctx, role, account) {
  const difficulty = await constant(ctx, 'MinedIdentity', 'MinDifficulty');
  const anchor = await ctx.chain.head();
  const nonce = mine(identityWork(role, account.publicKey, anchor.hash), difficulty);
  // The pool may come to know a block a moment later than a library does.
  await ctx.until(anchor.number + 1);
  return { role: variant(role), account: account.address, anchor_number: anchor.number, nonce };
}

async function register(ctx, role, account) {
  const args = await registration(ctx, role, account);
  const registered = await ctx.chain.submitGeneral(call('MinedIdentity.register', args));
  assert.equal(eventsOf(registered, 'MinedIdentity.Registered')[0].account, account.address);
}

export async function identities(ctx) {
  const [publisher, provider] = ['identity 1', 'identity 2'].map((name) => ctx.account(name));
  await Promise.all([register(ctx, 'Publisher', publisher), register(ctx, 'Provider', provider)]);
  // Without work it is turned down before any block takes it in.
  const idle = { ...(await registration(ctx, 'Provider', publisher)), nonce: 0n };
  await assert.rejects(
    ctx.chain.submitGeneral(call('MinedIdentity.register', idle)),
    /BadProof|bad signature/i,
  );
}

const body = (task) => ({
  task,
  machines: 2,
  images: [text('zennet-os:latest')],
  needs: {
    cpu_millis: 1000,
    clock_mhz: undefined,
    memory_mib: 512,
    memory_mib_per_sec: undefined,
    disk_mib: undefined,
    disk_mib_per_sec: undefined,
    bandwidth_kbit_per_sec: undefined,
    volume_mib: undefined,
  },
  lease: { min_secs: 60, max_secs: 3600 },
  interval_ms: 2000,
  max_rates: undefined,
  proposal_secs: 30,
  asks: 1n,
  info_url: text('https://example.org/task'),
  endpoint: text('/ip4/192.0.2.1/tcp/30400/p2p/12D3KooWExample'),
});

// A stamped announcement and its identifier. What follows the body in the call has a fixed length.
async function announcement(ctx, publisher, task, lifetime) {
  const args = { body: body(task), lifetime, stamp: 0n };
  const encoded = await ctx.chain.encoded(call('Announcements.announce', args));
  const id = announcementId(ctx.chain.genesis, publisher.publicKey, encoded.subarray(2, -12));
  const difficulty = await constant(ctx, 'Announcements', 'MinStampDifficulty');
  const stamp = mine(stampWork(id), difficulty);
  return { id: hex(id), call: call('Announcements.announce', { ...args, stamp }) };
}

export async function announcements(ctx) {
  const [publisher, stranger] = await ctx.funded(10n * XEN, 'publisher', 'stranger');
  await register(ctx, 'Publisher', publisher);
  const [short, long] = await Promise.all([
    announcement(ctx, publisher, 1n, 5),
    announcement(ctx, publisher, 2n, 1000),
  ]);
  const [first, second] = await Promise.all([
    ctx.ok(publisher, short.call),
    ctx.ok(publisher, long.call),
    ctx.refused(stranger, short.call, 'Announcements.UnknownPublisher'),
  ]);
  assert.equal(eventsOf(first, 'Announcements.Announced')[0].id, short.id);
  assert.equal(eventsOf(second, 'Announcements.Announced')[0].id, long.id);
  await ctx.refused(
    stranger,
    call('Announcements.cancel', { id: long.id }),
    'Announcements.NotPublisher',
  );
  await ctx.ok(publisher, call('Announcements.cancel', { id: long.id }));
  await ctx.until(first.block + 5);
  await ctx.refused(
    publisher,
    call('Announcements.cancel', { id: short.id }),
    'Announcements.NotFound',
  );
}

export async function deposits(ctx) {
  const [owner, counterparty] = await ctx.funded(100n * XEN, 'depositor', 'counterparty');
  const { genesis } = ctx.chain;
  const refund_at = await ctx.blocksFromNow(12);
  const lock = { counterparty: counterparty.address, amount: 10n * XEN, refund_at };
  const locked = await ctx.ok(owner, call('Deposits.lock', lock));
  const id = depositId(genesis, owner.publicKey, counterparty.publicKey, 0);
  const deposit = hex(id);
  assert.equal(eventsOf(locked, 'Deposits.Locked')[0].deposit, deposit);

  const spend = { sequence: 0, to: counterparty.address, amount: 4n * XEN };
  const signed = spendBytes(genesis, id, 0, counterparty.publicKey, spend.amount);
  const signatures = {
    owner_signature: hex(owner.sign(signed)),
    counterparty_signature: hex(counterparty.sign(signed)),
  };
  const forged = { ...signatures, owner_signature: signatures.counterparty_signature };
  const refund = call('Deposits.refund', { deposit });
  await ctx.allRefused(counterparty, [
    [call('Deposits.spend', { deposit, spend, ...forged }), 'Deposits.BadOwnerSignature'],
    [refund, 'Deposits.TooEarly'],
  ]);
  const spent = await ctx.ok(
    counterparty,
    call('Deposits.spend', { deposit, spend, ...signatures }),
  );
  eventsOf(spent, 'Deposits.Spent');
  await ctx.until(refund_at);
  eventsOf(await ctx.ok(counterparty, refund), 'Deposits.Refunded');
}

export async function channels(ctx) {
  const names = ['channel publisher', 'channel provider', 'developer'];
  const [publisher, provider, developer] = await ctx.funded(100n * XEN, ...names);
  const session = ctx.account('session key');
  const { genesis } = ctx.chain;
  const contract = hash(text('a contract'));
  const ids = [0, 1, 2].map((nonce) =>
    channelId(genesis, publisher.publicKey, provider.publicKey, contract, nonce),
  );
  const [paid, shared, left] = ids.map(hex);
  const expires_at = await ctx.blocksFromNow(1000);
  const challenge = Number(await constant(ctx, 'Channels', 'MinChallenge'));
  const open = (app) =>
    call('Channels.open', {
      provider: provider.address,
      contract: hex(contract),
      session_key: hex(session.publicKey),
      deposit: 10n * XEN,
      expires_at,
      challenge,
      app,
    });
  const app = { developer: developer.address, share: 100_000_000 };
  const calls = [open(undefined), open(app), open(undefined)];
  const opened = await ctx.ok(publisher, call('Utility.batch_all', { calls }));
  assert.deepEqual(
    eventsOf(opened, 'Channels.Opened').map(({ channel }) => channel),
    [paid, shared, left],
  );

  const voucher = (id, cumulative, key = session) => {
    const usage = hash(text('usage'));
    const signature = hex(key.sign(voucherBytes(genesis, id, cumulative, usage)));
    return { payload: { cumulative, usage_hash: hex(usage) }, signature };
  };
  const claim = (signed) => call('Channels.claim', { channel: paid, voucher: signed });
  const finalize = call('Channels.finalize', { channel: left });
  const [requested] = await Promise.all([
    ctx.ok(publisher, call('Channels.request_close', { channel: left })),
    ctx.ok(publisher, call('Channels.top_up', { channel: paid, amount: XEN })),
    ctx.ok(publisher, call('Channels.extend', { channel: paid, expires_at: expires_at + 100 })),
    ctx.ok(provider, claim(voucher(ids[0], 2n * XEN))),
    ctx.allRefused(provider, [
      [claim(voucher(ids[0], XEN)), 'Channels.StaleVoucher'],
      [claim(voucher(ids[0], 3n * XEN, publisher)), 'Channels.BadVoucherSignature'],
      // It is another channel's.
      [claim(voucher(ids[1], 3n * XEN)), 'Channels.BadVoucherSignature'],
      [finalize, 'Channels.NotEnded'],
    ]),
  ]);
  const toProvider = 5n * XEN;
  const signed = splitBytes(genesis, ids[1], toProvider);
  const together = call('Channels.close_together', {
    channel: shared,
    split: new Single('to_provider', toProvider),
    publisher_signature: hex(publisher.sign(signed)),
    provider_signature: hex(provider.sign(signed)),
  });
  const [closed, agreed] = await Promise.all([
    ctx.ok(provider, call('Channels.close', { channel: paid, voucher: voucher(ids[0], 3n * XEN) })),
    ctx.ok(publisher, together),
  ]);
  for (const end of [closed, agreed]) eventsOf(end, 'Channels.Settled');
  await ctx.until(eventsOf(requested, 'Channels.CloseRequested')[0].closing_at);
  eventsOf(await ctx.ok(provider, finalize), 'Channels.Settled');
}
