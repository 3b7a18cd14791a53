//! What stands before a stored machine, so that one of another form is refused and not misread.

use codec::{Decode, Encode, Error, Input, Output};

/// Changes whenever a machine's fields do.
const FORM: [u8; 4] = *b"ZNL5";

/// The form that machines are stored in. Another one is not decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form;

impl Encode for Form {
    fn size_hint(&self) -> usize {
        FORM.len()
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.write(&FORM);
    }
}

impl Decode for Form {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        match <[u8; 4]>::decode(input)? {
            FORM => Ok(Form),
            _ => Err("the machine was stored in another form".into()),
        }
    }
}
