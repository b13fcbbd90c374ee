//! A new key for the store, while everybody goes on working: the order of the steps, which a kill cannot disturb.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "keyvault")]
use super::config::VaultOpener;
use super::report::value;
#[cfg(feature = "keyvault")]
use super::vault_key::VaultKey;
use super::{App, Inner};
use crate::audit::{Entry, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{KeyProvider, KeyRotation, Known, Standing};

pub use crate::store::KeySource;

/// How a change of the key ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    /// The line of the configuration that is to be changed where the store changes to another source. Until it is, the old source opens the store as well.
    pub config_line: Option<String>,
}

/// What is wanted of a change of the store's key.
#[derive(Clone, Debug, Default)]
pub struct RotationRequest {
    /// Only says what would be done.
    pub dry_run: bool,
    /// The source that the store changes to; none: it keeps its own.
    pub to: Option<KeySource>,
}

/// What a change of the store's key would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyPlan {
    /// True: nothing was done.
    pub dry_run: bool,
    /// Where the key lives, for people.
    pub source: String,
    /// How many keys this host's source holds.
    pub held: usize,
    /// `none`, `moving` or `retiring`: whether a change is gone on with that was cut short.
    pub rotation: &'static str,
    /// Grants that would be moved.
    pub grants: u64,
    /// A new key would be made. False: the one that lies beside the old one is taken.
    pub makes_key: bool,
    /// A person must put a new key into the source, first.
    pub first_by_hand: bool,
    /// No more would be done than to make the key: see [`KeyRotated::prepared_only`].
    pub prepares_only: bool,
    /// See [`KeyRotated::other_hosts`].
    pub other_hosts: bool,
    /// See [`KeyRotated::config_line`].
    pub config_line: Option<String>,
}

/// What became of the keys that are not the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRetired {
    /// See [`KeyRotated::old_key_removed`].
    pub old_key_removed: bool,
}

/// An answer about the store's key, as the document that all faces share.
#[derive(Serialize)]
struct KeyDocument<'a, T> {
    schema_version: u32,
    store: String,
    #[serde(flatten)]
    report: &'a T,
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

    /// What [`rotate_key`](Self::rotate_key) would do. Changes nothing.
    ///
    /// Errors: those of [`key_status`](Self::key_status).
    pub async fn plan_key_rotation(&self, to: Option<&KeySource>) -> Result<KeyPlan> {
        let KeyStatus { source, held, rotation: standing, left } = self.key_status().await?;
        let rotation = self.inner().key_rotation()?;
        let makes_key = standing == "none" && held < 2;
        let grants = if standing == "none" { rotation.grants().await } else { Ok(left) };
        let other_hosts = rotation.has_copies();
        let target = to.map(|to| self.inner().target(to)).transpose()?;
        Ok(KeyPlan {
            config_line: target.map(|target| target.config_line),
            dry_run: true,
            source,
            held,
            rotation: standing,
            grants: grants.map_err(|error| error.in_operation("key"))?,
            makes_key,
            first_by_hand: makes_key && !rotation.makes_keys(),
            prepares_only: makes_key && rotation.makes_keys() && other_hosts,
            other_hosts,
        })
    }

    /// [`rotate_key`](Self::rotate_key) or [`plan_key_rotation`](Self::plan_key_rotation), and the answer as a document.
    pub async fn rotate_key_document(
        &self,
        request: &RotationRequest,
        each: impl FnMut(u64, u64) + Send,
    ) -> Result<Value> {
        if request.dry_run {
            return Ok(self.key_document(&self.plan_key_rotation(request.to.as_ref()).await?));
        }
        Ok(self.key_document(&self.rotate_key(request.to.as_ref(), each).await?))
    }

    /// [`retire_key`](Self::retire_key), and the answer as a document.
    pub async fn retire_key_document(&self) -> Result<Value> {
        let retired = KeyRetired { old_key_removed: self.retire_key().await? };
        Ok(self.key_document(&retired))
    }

    /// What one of these came to, as the document that all faces share.
    pub fn key_document(&self, report: &impl Serialize) -> Value {
        value(&KeyDocument { schema_version: 1, store: self.store_location(), report })
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
    /// how many. `to` is another source that the store changes to: it gets both keys and keeps the new one, and so does the old source, so that
    /// everybody goes on until the configuration says otherwise ([`KeyRotated::config_line`]). In a `postgres:` or `keyvault:` store whose key is not in a vault, a key that this call made is not made the store's by it: see
    /// [`KeyRotated::prepared_only`].
    ///
    /// Errors: `NotSupported` where the store or the source cannot; `StoreConflict` where another process is at it; those of the store and its key. After any of
    /// them nothing is lost, and the same call goes on.
    pub async fn rotate_key(&self, to: Option<&KeySource>, each: impl FnMut(u64, u64) + Send) -> Result<KeyRotated> {
        let inner = self.inner();
        let rotate = async {
            let rotation = inner.key_rotation()?;
            let target = to.map(|to| inner.target(to)).transpose()?;
            let (into, config_line) = target.map(|target| (target.provider, target.config_line)).unzip();
            let lease = inner.store.lease("key-rotation", PATIENCE).await?;
            let _alone = lease.ok_or_else(|| {
                Error::new(ErrorKind::StoreConflict, "key", "another process is changing the store's key")
            })?;
            let entry = Entry::new("key-rotate", Outcome::Ok, inner.clock.now());
            let tell = |entry: &mut Entry, done: &KeyRotated| {
                entry.note = Some(match done.prepared_only {
                    true => "a new key lies beside the old one".to_owned(),
                    false => format!("grants moved: {}, unreadable: {}", done.moved, done.unreadable),
                });
            };
            let done = inner.recorded(entry, inner.rotate_key(rotation, into, each), tell).await?;
            Ok(KeyRotated { config_line, ..done })
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
            inner.recorded(entry, rotation.retire(None), |_, _| {}).await
        };
        retire.await.map_err(|error: Error| error.in_operation("key"))
    }
}

