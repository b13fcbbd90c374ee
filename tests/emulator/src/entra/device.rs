//! The device authorization grant (RFC 8628) and the page where its code is entered.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    assertion::Place,
    client::Client,
    errors::{EntraError, Ids, aadsts, json_response, missing},
    metadata::unknown_tenant,
    pages,
    sign_in::{self, Page, Purpose, Step},
    token::refusal,
};
use crate::{
    form::Form,
    grants::DEVICE_LIFE,
    scopes::{Asked, Scopes},
    state::World,
};

/// Where a person enters the code.
pub(crate) const PAGE: &str = "/devicelogin";

pub(crate) async fn v1(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, true, &tenant, &headers, &body)
}

pub(crate) async fn v2(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, false, &tenant, &headers, &body)
}

fn answer(world: &World, v1: bool, tenant: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let ids = Ids::of(headers);
    match issue(world, v1, tenant, headers, &Form::parse(body)) {
        Ok(body) => json_response(200, &body, &ids),
        Err(error) => {
            let now = world.lock().now();
            error.response(world, &ids, now)
        }
    }
}

fn issue(world: &World, v1: bool, tenant: &str, headers: &HeaderMap, form: &Form) -> Result<Value, EntraError> {
    let mut state = world.lock();
    let state = &mut *state;
    let path = state.directory.tenant_path(tenant).ok_or_else(|| unknown_tenant(tenant))?;
    let client = Client::of(headers, form);
    let app = client.app(state, tenant)?;
    // No credential is needed here; a wrong assertion is refused all the same.
    if client.asserts() {
        client.authenticate(&Place { world, path: &path, written: tenant, v1 }, state, &app)?;
    }
    let scopes = if v1 {
        let resource = form.get("resource").ok_or_else(|| missing("resource"))?;
        Scopes {
            asked: vec![Asked::resource(resource, state.cloud).map_err(refusal)?],
            openid: true,
            offline_access: true,
            ..Scopes::default()
        }
    } else {
        if form.get("resource").is_some() {
            return Err(aadsts(901_002, "The 'resource' request parameter is not supported."));
        }
        Scopes::parse(form.get("scope").ok_or_else(|| missing("scope"))?, state.cloud).map_err(refusal)?
    };
    let now = state.now();
    let interval = state.scenario.device_interval;
    let (device_code, user_code) = state.grants.add_device(app.client_id, path, scopes, v1, now);
    let page = format!("{}{PAGE}", world.urls.authority);
    let number = |value: i64| if v1 { json!(value.to_string()) } else { json!(value) };
    let mut body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "expires_in": number(DEVICE_LIFE),
        "interval": number(i64::from(interval)),
        "message": format!("To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."),
    });
    if let Some(body) = body.as_object_mut() {
        body.insert(if v1 { "verification_url" } else { "verification_uri" }.to_owned(), json!(page));
    }
    Ok(body)
}

pub(crate) async fn page(RawQuery(query): RawQuery) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    pages::user_code(query.get("user_code").unwrap_or_default(), None)
}

pub(crate) async fn submit(Shared(world): Shared<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let code = form.get("user_code").unwrap_or_default();
    match begin_sign_in(&world, code) {
        Some(ctx) => {
            let step = if form.get("passwd").is_some() {
                sign_in::advance(&world, &ctx, &form)
            } else {
                sign_in::first_page(&world.lock(), ctx)
            };
            pages::render(&world, &Ids::of(&headers), step)
        }
        None => pages::user_code(code, Some("That code is not known, was used, or has expired.")),
    }
}

/// Begins the sign-in that a user code stands for.
pub(crate) fn begin_sign_in(world: &World, user_code: &str) -> Option<String> {
    let mut state = world.lock();
    let now = state.now();
    let (device_code, device) = state.grants.device_by_user_code(user_code, now)?;
    let purpose = Purpose::Device {
        device_code,
        client_id: device.client_id.clone(),
        path: device.path.clone(),
        asked: device.scopes.asked.clone(),
    };
    Some(state.sign_ins.begin(purpose, None, now))
}

/// The page of a device sign-in that could not begin.
pub(crate) fn unknown_code() -> Step {
    Step::Ask(Page::Refused(aadsts(70_018, "Bad verification code.")))
}
