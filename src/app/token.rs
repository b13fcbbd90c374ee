//! Access tokens: from memory, else from the store, else from the service.

use std::sync::Arc;

use super::flight::FlightKey;
use super::in_hand::PATIENCE_IN_HAND;
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::error::{Error, Result};
use crate::ids::{TenantId, TenantRef};
use crate::protocol::claims_challenge;
use crate::remedy;
use crate::secret::AccessToken;
use crate::store::{Mfa, StoredToken, TokenFacts, TokenKey};

/// What token is wanted.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Whose grant; may be left out where there is one only.
    pub partner: Option<TenantRef>,
    /// The customer whose tenant the token is for; the partner's own when left out.
    pub customer: Option<TenantRef>,
    /// The service it is for.
    pub audience: Audience,
    /// What a service challenged us to satisfy: its `WWW-Authenticate` header (several joined by commas), or the claims in it as JSON. A new token is
    /// fetched then, whatever is at hand. What the app can do is added to the claims.
    pub claims: Option<String>,
    /// Fetch a new one even if a good one is at hand.
    pub fresh: bool,
    /// Why: a declared purpose; the configuration's own where left out.
    pub purpose: Option<String>,
    /// A token of the app alone (client credentials), for its own tenant; only with the profile `csp`. Nobody's grant is in it, and no MFA.
    pub app_only: bool,
}

impl TokenRequest {
    /// A token for `audience` in the tenant of the only partner there is.
    pub fn new(audience: Audience) -> Self {
        Self { partner: None, customer: None, audience, claims: None, fresh: false, purpose: None, app_only: false }
    }

    /// With this partner's grant.
    #[must_use]
    pub fn partner(mut self, partner: impl Into<TenantRef>) -> Self {
        self.partner = Some(partner.into());
        self
    }

    /// A token that satisfies these claims.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Of the app alone, without anybody's grant.
    #[must_use]
    pub fn app_only(mut self) -> Self {
        self.app_only = true;
        self
    }

    /// For this purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// In this customer's tenant.
    #[must_use]
    pub fn customer(mut self, customer: impl Into<TenantRef>) -> Self {
        self.customer = Some(customer.into());
        self
    }
}

/// An access token and what is known of it.
#[derive(Debug)]
pub struct Token {
    pub(crate) secret: AccessToken,
    pub(crate) received_on: UnixTime,
    /// The partner whose grant it came from.
    pub partner: TenantId,
    /// The tenant it is good in.
    pub tenant: TenantId,
    /// The service it is for.
    pub audience: Audience,
    /// When it ends.
    pub expires_on: UnixTime,
    /// From when a new one should be asked for.
    pub refresh_after: UnixTime,
    /// Scopes it was issued with; shared with other tokens that have the same.
    pub scopes: Arc<[String]>,
    /// Whether MFA is in it.
    pub mfa: Mfa,
    /// The id that ties the request it came by to the service's log; none where it did not come by one just now.
    pub correlation_id: Option<String>,
    /// When the purpose that it was asked for ends, where that has an end: from then on it is not to be used.
    pub purpose_ends: Option<UnixTime>,
    /// What went wrong without keeping the token from you: a store that could not be written.
    pub warnings: Vec<Error>,
}

/// A token with less time left than this is not handed out: it would end on its way.
const LEAST_LEFT: i64 = 60;

/// A token that came later than this by our clock, in seconds, shows that the clock was set back, and its end tells nothing. Less than that is the difference
/// between two hosts' clocks; tokens are renewed earlier than that, too.
const CLOCKS_DIFFER: i64 = 300;

impl Token {
    /// The token itself, for the `Authorization` header.
    pub fn secret(&self) -> &AccessToken {
        &self.secret
    }

    /// Whether it can still be used at `now`. Not where the clock was set back since it came: it would be handed out long after its end.
    pub fn is_usable(&self, now: UnixTime) -> bool {
        self.expires_on.since(now) > LEAST_LEFT && !self.is_ahead_of(now)
    }

    fn is_ahead_of(&self, now: UnixTime) -> bool {
        self.received_on.since(now) > CLOCKS_DIFFER
    }

    /// Whether there is no reason to ask for a new one at `now`.
    pub fn is_fresh(&self, now: UnixTime) -> bool {
        self.is_usable(now) && now < self.refresh_after
    }

    pub(crate) fn from_stored(key: &CacheKey, stored: StoredToken) -> Self {
        let StoredToken { token, facts } = stored;
        Self::new(key, token, facts, Vec::new())
    }

