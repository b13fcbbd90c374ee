//! A source as text, whatever Windows wrote it in, with the way back from a place in the text to the bytes it came from.

use std::ops::Range;

use zeroize::Zeroizing;

/// Decoded text. Wiped when dropped.
pub(super) struct SourceText {
    text: Zeroizing<String>,
    encoding: Encoding,
}

#[derive(Clone, Copy)]
enum Encoding {
    /// With a mark of so many bytes before it.
    Utf8 { mark: usize },
    /// After a mark of two bytes, in either order: what Windows PowerShell writes unless told otherwise.
    Utf16,
}

impl SourceText {
    /// None where it is text in no encoding that is known by its mark, or not UTF-8.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units: Zeroizing<Vec<u16>> = Zeroizing::new(pairs.iter().map(|pair| unit(*pair)).collect());
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
        };
        let (text, encoding) = match bytes {
            [0xff, 0xfe, rest @ ..] => (wide(rest, u16::from_le_bytes)?, Encoding::Utf16),
            [0xfe, 0xff, rest @ ..] => (wide(rest, u16::from_be_bytes)?, Encoding::Utf16),
            [0xef, 0xbb, 0xbf, rest @ ..] => (std::str::from_utf8(rest).ok()?.to_owned(), Encoding::Utf8 { mark: 3 }),
            _ => (std::str::from_utf8(bytes).ok()?.to_owned(), Encoding::Utf8 { mark: 0 }),
        };
        Some(Self { text: Zeroizing::new(text), encoding })
    }

    /// The text, without the mark.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the source that `span` of the text came from.
    pub(super) fn bytes_of(&self, span: &Range<usize>) -> Range<usize> {
        let place = |at: usize| match self.encoding {
            Encoding::Utf8 { mark } => mark + at,
            Encoding::Utf16 => 2 + 2 * self.text.get(..at).unwrap_or_default().encode_utf16().count(),
        };
        place(span.start)..place(span.end)
    }
}
