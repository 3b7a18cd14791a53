//! Calls, encoded by the types that both sides share.

use codec::{Compact, Encode, Output};
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

    /// Name for messages.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.pallet, self.name)
    }
}

/// Whole calls, each encoded with its indices, as the one argument of a batch.
pub(crate) struct Calls(pub(crate) Vec<Vec<u8>>);

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
