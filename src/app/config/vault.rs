//! `store = "keyvault://NAME"` and the table `vault`: which vault, who opens it, and what it holds.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use serde_json::Value;
use url::{Host, Url};

use super::document::{CREDENTIAL_KEYS, Document, invalid, parsed};
use super::{Config, Environment};
use crate::app::credential::{Callbacks, Credentials, FederatedCredential};
use crate::app::vault_identity::AppIdentity;
use crate::app::vault_key::VaultKey;
use crate::clock::Clock;
use crate::cloud::{Authority, AuthorityKind};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::store::{Format, GrantStore, VaultManners, VaultStore, key::KeyProvider};
use crate::transport::{HttpClient, RetryPolicy, Transport};
use crate::vault::{self, Opening, Trust, VaultAddress, VaultIdentity};

/// The keys of the table `vault`, besides those of a credential.
const KEYS: &[&str] = &["identity", "tenant", "client_id", "format", "beside", "keep_deleted"];

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
    /// The address that is a vault's, if it is one: the store's or the key's.
    pub(super) address: &'a str,
    /// Which of the two.
    pub(super) setting: &'static str,
    /// Whether the table belongs to somebody: the store or the key.
    pub(super) is_used: bool,
    pub(super) authority: &'a Authority,
    pub(super) ca_file: Option<&'a Path>,
    /// The emulator's vaults.
    pub(super) emulated: Option<&'a str>,
    pub(super) client_id: &'a ClientId,
    pub(super) home_tenant: Option<&'a TenantRef>,
    pub(super) credentials: &'a Credentials,
}

impl Around<'_> {
    fn vaults_authority(&self) -> Authority {
        match self.authority.kind() {
            AuthorityKind::Entra => self.authority.clone(),
            AuthorityKind::Generic => Authority::microsoft(self.authority.cloud()),
        }
    }

    /// The audience of the cloud's vaults.
    fn vaults_resource(&self) -> Result<Url> {
        let resource = match self.emulated {
            Some(emulated) => {
                let port = Url::parse(emulated).ok().and_then(|url| url.port());
                let port =
                    port.ok_or_else(|| invalid("PARTNERSAM_EMULATOR", "a ready file of an emulator that has vaults"))?;
                Url::parse(&format!("https://vault.localhost:{port}"))
            }
            None => Url::parse(self.vaults_authority().cloud().hosts().key_vault),
        };
        resource.map_err(|_| Error::new(ErrorKind::Internal, "open", "the table of clouds holds no address of vaults"))
    }
}

impl VaultConfig {
    /// Reads the table where the store is a vault. A table without one is refused: somebody means it to be used.
    pub(super) fn read(
        document: &Document,
        environment: Environment<'_>,
        azure: Environment<'_>,
        around: &Around<'_>,
    ) -> Result<Option<Self>> {
        let is_vault = is_address(around.address);
        let table = match document.values.get("vault") {
            None | Some(Value::Null) => Document { folder: document.folder.clone(), ..Document::default() },
            Some(Value::Object(values)) if is_vault => {
                Document { values: values.clone(), folder: document.folder.clone(), callbacks: Callbacks::default() }
            }
            Some(Value::Object(_)) if around.is_used => return Ok(None),
            Some(Value::Object(_)) => {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "open",
                    "the table vault belongs to a store or a key that is in a vault",
                )
                .with_hint("set `store` or `key` to keyvault://NAME, or take the table out"));
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
        let authority = around.vaults_authority();
        let resource = around.vaults_resource()?;
        let address = VaultAddress::parse(around.address, &resource).map_err(|error| match around.setting {
            "key" => {
                invalid("key", "keyvault://NAME, or the identifier of a secret in a vault of the configured cloud")
            }
            _ => error,
        })?;
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

    /// What hands out the key that is a secret of this vault. Nothing is sent yet.
    pub(crate) fn key(&self, clock: Arc<dyn Clock>, retry: RetryPolicy) -> Arc<dyn KeyProvider> {
        let config = self.clone();
        Arc::new(VaultKey::new(Arc::new(move || config.opening(Arc::clone(&clock), retry))))
    }

    fn opening(&self, clock: Arc<dyn Clock>, retry: RetryPolicy) -> Result<Opening> {
        let way =
            Way { authority: self.authority.clone(), trust: self.trust.clone(), ca_file: self.ca_file.as_deref() };
        way.opening(self.address.clone(), &self.identity, clock, retry)
    }
}

/// How to get to a vault, whoever opens it.
struct Way<'a> {
    /// With the vault's host among those that get tokens.
    authority: Authority,
    trust: Trust,
    ca_file: Option<&'a Path>,
}

