//! What a call wants, as a document: the same keys from every language that hands one in.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::audit::show::AuditQuery;
use super::customers::{CustomersRequest, DesiredGrants, read_grants};
use super::import::{ImportOptions, MoveRequest};
use super::incident::IncidentRequest;
use super::rotate_key::RotationRequest;
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantRef;
use crate::moving_in::Source;
use crate::store::KeySource;

/// A document out of JSON text.
///
/// Errors: `InvalidArgument`.
pub fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| no_request(&error))
}

impl IncidentRequest {
    /// Out of `partners` (a list) or `all` (true), and `keep_credential`, `customer_consents` and `evidence` (a path), which may be left out.
    ///
    /// Errors: `InvalidArgument` where it is another document, or where neither partners are named nor all are meant.
    pub fn from_document(document: &Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            #[serde(default)]
            partners: Vec<String>,
            #[serde(default)]
            all: bool,
            #[serde(default)]
            keep_credential: bool,
            #[serde(default)]
            customer_consents: bool,
            evidence: Option<PathBuf>,
        }
        let Raw { partners, all, keep_credential, customer_consents, evidence } = read(document)?;
        // A list that is empty by mistake must not mean everybody.
        if partners.is_empty() != all {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "call",
                "whose grants an incident is about is not clear",
            )
            .with_hint("name partners, or say that all are meant; not both"));
        }
        Ok(Self { partners: parsed(&partners)?, keep_credential, customer_consents, evidence })
    }
}

impl RotationRequest {
    /// Out of `dry_run` and `to` (a key source), which may be left out.
    ///
    /// Errors: `InvalidArgument` where it is another document.
    pub fn from_document(document: &Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            #[serde(default)]
            dry_run: bool,
            to: Option<String>,
        }
        let Raw { dry_run, to } = read(document)?;
        let to = to.map(|to| to.parse::<KeySource>()).transpose();
        let to = to.map_err(|_| Error::new(ErrorKind::InvalidArgument, "call", "to is not a key source"))?;
        Ok(Self { dry_run, to })
    }
}

impl CustomersRequest {
    /// Out of `grants` (what stands in a grants file) or `grants_file` (its path), and `partner`, `customers` (a list), `purpose` and `journal` (a path),
    /// which may be left out.
    ///
    /// Errors: `InvalidArgument` where it is another document; `ConfigMissing`, `ConfigInvalid` for the grants.
    pub fn from_document(document: &Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            grants: Option<Value>,
            grants_file: Option<PathBuf>,
            partner: Option<String>,
            #[serde(default)]
            customers: Vec<String>,
            purpose: Option<String>,
            journal: Option<PathBuf>,
        }
        let raw: Raw = read(document)?;
        let desired = match (&raw.grants, &raw.grants_file) {
            (Some(grants), None) => DesiredGrants::parse(&grants.to_string())?,
            (None, Some(path)) => read_grants(path)?,
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "call",
                    "what is wanted at the customers is not clear",
                )
                .with_hint("give grants, or grants_file; not both"));
            }
        };
        let mut request = Self::new(desired);
        request.partner = raw.partner.as_deref().map(str::parse).transpose()?;
        request.only = parsed(&raw.customers)?;
        request.purpose = raw.purpose;
        request.journal = raw.journal;
        Ok(request)
    }
}

impl MoveRequest {
    /// Out of `partner`, and `source` (a place by its name) where not `given` is what was in one, and `audiences` (a list), `purpose`, `allow_without_mfa`,
    /// `vault_identity`, `write_back` and `purge`, which may be left out.
    ///
    /// Errors: `InvalidArgument` where it is another document, or where what is moved in is not clear; `NotSupported` for a vault in a build that opens none.
    pub fn from_document(document: &Value, given: Option<Zeroizing<Vec<u8>>>) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            partner: String,
            source: Option<String>,
            #[serde(default)]
            audiences: Vec<String>,
            purpose: Option<String>,
            #[serde(default)]
            allow_without_mfa: bool,
            vault_identity: Option<String>,
            #[serde(default)]
            write_back: bool,
            #[serde(default)]
            purge: bool,
        }
        let raw: Raw = read(document)?;
        let source = match (&raw.source, given) {
            (Some(name), None) => name.parse()?,
            (None, Some(given)) => Source::Given(given),
            _ => {
                return Err(Error::new(ErrorKind::InvalidArgument, "call", "what is to be moved in is not clear")
                    .with_hint("name a source, or give what was in one; not both"));
            }
        };
        let mut request = Self::new(raw.partner.parse()?, source);
        request.options = ImportOptions {
            audiences: raw.audiences.iter().map(|name| name.parse::<Audience>()).collect::<Result<_>>()?,
            purpose: raw.purpose,
            allow_without_mfa: raw.allow_without_mfa,
        };
        if let Some(name) = &raw.vault_identity {
            request.open_vault_as(name)?;
        }
        request.write_back = raw.write_back;
        request.purge = raw.purge;
        Ok(request)
    }

    #[cfg(feature = "keyvault")]
    fn open_vault_as(&mut self, name: &str) -> Result<()> {
        self.vault_identity = name.parse()?;
        Ok(())
    }

    #[cfg(not(feature = "keyvault"))]
    fn open_vault_as(&mut self, _: &str) -> Result<()> {
        Err(Error::new(ErrorKind::NotSupported, "call", "this build opens no Key Vault"))
    }
}

