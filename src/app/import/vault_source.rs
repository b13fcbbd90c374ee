//! A token in a Key Vault: found by its name or by the habits of the tools, and in the end written back or deleted.

use std::collections::HashMap;

use super::move_in::MoveRequest;
use super::place::{Located, Place};
use crate::app::App;
use crate::app::credential::{Credentials, SecretCredential};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantId, TenantRef};
use crate::moving_in::{self, Found, Named, Source, VaultHolder};
use crate::secret::RefreshToken;
use crate::vault::{Found as Secret, New, Purged, Vault};

/// A secret in a vault, and the way there.
#[derive(Debug)]
pub(super) struct VaultPlace {
    vault: Vault,
    secret: String,
    content_type: String,
    tags: HashMap<String, String>,
    /// Whether the secret is the token and nothing else.
    is_alone: bool,
    /// Whether an earlier purge got only as far as to delete it.
    is_deleted: bool,
}

/// What a form knows of who opens the vault.
type Keys = Option<(ClientId, Credentials)>;

impl App {
    /// Reads the secret that `source`, a vault, names.
    pub(super) async fn read_vault(&self, request: &MoveRequest, tenant: TenantId) -> Result<Located> {
        let Source::Vault { address, secret } = &request.source else {
            return Err(Error::new(ErrorKind::Internal, "import", "only a vault is read here"));
        };
        self.read_secret(request, tenant, (address, secret.as_deref()), None, None).await
    }

    /// Goes on to the vault that a form names, as the app that the form names.
    pub(super) async fn follow_to_vault(
        &self,
        request: &MoveRequest,
        tenant: TenantId,
        form: Located,
        holder: VaultHolder,
    ) -> Result<Located> {
        let VaultHolder { address, secret, client_id, client_secret, tenant: vaults, .. } = holder;
        let keys = match (client_id, client_secret) {
            (Some(id), Some(secret)) => Some((id, Credentials::one(SecretCredential::new(secret)))),
            _ => None,
        };
        let located = self.read_secret(request, tenant, (&address, secret.as_deref()), keys, vaults).await?;
        let Located { found: inner, place, at, .. } = located;
        let mut found = form.found;
        found.holder = inner.holder;
        found.tenants.extend(inner.tenants);
        if found.app.is_none() {
            found.app = inner.app;
        }
        Ok(Located { found, place, source: form.source, at })
    }

