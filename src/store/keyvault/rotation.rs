//! How a vault's records get a new key while other hosts use them.
//!
//! The key changes by one write of the vault's own secret, after which every host that has the new key seals with it and opens with both. Whoever wrote just before is found by the
//! tag `key`, here or by itself ([`write_to_vault`](KeyVaultStore::write_to_vault)). The file beside the vault on this host comes along; those of other hosts when they next look
//! ([`SqliteStore::follow`](crate::store::sqlite::SqliteStore)).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt as _, stream};

use super::keys::{Keys, Meta};
use super::moving::Fared;
use super::{KeyVaultStore, names, record};
use crate::error::Result;
use crate::store::key::{KeyProvider, StoreKey};
use crate::store::rotation::{KeyRotation, Known, Moved, Standing};
use crate::vault::Listed;

/// Grants that are moved at once: each is some requests, one after the other.
const AT_ONCE: usize = 8;

impl KeyVaultStore {
    /// Every sealed grant of the vault, of every app.
    async fn sealed(&self) -> Result<Vec<Listed>> {
        let mut rows = self.heard(self.vault.list().await)?;
        rows.retain(|row| row.content_type == record::SEALED_TYPE && record::owner(&row.tags).is_some());
        Ok(rows)
    }

    /// Those that are not under the key and may be some day.
    async fn unmoved(&self, keys: &Keys) -> Result<Vec<Listed>> {
        let mut rows = self.sealed().await?;
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = keys.meta.mark();
        rows.retain(|row| {
            (record::is_moving(&row.tags) || !record::is_under(&row.tags, &mark)) && !unreadable.contains(&row.name)
        });
        Ok(rows)
    }

    /// Moves these; says how many there were, and how many of them open with no key.
    async fn move_all(&self, rows: Vec<Listed>, keys: &Keys) -> Result<Moved> {
        let mut moved = Moved::default();
        let moves = rows.into_iter().map(|row| async move {
            let fared = self.move_one(&row.name, keys).await;
            (row.name, fared)
        });
        let mut moves = stream::iter(moves).buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some((name, fared)) = moves.next().await {
            match fared {
                Ok(Fared::Gone) => {}
                Ok(Fared::Moved) => moved.seen += 1,
                Ok(Fared::Unreadable) => {
                    (moved.seen, moved.unreadable) = (moved.seen + 1, moved.unreadable + 1);
                    self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
                }
                // The others are brought to their end: each is half a dozen requests.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(moved), Err)
    }

    /// Older words of the key go where nothing needs them: those of keys before it, and those that came to nothing.
    async fn disable_older_words(&self, keys: &Keys, chain: &[StoreKey]) -> Result<()> {
        let versions = self.vault.versions(names::STORE).await?;
        let newest = versions.iter().map(|version| version.created).max().unwrap_or_default();
        for version in versions.iter().filter(|version| version.enabled && version.id != keys.meta.at) {
            let Some(found) = self.vault.get(names::STORE, Some(&version.id)).await? else { continue };
            let is_ours = Meta::parse(&found).is_ok_and(|meta| meta.is_of(chain));
            if is_ours || version.is_forgotten(newest) {
                self.vault.disable(names::STORE, &version.id).await?;
            }
        }
        Ok(())
    }
}

impl KeyRotation for KeyVaultStore {
    fn makes_keys(&self) -> bool {
        self.keys.provider().takes_keys()
    }

    fn grants(&self) -> BoxFuture<'_, Result<u64>> {
        async move { Ok(self.sealed().await?.len() as u64) }.boxed()
    }

    fn standing(&self) -> BoxFuture<'_, Result<Option<Standing>>> {
        async move { Ok(self.keys.meta(&self.vault).await?.and_then(|meta| meta.standing())) }.boxed()
    }

    fn held(&self) -> BoxFuture<'_, Result<usize>> {
        async move {
            let meta = self.fresh_keys().await?.meta.clone();
            self.keys.with_source(move |source| meta.said().held(source)).await
        }
        .boxed()
    }

    fn has_copies(&self) -> bool {
        !self.keys.provider().is_shared()
    }

    fn add(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<Known>> {
        async move {
            let meta = self.fresh_keys().await?.meta.clone();
            let is_shared = self.keys.provider().is_shared();
            let add = move |source: &dyn KeyProvider| {
                let said = meta.said();
                let before = said.held(source)?;
                said.add(source, into.as_deref())?;
                let is_new = !is_shared && said.held(source)? > before;
                Ok(if is_new { Known::HereOnly } else { Known::Everywhere })
            };
            self.keys.with_source(add).await
        }
        .boxed()
    }

    fn switch(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<()>> {
        async move {
            let meta = self.fresh_keys().await?.meta.clone();
            if meta.standing() == Some(Standing::Moving) {
                return Err(super::keys::changing());
            }
            let asked = meta.clone();
            let add = move |source: &dyn KeyProvider| asked.said().add(source, into.as_deref());
            let new = self.keys.with_source(add).await?;
            self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.keys.say(&self.vault, meta.switched(new)).await
        }
        .boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<u64>> {
        async move {
            match self.standing().await? {
                Some(Standing::Moving) => Ok(self.unmoved(&*self.fresh_keys().await?).await?.len() as u64),
                _ => Ok(0),
            }
        }
        .boxed()
    }

    fn move_some(&self, most: usize) -> BoxFuture<'_, Result<Moved>> {
        async move {
            let keys = self.fresh_keys().await?;
            if keys.meta.standing() != Some(Standing::Moving) {
                return Ok(Moved::default());
            }
            loop {
                let mut rows = self.unmoved(&keys).await?;
                rows.truncate(most);
                let is_last = rows.is_empty();
                let moved = self.move_all(rows, &keys).await?;
                if is_last || moved.seen > 0 {
                    return Ok(moved);
                }
                // What was revoked meanwhile is not to be taken for the end; the vault takes a moment until it lists it no more.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        .boxed()
    }

    fn settle(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let keys = self.fresh_keys().await?;
            if keys.meta.standing() != Some(Standing::Moving) {
                return Ok(());
            }
            self.local.follow(&keys.lead).await?;
            // Whoever looked at the key just before it was changed has written by now.
            let rows = self.unmoved(&keys).await?;
            self.move_all(rows, &keys).await?;
            self.keys.say(&self.vault, keys.meta.clone().settled()).await
        }
        .boxed()
    }

    fn retire(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<bool>> {
        async move {
            let keys = self.fresh_keys().await?;
            let (meta, chain) = (keys.meta.clone(), keys.chain()?);
            self.local.follow(&keys.lead).await?;
            let asked = meta.clone();
            let retire = move |source: &dyn KeyProvider| asked.said().retire(source, into.as_deref());
            let is_alone = self.keys.with_source(retire).await?;
            self.local.retire_own().await?;
            if meta.standing() == Some(Standing::Retiring) {
                self.keys.say(&self.vault, meta.retired()).await?;
                if let Err(error) = self.disable_older_words(&*self.fresh_keys().await?, &chain).await {
                    tracing::warn!(%error, "older versions of the vault's own secret could not be disabled");
                }
            }
            Ok(is_alone)
        }
        .boxed()
    }
}
