//! What holds of a grant: the vault's copy, and this host's record where that goes back to it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::keys::Keys;
use super::moving::{self, Looked};
use super::record::{self, Copy};
use super::{Format, KeyVaultStore, PINNED};
use crate::error::Result;
use crate::store::{Expect, Grant, GrantKey, GrantStore as _, Written};
use crate::vault::Found;

impl KeyVaultStore {
    /// The key of the vault's records. What lies beside the vault comes under it, too.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>> {
        let keys = self.keys.get(&self.vault).await?;
        self.follow(&keys).await;
        Ok(keys)
    }

    /// The same as the vault has it now.
    pub(super) async fn fresh_keys(&self) -> Result<Arc<Keys>> {
        let keys = self.keys.fresh(&self.vault).await?;
        self.follow(&keys).await;
        Ok(keys)
    }

    /// Brings the file beside the vault under the vault's key, once for each. What cannot be done now is done by the next process: the file opens meanwhile.
    async fn follow(&self, keys: &Keys) {
        let at = Some(&keys.meta.at);
        if self.followed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == at {
            return;
        }
        match self.local.follow(&keys.lead).await {
            Ok(()) => *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = at.cloned(),
            Err(error) => tracing::warn!(%error, "the file beside the vault is not under the vault's key yet"),
        }
    }

    /// Where values are bare nothing in the vault is under the key, and the file beside it follows all the same where all hosts have one source.
    async fn follow_where_bare(&self) -> Result<()> {
        let is_done = self.followed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_done || !self.keys.provider().is_shared() {
            return Ok(());
        }
        match self.keys.meta(&self.vault).await? {
            Some(_) => self.keys().await.map(drop),
            None => {
                *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some(String::new());
                Ok(())
            }
        }
    }

    /// The grant as the vault has it.
    pub(super) async fn copy(&self, key: &GrantKey) -> Result<Option<Copy>> {
        let name = self.name(key);
        let pinned = self.vault.address().version();
        let found = match (self.vault.get(&name, None).await, pinned) {
            (Ok(None), Some(version)) => self.vault.get(&name, Some(version)).await?,
            // On its way to a new key, or disabled by somebody: then the version that was asked for may be good.
            (Err(error), _) if error.service_code() == Some("SecretDisabled") => {
                match (self.behind_a_move(&name).await?, pinned) {
                    (Some(found), _) => found,
                    (None, Some(version)) => self.vault.get(&name, Some(version)).await?,
                    (None, None) => return Err(error),
                }
            }
            (found, _) => self.heard(found)?,
        };
        if let (Some(version), Some(found)) = (pinned, &found)
            && !self.was_warned.swap(true, Ordering::Relaxed)
        {
            let is_latest = found.version.eq_ignore_ascii_case(version);
            tracing::warn!(secret = name, is_latest, "{PINNED}");
        }
        let Some(found) = found.filter(|found| !record::is_anothers(&found.tags, key)) else { return Ok(None) };
        let opened = match self.manners.format {
            Format::Sealed => self.opened(key, &found).await,
            Format::Plain => {
                self.follow_where_bare().await?;
                record::open(None, key, &found, self.clock.now())
            }
        };
        opened.map(Some).map_err(|error| error.with_context("secret", &name).with_context("partner", key.tenant))
    }

    /// What holds of a secret whose latest version is on its way to a new key; none where it is not.
    async fn behind_a_move(&self, name: &str) -> Result<Option<Option<Found>>> {
        let versions = match self.vault.versions(name).await {
            // Who may read and not list is told what reading came to.
            Err(error) if error.http_status() == Some(403) => return Ok(None),
            versions => versions?,
        };
        match moving::look(&versions) {
            Looked::Moving(version) => self.vault.get(name, Some(version)).await.map(Some),
            Looked::Remains | Looked::Nothing => Ok(Some(None)),
            Looked::Latest(_) | Looked::Disabled => Ok(None),
        }
    }

    pub(super) async fn opened(&self, key: &GrantKey, found: &Found) -> Result<Copy> {
        let keys = self.keys().await?;
        let now = self.clock.now();
        match record::open(Some(&keys.sealer), key, found, now) {
            Err(error) if record::is_sealed(found) => {
                let keys = self.fresh_keys().await?;
                if let Ok(copy) = record::open(Some(&keys.sealer), key, found, now) {
                    return Ok(copy);
                }
                let others = self.keys.others(&self.vault, &keys).await?;
                others.iter().find_map(|other| record::open(Some(other), key, found, now).ok()).ok_or(error)
            }
            opened => opened,
        }
    }

    /// The grant on this host, where it goes back to the vault's copy; none where it does not.
    pub(super) async fn in_step(&self, key: &GrantKey, copy: Option<&Copy>) -> Result<Option<Option<Grant>>> {
        let (local, mark) = (self.local.grant(key).await?, self.local.vault_copy(key).await?);
        Ok(match (copy, local) {
            (None, None) => Some(None),
            (Some(copy), Some(local)) if mark.as_ref() == Some(&copy.version) => Some(Some(local)),
            // A consent that the vault could not be told of yet is not lost to an older one.
            (Some(copy), Some(local)) if local.facts.consented_on > copy.facts.consented_on && copy.is_whole => {
                Some(Some(local))
            }
            // Nor is one that waited in the journal while the vault took nothing: what was in the vault once has a mark.
            (None, Some(local)) if mark.is_none() => Some(Some(local)),
            _ => None,
        })
    }

    /// Makes this host's record what the vault says. The turn must be held.
    pub(super) async fn step(&self, key: &GrantKey, copy: Option<&Copy>) -> Result<Option<Grant>> {
        if let Some(grant) = self.in_step(key, copy).await? {
            return Ok(grant);
        }
        match copy {
            None => {
                self.local.remove_grant(key).await?;
                self.local.put_vault_copy(key, "").await?;
                Ok(None)
            }
            Some(copy) => {
                let before = self.local.grant(key).await?;
                // It is the same under another key, and what this host has of it may be newer.
                if before.is_some() && self.local.vault_copy(key).await?.is_some_and(|mark| copy.was(&mark)) {
                    self.local.put_vault_copy(key, &copy.version).await?;
                    return Ok(before);
                }
                let expect = before.map_or(Expect::Absent, |grant| Expect::Generation(grant.generation));
                if let Written::Yes(_) = self.local.put_grant(key, &copy.refresh_token, &copy.facts, expect).await? {
                    self.local.put_vault_copy(key, &copy.version).await?;
                }
                self.local.grant(key).await
            }
        }
    }
}
