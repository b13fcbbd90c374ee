//! Where an import comes from, as `--from` names it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// Where an import comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file in any form.
    File(PathBuf),
    /// What the caller has in memory, in any form.
    Given(Zeroizing<Vec<u8>>),
    /// A Key Vault by its name or address, and the secret where it is known.
    Vault {
        /// `keyvault://NAME`, a vault's address, or a secret's identifier.
        address: String,
        /// The secret's name, where `address` does not have it.
        secret: Option<String>,
    },
    /// An entry of the keyring.
    Keyring {
        /// The service that it is filed under.
        service: String,
        /// The user that it is filed under.
        user: String,
    },
}

impl Source {
    /// What kind of place it is: a word for documents and for the audit record.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Given(_) => "input",
            Self::Vault { .. } => "vault-secret",
            Self::Keyring { .. } => "keyring-entry",
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    /// `keyvault://NAME[/secrets/SECRET]`, `https://…` of a vault or secret, `keyring:SERVICE/USER`, `file:PATH`, or a path. Not repeated in the refusal: it may be
    /// a token in the wrong place.
    fn from_str(text: &str) -> Result<Self> {
        let refused = |what: &str| {
            Error::new(ErrorKind::InvalidArgument, "import", what.to_owned()).with_hint(
                "name keyvault://NAME/secrets/SECRET, a secret's identifier, keyring:SERVICE/USER, or a file",
            )
        };
        if let Some(rest) = text.strip_prefix("keyvault://") {
            let (vault, secret) = match rest.trim_end_matches('/').split_once("/secrets/") {
                Some((vault, secret)) => (vault, Some(secret.to_owned())),
                None => (rest, None),
            };
            let fits = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !secret.as_deref().is_none_or(fits) {
                return Err(refused("a secret's name has letters, digits and hyphens"));
            }
            return Ok(Self::Vault { address: format!("keyvault://{vault}"), secret });
        }
        if text.starts_with("https://") {
            return Ok(Self::Vault { address: text.to_owned(), secret: None });
        }
        if let Some(entry) = text.strip_prefix("keyring:") {
            return match entry.rsplit_once('/') {
                Some((service, user)) if !service.is_empty() && !user.is_empty() => {
                    Ok(Self::Keyring { service: service.to_owned(), user: user.to_owned() })
                }
                _ => Err(refused("a keyring's entry is named by its service and its user")),
            };
        }
        match text.strip_prefix("file:").unwrap_or(text) {
            "" => Err(refused("the source is empty")),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

impl fmt::Display for Source {
    /// For people; what was given is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Given(_) => f.write_str("what was given"),
            Self::Vault { address, secret: None } => f.write_str(address),
            Self::Vault { address, secret: Some(secret) } => {
                write!(f, "{}/secrets/{secret}", address.trim_end_matches('/'))
            }
            Self::Keyring { service, user } => write!(f, "keyring:{service}/{user}"),
        }
    }
}
