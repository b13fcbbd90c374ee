//! What an app is configured with: a TOML file, the environment, or both.
//!
//! `PARTNERSAM_*` variables come first, then the file, then the `AZURE_*` names. Nothing is read from the working directory. A value that does not
//! fit is refused by its key's name and by what was expected; the value itself is never shown, for it might be a secret in the wrong place.

mod audit_keys;
mod declared_purposes;
mod document;
mod emulator_ready;
#[cfg(feature = "keyvault")]
mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use etcetera::BaseStrategy;
use fs_err as fs;
use serde_json::{Map, Value};
use url::Url;

pub use document::KEYS;
#[cfg(feature = "keyvault")]
pub(crate) use vault::OtherVaults;
#[cfg(feature = "keyvault")]
pub use vault::{VaultConfig, VaultOpener};

use self::document::{Document, expand_home, invalid, parsed};
use self::emulator_ready::{EmulatorApp, EmulatorReady};
use super::audit::AuditConfig;
use super::credential::certificate::{CertificateFile, CertificateFiles};
use super::credential::{AssertionCredential, Callbacks, Credentials, FederatedCredential, SecretCredential};
use crate::audience::Audience;
use crate::clock::Clock;
use crate::cloud::{Authority, Cloud};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::purpose::Purposes;
use crate::secret::{ClientSecret, DatabasePassword, Passphrase};
use crate::store::key::{AskPassphrase, KeyProvider, KeySource, credentials_directory};
use crate::store::private_file::beside;
use crate::store::{GrantStore, PasswordSource};
use crate::transport::RetryPolicy;

/// Everything that [`App::open`](super::App::open) needs to know. Made by [`Config::from_env`], [`Config::from_file`] or [`Config::from_json`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The app's client id.
    pub client_id: ClientId,
    /// The tenant that the app is registered in; for `csp` also the partner.
    pub home_tenant: Option<TenantRef>,
    /// Whose partners the app serves.
    pub profile: Profile,
    /// Where tokens come from.
    pub authority: Authority,
    /// How the app proves itself; the newer credential first.
    pub credentials: Credentials,
    /// Where grants live: `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, `keyvault://NAME` or `memory:`.
    pub store: String,
    /// Where the password of a store comes from that asks for one.
    pub store_password: PasswordSource,
    /// Where the store is a vault: which, and who opens it.
    #[cfg(feature = "keyvault")]
    pub(crate) vault: Option<VaultConfig>,
    /// What it takes to open a vault that is not the store's.
    #[cfg(feature = "keyvault")]
    pub(crate) other_vaults: OtherVaults,
    /// Where the key is in a vault: which, and who opens it.
    #[cfg(feature = "keyvault")]
    pub(crate) vault_key: Option<VaultConfig>,
    /// Where the store's key lives.
    pub key: KeySource,
    /// Where the passphrase is read from when the key is made of one.
    pub passphrase_file: Option<PathBuf>,
    /// Why tokens are asked for, where a call does not say.
    pub purpose: String,
    /// How the audit record is kept.
    pub audit: AuditConfig,
    /// The declared purposes; where there are any, a call names one of them.
    pub purposes: Purposes,
    /// Scopes to ask consent for, by audience, instead of the built-in ones.
    pub consent_scopes: BTreeMap<Audience, Vec<String>>,
    /// Audiences that are asked for at the v1 endpoint, by `resource`, because they do not know the v2 one.
    pub v1_resources: Vec<Audience>,
    /// What the app says that it can do, in the claims of every sign-in and token request: `cp1`, that it understands claims challenges, where left out at
    /// Entra. Without it tokens end within 90 minutes and cannot be withdrawn before.
    pub client_capabilities: Vec<String>,
    /// Redirect address of consents that another machine or a web page completes.
    pub redirect_uri: Option<Url>,
    /// A certificate to trust instead of the system's: the emulator's, or a test server's.
    pub ca_file: Option<PathBuf>,
}

/// Whose partners an app serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A Control Panel Vendor: partners of all kinds consent to the vendor's app.
    #[default]
    Cpv,
    /// A partner's own app, for its own tenant.
    Csp,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpv => "cpv",
            Self::Csp => "csp",
        })
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpv" => Ok(Self::Cpv),
            "csp" => Ok(Self::Csp),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "parse", "not a profile").with_hint("use cpv or csp")),
        }
    }
}

