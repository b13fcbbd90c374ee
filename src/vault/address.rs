//! Which vault, and which secret in it: `keyvault://NAME`, a vault's address, or a full secret identifier as vendors' guides hand out
//! (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).

use std::fmt;

use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// A vault, and where it is named one secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultAddress {
    name: String,
    base: Url,
    secret: Option<String>,
    version: Option<String>,
    api_version: Option<String>,
}

impl VaultAddress {
    /// Reads `text` for the cloud whose vaults' audience is `resource` (`https://vault.azure.net`): their hosts are the only ones that pass.
    ///
    /// Errors: `ConfigInvalid`; the address itself is not repeated, for it may have a password in it.
    pub fn parse(text: &str, resource: &Url) -> Result<Self> {
        let invalid = |what: &str| {
            Error::new(ErrorKind::ConfigInvalid, "open", format!("store is not the address of a vault: {what}"))
                .with_hint("set `store` to keyvault://NAME, to https://NAME.vault.azure.net, or to a secret's identifier there")
                .with_context("key", "store")
        };
        if let Some(name) = text.strip_prefix("keyvault://") {
            let name = name.strip_suffix('/').unwrap_or(name);
            return Self::of_name(name, resource)
                .ok_or_else(|| invalid("a vault has 3 to 24 letters, digits and hyphens"));
        }
        let url = Url::parse(text).map_err(|_| invalid("it is no address"))?;
        if url.scheme() != "https" {
            return Err(invalid("it must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(invalid("it must have neither user info nor fragment"));
        }
        let host = url.host_str().unwrap_or_default();
        if host.split('.').any(|label| label == "managedhsm") {
            return Err(invalid("a managed HSM keeps keys and no secrets"));
        }
        let suffix = resource.host_str().unwrap_or_default();
        let name = vault_in(host, suffix).ok_or_else(|| invalid("its host is not a vault of the configured cloud"))?;
        let address =
            Self::of_name(name, resource).ok_or_else(|| invalid("its host is not a vault of the configured cloud"))?;
        if url.port_or_known_default() != resource.port_or_known_default() {
            return Err(invalid("its port is not the vault's"));
        }
        let parts: Vec<_> = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let (secret, version) = match parts.as_slice() {
            [] => (None, None),
            ["secrets", secret] => (Some(*secret), None),
            ["secrets", secret, version] => (Some(*secret), Some(*version)),
            _ => return Err(invalid("its path is not that of a secret")),
        };
        let is_name = |name: &str, most| {
            (1..=most).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !secret.is_none_or(|name| is_name(name, 127)) || !version.is_none_or(|name| is_name(name, 32)) {
            return Err(invalid("a secret's name has 1 to 127 letters, digits and hyphens"));
        }
        let mut api_version = None;
        for (name, value) in url.query_pairs() {
            let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
            match &*name {
                "api-version" if fits && api_version.is_none() => api_version = Some(value.into_owned()),
                _ => return Err(invalid("its query may only be one api-version")),
            }
        }
        Ok(Self { secret: secret.map(str::to_owned), version: version.map(str::to_owned), api_version, ..address })
    }

    fn of_name(name: &str, resource: &Url) -> Option<Self> {
        let fits = (3..=24).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && !name.ends_with('-');
        let name = name.to_ascii_lowercase();
        let mut base = resource.clone();
        base.set_host(Some(&format!("{name}.{}", resource.host_str()?))).ok().filter(|()| fits)?;
        Some(Self { name, base, secret: None, version: None, api_version: None })
    }

    /// The vault's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The vault's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The one secret that is meant, where the address names one.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// The version of it.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The version of the service that the address names.
    pub fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }
}

impl fmt::Display for VaultAddress {
    /// `keyvault://NAME`, or the secret's identifier without its version.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.secret {
            None => write!(f, "keyvault://{}", self.name),
            Some(secret) => write!(f, "{}secrets/{secret}", self.base),
        }
    }
}

/// The vault's name in a host of it: by its public name, or by the name that its private endpoint has.
fn vault_in<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    let private = suffix.replacen("vault.", "privatelink.vaultcore.", 1);
    [suffix, &private].into_iter().find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn public(text: &str) -> Result<VaultAddress> {
        VaultAddress::parse(text, &"https://vault.azure.net".parse().unwrap())
    }

    #[test]
    fn every_form_that_guides_hand_out_is_read() {
        let version = "0123456789abcdef0123456789abcdef";
        for (text, name, secret, pinned, api) in [
            ("keyvault://my-vault", "my-vault", None, None, None),
            ("keyvault://My-Vault/", "my-vault", None, None, None),
            ("https://my-vault.vault.azure.net", "my-vault", None, None, None),
            ("https://my-vault.vault.azure.net:443/", "my-vault", None, None, None),
            ("https://my-vault.vault.azure.net/secrets/rt", "my-vault", Some("rt"), None, None),
            ("https://my-vault.vault.azure.net/secrets/rt/", "my-vault", Some("rt"), None, None),
            (
                &format!("https://my-vault.vault.azure.net/secrets/rt/{version}"),
                "my-vault",
                Some("rt"),
                Some(version),
                None,
            ),
            (
                &format!("https://my-vault.vault.azure.net/secrets/rt/{version}?api-version=7.0"),
                "my-vault",
                Some("rt"),
                Some(version),
                Some("7.0"),
            ),
            ("https://my-vault.privatelink.vaultcore.azure.net/", "my-vault", None, None, None),
        ] {
            let address = public(text).unwrap();
            assert_eq!(
                (address.name(), address.secret(), address.version(), address.api_version()),
                (name, secret, pinned, api),
                "{text}"
            );
            assert_eq!(address.base().as_str(), "https://my-vault.vault.azure.net/", "{text}");
        }
    }

    #[test]
    fn what_is_no_vault_of_the_cloud_is_refused_and_not_repeated() {
        for bad in [
            "keyvault://",
            "keyvault://no",
            "keyvault://my_vault",
            "keyvault://-vault",
            "keyvault://a.b",
            "keyvault://my-vault/secrets/x",
            "http://my-vault.vault.azure.net",
            "https://vault.azure.net",
            "https://my-vault.vault.azure.net.evil.example",
            "https://my-vaultvault.azure.net",
            "https://a.b.vault.azure.net",
            "https://my-vault.vault.azure.cn",
            "https://my-vault.vault.usgovcloudapi.net",
            "https://my-hsm.managedhsm.azure.net",
            "https://user:hunter2@my-vault.vault.azure.net",
            "https://my-vault.vault.azure.net/#hunter2",
            "https://my-vault.vault.azure.net:8443/",
            "https://my-vault.vault.azure.net/keys/x",
            "https://my-vault.vault.azure.net/secrets/under_score",
            "https://my-vault.vault.azure.net/secrets/a/b/c",
            "https://my-vault.vault.azure.net/secrets/a?sig=hunter2",
            "https://my-vault.vault.azure.net/secrets/a?api-version=7.0&api-version=7.1",
            "https://127.0.0.1/secrets/a",
        ] {
            let error = public(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{bad}");
            assert!(!error.to_json().contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn each_cloud_has_its_own_vaults() {
        for cloud in crate::cloud::Cloud::ALL {
            let resource: Url = cloud.hosts().key_vault.parse().unwrap();
            let address = VaultAddress::parse("keyvault://my-vault", &resource).unwrap();
            assert!(address.base().host_str().unwrap().ends_with(resource.host_str().unwrap()));
            assert_eq!(VaultAddress::parse(address.base().as_str(), &resource).unwrap(), address);
        }
    }
}
