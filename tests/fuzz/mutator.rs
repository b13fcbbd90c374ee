//! Spoils inputs, the same way for the same seed: bits, cuts, splices, pieces twice, numbers without end, nesting without end, bytes that are no text.

/// Where spoiled inputs come from.
pub(crate) struct Mutator {
    state: u64,
}

/// Inputs grow to no more than this many bytes, so that a run's time is spent on many of them.
const LARGEST: usize = 96 << 10;

/// What is put into the middle of things.
const PIECES: [&[u8]; 22] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"]",
    b",",
    b"=",
    b"&",
    b"%00",
    b"\0",
    b"\r\n",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    "\u{202e}\u{1b}[31m".as_bytes(),
    b"null",
    b"-1",
    b"99999999999999999999999999999999999999",
    b"1e99999",
    b"-9223372036854775809",
];

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// One of `valid`, spoiled in one to four ways.
    pub(crate) fn spoiled<B: AsRef<[u8]>>(&mut self, valid: &[B]) -> Vec<u8> {
        let any = self.below(valid.len());
        let mut bytes = valid.get(any).map(|bytes| bytes.as_ref().to_vec()).unwrap_or_default();
        for _ in 0..=self.below(4) {
            let other = self.below(valid.len());
            self.spoil(&mut bytes, valid.get(other).map(AsRef::as_ref).unwrap_or_default());
            bytes.truncate(LARGEST);
        }
        bytes
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // SplitMix64 (Steele, Lea and Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (end.max(1) as u64)).unwrap_or_default()
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let piece = self.range(bytes.len());
        match self.below(10) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(piece)),
            4 => {
                let twice = bytes.get(piece.clone()).unwrap_or_default().to_vec();
                insert(bytes, piece.end, &twice);
            }
            5 => {
                let from = self.range(other.len());
                insert(bytes, at, other.get(from).unwrap_or_default());
            }
            6 => self.repeat_member(bytes),
            7 => self.enlarge_number(bytes),
            8 => {
                let opening: &[u8] = [&b"["[..], b"{\"a\":", b"(", b"a=\""].get(self.below(4)).copied().unwrap_or(b"[");
                insert(bytes, at, &opening.repeat(1 + self.below(6_000)));
            }
            _ => insert(bytes, at, PIECES.get(self.below(PIECES.len())).copied().unwrap_or_default()),
        }
    }

    /// What stands between two separators, twice: a key that is there already.
    fn repeat_member(&mut self, bytes: &mut Vec<u8>) {
        let is_separator = |byte: &u8| matches!(byte, b',' | b'&' | b'\n' | b'{' | b'}');
        let places: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| is_separator(byte)).map(|(at, _)| at).collect();
        if let [begin, end] = *places.windows(2).nth(self.below(places.len())).unwrap_or_default() {
            let mut member = bytes.get(begin + 1..end).unwrap_or_default().to_vec();
            member.push(bytes.get(end).copied().filter(|byte| *byte != b'}').unwrap_or(b','));
            insert(bytes, begin + 1, &member);
        }
    }

    fn enlarge_number(&mut self, bytes: &mut Vec<u8>) {
        let digits: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, _)| at).collect();
        if let Some(at) = digits.get(self.below(digits.len())) {
            let more = b"9".repeat(1 + self.below(400));
            insert(bytes, *at, &more);
        }
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        begin..begin + self.below((length - begin).min(200) + 1)
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let at = at.min(bytes.len());
    drop(bytes.splice(at..at, piece.iter().copied()));
}
