// All scenarios. Each has accounts of its own, so that they run at the same time, and runs where the
// chain has its pallets. A call that no scenario makes fails the check: a new pallet's is named here.

import assert from 'node:assert/strict';

import { balances, multisig, proxy, utility } from './accounts.mjs';
import { bookkeeping } from './bookkeeping.mjs';
import { evidence } from './evidence.mjs';
import { referenda, scheduler, vesting } from './governance.mjs';
import { announcements, channels, deposits, identities } from './market.mjs';
import { system } from './system.mjs';

const SCENARIOS = [
  [system, 'System', 'Grandpa'],
  [balances, 'Balances'],
  [utility, 'Utility'],
  [multisig, 'Multisig'],
  [proxy, 'Proxy'],
  [bookkeeping, 'Session', 'Dpos'],
  [evidence, 'Equivocation'],
  [identities, 'MinedIdentity'],
  [announcements, 'Announcements'],
  [deposits, 'Deposits'],
  [channels, 'Channels'],
  [referenda, 'Referenda', 'ConvictionVoting', 'Preimage'],
  [scheduler, 'Scheduler'],
  [vesting, 'Vesting'],
];

export async function runAll(ctx) {
  const able = SCENARIOS.filter(([, ...pallets]) => ctx.has(...pallets));
  const outcomes = await Promise.allSettled(able.map(([scenario]) => scenario(ctx)));
  const failures = outcomes.flatMap(({ reason }, i) =>
    reason ? [`${able[i][0].name}: ${reason.stack}`] : [],
  );
  assert.equal(failures.length, 0, failures.join('\n'));
}
