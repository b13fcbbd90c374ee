//! The head: the number and check of the last line, kept in a file of its own, so that lines cut off the end are missed. Two places, written in turn: a crash
//! in the middle of one leaves the other.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::chain::{AuditKey, Check};

const PLACE: usize = 256;
const LABEL: &str = "partnersam-audit-head-1";

/// Where the record ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Number of the last line.
    pub(super) seq: u64,
    /// Number of the first line in the current file.
    pub(super) segment: u64,
    /// Bytes that the current file had.
    pub(super) length: u64,
    /// Check of the last line.
    pub(super) mac: Check,
}

/// What the file of heads holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The newest of the heads that are right.
    Head(Head),
    /// Nothing was ever written.
    Empty,
    /// Something, and no head that is right.
    Wrong,
}

impl Head {
    /// The newest head in `file`.
    pub(super) fn read(file: &File, key: &AuditKey) -> io::Result<Found> {
        let mut bytes = Vec::with_capacity(2 * PLACE);
        let mut file = file;
        file.seek(SeekFrom::Start(0))?;
        file.take(4 * PLACE as u64).read_to_end(&mut bytes)?;
        let heads = bytes.chunks(PLACE).filter_map(|place| Self::open(place, key));
        Ok(match heads.max_by_key(|head| head.seq) {
            Some(head) => Found::Head(head),
            None if bytes.is_empty() => Found::Empty,
            None => Found::Wrong,
        })
    }

    /// Writes it into its place of the two.
    pub(super) fn write(&self, file: &File, key: &AuditKey) -> io::Result<()> {
        let body = serde_json::to_string(self)?;
        let mut place = format!("{} {body}", key.check(LABEL, body.as_bytes()));
        // A place has room for the largest numbers.
        place.extend(std::iter::repeat_n(' ', (PLACE - 1).saturating_sub(place.len())));
        place.push('\n');
        let mut file = file;
        file.seek(SeekFrom::Start((self.seq % 2) * PLACE as u64))?;
        file.write_all(place.as_bytes())
    }

    fn open(place: &[u8], key: &AuditKey) -> Option<Self> {
        let text = std::str::from_utf8(place).ok()?.trim_end();
        let (check, body) = text.split_once(' ')?;
        (key.check(LABEL, body.as_bytes()) == check).then_some(())?;
        serde_json::from_str(body).ok()
    }
}
