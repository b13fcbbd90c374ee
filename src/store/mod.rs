//! Where grants live: the trait [`GrantStore`], what goes into it, and the implementations.
//!
//! Every operation touches one record, so its cost does not grow with the number of partners. What a store holds is sealed (`seal.rs`) before it
//! gets there; its readers alone can use nothing of it.

#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "a store that never leaves memory needs no key")
)]
pub mod key;
#[cfg(feature = "keyvault")]
mod keyvault;
mod lease;
mod memory;
pub mod parcel;
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "only a database asks for a password"))]
pub mod password;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only key files are read"))]
pub(crate) mod private_file;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "what never leaves memory needs no journal")
)]
mod recovery;
pub mod rotation;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "what never leaves memory is not sealed")
)]
mod seal;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod contract;
#[cfg(test)]
pub(crate) mod fixtures;

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::Path;
#[cfg(feature = "keyvault")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantId};
use crate::secret::{AccessToken, PkceVerifier, RefreshToken};

pub use key::{AskPassphrase, KeyProvider, KeySource, StoreKey, create_key_file};
#[cfg(feature = "keyvault")]
pub use keyvault::{Format, VaultManners};
pub use password::PasswordSource;
pub use private_file::{create as create_private_file, replace as replace_private_file};
pub use rotation::{KeyRotation, Known, Moved, Standing};

/// Opens the store at `uri`: `sqlite:PATH`, `postgres://USER@HOST/DATABASE` or `memory:`. Touches nothing yet: place and key are opened when they are
/// first needed, and a store that could not be opened is tried again by the next operation. `password` is asked by stores that need one.
///
/// Errors: `ConfigInvalid`, or `NotSupported` where this build lacks the kind of store.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only a database asks for a password"))]
pub fn open(uri: &str, keys: Arc<dyn KeyProvider>, password: PasswordSource) -> Result<Arc<dyn GrantStore>> {
    match uri.split_once(':') {
        Some(("memory", "")) => Ok(memory()),
        #[cfg(feature = "sqlite")]
        Some(("sqlite", path)) if !path.is_empty() => Ok(Arc::new(sqlite::SqliteStore::new(Path::new(path), keys)?)),
        #[cfg(not(feature = "sqlite"))]
        Some(("sqlite", path)) if !path.is_empty() => {
            let _ = keys;
            Err(Error::new(ErrorKind::NotSupported, "open", "this build has no sqlite: store"))
        }
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(postgres::PostgresStore::new(uri, keys, password)?)),
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => {
            let _ = keys;
            Err(Error::new(ErrorKind::NotSupported, "open", "this build has no postgres: store"))
        }
        // The value is not repeated: addresses of other kinds of store can have a password in them.
        _ => Err(Error::new(ErrorKind::ConfigInvalid, "open", "store is not a store that this build knows")
            .with_hint("set `store` to sqlite:PATH, postgres://USER@HOST/DATABASE or memory:")
            .with_context("key", "store")),
    }
}

/// Whether `uri` is a `postgres://` address as [`open`] takes it. Touches nothing.
///
/// Errors: `ConfigInvalid`, or `NotSupported` where this build lacks the kind of store.
pub(crate) fn check_database(uri: &str) -> Result<()> {
    #[cfg(feature = "postgres")]
    return postgres::check(uri);
    #[cfg(not(feature = "postgres"))]
    open(uri, KeySource::default().provider(None), PasswordSource::default()).map(drop)
}

/// How a vault becomes a store.
#[cfg(feature = "keyvault")]
pub(crate) struct VaultStore {
    /// Makes the vault's client.
    pub(crate) make: crate::vault::MakeOpening,
    /// The file for what this host alone needs.
    pub(crate) beside: PathBuf,
    /// How the vault is used.
    pub(crate) manners: VaultManners,
    /// Tells when a copy is old.
    pub(crate) clock: Arc<dyn crate::clock::Clock>,
}

