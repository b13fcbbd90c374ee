//! The control port: scenarios, the request log, and sign-ins by one call.

mod credentials;
mod customers;
mod vaults;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    entra::{
        self, MOST_BODY,
        errors::EntraError,
        sign_in::{self, Leave, Page, Step},
    },
    form::Form,
    grants::SignedIn,
    managed_identity,
    ready::Ready,
    resources,
    scenario::{Change, ConsentChange, Revoke},
    signing_keys::SigningKey,
    state::{State, World, rfc3339},
    workload_identity,
};

struct Control {
    world: Arc<World>,
    ready: Ready,
}

type Shown = Shared<Arc<Control>>;

/// The control port.
pub(crate) fn router(world: Arc<World>, ready: Ready) -> Router {
    Router::new()
        .route("/ready", get(ready_again))
        .route("/state", get(state))
        .route("/reset", post(reset))
        .route("/scenario", post(scenario))
        .route("/requests", get(requests))
        .route("/requests/reset", post(requests_reset))
        .route("/signin", post(sign_in_at_once))
        .route("/partners", post(partners))
        .route("/grants", post(grants))
        .route("/calls", get(calls))
        .route("/calls/reset", post(calls_reset))
        .route("/customers", post(customers::add))
        .route("/password-reset", post(credentials::reset_password))
        .route("/certificates", post(credentials::certificate))
        .route("/federated-token", post(credentials::federated_token))
        .route(
            &format!("{}/.well-known/openid-configuration", workload_identity::PATH),
            get(credentials::workload_configuration),
        )
        .route(&format!("{}/keys", workload_identity::PATH), get(credentials::workload_keys))
        .route(managed_identity::APP_SERVICE, get(vaults::app_service_token))
        .route(managed_identity::VIRTUAL_MACHINE, get(vaults::virtual_machine_token))
        .route("/connections/close", post(connections_close))
        .route("/shutdown", post(shutdown))
        .layer(DefaultBodyLimit::max(MOST_BODY * 16))
        .with_state(Arc::new(Control { world, ready }))
}

type Answer = Result<Value, (StatusCode, Value)>;

fn answer(answer: Answer) -> Response {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, body)) => (status, body),
    };
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

fn bad(message: impl Into<String>) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({ "error": "bad_request", "message": message.into() }))
}

fn internal(message: String) -> (StatusCode, Value) {
    (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "internal", "message": message }))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, (StatusCode, Value)> {
    // Objects only: serde would take an array for a struct, by position.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad("the body is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is not what this path takes: {error}")))
}

async fn ready_again(Shared(control): Shown) -> Response {
    answer(serde_json::to_value(&control.ready).map_err(|error| internal(error.to_string())))
}

async fn state(Shared(control): Shown) -> Response {
    answer(Ok(describe(&control.world.lock())))
}

fn describe(state: &State) -> Value {
    let (sessions, codes, devices) = state.grants.counts();
    let consents: Vec<_> = state
        .directory
        .consent_rows()
        .into_iter()
        .map(|(tenant, client, resource, permissions)| {
            json!({ "tenant": tenant, "client_id": client, "resource": resource, "permissions": permissions })
        })
        .collect();
    json!({
        "schema_version": 1,
        "now": rfc3339(state.now()),
        "scenario": state.scenario,
        "tenants": state.directory.tenants().count(),
        "sessions": sessions,
        "codes": codes,
        "device_codes": devices,
        "sign_ins": state.sign_ins.count(),
        "token_requests": state.log.count(),
        "consents": consents,
        "credentials": state.credentials.rows(),
    })
}

async fn reset(Shared(control): Shown) -> Response {
    let mut state = control.world.lock();
    answer(state.reset().map_err(internal).map(|()| describe(&state)))
}

async fn scenario(Shared(control): Shown, body: Bytes) -> Response {
    answer(change(&control.world, &body).await)
}

