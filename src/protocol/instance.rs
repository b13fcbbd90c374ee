//! Instance discovery: whether Microsoft knows a sign-in host that claims to be its own.
//!
//! Any server can have a name that looks like Microsoft's sign-in, and a secret would follow the claim. So the worldwide cloud's sign-in is asked first, as
//! Microsoft's own libraries do (<https://learn.microsoft.com/entra/msal/python/advanced/instance-discovery>).

use serde::Deserialize;
use url::Url;

use super::json_body;
use super::outside_text;
use crate::cloud::Authority;
use crate::error::{Error, ErrorKind, Result};

const LARGEST_BODY: usize = 256 << 10;

/// Where to ask about `authority`; none where its host claims nothing, or is known.
pub fn question(authority: &Authority) -> Option<Url> {
    let mut url = authority.voucher()?.join("/common/discovery/instance").ok()?;
    let endpoint = authority.login().join("/common/oauth2/v2.0/authorize").ok()?;
    url.query_pairs_mut().append_pair("api-version", "1.1").append_pair("authorization_endpoint", endpoint.as_str());
    Some(url)
}

/// Reads the answer, as it came with status 200.
///
/// Errors: `ResponseMalformed` where it does not say where the host's tenants are described.
pub fn check(body: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Raw {
        tenant_discovery_endpoint: Option<String>,
    }
    let raw: Option<Raw> = json_body::parse(body, LARGEST_BODY);
    match raw.and_then(|raw| raw.tenant_discovery_endpoint).filter(|endpoint| endpoint.starts_with("https://")) {
        Some(_) => Ok(()),
        None => Err(Error::new(
            ErrorKind::ResponseMalformed,
            "discovery",
            "the answer to instance discovery does not say what was asked",
        )),
    }
}

/// What a refusal (`invalid_instance`) of the question comes to; another error goes on as it is.
pub fn refusal(authority: &Authority, error: Error) -> Error {
    if error.entra().is_none_or(|details| details.error != "invalid_instance") {
        return error;
    }
    let host = outside_text::name(authority.login().host_str().unwrap_or_default());
    Error::new(
        ErrorKind::HostNotAllowed,
        "discovery",
        format!("the authority claims to be Microsoft's, and Microsoft does not know it: {host}"),
    )
    .with_hint("correct `authority.issuer`; for a Microsoft cloud leave the table out and set `cloud`")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cloud::Cloud;
    use crate::error::EntraDetails;

    fn claiming() -> Authority {
        Authority::generic(
            "bleu",
            "https://login.sovcloud-identity.fr/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0",
            false,
        )
        .unwrap()
    }

    #[test]
    fn only_an_unknown_host_that_claims_to_be_microsofts_is_asked_about() {
        assert_eq!(
            question(&claiming()).unwrap().as_str(),
            "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=\
             https%3A%2F%2Flogin.sovcloud-identity.fr%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize"
        );
        assert!(question(&Authority::generic("lab", "https://idp.example/", false).unwrap()).is_none());
        for cloud in Cloud::ALL {
            assert!(question(&Authority::microsoft(cloud)).is_none());
        }
    }

    #[test]
    fn only_an_address_is_a_yes() {
        assert!(check(br#"{"tenant_discovery_endpoint":"https://login.sovcloud-identity.fr/common/x"}"#).is_ok());
        for no in
            ["{}", "[]", "", "<html>", r#"{"tenant_discovery_endpoint":null}"#, r#"{"tenant_discovery_endpoint":""}"#]
        {
            assert_eq!(check(no.as_bytes()).unwrap_err().kind(), ErrorKind::ResponseMalformed, "{no}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_a_fault_stays_a_fault() {
        let told = |error: &str| {
            let details = EntraDetails { error: error.to_owned(), ..EntraDetails::default() };
            let error = Error::new(ErrorKind::TenantNotFound, "tenant", "unknown instance").with_entra(details);
            refusal(&claiming(), error)
        };
        let refused = told("invalid_instance");
        assert_eq!(refused.kind(), ErrorKind::HostNotAllowed);
        assert!(refused.message().ends_with(": login.sovcloud-identity.fr"), "{refused}");
        assert_eq!(told("invalid_tenant").kind(), ErrorKind::TenantNotFound);
    }
}
