//! One exchange with the token endpoint: build, send, try again where that helps, and judge the answer.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use url::Url;

use super::Inner;
use super::credential::{self, ClientCredential};
use super::token_cache::CacheKey;
use crate::audience::Audience;
use crate::chance::{jitter, request_id};
use crate::cloud::AuthorityKind;
use crate::error::{ErrorKind, Result};
use crate::ids::TenantId;
use crate::protocol::claims_challenge;
use crate::protocol::classify::{Verdict, classify};
use crate::protocol::error_reply::ErrorReply;
use crate::protocol::oauth::{Request, TokenRequest};
use crate::protocol::token_reply::TokenReply;
use crate::secret::WipedBytes;
use crate::transport::{EXCHANGE_DEADLINE, retry_after};

/// Scopes that make a token request a sign-in request too: a refresh token and an id token come back.
pub(super) const SIGN_IN_SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

/// The scope that brings the next refresh token, and nothing else: whose grant it is, is known.
const ROTATE_SCOPES: [&str; 1] = ["offline_access"];

/// What a token request is for, beside the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// An id token and a refresh token: somebody's first.
    SignIn,
    /// The next refresh token.
    Rotation,
    /// Nothing: the app alone, where nobody signs in.
    Nothing,
}

/// What is asked of a token endpoint, whoever proves the app and whatever is redeemed.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) endpoint: Url,
    /// Scopes, a space between them.
    pub(super) scope: String,
    pub(super) resource: Option<&'a str>,
    /// Claims to satisfy, without what the app can do.
    pub(super) claims: Option<&'a str>,
}

/// Whether the same request may be sent twice when no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A refresh token stays valid.
    Yes,
    /// A code is good for one attempt.
    No,
}

impl Inner {
    /// Where a token is asked for. At Entra that needs no look-up: redemption goes to the concrete tenant, never to `/common`.
    async fn token_endpoint(&self, tenant: TenantId, audience: &Audience) -> Result<Url> {
        let version = if self.config.v1_resources.contains(audience) { "oauth2" } else { "oauth2/v2.0" };
        match self.config.authority.kind() {
            AuthorityKind::Entra => {
                let mut endpoint = self.config.authority.login().clone();
                endpoint.set_path(&format!("{tenant}/{version}/token"));
                Ok(endpoint)
            }
            AuthorityKind::Generic => Ok(Box::pin(self.metadata(&tenant.into())).await?.token_endpoint.clone()),
        }
    }

