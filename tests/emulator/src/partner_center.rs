//! The Partner Center API: enough to prove MFA, to list customers and to consent for them.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    bearer::{self, Caller, Denied},
    entra::MOST_BODY,
    form::Form,
    ready::Customer,
    resources,
    state::World,
};

const AUDIENCE: &str = "https://api.partnercenter.microsoft.com";
const APP_ID: &str = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd";

/// The port of the Partner Center API.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/profiles/organization", get(organization))
        .route("/v1/customers", get(customers))
        .route("/v1/customers/{customer}", get(customer))
        .route("/v1/customers/{customer}/applicationconsents", post(consent))
        .route("/v1/customers/{customer}/applicationconsents/{client}", delete(withdraw))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(world)
}

/// An answer before the headers that all have.
struct Answer {
    status: StatusCode,
    body: Option<Value>,
    /// Some replies of the real API begin with a UTF-8 byte order mark.
    bom: bool,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), bom: false }
    }

    fn error(status: StatusCode, code: &str, description: &str) -> Self {
        Self {
            status,
            body: Some(json!({ "code": code, "description": description, "data": [], "source": "PartnerFD" })),
            bom: false,
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

/// The most customers on a page, and how many without `size`.
const PAGE: usize = 500;

async fn customers(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let size = match query.get("size").map(str::parse::<usize>) {
            None => PAGE,
            Some(Ok(size)) if (1..=PAGE).contains(&size) => size,
            Some(_) => return Answer::error(StatusCode::BAD_REQUEST, "2000", "The page size is not valid."),
        };
        let continued = headers.get("ms-continuationtoken").and_then(|value| value.to_str().ok());
        let start = match (query.get("seekOperation"), continued) {
            (None, None) => 0,
            (Some(operation), Some(token)) if operation.eq_ignore_ascii_case("next") => {
                match token.strip_prefix("emulator-after-").and_then(|place| place.parse().ok()) {
                    Some(start) => start,
                    None => {
                        return Answer::error(StatusCode::BAD_REQUEST, "2000", "The continuation token is not valid.");
                    }
                }
            }
            _ => {
                return Answer::error(
                    StatusCode::BAD_REQUEST,
                    "2000",
                    "seekOperation=Next and MS-ContinuationToken belong together.",
                );
            }
        };
        let state = world.lock();
        let total = state.directory.customers_of(&caller.tenant).count();
        let items: Vec<_> = state.directory.customers_of(&caller.tenant).skip(start).take(size).map(as_json).collect();
        let end = start + items.len();
        let mut links = json!({ "self": link(&format!("/customers?size={size}"), &[]) });
        let mut body = json!({
            "totalCount": total,
            "items": items,
            "attributes": { "objectType": "SeekBasedResourceCollection" },
        });
        if end < total {
            let token = format!("emulator-after-{end}");
            let next = link(&format!("/customers?size={size}&seekOperation=Next"), &[("MS-ContinuationToken", &token)]);
            if let (Some(links), Some(body)) = (links.as_object_mut(), body.as_object_mut()) {
                links.insert("next".to_owned(), next);
                body.insert("continuationToken".to_owned(), json!(token));
            }
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("links".to_owned(), links);
        }
        Answer { bom: true, ..Answer::ok(body) }
    })
}

async fn customer(Shared(world): Shared<Arc<World>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        match own_customer(&state.directory, caller, &id) {
            Some(customer) => Answer::ok(as_json(customer)),
            None => Answer::error(
                StatusCode::NOT_FOUND,
                "60003",
                "The customer was not found, or there is no relationship.",
            ),
        }
    })
}

#[derive(Deserialize)]
struct ConsentRequest {
    #[serde(alias = "ApplicationId")]
    #[serde(rename = "applicationId")]
    application_id: String,
    #[serde(alias = "ApplicationGrants")]
    #[serde(rename = "applicationGrants")]
    grants: Vec<ConsentGrant>,
}

#[derive(Deserialize)]
struct ConsentGrant {
    #[serde(alias = "EnterpriseApplicationId")]
    #[serde(rename = "enterpriseApplicationId")]
    resource: String,
    #[serde(alias = "Scope")]
    scope: String,
}