/// Opens a vault as a store. Nothing is sent yet.
///
/// Errors: `ConfigInvalid`.
#[cfg(feature = "keyvault")]
pub(crate) fn open_vault(store: VaultStore, keys: Arc<dyn KeyProvider>) -> Result<Arc<dyn GrantStore>> {
    let VaultStore { make, beside, manners, clock } = store;
    Ok(Arc::new(keyvault::KeyVaultStore::new(make, &beside, keys, manners, clock)?))
}

/// A store that lives and dies with the process.
pub fn memory() -> Arc<dyn GrantStore> {
    Arc::new(memory::MemoryStore::default())
}

/// A token is only ever kept with the grant it was redeemed from.
fn check_owner(token: &TokenKey, grant: &GrantKey) -> Result<()> {
    if token.grant == *grant {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Internal, "store", "an access token was to be kept with another partner's grant"))
}

/// How many pending consents a store keeps: whoever floods it with new ones finds an end. Tests fill one, and every consent counts those before it.
const MAX_PENDING: usize = if cfg!(test) { 500 } else { 10_000 };

fn too_many_pending() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "store", "too many consents are pending")
        .with_hint("wait until some of the open links have ended")
        .with_retry_after(Duration::from_secs(60))
}

/// Whose grant: one partner's, given to one app, at one authority. Injective: two of them never share a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrantKey {
    /// [`Authority::name`](crate::cloud::Authority::name): grants of the emulator and of a cloud never mix.
    pub authority: String,
    /// The app it was given to.
    pub client_id: ClientId,
    /// The partner's tenant.
    pub tenant: TenantId,
}

/// All grants of one app at one authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppKey {
    /// [`GrantKey::authority`].
    pub authority: String,
    /// [`GrantKey::client_id`].
    pub client_id: ClientId,
}

impl GrantKey {
    /// The app that the grant was given to.
    pub fn app(&self) -> AppKey {
        AppKey { authority: self.authority.clone(), client_id: self.client_id.clone() }
    }
}

impl AppKey {
    /// The key of this app's grant from `tenant`.
    pub fn grant(&self, tenant: TenantId) -> GrantKey {
        GrantKey { authority: self.authority.clone(), client_id: self.client_id.clone(), tenant }
    }
}

/// A partner's grant as it is kept.
#[derive(Debug)]
pub struct Grant {
    /// Whose it is.
    pub key: GrantKey,
    /// Counts every change of the record; the first is 1. A writer must name the one it read.
    pub generation: u64,
    /// What redeems for access tokens.
    pub refresh_token: RefreshToken,
    /// What is known of it.
    pub facts: GrantFacts,
}

/// What is known of a grant besides its token. Sealed together with it, for it names a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFacts {
    /// Object id of the account that consented.
    pub user_oid: String,
    /// Sign-in name of that account.
    pub user_name: String,
    /// Domains by which the partner was named.
    pub domains: Vec<String>,
    /// When the person consented.
    pub consented_on: UnixTime,
    /// What proves MFA, or the lack of it.
    pub mfa: MfaEvidence,
    /// When the refresh token last redeemed.
    pub last_redeemed_on: UnixTime,
    /// When it expires if it is not used before: 90 days after its last use.
    pub expires_on: UnixTime,
    /// When it should be used to keep it alive.
    pub renew_after: UnixTime,
    /// Audiences that were granted, by name.
    pub audiences: Vec<String>,
    /// Why the consent was asked for.
    pub purpose: String,
    /// What makes this grant weaker than it should be.
    pub taints: Vec<Taint>,
    /// Whether it is still usable.
    pub state: GrantState,
}

impl GrantFacts {
    /// How people call the partner whose tenant this is: by domain where one is known, else by id.
    pub fn name(&self, tenant: TenantId) -> String {
        self.domains.first().cloned().unwrap_or_else(|| tenant.to_string())
    }
}

