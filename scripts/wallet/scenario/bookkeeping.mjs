// Session keys, candidates and votes. What takes sessions is refused here, by name, as too early.

import { Keyring } from '@polkadot/api';

import { concat, hex, ownershipStatement } from '../bytes.mjs';
import { call } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

export async function bookkeeping(ctx) {
  const [candidate, voter] = await ctx.funded(20_000n * XEN, 'candidate', 'voter');
  const aura = new Keyring({ type: 'sr25519' }).addFromUri('//wallet//author');
  const grandpa = new Keyring({ type: 'ed25519' }).addFromUri('//wallet//finalizer');
  const statement = ownershipStatement(candidate.publicKey);
  const proof = concat(aura.sign(statement), grandpa.sign(statement));
  const keys = { aura: hex(aura.publicKey), grandpa: hex(grandpa.publicKey) };
  const vote = call('Dpos.vote', { candidates: [candidate.address], stake: 10n * XEN });

  await Promise.all([
    ctx.refused(voter, call('Session.set_keys', { keys, proof }), 'Session.InvalidProof'),
    ctx.refused(voter, vote, 'Dpos.ChoiceNotCandidate'),
    ctx.ok(candidate, call('Session.set_keys', { keys, proof })),
  ]);
  eventsOf(await ctx.ok(candidate, call('Dpos.stand', { bond: 10_000n * XEN })), 'Dpos.Stood');
  eventsOf(await ctx.ok(voter, vote), 'Dpos.Voted');
  const [unvoted, retired] = await Promise.all([
    ctx.ok(voter, call('Dpos.unvote')),
    ctx.ok(candidate, call('Dpos.retire')),
    ctx.refused(voter, call('Dpos.unlock'), 'Dpos.TooEarlyToUnlock'),
    ctx.refused(candidate, call('Dpos.withdraw'), 'Dpos.TooEarlyToWithdraw'),
  ]);
  eventsOf(unvoted, 'Dpos.Unvoted');
  eventsOf(retired, 'Dpos.Retired');
  // Whoever is seated needs its keys.
  await ctx.refused(candidate, call('Session.purge_keys'), 'System.CallFiltered');
}
