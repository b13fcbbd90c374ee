//! `application/x-www-form-urlencoded` (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>), for bodies that hold secrets.

use url::form_urlencoded::byte_serialize;

/// Room for a request with a token and an assertion, as a rule: a string that grows leaves copies of its secrets behind.
const ROOM: usize = 4096;

/// A form that is written field by field.
pub(super) struct Form(String);

impl Form {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(ROOM))
    }

    /// Adds a field. `name` is one that needs no encoding.
    pub(super) fn append(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        if stands_for_itself(value) {
            self.0.push_str(value);
        } else {
            self.0.extend(byte_serialize(value.as_bytes()));
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Whether nothing in `value` has to be encoded, as in most tokens: they are base64url and dots. Looked at as a whole, and without branches, this is
/// done many bytes at a time; the encoder goes byte by byte, which for a kilobyte costs more than to encrypt it.
fn stands_for_itself(value: &str) -> bool {
    let is_plain = |byte: u8| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_digit = byte.wrapping_sub(b'0') < 10;
        is_letter | is_digit | (byte == b'*') | (byte == b'-') | (byte == b'.') | (byte == b'_')
    };
    value.bytes().fold(true, |so_far, byte| so_far & is_plain(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded;

    use super::*;

    fn form(fields: &[(&str, &str)]) -> String {
        let mut form = Form::new();
        for (name, value) in fields {
            form.append(name, value);
        }
        String::from_utf8_lossy(&form.into_bytes()).into_owned()
    }

    #[test]
    fn what_needs_no_encoding_gets_none() {
        assert_eq!(form(&[("a", "AZaz09*-._"), ("b", "x y+&=%~\u{e9}")]), "a=AZaz09*-._&b=x+y%2B%26%3D%25%7E%C3%A9");
    }

    proptest! {
        #[test]
        fn it_is_what_the_crate_writes(first in "\\PC*", second in "[A-Za-z0-9*._-]*", third in any::<String>()) {
            let fields = [("first", first.as_str()), ("second", second.as_str()), ("third", third.as_str())];
            let crates = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            prop_assert_eq!(form(&fields), crates);
        }
    }
}
