//! Appends lines: many processes to one record, one at a time, by a lock that its holder cannot take along when it dies.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use serde::Serialize;

use super::chain::{self, AuditKey, BEGINNING, hex};
use super::entry::{Entry, Outcome};
use super::head::{Found, Head};
use super::segments;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::store::private_file;

/// When lines are made durable against a power cut. What is written survives the end of the process in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Every line before it counts as written.
    Always,
    /// Lines that must be there at once; the others once a second while the process writes, and else when the system does it.
    #[default]
    Interval,
    /// When the system does it.
    Never,
}

impl FromStr for Fsync {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "always" => Ok(Self::Always),
            "interval" => Ok(Self::Interval),
            "never" => Ok(Self::Never),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "parse", "not a time to make lines durable")
                .with_hint("use always, interval or never")),
        }
    }
}

/// Where a record is and how it is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder; made with mode 0700 where there is none.
    pub folder: PathBuf,
    /// When lines are made durable.
    pub fsync: Fsync,
    /// A file of this many bytes is full, and the next one is begun.
    pub rotate_bytes: u64,
}

/// An audit record to write to. Safe to share between threads, and between processes.
#[derive(Debug)]
pub struct Record {
    settings: Settings,
    key: AuditKey,
    open: Mutex<Option<Open>>,
    synced: Mutex<Instant>,
}

#[derive(Debug)]
struct Open {
    process: u32,
    lock: Arc<File>,
    head: File,
    log: File,
    segment: u64,
}

/// How long to wait for another process that writes a line, which takes a fraction of a millisecond.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// How often lines are made durable under [`Fsync::Interval`].
const INTERVAL: Duration = Duration::from_secs(1);

impl Record {
    /// The record in `settings.folder`. Touches nothing yet.
    pub fn new(settings: Settings, key: AuditKey) -> Self {
        Self { settings, key, open: Mutex::new(None), synced: Mutex::new(Instant::now()) }
    }

    /// Appends one line and gives its number. `at_once`: it is durable when this returns, unless that was switched off. Blocks on the file system.
    ///
    /// A line that a crash left unfinished, lines that are missing and a missing head are told by a line before it; see [`verify`](super::verify).
    ///
    /// Errors: `AuditUnwritable`; then nothing was written.
    pub fn append(&self, entry: &Entry, at_once: bool) -> Result<u64> {
        self.append_all(std::slice::from_ref(entry), at_once)
    }

    /// [`append`](Self::append) for lines that come together: all of them or none, in one file, and the number is that of the last. What a line costs beside
    /// itself (the lock, a look at the end, the head) is paid once.
    pub fn append_all(&self, entries: &[Entry], at_once: bool) -> Result<u64> {
        self.append_lines(entries, at_once).map_err(|error| unwritable(error, &self.settings.folder))
    }

    fn append_lines(&self, entries: &[Entry], at_once: bool) -> Result<u64> {
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A lock belongs to the open file, which a forked child shares with its parent: the child opens its own.
        if slot.as_ref().is_some_and(|open| open.process != std::process::id()) {
            *slot = None;
        }
        let open = match &mut *slot {
            Some(open) => open,
            empty => empty.insert(self.open()?),
        };
        let written = self.append_locked(open, entries);
        let synced = written.and_then(|seq| self.sync(open, at_once).map(|()| seq));
        if synced.is_err() {
            // Whatever went wrong, the next attempt begins with fresh eyes.
            *slot = None;
        }
        synced
    }

    fn open(&self) -> Result<Open> {
        let folder = private_file::folder(&self.settings.folder)?;
        let lock = Arc::new(private_file::open_for_lock(&folder.join(segments::LOCK))?);
        let head = private_file::open_for_lock(&folder.join(segments::HEAD))?;
        let log = private_file::open_for_append(&folder.join(segments::CURRENT))?;
        Ok(Open { process: std::process::id(), lock, head, log, segment: 0 })
    }

