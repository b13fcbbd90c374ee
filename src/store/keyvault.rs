//! Grants in an Azure Key Vault: one secret each, sealed before it gets there.
//!
//! A vault keeps every version of a secret for ever, deletes none alone and backs up at most 500, so a rotated token is not worth a version each time. What changes
//! with every redemption is kept in SQLite on this host, sealed; the vault gets a new version when somebody else must know (a consent, another
//! account, MFA, the end of a grant) and otherwise once a week. Entra lets an older refresh token live on, so a host that dies takes
//! nothing with it: the vault's copy is at most a week old and good for 90 days.
//!
//! The vault decides: each look at a grant asks it first. What was revoked on another host is gone here, and who may not read the vault reads nothing.

mod beside;
mod keys;
mod moving;
mod names;
mod reading;
mod record;
mod rotation;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use self::beside::BesideKey;
use self::keys::VaultKeys;
use self::record::Copy;
use crate::clock::{Clock, UnixTime};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::{AccessToken, RefreshToken};
use crate::store::key::KeyProvider;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    AppKey, Expect, Grant, GrantFacts, GrantKey, GrantState, GrantStore, KeyRotation, Lease, PendingConsent,
    StoreCondition, StoredToken, TokenFacts, TokenKey, Turn, Written,
};
use crate::vault::{Listed, MakeOpening, New, Purged, Vault};

/// Said where the store is a secret by one of its versions.
const PINNED: &str =
    "the store names a version of its secret; rotation makes new ones, which are used: take the version out of `store`";
/// A copy that is older than this is written anew at the next rotation.
const WEEK: i64 = 7 * 86_400;
/// A copy whose token ends sooner than this is, too.
const SOON: i64 = 30 * 86_400;
/// How often a record is looked at or written whose key changes meanwhile.
const ATTEMPTS: u32 = 3;

/// How long a write waits for another one of the same grant on this host.
const TURN: Duration = Duration::from_secs(90);

/// What the values of a vault's secrets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Sealed with the store's key.
    #[default]
    Sealed,
    /// The bare refresh token, for another tool that reads and writes it.
    Plain,
}

/// How a vault is used as a store.
#[derive(Clone, Copy, Debug)]
pub struct VaultManners {
    /// What the values are.
    pub format: Format,
    /// Whether a revoked grant's secret is purged, and not only deleted.
    pub purge: bool,
    /// Whether every rotation goes to the vault, because the authority takes a refresh token only once.
    pub writes_every_rotation: bool,
}

/// See [the module](self).
pub(crate) struct KeyVaultStore {
    vault: Vault,
    local: SqliteStore,
    keys: VaultKeys,
    manners: VaultManners,
    clock: Arc<dyn Clock>,
    make: MakeOpening,
    was_warned: AtomicBool,
    /// The vault's word of its key that the file beside it has followed.
    followed: Mutex<Option<String>>,
    /// Secrets that open with no key, which were looked at and left as they are.
    unreadable: Mutex<HashSet<String>>,
    /// Since when the vault does not answer as it should, and how it last did.
    trouble: Mutex<Option<(UnixTime, Error)>>,
}

impl fmt::Debug for KeyVaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVaultStore")
            .field("vault", &self.vault)
            .field("local", &self.local.location())
            .finish_non_exhaustive()
    }
}

/// Whether a write must reach the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteThrough {
    /// Nothing is done before the vault has it.
    First,
    /// It is time; if the vault cannot be reached, later.
    IfPossible,
    /// This host's own record is enough.
    No,
}

impl KeyVaultStore {
    /// The vault that `make` opens, with a file beside it at `beside`. Nothing is sent or touched yet.
    pub(crate) fn new(
        make: MakeOpening,
        beside: &Path,
        keys: Arc<dyn KeyProvider>,
        manners: VaultManners,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let vault = Vault::new(make()?)?;
        let local = SqliteStore::new(beside, Arc::new(BesideKey::new(Arc::clone(&keys), Arc::clone(&make))))?;
        Ok(Self {
            vault,
            local,
            keys: VaultKeys::new(keys),
            manners,
            clock,
            make,
            was_warned: AtomicBool::new(false),
            followed: Mutex::default(),
            unreadable: Mutex::default(),
            trouble: Mutex::new(None),
        })
    }

