//! Who opens a vault: adapters between the official crates' credentials and ours.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::{AccessToken as TheirToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientOptions, Transport as TheirTransport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use futures_util::future::BoxFuture;

use super::fault::{carried, fault};
use super::http::OurHttp;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::AccessToken;
use crate::transport::Transport;
use crate::vault::VaultIdentity;

/// The identity that Azure gives a machine or a service; `client_id` chooses one of several. `transport` must know the local endpoint.
///
/// Errors: `ConfigInvalid` where this machine has another kind of managed identity than those of virtual machines and of App Service.
pub fn managed_identity(client_id: Option<&str>, transport: Arc<dyn Transport>) -> Result<Arc<dyn VaultIdentity>> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
        client_options: ClientOptions {
            transport: Some(TheirTransport::new(Arc::new(OurHttp { transport, trust: None }))),
            ..ClientOptions::default()
        },
    };
    let credential = ManagedIdentityCredential::new(Some(options)).map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "open", "this machine's kind of managed identity is not supported")
            .with_hint("set `identity` of the table `vault` to app or workload-identity")
            .with_context("key", "vault.identity")
    })?;
    Ok(Arc::new(Theirs { credential, name: "managed identity" }))
}

/// Whoever is signed in to the Azure CLI (`az login`), at `tenant` where that is given.
///
/// Errors: `ConfigInvalid` for a tenant that cannot be one.
pub fn azure_cli(tenant: Option<&str>) -> Result<Arc<dyn VaultIdentity>> {
    let options =
        AzureCliCredentialOptions { tenant_id: tenant.map(str::to_owned), ..AzureCliCredentialOptions::default() };
    let credential = AzureCliCredential::new(Some(options)).map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "open", "tenant of the table vault must be a tenant id or domain")
            .with_context("key", "vault.tenant")
    })?;
    Ok(Arc::new(Theirs { credential, name: "Azure CLI" }))
}

/// One of the official crates' credentials as ours.
struct Theirs {
    credential: Arc<dyn TokenCredential>,
    name: &'static str,
}

impl fmt::Debug for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl VaultIdentity for Theirs {
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<(AccessToken, UnixTime)>> {
        Box::pin(async move {
            let token = self.credential.get_token(&[scope], None).await.map_err(|error| {
                let told = fault(&error, "");
                // What the service or `az` said is not passed on as it is: it may quote what it was asked with.
                Error::new(
                    if told.status.is_none() && told.error.kind() == ErrorKind::HostNotAllowed {
                        ErrorKind::HostNotAllowed
                    } else {
                        ErrorKind::AppCredentialInvalid
                    },
                    "store",
                    format!("the identity that opens the vault got no token: {}", self.name),
                )
                .with_hint(match self.name {
                    "Azure CLI" => "run `az login`, and see that `az` is on the PATH",
                    _ => {
                        "see that the machine has a managed identity, and that `client_id` of the table `vault` is its"
                    }
                })
                .with_cause(told.error.message())
            })?;
            // EXPOSE: from their type into ours.
            Ok((AccessToken::new(token.token.secret()), UnixTime(token.expires_on.unix_timestamp())))
        })
    }

    fn describe(&self) -> String {
        self.name.to_owned()
    }
}

/// One of ours as the official crates want it.
#[derive(Debug)]
pub(super) struct Ours(pub(super) Arc<dyn VaultIdentity>);

#[async_trait::async_trait]
impl TokenCredential for Ours {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<TheirToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        let (token, ends) = self.0.token(scope).await.map_err(carried)?;
        let ends = azure_core::time::OffsetDateTime::from_unix_timestamp(ends.0)
            .unwrap_or(azure_core::time::OffsetDateTime::UNIX_EPOCH);
        // EXPOSE: the official client sends it to the vault.
        Ok(TheirToken::new(token.expose().to_owned(), ends))
    }
}
