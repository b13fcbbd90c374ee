//! What somebody pastes or pipes in to have it looked at: of any length, in whatever encoding.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Bytes kept of each end; even, so that a unit of UTF-16 is never cut.
const HALF: usize = 128 << 10;

/// All that there is to read: where it is long, its beginning and its end, with a line end in the place of the rest. What is no text in its encoding gives
/// way to U+FFFD.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Zeroizing<String>> {
    let mut beginning = Zeroizing::new(Vec::with_capacity(HALF));
    from.by_ref().take(HALF as u64).read_to_end(&mut beginning)?;
    let mut end = Zeroizing::new(Vec::with_capacity(3 * HALF));
    let mut is_whole = true;
    while from.by_ref().take(HALF as u64).read_to_end(&mut end)? > 0 {
        let surplus = end.len().saturating_sub(HALF) & !1;
        is_whole &= surplus == 0;
        end.drain(..surplus);
    }
    let decode: fn(&[u8]) -> String = match *beginning.as_slice() {
        // What Windows PowerShell writes into a file.
        [0xff, 0xfe, ..] => |bytes: &[u8]| wide(bytes, u16::from_le_bytes),
        [0xfe, 0xff, ..] => |bytes: &[u8]| wide(bytes, u16::from_be_bytes),
        _ => |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned(),
    };
    let text = Zeroizing::new(if is_whole {
        beginning.extend_from_slice(&end);
        decode(&beginning)
    } else {
        format!("{}\n{}", decode(&beginning), decode(&end))
    });
    // The mark of an encoding is no text.
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').to_owned()))
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_text() {
        let wide: Vec<u8> = "\u{feff}AADSTS50076".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, text) in [
            (b"AADSTS50076 \xe9\xff".as_slice(), "AADSTS50076 \u{fffd}\u{fffd}"),
            (&wide, "AADSTS50076"),
            ("\u{feff}AADSTS50076".as_bytes(), "AADSTS50076"),
            (b"", ""),
        ] {
            assert_eq!(*read(&mut &*bytes).unwrap(), text);
        }
    }

    #[test]
    fn of_what_is_long_both_ends_are_read() {
        for filler in [HALF, 2 * HALF + 1, 20 * HALF] {
            let text = format!("first {}\u{3042} last", "\u{3042}".repeat(filler / 3));
            let read = read(&mut text.as_bytes()).unwrap();
            assert!(read.starts_with("first ") && read.ends_with("\u{3042} last"), "{filler}");
            assert!(read.len() < 3 * HALF, "{filler}");
        }
    }
}