    pub(crate) fn new(key: &CacheKey, secret: AccessToken, facts: TokenFacts, warnings: Vec<Error>) -> Self {
        Self {
            secret,
            received_on: facts.received_on,
            partner: key.partner,
            tenant: key.tenant,
            audience: key.audience.clone(),
            expires_on: facts.expires_on,
            refresh_after: facts.refresh_after,
            scopes: facts.scopes.into(),
            mfa: facts.mfa,
            correlation_id: None,
            purpose_ends: key.purpose.as_ref().and_then(|purpose| purpose.limits().expires_on),
            warnings,
        }
    }
}

impl App {
    /// An access token for one audience in one tenant. From memory it is a hash look-up; from the store, one record; else the grant is redeemed, and
    /// what came back is durable before this returns.
    ///
    /// With `app_only` nobody's grant is used: `NotSupported` where that cannot be.
    ///
    /// Errors: `ConsentRequired`, `GrantExpired` and their kin when a person must act; `RateLimited`, `ServerUnavailable` when waiting helps;
    /// `InvalidArgument` for claims that are none. Where claims are to be satisfied and a person is needed for it, the error has them in its
    /// details and, if a redirect address is configured, a consent link with them in its context as `consent_link`.
    pub async fn token(&self, request: &TokenRequest) -> Result<Arc<Token>> {
        let inner = self.inner();
        if request.app_only {
            return inner.app_only_token(request).await.map_err(|error| in_token(error, request));
        }
        let claims = request.claims.as_deref().map(claims_challenge::of_caller).transpose();
        let claims = claims.map_err(|error| in_token(error, request))?;
        match inner.token(request, claims.clone()).await {
            Ok(token) => Ok(token),
            Err(error) => {
                let error = inner.with_way_back(in_token(error, request), request, claims.as_deref()).await;
                Err(inner.with_all_audiences(error, request).await)
            }
        }
    }

    /// The token if it is in memory and fresh: no I/O, no waiting. For a caller that would rather not enter a runtime.
    /// Errors: `CloudMismatch`, `PurposeRequired`, `PurposeUnknown`; `AuditUnwritable` where each hit is to be recorded.
    pub fn token_in_memory(
        &self,
        partner: TenantId,
        tenant: TenantId,
        audience: &Audience,
        purpose: Option<&str>,
    ) -> Result<Option<Arc<Token>>> {
        let inner = self.inner();
        let purpose = inner.config.purposes.named(purpose)?;
        let audience = audience.at(&inner.config.authority)?.into_owned();
        // What is in memory for this purpose was found to be within it.
        let key = CacheKey { partner, tenant, audience, purpose };
        let token = inner.tokens.get(&key).filter(|token| token.is_fresh(inner.clock.now()));
        if let Some(token) = &token {
            inner.record_hit(&key, Ok(token))?;
        }
        Ok(token)
    }

    /// The tenant that `name` is, if that is known without I/O.
    pub fn tenant_in_memory(&self, name: &TenantRef) -> Option<TenantId> {
        self.inner().directory.tenant_in_memory(name, self.inner().clock.now())
    }
}

fn in_token(error: Error, request: &TokenRequest) -> Error {
    let error = error.in_operation("token").with_context("audience", &request.audience);
    let error = request.partner.iter().fold(error, |error, partner| error.with_context("partner", partner));
    match &request.customer {
        Some(customer) => remedy::in_customer_tenant(error.with_context("customer", customer)),
        None => error,
    }
}

impl Inner {
    async fn token(self: &Arc<Self>, request: &TokenRequest, claims: Option<String>) -> Result<Arc<Token>> {
        let key = match self.wanted(request).await {
            Ok(key) => key,
            Err(error) => {
                self.record_refusal(request, &error).await;
                return Err(error);
            }
        };
        let partner = key.partner;
        self.token_for(key, request.fresh, claims).await.map_err(|error| match &request.partner {
            Some(_) => error,
            // Nobody named the only one; what is to be done is done with it all the same.
            None => error.with_context("partner", partner),
        })
    }

    /// Which token the request wants, if its purpose allows that.
    async fn wanted(&self, request: &TokenRequest) -> Result<CacheKey> {
        let audience = request.audience.at(&self.config.authority)?.into_owned();
        let purpose = self.config.purposes.named(request.purpose.as_deref())?;
        if let Some(purpose) = &purpose {
            self.check_purpose(purpose, &audience, request.customer.as_ref()).await?;
        }
        let partner = self.partner(request.partner.as_ref(), "token").await?;
        let tenant = match &request.customer {
            Some(customer) => self.tenant(customer).await?,
            None => partner,
        };
        if let Some(purpose) = purpose.as_ref().filter(|_| request.customer.is_some() && tenant == partner) {
            purpose.check_own_tenant()?;
        }
        Ok(CacheKey { partner, tenant, audience, purpose })
    }

