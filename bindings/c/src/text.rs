//! What C gets to read: texts that end with NUL and live as long as the object that they belong to.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ptr;

use serde::Serialize;
use zeroize::Zeroizing;

/// A text for C. A NUL within becomes a space: C would end there.
#[derive(Debug)]
pub(crate) struct Text(CString);

impl Text {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        let text = text.to_string().replace('\0', " ");
        Self(CString::new(text).unwrap_or_default())
    }

    /// A document as JSON text.
    pub(crate) fn json(document: &impl Serialize) -> Self {
        // Texts, numbers and lists cannot fail to serialize.
        Self::new(serde_json::to_string(document).unwrap_or_default())
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr()
    }
}

/// The pointer to a text that may be missing: null then.
pub(crate) fn pointer(text: Option<&Text>) -> *const c_char {
    text.map_or(ptr::null(), Text::as_ptr)
}

/// A secret for C, wiped when it is dropped.
pub(crate) struct SecretText(Zeroizing<Vec<u8>>);

impl SecretText {
    /// None where `secret` has a NUL within: C would see a part of it, and take that for the whole.
    pub(crate) fn new(secret: &str) -> Option<Self> {
        // One allocation of the right size: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
        bytes.extend_from_slice(secret.as_bytes());
        bytes.push(0);
        CStr::from_bytes_with_nul(&bytes).is_ok().then_some(Self(bytes))
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// Length in bytes without the final NUL.
    pub(crate) fn len(&self) -> usize {
        self.0.len() - 1
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_nul_within_neither_ends_a_text_nor_shortens_a_secret() {
        assert_eq!(Text::new("a\0b").0.as_bytes(), b"a b");
        assert!(SecretText::new("not-a\0real-token").is_none());
        let secret = SecretText::new("not-a-real-token").unwrap();
        assert_eq!(secret.len(), 16);
        assert_eq!(secret.0.as_slice(), b"not-a-real-token\0");
        assert_eq!(format!("{secret:?}"), "SecretText(..)");
    }
}