    async fn read_secret(
        &self,
        request: &MoveRequest,
        tenant: TenantId,
        (address, secret): (&str, Option<&str>),
        keys: Keys,
        vaults: Option<TenantRef>,
    ) -> Result<Located> {
        let inner = self.inner();
        let (vaults_known, config) = (&inner.config.other_vaults, &inner.config);
        let address = if address.contains(':') { address.to_owned() } else { format!("keyvault://{address}") };
        let address = vaults_known.address(&address).map_err(|error| {
            Error::new(
                ErrorKind::InvalidArgument,
                "import",
                "the source is not the address of a vault of the configured cloud",
            )
            .with_hint("name keyvault://NAME/secrets/SECRET, or the secret's identifier as the vault shows it")
            .with_cause(error.message())
        })?;
        let named = secret.or(address.secret()).map(str::to_owned);
        let version = address.version().map(str::to_owned);
        // To purge it would be to remove the grant from the store.
        let is_ours = config.vault().is_some_and(|store| {
            let own = store.address.secret();
            let is_grant = |name: &str| {
                name.to_ascii_lowercase().starts_with("psam-") || own.is_some_and(|own| own.eq_ignore_ascii_case(name))
            };
            store.address.base() == address.base() && named.as_deref().is_some_and(is_grant)
        });
        if is_ours {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "import",
                "the store keeps its grants in this secret already",
            )
            .with_hint("there is nothing to move in"));
        }
        let (clock, retry) = (inner.clock.clone(), inner.retry);
        let opening = vaults_known.opening(address, request.vault_identity, keys, vaults, clock, retry)?;
        let vault = Vault::new(opening)?;
        let names =
            named.as_ref().map_or_else(|| moving_in::candidates(&request.partner, tenant), |name| vec![name.clone()]);
        let mut there: Vec<(String, Secret)> = Vec::new();
        for name in &names {
            if let Some(secret) = vault.get(name, version.as_deref()).await? {
                there.push((name.clone(), secret));
            }
        }
        let base = format!("keyvault://{}", vault.address().name());
        let Some((name, secret)) = there.pop() else {
            return left_over(vault, &names, &base, request.purge).await;
        };
        if let Some((other, _)) = there.iter().find(|(_, other)| *other.value != *secret.value) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "import",
                "the vault has several secrets that may hold the token",
            )
            .with_hint(format!("name one: `--from {base}/secrets/{other}`"))
            .with_context("secret", other)
            .with_context("other_secret", &name));
        }
        let at = format!("{base}/secrets/{name}");
        let mut found =
            moving_in::recognise(secret.value.as_bytes(), None).map_err(|error| error.with_context("source", &at))?;
        if moving_in::has_fields_beside(&name) {
            self.read_beside(&vault, &mut found, &base).await?;
        }
        let is_alone = found.is_alone();
        let place = VaultPlace {
            vault,
            secret: name,
            content_type: secret.content_type,
            tags: secret.tags,
            is_alone,
            is_deleted: false,
        };
        Ok(Located { found, source: base, place: Some(Place::Vault(Box::new(place))), at })
    }

    /// The tool's own fields, each a secret of its own in the same vault.
    async fn read_beside(&self, vault: &Vault, found: &mut Found, base: &str) -> Result<()> {
        let field = async |name: &str| match vault.get(name, None).await? {
            Some(secret) if !secret.value.trim().is_empty() => Ok(Some(secret.value)),
            _ => Ok::<_, Error>(None),
        };
        let malformed = |name: &str| {
            Error::new(
                ErrorKind::InvalidArgument,
                "import",
                "a secret beside the token does not hold what its name says",
            )
            .with_context("secret", name)
        };
        if let Some(value) = field(moving_in::APP_ID).await? {
            let value =
                value.trim().parse().ok().filter(ClientId::is_guid).ok_or_else(|| malformed(moving_in::APP_ID))?;
            found.app = Some(Named { field: moving_in::APP_ID.to_owned(), value });
        }
        if let Some(value) = field(moving_in::TENANT).await? {
            let value = value.trim().parse().map_err(|_| malformed(moving_in::TENANT))?;
            found.tenants.push(Named { field: moving_in::TENANT.to_owned(), value });
        }
        // Who may not list the vault learns less, and moves in all the same.
        for listed in vault.list().await.unwrap_or_default() {
            if moving_in::SECRETS_BESIDE.iter().any(|name| name.eq_ignore_ascii_case(&listed.name)) {
                found.secrets.push(format!("{base}/secrets/{}", listed.name));
            }
        }
        Ok(())
    }
}

/// What there is where no secret is: a purge that was cut short left a deleted one.
async fn left_over(vault: Vault, names: &[String], base: &str, purges: bool) -> Result<Located> {
    let found = moving_in::recognise(b"", None)?;
    for name in names.iter().filter(|_| purges) {
        // Who may not look at deleted secrets purges none.
        if vault.is_recoverable(name).await.unwrap_or_default() {
            let at = format!("{base}/secrets/{name}");
            let place = VaultPlace {
                vault,
                secret: name.clone(),
                content_type: String::new(),
                tags: HashMap::new(),
                is_alone: true,
                is_deleted: true,
            };
            return Ok(Located { found, source: base.to_owned(), place: Some(Place::Vault(Box::new(place))), at });
        }
    }
    let at = format!("{base}/secrets/{}", names.join(" or "));
    Ok(Located { found, source: base.to_owned(), place: None, at })
}

impl VaultPlace {
    /// Writes `token` as a new version, for the tool that goes on reading it.
    pub(super) async fn write_back(&self, token: &RefreshToken) -> Result<()> {
        self.check_alone()?;
        let (content_type, tags) = (self.content_type.as_str(), self.tags.clone());
        // EXPOSE: to the vault that it came from, as the caller asked.
        let new = New { value: token.expose(), content_type, tags, ends: None };
        self.vault.set(&self.secret, &new).await.map(drop)
    }

    fn check_alone(&self) -> Result<()> {
        if self.is_alone {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotSupported, "import", "the vault's secret holds other fields beside the token")
            .with_hint("change it by hand"))
    }

    /// Deletes the secret with all its versions.
    pub(super) async fn purge(self) -> Result<&'static str> {
        self.check_alone()?;
        if !self.is_deleted && !self.vault.delete(&self.secret).await? {
            return Ok("was gone already");
        }
        Ok(match self.vault.purge(&self.secret).await? {
            Purged::Yes => "deleted and purged",
            Purged::NotAllowed => {
                "deleted; the vault keeps it recoverable until its retention ends, for purging is not allowed"
            }
            Purged::NotYet => "deleted; the vault has not purged it yet",
        })
    }
}
