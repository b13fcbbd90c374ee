//! What the authority says of itself: metadata, signing keys, and which tenant a domain is. Fetched when needed, remembered for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, header};
use url::Url;
use uuid::Uuid;

use super::Inner;
use super::in_hand::{Found, unless_away};
use crate::chance::jitter;
use crate::clock::UnixTime;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::ids::{TenantId, TenantRef};
use crate::protocol::classify::classify;
use crate::protocol::error_reply::ErrorReply;
use crate::protocol::instance;
use crate::protocol::jwks::Jwks;
use crate::protocol::metadata::{self, Metadata};
use crate::transport::{EXCHANGE_DEADLINE, retry_after};

/// How long a domain is taken for the tenant it was; then it is asked for again, and the old answer goes on if nobody answers.
const DOMAIN_LIFE: i64 = 24 * 3600;

/// How long metadata and keys are taken as they were.
const DOCUMENT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Keys are not fetched again sooner than this, whatever unknown key ids arrive.
const LEAST_BETWEEN_KEYS: Duration = Duration::from_secs(30);

/// The most domains and documents remembered.
const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Directory {
    domains: Mutex<HashMap<String, (TenantId, UnixTime)>>,
    metadata: Mutex<HashMap<TenantRef, (Arc<Metadata>, Instant)>>,
    keys: Mutex<HashMap<Url, (Arc<Jwks>, Instant)>>,
    /// Whether the authority was vouched for.
    is_vouched_for: AtomicBool,
}

impl Directory {
    pub(crate) fn tenant_in_memory(&self, name: &TenantRef, now: UnixTime) -> Option<TenantId> {
        match name {
            TenantRef::Id(id) => Some(*id),
            TenantRef::Domain(domain) => {
                let domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
                domains
                    .get(domain)
                    .filter(|(_, on)| (0..DOMAIN_LIFE).contains(&now.since(*on)))
                    .map(|(tenant, _)| *tenant)
            }
        }
    }

    /// The same, however long ago it was asked for.
    fn once_known(&self, domain: &str) -> Option<TenantId> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner).get(domain).map(|(tenant, _)| *tenant)
    }

    fn remember_domain(&self, domain: &str, tenant: TenantId, on: UnixTime) {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= MOST {
            domains.clear();
        }
        domains.insert(domain.to_owned(), (tenant, on));
    }
}

impl Inner {
    pub(super) async fn tenant(&self, name: &TenantRef) -> Result<TenantId> {
        if self.config.authority.kind() == AuthorityKind::Generic {
            return self.generic_tenant(name);
        }
        if let TenantRef::Domain(domain) = name
            && !domain.contains('.')
        {
            return Err(Error::new(ErrorKind::InvalidArgument, "tenant", format!("not a tenant: {domain}"))
                .with_hint("name a tenant by its id (a GUID) or one of its domains, such as fabrikam.com"));
        }
        let now = self.clock.now();
        if let Some(tenant) = self.directory.tenant_in_memory(name, now) {
            return Ok(tenant);
        }
        let TenantRef::Domain(domain) = name else {
            return Err(Error::new(ErrorKind::Internal, "tenant", "a tenant id was not taken for itself"));
        };
        // `x.onmicrosoft.us` says itself where it is.
        self.config.authority.cloud().check_host("the tenant", domain)?;
        let authority = self.config.authority.name();
        let once_known = self.directory.once_known(domain);
        let known = match unless_away(once_known, self.store.domain(authority, domain)).await? {
            Found::InStore(known) => known,
            Found::InMemory(tenant) => return Ok(tenant),
        };
        if let Some((tenant, on)) = known.filter(|(_, on)| (0..DOMAIN_LIFE).contains(&now.since(*on))) {
            self.directory.remember_domain(domain, tenant, on);
            return Ok(tenant);
        }
        match Box::pin(self.metadata(name)).await.and_then(|metadata| metadata.tenant()) {
            Ok(tenant) => {
                self.directory.remember_domain(domain, tenant, now);
                // Only a convenience for the next process: a store that cannot be written now is reported by who must write.
                if let Err(error) = self.store.put_domain(authority, domain, tenant, now).await {
                    tracing::debug!(error = error.kind().id(), "a domain's tenant could not be remembered");
                }
                Ok(tenant)
            }
            Err(error) => match known {
                Some((tenant, _)) if error.kind().retry() == Retry::After => Ok(tenant),
                _ => Err(error.with_context("tenant", domain)),
            },
        }
    }

