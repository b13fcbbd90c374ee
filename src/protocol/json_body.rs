//! JSON as services send it: of bounded size, and now and then behind a UTF-8 byte order mark.

use std::borrow::Cow;

use serde::Deserialize;

/// A string that is read where it stands, and copied only where it has escapes.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Reads `body` as `T`, or nothing when it is longer than `most` bytes or not what `T` wants. Depth is bounded by serde_json (128).
///
/// The parser's own error is dropped on purpose: it can quote the body.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], most: usize) -> Option<T> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    if body.len() > most {
        return None;
    }
    serde_json::from_slice(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_value() {
        assert_eq!(parse::<Value>(b"\xef\xbb\xbf{}", 100), parse::<Value>(b"{}", 100));
        assert!(parse::<Value>(b"\xef\xbb\xbf\xef\xbb\xbf{}", 100).is_none());
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(parse::<Value>(b"[1, 2]", 5).is_none());
        assert!(parse::<Value>("[".repeat(100_000).as_bytes(), 1 << 20).is_none());
    }
}
