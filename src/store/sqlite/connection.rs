//! A connection to a store's file whose privacy was checked, and which a forked child can only let lie.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::OpenFlags;

use crate::error::Result;
use crate::fork::{self, CloseForFork, Pass};
use crate::store::private_file::{self, beside};
use crate::store::sqlite::fault::failure;
use crate::store::sqlite::schema;

/// How long to wait for another process's transaction. Ours take milliseconds; a longer wait means that something hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The place of one connection that is opened when it is first needed, and again after a fault or a fork.
///
/// It is closed before a fork (see [`fork`]). Should a fork have gone unreported, the child forgets the connection: it must not be used there, and not
/// even closed, for that would tidy up the log under the parent's feet.
#[derive(Debug)]
pub(super) struct Slot(Arc<Place>);

#[derive(Debug, Default)]
struct Place(Mutex<Option<Connection>>);

impl Default for Slot {
    fn default() -> Self {
        let place = Arc::new(Place::default());
        fork::close_before(Arc::downgrade(&(place.clone() as Arc<dyn CloseForFork>)));
        Self(place)
    }
}

impl Slot {
    /// Whether a connection is there to be used at once. It may be gone by the time of the next look.
    pub(super) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// The place itself; empty where there was only a connection of the process that forked this one.
    pub(super) fn lock(&self) -> Locked<'_> {
        let pass = Pass::wait();
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget_anothers(&mut slot);
        Locked { slot, _pass: pass }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Closed while no fork can happen.
        let _pass = Pass::wait();
        let mut slot = match self.0.0.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            // Held by a thread that only the parent has: then the connection is the parent's, too.
            Err(TryLockError::WouldBlock) => return mem::forget(Arc::clone(&self.0)),
        };
        forget_anothers(&mut slot);
        drop(slot.take());
    }
}

impl CloseForFork for Place {
    fn close(&self) {
        // Nobody holds it: each holder has a pass.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Empties the place of a connection that another process opened, without closing it.
fn forget_anothers(slot: &mut Option<Connection>) {
    if slot.as_ref().is_some_and(|connection| connection.process != std::process::id()) {
        mem::forget(slot.take());
    }
}

/// A slot that this thread alone looks at, while no fork happens.
pub(super) struct Locked<'a> {
    slot: MutexGuard<'a, Option<Connection>>,
    _pass: Pass,
}

impl Deref for Locked<'_> {
    type Target = Option<Connection>;

    fn deref(&self) -> &Option<Connection> {
        &self.slot
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Option<Connection> {
        &mut self.slot
    }
}

/// A connection of this process.
#[derive(Debug)]
pub(super) struct Connection {
    inner: rusqlite::Connection,
    process: u32,
}

impl Connection {
    /// Opens the store at `path`, making it where there is none.
    pub(super) fn open_or_make(path: &Path) -> Result<Self> {
        let path = real_path(path)?;
        if !private_file::check(&path)? {
            private_file::make_empty(&path)?;
        }
        Self::open_checked(&path)
    }

    /// Opens the store at `path`; none where there is no file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().map_err(|error| private_file::failure(error, path))? {
            return Ok(None);
        }
        let path = real_path(path)?;
        if !private_file::check(&path)? {
            return Ok(None);
        }
        Self::open_checked(&path).map(Some)
    }

    fn open_checked(path: &Path) -> Result<Self> {
        for suffix in ["-wal", "-shm", "-journal"] {
            let companion = beside(path, suffix);
            if private_file::check(&companion)? {
                make_writable_like(&companion, path);
            }
        }
        // Without CREATE and URI: the file is there, and its name is a name.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut inner = rusqlite::Connection::open_with_flags(path, flags).map_err(failure)?;
        inner.busy_timeout(PATIENCE).map_err(failure)?;
        inner
            .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -128;")
            .map_err(failure)?;
        schema::prepare(&mut inner)?;
        Ok(Self { inner, process: std::process::id() })
    }

    /// Makes the connection one that writes: durable when a transaction has ended, and removed bytes overwritten.
    pub(super) fn for_writing(self) -> Result<Self> {
        // Two processes that switch a new store to WAL at the same moment get BUSY at once: this one statement does not use the busy timeout.
        let until = Instant::now() + PATIENCE;
        loop {
            let switched = self.execute_batch("PRAGMA journal_mode = WAL;").map_err(failure);
            match switched {
                Err(error) if error.retry_after().is_some() && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(5));
                }
                other => break other?,
            }
        }
        // A small cache: an operation touches one record, and the memory is the caller's; room for the index through which many renewals go. A log of up to 4,000 pages (16 MB) instead of 1,000: what many renewals in a row change is brought into the file once and not four times.
        self.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -2000;",
        )
        .map_err(failure)?;
        Ok(self)
    }
}

#[cfg(test)]
impl Connection {
    pub(super) fn pretend_to_be_of_another_process(&mut self) {
        self.process = 0;
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.inner
    }
}

/// SQLite gives a file beside the store the mode that the store has at that moment. One that was made while the store could only be read would
/// keep it from being written ever after, and nobody would look there.
#[cfg(unix)]
fn make_writable_like(companion: &Path, store: &Path) {
    use std::fs::{Permissions, set_permissions, symlink_metadata};
    use std::os::unix::fs::PermissionsExt;
    const OWNER_WRITES: u32 = 0o200;
    let mode = |path| symlink_metadata(path).map_or(0, |facts| facts.permissions().mode() & 0o777);
    let wanted = mode(store);
    if wanted & OWNER_WRITES != 0 && mode(companion) & OWNER_WRITES == 0 {
        // Where this fails, the next write says that the store can only be read.
        let _ = set_permissions(companion, Permissions::from_mode(wanted));
    }
}

#[cfg(not(unix))]
fn make_writable_like(_companion: &Path, _store: &Path) {}

/// The folder's links are followed here, once; SQLite then follows none (SQLITE_OPEN_NOFOLLOW).
fn real_path(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(private_file::folder(folder)?.join(path.file_name().unwrap_or_default()))
}
