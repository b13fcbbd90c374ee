//! What an app is configured with: a TOML file, the environment, or both.
//!
//! `PARTNERSAM_*` variables come first, then the file, then the `AZURE_*` names. Nothing is read from the working directory. A value that does not
//! fit is refused by its key's name and by what was expected; the value itself is never shown, for it might be a secret in the wrong place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use etcetera::BaseStrategy;
use fs_err as fs;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::credential::certificate::{Certificate, CertificateFile, CertificateFiles};
use super::credential::signer::CommandSigner;
use super::credential::{AssertionCredential, Credentials, FederatedCredential, PublicClient, SecretCredential};
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::cloud::{Authority, Cloud};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::secret::{ClientSecret, Passphrase};
use crate::store::key::{AskPassphrase, KeySource, credentials_directory};

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
    /// Where grants live: `sqlite:PATH` or `memory:`.
    pub store: String,
    /// Where the store's key lives.
    pub key: KeySource,
    /// Where the passphrase is read from when the key is made of one.
    pub passphrase_file: Option<PathBuf>,
    /// Why tokens are asked for, where a call does not say.
    pub purpose: String,
    /// Scopes to ask consent for, by audience, instead of the built-in ones.
    pub consent_scopes: BTreeMap<Audience, Vec<String>>,
    /// Audiences that are asked for at the v1 endpoint, by `resource`, because they do not know the v2 one.
    pub v1_resources: Vec<Audience>,
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

/// The keys that a configuration file may have, in the order `init` writes them.
pub const KEYS: &[&str] = &[
    "client_id",
    "tenant",
    "cloud",
    "profile",
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
    "public_client",
    "store",
    "key",
    "passphrase_file",
    "purpose",
    "redirect_uri",
    "scopes",
    "v1_resources",
    "authority",
];

impl Config {
    /// Reads the file that `PARTNERSAM_CONFIG` names, else the user's own where there is one, then the environment.
    pub fn from_env() -> Result<Self> {
        Self::from_environment(&process_environment)
    }

    /// [`Config::from_env`] with the environment as an argument.
    pub fn from_environment(environment: Environment<'_>) -> Result<Self> {
        match environment("PARTNERSAM_CONFIG") {
            Some(path) => Self::from_file_and(Path::new(&path), environment),
            None => match default_config_path().filter(|path| path.is_file()) {
                Some(path) => Self::from_file_and(&path, environment),
                None => Self::build(&Document::default(), environment),
            },
        }
    }