async fn change(world: &Arc<World>, body: &[u8]) -> Answer {
    let mut change: Change = read(body)?;
    let new_key = if change.rotate_keys == Some(true) {
        let made =
            tokio::task::spawn_blocking(SigningKey::generate).await.map_err(|error| internal(error.to_string()))?;
        Some(made.map_err(internal)?)
    } else {
        None
    };
    let mut revoked = None;
    let description = {
        let mut state = world.lock();
        let state = &mut *state;
        let consents = change.take_consents();
        let resolved: Vec<_> = consents.iter().map(|consent| resolve(state, consent)).collect::<Result<_, _>>()?;
        let (revoke, expire) = (change.revoke.take(), change.expire_tokens == Some(true));
        let whose = revoke.map(|revoke| whose(state, revoke)).transpose()?;
        let customers = customers::resolve(state, change.customers.take())?;
        let agents = customers::agents(state, change.admin_agent.take())?;
        let roles = credentials::roles(state, change.app_roles.take())?;
        let vaults = vaults::resolve(state, change.vaults.take())?;
        change.apply(&mut state.scenario).map_err(bad)?;
        // Nothing below can fail: a refused change changes nothing.
        for (consent, (tenant, clients, resource)) in consents.iter().zip(resolved) {
            for client in clients {
                match (consent.granted, resource) {
                    (true, Some(resource)) => state.directory.consent(&tenant, &client, resource, &consent.scopes),
                    (true, None) => resources::ALL
                        .iter()
                        .for_each(|resource| state.directory.consent(&tenant, &client, resource, &[])),
                    (false, resource) => state.directory.withdraw(&tenant, &client, resource),
                }
            }
        }
        for (customer, change) in customers {
            state.relationships.change(&customer, &change);
        }
        for (tenant, client, resource, roles) in roles {
            state.directory.assign(&tenant, &client, resource, &roles.roles, roles.granted);
        }
        for change in vaults {
            state.vaults.change(&change);
        }
        for agent in agents {
            state.relationships.set_agent(&agent.upn, agent.member);
        }
        if let Some(whose) = whose {
            revoked = Some(state.grants.revoke(|session| match &whose {
                Whose::All => true,
                Whose::User(upn) => session.signed_in.upn.eq_ignore_ascii_case(upn),
                Whose::Tenant(tenant) => session.home == *tenant,
            }));
        }
        if expire {
            state.token_epoch += 1;
        }
        describe(state)
    };
    if let Some(key) = new_key {
        world.roll_over(key);
    }
    let mut description = description;
    if let (Some(revoked), Some(body)) = (revoked, description.as_object_mut()) {
        body.insert("revoked".to_owned(), json!(revoked));
    }
    Ok(description)
}

enum Whose {
    All,
    User(String),
    Tenant(String),
}

fn whose(state: &State, revoke: Revoke) -> Result<Whose, (StatusCode, Value)> {
    match revoke {
        Revoke::Word(word) if word == "all" => Ok(Whose::All),
        Revoke::Word(word) => Err(bad(format!("revoke takes \"all\" or an object: {word}"))),
        Revoke::Of(of) => match (of.upn, of.tenant, of.all) {
            (Some(upn), None, None) => match state.directory.user(&upn) {
                Some(user) => Ok(Whose::User(user.upn.clone())),
                None => Err(bad(format!("no such user: {upn}"))),
            },
            (None, Some(tenant), None) => Ok(Whose::Tenant(tenant_id(state, &tenant)?)),
            (None, None, Some(true)) => Ok(Whose::All),
            _ => Err(bad("revoke takes one of upn, tenant and all")),
        },
    }
}