    /// Remembers how the vault answered, for [`condition`](GrantStore::condition).
    fn heard<T>(&self, answer: Result<T>) -> Result<T> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(_) => *trouble = None,
            // That is one grant's trouble.
            Err(error) if error.service_code() == Some("SecretDisabled") => {}
            Err(error) => {
                let since = trouble.as_ref().map_or_else(|| self.clock.now(), |(since, _)| *since);
                *trouble = Some((since, error.clone()));
            }
        }
        answer
    }

    fn name(&self, key: &GrantKey) -> String {
        self.vault.address().secret().map_or_else(|| names::of_grant(key), str::to_owned)
    }

    /// One writer of a grant at a time on this host: the vault has no compare-and-set, SQLite beside it has.
    async fn turn(&self, key: &GrantKey) -> Result<Box<dyn Lease>> {
        self.turn_of(&self.name(key)).await.map_err(|error| error.with_context("partner", key.tenant))
    }

    async fn turn_of(&self, name: &str) -> Result<Box<dyn Lease>> {
        let turn = self.local.lease(&format!("vault {name}"), TURN).await?;
        turn.ok_or_else(|| {
            Error::new(ErrorKind::StoreConflict, "store", "another process on this host is writing the same grant")
        })
    }

    fn write_through(&self, copy: Option<&Copy>, facts: &GrantFacts) -> WriteThrough {
        let Some(copy) = copy else { return WriteThrough::First };
        let old = &copy.facts;
        let differs = old.mfa.verdict != facts.mfa.verdict
            || is_dead(old) != is_dead(facts)
            || old.consented_on != facts.consented_on
            || (copy.is_whole
                && (old.user_oid != facts.user_oid
                    || old.user_name != facts.user_name
                    || old.domains != facts.domains
                    || old.audiences != facts.audiences
                    || old.purpose != facts.purpose
                    || old.taints != facts.taints));
        let now = self.clock.now();
        if differs || self.manners.writes_every_rotation {
            WriteThrough::First
        } else if copy.written_on.is_none_or(|on| now.since(on) >= WEEK)
            || old.expires_on.since(now) < SOON
            // A clock far ahead wrote that: other hosts see it there.
            || old.renew_after.since(facts.renew_after) >= WEEK
        {
            WriteThrough::IfPossible
        } else {
            WriteThrough::No
        }
    }

    /// A new version in the vault; the one before it is disabled.
    async fn write_to_vault(
        &self,
        key: &GrantKey,
        token: &RefreshToken,
        facts: &GrantFacts,
        before: Option<&Copy>,
    ) -> Result<String> {
        let name = self.name(key);
        let mut version = None;
        for _ in 0..ATTEMPTS {
            let keys = match self.manners.format {
                Format::Sealed => Some(self.fresh_keys().await?),
                Format::Plain => None,
            };
            let (value, content_type) = match &keys {
                Some(keys) => (record::seal(&keys.sealer, key, token, facts)?, record::SEALED_TYPE),
                // EXPOSE: the configuration says that another tool reads the bare value.
                None => (Zeroizing::new(token.expose().to_owned()), record::PLAIN_TYPE),
            };
            let tags = record::tags(key, facts, self.clock.now(), keys.as_ref().map(|keys| keys.meta.mark()));
            let new = New { value: &value, content_type, tags, ends: Some(facts.expires_on) };
            let written = self.heard(self.vault.set(&name, &new).await);
            version = Some(written.map_err(|error| error.with_context("partner", key.tenant))?);
            // The key may have been changed in between: then this one would be left behind under the old key.
            let Some(keys) = keys else { break };
            let now = self.fresh_keys().await;
            if now.is_ok_and(|now| now.meta.key_check == keys.meta.key_check) {
                break;
            }
        }
        let version = version.unwrap_or_default();
        self.disable_others(&name, &version, before.map(|copy| copy.version.as_str())).await;
        Ok(version)
    }

    /// Disables what a new version replaces. What cannot be done now is tried again with the next.
    async fn disable_others(&self, name: &str, newest: &str, before: Option<&str>) {
        let outcome = async {
            match before {
                Some(before) => self.vault.disable(name, before).await,
                // Recovered from soft delete, or somebody else's: nobody knows which there are.
                None => {
                    for version in self.vault.versions(name).await? {
                        if version.enabled && version.id != newest {
                            self.vault.disable(name, &version.id).await?;
                        }
                    }
                    Ok(())
                }
            }
        };
        if let Err(error) = outcome.await {
            tracing::warn!(%error, secret = name, "an older version of a secret could not be disabled and can still be read");
        }
    }

    async fn put(
        &self,
        key: &GrantKey,
        refresh_token: &RefreshToken,
        facts: &GrantFacts,
        expect: Expect,
        token: Option<(&TokenKey, &AccessToken, &TokenFacts)>,
    ) -> Result<Written> {
        if let Some((token_key, ..)) = token {
            super::check_owner(token_key, key)?;
        }
        self.check_place(key).await?;
        let _turn = self.turn(key).await?;
        let copy = self.copy(key).await?;
        let local = self.step(key, copy.as_ref()).await?;
        let found = local.map(|grant| grant.generation);
        if !expect.is_met_by(found) {
            return Ok(Written::Lost(found));
        }
        let how = self.write_through(copy.as_ref(), facts);
        let first = match how {
            WriteThrough::First => Some(self.write_to_vault(key, refresh_token, facts, copy.as_ref()).await?),
            _ => None,
        };
        // Before the record where there is none: one without a mark was never in the vault.
        if let (Some(version), None) = (&first, found) {
            self.local.put_vault_copy(key, version).await?;
        }
        let written = match token {
            Some(token) => self.local.put_grant_and_token(key, refresh_token, facts, expect, token).await?,
            None => self.local.put_grant(key, refresh_token, facts, expect).await?,
        };
        let later = match how {
            WriteThrough::IfPossible => self
                .write_to_vault(key, refresh_token, facts, copy.as_ref())
                .await
                .inspect_err(|error| {
                    tracing::warn!(%error, partner = %key.tenant, "the vault's copy of a grant is old and could not be written anew; this host has the newest token");
                })
                .ok(),
            _ => None,
        };
        if let Some(version) = first.or(later) {
            self.local.put_vault_copy(key, &version).await?;
        }
        Ok(written)
    }

    /// Whether this grant has a place here: a store that is one secret keeps one grant.
    async fn check_place(&self, key: &GrantKey) -> Result<()> {
        let Some(name) = self.vault.address().secret() else { return Ok(()) };
        let found = match self.vault.get(name, None).await {
            Err(error) if error.service_code() == Some("SecretDisabled") => return Ok(()),
            found => found?,
        };
        match found.filter(|found| record::is_anothers(&found.tags, key)) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "store",
                "the store is one secret, and that holds another partner's grant",
            )
            .with_hint("set `store` to the vault, keyvault://NAME: then each grant has a secret of its own")
            .with_context("secret", name)),
        }
    }
}

