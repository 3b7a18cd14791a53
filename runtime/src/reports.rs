//! How the runtime makes the transactions that a node submits on its own: reports of equivocations.

use frame_system::offchain::{
    CreateAuthorizedTransaction, CreateBare, CreateTransaction, CreateTransactionBase,
};
use sp_runtime::generic::Era;

use crate::{tx_extension, Runtime, RuntimeCall, TxExtension, UncheckedExtrinsic};

impl<Call> CreateTransactionBase<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

/// As GRANDPA reports.
impl<Call> CreateBare<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_bare(call)
    }
}

impl<Call> CreateTransaction<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    type Extension = TxExtension;

    fn create_transaction(call: RuntimeCall, extension: TxExtension) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_transaction(call, extension)
    }
}

/// As two blocks for one slot are reported.
impl<Call> CreateAuthorizedTransaction<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    fn create_extension() -> TxExtension {
        tx_extension(0, 0, Era::Immortal)
    }
}
