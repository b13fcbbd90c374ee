//! `store = "keyvault://NAME"` and the table `vault`: which vault, who opens it, and what it holds.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use serde_json::Value;
use url::{Host, Url};

use super::document::{Document, invalid, parsed};
use super::{Config, Environment};
use crate::app::credential::{Callbacks, Credentials, FederatedCredential};
use crate::app::vault_identity::AppIdentity;
use crate::clock::Clock;
use crate::cloud::{Authority, AuthorityKind};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::store::{Format, GrantStore, VaultManners, VaultStore, key::KeyProvider};
use crate::transport::{HttpClient, RetryPolicy, Transport};
use crate::vault::{self, Opening, Trust, VaultAddress, VaultIdentity};

/// The keys of the table `vault`, besides those of a credential.
const KEYS: &[&str] = &["identity", "tenant", "client_id", "format", "beside", "keep_deleted"];
/// The keys of a credential that may stand in it.
const CREDENTIAL_KEYS: &[&str] = &[
    "certificate_file",
    "certificate_key_file",
    "certificate_passphrase_file",
    "certificate_send_chain",
    "assertion_algorithm",
    "credential_command",
    "federated_token_file",
    "client_secret_file",
    "client_secret_env",
    "client_secret_expires",
    "older_credential",
];

/// Where a virtual machine gets its tokens (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).
const MACHINES_ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// A vault as the configuration describes it.
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// Which vault, and which secret in it.
    pub address: VaultAddress,
    /// What the secrets' values are, and what becomes of deleted ones.
    pub manners: VaultManners,
    /// The file for what this host alone needs: cached tokens, consents that wait, leases, the newest tokens between two writes to the vault.
    pub beside: PathBuf,
    identity: Identity,
    authority: Authority,
    trust: Trust,
    ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Identity {
    App { client_id: ClientId, tenant: TenantRef, credentials: Credentials },
    Managed { client_id: Option<String>, endpoint: Url },
    AzureCli { tenant: Option<String> },
}

/// What of the rest of the configuration matters here.
pub(super) struct Around<'a> {
    pub(super) store: &'a str,
    pub(super) authority: &'a Authority,
    pub(super) ca_file: Option<&'a Path>,
    /// The emulator's vaults.
    pub(super) emulated: Option<&'a str>,
    pub(super) client_id: &'a ClientId,
    pub(super) home_tenant: Option<&'a TenantRef>,
    pub(super) credentials: &'a Credentials,
}