impl Way<'_> {
    fn opening(
        self,
        address: VaultAddress,
        identity: &Identity,
        clock: Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Result<Opening> {
        let client = || HttpClient::new(self.authority.clone(), self.ca_file.map(Path::to_path_buf));
        let transport: Arc<dyn Transport> = Arc::new(client());
        let identity: Arc<dyn VaultIdentity> = match identity {
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
        Ok(Opening { address, trust: self.trust, identity, transport, retry })
    }
}

/// Who opens a vault that is not the store's, by the names that `vault.identity` has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaultOpener {
    /// The one that what is moved in names, else the store's where that is a vault, else the app.
    #[default]
    Named,
    /// The app, with its own credential.
    App,
    /// The managed identity of this machine.
    ManagedIdentity,
    /// The federated identity of this workload.
    WorkloadIdentity,
    /// Whoever is signed in with the Azure CLI.
    AzureCli,
}

impl VaultOpener {
    const KINDS: [(&'static str, Self); 4] = [
        ("app", Self::App),
        ("managed-identity", Self::ManagedIdentity),
        ("workload-identity", Self::WorkloadIdentity),
        ("azure-cli", Self::AzureCli),
    ];
}

impl std::str::FromStr for VaultOpener {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::KINDS.iter().find(|(name, _)| *name == text);
        found.map(|(_, opener)| *opener).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "parse", "not an identity that opens vaults")
                .with_hint("use app, managed-identity, workload-identity or azure-cli")
        })
    }
}

/// What it takes to open a vault that is not the store's: `import` reads such. An identity that is not there is missed when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct OtherVaults {
    resource: Result<Url>,
    authority: Authority,
    ca_file: Option<PathBuf>,
    home_tenant: Option<TenantRef>,
    identities: Vec<(VaultOpener, Result<Identity>)>,
}

impl OtherVaults {
    pub(super) fn new(
        environment: Environment<'_>,
        azure: Environment<'_>,
        around: &Around<'_>,
        store: Option<&VaultConfig>,
    ) -> Self {
        let identity = |kind: &str| {
            let values = [("identity".to_owned(), Value::from(kind))].into_iter().collect();
            VaultConfig::identity(&Document { values, ..Document::default() }, environment, azure, around)
        };
        let named = store.map_or_else(|| identity("app"), |store| Ok(store.identity.clone()));
        let kinds = VaultOpener::KINDS.iter().map(|(name, opener)| (*opener, identity(name)));
        Self {
            resource: around.vaults_resource(),
            authority: around.vaults_authority(),
            ca_file: around.emulated.and(around.ca_file).map(Path::to_path_buf),
            home_tenant: around.home_tenant.cloned(),
            identities: kinds.chain([(VaultOpener::Named, named)]).collect(),
        }
    }

    /// Which vault, and which secret in it.
    pub(crate) fn address(&self, text: &str) -> Result<VaultAddress> {
        VaultAddress::parse(text, self.resource.as_ref().map_err(Clone::clone)?)
    }

    /// Opens it as `opener`, or as `app` with its own secret, in `tenant` or the configured one.
    pub(crate) fn opening(
        &self,
        address: VaultAddress,
        opener: VaultOpener,
        app: Option<(ClientId, Credentials)>,
        tenant: Option<TenantRef>,
        clock: Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Result<Opening> {
        let identity = match app.filter(|_| opener == VaultOpener::Named) {
            Some((client_id, credentials)) => {
                let tenant = tenant.or_else(|| self.home_tenant.clone()).ok_or_else(|| {
                    Error::new(ErrorKind::ConfigMissing, "import", "nothing says which tenant the vault is in")
                        .with_hint("set `tenant` in the configuration file")
                })?;
                Identity::App { client_id, tenant, credentials }
            }
            None => {
                let found = self.identities.iter().find(|(known, _)| *known == opener);
                found.map(|(_, identity)| identity.clone()).unwrap_or_else(|| {
                    Err(Error::new(ErrorKind::Internal, "import", "an identity has no place in the table"))
                })?
            }
        };
        let trust = Trust { login: self.authority.login().clone(), resource: self.resource.clone()? };
        let authority = self.authority.clone().with_vault(address.base().clone());
        Way { authority, trust, ca_file: self.ca_file.as_deref() }.opening(address, &identity, clock, retry)
    }
}

/// Whether a store or a key lives in a vault.
pub(super) fn is_address(text: &str) -> bool {
    text.starts_with("keyvault:") || text.starts_with("https:")
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