/// The source that a store changes to.
struct Target {
    provider: Arc<dyn KeyProvider>,
    config_line: String,
}

impl Inner {
    /// What a store's key goes to.
    ///
    /// Errors: `InvalidArgument` where it is the configured one; `NotSupported` where a key cannot be put there; those of a vault's address.
    fn target(&self, to: &KeySource) -> Result<Target> {
        let source = match to {
            KeySource::File(path) => KeySource::File(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            other => other.clone(),
        };
        if source == self.config.key {
            return Err(Error::new(ErrorKind::InvalidArgument, "key", "the store's key lives there already")
                .with_hint("leave the source out for a new key in the same place"));
        }
        let provider: Arc<dyn KeyProvider> = match &source {
            #[cfg(feature = "keyvault")]
            KeySource::KeyVault { address } => {
                let (vaults, clock, retry) = (self.config.other_vaults.clone(), Arc::clone(&self.clock), self.retry);
                let address = vaults.address(address)?;
                let open =
                    move || vaults.opening(address.clone(), VaultOpener::Named, None, None, Arc::clone(&clock), retry);
                Arc::new(VaultKey::new(Arc::new(open)))
            }
            KeySource::Keyring { .. } | KeySource::File(_) => Arc::new(source.clone()),
            _ => {
                return Err(Error::new(ErrorKind::NotSupported, "key", "no key can be put into that source from here")
                    .with_hint("name keyring, file:PATH or keyvault://NAME"));
            }
        };
        Ok(Target { config_line: format!("key = {}", toml::Value::from(source.to_string())), provider })
    }

    fn key_rotation(&self) -> Result<&dyn KeyRotation> {
        self.store.rotation().ok_or_else(|| {
            Error::new(ErrorKind::NotSupported, "key", "the key of this kind of store cannot be changed")
                .with_hint("set `store` to sqlite:PATH for one that outlives the process")
                .with_context("store", self.store.location())
        })
    }

    async fn rotate_key(
        &self,
        rotation: &dyn KeyRotation,
        into: Option<Arc<dyn KeyProvider>>,
        mut each: impl FnMut(u64, u64) + Send,
    ) -> Result<KeyRotated> {
        let standing = rotation.standing().await?;
        let mut done =
            KeyRotated { resumed: standing.is_some(), other_hosts: rotation.has_copies(), ..KeyRotated::default() };
        if standing.is_none() {
            // Where no other host has to be told first, the next step does that, too: and from a passphrase each time another key is made.
            let is_alone = into.is_some() && !rotation.has_copies();
            if !is_alone && rotation.add(into.clone()).await? == Known::HereOnly {
                done.prepared_only = true;
                return Ok(done);
            }
            rotation.switch(into.clone()).await?;
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
        done.old_key_removed = rotation.retire(into).await?;
        Ok(done)
    }
}
