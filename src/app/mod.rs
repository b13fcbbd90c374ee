//! [`App`]: joins the pure parts with transport, store and clock. One method per operation, one file per idea.

mod app_only;
pub mod audit;
mod challenge;
pub mod config;
pub mod consent;
pub mod credential;
pub mod credentials;
pub mod customers;
mod device;
mod directory;
pub mod doctor;
mod exchange;
mod flight;
pub mod grants;
pub mod import;
mod in_hand;
pub mod incident;
pub mod loopback;
pub mod mfa_check;
pub mod move_store;
mod negative;
mod pace;
mod purposes;
mod redeem;
pub mod renew;
pub mod report;
pub mod request;
pub mod rotate_key;
pub mod token;
mod token_cache;
#[cfg(feature = "keyvault")]
mod vault_identity;
#[cfg(feature = "keyvault")]
mod vault_key;
pub mod watch;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::audit::Auditor;
use self::challenge::Links;
use self::config::Config;
use self::credentials::ExpiryWatch;
use self::directory::Directory;
use self::flight::{FlightKey, Flights};
use self::in_hand::{Found, unless_away};
use self::negative::Negative;
use self::redeem::Unsaved;
use self::token::Token;
use self::token_cache::TokenCache;
use crate::audience::Audience;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::protocol::claims_challenge;
use crate::store::{AppKey, AskPassphrase, Change, GrantStore, StoreCondition};
use crate::transport::{HttpClient, RetryPolicy, Transport};

/// One app registration with its store and its connections. Cheap to clone; all clones share one cache.
///
/// Its operations must run inside a tokio runtime; [`blocking::App`](crate::blocking::App) brings one.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What an [`App`] works with when it is not the real thing: for tests, and for callers with a transport or a clock of their own.
#[derive(Default)]
pub struct Parts {
    /// Instead of the store that the configuration names.
    pub store: Option<Arc<dyn GrantStore>>,
    /// Instead of reqwest.
    pub transport: Option<Arc<dyn Transport>>,
    /// Instead of the machine's clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Instead of the default waits.
    pub retry: Option<RetryPolicy>,
    /// Instead of the passphrase file.
    pub ask_passphrase: Option<AskPassphrase>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    config: Config,
    key: AppKey,
    store: Arc<dyn GrantStore>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    directory: Directory,
    tokens: TokenCache,
    /// Of the app alone.
    app_tokens: TokenCache,
    flights: Flights<FlightKey, Arc<Token>>,
    /// Renewals that were asked for by name.
    renewals: Flights<TenantId, UnixTime>,
    /// Runs of renewals of all that is due, by number.
    runs: Flights<u64, ()>,
    runs_begun: AtomicU64,
    negative: Negative,
    links: Links,
    unsaved: Unsaved,
    auditor: Auditor,
    /// The `claims` parameter of a request that asks for none: what the app can do.
    capabilities: Option<String>,
    /// Which of the app's credentials worked last.
    credential_at_work: AtomicUsize,
    expiry_watch: ExpiryWatch,
    /// The partner that was the only one when the store was last asked.
    only_partner: Mutex<Option<TenantId>>,
    /// Moves whenever cached tokens may have become wrong; who keeps a copy compares.
    epoch: AtomicU64,
}

impl App {
    /// Opens the app that the environment and the user's configuration file describe; see [`Config::from_env`].
    pub async fn from_env() -> Result<Self> {
        Self::open(Config::from_env()?).await
    }

    /// Opens the app that `config` describes. Nothing is sent, and the store and its key are opened when they are first needed.
    pub async fn open(config: Config) -> Result<Self> {
        Self::open_with(config, Parts::default()).await
    }

    /// [`App::open`] with some parts brought along.
    pub async fn open_with(config: Config, parts: Parts) -> Result<Self> {
        let clock = parts.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let store = match parts.store {
            Some(store) => store,
            None => {
                let retry = parts.retry.unwrap_or_default();
                config.open_store(config.key_provider(parts.ask_passphrase, &clock, retry), &clock, retry)?
            }
        };
        let transport = parts
            .transport
            .unwrap_or_else(|| Arc::new(HttpClient::new(config.authority.clone(), config.ca_file.clone())));
        let inner = Arc::new(Inner {
            key: AppKey { authority: config.authority.name().to_owned(), client_id: config.client_id.clone() },
            directory: Directory::default(),
            tokens: TokenCache::default(),
            app_tokens: TokenCache::default(),
            flights: Flights::default(),
            renewals: Flights::default(),
            runs: Flights::default(),
            runs_begun: AtomicU64::new(0),
            negative: Negative::default(),
            links: Links::default(),
            unsaved: Unsaved::default(),
            auditor: Auditor::default(),
            capabilities: claims_challenge::merged(None, &config.client_capabilities)?,
            credential_at_work: AtomicUsize::new(0),
            expiry_watch: ExpiryWatch::default(),
            epoch: AtomicU64::new(0),
            only_partner: Mutex::default(),
            retry: parts.retry.unwrap_or_default(),
            config,
            store,
            transport,
            clock,
        });
        let hears = Arc::downgrade(&inner);
        inner.store.on_change(Box::new(move |change| {
            if let Some(inner) = hears.upgrade() {
                inner.hear(change);
            }
        }));
        Ok(Self(inner))
    }

