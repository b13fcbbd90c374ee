//! Consent by device code (RFC 8628), for those who choose it: a person types a code on another machine. Policies may forbid it, and may end its grant at any
//! later redemption, so the grant is marked.

use std::time::Duration;

use serde::Deserialize;

use super::consent::{ConsentOptions, ConsentRequest, Consented, SignIn, finished, first_audience};
use super::credential;
use super::exchange::{Beside, Repeat, SIGN_IN_SCOPES};
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audience::Audience;
use crate::audit::{Entry, Outcome};
use crate::clock::UnixTime;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::ids::TenantId;
use crate::protocol::claims_challenge;
use crate::protocol::oauth::{self, TokenRequest};
use crate::secret::DeviceCode;
use crate::store::Taint;
use crate::transport::EXCHANGE_DEADLINE;

/// What to show to the person.
#[derive(Debug)]
pub struct DeviceConsent {
    /// The code to type.
    pub user_code: String,
    /// Where to type it.
    pub verification_uri: String,
    /// When the code ends.
    pub expires_on: UnixTime,
    device_code: DeviceCode,
    interval: Duration,
    partner: TenantId,
    name: String,
    audiences: Vec<Audience>,
    purpose: String,
    claims: Option<String>,
}

#[derive(Deserialize)]
struct DeviceReply {
    device_code: String,
    user_code: String,
    verification_uri: String,
    expires_in: i64,
    interval: Option<u64>,
}

impl App {
    /// Begins a consent by device code. `redirect_uri` and `response_mode` of the request do not matter here.
    pub async fn begin_device_consent(&self, request: &ConsentRequest) -> Result<DeviceConsent> {
        self.inner()
            .begin_device_consent(request)
            .await
            .map_err(|error| error.in_operation("consent").with_context("partner", &request.partner))
    }

    /// Waits until the person has typed the code and signed in, then goes on as [`App::complete_consent`] does. The grant is marked as consented by device code.
    pub async fn complete_device_consent(&self, device: DeviceConsent, options: ConsentOptions) -> Result<Consented> {
        let name = device.name.clone();
        self.inner()
            .complete_device_consent(device, options)
            .await
            .map_err(|error| error.in_operation("consent").with_context("partner", name))
    }
}

impl Inner {
    async fn begin_device_consent(&self, request: &ConsentRequest) -> Result<DeviceConsent> {
        let (purpose, audiences) = self.consent_purpose(request.purpose.as_deref(), &request.audiences)?;
        let partner = self.tenant(&request.partner).await?;
        let claims = request.claims.as_deref().map(claims_challenge::of_caller).transpose()?;
        let first = first_audience(&audiences);
        // Entra's device flow takes one resource, and the others are minted from the grant. Elsewhere a grant is good for what was asked for.
        let asked = match self.config.authority.kind() {
            AuthorityKind::Entra => std::slice::from_ref(&first),
            AuthorityKind::Generic => &audiences,
        };
        let (scopes, resources) = self.consent_scopes(asked)?;
        let metadata = self.metadata(&partner.into()).await?;
        let endpoint = match (&metadata.device_authorization_endpoint, self.config.authority.kind()) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, AuthorityKind::Entra | AuthorityKind::Generic) => {
                return Err(Error::new(ErrorKind::NotSupported, "consent", "the authority has no device flow"));
            }
        };
        let credential = self.config.credentials.all().first().ok_or_else(credential::absent)?;
        let proof = credential.proof(&self.config.client_id, &endpoint, self.clock.now()).await?;
        let ask = TokenRequest {
            endpoint: &endpoint,
            client_id: &self.config.client_id,
            authentication: proof.authentication(),
            scope: &scopes.join(" "),
            resource: None,
            // They belong to the token that the code is redeemed for.
            claims: None,
        };
        let response = self.transport.send(oauth::request_device_code(&ask, &resources)?, EXCHANGE_DEADLINE).await?;
        if !response.status().is_success() {
            let reply = crate::protocol::error_reply::ErrorReply::parse(response.body());
            return Err(crate::protocol::classify::classify(response.status().as_u16(), reply.as_ref(), None).error);
        }
        let reply: DeviceReply = serde_json::from_slice(response.body()).map_err(|_| {
            Error::new(ErrorKind::ResponseMalformed, "consent", "the device code reply could not be understood")
        })?;
        Ok(DeviceConsent {
            user_code: reply.user_code,
            verification_uri: reply.verification_uri,
            expires_on: self.clock.now().plus(reply.expires_in.clamp(0, 3600)),
            device_code: DeviceCode::new(reply.device_code),
            interval: Duration::from_secs(reply.interval.unwrap_or(5).clamp(1, 60)),
            partner,
            name: request.partner.to_string(),
            purpose,
            claims,
            audiences,
        })
    }

    async fn complete_device_consent(&self, device: DeviceConsent, options: ConsentOptions) -> Result<Consented> {
        let mut entry = Entry::new("consent", Outcome::Ok, self.clock.now()).partner(device.partner);
        entry.audiences = device.audiences.iter().map(|audience| audience.name().to_owned()).collect();
        (entry.purpose, entry.step) = (Some(device.purpose.clone()), Some("device-code".to_owned()));
        self.recorded(entry, self.await_device_consent(device, options), finished).await
    }

    async fn await_device_consent(&self, device: DeviceConsent, options: ConsentOptions) -> Result<Consented> {
        let first = first_audience(&device.audiences);
        let key = CacheKey::own(device.partner, first.clone());
        let mut ask = self.ask(&key, Beside::SignIn, device.claims.as_deref()).await?;
        if ask.scope.is_empty() {
            ask.scope = SIGN_IN_SCOPES.join(" ");
        }
        let mut interval = device.interval;
        let reply = loop {
            if device.expires_on <= self.clock.now() {
                return Err(Error::new(
                    ErrorKind::DeviceCodeExpired,
                    "consent",
                    "the device code was not used in time",
                ));
            }
            tokio::time::sleep(interval).await;
            self.store.check_writable().await?;
            let verdict = match self
                .exchange(&ask, Repeat::No, |request| oauth::redeem_device_code(request, &device.device_code))
                .await
            {
                Ok(reply) => break reply,
                Err(verdict) => verdict,
            };
            match verdict.error.entra().map(|details| details.error.as_str()) {
                Some("authorization_pending") => {}
                // RFC 8628 section 3.5: five seconds more, for good.
                Some("slow_down") => interval += Duration::from_secs(5),
                Some("expired_token" | "bad_verification_code") => {
                    return Err(Error::new(
                        ErrorKind::DeviceCodeExpired,
                        "consent",
                        "the device code was not used in time",
                    ));
                }
                Some("access_denied" | "authorization_declined") => {
                    return Err(Error::new(
                        ErrorKind::ConsentDeclined,
                        "consent",
                        "the person who signed in declined the consent",
                    ));
                }
                _ if verdict.error.kind().retry() == Retry::After => {}
                _ => return Err(verdict.error),
            }
        };
        let sign_in = SignIn {
            partner: device.partner,
            name: device.name,
            audiences: device.audiences,
            purpose: device.purpose,
            nonce: None,
            taints: vec![Taint::DeviceCode],
            first,
            reply,
        };
        self.establish(sign_in, options).await
    }
}
