//! What every request to Partner Center carries
//! (<https://learn.microsoft.com/partner-center/developer/headers>).

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::chance::request_id;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::outside_text;
use crate::secret::AccessToken;

/// Ids by which Partner Center's support finds a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallIds {
    /// The same for every attempt of one call, so that a repeated one is done once.
    pub request: Uuid,
    /// A new one for each call.
    pub correlation: Uuid,
}

impl CallIds {
    /// Random ones.
    pub fn random() -> Self {
        Self { request: request_id(), correlation: request_id() }
    }
}

/// A request for `path` under `base`, without body. `purpose` says why and goes into the header that names the calling application.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn request(
    method: Method,
    base: &Url,
    path: &str,
    token: &AccessToken,
    purpose: &str,
    ids: CallIds,
) -> Result<Request<Vec<u8>>> {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(AUTHORIZATION, bearer(token)?)
        .header(ACCEPT, "application/json")
        .header("MS-RequestId", ids.request.to_string())
        .header("MS-CorrelationId", ids.correlation.to_string())
        .header("MS-Contract-Version", "v1")
        .header("MS-PartnerCenter-Application", application(purpose))
        .body(Vec::new())
        .map_err(|_| {
            Error::new(ErrorKind::Internal, "partner-center", "a request to Partner Center could not be built")
        })
}

/// The header that a token goes into, marked as sensitive.
pub(crate) fn bearer(token: &AccessToken) -> Result<HeaderValue> {
    // EXPOSE: the header that the token is for.
    let text = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, "partner-center", "the access token cannot stand in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A refusal with the ids that the answer repeats: support, and an administrator in the sign-in log, find the call by them. Graph's headers are read, too.
pub(crate) fn with_ids<B>(error: Error, response: &Response<B>) -> Error {
    const HEADERS: [(&str, &str); 4] = [
        ("MS-RequestId", "ms-requestid"),
        ("MS-CorrelationId", "correlation_id"),
        ("request-id", "request-id"),
        ("client-request-id", "correlation_id"),
    ];
    HEADERS.into_iter().fold(error, |error, (header, key)| {
        match response.headers().get(header).and_then(|id| id.to_str().ok()) {
            Some(id) => error.with_context(key, outside_text::name(id)),
            None => error,
        }
    })
}

/// The purpose as a header takes it: printable ASCII, not longer than needed.
fn application(purpose: &str) -> String {
    const LONGEST: usize = 128;
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let text: String = purpose.trim().chars().take(LONGEST).map(plain).collect();
    if text.is_empty() { "partnersam".to_owned() } else { format!("partnersam: {text}") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(base: &str, purpose: &str) -> Request<Vec<u8>> {
        let ids = CallIds { request: Uuid::from_u128(1), correlation: Uuid::from_u128(2) };
        request(Method::GET, &Url::parse(base).unwrap(), "/v1/x", &AccessToken::new("test-token"), purpose, ids)
            .unwrap()
    }

    #[test]
    fn a_request_carries_what_partner_center_wants() {
        let request = build("https://api.partnercenter.microsoft.com", "nightly licence report");
        assert_eq!(request.uri(), "https://api.partnercenter.microsoft.com/v1/x");
        let headers = request.headers();
        assert_eq!(headers["authorization"], "Bearer test-token");
        assert_eq!(headers["accept"], "application/json");
        assert_eq!(headers["ms-requestid"], Uuid::from_u128(1).to_string());
        assert_eq!(headers["ms-correlationid"], Uuid::from_u128(2).to_string());
        assert_eq!(headers["ms-contract-version"], "v1");
        assert_eq!(headers["ms-partnercenter-application"], "partnersam: nightly licence report");
    }

    #[test]
    fn a_refusal_has_the_ids_of_its_call() {
        let refused = |headers: [(&str, &str); 2]| {
            let answer = headers.into_iter().fold(Response::builder(), |answer, (name, id)| answer.header(name, id));
            with_ids(Error::new(ErrorKind::PartnerCenterForbidden, "test", "refused"), &answer.body(()).unwrap())
        };
        let error = refused([("MS-RequestId", "test-request"), ("MS-CorrelationId", "test-correlation")]);
        assert!(error.context().contains(&("ms-requestid", "test-request".to_owned())));
        assert_eq!(error.to_document().correlation_id, Some("test-correlation"));
        let error = refused([("request-id", "test-request"), ("client-request-id", "test-correlation")]);
        assert!(error.context().contains(&("request-id", "test-request".to_owned())));
        assert_eq!(error.correlation_id(), Some("test-correlation"));
    }

    #[test]
    fn the_token_is_not_shown() {
        assert!(!format!("{:?}", build("https://localhost:1", "")).contains("test-token"));
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused() {
        let base = Url::parse("https://localhost:1").unwrap();
        let error =
            request(Method::GET, &base, "/", &AccessToken::new("canary\r\nx: y"), "", CallIds::random()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn paths_go_under_the_base() {
        assert_eq!(build("https://localhost:1/pc/", "").uri(), "https://localhost:1/pc/v1/x");
    }

    #[test]
    fn ids_differ_from_call_to_call() {
        assert_ne!(CallIds::random(), CallIds::random());
    }

    proptest! {
        #[test]
        fn any_purpose_fits(purpose in "\\PC*|.*") {
            let value = build("https://localhost:1", &purpose).headers()["ms-partnercenter-application"].clone();
            prop_assert!(value.to_str().unwrap().starts_with("partnersam"));
            prop_assert!(value.len() <= 140);
        }
    }
}
