//! Redemption: a grant becomes an access token, and the rotated grant is durable before the token is handed out.
//!
//! Order: lease, re-read, redeem, save, release. The decision to redeem is made inside the lease.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join;

use super::Inner;
use super::consent::first_audience;
use super::exchange::{Beside, Repeat};
use super::renew::Due;
use super::token::Token;
use super::token_cache::CacheKey;
use crate::audience::Audience;
use crate::chance::{jitter, jittered};
use crate::clock::UnixTime;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::protocol::classify::{GrantFate, OtherAudiences, Verdict};
use crate::protocol::token_reply::TokenReply;
use crate::protocol::{jwt, mfa, oauth};
use crate::secret::RefreshToken;
use crate::store::{
    Expect, Grant, GrantFacts, GrantKey, GrantState, Lease, Mfa, StoreCondition, TokenFacts, TokenKey, Written,
};

/// How long to wait for another process that redeems the same thing. Longer than its exchange may take; after that we redeem too, except where
/// a refresh token is good for one use.
const LEASE_PATIENCE: Duration = Duration::from_secs(45);

/// Days that Entra's refresh tokens live after their last use
/// (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>), and what is assumed elsewhere.
const ENTRA_GRANT_LIFE: i64 = 90 * DAY;
const GENERIC_GRANT_LIFE: i64 = 14 * DAY;
const DAY: i64 = 24 * 3600;

/// AADSTS70000, "the provided grant is invalid": also what a refresh token gets that works once and was used.
const REUSED: u32 = 70_000;

/// A new token is fetched this long before the old one ends, where the service does not say.
const REFRESH_EARLY: i64 = 300;

/// How long a rotated token may take from the server into the store by way of another process, when the old one was refused to us.
const SETTLING: Duration = Duration::from_secs(2);

/// How often a newer refresh token from the store is tried after a refusal: each time another process was quicker.
const MOST_REREADS: u32 = 8;

/// Rotated refresh tokens that could be written neither to the store nor beside it. The last resort: this process's memory.
#[derive(Debug, Default)]
pub(crate) struct Unsaved(Mutex<HashMap<GrantKey, (RefreshToken, GrantFacts, u64)>>);

impl Unsaved {
    /// What waits of one grant, whose key is made where anything waits at all.
    fn take(&self, key: impl FnOnce() -> GrantKey) -> Option<(GrantKey, (RefreshToken, GrantFacts, u64))> {
        let mut unsaved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaved.is_empty() {
            return None;
        }
        unsaved.remove_entry(&key())
    }

    /// How a store is whose grants are here.
    pub(super) fn condition(&self) -> StoreCondition {
        let unsaved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaved.is_empty() {
            return StoreCondition::Ok;
        }
        let since = unsaved.values().map(|(_, facts, _)| facts.last_redeemed_on).min().unwrap_or_default();
        let error =
            Error::new(ErrorKind::StoreUnwritable, "store", "a rotated grant is kept in this process's memory only")
                .with_hint("make the store writable before this process ends");
        StoreCondition::Degraded { since, error }
    }
}

/// A redemption that the service granted and that is not saved yet.
struct Redeemed {
    /// The grant as it was read before.
    grant: Grant,
    reply: TokenReply,
    /// What the access token says of MFA.
    mfa: Mfa,
}

impl Inner {
    /// Redeems the partner's grant for an access token. `bypass` passes over what the store has.
    pub(super) async fn redeem(
        &self,
        key: &CacheKey,
        token_key: &TokenKey,
        bypass: bool,
        claims: Option<&str>,
    ) -> Result<Token> {
        let _lease = self.lease(key.partner, Some(key)).await?;
        if !bypass
            && let Some(token) = self.kept_token(key, token_key).await?.filter(|token| token.is_fresh(self.clock.now()))
        {
            return Ok(token);
        }
        let grant = self.usable_grant(key.partner).await?;
        let redeemed = self.redeem_grant(key, grant, claims).await?;
        let facts = self.token_facts(&redeemed.reply, redeemed.mfa, self.clock.now());
        let (reply, _, warning) = self.save(key, redeemed, jitter(), Some((token_key, &facts))).await?;
        let token = Token::new(key, reply.access_token, facts, warning.into_iter().collect());
        Ok(Token { correlation_id: reply.correlation_id, ..token })
    }