type Resolved = (String, Vec<String>, Option<&'static resources::Resource>);

fn resolve(state: &State, consent: &ConsentChange) -> Result<Resolved, (StatusCode, Value)> {
    let tenant = tenant_id(state, &consent.tenant)?;
    let clients = match &consent.client_id {
        None => state.directory.client_ids(),
        Some(client) => {
            vec![state.directory.app(client).ok_or_else(|| bad(format!("no such app: {client}")))?.client_id.clone()]
        }
    };
    let resource = match &consent.resource {
        None => None,
        Some(word) => Some(resources::find_by_word(word).ok_or_else(|| bad(format!("no such resource: {word}")))?),
    };
    check_scopes(resource, &consent.scopes)?;
    Ok((tenant, clients, resource))
}

/// Permissions by name need a resource that has them.
fn check_scopes(resource: Option<&resources::Resource>, scopes: &[String]) -> Result<(), (StatusCode, Value)> {
    let unknown = |scope: &&String| resource.is_none_or(|resource| resource.permission(scope).is_none());
    match scopes.iter().find(unknown) {
        Some(scope) => Err(bad(format!("no such scope: {scope}"))),
        None => Ok(()),
    }
}

fn tenant_id(state: &State, text: &str) -> Result<String, (StatusCode, Value)> {
    state.directory.tenant(text).map(|tenant| tenant.id.clone()).ok_or_else(|| bad(format!("no such tenant: {text}")))
}

async fn requests(Shared(control): Shown) -> Response {
    let state = control.world.lock();
    let entries: Vec<_> = state.log.entries().collect();
    answer(Ok(json!({ "schema_version": 1, "count": state.log.count(), "requests": entries })))
}

async fn requests_reset(Shared(control): Shown) -> Response {
    control.world.lock().log.clear();
    answer(Ok(json!({ "schema_version": 1, "count": 0 })))
}

async fn calls(Shared(control): Shown) -> Response {
    let state = control.world.lock();
    let entries: Vec<_> = state.calls.entries().collect();
    answer(Ok(json!({ "schema_version": 1, "count": state.calls.count(), "calls": entries })))
}

async fn calls_reset(Shared(control): Shown) -> Response {
    control.world.lock().calls.clear();
    answer(Ok(json!({ "schema_version": 1, "count": 0 })))
}

/// As servers do with connections that were idle for long, and without a word.
async fn connections_close(Shared(control): Shown) -> Response {
    control.world.connections.close().await;
    answer(Ok(json!({ "schema_version": 1, "closed": true })))
}

async fn shutdown(Shared(control): Shown) -> Response {
    control.world.ask_to_stop();
    answer(Ok(json!({ "schema_version": 1, "stopping": true })))
}

/// A whole sign-in by one call. Password and code are the user's own unless the caller sends others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInAtOnce {
    /// Where the client would have sent a browser: an authorization or admin consent URL of this authority.
    authorize_url: Option<String>,
    /// Or the user code of a device flow.
    user_code: Option<String>,
    upn: String,
    password: Option<String>,
    otp: Option<String>,
    #[serde(default = "yes")]
    accept: bool,
}

fn yes() -> bool {
    true
}

async fn sign_in_at_once(Shared(control): Shown, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| play(&control.world, request)))
}

fn play(world: &World, request: SignInAtOnce) -> Answer {
    let first = match (request.authorize_url, request.user_code) {
        (Some(url), None) => first_step(world, &url)?,
        (None, Some(code)) => match entra::begin_device_sign_in(world, &code) {
            Some(ctx) => sign_in::first_page(&world.lock(), ctx),
            None => entra::unknown_device_code(),
        },
        _ => return Err(bad("one of authorize_url and user_code is needed")),
    };
    let Step::Ask(Page::SignIn { ctx, .. }) = first else { return outcome(first) };
    let known = world.lock().directory.user(&request.upn).cloned();
    let mut form = Form::default();
    form.insert("login", request.upn);
    form.insert(
        "passwd",
        request
            .password
            .or_else(|| known.as_ref().map(|user| user.password.clone()))
            .unwrap_or_else(|| "unknown".to_owned()),
    );
    if let Some(otp) = request.otp.or_else(|| known.map(|user| user.otp)) {
        form.insert("otp", otp);
    }
    // A person who declines has signed in before; a cancelled sign-in page looks the same to the client.
    if request.accept {
        form.insert("consent", "accept".to_owned());
        return outcome(sign_in::advance(world, &ctx, &form));
    }
    match sign_in::advance(world, &ctx, &form) {
        Step::Ask(Page::Consent { .. }) => {
            form.insert("consent", "cancel".to_owned());
            outcome(sign_in::advance(world, &ctx, &form))
        }
        other => outcome(other),
    }
}