impl VaultConfig {
    /// Reads the table where the store is a vault. A table without one is refused: somebody means it to be used.
    pub(super) fn read(
        document: &Document,
        environment: Environment<'_>,
        azure: Environment<'_>,
        around: &Around<'_>,
    ) -> Result<Option<Self>> {
        let is_vault = around.store.starts_with("keyvault:") || around.store.starts_with("https:");
        let table = match document.values.get("vault") {
            None | Some(Value::Null) => Document { folder: document.folder.clone(), ..Document::default() },
            Some(Value::Object(values)) if is_vault => {
                Document { values: values.clone(), folder: document.folder.clone(), callbacks: Callbacks::default() }
            }
            Some(Value::Object(_)) => {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "open",
                    "the table vault belongs to a store that is a vault",
                )
                .with_hint("set `store` to keyvault://NAME, or take the table out"));
            }
            Some(_) => return Err(invalid("vault", "a table")),
        };
        if !is_vault {
            return Ok(None);
        }
        if let Some(key) =
            table.values.keys().find(|key| !KEYS.contains(&key.as_str()) && !CREDENTIAL_KEYS.contains(&key.as_str()))
        {
            return Err(Error::new(ErrorKind::ConfigInvalid, "open", format!("unknown key: vault.{key}"))
                .with_hint(format!("the keys are {}, {}", KEYS.join(", "), CREDENTIAL_KEYS.join(", "))));
        }
        let authority = match around.authority.kind() {
            AuthorityKind::Entra => around.authority.clone(),
            AuthorityKind::Generic => Authority::microsoft(around.authority.cloud()),
        };
        let unknown = || Error::new(ErrorKind::Internal, "open", "the table of clouds holds no address of vaults");
        let resource = match around.emulated {
            Some(emulated) => {
                let port = Url::parse(emulated).ok().and_then(|url| url.port());
                let port =
                    port.ok_or_else(|| invalid("PARTNERSAM_EMULATOR", "a ready file of an emulator that has vaults"))?;
                Url::parse(&format!("https://vault.localhost:{port}"))
            }
            None => Url::parse(authority.cloud().hosts().key_vault),
        };
        let resource = resource.map_err(|_| unknown())?;
        let address = VaultAddress::parse(around.store, &resource)?;
        let format = match table.text("format")?.as_deref() {
            None | Some("sealed") => Format::Sealed,
            Some("plain") => Format::Plain,
            Some(_) => return Err(invalid("vault.format", "sealed or plain")),
        };
        let beside = match table.path("beside")? {
            Some(path) if path.is_absolute() => path,
            Some(_) => return Err(invalid("vault.beside", "an absolute path")),
            None => {
                let base = etcetera::choose_base_strategy().map_err(|_| {
                    Error::new(
                        ErrorKind::ConfigMissing,
                        "open",
                        "vault.beside is not set and this account has no home folder",
                    )
                })?;
                base.data_dir().join("partnersam").join(format!("vault-{}.db", address.name()))
            }
        };
        Ok(Some(Self {
            manners: VaultManners {
                format,
                purge: !table.boolean("keep_deleted")?,
                writes_every_rotation: around.authority.one_use_refresh_tokens(),
            },
            beside,
            identity: Self::identity(&table, environment, azure, around)?,
            trust: Trust { login: authority.login().clone(), resource },
            authority: authority.with_vault(address.base().clone()),
            ca_file: around.emulated.and(around.ca_file).map(Path::to_path_buf),
            address,
        }))
    }

    fn identity(
        table: &Document,
        environment: Environment<'_>,
        azure: Environment<'_>,
        around: &Around<'_>,
    ) -> Result<Identity> {
        let tenant = parsed::<TenantRef>(
            table.text("tenant")?.map(|text| ("vault.tenant".to_owned(), text)),
            "a tenant id or domain",
        )?;
        let client_id = parsed::<ClientId>(
            table.text("client_id")?.map(|text| ("vault.client_id".to_owned(), text)),
            "a client id, a GUID",
        )?;
        let kind = table.text("identity")?.unwrap_or_else(|| "app".to_owned());
        if matches!(kind.as_str(), "managed-identity" | "azure-cli")
            && let Some(key) = table.values.keys().find(|key| CREDENTIAL_KEYS.contains(&key.as_str()))
        {
            return Err(invalid(&format!("vault.{key}"), &format!("left out where the identity is {kind}")));
        }
        let missing = |key: &'static str, hint: &str| {
            Error::new(ErrorKind::ConfigMissing, "open", format!("vault.{key} is not set")).with_hint(hint.to_owned())
        };
        match kind.as_str() {
            "app" => {
                let own = table.credentials(environment, false)?;
                let own = match (own, table.older()?) {
                    (Some(own), Some(older)) => Some(match older.credentials(environment, false)? {
                        Some(older) => own.chain(older),
                        None => own,
                    }),
                    (own, _) => own,
                };
                let is_the_app = client_id.as_ref().is_none_or(|id| id == around.client_id);
                let credentials = match own {
                    Some(own) => own,
                    // Another app's identity with this app's credential would only be refused, after it had been shown.
                    None if is_the_app => around.credentials.clone(),
                    None => {
                        return Err(missing(
                            "client_secret_file",
                            "give the vault's own app a credential in the table `vault`",
                        ));
                    }
                };
                let tenant = tenant.or_else(|| around.home_tenant.cloned());
                let tenant =
                    tenant.ok_or_else(|| missing("tenant", "set `tenant` to the tenant that the vault is in"))?;
                Ok(Identity::App {
                    client_id: client_id.unwrap_or_else(|| around.client_id.clone()),
                    tenant,
                    credentials,
                })
            }
            "workload-identity" => {
                let file = table
                    .path("federated_token_file")?
                    .or_else(|| azure("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from));
                let file = file.ok_or_else(|| {
                    missing(
                        "federated_token_file",
                        "run it where AZURE_FEDERATED_TOKEN_FILE is set, or name the token's file",
                    )
                })?;
                let of_environment = |name: &str| azure(name).map(|text| (name.to_owned(), text));
                let client_id = client_id.map_or_else(
                    || parsed(of_environment("AZURE_CLIENT_ID"), "a client id, a GUID"),
                    |id| Ok(Some(id)),
                )?;
                let tenant = tenant.map_or_else(
                    || parsed(of_environment("AZURE_TENANT_ID"), "a tenant id or domain"),
                    |tenant| Ok(Some(tenant)),
                )?;
                Ok(Identity::App {
                    client_id: client_id.unwrap_or_else(|| around.client_id.clone()),
                    tenant: tenant
                        .or_else(|| around.home_tenant.cloned())
                        .ok_or_else(|| missing("tenant", "set `tenant` to the tenant that the vault is in"))?,
                    credentials: Credentials::one(FederatedCredential::from_file(file)),
                })
            }
            "managed-identity" => {
                let endpoint = match (environment("IDENTITY_ENDPOINT"), environment("IDENTITY_HEADER")) {
                    (Some(endpoint), Some(_)) => local_endpoint(&endpoint)?,
                    _ => Url::parse(MACHINES_ENDPOINT).map_err(|_| invalid("IDENTITY_ENDPOINT", "an address"))?,
                };
                Ok(Identity::Managed { client_id: client_id.map(|id| id.to_string()), endpoint })
            }
            "azure-cli" => Ok(Identity::AzureCli { tenant: tenant.map(|tenant| tenant.to_string()) }),
            _ => Err(invalid("vault.identity", "app, managed-identity, workload-identity or azure-cli")),
        }
    }

    /// Opens the vault as a store. Nothing is sent yet.
    pub(crate) fn store(
        &self,
        keys: Arc<dyn KeyProvider>,
        clock: Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Result<Arc<dyn GrantStore>> {
        let (config, ours) = (self.clone(), Arc::clone(&clock));
        let make = Arc::new(move || config.opening(Arc::clone(&ours), retry));
        crate::store::open_vault(VaultStore { make, beside: self.beside.clone(), manners: self.manners, clock }, keys)
    }

    fn opening(&self, clock: Arc<dyn Clock>, retry: RetryPolicy) -> Result<Opening> {
        let client = || HttpClient::new(self.authority.clone(), self.ca_file.clone());
        let transport: Arc<dyn Transport> = Arc::new(client());
        let identity: Arc<dyn VaultIdentity> = match &self.identity {
            Identity::App { client_id, tenant, credentials } => {
                let endpoint = self.authority.login().join(&format!("/{tenant}/oauth2/v2.0/token"));
                Arc::new(AppIdentity {
                    client_id: client_id.clone(),
                    credentials: credentials.clone(),
                    endpoint: endpoint.map_err(|_| invalid("vault.tenant", "a tenant id or domain"))?,
                    transport: Arc::clone(&transport),
                    clock,
                })
            }
            Identity::Managed { client_id, endpoint } => {
                let local = client().for_local_endpoint(endpoint.clone());
                vault::managed_identity(client_id.as_deref(), Arc::new(local))?
            }
            Identity::AzureCli { tenant } => vault::azure_cli(tenant.as_deref())?,
        };
        Ok(Opening { address: self.address.clone(), trust: self.trust.clone(), identity, transport, retry })
    }
}

impl Config {
    /// Where the store is a vault: which, and who opens it.
    pub fn vault(&self) -> Option<&VaultConfig> {
        self.vault.as_ref()
    }
}

/// The endpoint that Azure names in the environment: on this machine or its link, for the header that goes there is a secret.
fn local_endpoint(text: &str) -> Result<Url> {
    let expected = "an http or https address on this machine or its link";
    let url = Url::parse(text).map_err(|_| invalid("IDENTITY_ENDPOINT", expected))?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    };
    if is_local && matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    Err(invalid("IDENTITY_ENDPOINT", expected))
}
