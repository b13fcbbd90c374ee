//! The lease of a store that lies in a file: an advisory lock on a file beside it, which the operating system lets go of when its holder
//! dies in whatever way. So nobody is ever told to delete a lock file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use crate::error::Result;
use crate::store::{Lease, private_file, seal};

/// How many files stand for all names. Two names may share one: then one waits although it need not.
const STRIPES: u16 = 1024;

const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// The folder of lock files of one store.
#[cfg(feature = "sqlite")]
#[derive(Debug)]
pub(crate) struct Leases {
    folder: PathBuf,
    made: OnceLock<()>,
}

#[cfg(feature = "sqlite")]
impl Leases {
    /// The leases of the store at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { folder: super::beside(path, ".lease"), made: OnceLock::new() }
    }

    /// Waits for the lease on `name`, at most `patience`.
    pub(crate) async fn take(&self, name: &str, patience: Duration) -> Result<Option<Box<dyn Lease>>> {
        if self.made.get().is_none() {
            private_file::folder(&self.folder)?;
            let _ = self.made.set(());
        }
        let path = self.folder.join(format!("{:04}", stripe(name)));
        let file = private_file::open_for_lock(&path)?;
        let locked = poll(patience, || match file.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(TryLockError::Error(error)) => Err(private_file::failure(error, &path)),
        });
        Ok(locked.await?.map(|()| Box::new(HeldFile { file, process: std::process::id() }) as Box<dyn Lease>))
    }
}

/// Tries until it succeeds or `patience` ends. Looks again and again and never blocks the thread: the system's own wait for a lock cannot be
/// given up, and 64 waiters would take 64 threads.
pub(crate) async fn poll<T>(patience: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let until = Instant::now() + patience;
    let mut wait = FIRST_WAIT;
    loop {
        if let Some(taken) = attempt()? {
            return Ok(Some(taken));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        pause(jittered(wait).min(left)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A held lock.
#[derive(Debug)]
struct HeldFile {
    file: File,
    process: u32,
}

#[cfg(feature = "sqlite")]
impl Lease for HeldFile {}

#[cfg(feature = "sqlite")]
impl Drop for HeldFile {
    fn drop(&mut self) {
        // Unlocking, not only closing: a child that was forked meanwhile shares the open file and would keep the lock. For the same reason
        // such a child must not unlock what its parent still holds.
        if self.process == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

/// The same name has the same stripe in every process and version.
fn stripe(name: &str) -> u16 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    match hash.as_ref() {
        [first, second, ..] => u16::from_be_bytes([*first, *second]) % STRIPES,
        _ => 0,
    }
}

/// Between half of `wait` and all of it, so that many waiters do not look in step.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without a random source there is no jitter, and no harm.
    let _ = seal::random(&mut byte);
    let [byte] = byte;
    wait / 2 + wait * u32::from(byte) / 510
}

/// Sleeps without the thread where a runtime can do that.
async fn pause(wait: Duration) {
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(wait).await;
    } else {
        std::thread::sleep(wait);
    }
}
