//! The lease of a store that lies in a file, where the system can lock single bytes of one: a byte for each name, in one file beside the store. The
//! operating system lets go of it when its holder dies in whatever way, so nobody is ever told to delete a lock file.
//!
//! The locks are those of an open file (`F_OFD_SETLK`, fcntl(2)), not of a process: closing another descriptor of the file does not lose them, and two
//! stores in one process exclude each other. Within one store a set does that.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::Result;
use crate::store::Lease;
use crate::store::lease::poll;
use crate::store::private_file::{self, beside};

/// The lock file of one store.
#[derive(Debug)]
pub(crate) struct Leases(Arc<Locks>);

#[derive(Debug)]
struct Locks {
    path: PathBuf,
    file: Mutex<Option<Arc<File>>>,
    /// The bytes that this store holds itself: to its own locks an open file is blind.
    held: Mutex<HashSet<i64>>,
}

impl Leases {
    /// The leases of the store at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self(Arc::new(Locks { path: beside(path, ".leases"), file: Mutex::default(), held: Mutex::default() }))
    }

    /// Waits for the lease on `name`, at most `patience`.
    pub(crate) async fn take(&self, name: &str, patience: Duration) -> Result<Option<Box<dyn Lease>>> {
        let byte = byte_of(name);
        let held = poll(patience, || self.0.try_take(byte)).await?;
        Ok(held.map(|held| Box::new(held) as Box<dyn Lease>))
    }
}

impl Locks {
    fn try_take(self: &Arc<Self>, byte: i64) -> Result<Option<HeldByte>> {
        if !self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(byte) {
            return Ok(None);
        }
        let locked = self.file().and_then(|file| {
            match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, byte))) {
                Ok(_) => Ok(Some(file)),
                Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => Ok(None),
                Err(error) => Err(private_file::failure(error.into(), &self.path)),
            }
        });
        match locked {
            Ok(Some(file)) => Ok(Some(HeldByte { locks: self.clone(), file, byte, process: std::process::id() })),
            otherwise => {
                self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&byte);
                otherwise.map(|_| None)
            }
        }
    }

    /// The lock file, opened or made where it is not; anew where somebody removed it.
    fn file(&self) -> Result<Arc<File>> {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*open
            && file.metadata().is_ok_and(|facts| facts.nlink() > 0)
        {
            return Ok(file.clone());
        }
        if let Some(folder) = self.path.parent() {
            private_file::folder(folder)?;
        }
        let file = Arc::new(private_file::open_for_lock(&self.path)?);
        *open = Some(file.clone());
        Ok(file)
    }
}

/// A held lock.
#[derive(Debug)]
struct HeldByte {
    locks: Arc<Locks>,
    file: Arc<File>,
    byte: i64,
    process: u32,
}

impl Lease for HeldByte {}

impl Drop for HeldByte {
    fn drop(&mut self) {
        // A child that was forked meanwhile shares the open file, and must not unlock what its parent still holds.
        if self.process == std::process::id() {
            let _ = fcntl(self.file.as_fd(), FcntlArg::F_OFD_SETLK(&range(libc::F_UNLCK, self.byte)));
            self.locks.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.byte);
        }
    }
}

fn range(kind: i32, byte: i64) -> libc::flock {
    let narrow = |value: i32| i16::try_from(value).unwrap_or_default();
    libc::flock { l_type: narrow(kind), l_whence: narrow(libc::SEEK_SET), l_start: byte, l_len: 1, l_pid: 0 }
}

/// The same name has the same byte in every process and version; 62 bits are enough for no two names ever to share one.
fn byte_of(name: &str) -> i64 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    let start = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(start) & (i64::MAX >> 1)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_excludes_within_a_store_and_between_stores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grants.db");
        let (one, other) = (Leases::beside(&path), Leases::beside(&path));
        let held = one.take("one", Duration::ZERO).await.unwrap().unwrap();
        assert!(one.take("one", Duration::ZERO).await.unwrap().is_none());
        assert!(other.take("one", Duration::ZERO).await.unwrap().is_none());
        assert!(other.take("another", Duration::ZERO).await.unwrap().is_some());
        drop(held);
        assert!(other.take("one", Duration::ZERO).await.unwrap().is_some());
        assert!(one.take("one", Duration::ZERO).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_lock_file_that_was_removed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grants.db");
        let (one, other) = (Leases::beside(&path), Leases::beside(&path));
        drop(one.take("one", Duration::ZERO).await.unwrap().unwrap());
        std::fs::remove_file(beside(&path, ".leases")).unwrap();
        let _held = other.take("one", Duration::ZERO).await.unwrap().unwrap();
        assert!(one.take("one", Duration::ZERO).await.unwrap().is_none());
    }
}
