//! Checks a record from its first line to its head: every edit, deletion, change of order and cut is found, and said where.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::Serialize;

use super::chain::{self, Anchor, AuditKey, BEGINNING, hex};
use super::head::{Found, Head};
use super::record::{Held, Torn};
use super::segments;
use crate::error::{Error, ErrorKind, Result};
use crate::store::private_file;

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Lines that are as they were written.
    pub lines: u64,
    /// Number of the first of them.
    pub first: Option<u64>,
    /// Number of the last of them.
    pub last: Option<u64>,
    /// What cannot be: somebody, or something, has changed the record.
    pub faults: Vec<Finding>,
    /// What can be: traces of a crash.
    pub notes: Vec<Finding>,
    /// The end of the record, to be kept elsewhere; none where it is not whole.
    #[serde(skip)]
    pub anchor: Option<Anchor>,
}

/// Something found, and where.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is: `edited`, `missing`, `order`, `cut`, `head`, `anchor`, `torn`, `unheaded`, `gap`.
    pub what: &'static str,
    /// The file; none where it is about the whole record.
    pub file: Option<String>,
    /// The line in that file, from 1.
    pub line: Option<u64>,
    /// In words.
    pub text: String,
}

/// The files as they stood at one moment, between two lines.
struct Snapshot {
    head: Found,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// Checks the record in `folder`. `anchor`: an end that was noted before, which must be in it. `from`: the record is said to begin with this line, because earlier files were put
/// elsewhere.
///
/// Errors: what a file that cannot be read gives; a record that is wrong is no error but has faults.
pub fn verify(folder: &Path, key: &AuditKey, anchor: Option<&Anchor>, from: u64) -> Result<Report> {
    let Snapshot { head, files } = snapshot(folder, key)?;
    let mut walk =
        Walk { key, report: Report::default(), expected: from.max(1), previous: None, at_anchor: None, at_head: None };
    if from <= 1 {
        walk.previous = Some(BEGINNING.to_owned());
    }
    let wanted_head = match &head {
        Found::Head(head) => Some(head.clone()),
        _ => None,
    };
    for (path, bytes) in &files {
        walk.file(path, bytes, from, anchor, wanted_head.as_ref());
    }
    walk.end(&head, anchor);
    Ok(walk.report)
}

/// What the check of a record means as one error.
///
/// Errors: `AuditTampered` where there are faults.
pub fn judge(report: &Report) -> Result<()> {
    match report.faults.first() {
        None => Ok(()),
        Some(first) => Err(Error::new(
            ErrorKind::AuditTampered,
            "audit",
            format!("the audit record is not as it was written: {}", first.text),
        )
        .with_context("faults", report.faults.len())),
    }
}

fn snapshot(folder: &Path, key: &AuditKey) -> Result<Snapshot> {
    if !folder.is_dir() {
        return Err(Error::new(ErrorKind::InvalidArgument, "audit", "there is no audit record yet")
            .with_context("path", folder.display()));
    }
    let read_only = |name: &str| File::open(folder.join(name)).ok();
    let lock = read_only(segments::LOCK);
    // Whoever may only read gets no lock on some systems; then a line that is just being written may look unfinished.
    let held = lock.as_ref().map(|lock| Held::take(lock, folder)).transpose()?;
    let head = match read_only(segments::HEAD) {
        Some(file) => Head::read(&file, key).map_err(|error| private_file::failure(error, folder))?,
        None => Found::Empty,
    };
    let mut open = Vec::new();
    for path in segments::all(folder)? {
        let file = File::open(&path).map_err(|error| private_file::failure(error, &path))?;
        let length = file.metadata().map_err(|error| private_file::failure(error, &path))?.len();
        open.push((path, file, length));
    }
    drop(held);
    let files = open
        .into_iter()
        .map(|(path, file, length)| {
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes).map_err(|error| private_file::failure(error, &path))?;
            Ok((path, bytes))
        })
        .collect::<Result<_>>()?;
    Ok(Snapshot { head, files })
}

/// One way through the lines.
struct Walk<'a> {
    key: &'a AuditKey,
    report: Report,
    expected: u64,
    /// Check of the line before; none where it is not known.
    previous: Option<String>,
    at_anchor: Option<String>,
    at_head: Option<String>,
}

