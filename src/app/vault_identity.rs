//! The app, or another one, as who opens a vault: a token by client credentials (RFC 6749 section 4.4), by whatever credential the configuration names.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use url::Url;
use url::form_urlencoded::Serializer;

use super::credential::{self, Credentials};
use crate::clock::{Clock, UnixTime};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::protocol::classify::classify;
use crate::protocol::error_reply::ErrorReply;
use crate::protocol::oauth::ClientAuthentication;
use crate::protocol::token_reply::TokenReply;
use crate::secret::AccessToken;
use crate::transport::{EXCHANGE_DEADLINE, Transport, retry_after};
use crate::vault::VaultIdentity;

/// See [the module](self).
pub(super) struct AppIdentity {
    pub(super) client_id: ClientId,
    pub(super) credentials: Credentials,
    /// The token endpoint of the vault's tenant.
    pub(super) endpoint: Url,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for AppIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl VaultIdentity for AppIdentity {
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<(AccessToken, UnixTime)>> {
        Box::pin(async move {
            let mut refused = credential::absent();
            for credential in self.credentials.all() {
                match self.token_by(credential.as_ref(), scope).await {
                    Ok(token) => return Ok(token),
                    // An older credential may still be good while the newer one spreads.
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::AppCredentialInvalid
                                | ErrorKind::AppCredentialExpired
                                | ErrorKind::ConfigMissing
                        ) =>
                    {
                        refused = error;
                    }
                    Err(error) => return Err(error.in_operation("store")),
                }
            }
            Err(refused.in_operation("store"))
        })
    }

    fn describe(&self) -> String {
        format!("app {}", self.client_id)
    }
}

impl AppIdentity {
    async fn token_by(
        &self,
        credential: &dyn credential::ClientCredential,
        scope: &str,
    ) -> Result<(AccessToken, UnixTime)> {
        let now = self.clock.now();
        let proof = credential.proof(&self.client_id, &self.endpoint, now).await?;
        let request = self.request(&proof.authentication(), scope)?;
        let (head, body) = self.transport.send(request, EXCHANGE_DEADLINE).await?.into_parts();
        let body = zeroize::Zeroizing::new(body);
        if !head.status.is_success() {
            let wait = retry_after(&head.headers, SystemTime::now());
            return Err(classify(head.status.as_u16(), ErrorReply::parse(&body).as_ref(), wait).error);
        }
        let reply = TokenReply::parse(&body, now)?;
        Ok((reply.access_token, now.plus(reply.expires_in)))
    }

    fn request(&self, authentication: &ClientAuthentication<'_>, scope: &str) -> Result<http::Request<Vec<u8>>> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", self.client_id.as_str())
            .append_pair("scope", scope);
        match authentication {
            ClientAuthentication::Secret(secret) => {
                // EXPOSE: the app proves itself to the token endpoint.
                form.append_pair("client_secret", secret.expose());
            }
            ClientAuthentication::Assertion(assertion) => {
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", assertion);
            }
            ClientAuthentication::None => {
                return Err(Error::new(ErrorKind::ConfigInvalid, "store", "a public client cannot open a vault")
                    .with_hint(
                        "set `identity` of the table `vault` to managed-identity or azure-cli, or give it a credential",
                    ));
            }
        }
        http::Request::post(self.endpoint.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "application/json")
            .body(form.finish().into_bytes())
            .map_err(|_| Error::new(ErrorKind::Internal, "store", "a token request cannot be built"))
    }
}