/// Where the environment's values come from; a test brings its own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process. Empty values count as absent.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the configuration file is looked for when none is named: `partnersam/config.toml` in the user's configuration folder.
pub fn default_config_path() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.config_dir().join("partnersam").join("config.toml"))
}

/// Where grants are kept when no store is named: `partnersam/grants.db` in the user's data folder.
pub fn default_store_path() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.data_dir().join("partnersam").join("grants.db"))
}

impl Config {
    /// Reads the file that `PARTNERSAM_CONFIG` names, else the user's own where there is one, then the environment.
    pub fn from_env() -> Result<Self> {
        Self::from_env_with(Callbacks::default())
    }

    /// [`Config::from_env`] with callbacks by which the app proves itself.
    pub fn from_env_with(callbacks: Callbacks) -> Result<Self> {
        Self::from_environment_and(&process_environment, callbacks)
    }

    /// [`Config::from_env`] with the environment as an argument.
    pub fn from_environment(environment: Environment<'_>) -> Result<Self> {
        Self::from_environment_and(environment, Callbacks::default())
    }

    fn from_environment_and(environment: Environment<'_>, callbacks: Callbacks) -> Result<Self> {
        match environment("PARTNERSAM_CONFIG") {
            Some(path) => Self::from_file_and(Path::new(&path), environment, callbacks),
            None => match default_config_path().filter(|path| path.is_file()) {
                Some(path) => Self::from_file_and(&path, environment, callbacks),
                None => Self::build(&Document { callbacks, ..Document::default() }, environment),
            },
        }
    }