    /// The `claims` parameter: what is asked for, and what the app can do.
    pub(super) fn claims_with_capabilities(&self, asked: Option<&str>) -> Result<Option<Cow<'_, str>>> {
        match asked {
            // The usual case, made once.
            None => Ok(self.capabilities.as_deref().map(Cow::Borrowed)),
            asked => Ok(claims_challenge::merged(asked, &self.config.client_capabilities)?.map(Cow::Owned)),
        }
    }

    /// What is asked for a token of `key`: v2 scopes at Entra, or a v1 resource where the audience needs it; a resource indicator (RFC 8707) elsewhere.
    pub(super) async fn ask<'a>(&self, key: &'a CacheKey, beside: Beside, claims: Option<&'a str>) -> Result<Ask<'a>> {
        let cloud = self.config.authority.cloud();
        let (scope, resource) = match self.config.authority.kind() {
            AuthorityKind::Entra if self.config.v1_resources.contains(&key.audience) => {
                let scope = if beside == Beside::Nothing { String::new() } else { "openid".to_owned() };
                (scope, key.audience.resource(cloud))
            }
            AuthorityKind::Entra => {
                let more: &[&str] = match beside {
                    Beside::SignIn => &SIGN_IN_SCOPES,
                    Beside::Rotation => &ROTATE_SCOPES,
                    Beside::Nothing => &[],
                };
                let mut scope = key.audience.token_scope(cloud);
                for word in more {
                    scope.push(' ');
                    scope.push_str(word);
                }
                (scope, None)
            }
            AuthorityKind::Generic => match &key.audience {
                Audience::Scope(scope) => (scope.clone(), None),
                other => (String::new(), other.resource(cloud)),
            },
        };
        let endpoint = self.token_endpoint(key.tenant, &key.audience).await?;
        Ok(Ask { endpoint, scope, resource, claims })
    }

    /// Sends a token request and reads the reply. `build` is called for each attempt, with the app's proof of itself.
    pub(super) async fn exchange(
        &self,
        ask: &Ask<'_>,
        repeat: Repeat,
        build: impl Fn(&TokenRequest<'_>) -> Result<Request>,
    ) -> Result<TokenReply, Verdict> {
        let claims = self.claims_with_capabilities(ask.claims).map_err(Verdict::of_transport)?;
        self.mind_credentials();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let verdict = match self.by_any_credential(ask, claims.as_deref(), &build).await {
                Ok(reply) => return Ok(reply),
                Err(verdict) => verdict,
            };
            // Without an answer nobody knows whether the request arrived.
            let may_have_arrived =
                verdict.error.http_status().is_none() && verdict.error.kind() != ErrorKind::NetworkUnavailable;
            if !verdict.retry || (repeat == Repeat::No && may_have_arrived) {
                return Err(verdict);
            }
            // A reply that cannot be read is worth one more look, not more.
            let is_final = verdict.error.kind() == ErrorKind::ResponseMalformed && attempt > 1;
            match self.retry.wait(attempt, verdict.error.retry_after(), jitter()) {
                Some(wait) if !is_final => {
                    tracing::debug!(
                        attempt,
                        ?wait,
                        error = verdict.error.kind().id(),
                        "token request failed, trying again"
                    );
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(verdict),
            }
        }
    }

    /// One attempt by the credential that last worked, and if it is refused as such, by the others: while a new certificate or secret spreads through
    /// the service, the older one goes on (AADSTS700027).
    async fn by_any_credential(
        &self,
        ask: &Ask<'_>,
        claims: Option<&str>,
        build: &impl Fn(&TokenRequest<'_>) -> Result<Request>,
    ) -> Result<TokenReply, Verdict> {
        let credentials = self.config.credentials.all();
        let first = self.credential_at_work.load(Ordering::Relaxed);
        let mut refused = None;
        for turn in 0..credentials.len() {
            let index = (first + turn) % credentials.len();
            let Some(credential) = credentials.get(index) else { break };
            match self.one_exchange(credential.as_ref(), ask, claims, build).await {
                Err(verdict) if is_of_credential(verdict.error.kind()) => {
                    tracing::warn!(
                        credential = credential.describe(),
                        error = verdict.error.kind().id(),
                        "the app's credential was refused"
                    );
                    refused = Some(verdict);
                }
                outcome => {
                    self.credential_at_work.store(index, Ordering::Relaxed);
                    return outcome;
                }
            }
        }
        Err(refused.unwrap_or_else(|| Verdict::of_transport(credential::absent())))
    }

    pub(super) async fn one_exchange(
        &self,
        credential: &dyn ClientCredential,
        ask: &Ask<'_>,
        claims: Option<&str>,
        build: &impl Fn(&TokenRequest<'_>) -> Result<Request>,
    ) -> Result<TokenReply, Verdict> {
        let (client_id, endpoint) = (&self.config.client_id, &ask.endpoint);
        let proof = credential.proof(client_id, endpoint, self.clock.now()).await.map_err(Verdict::of_transport)?;
        let authentication = proof.authentication();
        let request =
            TokenRequest { endpoint, client_id, authentication, scope: &ask.scope, resource: ask.resource, claims };
        let mut request = build(&request).map_err(Verdict::of_transport)?;
        let correlation_id = tag(&mut request);
        let response = self
            .transport
            .send(request, EXCHANGE_DEADLINE)
            .await
            .map_err(|error| Verdict::of_transport(error.with_context("correlation_id", &correlation_id)))?;
        let (head, body) = response.into_parts();
        let body = WipedBytes::new(body);
        if head.status.is_success() {
            let mut reply = TokenReply::parse(&body, self.clock.now()).map_err(Verdict::of_transport)?;
            reply.correlation_id = Some(correlation_id);
            return Ok(reply);
        }
        let reply = ErrorReply::parse(&body);
        Err(classify(head.status.as_u16(), reply.as_ref(), retry_after(&head.headers, SystemTime::now())))
    }
}

/// Gives the request an id of its own, which Entra writes into its sign-in log and into its refusals
/// (<https://learn.microsoft.com/entra/identity/monitoring-health/concept-sign-in-log-activity-details>).
fn tag(request: &mut Request) -> String {
    const CLIENT_REQUEST_ID: http::HeaderName = http::HeaderName::from_static("client-request-id");
    let id = request_id().to_string();
    if let Ok(value) = http::HeaderValue::from_str(&id) {
        request.headers_mut().insert(CLIENT_REQUEST_ID, value);
    }
    id
}

/// Refusals that another credential of the same app may not meet.
fn is_of_credential(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AppCredentialInvalid
            | ErrorKind::AppCredentialExpired
            | ErrorKind::ConfigMissing
            | ErrorKind::ConfigInvalid
    )
}