fn first_step(world: &World, url: &str) -> Result<Step, (StatusCode, Value)> {
    let url = Url::parse(url).map_err(|error| bad(format!("authorize_url is not a URL: {error}")))?;
    let ours = Url::parse(&world.urls.authority).ok().and_then(|url| url.port());
    if url.scheme() != "https"
        || url.port() != ours
        || !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    {
        return Err(bad(format!("authorize_url is not at this authority: {}", world.urls.authority)));
    }
    let query = Form::parse(url.query().unwrap_or_default().as_bytes());
    let path: Vec<_> = url.path_segments().into_iter().flatten().collect();
    match path.as_slice() {
        [tenant, "oauth2", "authorize"] => Ok(entra::begin_authorize(world, true, tenant, &query)),
        [tenant, "oauth2", "v2.0", "authorize"] => Ok(entra::begin_authorize(world, false, tenant, &query)),
        [tenant, "adminconsent"] => Ok(entra::begin_admin_consent(world, true, tenant, &query)),
        [tenant, "v2.0", "adminconsent"] => Ok(entra::begin_admin_consent(world, false, tenant, &query)),
        _ => Err(bad(format!("authorize_url is not an authorization or admin consent URL: {}", url.path()))),
    }
}

fn outcome(step: Step) -> Answer {
    let stuck = |page: &str, error: Option<EntraError>| {
        let (name, text, codes) = error.map_or_else(
            || {
                (
                    "interaction_required".to_owned(),
                    "the page needs an answer that was not given".to_owned(),
                    Vec::new(),
                )
            },
            |error| (error.error, error.text, error.codes),
        );
        Err((StatusCode::BAD_REQUEST, json!({ "error": name, "message": text, "error_codes": codes, "page": page })))
    };
    match step {
        Step::Leave(Leave::Redirect(location)) => Ok(json!({ "schema_version": 1, "location": location })),
        Step::Leave(Leave::FormPost { action, pairs }) => {
            let fields: serde_json::Map<_, _> = pairs.into_iter().map(|(name, value)| (name, json!(value))).collect();
            Ok(json!({ "schema_version": 1, "form": { "action": action, "fields": fields } }))
        }
        Step::Leave(Leave::Told(text)) => Ok(json!({ "schema_version": 1, "message": text })),
        Step::Ask(Page::SignIn { error, .. }) => stuck("sign_in", error),
        Step::Ask(Page::Mfa { error, .. }) => stuck("mfa", error),
        Step::Ask(Page::Consent { allowed: false, .. }) => {
            stuck("consent", Some(entra::errors::aadsts(90_094, "The grant requires admin permission.")))
        }
        Step::Ask(Page::Consent { .. }) => stuck("consent", None),
        Step::Ask(Page::Refused(error)) => stuck("error", Some(error)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Partners {
    count: u32,
}

/// Most generated partners in one call.
const MOST_PARTNERS: u32 = 20_000;

async fn partners(Shared(control): Shown, body: Bytes) -> Response {
    answer(read::<Partners>(&body).and_then(|request| {
        if !(1..=MOST_PARTNERS).contains(&request.count) {
            return Err(bad(format!("count must be 1 to {MOST_PARTNERS}: {}", request.count)));
        }
        let added = control.world.lock().directory.add_partners(request.count);
        let rows: Vec<_> = added.iter().map(|(tenant, user)| json!({ "tenant": tenant, "user": user })).collect();
        Ok(json!({ "schema_version": 1, "partners": rows }))
    }))
}

/// Refresh tokens without a sign-in, for load tests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grants {
    client_id: String,
    upns: Vec<String>,
    #[serde(default = "yes")]
    mfa: bool,
}

async fn grants(Shared(control): Shown, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| seed(&control.world, request)))
}

fn seed(world: &World, request: Grants) -> Answer {
    let mut state = world.lock();
    let state = &mut *state;
    let now = state.now();
    let client_id = state
        .directory
        .app(&request.client_id)
        .ok_or_else(|| bad(format!("no such app: {}", request.client_id)))?
        .client_id
        .clone();
    let mut rows = Vec::new();
    for upn in request.upns {
        let user = state.directory.user(&upn).cloned().ok_or_else(|| bad(format!("no such user: {upn}")))?;
        let signed_in = SignedIn::new(user.upn.clone(), client_id.clone(), request.mfa, now);
        let session = state.grants.begin(signed_in, user.tenant.clone());
        let refresh_token = state.grants.refresh_token(session, now).map_err(internal)?;
        rows.push(json!({ "upn": user.upn, "tenant": user.tenant, "refresh_token": refresh_token }));
    }
    Ok(json!({ "schema_version": 1, "grants": rows }))
}