    fn append_locked(&self, open: &mut Open, entries: &[Entry]) -> Result<u64> {
        let lock = open.lock.clone();
        let _held = Held::take(&lock, &self.settings.folder)?;
        let mut end = self.end(open, entries.first().map(|entry| entry.at).unwrap_or_default())?;
        let mut text = std::mem::take(&mut end.before);
        let mut head = end.head;
        let first = head.seq + 1;
        for entry in end.events.iter().chain(entries) {
            head.seq += 1;
            let (line, check) = chain::line(&self.key, head.seq, &head.mac, open.process, entry)?;
            head.mac = check;
            text.push_str(&line);
            text.push('\n');
        }
        // What is told of the current file must stand in it.
        if end.events.is_empty() && head.length > 0 && head.length + text.len() as u64 > self.settings.rotate_bytes {
            self.rotate(open, &mut head, first)?;
        }
        let before = head.length;
        head.length += text.len() as u64;
        let write = open.log.write_all(text.as_bytes()).and_then(|()| head.write(&open.head, &self.key));
        write.map_err(|error| {
            // Half a line must not stay; if it cannot be taken back, the next line tells of it.
            let _ = open.log.set_len(before);
            private_file::failure(error, &self.settings.folder)
        })?;
        Ok(head.seq)
    }

    /// Puts the current file aside and begins the next one. `head` already counts the lines that are about to be written, from number `first` on.
    fn rotate(&self, open: &mut Open, head: &mut Head, first: u64) -> Result<()> {
        let (current, full) =
            (self.settings.folder.join(segments::CURRENT), segments::full(&self.settings.folder, head.segment));
        if full.exists() {
            return Err(Error::new(
                ErrorKind::AuditTampered,
                "audit",
                "a full file of the audit record is there twice",
            )
            .with_context("file", full.display()));
        }
        // Whatever comes first after a power cut, the chain goes on from a file that is whole.
        open.log.sync_data().map_err(|error| private_file::failure(error, &current))?;
        fs::rename(&current, &full).map_err(|error| private_file::failure(error, &full))?;
        open.log = private_file::open_for_append(&current)?;
        private_file::sync_folder(&self.settings.folder)?;
        head.segment = first;
        head.length = 0;
        open.segment = head.segment;
        Ok(())
    }

    /// Where the record ends, by what the head and the file say, and what is to be told of the difference.
    fn end(&self, open: &mut Open, now: UnixTime) -> Result<End> {
        let folder = &self.settings.folder;
        let failure = |error: io::Error| private_file::failure(error, folder);
        let found = Head::read(&open.head, &self.key).map_err(failure)?;
        // Another process may have begun a new file, and somebody may have taken this one away.
        if is_gone(&open.log).map_err(failure)? || matches!(&found, Found::Head(head) if head.segment != open.segment) {
            open.log = private_file::open_for_append(&folder.join(segments::CURRENT))?;
        }
        let length = open.log.metadata().map_err(failure)?.len();
        let mut head = match found {
            Found::Head(head) => head,
            Found::Empty if length == 0 && segments::all(folder)?.len() <= 1 => {
                Head { seq: 0, segment: 1, length: 0, mac: BEGINNING.to_owned() }
            }
            Found::Empty | Found::Wrong => {
                let head = self.last_whole(length)?;
                let event =
                    event("head-missing", format!("the head was not there; the last whole line is {}", head.seq), now);
                let mut end = self.beyond(&open.log, head, length, now)?;
                end.events.insert(0, event);
                open.segment = end.head.segment;
                return Ok(end);
            }
        };
        if segments::full(folder, head.segment).exists() {
            // A crash came between putting the full file aside and the first line of the next.
            head = Head { segment: head.seq + 1, length: 0, ..head };
        }
        open.segment = head.segment;
        if length < head.length {
            let note = format!("{} bytes are missing before this line, after line {}", head.length - length, head.seq);
            let before = if length == 0 || ends_a_line(&open.log, length).map_err(failure)? { "" } else { "\n" };
            head.length = length;
            return Ok(End { head, events: vec![event("gap", note, now)], before: before.to_owned() });
        }
        self.beyond(&open.log, head, length, now)
    }

