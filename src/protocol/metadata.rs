//! The OpenID Connect discovery document: where an authority's endpoints are, who it says it is, and which tenant a domain belongs to.
//!
//! A tenant that Entra does not know is a refusal (`invalid_tenant`, AADSTS90002), which [`classify`](super::classify) tells as `TenantNotFound`.
//! What the document says is believed within the configured authority only: an endpoint elsewhere is refused, for a secret would follow it.

use serde::Deserialize;
use url::Url;

use super::json_body;
use super::jwks::TENANT_PLACE;
use super::outside_text;
use crate::cloud::{Authority, AuthorityKind, Cloud};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};

const LARGEST_BODY: usize = 256 << 10;

/// Where the document about a tenant is; at a generic authority, the one there is.
pub fn document_url(authority: &Authority, tenant: &TenantRef) -> Url {
    document(authority, &tenant.to_string())
}

/// Where the document about all tenants is; at a generic authority, the one there is.
pub fn document_url_for_all(authority: &Authority) -> Url {
    // Not `common`: it would let personal accounts in.
    document(authority, "organizations")
}

/// An authority's endpoints; each of them is one that a secret may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Who issues id tokens, with `{tenantid}` where the tenant goes in the document for all tenants.
    pub issuer: String,
    /// Where a person signs in.
    pub authorization_endpoint: Url,
    /// Where tokens are issued.
    pub token_endpoint: Url,
    /// Where device codes are issued, where there is that.
    pub device_authorization_endpoint: Option<Url>,
    /// Where the signing keys are.
    pub jwks_uri: Url,
    /// Whether a reply to the authorization request always names its issuer (RFC 9207), so that one without is refused.
    pub names_issuer_in_replies: bool,
    /// How apps may prove themselves at the token endpoint; empty where it does not say.
    pub token_endpoint_auth_methods: Vec<String>,
}

impl Metadata {
    /// Reads the document, as it came with status 200 from [`document_url`].
    ///
    /// Errors: `ResponseMalformed`; `HostNotAllowed` where an endpoint or the issuer is outside the authority, `CloudMismatch` where it is in
    /// another of Microsoft's clouds.
    pub fn parse(body: &[u8], authority: &Authority) -> Result<Self> {
        let raw: Raw =
            json_body::parse(body, LARGEST_BODY).ok_or_else(|| malformed("is not the JSON that it should be"))?;
        let endpoint = |name: &str, text: &str| {
            let url = Url::parse(text).map_err(|_| malformed(&format!("has no address in {name}")))?;
            if authority.allows(&url) && url.origin() == authority.login().origin() && url.fragment().is_none() {
                return Ok(url);
            }
            Err(outside(authority, url.host_str().unwrap_or_default(), name))
        };
        check_issuer(&raw.issuer, authority)?;
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint", &raw.authorization_endpoint)?,
            token_endpoint: endpoint("token_endpoint", &raw.token_endpoint)?,
            device_authorization_endpoint: raw
                .device_authorization_endpoint
                .map(|text| endpoint("device_authorization_endpoint", &text))
                .transpose()?,
            jwks_uri: endpoint("jwks_uri", &raw.jwks_uri)?,
            names_issuer_in_replies: raw.authorization_response_iss_parameter_supported.unwrap_or_default(),
            token_endpoint_auth_methods: raw.token_endpoint_auth_methods_supported.unwrap_or_default(),
            issuer: raw.issuer,
        })
    }

    /// The tenant that the document is about, read out of its issuer.
    ///
    /// Errors: `ResponseMalformed` for the document about all tenants and that of a generic authority.
    pub fn tenant(&self) -> Result<TenantId> {
        self.issuer
            .split('/')
            .skip(3)
            .filter_map(|part| part.parse().ok())
            .last()
            .ok_or_else(|| malformed("names no tenant in its issuer"))
    }
}

fn document(authority: &Authority, tenant: &str) -> Url {
    let mut url = authority.login().clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&match authority.kind() {
        AuthorityKind::Entra => format!("{path}/{tenant}/v2.0/.well-known/openid-configuration"),
        AuthorityKind::Generic => format!("{path}/.well-known/openid-configuration"),
    });
    url
}

/// The issuer is compared with id tokens' letter by letter, so it is kept as it was written, and checked as text: `{tenantid}` is no part of a URL.
fn check_issuer(issuer: &str, authority: &Authority) -> Result<()> {
    if authority.kind() == AuthorityKind::Generic {
        // An address without path has one slash more once it is parsed; beyond that, equal means equal.
        let login = authority.login();
        let is_same = issuer == login.as_str() || (login.path() == "/" && format!("{issuer}/") == login.as_str());
        return if is_same { Ok(()) } else { Err(malformed("names another issuer than the configured one")) };
    }
    let (host, path) = issuer
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| malformed("names an issuer that is not an https address"))?;
    let own = authority.login().as_str().trim_start_matches("https://").split('/').next().unwrap_or_default();
    let is_cloud = |cloud: Cloud| authority == &Authority::microsoft(cloud);
    let is_alias = Cloud::ALL.into_iter().any(|cloud| is_cloud(cloud) && cloud.signs_in_at(host));
    if host != own && !is_alias {
        return Err(outside(authority, host, "issuer"));
    }
    let tenant = path.trim_end_matches('/').trim_end_matches("/v2.0");
    if tenant != TENANT_PLACE && tenant.parse::<TenantId>().is_err() {
        return Err(malformed("names no tenant in its issuer"));
    }
    Ok(())
}

