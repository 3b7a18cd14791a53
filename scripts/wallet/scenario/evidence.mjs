// Reports of misconduct. Nobody has any to report here, so each is refused for what it lacks.

import { hex, text } from '../bytes.mjs';
import { call, Single, variant } from '../call.mjs';
import { XEN } from './context.mjs';

const nothing = `0x${'00'.repeat(32)}`;
const seal = variant('Seal', [hex(text('aura')), new Uint8Array(64)]);

const header = (number) => ({
  parent_hash: nothing,
  number,
  state_root: nothing,
  extrinsics_root: nothing,
  digest: new Single('logs', [seal]),
});

const precommit = (target_number) => [
  { target_hash: nothing, target_number },
  `0x${'00'.repeat(64)}`,
];

export async function evidence(ctx) {
  const [someone] = await ctx.funded(10n * XEN, 'accuser');
  const blocks = {
    offender: hex(someone.publicKey),
    slot: 1n,
    first_header: header(1),
    second_header: header(2),
  };
  const votes = {
    equivocation_proof: {
      set_id: 0n,
      equivocation: variant('Precommit', {
        round_number: 1n,
        identity: hex(someone.publicKey),
        first: precommit(1),
        second: precommit(2),
      }),
    },
    key_owner_proof: { session: 0, trie_nodes: [], validator_count: 1 },
  };
  const future = { proof: blocks, session: 1_000_000 };
  await ctx.allRefused(someone, [
    [call('Equivocation.report', future), 'Equivocation.UnknownSession'],
    [call('Grandpa.report_equivocation', votes), 'Grandpa.InvalidEquivocationProof'],
    [call('Grandpa.report_equivocation_unsigned', votes), 'BadOrigin'],
  ]);
}