    /// A generic authority is one tenant, itself. It goes by its configured name, and its id is made of its issuer.
    fn generic_tenant(&self, name: &TenantRef) -> Result<TenantId> {
        let authority = &self.config.authority;
        let tenant = TenantId::new(Uuid::new_v5(&Uuid::NAMESPACE_URL, authority.login().as_str().as_bytes()));
        let own_name = authority.name().trim_start_matches("generic:");
        let is_it = match name {
            TenantRef::Id(id) => *id == tenant,
            TenantRef::Domain(domain) => domain == own_name,
        };
        if is_it {
            Ok(tenant)
        } else {
            Err(Error::new(
                ErrorKind::TenantNotFound,
                "tenant",
                format!("this authority has one partner, itself: {own_name}"),
            ))
        }
    }

    /// The authority's metadata for a tenant.
    pub(super) async fn metadata(&self, tenant: &TenantRef) -> Result<Arc<Metadata>> {
        if let Some(known) = young(&self.directory.metadata, tenant, DOCUMENT_LIFE) {
            return Ok(known);
        }
        self.vouch_for_authority().await?;
        let url = metadata::document_url(&self.config.authority, tenant);
        let body = self.fetch_document(&url).await?;
        let parsed = Arc::new(Metadata::parse(&body, &self.config.authority)?);
        remember(&self.directory.metadata, tenant.clone(), parsed.clone());
        Ok(parsed)
    }

    /// Asks Microsoft about an authority that claims to be its own. What is asked for there needs the metadata first, so nothing else is sent before.
    async fn vouch_for_authority(&self) -> Result<()> {
        let authority = &self.config.authority;
        let Some(question) = instance::question(authority) else { return Ok(()) };
        if self.directory.is_vouched_for.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self.fetch_document(&question).await.map_err(|error| instance::refusal(authority, error))?;
        instance::check(&answer)?;
        self.directory.is_vouched_for.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The authority's signing keys. `renew` asks for them anew because a token named a key that is not among them.
    pub(super) async fn keys(&self, metadata: &Metadata, renew: bool) -> Result<Arc<Jwks>> {
        let url = &metadata.jwks_uri;
        let life = if renew { LEAST_BETWEEN_KEYS } else { DOCUMENT_LIFE };
        if let Some(known) = young(&self.directory.keys, url, life) {
            return Ok(known);
        }
        let parsed = Arc::new(Jwks::parse(&self.fetch_document(url).await?)?);
        remember(&self.directory.keys, url.clone(), parsed.clone());
        Ok(parsed)
    }

    /// A public document of the authority, tried again where that helps.
    async fn fetch_document(&self, url: &Url) -> Result<Vec<u8>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.fetch_once(url).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let wait = if error.kind().retry() == Retry::After {
                self.retry.wait(attempt, error.retry_after(), jitter())
            } else {
                None
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn fetch_once(&self, url: &Url) -> Result<Vec<u8>> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| Error::new(ErrorKind::Internal, "connect", "a metadata request could not be built"))?;
        let response = self.transport.send(request, EXCHANGE_DEADLINE).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let wait = retry_after(response.headers(), std::time::SystemTime::now());
        Err(classify(response.status().as_u16(), ErrorReply::parse(response.body()).as_ref(), wait)
            .error
            .in_operation("tenant"))
    }
}

fn young<K: std::hash::Hash + Eq, V: Clone>(
    cache: &Mutex<HashMap<K, (V, Instant)>>,
    key: &K,
    life: Duration,
) -> Option<V> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(key).filter(|(_, on)| on.elapsed() < life).map(|(value, _)| value.clone())
}

fn remember<K: std::hash::Hash + Eq, V>(cache: &Mutex<HashMap<K, (V, Instant)>>, key: K, value: V) {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= MOST {
        cache.clear();
    }
    cache.insert(key, (value, Instant::now()));
}