    /// Reads `path`, then the environment.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::from_file_and(path, &process_environment)
    }

    fn from_file_and(path: &Path, environment: Environment<'_>) -> Result<Self> {
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
        let document = Document { values, folder: path.parent().map(Path::to_path_buf) };
        Self::build(&document, environment).map_err(|error| error.with_context("file", path.display()))
    }

    /// Reads the same keys from a JSON object, then the environment: how C and C# configure without a file. Here the object may also hold
    /// `client_secret`, for the caller has it in memory anyway.
    pub fn from_json(text: &str) -> Result<Self> {
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
        Self::build(&Document { values, folder: None }, &with_secret)
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
            (Some(emulator), _) => Authority::emulator(&emulator.authority, &emulator.partner_center, &emulator.graph)?,
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

        Ok(Self {
            credentials: Self::credentials(document, environment, &azure, &client_id, sample)?,
            client_id,
            home_tenant,
            profile,
            authority,
            store: store_uri(pick("PARTNERSAM_STORE", "store")?)?,
            key: key_source(document, environment)?,
            passphrase_file: document.path("passphrase_file")?,
            purpose: document.text("purpose")?.unwrap_or_else(|| "default".to_owned()),
            consent_scopes: document.scopes()?,
            v1_resources: document.v1_resources()?,
            redirect_uri: parsed::<Url>(
                document.text("redirect_uri")?.map(|text| ("redirect_uri".to_owned(), text)),
                "an absolute address",
            )?,
            ca_file,
        })
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
        if let Some(secret) = environment("PARTNERSAM_CLIENT_SECRET") {
            return Ok(Credentials::one(SecretCredential::new(ClientSecret::new(secret))));
        }
        if let Some(credentials) = document.credentials(environment)? {
            return Ok(match document.older()?.map(|older| older.credentials(environment)).transpose()?.flatten() {
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

/// The parsed file before anything is made of it.
#[derive(Default)]
struct Document {
    values: Map<String, Value>,
    /// Relative paths in a file are relative to its folder, never to the working directory.
    folder: Option<PathBuf>,
}

#[derive(Deserialize)]
struct GenericAuthority {
    name: String,
    issuer: String,
    #[serde(default)]
    one_use_refresh_tokens: bool,
    ca_file: Option<PathBuf>,
}

impl Document {
    fn refuse_unknown_keys(&self) -> Result<()> {
        for key in self.values.keys() {
            if key == "client_secret" || key == "password" || key == "passphrase" {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "open",
                    format!("{key} must not stand in the configuration file"),
                )
                .with_hint(match key.as_str() {
                    "client_secret" => {
                        "put it into a file that only this account can read and name that with client_secret_file"
                    }
                    "passphrase" => {
                        "put it into a file that only this account can read and name that with passphrase_file"
                    }
                    _ => "partnersam needs no password: run `partnersam consent PARTNER`, then delete it",
                }));
            }
            if !KEYS.contains(&key.as_str()) {
                return Err(Error::new(ErrorKind::ConfigInvalid, "open", format!("unknown key: {key}"))
                    .with_hint(format!("the keys are {}", KEYS.join(", "))));
            }
        }
        Ok(())
    }

    /// The credential that the document's own keys name.
    fn credentials(&self, environment: Environment<'_>) -> Result<Option<Credentials>> {
        let ends = self.date("client_secret_expires")?;
        if let Some(certificate) = self.path("certificate_file")? {
            let algorithm = parsed(
                self.text("assertion_algorithm")?.map(|text| ("assertion_algorithm".to_owned(), text)),
                "PS256 or RS256",
            )?;
            let credential = match self.list("credential_command")? {
                Some(command) => {
                    AssertionCredential::new(CommandSigner::new(Certificate::from_pem_file(&certificate)?, command)?)
                }
                None => AssertionCredential::new(CertificateFile::new(CertificateFiles {
                    certificate,
                    key: self.path("certificate_key_file")?,
                    passphrase: self.path("certificate_passphrase_file")?,
                })),
            };
            let credential = credential
                .with_algorithm(algorithm.unwrap_or_default())
                .sending_chain(self.boolean("certificate_send_chain")?);
            return Ok(Some(Credentials::one(credential)));
        }
        if self.values.contains_key("credential_command") {
            return Err(Error::new(ErrorKind::ConfigMissing, "open", "certificate_file is not set").with_hint(
                "credential_command signs with a key that is elsewhere; certificate_file names its certificate, in PEM",
            ));
        }
        if let Some(path) = self.path("federated_token_file")? {
            return Ok(Some(Credentials::one(FederatedCredential::from_file(path))));
        }
        if let Some(path) = self.path("client_secret_file")? {
            return Ok(Some(Credentials::one(SecretCredential::from_file(path).expiring(ends))));
        }
        if let Some(name) = self.text("client_secret_env")? {
            let secret = environment(&name).ok_or_else(|| {
                Error::new(ErrorKind::ConfigMissing, "open", "the variable that client_secret_env names is not set")
                    .with_context("variable", &name)
            })?;
            return Ok(Some(Credentials::one(SecretCredential::new(ClientSecret::new(secret)).expiring(ends))));
        }
        Ok(self.boolean("public_client")?.then(|| Credentials::one(PublicClient)))
    }

    /// The credential to fall back to, with the same keys in a table of its own.
    fn older(&self) -> Result<Option<Self>> {
        match self.values.get("older_credential") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(values)) => {
                let older = Self { values: values.clone(), folder: self.folder.clone() };
                older.refuse_unknown_keys()?;
                Ok(Some(older))
            }
            Some(_) => Err(invalid("older_credential", "a table with the keys of a credential")),
        }
    }

    /// A day such as `2027-01-31`, taken as its beginning in UTC.
    fn date(&self, key: &'static str) -> Result<Option<UnixTime>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let day = time::format_description::parse_borrowed::<2>("[year]-[month]-[day]")
            .map_err(|_| invalid(key, "a date"))?;
        let date = time::Date::parse(&text, &day).map_err(|_| invalid(key, "a date such as 2027-01-31"))?;
        Ok(Some(UnixTime(date.midnight().assume_utc().unix_timestamp())))
    }

    fn list(&self, key: &'static str) -> Result<Option<Vec<String>>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(list) => serde_json::from_value(list.clone()).map(Some).map_err(|_| invalid(key, "a list of texts")),
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<String>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(invalid(key, "a text")),
        }
    }

    fn boolean(&self, key: &'static str) -> Result<bool> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(invalid(key, "true or false")),
        }
    }

    fn path(&self, key: &'static str) -> Result<Option<PathBuf>> {
        Ok(self.text(key)?.map(|text| self.resolve(&text)))
    }

    fn resolve(&self, text: &str) -> PathBuf {
        let path = expand_home(text);
        match &self.folder {
            Some(folder) if path.is_relative() => folder.join(path),
            _ => path,
        }
    }

    fn scopes(&self) -> Result<BTreeMap<Audience, Vec<String>>> {
        let expected = "a table from audience to a list of scopes";
        let table = match self.values.get("scopes") {
            None | Some(Value::Null) => return Ok(BTreeMap::new()),
            Some(Value::Object(table)) => table,
            Some(_) => return Err(invalid("scopes", expected)),
        };
        let mut scopes = BTreeMap::new();
        for (name, list) in table {
            let audience: Audience = name.parse().map_err(|_| invalid("scopes", expected))?;
            let list: Vec<String> = serde_json::from_value(list.clone()).map_err(|_| invalid("scopes", expected))?;
            if list.is_empty()
                || list.iter().any(|scope| {
                    scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
                })
            {
                return Err(invalid("scopes", expected));
            }
            scopes.insert(audience, list);
        }
        Ok(scopes)
    }

    fn v1_resources(&self) -> Result<Vec<Audience>> {
        let expected = "a list of audiences that are resources";
        match self.values.get("v1_resources") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(list) => {
                let names: Vec<String> =
                    serde_json::from_value(list.clone()).map_err(|_| invalid("v1_resources", expected))?;
                let audiences = names.iter().map(|name| name.parse()).collect::<Result<Vec<Audience>>>();
                let audiences = audiences.map_err(|_| invalid("v1_resources", expected))?;
                if audiences.iter().any(|audience| matches!(audience, Audience::Scope(_))) {
                    return Err(invalid("v1_resources", expected));
                }
                Ok(audiences)
            }
        }
    }

    fn authority(&self) -> Result<Option<GenericAuthority>> {
        match self.values.get("authority") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let mut generic: GenericAuthority = serde_json::from_value(value.clone())
                    .map_err(|_| invalid("authority", "a table with name and issuer"))?;
                generic.ca_file = generic.ca_file.map(|path| self.resolve(&path.to_string_lossy()));
                Ok(Some(generic))
            }
        }
    }
}

