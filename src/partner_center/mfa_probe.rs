//! The cheapest call that tells whether Partner Center takes a token for one with MFA: the partner's own profile, with `ValidateMfa`
//! (<https://learn.microsoft.com/partner-center/developer/partner-security-requirements>).

use std::time::Duration;

use http::{HeaderValue, Method, Request, Response};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::call::{self, CallIds};
use super::errors;
use crate::error::{ErrorKind, Result};
use crate::protocol::{json_body, outside_text};
use crate::secret::AccessToken;

const LARGEST_BODY: usize = 256 << 10;

/// What Partner Center said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it takes the token for one with MFA; none where it did not say.
    pub mfa_compliant: Option<bool>,
    /// The partner's company name, where the profile has one.
    pub company: Option<String>,
}

/// The request; `base` is where the API answers, `purpose` why it is asked.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn request(base: &Url, token: &AccessToken, purpose: &str) -> Result<Request<Vec<u8>>> {
    let mut request = call::request(Method::GET, base, "/v1/profiles/organization", token, purpose, CallIds::random())?;
    request.headers_mut().insert("ValidateMfa", HeaderValue::from_static("true"));
    Ok(request)
}

/// Reads the reply; `retry_after` is what its headers ask for.
///
/// Errors: what [`errors::refusal`] says of a status other than success.
pub fn read<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Answer> {
    let body = response.body().as_ref();
    if !response.status().is_success() {
        let error = errors::refusal(response.status().as_u16(), retry_after, body);
        return Err(call::with_ids(error, response));
    }
    let profile: Profile = json_body::parse(body, LARGEST_BODY).unwrap_or_default();
    let company = profile.company_name.as_str().map(outside_text::sentence).filter(|name| !name.is_empty());
    Ok(Answer { mfa_compliant: header(response), company })
}

/// Whether Partner Center takes the token for one with MFA; none where it did not say. A refusal for lack of MFA says it too.
pub fn is_mfa_compliant<B: AsRef<[u8]>>(response: &Response<B>) -> Option<bool> {
    match read(response, None) {
        Ok(answer) => answer.mfa_compliant,
        Err(error) if error.kind() == ErrorKind::PartnerCenterMfaRequired => Some(false),
        // With a passing fault or a missing role the header is still an answer to the question.
        Err(_) => header(response),
    }
}

fn header<B>(response: &Response<B>) -> Option<bool> {
    let value = response.headers().get("isMfaCompliant")?.to_str().ok()?.trim();
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    #[serde(rename = "companyName")]
    company_name: Value,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(status: u16, header: Option<&str>, body: &str) -> Response<Vec<u8>> {
        let mut response = Response::builder().status(status).header("MS-RequestId", "test-request");
        if let Some(value) = header {
            response = response.header("isMfaCompliant", value);
        }
        response.body(body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_request_asks_for_the_profile_and_the_verdict() {
        let base = Url::parse("https://api.partnercenter.microsoft.com").unwrap();
        let request = request(&base, &AccessToken::new("test-token"), "consent").unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri(), "https://api.partnercenter.microsoft.com/v1/profiles/organization");
        assert_eq!(request.headers()["validatemfa"], "true");
        assert_eq!(request.headers()["authorization"], "Bearer test-token");
    }

    #[test]
    fn the_verdict_stands_in_the_header() {
        for (header, verdict) in [
            (Some("true"), Some(true)),
            (Some("True"), Some(true)),
            (Some(" false "), Some(false)),
            (Some("maybe"), None),
            (Some(""), None),
            (None, None),
        ] {
            let response = response(200, header, "{}");
            assert_eq!(read(&response, None).unwrap().mfa_compliant, verdict, "{header:?}");
            assert_eq!(is_mfa_compliant(&response), verdict, "{header:?}");
        }
    }

    #[test]
    fn the_company_is_read_behind_a_mark() {
        let body = format!(
            "\u{feff}{}",
            json!({"id": "x", "companyName": "Fabrikam\u{1b} Ltd", "profileType": "organization_profile"})
        );
        assert_eq!(read(&response(200, None, &body), None).unwrap().company.as_deref(), Some("Fabrikam  Ltd"));
        for other in ["", "[]", "{}", "{\"companyName\":7}", "{\"companyName\":\"\"}"] {
            assert_eq!(read(&response(200, Some("true"), other), None).unwrap().company, None);
        }
    }

    #[test]
    fn a_refusal_for_lack_of_mfa_is_a_no_and_other_refusals_are_none() {
        let no_mfa = response(401, None, r#"{"code":"900421","description":"x"}"#);
        let error = read(&no_mfa, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PartnerCenterMfaRequired);
        assert_eq!(error.to_document().context["ms-requestid"], "test-request");
        assert_eq!(is_mfa_compliant(&no_mfa), Some(false));
        assert_eq!(is_mfa_compliant(&response(403, None, r#"{"code":"900308"}"#)), None);
        assert_eq!(is_mfa_compliant(&response(503, None, "")), None);
        assert_eq!(is_mfa_compliant(&response(403, Some("true"), r#"{"code":"900308"}"#)), Some(true));
    }
}