    /// Reads `path`, then the environment.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::from_file_with(path, Callbacks::default())
    }

    /// [`Config::from_file`] with callbacks by which the app proves itself.
    pub fn from_file_with(path: &Path, callbacks: Callbacks) -> Result<Self> {
        Self::from_file_and(path, &process_environment, callbacks)
    }

    fn from_file_and(path: &Path, environment: Environment<'_>, callbacks: Callbacks) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::ConfigMissing, "open", "the configuration file cannot be read")
                .with_context("file", path.display())
                .with_cause(error.kind())
        })?;
        // The parser's own report quotes the line, and the line may hold a secret: only the place is passed on.
        let values: Map<String, Value> = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                format!("the configuration file is not valid TOML at line {line}"),
            )
            .with_context("file", path.display())
        })?;
        let document = Document { values, folder: path.parent().map(Path::to_path_buf), callbacks };
        Self::build(&document, environment).map_err(|error| error.with_context("file", path.display()))
    }

    /// Reads the same keys from a JSON object, then the environment: how C and C# configure without a file. Here the object may also hold
    /// `client_secret`, for the caller has it in memory anyway.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::from_json_with(text, Callbacks::default())
    }

    /// [`Config::from_json`] with callbacks by which the app proves itself.
    pub fn from_json_with(text: &str, callbacks: Callbacks) -> Result<Self> {
        let mut values: Map<String, Value> = serde_json::from_str(text).map_err(|_| {
            Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                "the configuration is not a JSON object with the keys of the configuration file",
            )
        })?;
        let secret = match values.remove("client_secret") {
            None | Some(Value::Null) => None,
            Some(Value::String(secret)) if !secret.is_empty() => Some(secret),
            Some(_) => return Err(invalid("client_secret", "a text")),
        };
        let with_secret = move |name: &str| {
            if name == "PARTNERSAM_CLIENT_SECRET" {
                secret.clone().or_else(|| process_environment(name))
            } else {
                process_environment(name)
            }
        };
        Self::build(&Document { values, folder: None, callbacks }, &with_secret)
    }

    fn build(document: &Document, environment: Environment<'_>) -> Result<Self> {
        document.refuse_unknown_keys()?;
        let emulator =
            environment("PARTNERSAM_EMULATOR").map(|path| EmulatorReady::read(Path::new(&path))).transpose()?;
        // A real secret must not reach the emulator by habit, so the general names do not count there.
        let azure = |name: &str| if emulator.is_some() { None } else { environment(name) };
        let pick = |own: &str, key: &'static str| -> Result<Option<(String, String)>> {
            match environment(own) {
                Some(value) => Ok(Some((own.to_owned(), value))),
                None => Ok(document.text(key)?.map(|value| (key.to_owned(), value))),
            }
        };

        let profile = parsed::<Profile>(pick("PARTNERSAM_PROFILE", "profile")?, "cpv or csp")?.unwrap_or_default();
        let cloud = match parsed::<Cloud>(pick("PARTNERSAM_CLOUD", "cloud")?, "public, us-government or china")? {
            Some(cloud) => cloud,
            None => match azure("AZURE_AUTHORITY_HOST") {
                Some(host) => cloud_of_host(&host)?,
                None => Cloud::Public,
            },
        };
        let authority = match (&emulator, document.authority()?) {
            (Some(emulator), _) => {
                let played = emulator.cloud.clone().map(|name| ("the emulator's cloud".to_owned(), name));
                let played = parsed::<Cloud>(played, "public, us-government or china")?.unwrap_or_default();
                let authority = Authority::emulator(&emulator.authority, &emulator.partner_center, &emulator.graph)?
                    .playing(played);
                match &emulator.arm {
                    Some(arm) => authority.with_emulated_arm(arm)?,
                    None => authority,
                }
            }
            (None, Some(generic)) => {
                Authority::generic(&generic.name, &generic.issuer, generic.one_use_refresh_tokens)?
            }
            (None, None) => Authority::microsoft(cloud),
        };
        let ca_file = match &emulator {
            Some(emulator) => Some(emulator.ca_file.clone()),
            None => document.authority()?.and_then(|generic| generic.ca_file),
        };
        let sample =
            emulator.as_ref().and_then(|emulator| emulator.apps.iter().find(|app| app.profile == profile.to_string()));

        let expected_id = "the app's client id, a GUID";
        let client_id = match parsed::<ClientId>(pick("PARTNERSAM_CLIENT_ID", "client_id")?, expected_id)? {
            Some(id) => id,
            None => match azure("AZURE_CLIENT_ID") {
                Some(id) => parsed(Some(("AZURE_CLIENT_ID".to_owned(), id)), expected_id)?
                    .ok_or_else(|| invalid("AZURE_CLIENT_ID", expected_id))?,
                None => match sample {
                    Some(app) => app
                        .client_id
                        .parse()
                        .map_err(|_| invalid("PARTNERSAM_EMULATOR", "a ready file of the emulator"))?,
                    None => {
                        return Err(Error::new(ErrorKind::ConfigMissing, "open", "client_id is not set")
                            .with_hint("run `partnersam init`, or set PARTNERSAM_CLIENT_ID to the client id of the app registration"));
                    }
                },
            },
        };
        if authority.kind() == crate::cloud::AuthorityKind::Entra && !client_id.is_guid() {
            return Err(invalid("client_id", expected_id));
        }
        let sample = sample.filter(|app| app.client_id.eq_ignore_ascii_case(client_id.as_str()));
        let home_tenant = match parsed::<TenantRef>(pick("PARTNERSAM_TENANT_ID", "tenant")?, "a tenant id or domain")? {
            Some(tenant) => Some(tenant),
            None => {
                let text = azure("AZURE_TENANT_ID").or_else(|| sample.map(|app| app.tenant.clone()));
                parsed(text.map(|text| ("AZURE_TENANT_ID".to_owned(), text)), "a tenant id or domain")?
            }
        };

        let purpose = pick("PARTNERSAM_PURPOSE", "purpose")?;
        let store = store_uri(pick("PARTNERSAM_STORE", "store")?)?;
        let client_capabilities = document.client_capabilities()?.unwrap_or_else(|| match authority.kind() {
            crate::cloud::AuthorityKind::Entra => vec!["cp1".to_owned()],
            crate::cloud::AuthorityKind::Generic => Vec::new(),
        });
        let credentials = Self::credentials(document, environment, &azure, &client_id, sample)?;
        let key = key_source(document, environment)?;
        #[cfg(feature = "keyvault")]
        let key_address = match &key {
            KeySource::KeyVault { address } => address.as_str(),
            _ => "",
        };
        #[cfg(feature = "keyvault")]
        let around = vault::Around {
            address: &store,
            setting: "store",
            is_used: !key_address.is_empty(),
            authority: &authority,
            ca_file: ca_file.as_deref(),
            emulated: emulator.as_ref().map(|emulator| emulator.key_vault.as_deref().unwrap_or_default()),
            client_id: &client_id,
            home_tenant: home_tenant.as_ref(),
            credentials: &credentials,
        };
        #[cfg(feature = "keyvault")]
        let vault = VaultConfig::read(document, environment, &azure, &around)?;
        Ok(Self {
            #[cfg(feature = "keyvault")]
            other_vaults: OtherVaults::new(environment, &azure, &around, vault.as_ref()),
            #[cfg(feature = "keyvault")]
            vault,
            #[cfg(feature = "keyvault")]
            vault_key: VaultConfig::read(
                document,
                environment,
                &azure,
                &vault::Around { address: key_address, setting: "key", is_used: true, ..around },
            )?,
            credentials,
            client_id,
            home_tenant,
            profile,
            audit: document.audit(&store)?,
            store,
            store_password: store_password(document, environment)?,
            key,
            passphrase_file: document.path("passphrase_file")?,
            purposes: document.purposes(purpose.as_ref(), &authority)?,
            purpose: purpose.map_or_else(|| "default".to_owned(), |(_, name)| name),
            consent_scopes: document.scopes(&authority)?,
            v1_resources: document.v1_resources(&authority)?,
            client_capabilities,
            redirect_uri: parsed::<Url>(
                document.text("redirect_uri")?.map(|text| ("redirect_uri".to_owned(), text)),
                "an absolute address",
            )?,
            ca_file,
            authority,
        })
    }

    /// A file beside the store on this host, named after it; none for a store that has no place here.
    pub(crate) fn beside_store(&self, ending: &str) -> Option<PathBuf> {
        let place = self.store.strip_prefix("sqlite:").map(PathBuf::from);
        #[cfg(feature = "keyvault")]
        let place = place.or_else(|| self.vault.as_ref().map(|vault| vault.beside.clone()));
        place.filter(|place| place.file_name().is_some()).map(|place| beside(&place, ending))
    }

    /// What hands out the store's key. Nothing is asked yet.
    #[cfg_attr(
        not(feature = "keyvault"),
        expect(unused_variables, reason = "only a vault tells the time and tries again")
    )]
    pub(crate) fn key_provider(
        &self,
        ask: Option<AskPassphrase>,
        clock: &Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Arc<dyn KeyProvider> {
        #[cfg(feature = "keyvault")]
        if let Some(vault) = &self.vault_key {
            return vault.key(Arc::clone(clock), retry);
        }
        self.key.clone().provider(ask.or_else(|| self.ask_passphrase()))
    }

    /// Opens the store that is named. Nothing is sent, and nothing on a disk is touched yet.
    #[cfg_attr(
        not(feature = "keyvault"),
        expect(unused_variables, reason = "only a vault tells the time and tries again")
    )]
    pub(crate) fn open_store(
        &self,
        keys: Arc<dyn KeyProvider>,
        clock: &Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Result<Arc<dyn GrantStore>> {
        #[cfg(feature = "keyvault")]
        if let Some(vault) = &self.vault {
            return vault.store(keys, Arc::clone(clock), retry);
        }
        crate::store::open(&self.store, keys, self.store_password.clone())
    }

    /// Reads the passphrase from its file, each time anew.
    pub(crate) fn ask_passphrase(&self) -> Option<AskPassphrase> {
        let path = self.passphrase_file.clone()?;
        Some(Box::new(move || {
            let text = zeroize::Zeroizing::new(fs::read_to_string(&path).map_err(|error| {
                Error::new(ErrorKind::StoreKeyMissing, "open", "the file that passphrase_file names cannot be read")
                    .with_context("file", path.display())
                    .with_cause(error.kind())
            })?);
            Ok(Passphrase::new(text.trim_end_matches(['\r', '\n'])))
        }))
    }

    /// The first of: the variable, the file's credential and its older one, the general variables, the emulator's sample.
    fn credentials(
        document: &Document,
        environment: Environment<'_>,
        azure: Environment<'_>,
        client_id: &ClientId,
        sample: Option<&EmulatorApp>,
    ) -> Result<Credentials> {
        if let Some(secret) = environment("PARTNERSAM_CLIENT_SECRET").filter(|_| document.callbacks.is_empty()) {
            return Ok(Credentials::one(SecretCredential::new(ClientSecret::new(secret))));
        }
        let one_use = document.authority()?.is_some();
        if let Some(credentials) = document.credentials(environment, one_use)? {
            let older = document.older()?.map(|older| older.credentials(environment, one_use)).transpose()?.flatten();
            return Ok(match older {
                Some(older) => credentials.chain(older),
                None => credentials,
            });
        }
        // What belongs to another app would only be refused, after it had been shown.
        let azure_app_is_ours = azure("AZURE_CLIENT_ID").is_some_and(|id| id.eq_ignore_ascii_case(client_id.as_str()));
        let azure = |name: &str| azure(name).filter(|_| azure_app_is_ours);
        if let Some(secret) = azure("AZURE_CLIENT_SECRET") {
            return Ok(Credentials::one(SecretCredential::new(ClientSecret::new(secret))));
        }
        if let Some(path) = azure("AZURE_FEDERATED_TOKEN_FILE") {
            return Ok(Credentials::one(FederatedCredential::from_file(PathBuf::from(path))));
        }
        if let Some(path) = azure("AZURE_CLIENT_CERTIFICATE_PATH") {
            let files = CertificateFiles { certificate: PathBuf::from(path), ..CertificateFiles::default() };
            return Ok(Credentials::one(AssertionCredential::new(CertificateFile::new(files))));
        }
        match sample.and_then(|app| app.client_secret.clone()) {
            Some(secret) => Ok(Credentials::one(SecretCredential::new(ClientSecret::new(secret)))),
            // Not an error yet: a token from a warm store needs none.
            None => Ok(Credentials::default()),
        }
    }
}

