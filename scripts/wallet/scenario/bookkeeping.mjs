// Session keys, candidates, votes and what is delegated. What takes sessions is refused here, by name,
// as too early.

import { Keyring } from '@polkadot/api';

import { concat, hex, ownershipStatement } from '../bytes.mjs';
import { call } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

// A part of a billion, as Perbill is encoded.
const TENTH = 100_000_000;
const ALL = 1_000_000_000;

async function stand(ctx, candidate) {
  const aura = new Keyring({ type: 'sr25519' }).addFromUri('//wallet//author');
  const grandpa = new Keyring({ type: 'ed25519' }).addFromUri('//wallet//finalizer');
  const statement = ownershipStatement(candidate.publicKey);
  const proof = concat(aura.sign(statement), grandpa.sign(statement));
  const keys = { aura: hex(aura.publicKey), grandpa: hex(grandpa.publicKey) };
  const forged = call('Session.set_keys', { keys, proof: new Uint8Array(128) });
  await ctx.refused(candidate, forged, 'Session.InvalidProof');
  await ctx.ok(candidate, call('Session.set_keys', { keys, proof }));
  const bond = 10_000n * XEN;
  const stood = await ctx.ok(candidate, call('Dpos.stand', { bond, commission: TENTH }));
  eventsOf(stood, 'Dpos.Stood');
}

export async function bookkeeping(ctx) {
  const names = ['candidate', 'voter', 'proxy voter', 'delegator'];
  const [candidate, voter, proxy, delegator] = await ctx.funded(20_000n * XEN, ...names);
  const stake = 10n * XEN;
  const vote = call('Dpos.vote', { candidates: [candidate.address], stake });
  const delegate = call('Dpos.delegate', { proxy: proxy.address, stake });
  await ctx.allRefused(voter, [
    [vote, 'Dpos.ChoiceNotCandidate'],
    [delegate, 'Dpos.NotProxyVoter'],
    [call('Dpos.unjail'), 'Dpos.NotJailed'],
    [call('Dpos.set_seats', { seats: 1 }), 'BadOrigin'],
  ]);
  await Promise.all([stand(ctx, candidate), ctx.ok(proxy, call('Dpos.open_proxy'))]);
  await Promise.all([
    ctx.ok(candidate, call('Dpos.set_commission', { commission: TENTH / 2 })),
    ctx.refused(
      candidate,
      call('Dpos.set_commission', { commission: ALL }),
      'Dpos.CommissionTooHigh',
    ),
    ctx.ok(voter, vote),
    ctx.ok(proxy, vote),
    ctx.ok(delegator, delegate),
  ]);
  const [unvoted, retired] = await Promise.all([
    ctx.ok(voter, call('Dpos.unvote')),
    ctx.ok(candidate, call('Dpos.retire')),
    ctx.ok(delegator, call('Dpos.undelegate')),
    ctx.ok(proxy, call('Dpos.close_proxy')),
    ctx.refused(voter, call('Dpos.unlock'), 'Dpos.TooEarlyToUnlock'),
    ctx.refused(voter, call('Dpos.claim'), 'Dpos.NothingToClaim'),
    ctx.refused(candidate, call('Dpos.withdraw'), 'Dpos.TooEarlyToWithdraw'),
  ]);
  eventsOf(unvoted, 'Dpos.Unvoted');
  eventsOf(retired, 'Dpos.Retired');
  // Whoever is seated needs its keys.
  await ctx.refused(candidate, call('Session.purge_keys'), 'System.CallFiltered');
}
