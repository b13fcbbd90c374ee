//! The little of Azure Resource Manager: the tenants that a token reaches.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    bearer::{self, Denied},
    form::Form,
    resources,
    state::World,
};

/// The port of Azure Resource Manager.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new().route("/tenants", get(tenants)).with_state(world)
}

async fn tenants(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    match list(&world, &headers, &Form::parse(query.unwrap_or_default().as_bytes())) {
        Ok(body) => reply(StatusCode::OK, &body),
        Err((status, code, message)) => {
            let mut response = reply(status, &json!({ "error": { "code": code, "message": message } }));
            let challenge =
                format!("Bearer authorization_uri=\"{}/common\", error=\"invalid_token\"", world.urls.authority);
            if let (StatusCode::UNAUTHORIZED, Ok(value)) = (status, HeaderValue::try_from(challenge)) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            response
        }
    }
}

fn list(world: &World, headers: &HeaderMap, query: &Form) -> Result<Value, (StatusCode, &'static str, &'static str)> {
    let unauthorized = |code, message| (StatusCode::UNAUTHORIZED, code, message);
    let caller = bearer::caller(world, headers).map_err(|denied| match denied {
        Denied::Missing => {
            unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        }
        Denied::Invalid => unauthorized("InvalidAuthenticationToken", "The access token is invalid."),
        Denied::Expired => unauthorized(
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        ),
    })?;
    if !resources::find_by_word("arm").is_some_and(|arm| arm.is_named(&caller.audience, world.cloud)) {
        return Err(unauthorized(
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource.",
        ));
    }
    if query.get("api-version").is_none() {
        return Err((
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    let state = world.lock();
    let value: Vec<_> = state
        .directory
        .tenant(&caller.tenant)
        .map(|tenant| {
            json!({
                "id": format!("/tenants/{}", tenant.id),
                "tenantId": tenant.id,
                "displayName": tenant.name,
                "defaultDomain": tenant.domain,
                "domains": [tenant.domain],
                "tenantCategory": "Home",
                "countryCode": "US",
            })
        })
        .into_iter()
        .collect();
    Ok(json!({ "value": value }))
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    (status, [content_type], body.to_string()).into_response()
}