impl Walk<'_> {
    fn file(&mut self, path: &Path, bytes: &[u8], from: u64, anchor: Option<&Anchor>, head: Option<&Head>) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let torn = self.told_torn(bytes);
        let mut offset = 0_usize;
        let mut number = 0;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            number += 1;
            let at = |line| (Some(name.clone()), Some(line));
            if let Some(told) = torn.get(&(offset as u64)).filter(|told| is_as_told(told, rest)) {
                let text =
                    format!("an unfinished line of {} bytes, left by a crash and told of by the next line", told.bytes);
                self.note("torn", at(number), text);
                let length = usize::try_from(told.bytes).unwrap_or(usize::MAX).min(rest.len());
                let is_whole = rest.get(length - 1) == Some(&b'\n');
                number += rest.iter().take(length).filter(|byte| **byte == b'\n').count() as u64 - u64::from(is_whole);
                offset += length + usize::from(!is_whole);
                continue;
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            offset += line.len() + 1;
            match (chain::open(self.key, line), end) {
                (Some(claim), Some(_)) => {
                    if claim.seq < from {
                        continue;
                    }
                    self.line(&claim, at(number));
                    if anchor.is_some_and(|anchor| anchor.seq == claim.seq) {
                        self.at_anchor = Some(claim.check.clone());
                    }
                    if head.is_some_and(|head| head.seq == claim.seq) {
                        self.at_head = Some(claim.check.clone());
                    }
                }
                (_, None) if name == segments::CURRENT && head.is_some_and(|head| (offset as u64) > head.length) => {
                    self.note(
                        "torn",
                        at(number),
                        "an unfinished line at the end, left by a crash or just being written".to_owned(),
                    );
                }
                _ => self.edited(line, at(number)),
            }
        }
    }

    /// A line whose own check is right.
    fn line(&mut self, claim: &chain::Claim, at: (Option<String>, Option<u64>)) {
        let field = |name: &str| claim.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        if field("operation") == "audit" && matches!(field("step"), "gap" | "head-missing") {
            self.fault("gap", at.clone(), format!("{} (told when writing went on)", field("note")));
        }
        match claim.seq.cmp(&self.expected) {
            std::cmp::Ordering::Greater => {
                let last = claim.seq - 1;
                let text = if last == self.expected {
                    format!("line {last} is missing")
                } else {
                    format!("lines {} to {last} are missing", self.expected)
                };
                self.fault("missing", at, text);
            }
            std::cmp::Ordering::Less => {
                self.fault("order", at, format!("line {} stands where line {} should", claim.seq, self.expected));
                return;
            }
            std::cmp::Ordering::Equal => {
                if self.previous.as_ref().is_some_and(|previous| *previous != claim.previous) {
                    let text = format!("line {} does not follow from the line before it", claim.seq);
                    self.fault("edited", at, text);
                }
            }
        }
        self.report.lines += 1;
        self.report.first = self.report.first.or(Some(claim.seq));
        self.report.last = Some(claim.seq);
        self.expected = claim.seq + 1;
        self.previous = Some(claim.check.clone());
    }

    /// A line that was not written so. What it claims is believed only to find the place where the chain goes on.
    fn edited(&mut self, line: &[u8], at: (Option<String>, Option<u64>)) {
        let claim = chain::claim(line).filter(|claim| claim.seq == self.expected);
        let text = match &claim {
            Some(claim) => format!("line {} is not as it was written", claim.seq),
            None => format!("what stands where line {} should is no line of this record", self.expected),
        };
        self.fault("edited", at, text);
        if claim.is_some() {
            self.expected += 1;
        }
        self.previous = None;
    }

    fn end(&mut self, head: &Found, anchor: Option<&Anchor>) {
        let last = self.expected - 1;
        let whole = (None, None);
        match head {
            Found::Head(head) if head.seq > last => {
                self.fault("cut", whole.clone(), format!("the record ends with line {last}, and had {}", head.seq));
            }
            Found::Head(head) if self.at_head.as_ref() != Some(&head.mac) && head.seq > 0 => {
                self.fault("head", whole.clone(), format!("line {} is another than the head says", head.seq));
            }
            Found::Head(head) if head.seq < last => {
                let text = format!("the lines after {} were written just before a crash", head.seq);
                self.note("unheaded", whole.clone(), text);
            }
            Found::Head(_) => {}
            Found::Empty if last == 0 => {}
            Found::Empty => self.fault("head", whole.clone(), "the file `head` is missing".to_owned()),
            Found::Wrong => self.fault("head", whole.clone(), "the file `head` is not as it was written".to_owned()),
        }
        if let Some(anchor) = anchor {
            match &self.at_anchor {
                Some(check) if *check == anchor.check => {}
                Some(_) => {
                    let text =
                        format!("line {} is another than the anchor says: the record was written anew", anchor.seq);
                    self.fault("anchor", whole, text);
                }
                None if anchor.seq > last => {
                    let text =
                        format!("the record ends with line {last}, and had {} when the anchor was noted", anchor.seq);
                    self.fault("cut", whole, text);
                }
                None => {
                    self.fault("anchor", whole, format!("line {}, which the anchor names, is not there", anchor.seq))
                }
            }
        }
        if self.report.faults.is_empty()
            && let (Some(seq), Some(check)) = (self.report.last, &self.previous)
        {
            self.report.anchor = Some(Anchor { seq, check: check.clone() });
        }
    }

    /// The unfinished lines that later, right lines of the same file tell of, by where they begin.
    fn told_torn(&self, bytes: &[u8]) -> HashMap<u64, Torn> {
        const MARK: &[u8] = b"\"step\":\"torn\"";
        let lines = bytes.split(|byte| *byte == b'\n');
        let telling = lines.filter(|line| line.windows(MARK.len()).any(|part| part == MARK));
        telling
            .filter_map(|line| chain::open(self.key, line))
            .filter_map(|claim| Torn::read(claim.fields.get("note")?.as_str()?))
            .map(|torn| (torn.offset, torn))
            .collect()
    }

    fn fault(&mut self, what: &'static str, (file, line): (Option<String>, Option<u64>), text: String) {
        self.report.faults.push(Finding { what, file, line, text });
    }

    fn note(&mut self, what: &'static str, (file, line): (Option<String>, Option<u64>), text: String) {
        self.report.notes.push(Finding { what, file, line, text });
    }
}

fn is_as_told(told: &Torn, rest: &[u8]) -> bool {
    let fragment = usize::try_from(told.bytes).ok().filter(|bytes| *bytes > 0).and_then(|bytes| rest.get(..bytes));
    fragment.is_some_and(|bytes| hex(digest::digest(&digest::SHA256, bytes).as_ref()) == told.sha256)
}