fn cloud_of_host(host: &str) -> Result<Cloud> {
    let host = host.trim().trim_end_matches('/').trim_start_matches("https://").to_ascii_lowercase();
    Cloud::ALL
        .into_iter()
        .find(|cloud| cloud.signs_in_at(&host))
        .ok_or_else(|| invalid("AZURE_AUTHORITY_HOST", "the login host of a Microsoft cloud"))
}

fn store_uri(named: Option<(String, String)>) -> Result<String> {
    match named {
        Some((key, text)) => match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let path = expand_home(path);
                if path.is_relative() {
                    Err(invalid(&key, "sqlite: and an absolute path"))
                } else {
                    Ok(format!("sqlite:{}", path.display()))
                }
            }
            Some(("memory", "")) => Ok(text),
            // Looked at now, for it may have a password in it, and this configuration is shown.
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                crate::store::check_database(&text).map_err(|error| error.with_context("key", &key)).map(|()| text)
            }
            Some(("keyvault" | "https", _)) => Ok(text),
            _ => Err(invalid(&key, "sqlite:PATH, postgres://USER@HOST/DATABASE, keyvault://NAME or memory:")),
        },
        None => match default_store_path() {
            Some(path) => Ok(format!("sqlite:{}", path.display())),
            None => Err(Error::new(
                ErrorKind::ConfigMissing,
                "open",
                "store is not set and this account has no home folder",
            )
            .with_hint("set PARTNERSAM_STORE to sqlite: and an absolute path")),
        },
    }
}

