//! How a file beside a vault comes under the vault's key. The vault is what hosts share and what gets a new key; each host's file follows when the host next looks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Place, SqliteStore, off_thread};
use crate::error::{Error, ErrorKind, Result};
use crate::store::GrantStore;
use crate::store::key::{Derivation, KeyRequest, StoreKey};
use crate::store::rotation::KeyRotation;
use crate::store::rows;
use crate::store::seal::Sealer;
use crate::store::sqlite::{records, schema};

/// Grants moved in one transaction.
const AT_ONCE: usize = 64;

/// How long to wait for another process of this host that is at it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The key of a vault's records, and how the source is asked for it.
pub(crate) struct Lead {
    pub(crate) store_id: String,
    pub(crate) derivation: Derivation,
    pub(crate) key: StoreKey,
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lead(..)")
    }
}

/// How far a file is behind its vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has another key.
    Switch,
    /// Something in it may be under another key.
    Move,
}

impl SqliteStore {
    /// Brings everything in this file under the vault's key, and goes on after a kill. Nothing is done where it is, or where there is nothing yet.
    ///
    /// Errors: those of the key's source where it has the file's key no more; the file's own. Nothing is lost by any of them, and the next look tries again.
    pub(crate) async fn follow(&self, lead: &Arc<Lead>) -> Result<()> {
        if self.step_behind(lead).await?.is_none() {
            return Ok(());
        }
        let lease = self.lease("key-follow", PATIENCE).await?;
        let _alone = lease.ok_or_else(|| {
            Error::new(
                ErrorKind::StoreConflict,
                "key",
                "another process is changing the key of the file beside the vault",
            )
        })?;
        while let Some(step) = self.step_behind(lead).await? {
            // One that was cut short comes to its end first: a file keeps one key before its own.
            if step == Step::Move || self.is_moving().await? {
                self.finish().await?;
            } else {
                let lead = Arc::clone(lead);
                off_thread(&self.0, move |place| place.take(&lead)).await?;
            }
        }
        Ok(())
    }

    /// Whether what lies in a file of its own was sealed with the key of today.
    pub(crate) async fn is_current_beside(&self, label: &str, sealed: &[u8]) -> Result<bool> {
        Ok(self.fresh_keys().await?.sealer.is_current_beside(label, sealed))
    }

    async fn step_behind(&self, lead: &Lead) -> Result<Option<Step>> {
        self.read(|connection| {
            let meta = schema::meta(connection)?;
            let Some(check) = &meta.key_check else { return Ok(None) };
            let is_the_vaults = meta.store_id == lead.store_id
                && rows::check_key(&Sealer::new(lead.key.expose()), &meta.store_id, check).is_ok();
            let is_settled = meta.previous.is_none() && !meta.is_retiring;
            Ok(match (is_the_vaults, is_settled) {
                (true, true) => None,
                (true, false) => Some(Step::Move),
                (false, _) => Some(Step::Switch),
            })
        })
        .await
    }

    async fn is_moving(&self) -> Result<bool> {
        self.read(|connection| Ok(schema::meta(connection)?.previous.is_some())).await
    }

    async fn finish(&self) -> Result<()> {
        if self.is_moving().await? {
            while self.move_some(AT_ONCE).await?.seen > 0 {}
            self.settle().await?;
        }
        self.retire_own().await?;
        self.write(|open| schema::put_retired(open.connection)).await
    }

    /// A source that keeps a key for each store has one that was this file's alone: it is not to outlive the vault's, and becomes the same.
    pub(crate) async fn retire_own(&self) -> Result<()> {
        match self.read(schema::asked_as).await? {
            Some(asked_as) => off_thread(&self.0, move |place| place.retire_own(&asked_as)).await,
            None => Ok(()),
        }
    }
}

impl Place {
    /// Makes the vault's key this file's.
    fn take(&self, lead: &Lead) -> Result<()> {
        // Asked before the transaction: a prompt must not keep others from writing.
        let Some(meta) = self.meta()? else { return Ok(()) };
        let Some(said) = meta.said() else { return Ok(()) };
        let in_use = said.find(self.keys.provider().as_ref()).map_err(|error| self.at(error))?;
        let new = said.change(&in_use, &lead.key, &lead.store_id, lead.derivation.clone())?;
        self.change_key(&meta, |transaction| {
            // Where hosts have one key for all, only what the file says of it changes.
            if in_use.is(&lead.key) {
                return schema::adopt(transaction, &new, &lead.store_id);
            }
            records::remove_domains(transaction)?;
            schema::follow(transaction, &new, &meta, &lead.store_id)
        })
    }

    fn retire_own(&self, asked_as: &str) -> Result<()> {
        let provider = self.keys.provider();
        let Some(meta) = self.meta()? else { return Ok(()) };
        let Some(said) = meta.said() else { return Ok(()) };
        let own = KeyRequest { store_id: asked_as, may_create: false, derivation: said.derivation };
        let (held, before) = match (provider.keys(&said.request(said.derivation)), provider.keys(&own)) {
            (Ok(held), Ok(before)) => (held, before),
            // It is another source now.
            _ => return Ok(()),
        };
        // Whether the source has one place for all stores; what else is there is not this file's to remove.
        if StoreKey::are(&held, &before.iter().collect::<Vec<_>>()) {
            return Ok(());
        }
        provider.retire(&own, &said.find(provider.as_ref())?).map(drop)
    }
}