    /// What lies in the file beyond `head`: whole lines whose head could not be written any more, then perhaps an unfinished one.
    fn beyond(&self, log: &File, mut head: Head, length: u64, now: UnixTime) -> Result<End> {
        let mut end = End { head: head.clone(), events: Vec::new(), before: String::new() };
        if length == head.length {
            return Ok(end);
        }
        let rest = read_from(log, head.length).map_err(|error| private_file::failure(error, &self.settings.folder))?;
        let mut rest = rest.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(at);
            match chain::open(&self.key, line) {
                Some(claim) if claim.seq == head.seq + 1 && claim.previous == head.mac => {
                    head = Head { seq: claim.seq, length: head.length + at as u64 + 1, mac: claim.check, ..head };
                    rest = after.get(1..).unwrap_or_default();
                }
                _ => break,
            }
        }
        if !rest.is_empty() {
            let hash = digest::digest(&digest::SHA256, rest);
            let note = Torn { offset: head.length, bytes: rest.len() as u64, sha256: hex(hash.as_ref()) }.to_string();
            end.events.push(event("torn", note, now));
            if !rest.ends_with(b"\n") {
                end.before.push('\n');
            }
        }
        head.length = length;
        end.head = head;
        Ok(end)
    }

    /// The head as the lines have it, where the file of heads is gone.
    fn last_whole(&self, length: u64) -> Result<Head> {
        let folder = &self.settings.folder;
        let mut last = Head { seq: 0, segment: 1, length, mac: BEGINNING.to_owned() };
        for path in segments::all(folder)? {
            let bytes = fs::read(&path).map_err(|error| private_file::failure(error, &path))?;
            let is_current = path == folder.join(segments::CURRENT);
            let mut first = None;
            let mut offset = 0;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                offset += line.len() as u64;
                if let Some(claim) = chain::open(&self.key, line.trim_ascii_end()) {
                    first = first.or(Some(claim.seq));
                    last = Head { seq: claim.seq, mac: claim.check, length: offset, ..last };
                }
            }
            if is_current {
                last.segment = first.unwrap_or(last.seq + 1);
                if first.is_none() {
                    last.length = 0;
                }
            }
        }
        Ok(last)
    }

    fn sync(&self, open: &Open, at_once: bool) -> Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = match self.settings.fsync {
            Fsync::Always => true,
            Fsync::Interval => at_once || synced.elapsed() >= INTERVAL,
            Fsync::Never => false,
        };
        if !is_due {
            return Ok(());
        }
        *synced = Instant::now();
        // First the lines, then the head: a head without its lines would look as if somebody had cut them off.
        open.log
            .sync_data()
            .and_then(|()| open.head.sync_data())
            .map_err(|error| private_file::failure(error, &self.settings.folder))
    }
}

/// Where the next line goes.
struct End {
    head: Head,
    /// What is told first.
    events: Vec<Entry>,
    /// What ends an unfinished line.
    before: String,
}

/// An unfinished line, as the line after it tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unfinished line at byte {}, {} bytes, sha256 {}", self.offset, self.bytes, self.sha256)
    }
}

impl Torn {
    pub(super) fn read(note: &str) -> Option<Self> {
        let rest = note.strip_prefix("unfinished line at byte ")?;
        let (offset, rest) = rest.split_once(", ")?;
        let (bytes, sha256) = rest.split_once(" bytes, sha256 ")?;
        Some(Self { offset: offset.parse().ok()?, bytes: bytes.parse().ok()?, sha256: sha256.to_owned() })
    }
}

fn event(step: &str, note: String, now: UnixTime) -> Entry {
    let mut entry = Entry::new("audit", Outcome::Ok, now);
    entry.step = Some(step.to_owned());
    entry.note = Some(note);
    entry
}

fn read_from(log: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut log = log;
    log.seek(SeekFrom::Start(offset))?;
    log.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn ends_a_line(log: &File, length: u64) -> io::Result<bool> {
    Ok(read_from(log, length.saturating_sub(1))?.ends_with(b"\n"))
}

#[cfg(unix)]
fn is_gone(log: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::nlink(&log.metadata()?) == 0)
}

#[cfg(not(unix))]
fn is_gone(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// The lock on the record, let go of when it is dropped.
pub(super) struct Held<'a>(&'a File);

impl<'a> Held<'a> {
    pub(super) fn take(lock: &'a File, folder: &Path) -> Result<Self> {
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self(lock)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_micros(200))
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        ErrorKind::AuditUnwritable,
                        "audit",
                        "another process has been writing to the audit record for too long",
                    )
                    .with_context("path", folder.display()));
                }
                Err(TryLockError::Error(error)) => return Err(private_file::failure(error, folder)),
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Unlocking, not only closing: the open file is kept for the next line.
        let _ = self.0.unlock();
    }
}

/// What went wrong with a file, as what it means for the record.
pub(crate) fn unwritable(error: Error, folder: &Path) -> Error {
    if matches!(error.kind(), ErrorKind::AuditUnwritable | ErrorKind::AuditTampered) {
        return error;
    }
    let message = format!("the audit record cannot be written: {}", error.message());
    let causes = error.causes().join("; ");
    let unwritable = Error::new(ErrorKind::AuditUnwritable, "audit", message).with_context("path", folder.display());
    if causes.is_empty() { unwritable } else { unwritable.with_cause(causes) }
}
