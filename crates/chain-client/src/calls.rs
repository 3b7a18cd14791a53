//! Calls, encoded by the types that both sides share.

use std::borrow::Cow;

use codec::{Compact, Encode, Output};
use scale_encode::{EncodeAsFields, Error, FieldIter, TypeResolver};
use subxt::{config::SubstrateConfig, tx::Payload, OnlineClientAtBlock};

use crate::ChainError;

/// A client at a block, with the version and the metadata of the program that is in force after it.
pub(crate) type AtBlock = OnlineClientAtBlock<SubstrateConfig>;

/// The pallet whose calls make several calls one.
const UTILITY: &str = "Utility";

/// A call whose arguments are already SCALE-encoded.
#[derive(Clone)]
pub(crate) struct RawCall {
    pallet: &'static str,
    name: &'static str,
    arguments: Arguments,
}

/// What a transaction does.
pub(crate) enum Action {
    /// One call.
    Call(RawCall),
    /// Several, by a call of the utility pallet that says what an error of one means.
    Batch { how: &'static str, calls: Vec<RawCall> },
}

impl Action {
    /// Name for messages.
    pub(crate) fn title(&self) -> String {
        match self {
            Action::Call(call) => call.title(),
            Action::Batch { how, .. } => format!("{UTILITY}.{how}"),
        }
    }

    /// The call as the program of a block encodes it.
    pub(crate) fn call(&self, block: &AtBlock) -> Result<Cow<'_, RawCall>, ChainError> {
        let (how, calls) = match self {
            Action::Call(call) => return Ok(Cow::Borrowed(call)),
            Action::Batch { how, calls } => (*how, calls),
        };
        let encoded: Result<Vec<_>, _> = calls.iter().map(|call| call.encoded(block)).collect();
        Ok(Cow::Owned(RawCall::new(UTILITY, how, Calls(encoded?))))
    }
}

impl From<RawCall> for Action {
    fn from(call: RawCall) -> Self {
        Action::Call(call)
    }
}

/// Encoded arguments, in the order of the call.
#[derive(Clone)]
pub(crate) struct Arguments(Vec<u8>);

impl RawCall {
    pub(crate) fn new(pallet: &'static str, name: &'static str, arguments: impl Encode) -> Self {
        Self { pallet, name, arguments: Arguments(arguments.encode()) }
    }

    /// Name for messages.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.pallet, self.name)
    }

    /// The whole call, by the indices that it has in the program of a block.
    pub(crate) fn encoded(&self, block: &AtBlock) -> Result<Vec<u8>, ChainError> {
        let encoded = block.transactions().call_data(self);
        encoded.map_err(|_| ChainError::Incompatible(self.title()))
    }
}

/// Whole calls, each encoded with its indices, as the one argument of a batch.
struct Calls(Vec<Vec<u8>>);

impl Encode for Calls {
    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        Compact(u32::try_from(self.0.len()).unwrap_or(u32::MAX)).encode_to(out);
        self.0.iter().for_each(|call| out.write(call));
    }
}

impl Payload for RawCall {
    type CallData = Arguments;

    fn pallet_name(&self) -> &str {
        self.pallet
    }

    fn call_name(&self) -> &str {
        self.name
    }

    fn call_data(&self) -> &Arguments {
        &self.arguments
    }
}

impl EncodeAsFields for Arguments {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _fields: &mut dyn FieldIter<'_, R::TypeId>,
        _types: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_encoded_as_a_list_of_calls_without_lengths_of_their_own() {
        let calls = Calls(vec![vec![1, 2], vec![3]]);
        assert_eq!(calls.encode(), [2 << 2, 1, 2, 3]);
        assert_eq!(Calls(vec![vec![7]; 100]).encode()[..2], Compact(100u32).encode()[..]);
    }
}
