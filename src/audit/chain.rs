//! How lines hang together: each has its number, the check of the line before it, and a check (HMAC-SHA-256) over itself. Without the key no line can be made;
//! with a line changed, missing or out of place the chain does not close.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::entry::Entry;
use crate::error::{Error, ErrorKind, Result};

/// The check of one line, as 64 hexadecimal digits.
pub(super) type Check = String;

/// What the first line has for the check of the line before it.
pub(super) const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const CHECK_LENGTH: usize = 64;
const BEFORE_CHECK: &str = ",\"mac\":\"";
const AFTER_CHECK: &str = "\"}";

/// What the record is keyed with. Redacted.
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// Of 32 random bytes.
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice()))
    }

    /// The check of `text` as what `label` says; one label's check is never another's.
    pub(super) fn check(&self, label: &str, text: &[u8]) -> Check {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(label.as_bytes());
        context.update(b"\n");
        context.update(text);
        hex(context.sign().as_ref())
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(..)")
    }
}

const LINE: &str = "partnersam-audit-line-1";

/// The line of `entry`, without the line end, and its check.
pub(super) fn line(key: &AuditKey, seq: u64, previous: &str, pid: u32, entry: &Entry) -> Result<(String, Check)> {
    let entry = serde_json::to_string(entry)
        .map_err(|error| Error::new(ErrorKind::Internal, "audit", "a line cannot be written").with_cause(error))?;
    let rest = entry.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let body = format!("{{\"v\":1,\"seq\":{seq},\"prev\":\"{previous}\",\"pid\":{pid},{rest}");
    let check = key.check(LINE, body.as_bytes());
    Ok((format!("{body}{BEFORE_CHECK}{check}{AFTER_CHECK}"), check))
}

/// A line as it claims to be.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) seq: u64,
    pub(super) previous: String,
    pub(super) check: Check,
    pub(super) fields: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
    prev: String,
}

/// The line if its check is right: byte for byte what was written.
pub(super) fn open(key: &AuditKey, line: &[u8]) -> Option<Claim> {
    let (body, check) = parts(line)?;
    (key.check(LINE, body.as_bytes()) == check).then_some(())?;
    claim(line)
}

/// What a line says of itself, right or not.
pub(super) fn claim(line: &[u8]) -> Option<Claim> {
    let (_, check) = parts(line)?;
    let fields: serde_json::Map<String, Value> = serde_json::from_slice(line).ok()?;
    let Numbered { seq, prev } = serde_json::from_slice(line).ok()?;
    Some(Claim { seq, previous: prev, check: check.to_owned(), fields })
}

fn parts(line: &[u8]) -> Option<(&str, &str)> {
    let rest = std::str::from_utf8(line).ok()?.strip_suffix(AFTER_CHECK)?;
    let (body, check) = rest.split_at_checked(rest.len().checked_sub(CHECK_LENGTH)?)?;
    Some((body.strip_suffix(BEFORE_CHECK)?, check))
}

/// The end of the record as it stood at some time, to be kept elsewhere: who has it notices when the record is cut or written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the last line.
    pub seq: u64,
    /// Its check.
    pub(super) check: Check,
}

const ANCHOR: &str = "partnersam-audit-1:";

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ANCHOR}{}:{}", self.seq, self.check)
    }
}

impl FromStr for Anchor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.trim().strip_prefix(ANCHOR).and_then(|rest| rest.split_once(':'));
        let is_check = |check: &str| check.len() == CHECK_LENGTH && check.bytes().all(|b| b.is_ascii_hexdigit());
        match parsed.and_then(|(seq, check)| Some((seq.parse().ok()?, check))) {
            Some((seq, check)) if is_check(check) => Ok(Self { seq, check: check.to_owned() }),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "audit", "not an anchor of an audit record")
                .with_hint("an anchor is one line that `partnersam audit anchor` printed")),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
