//! Partner Center's reports on requests without MFA, over the last seven days
//! (<https://learn.microsoft.com/partner-center/developer/get-a-list-of-portal-requests-without-mfa> and its neighbours).

use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::call::{self, CallIds};
use super::errors;
use crate::error::Result;
use crate::protocol::{json_body, outside_text};
use crate::secret::AccessToken;

const LARGEST_BODY: usize = 1 << 20;

/// An account that called Partner Center without MFA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its object id; empty where the report has none.
    pub object_id: String,
    /// Its sign-in name; empty where the report has none.
    pub user_name: String,
    /// When it last did, as the report has it.
    pub last_seen: Option<String>,
}

/// How many of an app's requests had MFA on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The app's client id.
    pub client_id: String,
    /// All its requests by users.
    pub requests: u64,
    /// Those with MFA.
    pub with_mfa: u64,
}

/// Asks which accounts called without MFA.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn principals_request(base: &Url, token: &AccessToken, purpose: &str) -> Result<Request<Vec<u8>>> {
    call::request(Method::GET, base, "/v1/nonMfaCompliantPartnerPrincipals", token, purpose, CallIds::random())
}

/// Asks how many requests of each app had MFA.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn adoption_request(base: &Url, token: &AccessToken, purpose: &str) -> Result<Request<Vec<u8>>> {
    call::request(Method::GET, base, "/v1/applicationmfaadoptionstatus", token, purpose, CallIds::random())
}

/// Reads the accounts; rows of another shape are passed over.
///
/// Errors: what [`errors::refusal`] says of a status other than success.
pub fn principals<B: AsRef<[u8]>>(response: &Response<B>) -> Result<Vec<Principal>> {
    let rows = items(response)?;
    let read = |row: &Value| {
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(outside_text::name).unwrap_or_default();
        let seen = ["lastNonMfaCompliantRequestDateTime", "LastNonMfaCompliantLoginDateTime"].map(text);
        let principal = Principal {
            object_id: text("objectId"),
            user_name: text("upn"),
            last_seen: seen.into_iter().find(|moment| !moment.is_empty()),
        };
        (!principal.object_id.is_empty() || !principal.user_name.is_empty()).then_some(principal)
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Reads the counts of each app and day; rows of another shape are passed over.
///
/// Errors: what [`errors::refusal`] says of a status other than success.
pub fn adoption<B: AsRef<[u8]>>(response: &Response<B>) -> Result<Vec<Adoption>> {
    let rows = items(response)?;
    let read = |row: &Value| {
        Some(Adoption {
            client_id: outside_text::name(row.get("applicationId")?.as_str()?),
            requests: row.get("totalRequestCount")?.as_u64()?,
            with_mfa: row.get("mfaCompliantRequestCount")?.as_u64()?,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    items: Vec<Value>,
}

fn items<B: AsRef<[u8]>>(response: &Response<B>) -> Result<Vec<Value>> {
    let body = response.body().as_ref();
    if !response.status().is_success() {
        return Err(call::with_ids(errors::refusal(response.status().as_u16(), None, body), response));
    }
    Ok(json_body::parse::<Page>(body, LARGEST_BODY).unwrap_or_default().items)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;

    fn answer(status: u16, body: &Value) -> Response<Vec<u8>> {
        Response::builder().status(status).body(body.to_string().into_bytes()).unwrap()
    }

    #[test]
    fn both_names_of_the_moment_are_read() {
        for key in ["lastNonMfaCompliantRequestDateTime", "LastNonMfaCompliantLoginDateTime"] {
            let body = json!({"totalCount": 1, "items": [{"objectId": "test-oid", "upn": "legacy@fabrikam.com", key: "2026-11-20T00:00:00Z"}]});
            let rows = principals(&answer(200, &body)).unwrap();
            assert_eq!(rows.len(), 1);
            assert_eq!(rows.first().unwrap().last_seen.as_deref(), Some("2026-11-20T00:00:00Z"));
        }
    }

    #[test]
    fn rows_of_another_shape_are_passed_over() {
        let body = json!({"items": [1, {}, {"applicationId": "test-app", "totalRequestCount": 3, "mfaCompliantRequestCount": 2}, {"applicationId": 4}]});
        assert_eq!(principals(&answer(200, &body)).unwrap(), []);
        let expected = Adoption { client_id: "test-app".to_owned(), requests: 3, with_mfa: 2 };
        assert_eq!(adoption(&answer(200, &body)).unwrap(), [expected]);
        assert_eq!(adoption(&answer(200, &json!([]))).unwrap(), []);
    }

    #[test]
    fn a_refusal_is_told_as_one() {
        let error = principals(&answer(403, &json!({"code": "900329"}))).unwrap_err();
        assert_eq!(error.service_code(), Some("900329"));
        assert_eq!(
            adoption(&answer(401, &json!({"code": "900421"}))).unwrap_err().kind(),
            ErrorKind::PartnerCenterMfaRequired
        );
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let response = Response::builder().status(200).body(body).unwrap();
            prop_assert!(principals(&response).is_ok() && adoption(&response).is_ok());
        }
    }
}
