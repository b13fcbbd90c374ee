//! The little of Microsoft Graph: the organization, and who is signed in.

use std::sync::Arc;

use axum::{
    Router,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    bearer::{self, Caller, Denied},
    resources,
    state::{World, rfc3339},
};

/// The port of Microsoft Graph.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new().route("/v1.0/organization", get(organization)).route("/v1.0/me", get(me)).with_state(world)
}

type Answer = Result<Value, (StatusCode, &'static str, &'static str)>;

async fn organization(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let tenant = state.directory.tenant(&caller.tenant).ok_or((
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            "The tenant does not exist.",
        ))?;
        Ok(json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#organization",
            "value": [{
                "id": tenant.id,
                "displayName": tenant.name,
                "tenantType": "AAD",
                "countryLetterCode": "US",
                "verifiedDomains": [{
                    "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": true, "isInitial": false,
                    "name": tenant.domain, "type": "Managed",
                }],
            }],
        }))
    })
}

async fn me(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let upn = caller.upn.as_deref().ok_or((
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        ))?;
        let user = state.directory.user(upn).ok_or((
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            "The user does not exist.",
        ))?;
        Ok(json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
            "id": user.oid,
            "displayName": user.upn,
            "userPrincipalName": user.upn,
            "mail": user.upn,
        }))
    })
}

fn guarded(world: &World, headers: &HeaderMap, answer: impl FnOnce(&Caller) -> Answer) -> Response {
    const TOKEN: &str = "InvalidAuthenticationToken";
    let unauthorized = |text| Err((StatusCode::UNAUTHORIZED, TOKEN, text));
    let outcome = match bearer::caller(world, headers) {
        Err(Denied::Missing) => unauthorized("Access token is empty."),
        Err(Denied::Invalid) => unauthorized("Access token validation failure."),
        Err(Denied::Expired) => unauthorized("Lifetime validation failed, the token is expired."),
        Ok(caller) if !resources::graph().is_some_and(|graph| graph.is_named(&caller.audience)) => {
            unauthorized("Access token validation failure. Invalid audience.")
        }
        Ok(caller) => answer(&caller),
    };
    let id = uuid::Uuid::new_v4().to_string();
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err((status, code, message)) => {
            let now = world.lock().now();
            let date = rfc3339(now);
            let client_id = headers.get("client-request-id").and_then(|value| value.to_str().ok()).unwrap_or(&id);
            let inner = json!({ "date": date.trim_end_matches('Z'), "request-id": id, "client-request-id": client_id });
            (status, json!({ "error": { "code": code, "message": message, "innerError": inner } }))
        }
    };
    let mut response = (status, body.to_string()).into_response();
    let reply = response.headers_mut();
    reply.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; odata.metadata=minimal; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::try_from(&id) {
        reply.insert("request-id", value);
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"",
            world.urls.authority
        );
        if let Ok(value) = HeaderValue::try_from(challenge) {
            reply.insert(header::WWW_AUTHENTICATE, value);
        }
    }
    response
}