/// Whether a sign-in used MFA: three answers, for a token that cannot be read is not a no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mfa {
    /// Proved.
    Yes,
    /// Proved not.
    No,
    /// Cannot be told.
    #[default]
    Unknown,
}

impl Mfa {
    /// `yes`, `no` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What a grant remembers of its proof of MFA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaEvidence {
    /// The verdict.
    pub verdict: Mfa,
    /// The `amr` values of the Partner Center token, as they were.
    pub amr: Vec<String>,
    /// What Partner Center's own `isMfaCompliant` said, where it was asked.
    pub partner_center: Option<bool>,
    /// When it was looked at.
    pub checked_on: UnixTime,
}

/// Why a grant is weaker than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Taint {
    /// Consented by device code: policies may end it at any redemption.
    DeviceCode,
    /// Stored without proof of MFA because the caller insisted.
    WithoutMfa,
    /// Imported from elsewhere: another copy may exist.
    Imported,
}

impl Taint {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceCode => "device_code",
            Self::WithoutMfa => "without_mfa",
            Self::Imported => "imported",
        }
    }
}

/// Whether a grant can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum GrantState {
    /// It can.
    Active,
    /// The service said for good that it cannot. The record is kept as evidence until a new consent or a revocation, and not used.
    Dead {
        /// When that was.
        on: UnixTime,
        /// The kind of error, for example `GrantRevoked`.
        reason: String,
    },
}

/// Whose turn it is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Those that should be renewed by then;
    pub by: UnixTime,
    /// and those that should be only after that: farther off than a grant lives, which a clock far ahead made so. They would end before.
    pub beyond: UnixTime,
}

impl Turn {
    /// All whose turn comes by `by`, where a grant lives `life` seconds.
    pub fn new(by: UnixTime, life: i64) -> Self {
        Self { by, beyond: by.plus(life) }
    }

    /// Whether a grant is one of them.
    pub fn includes(self, renew_after: UnixTime) -> bool {
        renew_after <= self.by || renew_after > self.beyond
    }
}

/// What must be true of the stored record for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is none.
    Absent,
    /// It has this generation.
    Generation(u64),
}

impl Expect {
    /// Whether a record of generation `found` (none: there is no record) is what was expected.
    fn is_met_by(self, found: Option<u64>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Generation(generation) => found == Some(generation),
        }
    }
}

/// How a guarded write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable, as this generation.
    Yes(u64),
    /// Somebody else wrote first; the record now has this generation (none: it is gone).
    Lost(Option<u64>),
}

/// Which access token: the cache's key beside the grant's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey {
    /// The grant it was redeemed from.
    pub grant: GrantKey,
    /// The tenant it is good in: the partner's own or a customer's.
    pub tenant: TenantId,
    /// [`Audience::name`](crate::audience::Audience::name).
    pub audience: String,
}

/// An access token as it is kept, sealed, for the next process.
#[derive(Debug)]
pub struct StoredToken {
    /// The token.
    pub token: AccessToken,
    /// What is known of it.
    pub facts: TokenFacts,
}

/// What is known of an access token besides itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// When it was issued to us.
    pub received_on: UnixTime,
    /// When it ends.
    pub expires_on: UnixTime,
    /// From when a new one should be fetched.
    pub refresh_after: UnixTime,
    /// Scopes it was issued with.
    pub scopes: Vec<String>,
    /// Whether MFA is in it.
    pub mfa: Mfa,
}

/// A consent that was begun and not yet completed. Found by the hash of its state, so that the store never holds the state itself.
#[derive(Debug)]
pub struct PendingConsent {
    /// The app and authority that began it.
    pub app: AppKey,
    /// SHA-256 of the state.
    pub state_hash: [u8; 32],
    /// PKCE verifier of this flow.
    pub verifier: PkceVerifier,
    /// The rest.
    pub facts: PendingFacts,
}

