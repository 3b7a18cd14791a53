// Replaces a chain's program by a vote of the development accounts, as a wallet would do it.
// Arguments: the node's address and the file of the new program. Prints one JSON object with the
// blocks in which each step was done.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { succeed } from '../wallet/transaction.mjs';

const library = createRequire(`${process.env.WALLET_LIBRARIES}/package.json`);
const { ApiPromise, Keyring, WsProvider } = library('@polkadot/api');
const { blake2AsHex } = library('@polkadot/util-crypto');
const { u8aToHex } = library('@polkadot/util');
const [url, file] = process.argv.slice(2);
// More than half of the supply. Alice pays other accounts meanwhile, so her coin stays free.
const VOTERS = ['//Bob', '//Charlie', '//Dave', '//Eve', '//Ferdie', '//Alice//stash', '//Bob//stash'];
const PATIENCE_MS = 300_000;
// Stays free for fees: coin that votes cannot pay any.
const XEN = 10n ** 12n;

function fail(what) {
  console.error(`vote: ${what}`);
  process.exit(1);
}

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const keyring = new Keyring({ type: 'sr25519' });
const [proposer, ...others] = VOTERS.map((uri) => keyring.addFromUri(uri));

// Looks after each new block until something is there.
async function wait(what, look) {
  let deadline;
  const late = new Promise((_, refuse) => {
    deadline = setTimeout(() => refuse(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  let stop;
  const found = new Promise((done, refuse) => {
    api.rpc.chain
      .subscribeNewHeads(async (head) => {
        try {
          const seen = await look(head);
          if (seen) done(seen);
        } catch (error) {
          refuse(error);
        }
      })
      .then((unsubscribe) => (stop = unsubscribe), refuse);
  });
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(deadline);
    stop?.();
  }
}

async function run() {
  const code = readFileSync(file);
  const version = api.runtimeVersion.specVersion.toNumber();
  const steps = {};
  const call = api.tx.system.authorizeUpgrade(blake2AsHex(code)).method;
  const bytes = call.toU8a();
  await succeed(api.tx.preimage.notePreimage(u8aToHex(bytes)), proposer);
  const submit = api.tx.referenda.submit(
    { system: 'Root' },
    { Lookup: { hash: blake2AsHex(bytes), len: bytes.length } },
    { After: 0 },
  );
  const { blockNumber, events } = await succeed(submit, proposer);
  steps.submitted = Number(blockNumber);
  const [index] = events.find(({ event }) => event.method === 'Submitted').event.data;
  await succeed(api.tx.referenda.placeDecisionDeposit(index), proposer);

  const vote = { aye: true, conviction: 'Locked1x' };
  for (const who of [proposer, ...others]) {
    const { free, reserved } = (await api.query.system.account(who.address)).data;
    const balance = free.toBigInt() + reserved.toBigInt() - XEN;
    await succeed(api.tx.convictionVoting.vote(index, { Standard: { vote, balance } }), who);
  }
  console.error(`   ${VOTERS.length} accounts have voted for referendum ${index}`);

  steps.approved = await wait('the approval', async (head) => {
    const info = (await api.query.referenda.referendumInfoFor(index)).unwrap();
    if (!info.isOngoing && !info.isApproved) throw new Error(`the referendum is ${info.type}`);
    return info.isApproved && info.asApproved[0].toNumber();
  });
  steps.authorized = await wait('the authorization', async (head) => {
    const given = await api.query.system.authorizedUpgrade();
    return given.isSome && head.number.toNumber();
  });
  console.error(`   approved in block ${steps.approved}, authorized by block ${steps.authorized}`);

  // Anybody brings the program.
  const apply = api.tx.system.applyAuthorizedUpgrade(u8aToHex(code));
  await apply.signAndSend(others[0]);
  // The library may miss the block of a transaction that changes how blocks are read.
  steps.upgraded = await wait('the new program', async (head) => {
    const { specVersion } = await api.rpc.state.getRuntimeVersion(head.hash);
    return specVersion.toNumber() > version && head.number.toNumber();
  });
  // What is signed names the version, which the library learns of a moment later.
  await wait('the new version', async () => api.runtimeVersion.specVersion.toNumber() > version);
  await succeed(api.tx.referenda.refundDecisionDeposit(index), proposer);
  await succeed(api.tx.referenda.refundSubmissionDeposit(index), proposer);
  await succeed(api.tx.preimage.unnotePreimage(blake2AsHex(bytes)), proposer);
  console.log(JSON.stringify(steps));
}

await run().catch((error) => fail(error.message));
await api.disconnect();
process.exit(0);
