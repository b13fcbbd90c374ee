//! The little of Microsoft Graph that a partner's automation needs: the organization, who is signed in, what apps may do, their
//! credentials, and the end of sign-ins.

mod applications;
mod keyed;
mod odata;
mod permission_grants;
mod service_principals;
mod sessions;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    bearer::{self, Caller, Denied},
    entra::MOST_BODY,
    resources,
    state::{State, World, rfc3339},
};

/// The port of Microsoft Graph.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1.0/organization", get(organization))
        .route("/v1.0/me", get(me))
        .route("/v1.0/me/revokeSignInSessions", post(sessions::revoke_own))
        .route("/v1.0/users/{user}/revokeSignInSessions", post(sessions::revoke))
        .route("/v1.0/servicePrincipals", get(service_principals::list))
        .route("/v1.0/servicePrincipals/{id}", get(service_principals::one))
        .route("/v1.0/servicePrincipals/{id}/oauth2PermissionGrants", get(permission_grants::of_principal))
        .route("/v1.0/oauth2PermissionGrants", get(permission_grants::list))
        .route("/v1.0/applications", get(applications::list))
        .route("/v1.0/applications/{id}", get(applications::one).patch(applications::update))
        .route("/v1.0/applications/{id}/{action}", post(applications::act))
        .route("/v1.0/{keyed}", get(keyed::one).patch(keyed::update))
        .route("/v1.0/{keyed}/{action}", post(keyed::act))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(world)
}

/// A good answer.
struct Reply {
    status: StatusCode,
    body: Option<Value>,
}

impl Reply {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body) }
    }

    fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None }
    }
}

/// A bad one.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    fn absent(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }
}

type Answer = Result<Reply, Problem>;

/// Whether the token has one of these permissions.
fn require(caller: &Caller, any_of: &[&str]) -> Result<(), Problem> {
    if caller.permissions.iter().any(|permission| any_of.contains(&permission.as_str())) {
        Ok(())
    } else {
        Err(Problem::denied())
    }
}

/// Whether the caller is an administrator, where it is a user.
fn acts_for_administrator(state: &State, caller: &Caller) -> bool {
    caller.upn.as_deref().is_none_or(|upn| state.directory.user(upn).is_some_and(|user| user.admin))
}

/// The id of an object in a tenant: always the same for the same thing.
fn object_id(tenant: &str, kind: &str, name: &str) -> String {
    let namespace = Uuid::try_parse(tenant).unwrap_or(Uuid::NAMESPACE_OID);
    Uuid::new_v5(&namespace, format!("{kind} {name}").as_bytes()).to_string()
}

fn context(of: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/$metadata#{of}")
}

async fn organization(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let tenant = state.directory.tenant(&caller.tenant).ok_or_else(|| Problem::absent(&caller.tenant))?;
        Ok(Reply::ok(json!({
            "@odata.context": context("organization"),
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
        })))
    })
}

async fn me(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let upn = caller.upn.as_deref().ok_or_else(only_for_users)?;
        let user = state.directory.user(upn).ok_or_else(|| Problem::absent(upn))?;
        Ok(Reply::ok(json!({
            "@odata.context": context("users/$entity"),
            "id": user.oid,
            "displayName": user.upn,
            "userPrincipalName": user.upn,
            "mail": user.upn,
        })))
    })
}

fn only_for_users() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BadRequest", "/me request is only valid with delegated authentication flow.")
}

fn caller(world: &World, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = bearer::caller(world, headers).map_err(|denied| match denied {
        Denied::Missing => Problem::unauthorized("Access token is empty."),
        Denied::Invalid => Problem::unauthorized("Access token validation failure."),
        Denied::Expired => Problem::unauthorized("Lifetime validation failed, the token is expired."),
    })?;
    if !resources::graph().is_some_and(|graph| graph.is_named(&caller.audience, world.cloud)) {
        return Err(Problem::unauthorized("Access token validation failure. Invalid audience."));
    }
    let mut state = world.lock();
    let per_second = state.scenario.graph_per_second;
    let sender = format!("graph {} {}", caller.app_id, caller.tenant);
    state.rates.take(&sender, per_second, Instant::now()).map_err(|seconds| Problem {
        retry_after: Some(seconds),
        ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests.")
    })?;
    Ok(caller)
}

/// Checks the caller, answers, and adds what every reply carries.
fn guarded(world: &World, headers: &HeaderMap, answer: impl FnOnce(&Caller) -> Answer) -> Response {
    let outcome = caller(world, headers).and_then(|caller| answer(&caller));
    let id = Uuid::new_v4().to_string();
    let mut retry_after = None;
    let (status, body) = match outcome {
        Ok(reply) => (reply.status, reply.body),
        Err(problem) => {
            let now = world.lock().now();
            let date = rfc3339(now);
            let client_id = headers.get("client-request-id").and_then(|value| value.to_str().ok()).unwrap_or(&id);
            let inner = json!({ "date": date.trim_end_matches('Z'), "request-id": id, "client-request-id": client_id });
            let error = json!({ "code": problem.code, "message": problem.message, "innerError": inner });
            retry_after = problem.retry_after;
            (problem.status, Some(json!({ "error": error })))
        }
    };
    let mut response = (status, body.map(|body| body.to_string()).unwrap_or_default()).into_response();
    let reply = response.headers_mut();
    reply.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; odata.metadata=minimal; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::try_from(&id) {
        reply.insert("request-id", value);
    }
    if let Some(value) = headers.get("client-request-id") {
        reply.insert("client-request-id", value.clone());
    }
    if let Some(seconds) = retry_after {
        reply.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
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
