//! Scenario failures and delays around every request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{
    bearer,
    call_log::Call,
    claims_challenge,
    listen::Face,
    scenario::{self, Fault},
    state::{World, rfc3339},
};

/// Set on a response whose connection is to be closed instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abort;

/// Runs a request under the scenario. The control port is never disturbed.
pub(crate) async fn around<F>(
    world: &Arc<World>,
    face: Face,
    request: Request,
    run: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Infallible>>,
{
    if face == Face::Control {
        let Ok(response) = run(request).await;
        return response;
    }
    let call = (face != Face::Authority).then(|| call(world, face, &request));
    let response = disturbed(world, face, request, run).await;
    if let Some(mut call) = call {
        call.status = response.status().as_u16();
        let mut state = world.lock();
        call.time = rfc3339(state.now());
        state.calls.push(call);
    }
    response
}

/// What the log will tell about a request.
fn call(world: &World, face: Face, request: &Request) -> Call {
    let short = |text: &str| text.chars().take(1000).collect::<String>();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(short);
    let caller = bearer::caller(world, request.headers()).ok();
    Call {
        api: kind(face, request.uri().path()),
        method: request.method().to_string(),
        path: request.uri().path_and_query().map(|path| short(path.as_str())).unwrap_or_default(),
        request_id: header("ms-requestid").or_else(|| header("client-request-id")),
        correlation_id: header("ms-correlationid"),
        application: header("ms-partnercenter-application"),
        user_agent: header("user-agent"),
        body_bytes: header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0),
        host: request.uri().host().map(str::to_owned).or_else(|| header("host")),
        client_id: caller.as_ref().map(|caller| caller.app_id.clone()),
        tenant: caller.as_ref().map(|caller| caller.tenant.clone()),
        upn: caller.and_then(|caller| caller.upn),
        ..Call::default()
    }
}

async fn disturbed<F>(world: &Arc<World>, face: Face, request: Request, run: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let kind = kind(face, request.uri().path());
    let delay = world.lock().scenario.delay_for(kind, request.uri().path());
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    // The token endpoint asks for its own, because its log tells who was refused.
    let fault = if kind == TOKEN { None } else { take(world, kind, request.uri().path()) };
    match fault {
        Some(fault) if fault.abort != Some(scenario::Abort::After) => response(face, &fault),
        fault => {
            if let Some(challenge) = claims_challenge::meet(world, face, request.headers()) {
                return challenge;
            }
            let Ok(mut response) = run(request).await;
            if fault.is_some() {
                response.extensions_mut().insert(Abort);
            }
            response
        }
    }
}

pub(crate) const TOKEN: &str = "token";

/// Takes a failure for a request.
pub(crate) fn take(world: &World, kind: &str, path: &str) -> Option<Fault> {
    world.lock().scenario.take_fault(kind, path)
}

/// What the failure looks like.
pub(crate) fn response(face: Face, fault: &Fault) -> Response {
    if fault.abort == Some(scenario::Abort::Before) {
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Abort);
        return response;
    }
    let status = StatusCode::from_u16(fault.status.unwrap_or(503)).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let (body, content_type) = match &fault.body {
        Some(Value::String(text)) => (text.clone(), "text/plain; charset=utf-8"),
        Some(value) => (value.to_string(), "application/json; charset=utf-8"),
        None => (default_body(face, status).to_string(), "application/json; charset=utf-8"),
    };
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
            headers.insert(name, value);
        }
    }
    response
}

fn default_body(face: Face, status: StatusCode) -> Value {
    let throttled = status == StatusCode::TOO_MANY_REQUESTS;
    match face {
        Face::Authority if throttled => json!({
            "error": "temporarily_unavailable", "error_codes": [90055],
            "error_description": "AADSTS90055: Tenant throttled: the emulator was told to fail this request.",
        }),
        Face::Authority => json!({
            "error": "temporarily_unavailable", "error_codes": [90033],
            "error_description": "AADSTS90033: A transient error has occurred: the emulator was told to fail this request.",
        }),
        Face::PartnerCenter if throttled => {
            json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds." })
        }
        Face::PartnerCenter => {
            json!({ "code": status.as_u16().to_string(), "description": "the emulator was told to fail this request", "data": [], "source": "PartnerFD" })
        }
        Face::KeyVault if throttled => {
            json!({ "error": { "code": "Throttled", "message": "the emulator was told to fail this request" } })
        }
        Face::Graph | Face::Arm | Face::Control | Face::KeyVault => {
            let code = if throttled { "TooManyRequests" } else { "ServiceUnavailable" };
            json!({ "error": { "code": code, "message": "the emulator was told to fail this request" } })
        }
    }
}

/// The word by which scenarios name a kind of request.
fn kind(face: Face, path: &str) -> &'static str {
    match face {
        Face::PartnerCenter => "partner_center",
        Face::Graph => "graph",
        Face::Arm => "arm",
        Face::Control => "control",
        Face::KeyVault => "key_vault",
        Face::Authority => {
            let kinds = [
                ("/token", TOKEN),
                ("/devicecode", "devicecode"),
                ("/openid-configuration", "metadata"),
                ("/keys", "keys"),
                ("/discovery/instance", "instance"),
                ("/authorize", "authorize"),
                ("/adminconsent", "adminconsent"),
                ("/login", "sign_in"),
                ("/devicelogin", "sign_in"),
            ];
            kinds.iter().find(|(end, _)| path.ends_with(end)).map_or("other", |(_, kind)| kind)
        }
    }
}
