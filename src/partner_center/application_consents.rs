//! A control panel vendor's consent for a customer: what the vendor's app may do there on behalf of the partner's users
//! (<https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis>, <https://learn.microsoft.com/partner-center/customers/gdap-faq>).
//!
//! One resource per request; a grant is never widened, but withdrawn and given anew. Nobody can be asked here what stands: see
//! [`standing_grants`](super::standing_grants).

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use url::Url;

use super::call::{self, CallIds};
use super::desired_grants::DesiredGrant;
use super::errors;
use crate::error::{Error, Result};
use crate::ids::{ClientId, TenantId};
use crate::secret::AccessToken;

/// Requests for consents and withdrawals that Partner Center takes from one app in a second, all partners and customers together.
pub const MOST_PER_SECOND: u32 = 50;

/// Whom a consent or a withdrawal is about.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where Partner Center answers.
    pub base: &'a Url,
    /// The customer's tenant.
    pub customer: TenantId,
    /// The app that is consented to: the one that the token was issued to.
    pub application: &'a ClientId,
}

/// What became of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It was accepted. The customer's tenant shows it within a minute.
    Accepted,
    /// Some consent to that resource is there already, perhaps to other scopes: only reading back tells.
    Exists,
}

/// The request that consents to one resource. `name` is how the app is called in the customer's tenant, `purpose` why this is done.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn grant_request(
    place: Place<'_>,
    name: &str,
    grant: &DesiredGrant,
    token: &AccessToken,
    purpose: &str,
    ids: CallIds,
) -> Result<Request<Vec<u8>>> {
    let body = Consent {
        application_id: place.application.as_str(),
        display_name: name,
        application_grants: [Grant { enterprise_application_id: grant.app_id(), scope: grant.scopes().join(", ") }],
    };
    let path = format!("/v1/customers/{}/applicationconsents", place.customer);
    let mut request = call::request(Method::POST, place.base, &path, token, purpose, ids)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Texts and a list of one cannot fail to serialize.
    *request.body_mut() = serde_json::to_vec(&body).unwrap_or_default();
    Ok(request)
}

/// Reads the reply to a consent; `retry_after` is what its headers ask for.
///
/// Errors: what [`errors::refusal_for_customer`] says of a status other than success and 409.
pub fn read_granted<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Granted> {
    let status = response.status();
    if status.is_success() {
        return Ok(Granted::Accepted);
    }
    if status == StatusCode::CONFLICT || (status.is_client_error() && says_exists(response.body().as_ref())) {
        return Ok(Granted::Exists);
    }
    Err(refusal(response, retry_after))
}

/// The request that withdraws everything the app was consented to at the customer. Its service principal may stay.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn withdraw_request(
    place: Place<'_>,
    token: &AccessToken,
    purpose: &str,
    ids: CallIds,
) -> Result<Request<Vec<u8>>> {
    let path = format!("/v1/customers/{}/applicationconsents/{}", place.customer, place.application);
    call::request(Method::DELETE, place.base, &path, token, purpose, ids)
}

/// Reads the reply to a withdrawal: true where something was withdrawn, false where there was nothing.
///
/// Errors: what [`errors::refusal_for_customer`] says of another status. 60003 is one of them: the customer is not known, which is not the same as
/// having no consent.
pub fn read_withdrawn<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<bool> {
    if response.status().is_success() {
        return Ok(true);
    }
    let error = refusal(response, retry_after);
    let knows_the_customer = error.service_code() != Some("60003");
    if response.status() == StatusCode::NOT_FOUND && knows_the_customer { Ok(false) } else { Err(error) }
}

fn refusal<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Error {
    let error = errors::refusal_for_customer(response.status().as_u16(), retry_after, response.body().as_ref());
    call::with_ids(error, response)
}