/// Whether a secret is to be used, or will be as soon as it is under a new key.
fn is_shown(row: &Listed) -> bool {
    row.enabled || record::is_moving(&row.tags)
}

fn is_dead(facts: &GrantFacts) -> bool {
    facts.state != GrantState::Active
}

impl GrantStore for KeyVaultStore {
    fn location(&self) -> String {
        self.vault.address().to_string()
    }

    fn grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<Option<Grant>>> {
        async move {
            let copy = self.copy(key).await?;
            if let Some(grant) = self.in_step(key, copy.as_ref()).await? {
                return Ok(grant);
            }
            // Another process may be between its write to the vault and its write here: wait for it and look again.
            let _turn = self.turn(key).await?;
            let copy = self.copy(key).await?;
            self.step(key, copy.as_ref()).await
        }
        .boxed()
    }

    fn put_grant<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Written>> {
        self.put(key, refresh_token, facts, expect, None).boxed()
    }

    fn put_grant_and_token<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
        token: (&'a TokenKey, &'a AccessToken, &'a TokenFacts),
    ) -> BoxFuture<'a, Result<Written>> {
        self.put(key, refresh_token, facts, expect, Some(token)).boxed()
    }

    fn put_recovery<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        replaces: u64,
    ) -> BoxFuture<'a, Result<()>> {
        self.local.put_recovery(key, refresh_token, facts, replaces)
    }

    fn remove_grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<bool>> {
        async move {
            let _turn = self.turn(key).await?;
            let name = self.name(key);
            let is_anothers = match self.vault.address().secret() {
                None => false,
                Some(_) => self.check_place(key).await.is_err(),
            };
            let deleted = !is_anothers && self.heard(self.vault.delete(&name).await)?;
            if deleted && self.manners.purge {
                match self.vault.purge(&name).await? {
                    Purged::Yes => {}
                    Purged::NotAllowed => tracing::warn!(
                        secret = name,
                        "the vault keeps the deleted secret until its time is over: it may not be purged"
                    ),
                    Purged::NotYet => tracing::warn!(
                        secret = name,
                        "the vault was not done with deleting the secret and keeps it until its time is over"
                    ),
                }
            }
            let removed = self.local.remove_grant(key).await?;
            self.local.put_vault_copy(key, "").await?;
            Ok(deleted || removed)
        }
        .boxed()
    }

    fn tenants<'a>(
        &'a self,
        app: &'a AppKey,
        after: Option<TenantId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        async move {
            let listed = self.heard(self.vault.list().await)?;
            let ours = listed.iter().filter(|row| is_shown(row) && record::is_of(&row.tags, app));
            let mut tenants: Vec<_> = ours.filter_map(|row| record::tenant(&row.tags)).collect();
            tenants.retain(|tenant| after.is_none_or(|after| *tenant > after));
            tenants.sort_unstable();
            tenants.dedup();
            tenants.truncate(limit);
            Ok(tenants)
        }
        .boxed()
    }

    fn due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        async move {
            let mut due = Vec::new();
            for row in self.heard(self.vault.list().await)? {
                let active = record::due(&row.tags).filter(|_| is_shown(&row) && record::is_of(&row.tags, app));
                let (Some(renew_after), Some(tenant)) = (active, record::tenant(&row.tags)) else { continue };
                // This host may have renewed it since the vault was last written.
                let local = self.local.grant(&app.grant(tenant)).await?.map(|grant| grant.facts.renew_after);
                let later = match local {
                    None => renew_after,
                    // A clock far ahead wrote the tag: what this host says since then is right.
                    Some(local) if renew_after > turn.beyond => local,
                    Some(local) => local.max(renew_after),
                };
                due.push((later, tenant));
            }
            due.retain(|(renew_after, _)| turn.includes(*renew_after));
            due.sort_unstable();
            due.truncate(limit);
            Ok(due.into_iter().map(|(_, tenant)| tenant).collect())
        }
        .boxed()
    }

    /// Only of this host's part: a vault has no rehearsal, and what it does not take now is kept here.
    fn check_writable(&self) -> BoxFuture<'_, Result<()>> {
        self.local.check_writable()
    }

    fn advice(&self) -> Option<&'static str> {
        self.vault.address().version().map(|_| PINNED)
    }

    fn condition(&self) -> StoreCondition {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &*trouble {
            Some((since, error)) => StoreCondition::Degraded { since: *since, error: error.clone() },
            None => self.local.condition(),
        }
    }

    /// What lies beside the store lies on this host, and so does its key.
    fn seal_beside<'a>(&'a self, label: &'a str, plain: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        self.local.seal_beside(label, plain)
    }

    fn open_beside<'a>(
        &'a self,
        label: &'a str,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Zeroizing<Vec<u8>>>>> {
        self.local.open_beside(label, sealed)
    }

    fn is_current_beside<'a>(&'a self, label: &'a str, sealed: &'a [u8]) -> BoxFuture<'a, Result<bool>> {
        self.local.is_current_beside(label, sealed).boxed()
    }

    fn rotation(&self) -> Option<&dyn KeyRotation> {
        match self.manners.format {
            // Then every host has a key of its own, for its own file.
            Format::Plain if !self.keys.provider().is_shared() => self.local.rotation(),
            _ => Some(self),
        }
    }

    fn token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<StoredToken>>> {
        self.local.token(key)
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a AccessToken,
        facts: &'a TokenFacts,
    ) -> BoxFuture<'a, Result<()>> {
        self.local.put_token(key, token, facts)
    }

    fn remove_token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<()>> {
        self.local.remove_token(key)
    }

    fn put_pending<'a>(&'a self, pending: &'a PendingConsent, now: UnixTime) -> BoxFuture<'a, Result<()>> {
        self.local.put_pending(pending, now)
    }

    fn pending<'a>(
        &'a self,
        app: &'a AppKey,
        state_hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<PendingConsent>>> {
        self.local.pending(app, state_hash)
    }

    fn take_pending<'a>(&'a self, app: &'a AppKey, state_hash: &'a [u8; 32]) -> BoxFuture<'a, Result<bool>> {
        self.local.take_pending(app, state_hash)
    }

    fn domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Option<(TenantId, UnixTime)>>> {
        self.local.domain(authority, domain)
    }

    fn put_domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
        tenant: TenantId,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<()>> {
        self.local.put_domain(authority, domain, tenant, now)
    }

    fn reopened(&self) -> Option<Arc<dyn GrantStore>> {
        let vault = (self.make)().and_then(Vault::new);
        let vault = vault.inspect_err(|error| tracing::error!(%error, "the vault cannot be opened anew")).ok()?;
        Some(Arc::new(Self {
            vault,
            local: self.local.anew(),
            keys: self.keys.carried_over(),
            manners: self.manners,
            clock: Arc::clone(&self.clock),
            make: Arc::clone(&self.make),
            was_warned: AtomicBool::new(true),
            followed: Mutex::default(),
            unreadable: Mutex::default(),
            trouble: Mutex::new(None),
        }))
    }

    fn lease<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Option<Box<dyn Lease>>>> {
        self.local.lease(name, patience)
    }
}

#[cfg(test)]
mod tests;
