//! Tokens of the app alone, without anybody's grant (RFC 6749 section 4.4): a partner's own app in its own tenant, and only where that was asked for by
//! name. They are kept in memory only: another one can always be had.

use std::sync::Arc;

use super::Inner;
use super::config::Profile;
use super::exchange::{Beside, Repeat};
use super::token::{Token, TokenRequest};
use super::token_cache::CacheKey;
use crate::cloud::AuthorityKind;
use crate::error::{Actor, Error, ErrorKind, Result};
use crate::protocol::{mfa, oauth};

impl Inner {
    /// A token of the app alone. Never a substitute for a partner's: who wants one says so.
    ///
    /// Errors: `NotSupported` for a vendor's app, another tenant than the app's own, or claims, which only a person can satisfy; `ConfigMissing`
    /// without a home tenant; `CloudMismatch`.
    pub(super) async fn app_only_token(self: &Arc<Self>, request: &TokenRequest) -> Result<Arc<Token>> {
        if self.config.profile != Profile::Csp || self.config.authority.kind() != AuthorityKind::Entra {
            return Err(refused("a vendor's app (profile cpv) has no say of its own at a partner: it acts by the partner's grant")
                .with_hint(
                    "leave app-only out and run `partnersam consent PARTNER`; with a token of the app alone Partner Center answers 900329, for its calls want app and user",
                ));
        }
        let home = self.config.home_tenant.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::ConfigMissing, "token", "tenant is not set")
                .with_hint("set `tenant` to the tenant that the app is registered in: app-only tokens are for that one")
        })?;
        let tenant = self.tenant(home).await?;
        let named = match &request.partner {
            Some(partner) => self.tenant(partner).await?,
            None => tenant,
        };
        if request.customer.is_some() || named != tenant {
            return Err(refused(
                "app-only tokens are for the app's own tenant: elsewhere the partner's grant is needed",
            )
            .with_hint("leave app-only out for customers and other partners"));
        }
        if request.claims.is_some() {
            return Err(refused("a claims challenge is not answered with an app-only token")
                .with_hint("leave app-only out: claims are satisfied by a person's sign-in"));
        }
        let audience = request.audience.at(&self.config.authority)?.into_owned();
        let purpose = self.config.purposes.named(request.purpose.as_deref())?;
        if let Some(purpose) = &purpose {
            self.check_purpose(purpose, &audience, None).await?;
        }
        let key = CacheKey { partner: tenant, tenant, audience, purpose };
        if let Some(token) =
            self.app_tokens.get(&key).filter(|token| !request.fresh && token.is_fresh(self.clock.now()))
        {
            return Ok(token);
        }
        let ask = self.ask(&key, Beside::Nothing, None).await?;
        let reply =
            self.exchange(&ask, Repeat::Yes, oauth::client_credentials).await.map_err(|verdict| verdict.error)?;
        let now = self.clock.now();
        let facts = self.token_facts(&reply, mfa::evidence(&reply.access_token, now).verdict, now);
        tracing::info!(%tenant, audience = %key.audience, "got a token of the app alone");
        let token = Token::new(&key, reply.access_token, facts, Vec::new());
        let token = Token { correlation_id: reply.correlation_id, ..token };
        self.record_issue(&key, "app", Ok(&token)).await?;
        Ok(self.app_tokens.put(key, token, now))
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::NotSupported, "token", message).with_actor(Actor::Caller)
}