/// What a pending consent is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFacts {
    /// The invited partner.
    pub tenant: TenantId,
    /// How the partner was named.
    pub partner: String,
    /// Where the reply comes back to.
    pub redirect_uri: Url,
    /// Audiences asked for, by name.
    pub audiences: Vec<String>,
    /// Why.
    pub purpose: String,
    /// Value that the id token must repeat.
    pub nonce: String,
    /// When the link ends.
    pub expires_on: UnixTime,
}

/// What another process did to the store, as far as this one has to forget what it keeps in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// This grant was made, revoked, ended or given by another account.
    Grant(GrantKey),
    /// Nobody can say: the store was out of sight for a while.
    Unknown,
}

/// Who is told of [`Change`]s. Called on a thread of the runtime: it must not wait.
pub type OnChange = Box<dyn Fn(&Change) + Send + Sync>;

/// How a store is, as far as is known without asking it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum StoreCondition {
    /// Nothing is wrong.
    #[default]
    Ok,
    /// It could not be reached or written when it was last tried, or what it should hold waits in the recovery journal. Cached tokens are served, nothing is
    /// redeemed that could not be saved, and it recovers by itself.
    Degraded {
        /// Since when.
        since: UnixTime,
        /// What is wrong.
        error: Error,
    },
}

impl StoreCondition {
    /// The word used in JSON: `ok` or `degraded`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded { .. } => "degraded",
        }
    }

    /// What is wrong.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Ok => None,
            Self::Degraded { error, .. } => Some(error),
        }
    }
}

/// One redemption at a time per key, across processes. Dropping it, or dying, lets go of it; it is for load, never for correctness.
pub trait Lease: Send + fmt::Debug {}

/// A place that keeps grants. Implementations seal what they are given and are safe to share between threads and processes.
///
/// Errors: `StoreUnavailable`, `StoreCorrupt`, `StoreForbidden`, `StoreUnwritable` and their kin; never `None` for what could not be read.
pub trait GrantStore: Send + Sync + fmt::Debug {
    /// The place, for people: `sqlite:/var/lib/x/grants.db`. Holds no secret.
    fn location(&self) -> String;

    /// One grant, or none where there is none.
    fn grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<Option<Grant>>>;

    /// [`grant`](Self::grant) of each of `keys`, in their order; as one look where the store can.
    fn grants_together<'a>(&'a self, keys: &'a [GrantKey]) -> BoxFuture<'a, Vec<Result<Option<Grant>>>> {
        Box::pin(join_all(keys.iter().map(|key| self.grant(key))))
    }

    /// Writes a grant if the record is as expected. Durable when it returns `Yes`. One that is dead, or another account's than before, takes its
    /// access tokens with it.
    fn put_grant<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Written>>;