    /// What it was opened with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Where its grants live, for people.
    pub fn store_location(&self) -> String {
        self.0.store.location()
    }

    /// How its store is, as far as is known without asking it: where it is degraded, cached tokens are served and nothing is redeemed that could not be saved.
    pub fn store_condition(&self) -> StoreCondition {
        match self.0.store.condition() {
            StoreCondition::Ok => self.0.unsaved.condition(),
            degraded => degraded,
        }
    }

    /// What the configuration had better say of its store otherwise, though it works: a vault's secret by one of its versions. None where all is well.
    pub fn store_advice(&self) -> Option<&'static str> {
        self.0.store.advice()
    }

    /// A number that moves whenever tokens handed out before may have become wrong: after consent, import, revocation. Callers that keep
    /// tokens compare it instead of asking each time.
    pub fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// The tenant that `name` is: a GUID is itself, a domain is looked up once and remembered.
    pub async fn tenant(&self, name: &TenantRef) -> Result<TenantId> {
        self.0.tenant(name).await
    }

    /// Waits until every redemption that was sent is saved, at most `limit`: what a program does before it ends.
    pub async fn settle(&self, limit: std::time::Duration) {
        // Past the limit the old refresh tokens are still there, and Entra still takes them.
        let all = async {
            self.0.flights.landed().await;
            self.0.renewals.landed().await;
            self.0.runs.landed().await;
        };
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// Its store as a forked child may use it; none where there is nothing to open anew.
    #[cfg(feature = "blocking")]
    pub(crate) fn store_after_fork(&self) -> Option<Arc<dyn GrantStore>> {
        self.0.store.reopened()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("authority", &self.0.key.authority)
            .field("client_id", &self.0.key.client_id)
            .field("store", &self.0.store.location())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn forget_tokens_of(&self, partner: TenantId) {
        self.tokens.forget(partner);
        self.negative.forget(partner);
        self.links.forget(partner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Another process changed the store: what is kept in memory may be wrong.
    fn hear(&self, change: &Change) {
        match change {
            Change::Grant(key) if *key == self.key.grant(key.tenant) => {
                tracing::debug!(partner = %key.tenant, "another process changed the partner's grant");
                self.forget_tokens_of(key.tenant);
            }
            Change::Grant(_) => {}
            Change::Unknown => {
                self.tokens.forget_all();
                self.negative.forget_all();
                self.epoch.fetch_add(1, Ordering::AcqRel);
            }
        }
        *self.only_partner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The partner that a caller means: the named one, or the only one there is.
    async fn partner(&self, named: Option<&TenantRef>, operation: &'static str) -> Result<TenantId> {
        if let Some(name) = named {
            return self.tenant(name).await;
        }
        let known = *self.only_partner.lock().unwrap_or_else(PoisonError::into_inner);
        let tenants = match unless_away(known, self.store.tenants(&self.key, None, 2)).await? {
            Found::InStore(tenants) => tenants,
            Found::InMemory(known) => return Ok(known),
        };
        *self.only_partner.lock().unwrap_or_else(PoisonError::into_inner) = match tenants.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        match tenants.as_slice() {
            [] => Err(Error::new(ErrorKind::ConsentRequired, operation, "no partner has consented yet")
                .with_hint("run `partnersam consent PARTNER` and sign in with MFA")),
            [only] => Ok(*only),
            _ => Err(Error::new(
                ErrorKind::GrantAmbiguous,
                operation,
                "several partners have a grant and none was named",
            )),
        }
    }

    /// Audiences of a consent when none was named.
    fn default_audiences(&self) -> Vec<Audience> {
        match self.config.authority.kind() {
            AuthorityKind::Entra => vec![Audience::PartnerCenter, Audience::Graph, Audience::Arm],
            AuthorityKind::Generic => Vec::new(),
        }
    }
}