/// What of the emulator's ready file matters here.
#[derive(Deserialize)]
struct EmulatorReady {
    authority: String,
    partner_center: String,
    graph: String,
    ca_file: PathBuf,
    #[serde(default)]
    apps: Vec<EmulatorApp>,
}

#[derive(Deserialize)]
struct EmulatorApp {
    #[serde(default)]
    profile: String,
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    tenant: String,
}

impl EmulatorReady {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "open", "the emulator's ready file cannot be read")
                .with_context("PARTNERSAM_EMULATOR", path.display())
                .with_cause(error.kind())
                .with_hint("start it with `partnersam emulator --ready-file FILE`, or unset PARTNERSAM_EMULATOR")
        })?;
        serde_json::from_str(&text).map_err(|_| invalid("PARTNERSAM_EMULATOR", "a ready file of the emulator"))
    }
}

fn invalid(key: &str, expected: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", format!("{key} must be {expected}"))
}

fn parsed<T: FromStr>(value: Option<(String, String)>, expected: &str) -> Result<Option<T>> {
    value.map(|(key, text)| text.trim().parse().map_err(|_| invalid(&key, expected))).transpose()
}

fn cloud_of_host(host: &str) -> Result<Cloud> {
    let host = host.trim().trim_end_matches('/').trim_start_matches("https://");
    Cloud::ALL
        .into_iter()
        .find(|cloud| cloud.hosts().authority.strip_prefix("https://") == Some(host))
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
            _ => Err(invalid(&key, "sqlite:PATH or memory:")),
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

fn key_source(document: &Document, environment: Environment<'_>) -> Result<KeySource> {
    if let Some(path) = environment("PARTNERSAM_KEY_FILE") {
        return Ok(KeySource::File(expand_home(&path)));
    }
    let expected = "keyring, file:PATH, passphrase or credentials-directory";
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

fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn with(file: &str, environment: &[(&str, &str)]) -> Result<Config> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        fs::write(&path, file).expect("a file");
        let mut variables: HashMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.insert("PARTNERSAM_CONFIG".to_owned(), path.display().to_string());
        variables.entry("PARTNERSAM_STORE".to_owned()).or_insert_with(|| "memory:".to_owned());
        Config::from_environment(&move |name| variables.get(name).cloned())
    }

    fn refusal(file: &str, environment: &[(&str, &str)]) -> Error {
        with(file, environment).expect_err("a refusal")
    }

    #[test]
    fn own_variables_come_first_then_the_file_then_the_general_names() {
        let file = format!("client_id = \"{ID}\"\ntenant = \"file.example\"\n");
        let other = "bbbbbbbb-0000-cccc-1111-dddd2222eeee";
        let config =
            with(&file, &[("AZURE_CLIENT_ID", other), ("AZURE_TENANT_ID", "azure.example")]).expect("a configuration");
        assert_eq!(config.client_id.as_str(), ID);
        assert_eq!(config.home_tenant.expect("a tenant").to_string(), "file.example");
        let config = with(&file, &[("PARTNERSAM_CLIENT_ID", other)]).expect("a configuration");
        assert_eq!(config.client_id.as_str(), other);
        let config =
            with("", &[("AZURE_CLIENT_ID", other), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")])
                .expect("a configuration");
        assert_eq!((config.client_id.as_str(), config.authority.cloud()), (other, Cloud::UsGovernment));
    }

    #[test]
    fn a_secret_of_another_app_is_not_used() {
        let file = format!("client_id = \"{ID}\"");
        let secret = ("AZURE_CLIENT_SECRET", "not-a-real-secret");
        let config = with(&file, &[secret, ("AZURE_CLIENT_ID", "bbbbbbbb-0000-cccc-1111-dddd2222eeee")])
            .expect("a configuration");
        assert!(config.credentials.all().is_empty());
        let config = with(&file, &[secret, ("AZURE_CLIENT_ID", ID)]).expect("a configuration");
        assert_eq!(config.credentials.all().len(), 1);
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_key_and_never_shown() {
        let marker = "not-to-be-shown";
        for (key, file) in [
            ("client_id", format!("client_id = \"{marker}\"")),
            ("tenant", format!("client_id = \"{ID}\"\ntenant = \"{marker}/x\"")),
            ("cloud", format!("client_id = \"{ID}\"\ncloud = \"{marker}\"")),
            ("profile", format!("client_id = \"{ID}\"\nprofile = \"{marker}\"")),
            ("key", format!("client_id = \"{ID}\"\nkey = \"{marker}\"")),
            ("redirect_uri", format!("client_id = \"{ID}\"\nredirect_uri = \"{marker}\"")),
            ("scopes", format!("client_id = \"{ID}\"\nscopes = \"{marker}\"")),
            ("v1_resources", format!("client_id = \"{ID}\"\nv1_resources = [\"{marker}\"]")),
            ("authority", format!("client_id = \"{ID}\"\nauthority = \"{marker}\"")),
            ("public_client", format!("client_id = \"{ID}\"\npublic_client = \"{marker}\"")),
            ("line 2", format!("client_id = \"{ID}\"\ntenant = {marker}")),
            ("client_secret", format!("client_secret = \"{marker}\"")),
            ("password", format!("password = \"{marker}\"")),
        ] {
            let error = refusal(&file, &[]);
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{key}");
            let text = format!("{error:?} {}", error.to_json());
            assert!(text.contains(key), "{key} is not named: {text}");
            assert!(!text.contains(marker), "{key} shows its value: {text}");
        }
        let error = refusal(
            "",
            &[("PARTNERSAM_STORE", "postgres://user:not-to-be-shown@host/db"), ("PARTNERSAM_CLIENT_ID", ID)],
        );
        assert!(error.message().starts_with("PARTNERSAM_STORE must be") && !format!("{error:?}").contains(marker));
    }

    #[test]
    fn an_unknown_key_is_not_passed_over() {
        let error = refusal(&format!("client_id = \"{ID}\"\nteant = \"x\""), &[]);
        assert_eq!(error.message(), "unknown key: teant");
    }

    #[test]
    fn without_an_app_the_user_is_told_where_to_begin() {
        let error = refusal("", &[]);
        assert_eq!(error.kind(), ErrorKind::ConfigMissing);
        assert!(error.hint().contains("partnersam init"));
    }

    #[test]
    fn paths_in_a_file_are_relative_to_it_and_a_store_is_never_in_the_working_directory() {
        let config = with(&format!("client_id = \"{ID}\"\nclient_secret_file = \"secret\"\nkey = \"file:key\""), &[])
            .expect("a configuration");
        let secret = config.credentials.all().first().expect("a credential").describe();
        assert!(Path::new(secret.trim_start_matches("client secret in ")).is_absolute(), "{secret}");
        assert!(matches!(&config.key, KeySource::File(path) if path.is_absolute()));
        assert_eq!(
            refusal(&format!("client_id = \"{ID}\""), &[("PARTNERSAM_STORE", "sqlite:grants.db")]).kind(),
            ErrorKind::ConfigInvalid
        );
    }

    #[test]
    fn the_emulator_is_named_or_not_reachable_and_never_gets_a_real_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let ready = folder.path().join("ready.json");
        let app = format!(
            "{{\"profile\":\"cpv\",\"client_id\":\"{ID}\",\"client_secret\":\"not-a-real-secret\",\"tenant\":\"vendor.example\"}}"
        );
        let ready_text = |host: &str| {
            format!(
                "{{\"authority\":\"https://{host}:1\",\"partner_center\":\"https://{host}:2\",\"graph\":\"https://{host}:3\",\"ca_file\":\"/ca.pem\",\"apps\":[{app}]}}"
            )
        };
        fs::write(&ready, ready_text("localhost")).expect("a file");
        let path = ready.display().to_string();
        let config = with(
            "",
            &[
                ("PARTNERSAM_EMULATOR", &path),
                ("AZURE_CLIENT_ID", "bbbbbbbb-0000-cccc-1111-dddd2222eeee"),
                ("AZURE_CLIENT_SECRET", "real"),
            ],
        )
        .expect("a configuration");
        assert_eq!((config.client_id.as_str(), config.authority.name()), (ID, "emulator"));
        fs::write(&ready, ready_text("evil.example")).expect("a file");
        assert_eq!(refusal("", &[("PARTNERSAM_EMULATOR", &path)]).kind(), ErrorKind::ConfigInvalid);
        assert_eq!(with(&format!("client_id = \"{ID}\""), &[]).expect("a configuration").authority.name(), "public");
    }

    #[test]
    fn a_generic_authority_is_a_configuration_of_its_own() {
        let file = "client_id = \"lab-client\"\npublic_client = true\n[authority]\nname = \"lab\"\nissuer = \"https://id.lab.example/\"\none_use_refresh_tokens = true\n";
        let config = with(file, &[]).expect("a configuration");
        assert_eq!(config.authority.name(), "generic:lab");
        assert!(config.authority.one_use_refresh_tokens());
        assert_eq!(
            refusal("client_id = \"lab-client\"", &[]).kind(),
            ErrorKind::ConfigInvalid,
            "Entra's client ids are GUIDs"
        );
        assert_eq!(refusal(&file.replace("https://id", "http://id"), &[]).kind(), ErrorKind::ConfigInvalid);
    }

    #[test]
    fn json_takes_the_same_keys_and_a_secret_in_memory() {
        let config = Config::from_json(&format!(
            "{{\"client_id\":\"{ID}\",\"client_secret\":\"not-a-real-secret\",\"store\":\"memory:\"}}"
        ))
        .expect("a configuration");
        assert_eq!(config.credentials.all().len(), 1);
        assert!(!format!("{config:?}").contains("not-a-real-secret"));
        assert_eq!(Config::from_json("[]").expect_err("not an object").kind(), ErrorKind::ConfigInvalid);
    }
}
