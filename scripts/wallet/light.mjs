// A chain as polkadot-api sees it without a server: a light client in this process finds the nodes that
// the chain's specification names, and believes only what headers, finality and proofs show.

import { readFileSync } from 'node:fs';

import { createClient } from 'polkadot-api';
import { getSmProvider } from 'polkadot-api/sm-provider';
import { start } from 'polkadot-api/smoldot';

import { chainOf } from './papi.mjs';

export const library = 'polkadot-api with a light client';

// Errors alone are worth telling; warnings are of slow tasks and old fields.
const ERRORS = 1;

export async function connect(specification) {
  const light = start({ maxLogLevel: ERRORS });
  const chainSpec = readFileSync(specification, 'utf8');
  return chainOf(createClient(getSmProvider(() => light.addChain({ chainSpec }))));
}
