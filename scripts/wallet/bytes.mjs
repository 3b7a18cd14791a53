// What the chain's own rules hash and sign, byte for byte as in crates/primitives.

import assert from 'node:assert/strict';
import { Blake2256 } from '@polkadot-api/substrate-bindings';

export const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;
export const fromHex = (text) => Uint8Array.from(Buffer.from(text.slice(2), 'hex'));
export const text = (string) => new TextEncoder().encode(string);
export const concat = (...parts) => Uint8Array.from(Buffer.concat(parts));

// Unsigned integers, little-endian.
function uint(value, length) {
  const digits = BigInt(value)
    .toString(16)
    .padStart(length * 2, '0');
  assert.equal(digits.length, length * 2, `${value} does not fit in ${length} bytes`);
  return Uint8Array.from(Buffer.from(digits, 'hex').reverse());
}
export const u32 = (value) => uint(value, 4);
export const u64 = (value) => uint(value, 8);
export const u128 = (value) => uint(value, 16);

export const hash = (...parts) => Blake2256(concat(...parts));

const ROLES = { Publisher: 0, Provider: 1 };

// All but the nonce of what a mined identity hashes.
export const identityWork = (role, account, anchor) =>
  concat(text('zennet/identity/v1'), Uint8Array.of(ROLES[role]), account, anchor);

// All but the nonce of what a stamp hashes.
export const stampWork = (message) => concat(text('zennet/stamp/v1'), message);

export const announcementId = (genesis, publisher, body) =>
  hash(text('zennet/announcement/v1'), genesis, publisher, body);

export const channelId = (genesis, publisher, provider, contract, nonce) =>
  hash(text('zennet/channel/v1'), genesis, publisher, provider, contract, u64(nonce));

export const voucherBytes = (genesis, channel, cumulative, usageHash) =>
  concat(text('ZNV1'), genesis, channel, u128(cumulative), usageHash);

export const splitBytes = (genesis, channel, toProvider) =>
  concat(text('ZNS1'), genesis, channel, u128(toProvider));

export const depositId = (genesis, owner, counterparty, nonce) =>
  hash(text('zennet/deposit/v1'), genesis, owner, counterparty, u64(nonce));

export const spendBytes = (genesis, deposit, sequence, to, amount) =>
  concat(text('ZND1'), genesis, deposit, u32(sequence), to, u128(amount));

// The statement that session keys sign for the account that sets them.
export const ownershipStatement = (account) => concat(text('POP_'), account);

const MAX_HASH = 2n ** 256n - 1n;

// Searches the nonce with which the hash of the work is at most the target of the difficulty.
export function mine(work, difficulty) {
  const target = MAX_HASH / (difficulty > 1n ? difficulty : 1n);
  // Most hashes are turned down by their first six bytes alone.
  const most = Number(target >> 208n);
  const input = concat(work, u64(0));
  const counter = new DataView(input.buffer, work.length);
  for (let nonce = 0n; ; nonce += 1n) {
    counter.setBigUint64(0, nonce, true);
    const found = Buffer.from(Blake2256(input));
    if (found.readUIntBE(0, 6) <= most && BigInt(hex(found)) <= target) return nonce;
  }
}

// Other bytes than these.
export const wrong = (bytes) => bytes.map((byte) => byte ^ 1);

// The golden bytes of crates/primitives/src/channel.rs.
const filled = (byte) => new Uint8Array(32).fill(byte);
assert.equal(
  hex(voucherBytes(filled(1), filled(2), 0x0102n, filled(3))),
  `0x5a4e5631${'01'.repeat(32)}${'02'.repeat(32)}0201${'00'.repeat(14)}${'03'.repeat(32)}`,
);
assert.equal(
  hex(splitBytes(filled(1), filled(2), 1n)),
  `0x5a4e5331${'01'.repeat(32)}${'02'.repeat(32)}01${'00'.repeat(15)}`,
);
