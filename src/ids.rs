//! Names of tenants and apps, parsed once and trusted afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// A tenant's GUID in canonical form. Two spellings of one tenant are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(Uuid);

impl TenantId {
    /// Wraps a GUID.
    pub fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The GUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for TenantId {
    type Err = Error;

    /// Takes the hyphenated form only: the others that GUID parsers know (`urn:uuid:`, braces, 32 digits) are typing errors here.
    fn from_str(text: &str) -> Result<Self> {
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 && !id.is_nil() => Ok(Self(id)),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "parse", format!("not a tenant id: {text}"))
                .with_hint("a tenant id is a GUID such as 11111111-2222-3333-4444-555555555555")),
        }
    }
}

/// How people name a tenant: by GUID or by one of its verified domains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TenantRef {
    /// By GUID.
    Id(TenantId),
    /// By domain, lower-case.
    Domain(String),
}

impl fmt::Display for TenantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

impl From<TenantId> for TenantRef {
    fn from(id: TenantId) -> Self {
        Self::Id(id)
    }
}

impl FromStr for TenantRef {
    type Err = Error;

    /// Goes into URLs, so only GUIDs and plain names pass; `common` and its kin name no tenant and are refused. A name without a dot is no domain:
    /// it passes here because a generic authority goes by such a name, and nowhere else.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let domain = text.to_ascii_lowercase();
        let label_fits = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // Whatever is a GUID in any spelling is no domain: it is the wrong one of the forms above, or the nil GUID.
        let is_guid = Uuid::try_parse(text).is_ok();
        let is_alias = matches!(domain.as_str(), "common" | "organizations" | "consumers");
        if domain.len() <= 253 && !is_alias && !is_guid && domain.split('.').all(label_fits) {
            return Ok(Self::Domain(domain));
        }
        Err(Error::new(ErrorKind::InvalidArgument, "parse", format!("not a tenant: {text}"))
            .with_hint("name a tenant by its id (a GUID) or one of its domains, such as fabrikam.com"))
    }
}

/// The app's client id: a GUID at Entra, any printable word at a generic authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// The id as it goes into requests.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a GUID, as Entra's always are.
    pub fn is_guid(&self) -> bool {
        Uuid::try_parse(&self.0).is_ok()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let (36, Ok(id)) = (text.len(), Uuid::try_parse(text)) {
            return Ok(Self(id.as_hyphenated().to_string()));
        }
        if !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(ErrorKind::InvalidArgument, "parse", "not a client id")
            .with_hint("a client id is a GUID; it stands on the app registration's overview page"))
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_has_one_form() {
        let lower: TenantRef = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("guid");
        let upper: TenantRef = " AAAABBBB-0000-CCCC-1111-DDDD2222EEEE ".parse().expect("guid");
        assert_eq!(lower, upper);
        assert_eq!("FABRIKAM.com".parse::<TenantRef>().expect("domain").to_string(), "fabrikam.com");
    }

    #[test]
    fn what_could_bend_a_url_is_refused() {
        for bad in [
            "",
            "common",
            "organizations",
            "a/b.com",
            "a.com/../b",
            "a.com?x",
            "a..com",
            "-a.com",
            "a.com#",
            "a b.com",
            "a.com:1",
            "ü.com",
            "urn:uuid:aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(bad.parse::<TenantRef>().is_err(), "{bad} passed");
        }
        for bad in ["", "a b", "a\nb", "ü"] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad} passed");
        }
    }
}
