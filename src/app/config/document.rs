//! A configuration file, or the same keys in JSON, before anything is made of it: each key is read by its name and refused by its name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Environment;
use crate::app::credential::certificate::{Certificate, CertificateFile, CertificateFiles};
use crate::app::credential::signer::{CommandSigner, ExternalSigner};
use crate::app::credential::{
    AssertionCredential, Callbacks, Credentials, FederatedCredential, PublicClient, SecretCredential,
};
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::cloud::Authority;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::ClientSecret;

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
    "store_password_file",
    "key",
    "vault",
    "passphrase_file",
    "purpose",
    "purposes",
    "audit",
    "audit_key_file",
    "audit_fsync",
    "audit_rotate_bytes",
    "audit_when_unwritable",
    "audit_memory_hits",
    "redirect_uri",
    "scopes",
    "v1_resources",
    "client_capabilities",
    "authority",
];

/// Those of a credential, which may stand in `older_credential` and in `vault`, too.
#[cfg(any(feature = "keyvault", test))]
pub(super) const CREDENTIAL_KEYS: &[&str] = KEYS.split_at(4).1.split_at(11).0;

/// The parsed file before anything is made of it.
#[derive(Default)]
pub(super) struct Document {
    pub(super) values: Map<String, Value>,
    /// Relative paths in a file are relative to its folder, never to the working directory.
    pub(super) folder: Option<PathBuf>,
    /// What the caller brought along; comes before what the file names.
    pub(super) callbacks: Callbacks,
}

#[derive(Deserialize)]
pub(super) struct GenericAuthority {
    pub(super) name: String,
    pub(super) issuer: String,
    #[serde(default)]
    pub(super) one_use_refresh_tokens: bool,
    pub(super) ca_file: Option<PathBuf>,
}

impl Document {
    pub(super) fn refuse_unknown_keys(&self) -> Result<()> {
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
    pub(super) fn credentials(
        &self,
        environment: Environment<'_>,
        one_use_assertions: bool,
    ) -> Result<Option<Credentials>> {
        if let Some(fetch) = &self.callbacks.assertion {
            return Ok(Some(Credentials::one(FederatedCredential::from_shared(fetch.clone()))));
        }
        let ends = self.date("client_secret_expires")?;
        if let Some(certificate) = self.path("certificate_file")? {
            let algorithm = parsed(
                self.text("assertion_algorithm")?.map(|text| ("assertion_algorithm".to_owned(), text)),
                "PS256 or RS256",
            )?;
            let credential = match (&self.callbacks.signer, self.list("credential_command")?) {
                (Some(sign), _) => AssertionCredential::new(ExternalSigner::from_shared(
                    Certificate::from_pem_file(&certificate)?,
                    sign.clone(),
                )),
                (None, Some(command)) => {
                    AssertionCredential::new(CommandSigner::new(Certificate::from_pem_file(&certificate)?, command)?)
                }
                (None, None) => AssertionCredential::new(CertificateFile::new(CertificateFiles {
                    certificate,
                    key: self.path("certificate_key_file")?,
                    passphrase: self.path("certificate_passphrase_file")?,
                })),
            };
            let credential = credential
                .for_one_use(one_use_assertions)
                .with_algorithm(algorithm.unwrap_or_default())
                .sending_chain(self.boolean("certificate_send_chain")?);
            return Ok(Some(Credentials::one(credential)));
        }
        if self.values.contains_key("credential_command") || self.callbacks.signer.is_some() {
            return Err(Error::new(ErrorKind::ConfigMissing, "open", "certificate_file is not set").with_hint(
                "credential_command or the signer signs with a key that is elsewhere; certificate_file names its certificate, in PEM",
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
    pub(super) fn older(&self) -> Result<Option<Self>> {
        match self.values.get("older_credential") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(values)) => {
                let older =
                    Self { values: values.clone(), folder: self.folder.clone(), callbacks: Callbacks::default() };
                older.refuse_unknown_keys()?;
                Ok(Some(older))
            }
            Some(_) => Err(invalid("older_credential", "a table with the keys of a credential")),
        }
    }

    /// A day such as `2027-01-31`, taken as its beginning in UTC.
    pub(super) fn date(&self, key: &'static str) -> Result<Option<UnixTime>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let day = time::format_description::parse_borrowed::<2>("[year]-[month]-[day]")
            .map_err(|_| invalid(key, "a date"))?;
        let date = time::Date::parse(&text, &day).map_err(|_| invalid(key, "a date such as 2027-01-31"))?;
        Ok(Some(UnixTime(date.midnight().assume_utc().unix_timestamp())))
    }

    pub(super) fn list(&self, key: &'static str) -> Result<Option<Vec<String>>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(list) => serde_json::from_value(list.clone()).map(Some).map_err(|_| invalid(key, "a list of texts")),
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Result<Option<String>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(invalid(key, "a text")),
        }
    }

    pub(super) fn boolean(&self, key: &'static str) -> Result<bool> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(invalid(key, "true or false")),
        }
    }

    pub(super) fn path(&self, key: &'static str) -> Result<Option<PathBuf>> {
        Ok(self.text(key)?.map(|text| self.resolve(&text)))
    }

    pub(super) fn resolve(&self, text: &str) -> PathBuf {
        let path = expand_home(text);
        match &self.folder {
            Some(folder) if path.is_relative() => folder.join(path),
            _ => path,
        }
    }

    pub(super) fn scopes(&self, authority: &Authority) -> Result<BTreeMap<Audience, Vec<String>>> {
        let expected = "a table from audience to a list of scopes";
        let table = match self.values.get("scopes") {
            None | Some(Value::Null) => return Ok(BTreeMap::new()),
            Some(Value::Object(table)) => table,
            Some(_) => return Err(invalid("scopes", expected)),
        };
        let mut scopes = BTreeMap::new();
        for (name, list) in table {
            let audience: Audience = name.parse().map_err(|_| invalid("scopes", expected))?;
            let audience = audience.at(authority)?.into_owned();
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

    pub(super) fn client_capabilities(&self) -> Result<Option<Vec<String>>> {
        let expected = "a list of capabilities such as cp1";
        let Some(list) = self.values.get("client_capabilities").filter(|list| !list.is_null()) else { return Ok(None) };
        let names: Vec<String> =
            serde_json::from_value(list.clone()).map_err(|_| invalid("client_capabilities", expected))?;
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if names.len() > 16 || !names.iter().all(is_name) {
            return Err(invalid("client_capabilities", expected));
        }
        Ok(Some(names))
    }

    pub(super) fn v1_resources(&self, authority: &Authority) -> Result<Vec<Audience>> {
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
                audiences.iter().map(|audience| audience.at(authority).map(Cow::into_owned)).collect()
            }
        }
    }

    pub(super) fn authority(&self) -> Result<Option<GenericAuthority>> {
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

pub(super) fn invalid(key: &str, expected: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", format!("{key} must be {expected}"))
}

pub(super) fn parsed<T: FromStr>(value: Option<(String, String)>, expected: &str) -> Result<Option<T>> {
    value.map(|(key, text)| text.trim().parse().map_err(|_| invalid(&key, expected))).transpose()
}

pub(super) fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}