impl AuditQuery {
    /// Out of `since`, `until`, `partner`, `customer`, `purpose`, `audience`, `operation` and `outcome`, each of which may be left out.
    ///
    /// Errors: `InvalidArgument` where it is another document.
    pub fn from_document(document: &Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            since: Option<String>,
            until: Option<String>,
            partner: Option<String>,
            customer: Option<String>,
            purpose: Option<String>,
            audience: Option<String>,
            operation: Option<String>,
            outcome: Option<String>,
        }
        let Raw { since, until, partner, customer, purpose, audience, operation, outcome } = read(document)?;
        let tenant = |name: Option<String>| name.as_deref().map(str::parse::<TenantRef>).transpose();
        Ok(Self {
            since,
            until,
            partner: tenant(partner)?,
            customer: tenant(customer)?,
            purpose,
            audience,
            operation,
            outcome,
        })
    }
}

fn read<T: DeserializeOwned>(document: &Value) -> Result<T> {
    if !document.is_object() {
        return Err(Error::new(ErrorKind::InvalidArgument, "call", "the request is not an object"));
    }
    T::deserialize(document).map_err(|error| no_request(&error))
}

fn parsed(names: &[String]) -> Result<Vec<TenantRef>> {
    names.iter().map(|name| name.parse()).collect()
}

fn no_request(why: &serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, "call", format!("the request cannot be read: {why}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_incident_names_partners_or_means_all() {
        let request = IncidentRequest::from_document(&json!({ "partners": ["fabrikam.com"], "keep_credential": true }));
        let request = request.unwrap();
        assert_eq!((request.partners.len(), request.keep_credential, request.customer_consents), (1, true, false));
        assert!(IncidentRequest::from_document(&json!({ "all": true })).unwrap().partners.is_empty());
        for bad in [
            json!({}),
            json!({ "partners": [] }),
            json!({ "partners": ["fabrikam.com"], "all": true }),
            json!({ "partners": "fabrikam.com" }),
            json!({ "partners": ["not a tenant"] }),
            json!({ "all": true, "keep_credentials": true }),
            json!([]),
        ] {
            let refused = IncidentRequest::from_document(&bad).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn customers_need_grants_or_a_file_of_them() {
        let grants = json!({ "display_name": "Test Panel", "grants": { "graph": ["User.Read"] } });
        let wanted = json!({ "grants": grants, "partner": "fabrikam.com", "customers": ["contoso.com"] });
        let request = CustomersRequest::from_document(&wanted).unwrap();
        assert_eq!((request.partner.is_some(), request.only.len()), (true, 1));
        for (bad, kind) in [
            (json!({}), ErrorKind::InvalidArgument),
            (json!({ "grants": grants, "grants_file": "grants.toml" }), ErrorKind::InvalidArgument),
            (json!({ "grants": grants, "customer": "contoso.com" }), ErrorKind::InvalidArgument),
            (json!({ "grants_file": "/nowhere/grants.toml" }), ErrorKind::ConfigMissing),
            (json!({ "grants": {} }), ErrorKind::ConfigInvalid),
        ] {
            assert_eq!(CustomersRequest::from_document(&bad).unwrap_err().kind(), kind, "{bad}");
        }
    }

    #[test]
    fn a_grant_moves_in_from_a_source_or_from_what_was_given() {
        let given = || Some(Zeroizing::new(b"not-a-real-token".to_vec()));
        let wanted = json!({ "partner": "fabrikam.com", "source": "old.env", "audiences": ["graph"], "purge": true });
        let request = MoveRequest::from_document(&wanted, None).unwrap();
        assert_eq!(request.source, Source::File(PathBuf::from("old.env")));
        assert_eq!((request.options.audiences.len(), request.purge, request.write_back), (1, true, false));
        assert!(!format!("{request:?}").contains("not-a-real"));
        let given_only = MoveRequest::from_document(&json!({ "partner": "fabrikam.com" }), given()).unwrap();
        assert!(matches!(given_only.source, Source::Given(_)) && !format!("{given_only:?}").contains("not-a-real"));
        for (bad, given) in [
            (json!({ "partner": "fabrikam.com" }), None),
            (wanted, given()),
            (json!({ "source": "old.env" }), None),
            (json!({ "partner": "not a tenant", "source": "old.env" }), None),
            (json!({ "partner": "fabrikam.com", "source": "" }), None),
            (json!({ "partner": "fabrikam.com", "source": "old.env", "audiences": "graph" }), None),
            (json!({ "partner": "fabrikam.com", "source": "old.env", "vault_identity": "password" }), None),
            (json!({ "partner": "fabrikam.com", "refresh_token": "not-a-real-token" }), None),
        ] {
            let refused = MoveRequest::from_document(&bad, given).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{bad}");
            assert!(!refused.to_json().contains("not-a-real"), "{refused:?}");
        }
    }

    #[test]
    fn a_query_and_a_text_are_read_or_refused() {
        let query =
            AuditQuery::from_document(&document(r#"{"since":"2026","partner":"fabrikam.com"}"#).unwrap()).unwrap();
        assert!(query.since.is_some() && query.partner.is_some() && query.outcome.is_none());
        assert!(AuditQuery::from_document(&json!({ "from": "2026" })).is_err());
        assert!(document("{").is_err());
    }
}