    /// Redeems the partner's grant so that it lives on, unless it has to be due and is not any more: another process may have renewed it. The access
    /// token that comes along is let go: it would fill store and memory with what nobody asked for. Gives when the grant ends; none: it was not due.
    pub(super) async fn redeem_to_renew(&self, partner: TenantId, due: Option<Due>) -> Result<Option<UnixTime>> {
        let lease = self.lease(partner, None).await?;
        let grant = self.usable_grant(partner).await?;
        self.redeem_held(partner, lease, grant, due).await
    }

    /// [`redeem_to_renew`](Self::redeem_to_renew), from where the lease is held and `grant` was read under it.
    pub(super) async fn redeem_held(
        &self,
        partner: TenantId,
        _lease: Option<Box<dyn Lease>>,
        grant: Grant,
        due: Option<Due>,
    ) -> Result<Option<UnixTime>> {
        let _under_way = self.renewal_under_way();
        if due.as_ref().is_some_and(|due| !due.turn.includes(grant.facts.renew_after)) {
            return Ok(None);
        }
        let audiences = Audience::of_names(&grant.facts.audiences);
        let key = CacheKey::own(partner, first_audience(&audiences));
        let at_server = match &due {
            Some(due) => match due.gate.acquire().await {
                Ok(place) => Some(place),
                Err(_) => return Ok(None),
            },
            None => None,
        };
        if let Some(refusal) = self.negative.get(&key, None) {
            return Err(refusal);
        }
        let redeemed = self.redeem_grant(&key, grant, None).await;
        let save = async {
            let redeemed = redeemed?;
            let mfa = redeemed.mfa;
            let place = due.as_ref().map_or_else(jitter, |due| due.place);
            self.save(&key, redeemed, place, None).await.map(|saved| (saved, mfa))
        };
        let make_way = async {
            if at_server.is_some() {
                // Its connection is free a moment after its answer. Who has the place before opens another one.
                tokio::task::yield_now().await;
            }
            drop(at_server);
        };
        let (renewed, ()) = join(save, make_way).await;
        let told = renewed.as_ref().map(|((reply, ..), mfa)| (*mfa, reply.correlation_id.clone()));
        self.record_renewal(&key, told).await?;
        match renewed? {
            ((_, expires_on, None), _) => Ok(Some(expires_on)),
            ((.., Some(warning)), _) => Err(warning),
        }
    }

    /// Takes the lease on the renewal of the partner's grant. None where another process has held it for so long.
    pub(super) async fn lease_on_renewal(
        &self,
        partner: TenantId,
        patience: Duration,
    ) -> Result<Option<Box<dyn Lease>>> {
        self.store.lease(&self.lease_name(partner, None), patience).await
    }

    /// Takes the lease on one token of the partner, or on the renewal of its grant. None where another process has held it for too long.
    async fn lease(&self, partner: TenantId, token: Option<&CacheKey>) -> Result<Option<Box<dyn Lease>>> {
        let lease = self.store.lease(&self.lease_name(partner, token), LEASE_PATIENCE).await?;
        // There, to go on beside another process would be to lose the grant. Elsewhere it costs a call.
        if lease.is_none() && self.config.authority.one_use_refresh_tokens() {
            return Err(Error::new(
                ErrorKind::DeadlineExceeded,
                "token",
                "another process has been redeeming this grant for too long",
            )
            .with_context("seconds", LEASE_PATIENCE.as_secs()));
        }
        Ok(lease)
    }

    fn lease_name(&self, partner: TenantId, token: Option<&CacheKey>) -> String {
        let grant = format_args!("{} {} {partner}", self.key.authority, self.key.client_id);
        // Where a refresh token is good for one use, everything of one partner stands in one line; else each token has its own.
        match token {
            _ if self.config.authority.one_use_refresh_tokens() => grant.to_string(),
            Some(key) => format!("{grant} {} {}", key.tenant, key.audience),
            None => format!("{grant} renewal"),
        }
    }

