// Coin, and calls that act for others.

import { hash, hex, text } from '../bytes.mjs';
import { call, to, variant } from '../call.mjs';
import { eventsOf, XEN } from './context.mjs';

const remark = call('System.remark_with_event', { remark: text('by another') });
// More than anybody owns.
const TOO_MUCH = 10n ** 30n;

export async function balances(ctx) {
  const [payer, leaver] = await ctx.funded(10n * XEN, 'payer', 'leaver');
  const dest = to(payer);
  await Promise.all([
    ctx.ok(payer, call('Balances.transfer_allow_death', { dest: to(leaver), value: XEN })),
    ctx.ok(payer, call('Balances.transfer_keep_alive', { dest: to(leaver), value: XEN })),
    ctx.ok(payer, call('Balances.upgrade_accounts', { who: [leaver.address] })),
    ctx.allRefused(payer, [
      [
        call('Balances.transfer_keep_alive', { dest: to(leaver), value: TOO_MUCH }),
        'Arithmetic.Underflow',
      ],
      [call('Balances.force_transfer', { source: to(leaver), dest, value: XEN }), 'BadOrigin'],
      [call('Balances.force_unreserve', { who: to(leaver), amount: XEN }), 'BadOrigin'],
      [call('Balances.force_set_balance', { who: to(leaver), new_free: XEN }), 'BadOrigin'],
      [
        call('Balances.force_adjust_total_issuance', {
          direction: variant('Increase'),
          delta: XEN,
        }),
        'BadOrigin',
      ],
    ]),
  ]);
  const left = await ctx.ok(leaver, call('Balances.transfer_all', { dest, keep_alive: false }));
  eventsOf(left, 'System.KilledAccount');
  // The supply is what it was at genesis.
  const burn = call('Balances.burn', { value: 1n, keep_alive: true });
  await ctx.refused(payer, burn, 'System.CallFiltered');
}

export async function utility(ctx) {
  const [someone] = await ctx.funded(10n * XEN, 'batcher');
  const good = call('Balances.transfer_keep_alive', { dest: to(ctx.bank), value: XEN });
  const bad = call('Balances.transfer_keep_alive', { dest: to(ctx.bank), value: TOO_MUCH });
  const calls = [good, bad, good];
  const as_origin = variant('system', variant('Signed', ctx.bank.address));
  const weight = { ref_time: 1n, proof_size: 1n };
  const [stopped, forced, fallen] = await Promise.all([
    ctx.ok(someone, call('Utility.batch', { calls })),
    ctx.ok(someone, call('Utility.force_batch', { calls })),
    ctx.ok(someone, call('Utility.if_else', { main: bad, fallback: good })),
    ctx.ok(someone, call('Utility.as_derivative', { index: 1, call: remark })),
    ctx.allRefused(someone, [
      [call('Utility.batch_all', { calls }), 'Arithmetic.Underflow'],
      [call('Utility.dispatch_as', { as_origin, call: remark }), 'BadOrigin'],
      [call('Utility.dispatch_as_fallible', { as_origin, call: remark }), 'BadOrigin'],
      [call('Utility.with_weight', { call: remark, weight }), 'BadOrigin'],
    ]),
  ]);
  eventsOf(stopped, 'Utility.BatchInterrupted');
  eventsOf(forced, 'Utility.ItemFailed');
  eventsOf(fallen, 'Utility.IfElseFallbackCalled');
}