    pub(super) async fn token_for(
        self: &Arc<Self>,
        key: CacheKey,
        fresh: bool,
        claims: Option<String>,
    ) -> Result<Arc<Token>> {
        let now = self.clock.now();
        let bypass = fresh || claims.is_some();
        let old = if bypass { None } else { self.tokens.get(&key) };
        if let Some(token) = old.as_ref().filter(|token| token.is_fresh(now)) {
            self.record_hit(&key, Ok(token))?;
            return Ok(token.clone());
        }
        let old = old.filter(|token| token.is_usable(now));
        let flight = FlightKey { token: key.clone(), fresh, claims: claims.clone() };
        // While somebody else fetches the new one, the old one does.
        if let Some(token) =
            old.as_ref().filter(|_| self.flights.is_flying(&flight) || self.negative.get(&key, None).is_some())
        {
            return Ok(token.clone());
        }
        if let Some(refusal) = self.negative.get(&key, claims.as_deref()) {
            self.record_hit(&key, Err(&refusal))?;
            return Err(refusal);
        }
        let inner = self.clone();
        let wanted = key.clone();
        let flight =
            self.flights.join(flight, "token", move || async move { inner.fetch(wanted, bypass, claims).await });
        let Some(old) = old else { return flight.await };
        match tokio::time::timeout(PATIENCE_IN_HAND, flight).await {
            Ok(Ok(token)) => Ok(token),
            // The old token outlives a passing fault; a definitive refusal is for the caller to know while there is time.
            Ok(Err(error)) if error.kind().retry() != crate::error::Retry::After => Err(error),
            Ok(Err(error)) => {
                tracing::warn!(error = error.kind().id(), audience = %key.audience, "early refresh failed, the present token goes on");
                self.negative.put(key, None, error, None);
                Ok(old)
            }
            Err(_) => Ok(old),
        }
    }

    /// The flight itself: the store first, then, alone among all processes, the service.
    async fn fetch(self: Arc<Self>, key: CacheKey, bypass: bool, claims: Option<String>) -> Result<Arc<Token>> {
        let (source, issued) = self.fetch_unrecorded(&key, bypass, claims).await;
        self.record_issue(&key, source, issued.as_ref()).await?;
        Ok(self.remember(key, issued?))
    }

    /// The token, and where it came from.
    async fn fetch_unrecorded(
        &self,
        key: &CacheKey,
        bypass: bool,
        claims: Option<String>,
    ) -> (&'static str, Result<Token>) {
        let token_key = self.token_key(key);
        let mut kept = None;
        if !bypass {
            kept = match self.kept_token(key, &token_key).await {
                Ok(kept) => kept,
                Err(error) => return ("store", Err(error)),
            };
            if let Some(token) = kept.take_if(|token| token.is_fresh(self.clock.now())) {
                tracing::debug!(partner = %key.partner, tenant = %key.tenant, audience = %key.audience, "the store has a fresh token");
                return ("store", Ok(token));
            }
        }
        match self.redeem(key, &token_key, bypass, claims.as_deref()).await {
            Ok(token) => ("service", Ok(token)),
            Err(error) => match kept {
                // A process that has just started has the same right to the old token as one that runs.
                Some(token) if error.kind().retry() == crate::error::Retry::After => ("store", Ok(token)),
                _ => ("service", Err(error)),
            },
        }
    }

    /// The store's token if it is usable.
    pub(super) async fn kept_token(&self, key: &CacheKey, token_key: &TokenKey) -> Result<Option<Token>> {
        let Some(stored) = self.store.token(token_key).await? else { return Ok(None) };
        let (now, token) = (self.clock.now(), Token::from_stored(key, stored));
        if token.is_ahead_of(now) {
            tracing::warn!(received_on = %token.received_on, %now, "the clock was set back: a kept token is not used");
        }
        Ok(Some(token).filter(|token| token.is_usable(now)))
    }

    fn remember(&self, key: CacheKey, token: Token) -> Arc<Token> {
        self.tokens.put(key, token, self.clock.now())
    }

    pub(super) fn token_key(&self, key: &CacheKey) -> TokenKey {
        TokenKey { grant: self.key.grant(key.partner), tenant: key.tenant, audience: key.audience.name().to_owned() }
    }
}
