//! Calls, encoded by the types that both sides share.

use codec::Encode;
use scale_encode::{EncodeAsFields, Error, FieldIter, TypeResolver};
use subxt::tx::Payload;

/// A call whose arguments are already SCALE-encoded.
pub(crate) struct RawCall {
    pallet: &'static str,
    name: &'static str,
    arguments: Arguments,
}

/// Encoded arguments, in the order of the call.
pub(crate) struct Arguments(Vec<u8>);

impl RawCall {
    pub(crate) fn new(pallet: &'static str, name: &'static str, arguments: impl Encode) -> Self {
        Self { pallet, name, arguments: Arguments(arguments.encode()) }
    }

    /// Several encoded calls as one: all of them happen, or none.
    pub(crate) fn all(calls: &[Vec<u8>]) -> Self {
        let count = codec::Compact(calls.len() as u64).encode();
        let arguments = Arguments([count, calls.concat()].concat());
        Self { pallet: "Utility", name: "batch_all", arguments }
    }

    /// Name for messages.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.pallet, self.name)
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
    fn calls_together_are_a_vector_of_calls() {
        let calls = [vec![7, 1, 9], vec![7, 2]];
        let all = RawCall::all(&calls);
        assert_eq!(all.title(), "Utility.batch_all");
        assert_eq!(all.arguments.0, [2 << 2, 7, 1, 9, 7, 2]);
    }
}