export async function multisig(ctx) {
  const accounts = await ctx.funded(10n * XEN, 'signatory 1', 'signatory 2', 'signatory 3');
  const [one, two] = accounts;
  const others = (account) =>
    accounts
      .filter((other) => other !== account)
      .sort((a, b) => Buffer.compare(a.publicKey, b.publicKey))
      .map(({ address }) => address);
  const asOf = (account, rest) => ({ threshold: 2, other_signatories: others(account), ...rest });
  const max_weight = { ref_time: 10n ** 10n, proof_size: 10n ** 6n };
  const hashOf = async (inner) => hex(hash(await ctx.chain.encoded(inner)));
  const never = call('System.remark', { remark: text('never') });
  const [call_hash, never_hash] = await Promise.all([hashOf(remark), hashOf(never)]);
  const approve = (what) =>
    call(
      'Multisig.approve_as_multi',
      asOf(one, { maybe_timepoint: undefined, call_hash: what, max_weight }),
    );

  const single = { other_signatories: others(one), call: remark };
  const [approved, undone] = await Promise.all([
    ctx.ok(one, approve(call_hash)),
    ctx.ok(one, approve(never_hash)),
    ctx.ok(one, call('Multisig.as_multi_threshold_1', single)),
  ]);
  const timepoint = ({ block, index }) => ({ height: block, index });
  const final = asOf(two, { maybe_timepoint: timepoint(approved), call: remark, max_weight });
  const [executed] = await Promise.all([
    ctx.ok(two, call('Multisig.as_multi', final)),
    ctx.ok(one, call('Multisig.poke_deposit', asOf(one, { call_hash: never_hash }))),
  ]);
  eventsOf(executed, 'Multisig.MultisigExecuted');
  eventsOf(executed, 'System.Remarked');
  const cancel = asOf(one, { timepoint: timepoint(undone), call_hash: never_hash });
  await ctx.ok(one, call('Multisig.cancel_as_multi', cancel));
}

export async function proxy(ctx) {
  const [owner, helper] = await ctx.funded(10n * XEN, 'owner', 'helper');
  const any = variant('Any');
  const asOwner = (inner) =>
    call('Proxy.proxy', { real: to(owner), force_proxy_type: undefined, call: inner });
  const permit = (proxy_type, delay) => ({ delegate: to(helper), proxy_type, delay });
  const call_hash = hex(hash(await ctx.chain.encoded(remark)));
  const [removed, rejected] = ['22', '33'].map((byte) => `0x${byte.repeat(32)}`);

  const [created] = await Promise.all([
    ctx.ok(owner, call('Proxy.create_pure', { proxy_type: any, delay: 0, index: 7 })),
    ctx.ok(owner, call('Proxy.add_proxy', permit(any, 1))),
    ctx.ok(owner, call('Proxy.add_proxy', permit(variant('Market'), 0))),
    ctx.ok(owner, call('Proxy.poke_deposit')),
  ]);
  const announce = (hash) => call('Proxy.announce', { real: to(owner), call_hash: hash });
  const [announced] = await Promise.all([
    ctx.ok(helper, announce(call_hash)),
    ctx.ok(helper, announce(removed)),
    ctx.ok(helper, announce(rejected)),
    // What has a delay must be announced.
    ctx.refused(helper, asOwner(remark), 'Proxy.Unannounced'),
  ]);
  await Promise.all([
    ctx.ok(helper, call('Proxy.remove_announcement', { real: to(owner), call_hash: removed })),
    ctx.ok(owner, call('Proxy.reject_announcement', { delegate: to(helper), call_hash: rejected })),
    ctx.until(announced.block + 1),
  ]);
  const late = { delegate: to(helper), real: to(owner), force_proxy_type: undefined, call: remark };
  eventsOf(await ctx.ok(helper, call('Proxy.proxy_announced', late)), 'Proxy.ProxyExecuted');

  const [{ pure }] = eventsOf(created, 'Proxy.PureCreated');
  const kill = call('Proxy.kill_pure', {
    spawner: to(owner),
    proxy_type: any,
    index: 7,
    height: created.block,
    ext_index: created.index,
  });
  const asPure = call('Proxy.proxy', {
    real: variant('Id', pure),
    force_proxy_type: undefined,
    call: kill,
  });
  const [killed] = await Promise.all([
    ctx.ok(owner, asPure),
    ctx.ok(owner, call('Proxy.remove_proxy', permit(any, 1))),
    ctx.ok(owner, call('Proxy.remove_proxies')),
  ]);
  eventsOf(killed, 'Proxy.PureKilled');
}