    /// [`put_grant`](Self::put_grant), and when that is won [`put_token`](Self::put_token): what one redemption brings, in one write where the
    /// store can. When the grant's write is lost nothing is kept.
    fn put_grant_and_token<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
        token: (&'a TokenKey, &'a AccessToken, &'a TokenFacts),
    ) -> BoxFuture<'a, Result<Written>> {
        Box::pin(async move {
            check_owner(token.0, key)?;
            let written = self.put_grant(key, refresh_token, facts, expect).await?;
            if let Written::Yes(_) = written {
                self.put_token(token.0, token.1, token.2).await?;
            }
            Ok(written)
        })
    }

    /// Keeps a rotated refresh token safe when [`put_grant`](Self::put_grant) failed: sealed, beside the store, applied when the store works again.
    fn put_recovery<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        replaces: u64,
    ) -> BoxFuture<'a, Result<()>>;

    /// Removes a grant, its key, its access tokens. True where there was one.
    fn remove_grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<bool>>;

    /// Tenants with a grant, in order, at most `limit`, those after `after`.
    fn tenants<'a>(
        &'a self,
        app: &'a AppKey,
        after: Option<TenantId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<TenantId>>>;

    /// Tenants whose active grant's turn it is, at most `limit`: soonest first, and those last that are beyond what can be.
    fn due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>>;

    /// Those of [`due`](Self::due) in whatever order suits the store, and where it can tell, without those that another process is renewing just now. What is given out is this process's until
    /// [`release_claims`](Self::release_claims), or until the process ends in whatever way: nobody has to clear up after it.
    fn claim_due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        self.due(app, turn, limit)
    }

    /// Lets others have what [`claim_due`](Self::claim_due) gave out and is still due.
    fn release_claims(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Names who is told when another process changes the store: the first that is named stays. Stores that cannot tell keep silent.
    fn on_change(&self, told: OnChange) {
        let _ = told;
    }

    /// How it is, without asking it.
    fn condition(&self) -> StoreCondition {
        StoreCondition::Ok
    }

    /// What the configuration had better say of it otherwise, though it works; none where all is well.
    fn advice(&self) -> Option<&'static str> {
        None
    }

    /// Finds out whether a write would work now, without changing anything: asked before a redemption whose result must be saved.
    fn check_writable(&self) -> BoxFuture<'_, Result<()>>;

    /// Seals what lies in a file of its own beside the store, such as the audit record's key. None where the store has no key to seal with.
    fn seal_beside<'a>(&'a self, _label: &'a str, _plain: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(async { Ok(None) })
    }

    /// Opens what [`seal_beside`](Self::seal_beside) sealed under the same label.
    fn open_beside<'a>(
        &'a self,
        _label: &'a str,
        _sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Zeroizing<Vec<u8>>>>> {
        Box::pin(async { Ok(None) })
    }

    /// Whether what [`seal_beside`](Self::seal_beside) sealed is under the store's key of today: else it opens all the same, and should be sealed anew. Said only by
    /// stores whose key other hosts can change.
    fn is_current_beside<'a>(&'a self, _label: &'a str, _sealed: &'a [u8]) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(true) })
    }

    /// A kept access token, or none. One that cannot be opened any more is none: it is a cache.
    fn token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<StoredToken>>>;

    /// Keeps an access token for the next process. Dropped where there is no active grant to keep it with: a revoked grant is not brought back by
    /// a redemption that was on its way.
    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a AccessToken,
        facts: &'a TokenFacts,
    ) -> BoxFuture<'a, Result<()>>;

    /// Forgets a kept access token.
    fn remove_token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<()>>;

    /// Keeps a pending consent. Expired ones (by `now`) are dropped on the way, and at most 10,000 are kept: beyond that it is `StoreUnavailable`.
    fn put_pending<'a>(&'a self, pending: &'a PendingConsent, now: UnixTime) -> BoxFuture<'a, Result<()>>;

    /// Looks at a pending consent without using it up.
    fn pending<'a>(
        &'a self,
        app: &'a AppKey,
        state_hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<PendingConsent>>>;

    /// Uses a pending consent up: of all callers, one gets true.
    fn take_pending<'a>(&'a self, app: &'a AppKey, state_hash: &'a [u8; 32]) -> BoxFuture<'a, Result<bool>>;

    /// The tenant that a domain was last found to be, and when.
    fn domain<'a>(&'a self, authority: &'a str, domain: &'a str)
    -> BoxFuture<'a, Result<Option<(TenantId, UnixTime)>>>;

    /// Remembers which tenant a domain is.
    fn put_domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
        tenant: TenantId,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<()>>;

    /// How its key is changed; none where it has none, or cannot change it.
    fn rotation(&self) -> Option<&dyn KeyRotation> {
        None
    }

    /// The same place anew for a forked child, where this store must no longer be used: nothing that is open is shared, but a key that was loaded
    /// is carried over, for asking a keyring again needs threads that a child does not have. None: there is nothing to open anew.
    fn reopened(&self) -> Option<Arc<dyn GrantStore>> {
        None
    }

    /// Waits for the lease on `name`, at most `patience`; none where another still holds it then.
    fn lease<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Option<Box<dyn Lease>>>>;
}
