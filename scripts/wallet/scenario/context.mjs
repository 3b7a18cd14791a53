// What the scenarios have in common: accounts of their own, and calls that must succeed or be refused
// by name.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

import { Keyring } from '@polkadot/api';

import { call, to } from '../call.mjs';

export const XEN = 10n ** 12n;

// Longest wait for a block with something in it, milliseconds.
const PATIENCE = 150_000;

export class Context {
  #keyring = new Keyring({ type: 'sr25519' });

  constructor(chain) {
    this.chain = chain;
    this.names = new Set(chain.pallets.map(({ name }) => name));
    // The first accounts of a development chain own all of its coin.
    this.bank = this.#keyring.addFromUri('//Bob');
  }

  has(...pallets) {
    return pallets.every((name) => this.names.has(name));
  }

  account(name) {
    return this.#keyring.addFromUri(`//wallet//${name}`);
  }

  // New accounts with coin.
  async funded(amount, ...names) {
    const accounts = names.map((name) => this.account(name));
    const calls = accounts.map((one) =>
      call('Balances.transfer_keep_alive', { dest: to(one), value: amount }),
    );
    await this.ok(this.bank, call('Utility.batch_all', { calls }));
    return accounts;
  }

  // Waits for a call to be in a block.
  async made(account, call) {
    const late = pause(PATIENCE, undefined, { ref: false }).then(() => {
      throw new Error(`${call.path} is in no block after ${PATIENCE} ms`);
    });
    return Promise.race([this.chain.submit(account, call), late]);
  }

  async ok(account, call) {
    const result = await this.made(account, call);
    assert.equal(result.error, undefined, `${call.path} failed`);
    return result;
  }

  // The call is accepted, and refused when it runs.
  async refused(account, call, error) {
    const result = await this.made(account, call);
    assert.equal(result.error, error, `the outcome of ${call.path}`);
  }

  // Several refusals of one account in few blocks. `cases` has a call and its error each.
  async allRefused(account, cases) {
    await Promise.all(cases.map(([call, error]) => this.refused(account, call, error)));
  }

  // Waits until the best block has at least this number.
  until(number) {
    return reach(number, async () => (await this.chain.head()).number, 'best');
  }

  // Waits until all that is in the best block is final; gives that block's number.
  async settled() {
    const { number } = await this.chain.head();
    await reach(number, () => this.chain.finalized(), 'final');
    return number;
  }

  async blocksFromNow(count) {
    return (await this.chain.head()).number + count;
  }
}

async function reach(number, ask, what) {
  const deadline = Date.now() + PATIENCE;
  while ((await ask()) < number) {
    assert(Date.now() < deadline, `block ${number} does not become ${what}`);
    await pause(250);
  }
}

// The data of all events of this name in a result; there must be one.
export function eventsOf(result, path) {
  const found = result.events.filter((event) => event.path === path).map(({ data }) => data);
  assert.notEqual(
    found.length,
    0,
    `no event ${path} among ${result.events.map((event) => event.path)}`,
  );
  return found;
}
