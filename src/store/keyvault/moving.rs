//! A grant's secret on its way to a new key.
//!
//! A vault cannot be told "only if nobody wrote meanwhile", and writing makes a secret that was purged meanwhile anew. So a version under the new key is written disabled first, with the tag
//! `moving`, and read by nobody: the one before it holds until it is clear that this was still the latest, and then the new one is enabled. The tag goes last. Who is killed in between leaves a
//! version that is passed over; who was overtaken by a consent or a revocation on another host never brings back what was before.

use std::collections::HashMap;

use super::{ATTEMPTS, KeyVaultStore, Purged, record};
use crate::error::{Error, ErrorKind, Result};
use crate::store::keyvault::keys::Keys;
use crate::vault::{New, Version};

/// What the versions of a secret come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked<'a> {
    /// There is no such secret.
    Nothing,
    /// The latest holds.
    Latest(&'a str),
    /// Somebody disabled it.
    Disabled,
    /// The latest is on its way to a new key, and this one holds.
    Moving(&'a str),
    /// There is nothing but what was on its way when the secret was purged.
    Remains,
}

/// How a secret fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fared {
    /// It is under the key.
    Moved,
    /// It was deleted meanwhile.
    Gone,
    /// It opens with no key, or is disabled.
    Unreadable,
}

/// Which version of a secret holds.
pub(super) fn look(versions: &[Version]) -> Looked<'_> {
    let is_moving = |version: &Version| !version.enabled && record::is_moving(&version.tags);
    // Of two in the same second: what was moved from was there before what was moved to, and a consent of another host is newer than both.
    let is_moved = |version: &Version| versions.iter().any(|each| record::same_as(&each.tags).contains(&version.id));
    let order = |version: &&Version| {
        (version.created, is_moving(version), !is_moved(version), !record::is_moving(&version.tags))
    };
    let Some(latest) = versions.iter().max_by_key(order) else { return Looked::Nothing };
    if !is_moving(latest) {
        return if latest.enabled { Looked::Latest(&latest.id) } else { Looked::Disabled };
    }
    let before = record::same_as(&latest.tags).pop();
    let is_before = |version: &Version| before.as_ref() == Some(&version.id);
    // Of two in the same second the other one: what was moved from was there first.
    let holds = versions.iter().filter(|version| version.enabled).max_by_key(|each| (each.created, !is_before(each)));
    match holds {
        Some(holds) => Looked::Moving(&holds.id),
        None if versions.iter().all(is_moving) => Looked::Remains,
        None => Looked::Disabled,
    }
}

impl KeyVaultStore {
    /// Seals a grant's secret anew under the vault's key.
    ///
    /// Errors: the vault's; `StoreConflict` where others write it all the time.
    pub(super) async fn move_one(&self, name: &str, keys: &Keys) -> Result<Fared> {
        let _turn = self.turn_of(name).await?;
        for _ in 0..ATTEMPTS {
            let versions = self.vault.versions(name).await?;
            let (version, is_latest) = match look(&versions) {
                Looked::Nothing => return Ok(Fared::Gone),
                Looked::Disabled => return Ok(Fared::Unreadable),
                Looked::Remains => return self.clear_away(name).await,
                Looked::Latest(version) => (version, true),
                Looked::Moving(version) => (version, false),
            };
            let found = match self.vault.get(name, Some(version)).await {
                Err(error) if error.service_code() == Some("SecretDisabled") => continue,
                found => found?,
            };
            let Some(found) = found else { continue };
            if is_latest && record::is_under(&found.tags, &keys.meta.mark()) {
                // It was enabled, and somebody was killed before the one before it was disabled.
                if record::is_moving(&found.tags) {
                    self.finish_one(name, version, &found.tags, &versions).await?;
                }
                return Ok(Fared::Moved);
            }
            let Some(key) = record::owner(&found.tags) else { return Ok(Fared::Unreadable) };
            let copy = match self.opened(&key, &found).await {
                Err(error) if error.kind() == ErrorKind::StoreCorrupt => return Ok(Fared::Unreadable),
                copy => copy?,
            };
            let value = record::seal(&keys.sealer, &key, &copy.refresh_token, &copy.facts)?;
            let tags = record::moved(&found.tags, version, &keys.meta.mark());
            let new = New {
                value: &value,
                content_type: record::SEALED_TYPE,
                tags: tags.clone(),
                ends: Some(copy.facts.expires_on),
            };
            let Some(written) = self.vault.set_aside(name, &new).await? else { return Ok(Fared::Gone) };
            let now = self.vault.versions(name).await?;
            if look(&now) == Looked::Remains {
                return self.clear_away(name).await;
            }
            let is_new = |each: &&Version| each.id != written && !versions.iter().any(|known| known.id == each.id);
            let still_holds = now.iter().any(|each| each.id == version && each.enabled);
            if !still_holds || now.iter().any(|each| is_new(&each)) {
                continue;
            }
            if !self.vault.enable(name, &written, &tags).await? {
                return Ok(Fared::Gone);
            }
            self.finish_one(name, &written, &tags, &versions).await?;
            return Ok(Fared::Moved);
        }
        Err(Error::new(ErrorKind::StoreConflict, "key", "other hosts write the same grant all the time")
            .with_context("secret", name))
    }

    /// Disables what was moved from; and what was moved to, where another host wrote a newer one meanwhile.
    async fn finish_one(
        &self,
        name: &str,
        written: &str,
        tags: &HashMap<String, String>,
        before: &[Version],
    ) -> Result<()> {
        for version in before.iter().filter(|version| version.enabled && version.id != written) {
            self.vault.disable(name, &version.id).await?;
        }
        let now = self.vault.versions(name).await?;
        if now.iter().any(|each| each.enabled && each.id != written) {
            return self.vault.disable(name, written).await;
        }
        self.vault.enable(name, written, &record::at_rest(tags)).await.map(drop)
    }

    /// Another host revoked the grant and purged its secret, and writing made it anew: with nothing that anybody can read.
    async fn clear_away(&self, name: &str) -> Result<Fared> {
        if self.vault.delete(name).await? && self.vault.purge(name).await? != Purged::Yes {
            tracing::warn!(secret = name, "the vault keeps the deleted secret until its time is over");
        }
        Ok(Fared::Gone)
    }
}