/// Why an address outside the authority is refused: a tenant of another cloud is answered with that cloud's endpoints.
fn outside(authority: &Authority, host: &str, name: &str) -> Error {
    let shown = outside_text::name(host);
    let other = Cloud::ALL.into_iter().find(|cloud| {
        cloud.signs_in_at(host) && authority.kind() == AuthorityKind::Entra && *cloud != authority.cloud()
    });
    match other {
        Some(cloud) => Error::new(
            ErrorKind::CloudMismatch,
            "discovery",
            format!("the tenant is not in the configured cloud {} but in another: {cloud}", authority.cloud()),
        )
        .with_hint(format!("set `cloud` to \"{cloud}\", with an app registered there")),
        None => Error::new(
            ErrorKind::HostNotAllowed,
            "discovery",
            format!("the authority's metadata names a host outside the configured authority in {name}: {shown}"),
        ),
    }
}

fn malformed(how: &str) -> Error {
    Error::new(ErrorKind::ResponseMalformed, "discovery", format!("the authority's metadata {how}"))
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    jwks_uri: String,
    authorization_response_iss_parameter_supported: Option<bool>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn entra(host: &str, tenant: &str) -> Value {
        json!({
            "issuer": format!("https://{host}/{tenant}/v2.0"),
            "authorization_endpoint": format!("https://{host}/{tenant}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("https://{host}/{tenant}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("https://{host}/{tenant}/oauth2/v2.0/devicecode"),
            "jwks_uri": format!("https://{host}/{tenant}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com",
        })
    }

    fn public(tenant: &str) -> Value {
        entra("login.microsoftonline.com", tenant)
    }

    fn parse(document: &Value, authority: &Authority) -> Result<Metadata> {
        Metadata::parse(document.to_string().as_bytes(), authority)
    }

    fn with(mut document: Value, name: &str, value: Value) -> Value {
        document[name] = value;
        document
    }

    #[test]
    fn a_tenant_s_document_names_the_tenant() {
        let authority = Authority::microsoft(Cloud::Public);
        let metadata = parse(&public(TENANT), &authority).unwrap();
        assert_eq!(metadata.tenant().unwrap().to_string(), TENANT);
        assert_eq!(
            metadata.token_endpoint.as_str(),
            format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
        );
        assert!(metadata.device_authorization_endpoint.is_some());
        assert_eq!(metadata.token_endpoint_auth_methods.len(), 3);
        let marked = format!("\u{feff}{}", public(TENANT));
        assert_eq!(Metadata::parse(marked.as_bytes(), &authority).unwrap(), metadata);
    }

    #[test]
    fn the_document_for_all_keeps_its_template() {
        let document =
            with(public("organizations"), "issuer", json!("https://login.microsoftonline.com/{tenantid}/v2.0"));
        let metadata = parse(&document, &Authority::microsoft(Cloud::Public)).unwrap();
        assert_eq!(metadata.issuer, "https://login.microsoftonline.com/{tenantid}/v2.0");
        assert_eq!(metadata.tenant().unwrap_err().kind(), ErrorKind::ResponseMalformed);
    }

    #[test]
    fn documents_are_where_they_should_be() {
        let public = Authority::microsoft(Cloud::Public);
        let at = |authority: &Authority, tenant: &str| document_url(authority, &tenant.parse().unwrap()).to_string();
        assert_eq!(
            at(&public, "Fabrikam.com"),
            "https://login.microsoftonline.com/fabrikam.com/v2.0/.well-known/openid-configuration"
        );
        assert_eq!(
            at(&Authority::microsoft(Cloud::China), TENANT),
            format!("https://login.partner.microsoftonline.cn/{TENANT}/v2.0/.well-known/openid-configuration")
        );
        assert_eq!(
            document_url_for_all(&public).as_str(),
            "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration"
        );
        for (issuer, address) in [
            ("https://op.example:8443", "https://op.example:8443/.well-known/openid-configuration"),
            ("https://op.example/realms/lab", "https://op.example/realms/lab/.well-known/openid-configuration"),
            ("https://op.example/realms/lab/", "https://op.example/realms/lab/.well-known/openid-configuration"),
        ] {
            assert_eq!(at(&Authority::generic("lab", issuer, true).unwrap(), "lab.example"), address);
        }
    }

    #[test]
    fn every_cloud_knows_its_own() {
        for (cloud, host) in [
            (Cloud::Public, "login.microsoftonline.com"),
            (Cloud::UsGovernment, "login.microsoftonline.us"),
            (Cloud::China, "login.partner.microsoftonline.cn"),
        ] {
            let authority = Authority::microsoft(cloud);
            assert!(parse(&entra(host, TENANT), &authority).is_ok());
            for alias in cloud.hosts().further_authorities {
                let document = with(entra(host, TENANT), "issuer", json!(format!("https://{alias}/{TENANT}/v2.0")));
                assert_eq!(parse(&document, &authority).unwrap().tenant().unwrap().to_string(), TENANT);
            }
        }
        let v1 = with(public(TENANT), "issuer", json!(format!("https://sts.windows.net/{TENANT}/")));
        assert!(parse(&v1, &Authority::microsoft(Cloud::Public)).is_ok());
    }

    #[test]
    fn another_cloud_s_tenant_is_told_as_that() {
        let authority = Authority::microsoft(Cloud::Public);
        for document in [
            entra("login.microsoftonline.us", TENANT),
            with(public(TENANT), "token_endpoint", json!("https://login.microsoftonline.us/x/oauth2/v2.0/token")),
        ] {
            let error = parse(&document, &authority).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CloudMismatch);
            assert!(error.message().ends_with(": us-government") && error.hint().contains("\"us-government\""));
        }
    }

    #[test]
    fn nothing_outside_the_authority_is_believed() {
        let authority = Authority::microsoft(Cloud::Public);
        for name in ["issuer", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "jwks_uri"]
        {
            for host in [
                "https://evil.example",
                "https://login.microsoftonline.com.evil.example",
                "https://login.microsoftonline.com:444",
                "https://login.microsoftonline.com@evil.example",
                "https://user@login.microsoftonline.com",
                "https://graph.microsoft.com",
                "http://login.microsoftonline.com",
                "//login.microsoftonline.com",
                "",
            ] {
                let document = with(public(TENANT), name, json!(format!("{host}/{TENANT}/v2.0")));
                let kind = parse(&document, &authority).unwrap_err().kind();
                assert!(
                    matches!(kind, ErrorKind::HostNotAllowed | ErrorKind::ResponseMalformed),
                    "{name} {host}: {kind:?}"
                );
            }
        }
        let fragment = with(public(TENANT), "token_endpoint", json!("https://login.microsoftonline.com/t#x"));
        assert!(parse(&fragment, &authority).is_err());
    }

    #[test]
    fn an_issuer_without_a_tenant_is_refused() {
        for path in ["", "v2.0", "common/v2.0", "{tenant}/v2.0", "x/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0"] {
            let document = with(public(TENANT), "issuer", json!(format!("https://login.microsoftonline.com/{path}")));
            let error = parse(&document, &Authority::microsoft(Cloud::Public)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResponseMalformed, "{path}");
        }
    }

    #[test]
    fn the_emulator_is_its_own_authority_only() {
        let emulator =
            Authority::emulator("https://localhost:8443", "https://localhost:8444", "https://localhost:8445").unwrap();
        assert!(parse(&entra("localhost:8443", TENANT), &emulator).is_ok());
        let aliased = with(
            entra("localhost:8443", TENANT),
            "issuer",
            json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
        );
        assert_eq!(parse(&aliased, &emulator).unwrap_err().kind(), ErrorKind::HostNotAllowed);
        assert!(parse(&public(TENANT), &emulator).is_err());
        assert!(parse(&entra("localhost:8444", TENANT), &emulator).is_err());
    }

    #[test]
    fn a_generic_authority_s_issuer_is_the_configured_one_exactly() {
        let document = |issuer: &str| {
            json!({
                "issuer": issuer, "authorization_endpoint": "https://op.example:8443/auth", "jwks_uri": "https://op.example:8443/jwks",
                "token_endpoint": "https://op.example:8443/token", "authorization_response_iss_parameter_supported": true,
            })
        };
        let root = Authority::generic("lab", "https://op.example:8443", true).unwrap();
        let metadata = parse(&document("https://op.example:8443"), &root).unwrap();
        assert!(metadata.names_issuer_in_replies && metadata.device_authorization_endpoint.is_none());
        assert!(parse(&document("https://op.example:8443/"), &root).is_ok());
        let realm = Authority::generic("lab", "https://op.example:8443/realm", true).unwrap();
        assert!(parse(&document("https://op.example:8443/realm"), &realm).is_ok());
        for (issuer, authority) in [
            ("https://op.example:8443/realm/", &realm),
            ("https://op.example:8443/other", &realm),
            ("https://op.example:8443", &realm),
            ("https://op.example", &root),
            ("https://OP.example:8443", &root),
            ("https://op.example:8443//", &root),
        ] {
            assert_eq!(
                parse(&document(issuer), authority).unwrap_err().kind(),
                ErrorKind::ResponseMalformed,
                "{issuer}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_document_is_answered(body in proptest::collection::vec(any::<u8>(), 0..256), issuer in ".*", endpoint in ".*") {
            for authority in [Authority::microsoft(Cloud::Public), Authority::generic("lab", "https://op.example", true).unwrap()] {
                let _ = Metadata::parse(&body, &authority);
                let _ = parse(&with(public(TENANT), "issuer", json!(issuer)), &authority);
                prop_assert!(parse(&with(public(TENANT), "token_endpoint", json!(endpoint)), &authority).is_err());
            }
        }
    }
}
