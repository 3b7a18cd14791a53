//! What stands before a stored machine, so that one of another form is refused and not misread.

use codec::{Decode, Encode, Error, Input, Output};

/// The form of publishers' machines; changes whenever their fields do.
pub(crate) type PublisherForm = Form<b'5'>;

/// The form of providers' machines; changes whenever their fields do.
pub(crate) type ProviderForm = Form<b'4'>;

/// The form that machines are stored in, by its last letter. Another one is not decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form<const LETTER: u8>;

impl<const LETTER: u8> Form<LETTER> {
    const BYTES: [u8; 4] = [b'Z', b'N', b'L', LETTER];

    /// Its one value.
    pub(crate) const ONLY: Self = Form;
}

impl<const LETTER: u8> Encode for Form<LETTER> {
    fn size_hint(&self) -> usize {
        Self::BYTES.len()
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.write(&Self::BYTES);
    }
}

impl<const LETTER: u8> Decode for Form<LETTER> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        if <[u8; 4]>::decode(input)? == Self::BYTES {
            Ok(Form)
        } else {
            Err("the machine was stored in another form".into())
        }
    }
}
