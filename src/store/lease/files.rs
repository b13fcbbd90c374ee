//! The lease of a store that lies in a file: an advisory lock on a file beside it, which the operating system lets go of when its holder
//! dies in whatever way. So nobody is ever told to delete a lock file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::digest;

use crate::error::Result;
use crate::store::Lease;
use crate::store::lease::poll;
use crate::store::private_file::{self, beside};

/// How many files stand for all names. Two names may share one: then one waits although it need not.
const STRIPES: u16 = 1024;

/// The folder of lock files of one store.
#[derive(Debug)]
pub(crate) struct Leases {
    folder: PathBuf,
    made: OnceLock<()>,
}

impl Leases {
    /// The leases of the store at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { folder: beside(path, ".lease"), made: OnceLock::new() }
    }

    /// Waits for the lease on `name`, at most `patience`.
    pub(crate) async fn take(&self, name: &str, patience: Duration) -> Result<Option<Box<dyn Lease>>> {
        if self.made.get().is_none() {
            private_file::folder(&self.folder)?;
            let _ = self.made.set(());
        }
        let path = self.folder.join(file_name(name));
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

/// A held lock.
#[derive(Debug)]
struct HeldFile {
    file: File,
    process: u32,
}

impl Lease for HeldFile {}

impl Drop for HeldFile {
    fn drop(&mut self) {
        // Unlocking, not only closing: a child that was forked meanwhile shares the open file and would keep the lock. For the same reason
        // such a child must not unlock what its parent still holds.
        if self.process == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

/// A lease that is held for as long as a process runs must not share its file with those that others wait for.
fn file_name(name: &str) -> String {
    if name.starts_with("herald ") { format!("herald-{:04}", stripe(name)) } else { format!("{:04}", stripe(name)) }
}

/// The same name has the same stripe in every process and version.
fn stripe(name: &str) -> u16 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    match hash.as_ref() {
        [first, second, ..] => u16::from_be_bytes([*first, *second]) % STRIPES,
        _ => 0,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_excludes_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grants.db");
        let (one, other) = (Leases::beside(&path), Leases::beside(&path));
        let held = one.take("one", Duration::ZERO).await.unwrap().unwrap();
        assert!(other.take("one", Duration::ZERO).await.unwrap().is_none());
        assert!(other.take("another", Duration::ZERO).await.unwrap().is_some());
        drop(held);
        assert!(other.take("one", Duration::ZERO).await.unwrap().is_some());
    }
}