    /// Has the service redeem `grant`, or a newer one from the store where that one is refused, and draws the conclusions of a refusal.
    async fn redeem_grant(&self, key: &CacheKey, mut grant: Grant, claims: Option<&str>) -> Result<Redeemed> {
        self.store.check_writable().await?;
        let is_alone = self.config.authority.one_use_refresh_tokens();
        let mut rereads = MOST_REREADS;
        loop {
            let verdict = match self.redeem_once(key, &grant.refresh_token, Beside::Rotation, claims).await {
                Ok((reply, mfa)) => return Ok(Redeemed { grant, reply, mfa }),
                Err(verdict) => verdict,
            };
            if verdict.grant == GrantFate::Bury || refuses_the_token(&verdict.error) {
                match Box::pin(self.stored_since(&grant, &verdict.error, is_alone)).await? {
                    Some(newer) if rereads > 0 => {
                        rereads -= 1;
                        grant = newer;
                        continue;
                    }
                    _ if verdict.grant == GrantFate::Bury => self.bury(&grant, &verdict.error).await?,
                    _ => {}
                }
            }
            match verdict.scope {
                OtherAudiences::StopApp => self.negative.put_app(verdict.error.clone()),
                _ if verdict.negative_cache => {
                    self.negative.put(key.clone(), claims, verdict.error.clone(), verdict.error.retry_after())
                }
                _ => {}
            }
            return Err(verdict.error);
        }
    }