/// Some answer 400 and say it in words.
fn says_exists(body: &[u8]) -> bool {
    const LONGEST: usize = 64 << 10;
    let text = body.get(..body.len().min(LONGEST)).unwrap_or_default();
    String::from_utf8_lossy(text).to_ascii_lowercase().contains("permission entry already exists")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent<'a> {
    application_id: &'a str,
    display_name: &'a str,
    application_grants: [Grant<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    enterprise_application_id: &'a str,
    scope: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::error::{Actor, ErrorKind};
    use crate::partner_center::desired_grants::DesiredGrants;

    const APP: &str = "eeeeeeee-0000-4000-8000-000000000001";
    const CUSTOMER: &str = "cccccccc-0000-4000-8000-000000000001";

    fn response(status: u16, body: &str) -> Response<Vec<u8>> {
        Response::builder()
            .status(status)
            .header("MS-RequestId", "test-request")
            .body(body.as_bytes().to_vec())
            .unwrap()
    }

    #[test]
    fn a_consent_names_one_resource_and_its_scopes() {
        let base = Url::parse("https://api.partnercenter.microsoft.com").unwrap();
        let application: ClientId = APP.parse().unwrap();
        let place = Place { base: &base, customer: CUSTOMER.parse().unwrap(), application: &application };
        let desired = DesiredGrants::parse(
            "display_name = \"Test Panel\"\n[grants]\ngraph = [\"User.Read.All\", \"Domain.ReadWrite.All\"]",
        )
        .unwrap();
        let token = AccessToken::new("test-token");
        let ids = CallIds::random();
        let request = grant_request(place, desired.display_name(), &desired.grants()[0], &token, "test", ids).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(
            request.uri(),
            format!("https://api.partnercenter.microsoft.com/v1/customers/{CUSTOMER}/applicationconsents").as_str()
        );
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(
            serde_json::from_slice::<Value>(request.body()).unwrap(),
            json!({
                "applicationId": APP, "displayName": "Test Panel",
                "applicationGrants": [{
                    "enterpriseApplicationId": "00000003-0000-0000-c000-000000000000",
                    "scope": "Domain.ReadWrite.All, User.Read.All",
                }],
            })
        );
        let request = withdraw_request(place, &token, "test", ids).unwrap();
        assert_eq!(request.method(), Method::DELETE);
        assert!(request.uri().path().ends_with(&format!("/{CUSTOMER}/applicationconsents/{APP}")));
    }

    #[test]
    fn what_exists_is_neither_success_nor_failure() {
        assert_eq!(read_granted(&response(201, "{}"), None).unwrap(), Granted::Accepted);
        assert_eq!(read_granted(&response(200, ""), None).unwrap(), Granted::Accepted);
        assert_eq!(read_granted(&response(409, "not json"), None).unwrap(), Granted::Exists);
        let words = r#"{"code":"2000","description":"Permission entry already exists."}"#;
        assert_eq!(read_granted(&response(400, words), None).unwrap(), Granted::Exists);
        assert_eq!(read_granted(&response(500, words), None).unwrap_err().kind(), ErrorKind::ServerUnavailable);
    }

    #[test]
    fn a_refusal_says_what_helps_at_the_customer() {
        let error = read_granted(&response(403, r#"{"code":"900308","description":"x"}"#), None).unwrap_err();
        assert_eq!((error.kind(), error.actor()), (ErrorKind::PartnerCenterForbidden, Actor::PartnerAdministrator));
        let error = error.with_context("partner", "fabrikam.com").with_context("customer", CUSTOMER);
        assert!(error.hint().contains("GDAP") && error.hint().contains(CUSTOMER), "{}", error.hint());
        assert_eq!(error.to_document().context["ms-requestid"], "test-request");
    }

    #[test]
    fn nothing_to_withdraw_is_no_failure_and_an_unknown_customer_is() {
        assert!(read_withdrawn(&response(204, ""), None).unwrap());
        assert!(!read_withdrawn(&response(404, r#"{"code":"2001","description":"x"}"#), None).unwrap());
        let error = read_withdrawn(&response(404, r#"{"code":"60003","description":"x"}"#), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PartnerCenterNotFound);
    }

    proptest! {
        #[test]
        fn any_reply_is_answered(status in 100_u16..=999, body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let response = Response::builder().status(status).body(body).unwrap();
            let _ = read_granted(&response, None);
            let _ = read_withdrawn(&response, None);
        }
    }
}
