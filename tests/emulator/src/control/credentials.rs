//! Credentials: new certificates and roles for apps, tokens of the identity provider beside Entra, and new passwords for users.

use std::sync::Arc;

use axum::{body::Bytes, extract::State as Shared, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Shown, answer, bad, internal, read, tenant_id};
use crate::{
    certificates::{self, Made},
    credentials::Key,
    grants::random,
    resources::{self, Resource},
    samples,
    scenario::{RolesChange, Some1},
    state::{State, World},
    workload_identity,
};

/// A new certificate of an app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCertificate {
    client_id: String,
    /// Days from now on; negative where it has ended already.
    #[serde(default = "one_year")]
    valid_days: i64,
    /// Whether the app registration gets it.
    #[serde(default = "yes")]
    register: bool,
    /// How often it is refused as unknown at first.
    #[serde(default)]
    refuse_times: Option<u32>,
}

fn one_year() -> i64 {
    365
}

fn yes() -> bool {
    true
}

pub(super) async fn certificate(Shared(control): Shown, body: Bytes) -> Response {
    answer(make_certificate(&control.world, &body).await)
}

async fn make_certificate(world: &Arc<World>, body: &[u8]) -> Answer {
    let request: NewCertificate = read(body)?;
    if !(-3650..=3650).contains(&request.valid_days) {
        return Err(bad(format!("valid_days must be within ten years: {}", request.valid_days)));
    }
    let (app, now) = {
        let state = world.lock();
        let app = state.directory.app(&request.client_id).cloned();
        (app.ok_or_else(|| bad(format!("no such app: {}", request.client_id)))?, state.now())
    };
    if app.public {
        return Err(bad("a public client has no credential"));
    }
    let ends = now + request.valid_days * 86_400;
    let starts = now.min(ends) - 86_400;
    let profile = app.profile;
    let name = format!("emulator {profile}");
    let passphrase = format!("emulator-only-passphrase-{profile}");
    let made =
        tokio::task::spawn_blocking(move || Made::new(&name, &certificates::generate_key()?, starts, ends, passphrase));
    let made = made.await.map_err(|error| internal(error.to_string()))?.map_err(internal)?;
    let suffix = made.certificate.sha256.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    let placed =
        made.place(&world.files, &format!("{profile}-{suffix}")).map_err(|error| internal(error.to_string()))?;
    let mut key_id = None;
    if request.register {
        let mut state = world.lock();
        let mut key = Key::new(made.certificate, Some("added by the control port".to_owned()));
        key.unheard = request.refuse_times.unwrap_or(state.scenario.propagating);
        key_id = Some(key.key_id.clone());
        state.credentials.of_mut(&app.client_id).keys.push(key);
    }
    Ok(json!({ "schema_version": 1, "key_id": key_id, "certificate": placed }))
}

/// A token by which a workload proves itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FederatedToken {
    /// The app whose sample federated credential it fits, unless the others say otherwise.
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    audience: Option<String>,
    /// Seconds; negative where it has ended already.
    #[serde(default = "one_hour")]
    lifetime: i64,
}

fn one_hour() -> i64 {
    3600
}

pub(super) async fn federated_token(Shared(control): Shown, body: Bytes) -> Response {
    let world = Arc::clone(&control.world);
    // The first call makes the key.
    let done = tokio::task::spawn_blocking(move || mint(&world, &body)).await;
    answer(done.unwrap_or_else(|error| Err(internal(error.to_string()))))
}

fn mint(world: &World, body: &[u8]) -> Answer {
    let request: FederatedToken = read(body)?;
    if !(-30 * 86_400..=30 * 86_400).contains(&request.lifetime) {
        return Err(bad(format!("lifetime must be within thirty days: {}", request.lifetime)));
    }
    let client_id = request.client_id.as_deref().unwrap_or(samples::CPV_APP);
    let (record, now) = {
        let state = world.lock();
        let records = state.credentials.of(client_id).map(|of_app| of_app.federated.as_slice()).unwrap_or_default();
        (records.first().cloned(), state.now())
    };
    let record = record.ok_or_else(|| bad(format!("no app with a federated credential: {client_id}")))?;
    let issuer = request.issuer.unwrap_or(record.issuer);
    let subject = request.subject.unwrap_or(record.subject);
    let audience = request.audience.unwrap_or(record.audience);
    let ends = now + request.lifetime;
    let starts = now.min(ends) - 1;
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    add("iss", json!(issuer));
    add("sub", json!(subject));
    add("aud", json!(audience));
    add("iat", json!(starts));
    add("nbf", json!(starts));
    add("exp", json!(ends));
    add("jti", json!(random("", 16)));
    let token = world.workload_identity.sign(&claims).map_err(internal)?;
    Ok(json!({
        "schema_version": 1,
        "token": token,
        "issuer": issuer,
        "subject": subject,
        "audience": audience,
        "expires_on": crate::state::rfc3339(ends),
    }))
}

pub(super) async fn workload_configuration(Shared(control): Shown) -> Response {
    answer(Ok(workload_identity::configuration(&control.world.urls)))
}

pub(super) async fn workload_keys(Shared(control): Shown) -> Response {
    let world = Arc::clone(&control.world);
    let done = tokio::task::spawn_blocking(move || world.workload_identity.jwk_set(&world.urls)).await;
    answer(done.map_err(|error| internal(error.to_string())).and_then(|keys| keys.map_err(internal)))
}

/// Tenant, client, resource, and what changes.
type Roles = (String, String, &'static Resource, RolesChange);

/// What a scenario changes of apps' roles.
pub(super) fn roles(state: &State, changes: Option<Some1<RolesChange>>) -> Result<Vec<Roles>, (StatusCode, Value)> {
    let resolve = |change: RolesChange| {
        let tenant = tenant_id(state, &change.tenant)?;
        let app = state.directory.app(&change.client_id);
        let client = app.ok_or_else(|| bad(format!("no such app: {}", change.client_id)))?.client_id.clone();
        let resource = resources::find_by_word(&change.resource)
            .ok_or_else(|| bad(format!("no such resource: {}", change.resource)))?;
        Ok((tenant, client, resource, change))
    };
    changes.map(Some1::into_vec).unwrap_or_default().into_iter().map(resolve).collect()
}

/// A user's new password, and how it came to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordReset {
    upn: String,
    #[serde(default)]
    how: ResetHow,
}

/// Microsoft, "Refresh tokens in the Microsoft identity platform": only one of these ends what confidential clients hold.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum ResetHow {
    /// By the user.
    #[default]
    User,
    /// By an administrator in the Azure portal.
    AzurePortal,
    /// By an administrator in the Entra admin center.
    EntraAdminCenter,
}

pub(super) async fn reset_password(Shared(control): Shown, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| set_password(&control.world, &request)))
}

fn set_password(world: &World, request: &PasswordReset) -> Answer {
    let mut state = world.lock();
    let state = &mut *state;
    let password = random("emulator-only-password-", 9);
    let user = state.directory.user_mut(&request.upn).ok_or_else(|| bad(format!("no such user: {}", request.upn)))?;
    user.password.clone_from(&password);
    let upn = user.upn.clone();
    let directory = &state.directory;
    let revoked = state.grants.revoke(|session| {
        let is_public = directory.app(&session.signed_in.client_id).is_some_and(|app| app.public);
        session.signed_in.upn == upn && (is_public || request.how == ResetHow::EntraAdminCenter)
    });
    let kept = state.grants.live_of(&upn);
    Ok(json!({ "schema_version": 1, "password": password, "revoked": revoked, "kept": kept }))
}