    /// The grant as another process has stored it since `refused` was read: then it was an old token that the server refused, for good as it said.
    /// Where the refusal may mean that the token was used before, the new one may still be on its way into the store, and is waited for.
    async fn stored_since(&self, refused: &Grant, error: &Error, is_alone: bool) -> Result<Option<Grant>> {
        let may_be_reuse = error.entra().is_none_or(|details| details.codes.iter().all(|code| *code == REUSED));
        let until = Instant::now() + if may_be_reuse && !is_alone { SETTLING } else { Duration::ZERO };
        loop {
            match self.store.grant(&refused.key).await? {
                Some(newer) if newer.generation != refused.generation => {
                    return Ok(Some(newer).filter(|newer| newer.facts.state == GrantState::Active));
                }
                Some(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return Ok(None),
            }
        }
    }

    /// The partner's grant, if it can be used.
    pub(super) async fn usable_grant(&self, partner: TenantId) -> Result<Grant> {
        self.save_unsaved(partner).await;
        usable(partner, self.store.grant(&self.key.grant(partner)).await?)
    }

    /// [`usable_grant`](Self::usable_grant) of each of these.
    pub(super) async fn usable_grants(&self, partners: &[TenantId]) -> Vec<Result<Grant>> {
        for partner in partners {
            self.save_unsaved(*partner).await;
        }
        let keys: Vec<_> = partners.iter().map(|partner| self.key.grant(*partner)).collect();
        let found = self.store.grants_together(&keys).await;
        partners.iter().zip(found).map(|(partner, found)| usable(*partner, found?)).collect()
    }

    /// One redemption of `refresh_token`, retried where no answer came. Gives the reply, and what its access token says of MFA.
    pub(super) async fn redeem_once(
        &self,
        key: &CacheKey,
        refresh_token: &RefreshToken,
        beside: Beside,
        claims: Option<&str>,
    ) -> Result<(TokenReply, Mfa), Verdict> {
        let ask = self.ask(key, beside, claims).await.map_err(Verdict::of_transport)?;
        let reply =
            self.exchange(&ask, Repeat::Yes, |request| oauth::redeem_refresh_token(request, refresh_token)).await?;
        // EXPOSE: to look at the tenant of the token and at how the person signed in.
        let seen = jwt::glance(reply.access_token.expose());
        self.check_token(key, seen.as_ref()).map_err(Verdict::of_transport)?;
        let mfa = mfa::verdict(seen.as_ref().and_then(|seen| seen.amr.as_deref()));
        Ok((reply, mfa))
    }

    /// A token of one tenant or service is never answered to a call about another. Only what can be read is checked: tokens are opaque by contract.
    fn check_token(&self, key: &CacheKey, seen: Option<&jwt::Glance>) -> Result<()> {
        let tenant = seen.and_then(|seen| seen.tenant.as_deref());
        match tenant {
            Some(tenant)
                if self.config.authority.kind() == AuthorityKind::Entra
                    && !tenant.eq_ignore_ascii_case(key.tenant.uuid().as_hyphenated().encode_lower(&mut [0; 36])) =>
            {
                Err(Error::new(
                    ErrorKind::TenantMismatch,
                    "token",
                    "the service answered with a token of another tenant",
                )
                .with_context("token_tenant", tenant))
            }
            _ => Ok(()),
        }
    }

    /// Saves what a redemption brought, and with it the access token where there is one to keep. `place`: see [`grant_clock`](Self::grant_clock). Gives the
    /// reply back, when the grant ends, and what went wrong without losing anything.
    async fn save(
        &self,
        key: &CacheKey,
        redeemed: Redeemed,
        place: f64,
        token: Option<(&TokenKey, &TokenFacts)>,
    ) -> Result<(TokenReply, UnixTime, Option<Error>)> {
        let Redeemed { grant, mut reply, .. } = redeemed;
        let Grant { key: grant_key, generation, refresh_token: used, mut facts } = grant;
        let now = self.clock.now();
        facts.last_redeemed_on = now;
        let rotated = reply.refresh_token.take();
        if rotated.is_some() {
            (facts.expires_on, facts.renew_after) = self.grant_clock(now, place);
        }
        let put = async |expect| {
            let refresh_token = rotated.as_ref().unwrap_or(&used);
            match token {
                Some((token_key, token_facts)) => {
                    let token = (token_key, &reply.access_token, token_facts);
                    self.store.put_grant_and_token(&grant_key, refresh_token, &facts, expect, token).await
                }
                None => self.store.put_grant(&grant_key, refresh_token, &facts, expect).await,
            }
        };
        tracing::info!(
            partner = %key.partner,
            tenant = %key.tenant,
            audience = %key.audience,
            rotated = rotated.is_some(),
            "redeemed the grant for an access token"
        );
        let mut written = put(Expect::Generation(generation)).await;
        if let Ok(Written::Lost(Some(_))) = written
            && rotated.is_some()
            && let Ok(Some(stored)) = self.store.grant(&grant_key).await
            && stored.facts.state != GrantState::Active
            // EXPOSE: to tell whether it is the token that we redeemed.
            && stored.refresh_token.expose() == used.expose()
        {
            // Another process was refused the token that we had just used up, and took the grant for dead. It lives: here is the next one.
            written = put(Expect::Generation(stored.generation)).await;
        }
        let expires_on = facts.expires_on;
        match written {
            Ok(Written::Yes(_)) => Ok((reply, expires_on, None)),
            // Somebody else has rotated or consented anew: theirs stays, and our access token is as good as ever.
            Ok(Written::Lost(Some(_))) => {
                tracing::debug!(partner = %key.partner, "the grant was rotated elsewhere at the same time");
                Ok((reply, expires_on, None))
            }
            Ok(Written::Lost(None)) => Err(Error::new(
                ErrorKind::ConsentRequired,
                "token",
                "the grant was revoked while it was being redeemed",
            )),
            Err(error) => {
                let newest = rotated.unwrap_or(used);
                let warning = Box::pin(self.keep_unsaved(&grant_key, newest, facts, generation, error)).await;
                Ok((reply, expires_on, Some(warning)))
            }
        }
    }

    /// The store failed after a redemption: the new refresh token goes into the recovery journal, or at worst stays in memory. Never silently.
    async fn keep_unsaved(
        &self,
        key: &GrantKey,
        refresh_token: RefreshToken,
        facts: GrantFacts,
        replaces: u64,
        error: Error,
    ) -> Error {
        let kept = match self.store.put_recovery(key, &refresh_token, &facts, replaces).await {
            Ok(()) => "recovery journal",
            Err(_) => {
                self.unsaved
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key.clone(), (refresh_token, facts, replaces));
                "memory of this process"
            }
        };
        tracing::error!(partner = %key.tenant, kept, error = error.kind().id(), "the rotated grant could not be written to the store");
        error.with_context("kept", kept)
    }

