//! The Partner Center API: enough to prove MFA, to list customers and to consent for them.

mod consents;
mod customers;
pub(crate) mod mfa_reports;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use serde_json::{Value, json};

use crate::{
    bearer::{self, Caller, Denied},
    cloud::Cloud,
    entra::MOST_BODY,
    ready::Customer,
    resources,
    state::World,
};

/// The port of the Partner Center API.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/profiles/organization", get(organization))
        .route("/v1/customers", get(customers::customers))
        .route("/v1/customers/{customer}", get(customers::customer))
        .route("/v1/customers/{customer}/applicationconsents", post(consents::consent))
        .route("/v1/customers/{customer}/applicationconsents/{client}", delete(consents::withdraw))
        .route("/v1/nonMfaCompliantPartnerPrincipals", get(mfa_reports::principals))
        .route("/v1/applicationmfaadoptionstatus", get(mfa_reports::adoption))
        .route("/v1/partnerRequests", get(mfa_reports::requests))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(world)
}

/// An answer before the headers that all have.
struct Answer {
    status: StatusCode,
    body: Option<Value>,
    /// Some replies of the real API begin with a UTF-8 byte order mark.
    bom: bool,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), bom: false, retry_after: None }
    }

    fn error(status: StatusCode, code: &str, description: &str) -> Self {
        Self {
            status,
            body: Some(json!({ "code": code, "description": description, "data": [], "source": "PartnerFD" })),
            bom: false,
            retry_after: None,
        }
    }

    fn throttled(seconds: u64) -> Self {
        let message = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(seconds),
            ..Self::ok(json!({ "statusCode": 429, "message": message }))
        }
    }

    fn no_relationship() -> Self {
        Self::error(
            StatusCode::FORBIDDEN,
            "20002",
            "Access denied. The partner has no relationship with this customer.",
        )
    }
}

async fn organization(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let Some(tenant) = state.directory.tenant(&caller.tenant) else {
            return Answer::error(StatusCode::NOT_FOUND, "60003", "Tenant not found.");
        };
        Answer::ok(json!({
            "id": tenant.id,
            "companyName": tenant.name,
            "defaultAddress": {
                "country": "US", "city": "Nowhere", "state": "WA", "addressLine1": "1 Example Way", "postalCode": "98000",
                "firstName": "Test", "lastName": "Partner", "phoneNumber": "",
            },
            "tenantId": tenant.id,
            "domain": tenant.domain,
            "email": format!("admin@{}", tenant.domain),
            "language": "en",
            "culture": "en-US",
            "profileType": "organization_profile",
            "links": { "self": link("/profiles/organization", &[]) },
            "attributes": { "objectType": "PartnerOrganizationProfile" },
        }))
    })
}

fn own_customer<'a>(directory: &'a crate::directory::Directory, caller: &Caller, id: &str) -> Option<&'a Customer> {
    directory.customer(&id.to_ascii_lowercase()).filter(|customer| customer.partner == caller.tenant)
}

/// Checks the caller, answers, and adds what every reply carries.
fn guarded(world: &World, headers: &HeaderMap, answer: impl FnOnce(&Caller) -> Answer) -> Response {
    let caller = bearer::caller(world, headers);
    let asks_for_mfa = headers
        .get("validatemfa")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    if let Ok(caller) = &caller {
        mfa_reports::record(&mut world.lock(), caller, headers);
    }
    // Only a user's token can be compliant or not.
    let compliant = caller.as_ref().ok().filter(|caller| caller.upn.is_some()).map(|caller| caller.mfa);
    let unauthorized = |code: &str, text: &str| Answer::error(StatusCode::UNAUTHORIZED, code, text);
    let outcome = match &caller {
        Err(Denied::Missing) => unauthorized("800001", "The partner token is missing."),
        Err(Denied::Invalid) => unauthorized("400", "Access denied. The token is not valid."),
        Err(Denied::Expired) => unauthorized("400", "Access denied. The token has expired."),
        Ok(caller) if !is_audience(&caller.audience, world.cloud) => {
            unauthorized("900420", "The audience of the token is not Partner Center.")
        }
        Ok(caller) if caller.upn.is_some() && !caller.mfa && world.lock().scenario.mfa_enforced => unauthorized(
            "900421",
            "MFA is required. The token of this app and user does not show multi-factor authentication.",
        ),
        Ok(caller) => answer(caller),
    };
    let text = outcome
        .body
        .as_ref()
        .map(|body| format!("{}{body}", if outcome.bom { "\u{feff}" } else { "" }))
        .unwrap_or_default();
    let mut response = (outcome.status, text).into_response();
    let reply = response.headers_mut();
    reply.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    for name in ["ms-requestid", "ms-correlationid"] {
        let value = headers.get(name).cloned().or_else(|| HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) {
            reply.insert(name, value);
        }
    }
    if let Some(seconds) = outcome.retry_after {
        reply.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let (true, Some(compliant)) = (asks_for_mfa && world.lock().scenario.mfa_header, compliant) {
        reply.insert("ismfacompliant", HeaderValue::from_static(if compliant { "true" } else { "false" }));
    }
    response
}

/// To the letter: Partner Center wants no slash at the end.
fn is_audience(audience: &str, cloud: Cloud) -> bool {
    resources::find_by_word("partner-center")
        .is_some_and(|own| own.app_id == audience || own.uris(cloud).contains(&audience))
}

fn link(uri: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Vec<_> = headers.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "uri": uri, "method": "GET", "headers": headers })
}
