//! The official crates, and nothing of them outside this folder.

mod fault;
mod http;
mod identity;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{ClientOptions, RetryOptions, Transport as TheirTransport};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::{
    ListSecretPropertiesResult, Secret, SecretAttributes, SecretClientGetSecretOptions,
    SecretClientUpdateSecretPropertiesOptions, SecretProperties, SetSecretParameters, UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt as _, SecretClient, SecretClientOptions};
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use self::fault::{Fault, fault};
use self::http::OurHttp;
use super::{Found, Listed, New, Opening, Purged, VaultAddress, Version};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::RetryPolicy;

pub use identity::{azure_cli, managed_identity};

/// The most bytes that a value may have (<https://learn.microsoft.com/azure/key-vault/secrets/about-secrets>).
const LARGEST_VALUE: usize = 25_000;

/// Secrets listed at most: more is no vault of ours.
const MOST_LISTED: usize = 100_000;

/// How long a deletion or a recovery is waited for.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// A vault, and a client for it.
pub(crate) struct Vault {
    client: SecretClient,
    address: VaultAddress,
    retry: RetryPolicy,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.address)
    }
}

impl Vault {
    /// A client for the vault at `opening.address`. Nothing is sent yet.
    pub(crate) fn new(opening: Opening) -> Result<Self> {
        let Opening { address, trust, identity, transport, retry } = opening;
        let defaults = SecretClientOptions::default();
        let options = SecretClientOptions {
            api_version: address.api_version().map_or(defaults.api_version, str::to_owned),
            client_options: ClientOptions {
                // Tried again here, in the manner of all our requests.
                retry: RetryOptions::none(),
                transport: Some(TheirTransport::new(Arc::new(OurHttp { transport, trust: Some(trust) }))),
                ..ClientOptions::default()
            },
            // Ours is stricter and comes first; theirs stays on.
            verify_challenge_resource: Some(true),
        };
        let client = SecretClient::new(address.base().as_str(), Arc::new(identity::Ours(identity)), Some(options))
            .map_err(|error| fault(&error, address.name()).error)?;
        Ok(Self { client, address, retry })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &VaultAddress {
        &self.address
    }

    /// A version of a secret, the latest without `version`; none where there is none.
    pub(crate) async fn get(&self, name: &str, version: Option<&str>) -> Result<Option<Found>> {
        let answer = self
            .ask(|| {
                Box::pin(async move {
                    let options = SecretClientGetSecretOptions {
                        secret_version: version.map(str::to_owned),
                        ..SecretClientGetSecretOptions::default()
                    };
                    self.client.get_secret(name, Some(options)).await?.into_model()
                })
            })
            .await;
        match answer {
            Ok(secret) => self.found(secret).map(Some),
            Err(fault) if fault.status == Some(404) && fault.code != "VaultNotFound" => Ok(None),
            Err(fault) => Err(about(fault, name)),
        }
    }

    /// Writes a new version and says its name. A secret that was deleted and is kept by soft delete is recovered first.
    pub(crate) async fn set(&self, name: &str, new: &New<'_>) -> Result<String> {
        if new.value.len() > LARGEST_VALUE {
            return Err(Error::new(
                ErrorKind::StoreUnwritable,
                "store",
                format!("the record is larger than a vault takes: {} bytes", new.value.len()),
            ));
        }
        let mut waited = Settling::begin();
        loop {
            match self.put(name, new, true).await {
                Ok(secret) => return Ok(self.found(secret)?.version),
                Err(fault) if fault.status == Some(409) && waited.may_go_on() => {
                    if fault.code == "ObjectIsDeletedButRecoverable" {
                        tracing::info!(secret = name, "a deleted secret of this name is recovered");
                        self.recover(name).await?;
                    }
                    waited.pause().await;
                }
                Err(fault) => return Err(about(fault, name)),
            }
        }
    }

    async fn recover(&self, name: &str) -> Result<()> {
        let answer =
            self.ask(|| Box::pin(async move { self.client.recover_deleted_secret(name, None).await.map(drop) })).await;
        match answer {
            // Somebody else was quicker, or the vault is not done yet: what comes next will tell.
            Err(fault) if matches!(fault.status, Some(404 | 409)) => Ok(()),
            other => other.map_err(|fault| about(fault, name)),
        }
    }

    /// Writes a new version that nobody can read until [`enable`](Self::enable), and says its name; none where the secret was deleted, which is not recovered.
    pub(crate) async fn set_aside(&self, name: &str, new: &New<'_>) -> Result<Option<String>> {
        match self.put(name, new, false).await {
            Ok(secret) => self.found(secret).map(|found| Some(found.version)),
            Err(fault) if fault.status == Some(409) => Ok(None),
            Err(fault) => Err(about(fault, name)),
        }
    }

    async fn put(&self, name: &str, new: &New<'_>, enabled: bool) -> Result<Secret, Fault> {
        self.ask(|| {
            Box::pin(async move {
                let attributes = SecretAttributes {
                    enabled: Some(enabled),
                    expires: new.ends.and_then(|ends| OffsetDateTime::from_unix_timestamp(ends.0).ok()),
                    ..SecretAttributes::default()
                };
                let parameters = SetSecretParameters {
                    value: Some(new.value.to_owned()),
                    content_type: Some(new.content_type.to_owned()),
                    tags: Some(new.tags.clone()),
                    secret_attributes: Some(attributes),
                };
                self.client.set_secret(name, parameters.try_into()?, None).await?.into_model()
            })
        })
        .await
    }

    /// Disables one version: nobody reads it any more. A version cannot be deleted alone.
    pub(crate) async fn disable(&self, name: &str, version: &str) -> Result<()> {
        self.update(name, version, false, None).await.map(drop)
    }

    /// Lets a version be read, with these tags and no others. False where it is not there any more.
    pub(crate) async fn enable(&self, name: &str, version: &str, tags: &HashMap<String, String>) -> Result<bool> {
        self.update(name, version, true, Some(tags)).await
    }

    /// Takes [`disable`](Self::disable) back.
    #[cfg(test)]
    pub(crate) async fn enable_for_tests(&self, name: &str, version: &str) -> Result<()> {
        self.update(name, version, true, None).await.map(drop)
    }

    /// False where there is no such version, or it is deleted just now.
    async fn update(
        &self,
        name: &str,
        version: &str,
        enabled: bool,
        tags: Option<&HashMap<String, String>>,
    ) -> Result<bool> {
        let answer = self
            .ask(|| {
                Box::pin(async move {
                    let attributes = SecretAttributes { enabled: Some(enabled), ..SecretAttributes::default() };
                    let parameters = UpdateSecretPropertiesParameters {
                        secret_attributes: Some(attributes),
                        tags: tags.cloned(),
                        ..UpdateSecretPropertiesParameters::default()
                    };
                    let options = SecretClientUpdateSecretPropertiesOptions {
                        secret_version: Some(version.to_owned()),
                        ..SecretClientUpdateSecretPropertiesOptions::default()
                    };
                    self.client.update_secret_properties(name, parameters.try_into()?, Some(options)).await.map(drop)
                })
            })
            .await;
        match answer {
            Ok(()) => Ok(true),
            Err(fault) if matches!(fault.status, Some(404 | 409)) => Ok(false),
            Err(fault) => Err(about(fault, name)),
        }
    }

    /// The versions of a secret, in no order; none where there is no such secret.
    pub(crate) async fn versions(&self, name: &str) -> Result<Vec<Version>> {
        let rows = self
            .ask(|| Box::pin(async move { bounded(self.client.list_secret_properties_versions(name, None)?).await }));
        let rows = match rows.await {
            Err(fault) if fault.status == Some(404) && fault.code != "VaultNotFound" => return Ok(Vec::new()),
            rows => rows.map_err(|fault| about(fault, name))?,
        };
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let id = row.resource_id().ok()?.version?;
                let (created, enabled) = match row.attributes {
                    Some(attributes) => (attributes.created, attributes.enabled),
                    None => (None, None),
                };
                let created = UnixTime(created.map(OffsetDateTime::unix_timestamp).unwrap_or_default());
                Some(Version { id, created, tags: row.tags.unwrap_or_default(), enabled: enabled.unwrap_or(true) })
            })
            .collect())
    }

    /// Every secret of the vault, without values.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>> {
        let rows = self.ask(|| Box::pin(async move { bounded(self.client.list_secret_properties(None)?).await })).await;
        let rows = rows.map_err(|fault| fault.error)?;
        Ok(rows
            .into_iter()
            .map(|row| Listed {
                name: row.resource_id().map(|id| id.name).unwrap_or_default(),
                content_type: row.content_type.clone().unwrap_or_default(),
                tags: row.tags.unwrap_or_default(),
                enabled: row.attributes.and_then(|attributes| attributes.enabled).unwrap_or(true),
            })
            .collect())
    }

    /// Deletes a secret with all its versions; false where there was none. Soft delete keeps it until it is purged.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool> {
        match self.ask(|| Box::pin(async move { self.client.delete_secret(name, None).await.map(drop) })).await {
            Ok(()) => Ok(true),
            Err(fault) if fault.status == Some(404) => Ok(false),
            Err(fault) => Err(about(fault, name)),
        }
    }

    /// Whether a secret was deleted and can still be recovered.
    pub(crate) async fn is_recoverable(&self, name: &str) -> Result<bool> {
        match self.ask(|| Box::pin(async move { self.client.get_deleted_secret(name, None).await.map(drop) })).await {
            Ok(()) => Ok(true),
            Err(fault) if fault.status == Some(404) => Ok(false),
            Err(fault) => Err(about(fault, name)),
        }
    }

    /// Ends a deleted secret for good, where that is allowed.
    pub(crate) async fn purge(&self, name: &str) -> Result<Purged> {
        let mut waited = Settling::begin();
        loop {
            match self
                .ask(|| Box::pin(async move { self.client.purge_deleted_secret(name, None).await.map(drop) }))
                .await
            {
                Ok(()) => return Ok(Purged::Yes),
                Err(fault) if fault.status == Some(403) => return Ok(Purged::NotAllowed),
                // Not there: the vault takes some seconds to delete, or somebody else has purged it.
                Err(fault) if matches!(fault.status, Some(404 | 409)) => {
                    if !waited.may_go_on() {
                        return Ok(Purged::NotYet);
                    }
                    waited.pause().await;
                }
                Err(fault) => return Err(about(fault, name)),
            }
        }
    }

    fn found(&self, secret: Secret) -> Result<Found> {
        let version = secret.resource_id().ok().and_then(|id| id.version);
        let value = Zeroizing::new(secret.value.unwrap_or_default());
        let version = version.ok_or_else(|| {
            Error::new(ErrorKind::ResponseMalformed, "store", "the vault's answer lacks the secret's version")
                .with_context("vault", self.address.name())
        })?;
        Ok(Found {
            version,
            value,
            content_type: secret.content_type.unwrap_or_default(),
            tags: secret.tags.unwrap_or_default(),
        })
    }

    /// Asks, and asks again where that helps.
    async fn ask<'a, T>(
        &self,
        request: impl Fn() -> BoxFuture<'a, azure_core::Result<T>> + Send + Sync,
    ) -> Result<T, Fault> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let fault = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => fault(&error, self.address.name()),
            };
            let helps = matches!(
                fault.error.kind(),
                ErrorKind::RateLimited
                    | ErrorKind::ServerUnavailable
                    | ErrorKind::NetworkUnavailable
                    | ErrorKind::Timeout
            );
            match self.retry.wait(attempt, fault.error.retry_after(), 0.5) {
                Some(wait) if helps => tokio::time::sleep(wait).await,
                _ => return Err(fault),
            }
        }
    }
}

/// All rows of a list, page by page; the pages' addresses are checked by our transport as every address is.
async fn bounded(
    mut pager: azure_core::http::Pager<ListSecretPropertiesResult>,
) -> azure_core::Result<Vec<SecretProperties>> {
    let mut rows = Vec::new();
    while let Some(row) = pager.try_next().await? {
        if rows.len() >= MOST_LISTED {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

fn about(fault: Fault, secret: &str) -> Error {
    fault.error.with_context("secret", secret)
}

/// Waits until the vault has come to the end of a deletion or a recovery.
struct Settling {
    since: tokio::time::Instant,
    wait: Duration,
}

impl Settling {
    fn begin() -> Self {
        Self { since: tokio::time::Instant::now(), wait: Duration::from_millis(100) }
    }

    fn may_go_on(&self) -> bool {
        self.since.elapsed() < SETTLES_WITHIN
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(Duration::from_secs(3));
    }
}