    /// Tries again to write what is only in memory.
    async fn save_unsaved(&self, partner: TenantId) {
        let Some((key, (refresh_token, facts, replaces))) = self.unsaved.take(|| self.key.grant(partner)) else {
            return;
        };
        let put =
            async |generation| self.store.put_grant(&key, &refresh_token, &facts, Expect::Generation(generation)).await;
        let mut written = put(replaces).await;
        if let Ok(Written::Lost(Some(_))) = written
            && let Ok(Some(stored)) = self.store.grant(&key).await
            && stored.facts.state != GrantState::Active
        {
            // As in `save`: another process was refused the token that this one replaced.
            written = put(stored.generation).await;
        }
        if let Err(error) = written {
            tracing::error!(partner = %partner, error = error.kind().id(), "the rotated grant still cannot be written to the store");
            self.unsaved.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (refresh_token, facts, replaces));
        }
    }

    /// Marks a grant as ended. Its token stays, sealed and unused, as evidence.
    async fn bury(&self, grant: &Grant, error: &Error) -> Result<()> {
        let mut facts = grant.facts.clone();
        facts.state = GrantState::Dead { on: self.clock.now(), reason: error.kind().id().to_owned() };
        tracing::warn!(partner = %grant.key.tenant, reason = error.kind().id(), "the partner's grant has ended");
        self.store.put_grant(&grant.key, &grant.refresh_token, &facts, Expect::Generation(grant.generation)).await?;
        self.forget_tokens_of(grant.key.tenant);
        Ok(())
    }

    /// What is known of a token that has just come.
    pub(super) fn token_facts(&self, reply: &TokenReply, mfa: Mfa, now: UnixTime) -> TokenFacts {
        let lifetime = reply.expires_in.max(0);
        // Half of it at least is for use: a service that hands out short tokens must not be asked for every call.
        let early = (lifetime - REFRESH_EARLY).max(lifetime / 2);
        let refresh_in = reply.refresh_in.filter(|asked| (0..lifetime).contains(asked)).unwrap_or(early);
        TokenFacts {
            received_on: now,
            expires_on: now.plus(lifetime),
            // Up to a tenth earlier, so that a fleet that started together does not come back together.
            refresh_after: now.plus(refresh_in - jittered(0, refresh_in / 10)),
            scopes: reply.scopes(),
            mfa,
        }
    }

    /// When a grant that was used at `now` ends, and when it should be used again at the latest: weekly, spread over two days. `place`: where in that time,
    /// from 0 to 1.
    pub(super) fn grant_clock(&self, now: UnixTime, place: f64) -> (UnixTime, UnixTime) {
        let (least, most) = match self.config.authority.kind() {
            AuthorityKind::Entra => (6 * DAY, 8 * DAY),
            AuthorityKind::Generic => (DAY, 2 * DAY),
        };
        (now.plus(self.grant_life()), now.plus(least + (place * (most - least) as f64) as i64))
    }

    /// Seconds that a grant lives after its last use.
    pub(super) fn grant_life(&self) -> i64 {
        match self.config.authority.kind() {
            AuthorityKind::Entra => ENTRA_GRANT_LIFE,
            AuthorityKind::Generic => GENERIC_GRANT_LIFE,
        }
    }
}

/// Whether the service finds fault with the refresh token itself, as far as it says (RFC 6749 section 5.2).
fn refuses_the_token(error: &Error) -> bool {
    error.entra().is_some_and(|details| details.error == "invalid_grant" && details.suberror.is_none())
}

/// The partner's grant as it was found, if it can be used.
fn usable(partner: TenantId, found: Option<Grant>) -> Result<Grant> {
    let grant = found.ok_or_else(|| {
        Error::new(ErrorKind::ConsentRequired, "token", "this partner has not consented")
            .with_context("partner", partner)
    })?;
    match &grant.facts.state {
        GrantState::Active => Ok(grant),
        GrantState::Dead { on, reason } => {
            let kind =
                ErrorKind::ALL.iter().copied().find(|kind| kind.id() == reason).unwrap_or(ErrorKind::ConsentRequired);
            Err(Error::new(kind, "token", "the partner's grant has ended")
                .with_context("partner", partner)
                .with_context("ended", on))
        }
    }
}