/// A file of our own first, then libpq's variables and its file in the home folder.
fn store_password(document: &Document, environment: Environment<'_>) -> Result<PasswordSource> {
    let home = || etcetera::home_dir().ok().map(|home| home.join(".pgpass")).filter(|path| path.is_file());
    Ok(PasswordSource {
        file: document.path("store_password_file")?,
        given: environment("PGPASSWORD").map(|password| Arc::new(DatabasePassword::new(password))),
        passfile: environment("PGPASSFILE").map(|path| expand_home(&path)).or_else(home),
    })
}

fn key_source(document: &Document, environment: Environment<'_>) -> Result<KeySource> {
    if let Some(path) = environment("PARTNERSAM_KEY_FILE") {
        return Ok(KeySource::File(expand_home(&path)));
    }
    let expected = "keyring, file:PATH, passphrase, credentials-directory or keyvault://NAME";
    match document.text("key")?.as_deref() {
        Some(text) => match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(KeySource::File(document.resolve(path))),
            _ => text.parse().map_err(|_| invalid("key", expected)),
        },
        // A service that was handed a key (systemd's LoadCredential) means it to be used.
        None => {
            let handed = environment("CREDENTIALS_DIRECTORY")
                .is_some_and(|folder| Path::new(&folder).join(credentials_directory::DEFAULT_NAME).is_file());
            let source = if handed { "credentials-directory" } else { "keyring" };
            source.parse().map_err(|_| invalid("key", expected))
        }
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests;