/// The control panel vendor's consent for a customer (Microsoft, "Control Panel Vendor APIs").
async fn consent(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    guarded(&world, &headers, |caller| {
        let bad = |text: &str| Answer::error(StatusCode::BAD_REQUEST, "2000", text);
        let (Ok(request), Ok(echo)) =
            (serde_json::from_slice::<ConsentRequest>(&body), serde_json::from_slice::<Value>(&body))
        else {
            return bad("The body is not an application consent.");
        };
        let mut state = world.lock();
        let Some(customer) = own_customer(&state.directory, caller, &id).map(|customer| customer.id.clone()) else {
            return Answer::no_relationship();
        };
        if caller.upn.is_none() {
            return Answer::error(StatusCode::FORBIDDEN, "900329", "The operation does not support app-only tokens.");
        }
        let Some(client) = state.directory.app(&request.application_id).map(|app| app.client_id.clone()) else {
            return bad("The application is not known.");
        };
        let mut wanted = Vec::new();
        for grant in &request.grants {
            let Some(resource) = resources::find(&grant.resource) else {
                return bad("The enterprise application is not known.");
            };
            let mut permissions = Vec::new();
            for name in grant.scope.split([',', ' ']).filter(|name| !name.is_empty()) {
                match resource.permission(name) {
                    Some(permission) => permissions.push(permission),
                    None => return bad("A scope is not known."),
                }
            }
            if permissions.is_empty() {
                return bad("A grant has no scope.");
            }
            wanted.push((resource, permissions));
        }
        if wanted.iter().any(|(resource, _)| state.directory.granted(&customer, &client, resource).is_some()) {
            return Answer::error(StatusCode::CONFLICT, "10005", "Permission entry already exists.");
        }
        for (resource, permissions) in wanted {
            state.directory.consent(&customer, &client, resource, &permissions);
        }
        Answer { status: StatusCode::CREATED, ..Answer::ok(echo) }
    })
}

async fn withdraw(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path((id, client)): Path<(String, String)>,
) -> Response {
    guarded(&world, &headers, |caller| {
        let mut state = world.lock();
        let Some(customer) = own_customer(&state.directory, caller, &id).map(|customer| customer.id.clone()) else {
            return Answer::no_relationship();
        };
        state.directory.withdraw(&customer, &client.to_ascii_lowercase(), None);
        Answer { status: StatusCode::NO_CONTENT, body: None, bom: false }
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
    // Only a user's token can be compliant or not.
    let compliant = caller.as_ref().ok().filter(|caller| caller.upn.is_some()).map(|caller| caller.mfa);
    let unauthorized = |code: &str, text: &str| Answer::error(StatusCode::UNAUTHORIZED, code, text);
    let outcome = match &caller {
        Err(Denied::Missing) => unauthorized("800001", "The partner token is missing."),
        Err(Denied::Invalid) => unauthorized("400", "Access denied. The token is not valid."),
        Err(Denied::Expired) => unauthorized("400", "Access denied. The token has expired."),
        Ok(caller) if caller.audience != AUDIENCE && caller.audience != APP_ID => {
            unauthorized("900420", "The audience of the token is not Partner Center.")
        }
        Ok(caller) if caller.upn.is_some() && !caller.mfa => unauthorized(
            "900421",
            "MFA is required. The token of this app and user does not show multi-factor authentication.",
        ),
        Ok(caller) => answer(caller),
    };
    let text =
        outcome.body.map(|body| format!("{}{body}", if outcome.bom { "\u{feff}" } else { "" })).unwrap_or_default();
    let mut response = (outcome.status, text).into_response();
    let reply = response.headers_mut();
    reply.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    for name in ["ms-requestid", "ms-correlationid"] {
        let value = headers.get(name).cloned().or_else(|| HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) {
            reply.insert(name, value);
        }
    }
    if let (true, Some(compliant)) = (asks_for_mfa, compliant) {
        reply.insert("ismfacompliant", HeaderValue::from_static(if compliant { "true" } else { "false" }));
    }
    response
}

fn as_json(customer: &Customer) -> Value {
    json!({
        "id": customer.id,
        "commerceId": customer.id,
        "companyProfile": {
            "tenantId": customer.id,
            "domain": customer.domain,
            "companyName": customer.name,
            "attributes": { "objectType": "CustomerCompanyProfile" },
        },
        "relationshipToPartner": "reseller",
        "allowDelegatedAccess": true,
        "links": { "self": link(&format!("/customers/{}", customer.id), &[]) },
        "attributes": { "objectType": "Customer" },
    })
}

fn link(uri: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Vec<_> = headers.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "uri": uri, "method": "GET", "headers": headers })
}
