// How a transaction is sent by @polkadot/api. Nothing is imported, so that it serves scripts beside the
// libraries and scripts elsewhere.

// What a call failed with: the error as the metadata spells it, and what is told of it there.
export function failure(error) {
  if (!error.isModule) {
    return { name: [error.type, error.inner.type].filter(Boolean).join('.'), docs: '' };
  }
  const { registry, asModule } = error;
  const pallet = registry.metadata.pallets.find(({ index }) => index.eq(asModule.index));
  const { name, docs } = registry.findMetaError(asModule);
  return { name: `${pallet.name}.${name}`, docs: docs.join(' ').trim() };
}

const nameOf = ({ method: { section, method } }) => `${section}.${method}`;

// Signs and sends; resolves with the library's result once it is in a block, with `final` in a final
// one. A call that failed is in a block, too; what the pool takes back is an error.
export function send(call, account, { final = false, ...options } = {}) {
  return new Promise((done, refuse) => {
    const told = (result) => {
      if (result.isError) refuse(new Error(`${nameOf(call)} is ${result.status.type}`));
      else if (final ? result.isFinalized : result.isInBlock) done(result);
    };
    call.signAndSend(account, options, told).catch(refuse);
  });
}

// As `send`; a call that failed is an error.
export async function succeed(call, account, options) {
  const result = await send(call, account, options);
  if (!result.dispatchError) return result;
  const { name, docs } = failure(result.dispatchError);
  throw new Error(`${nameOf(call)} failed with ${name} ${docs}`.trim());
}
