// Arguments for the runtime APIs that answer questions; those that are left out have a reason.

import { hex, text } from './bytes.mjs';
import { call } from './call.mjs';

const remark = () => call('System.remark', { remark: text('a remark') });
const weight = { ref_time: 1_000_000n, proof_size: 1n };

// What is asked, by the account `who`.
export const VIEWS = {
  'Core.version': () => [],
  'Metadata.metadata': () => [],
  'Metadata.metadata_at_version': () => [15],
  'Metadata.metadata_versions': () => [],
  'AuraApi.slot_duration': () => [],
  'AuraApi.authorities': () => [],
  'GrandpaApi.grandpa_authorities': () => [],
  'GrandpaApi.current_set_id': () => [],
  'GrandpaApi.generate_key_ownership_proof': (who) => [0n, hex(who.publicKey)],
  'SessionKeys.decode_session_keys': () => [new Uint8Array(64)],
  'AccountNonceApi.account_nonce': (who) => [who.address],
  'TransactionPaymentApi.query_weight_to_fee': () => [weight],
  'TransactionPaymentApi.query_length_to_fee': () => [100],
  'TransactionPaymentCallApi.query_call_info': () => [remark(), 100],
  'TransactionPaymentCallApi.query_call_fee_details': () => [remark(), 100],
  'TransactionPaymentCallApi.query_weight_to_fee': () => [weight],
  'TransactionPaymentCallApi.query_length_to_fee': () => [100],
  'GenesisBuilder.get_preset': () => [undefined],
  'GenesisBuilder.preset_names': () => [],
};

const MAKES_BLOCKS = 'makes and checks blocks';
const TAKES_EVIDENCE = 'takes a proof of misconduct, which nodes bring';
const NEEDS_TRANSACTION = 'takes a signed transaction; the library asks it for the fee of one';

// What a wallet does not ask by itself.
export const NOT_ASKED = {
  'Core.execute_block': MAKES_BLOCKS,
  'Core.initialize_block': MAKES_BLOCKS,
  'BlockBuilder.apply_extrinsic': MAKES_BLOCKS,
  'BlockBuilder.finalize_block': MAKES_BLOCKS,
  'BlockBuilder.inherent_extrinsics': MAKES_BLOCKS,
  'BlockBuilder.check_inherents': MAKES_BLOCKS,
  'OffchainWorkerApi.offchain_worker': MAKES_BLOCKS,
  'GenesisBuilder.build_state': 'makes the first block',
  'TaggedTransactionQueue.validate_transaction': NEEDS_TRANSACTION,
  'TransactionPaymentApi.query_info': NEEDS_TRANSACTION,
  'TransactionPaymentApi.query_fee_details': NEEDS_TRANSACTION,
  'SessionKeys.generate_session_keys': "writes to the node's own keys",
  'GrandpaApi.submit_report_equivocation_unsigned_extrinsic': TAKES_EVIDENCE,
  'EquivocationApi.judge': TAKES_EVIDENCE,
  'EquivocationApi.submit_report': TAKES_EVIDENCE,
};
