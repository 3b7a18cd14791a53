// The chain's own business: calls that only governance may make are refused to everybody else.

import { text } from '../bytes.mjs';
import { call } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

export async function system(ctx) {
  const [someone] = await ctx.funded(10n * XEN, 'system');
  const hash = `0x${'11'.repeat(32)}`;
  const code = Uint8Array.of(0);
  await ctx.ok(someone, call('System.remark', { remark: text('a remark') }));
  const remarked = await ctx.ok(
    someone,
    call('System.remark_with_event', { remark: text('a remark') }),
  );
  eventsOf(remarked, 'System.Remarked');
  const key = text('key');
  await ctx.allRefused(someone, [
    [call('System.set_heap_pages', { pages: 64n }), 'BadOrigin'],
    [call('System.set_code', { code }), 'BadOrigin'],
    [call('System.set_code_without_checks', { code }), 'BadOrigin'],
    [call('System.set_storage', { items: [[key, text('value')]] }), 'BadOrigin'],
    [call('System.kill_storage', { keys: [key] }), 'BadOrigin'],
    [call('System.kill_prefix', { prefix: key, subkeys: 1 }), 'BadOrigin'],
    [call('System.authorize_upgrade', { code_hash: hash }), 'BadOrigin'],
    [call('System.authorize_upgrade_without_checks', { code_hash: hash }), 'BadOrigin'],
    [call('System.apply_authorized_upgrade', { code }), 'System.NothingAuthorized'],
    [call('Grandpa.note_stalled', { delay: 1, best_finalized_block_number: 1 }), 'BadOrigin'],
  ]);
}
