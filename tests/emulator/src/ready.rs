//! The ready file: one JSON object that says where everything listens and whom it knows.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;

/// What the ready file holds. The URLs have no trailing slash.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ready {
    /// 1; raised when a field changes its meaning or goes.
    pub schema_version: u32,
    /// The cloud that is played.
    #[serde(default)]
    pub cloud: Cloud,
    /// The process that listens.
    pub pid: u32,
    /// Entra ID, e.g. `https://localhost:41001`.
    pub authority: String,
    /// The Partner Center API.
    pub partner_center: String,
    /// Microsoft Graph.
    pub graph: String,
    /// Azure Resource Manager.
    pub arm: String,
    /// Key Vault: the vault `emulator`; `NAME.vault.localhost` at the same port is the vault NAME.
    #[serde(default)]
    pub key_vault: String,
    /// Where a workload gets tokens without a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentity>,
    /// Scenarios and the request log.
    pub control: String,
    /// The issuer of federated tokens (`POST /federated-token` at `control`), an identity provider that is not Entra.
    #[serde(default)]
    pub workload_issuer: String,
    /// The certificate authority of all ports, PEM.
    pub ca_file: PathBuf,
    /// The sample tenants.
    pub tenants: Vec<Tenant>,
    /// The sample users.
    pub users: Vec<User>,
    /// The sample partners' customers.
    pub customers: Vec<Customer>,
    /// The sample app registrations.
    pub apps: Vec<App>,
}

/// What a tenant is in the samples' story.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TenantKind {
    /// A Cloud Solution Provider partner.
    Partner,
    /// A control panel vendor.
    Vendor,
    /// A partner's customer.
    Customer,
}

/// A tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tenant {
    /// Its GUID.
    pub id: String,
    /// Its verified domain.
    pub domain: String,
    /// Its display name.
    pub name: String,
    /// What it is.
    pub kind: TenantKind,
}

/// A person who can sign in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct User {
    /// The name to sign in with.
    pub upn: String,
    /// A made-up password.
    pub password: String,
    /// The object id.
    pub oid: String,
    /// The GUID of the home tenant.
    pub tenant: String,
    /// Whether MFA is registered.
    pub mfa: bool,
    /// The code that the MFA page accepts.
    pub otp: String,
    /// Whether this user may consent to what is not consented to yet.
    pub admin: bool,
}

/// A customer of a partner.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Customer {
    /// The GUID of the customer's tenant.
    pub id: String,
    /// Its verified domain.
    pub domain: String,
    /// Its display name.
    pub name: String,
    /// The GUID of the partner's tenant.
    pub partner: String,
}

/// An app registration.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct App {
    /// `cpv`, `csp`, or `public` for the public client.
    pub profile: String,
    /// The application (client) id.
    pub client_id: String,
    /// A made-up client secret; the public client has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// The GUID of the home tenant.
    pub tenant: String,
    /// Where an authorization reply may go; `http://localhost` stands for any port.
    pub redirect_uris: Vec<String>,
    /// Whether it is a public client (no credential).
    pub public: bool,
    /// Certificates that the app may prove itself with instead of the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// Identity providers whose tokens the app may prove itself with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federated_credentials: Vec<FederatedCredential>,
}

/// A managed identity, as App Service gives it to a program.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ManagedIdentity {
    /// `IDENTITY_ENDPOINT`.
    pub endpoint: String,
    /// `IDENTITY_HEADER`, made up.
    pub header: String,
    /// Its client id, which is its object id, too.
    pub client_id: String,
    /// The GUID of its tenant.
    pub tenant: String,
}

/// A certificate credential with its key, in two forms.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Certificate {
    /// The key, not encrypted, and the certificate.
    pub pem_file: PathBuf,
    /// Both in PKCS#12, encrypted.
    pub pfx_file: PathBuf,
    /// A made-up passphrase for `pfx_file`.
    pub pfx_passphrase: String,
    /// Upper-case hexadecimal.
    pub thumbprint_sha256: String,
    /// The same of the older hash.
    pub thumbprint_sha1: String,
    /// RFC 3339.
    pub expires_on: String,
}

/// Whose tokens stand for an app's own credential.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FederatedCredential {
    /// `iss`, to the letter.
    pub issuer: String,
    /// `sub`, to the letter.
    pub subject: String,
    /// `aud`.
    pub audience: String,
}

impl Ready {
    /// The ready file's content.
    pub(crate) fn to_text(&self) -> Result<String, crate::Error> {
        let text = serde_json::to_string_pretty(self).map_err(|error| crate::Error::Keys(error.to_string()))?;
        Ok(text + "\n")
    }
}

/// Writes a file of mode 0600 beside its final name, then renames it there.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let beside = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written =
        options.open(&beside).and_then(|mut file| file.write_all(content)).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}
