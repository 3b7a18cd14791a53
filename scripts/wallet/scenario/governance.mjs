// Referenda, the votes on them, and what carries their decisions out.

import { hash, hex, text } from '../bytes.mjs';
import { call, to, variant } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

const remark = call('System.remark', { remark: text('decided by vote') });
// In favour, without conviction.
const AYE = 0x80;
// The only track.
const ROOT = 0;

export async function referenda(ctx) {
  const [proposer] = await ctx.funded(200_000n * XEN, 'proposer');
  const voters = await ctx.funded(100n * XEN, 'elector', 'follower');
  const proposal = await ctx.chain.encoded(remark);
  const other = await ctx.chain.encoded(call('System.remark', { remark: text('never decided') }));
  const [noted, forgotten] = [proposal, other].map((bytes) => hex(hash(bytes)));
  await Promise.all([
    ctx.ok(proposer, call('Preimage.note_preimage', { bytes: proposal })),
    ctx.ok(proposer, call('Preimage.note_preimage', { bytes: other })),
  ]);
  const submit = call('Referenda.submit', {
    proposal_origin: variant('system', variant('Root')),
    proposal: variant('Lookup', { hash: noted, len: proposal.length }),
    enactment_moment: variant('After', 1),
  });
  const [submitted] = await Promise.all([
    ctx.ok(proposer, submit),
    ctx.ok(proposer, call('Preimage.unnote_preimage', { hash: forgotten })),
    ctx.ok(proposer, call('Preimage.ensure_updated', { hashes: [noted] })),
    ctx.allRefused(proposer, [
      [call('Preimage.request_preimage', { hash: forgotten }), 'BadOrigin'],
      [call('Preimage.unrequest_preimage', { hash: forgotten }), 'BadOrigin'],
    ]),
  ]);
  const [{ index }] = eventsOf(submitted, 'Referenda.Submitted');
  await Promise.all([
    ctx.ok(proposer, call('Referenda.place_decision_deposit', { index })),
    ctx.ok(proposer, call('Referenda.set_metadata', { index, maybe_hash: noted })),
    ctx.allRefused(proposer, [
      [call('Referenda.refund_decision_deposit', { index }), 'Referenda.Unfinished'],
      [call('Referenda.refund_submission_deposit', { index }), 'Referenda.BadStatus'],
      [call('Referenda.cancel', { index }), 'BadOrigin'],
      [call('Referenda.kill', { index }), 'BadOrigin'],
      [call('Referenda.nudge_referendum', { index }), 'BadOrigin'],
      [call('Referenda.one_fewer_deciding', { track: ROOT }), 'BadOrigin'],
    ]),
    votes(ctx, voters, index),
  ]);
}

async function votes(ctx, [elector, follower], index) {
  const vote = variant('Standard', { vote: AYE, balance: XEN });
  const delegate = {
    class: ROOT,
    to: to(elector),
    conviction: variant('Locked1x'),
    balance: XEN,
  };
  const vote_of = { target: to(elector), class: ROOT, index };
  await Promise.all([
    ctx.ok(elector, call('ConvictionVoting.vote', { poll_index: index, vote })),
    ctx.ok(follower, call('ConvictionVoting.delegate', delegate)),
  ]);
  await Promise.all([
    ctx.refused(
      follower,
      call('ConvictionVoting.remove_other_vote', vote_of),
      'ConvictionVoting.NoPermission',
    ),
    ctx.ok(follower, call('ConvictionVoting.undelegate', { class: ROOT })),
    ctx.ok(follower, call('ConvictionVoting.unlock', { class: ROOT, target: to(follower) })),
  ]);
  await ctx.ok(elector, call('ConvictionVoting.remove_vote', { class: ROOT, index }));
}

export async function scheduler(ctx) {
  const [someone] = await ctx.funded(10n * XEN, 'planner');
  const id = `0x${'44'.repeat(32)}`;
  const task = [1_000_000, 0];
  const plan = { maybe_periodic: undefined, priority: 0, call: remark };
  const retry = { retries: 1, period: 1 };
  const calls = [
    call('Scheduler.schedule', { when: task[0], ...plan }),
    call('Scheduler.schedule_named', { id, when: task[0], ...plan }),
    call('Scheduler.schedule_after', { after: 10, ...plan }),
    call('Scheduler.schedule_named_after', { id, after: 10, ...plan }),
    call('Scheduler.cancel', { when: task[0], index: task[1] }),
    call('Scheduler.cancel_named', { id }),
    call('Scheduler.set_retry', { task, ...retry }),
    call('Scheduler.set_retry_named', { id, ...retry }),
    call('Scheduler.cancel_retry', { task }),
    call('Scheduler.cancel_retry_named', { id }),
  ];
  await ctx.allRefused(
    someone,
    calls.map((one) => [one, 'BadOrigin']),
  );
}

export async function vesting(ctx) {
  const [giver, taker] = await ctx.funded(10n * XEN, 'giver', 'taker');
  const schedule = { locked: 100n * XEN, per_block: XEN, starting_block: 1 };
  const give = call('Vesting.vested_transfer', { target: to(taker), schedule });
  const forced = { source: to(taker), target: to(giver), schedule };
  const merge = { schedule1_index: 0, schedule2_index: 1 };
  const removed = { target: to(taker), schedule_index: 0 };
  // Coin waits for its release on the main chain alone, whose genesis locks it.
  await ctx.allRefused(giver, [
    [give, 'System.CallFiltered'],
    [call('Vesting.vest'), 'Vesting.NotVesting'],
    [call('Vesting.vest_other', { target: to(taker) }), 'Vesting.NotVesting'],
    [call('Vesting.merge_schedules', merge), 'Vesting.NotVesting'],
    [call('Vesting.force_vested_transfer', forced), 'BadOrigin'],
    [call('Vesting.force_remove_vesting_schedule', removed), 'BadOrigin'],
  ]);
}
