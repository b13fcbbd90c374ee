//! A new key for the store, while everybody goes on working: the order of the steps, which a kill cannot disturb.

use std::time::Duration;

use serde::Serialize;

use super::{App, Inner};
use crate::audit::{Entry, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{KeyRotation, Known, Standing};

/// How a change of the key ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyRotated {
    /// A change that was cut short was brought to its end, and no new one begun.
    pub resumed: bool,
    /// Grants that were moved to the new key by this run.
    pub moved: u64,
    /// Grants that could be read with neither key; they are as they were.
    pub unreadable: u64,
    /// The old key is gone from this host's source. False: somebody else removes it there.
    pub old_key_removed: bool,
    /// No more was done than to make a new key in this host's source: both keys are to be brought to every other host that uses the store, and then the same call goes on.
    pub prepared_only: bool,
    /// Other hosts use the store, each with a source of its own: there the old key goes by [`App::retire_key`].
    pub other_hosts: bool,
}

/// What is known of the store's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    /// Where the key lives, for people.
    pub source: String,
    /// How many keys this host's source holds: 1, and 2 while the key is changed.
    pub held: usize,
    /// `none`, `moving` or `retiring`.
    pub rotation: &'static str,
    /// Grants that are still under the old key.
    pub left: u64,
}

/// Grants moved in one transaction: some milliseconds in which nobody else writes.
const AT_ONCE: usize = 64;

/// How long to wait for another process that is at it.
const PATIENCE: Duration = Duration::from_secs(1);

impl App {
    /// What is known of the store's key.
    ///
    /// Errors: those of the key's source; `NotSupported` where the store cannot change its key.
    pub async fn key_status(&self) -> Result<KeyStatus> {
        let inner = self.inner();
        let status = async {
            let rotation = inner.key_rotation()?;
            Ok(KeyStatus {
                source: inner.config.key.to_string(),
                held: rotation.held().await?,
                rotation: rotation.standing().await?.map_or("none", Standing::as_str),
                left: rotation.left().await?,
            })
        };
        status.await.map_err(|error: Error| error.in_operation("key"))
    }

    /// Whether a change of the store's key was begun and not brought to its end. Asks the store alone, not the key's source.
    pub async fn key_rotation_standing(&self) -> Result<Option<Standing>> {
        match self.inner().store.rotation() {
            Some(rotation) => rotation.standing().await,
            None => Ok(None),
        }
    }

    /// Gives the store a new key, or brings a change that was cut short to its end: the new key beside the old one in the source, then the store's,
    /// then every record moved to it, then the old one removed. Others go on working with the store meanwhile. `each` hears how many grants are done, and of
    /// how many. In a `postgres:` store whose key is not in a vault, a key that this call made is not made the store's by it: see
    /// [`KeyRotated::prepared_only`].
    ///
    /// Errors: `NotSupported` where the store or the source cannot; `StoreConflict` where another process is at it; those of the store and its key. After any of
    /// them nothing is lost, and the same call goes on.
    pub async fn rotate_key(&self, each: impl FnMut(u64, u64) + Send) -> Result<KeyRotated> {
        let inner = self.inner();
        let rotate = async {
            let rotation = inner.key_rotation()?;
            let lease = inner.store.lease("key-rotation", PATIENCE).await?;
            let _alone = lease.ok_or_else(|| {
                Error::new(ErrorKind::StoreConflict, "key", "another process is changing the store's key")
            })?;
            let entry = Entry::new("key-rotate", Outcome::Ok, inner.clock.now());
            let tell = |entry: &mut Entry, done: &KeyRotated| {
                entry.note = Some(match done.prepared_only {
                    true => "a new key lies beside the old one".to_owned(),
                    false => format!("{} grants moved, {} unreadable", done.moved, done.unreadable),
                });
            };
            inner.recorded(entry, inner.rotate_key(rotation, each), tell).await
        };
        rotate.await.map_err(|error: Error| error.in_operation("key"))
    }

    /// Removes keys from this host's source that are not the store's: one that was put there for a change that never began. False where the source cannot be
    /// written from here.
    pub async fn retire_key(&self) -> Result<bool> {
        let inner = self.inner();
        let retire = async {
            let rotation = inner.key_rotation()?;
            if rotation.standing().await? == Some(Standing::Moving) {
                return Err(Error::new(ErrorKind::InvalidArgument, "key", "records are still under the old key")
                    .with_hint("run `partnersam key rotate` to its end first"));
            }
            let entry = Entry::new("key-retire", Outcome::Ok, inner.clock.now());
            inner.recorded(entry, rotation.retire(), |_, _| {}).await
        };
        retire.await.map_err(|error: Error| error.in_operation("key"))
    }
}

impl Inner {
    fn key_rotation(&self) -> Result<&dyn KeyRotation> {
        self.store.rotation().ok_or_else(|| {
            Error::new(ErrorKind::NotSupported, "key", "the key of this kind of store cannot be changed")
                .with_context("store", self.store.location())
        })
    }

    async fn rotate_key(
        &self,
        rotation: &dyn KeyRotation,
        mut each: impl FnMut(u64, u64) + Send,
    ) -> Result<KeyRotated> {
        let standing = rotation.standing().await?;
        let mut done =
            KeyRotated { resumed: standing.is_some(), other_hosts: rotation.has_copies(), ..KeyRotated::default() };
        if standing.is_none() {
            if rotation.add().await? == Known::HereOnly {
                done.prepared_only = true;
                return Ok(done);
            }
            rotation.switch().await?;
        }
        if standing != Some(Standing::Retiring) {
            let mut left = rotation.left().await?;
            loop {
                let moved = rotation.move_some(AT_ONCE).await?;
                if moved.seen == 0 {
                    break;
                }
                done.moved += moved.seen - moved.unreadable;
                done.unreadable += moved.unreadable;
                left = left.saturating_sub(moved.seen);
                each(done.moved + done.unreadable, done.moved + done.unreadable + left);
            }
            self.reseal_audit_key().await?;
            rotation.settle().await?;
        }
        done.old_key_removed = rotation.retire().await?;
        Ok(done)
    }
}
