//! App registrations and their credentials (Microsoft Graph, "application: addPassword" and its neighbours).

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Answer, Problem, Reply, acts_for_administrator, context, guarded, keyed, object_id, odata, require};
use crate::{
    bearer::Caller,
    certificates::{Certificate, hexadecimal},
    credentials::{Key, Password},
    entra::assertion::Assertion,
    form::Form,
    grants::random,
    ready::App,
    state::{State, World, rfc3339},
};

const OWNED: &str = "Application.ReadWrite.OwnedBy";
const MAY_WRITE: [&str; 3] = ["Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"];
const MAY_READ: [&str; 3] = ["Application.Read.All", "Directory.Read.All", "Application.ReadWrite.All"];

fn id_of(app: &App) -> String {
    object_id(&app.tenant, "application", &app.client_id)
}

pub(super) async fn list(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let pairs = odata::equalities(&query)?;
        let wanted = odata::filter_by(&pairs, &["appId"])?;
        let state = world.lock();
        let mut apps: Vec<_> = state.directory.apps().filter(|app| app.tenant == caller.tenant).collect();
        apps.sort_by(|one, other| one.client_id.cmp(&other.client_id));
        apps.retain(|app| wanted.iter().all(|(_, wanted)| wanted.eq_ignore_ascii_case(&app.client_id)));
        if !apps.iter().all(|app| may_read(caller, app)) || (apps.is_empty() && require(caller, &MAY_READ).is_err()) {
            return Err(Problem::denied());
        }
        let rows = apps.into_iter().map(|app| row(&state, app, false)).collect();
        odata::page(&world, state.scenario.graph_page, "/applications", &query, rows)
    })
}

pub(super) async fn one(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let state = world.lock();
        let app = find(&state, caller, &id)?;
        if !may_read(caller, &app) {
            return Err(Problem::denied());
        }
        // The certificates themselves come only where they are asked for.
        let selects_keys = query
            .get("$select")
            .is_some_and(|select| select.split(',').any(|name| name.trim().eq_ignore_ascii_case("keyCredentials")));
        let mut row = row(&state, &app, selects_keys);
        if let Some(row) = row.as_object_mut() {
            row.insert("@odata.context".to_owned(), json!(context("applications/$entity")));
        }
        Ok(Reply::ok(row))
    })
}

/// Replaces the certificates: what is not in the list goes.
pub(super) async fn update(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    guarded(&world, &headers, |caller| {
        let mut state = world.lock();
        let app = writable(&state, caller, &id)?;
        let update: Update = read(&body)?;
        let Some(list) = update.key_credentials else { return Ok(Reply::nothing()) };
        let now = state.now();
        let propagating = state.scenario.propagating;
        let of_app = state.credentials.of_mut(&app.client_id);
        let mut keys = Vec::new();
        for asked in list {
            let known = of_app
                .keys
                .iter()
                .find(|key| asked.key_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&key.key_id)));
            keys.push(match known {
                Some(known) => known.clone(),
                None => asked.into_key(now, propagating)?,
            });
        }
        of_app.keys = keys;
        Ok(Reply::nothing())
    })
}

/// `addPassword`, `removePassword`, `addKey` and `removeKey`.
pub(super) async fn act(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    guarded(&world, &headers, |caller| {
        let mut state = world.lock();
        match action.as_str() {
            "addPassword" => {
                let app = writable(&state, caller, &id)?;
                add_password(&mut state, &app, read(&body)?)
            }
            "removePassword" => {
                let app = writable(&state, caller, &id)?;
                let wanted: KeyId = read(&body)?;
                let passwords = &mut state.credentials.of_mut(&app.client_id).passwords;
                let before = passwords.len();
                passwords.retain(|password| !password.key_id.eq_ignore_ascii_case(&wanted.key_id));
                if passwords.len() == before {
                    return Err(Problem::bad("No password credential found with keyId."));
                }
                Ok(Reply::nothing())
            }
            "addKey" => {
                let app = find(&state, caller, &id)?;
                let asked: AddKey = read(&body)?;
                prove(&state, caller, &app, &asked.proof)?;
                let key = asked.key_credential.into_key(state.now(), state.scenario.propagating)?;
                let mut body = key_row(&key, false);
                if let Some(body) = body.as_object_mut() {
                    body.insert("@odata.context".to_owned(), json!(context("microsoft.graph.keyCredential")));
                }
                state.credentials.of_mut(&app.client_id).keys.push(key);
                Ok(Reply::ok(body))
            }
            "removeKey" => {
                let app = find(&state, caller, &id)?;
                let wanted: RemoveKey = read(&body)?;
                prove(&state, caller, &app, &wanted.proof)?;
                let keys = &mut state.credentials.of_mut(&app.client_id).keys;
                let before = keys.len();
                keys.retain(|key| !key.key_id.eq_ignore_ascii_case(&wanted.key_id));
                if keys.len() == before {
                    return Err(Problem::bad("No key credential found with keyId."));
                }
                Ok(Reply::nothing())
            }
            other => Err(Problem::bad(format!(
                "Resource not found for the segment '{}'.",
                other.chars().take(100).collect::<String>()
            ))),
        }
    })
}

fn add_password(state: &mut State, app: &App, asked: AddPassword) -> Answer {
    const TWO_YEARS: i64 = 2 * 365 * 86_400;
    let now = state.now();
    let wanted = asked.password_credential.unwrap_or_default();
    let starts = moment(wanted.start_date_time.as_deref())?.unwrap_or(now);
    let ends = moment(wanted.end_date_time.as_deref())?.unwrap_or(now + TWO_YEARS);
    if ends <= starts {
        return Err(Problem::bad("The credential's end date is not after its start date."));
    }
    // As the samples': what does not encode it fails.
    let secret = random("emulator-only-secret+new&real%~", 18);
    let mut password = Password::new(secret.clone(), starts, ends);
    password.name = wanted.display_name;
    password.unheard = state.scenario.propagating;
    let mut body = password_row(&password);
    if let Some(body) = body.as_object_mut() {
        body.insert("@odata.context".to_owned(), json!(context("microsoft.graph.passwordCredential")));
        body.insert("secretText".to_owned(), json!(secret));
    }
    state.credentials.of_mut(&app.client_id).passwords.push(password);
    Ok(Reply::ok(body))
}

/// An app registration of the token's tenant.
fn find(state: &State, caller: &Caller, id: &str) -> Result<App, Problem> {
    state
        .directory
        .apps()
        .find(|app| {
            let named = match keyed::app_id(id) {
                Some(wanted) => wanted.eq_ignore_ascii_case(&app.client_id),
                None => id_of(app).eq_ignore_ascii_case(id),
            };
            named && app.tenant == caller.tenant
        })
        .cloned()
        .ok_or_else(|| Problem::absent(id))
}

fn may_read(caller: &Caller, app: &App) -> bool {
    require(caller, &MAY_READ).is_ok() || may_write(caller, app)
}

fn may_write(caller: &Caller, app: &App) -> bool {
    // An app owns itself here; a user's token cannot have this permission.
    let owns = caller.upn.is_none() && caller.app_id == app.client_id && require(caller, &[OWNED]).is_ok();
    owns || require(caller, &MAY_WRITE).is_ok()
}

fn writable(state: &State, caller: &Caller, id: &str) -> Result<App, Problem> {
    let app = find(state, caller, id)?;
    if may_write(caller, &app) && acts_for_administrator(state, caller) { Ok(app) } else { Err(Problem::denied()) }
}

/// A key is added and removed by whoever has one already: by a token signed with it.
fn prove(state: &State, caller: &Caller, app: &App, proof: &str) -> Result<(), Problem> {
    if caller.app_id != app.client_id && !may_write(caller, app) {
        return Err(Problem::denied());
    }
    let keys = state.credentials.of(&app.client_id).map(|of_app| of_app.keys.as_slice()).unwrap_or_default();
    let holds = Assertion::parse(proof).is_some_and(|proof| proof.proves(keys, &id_of(app), state.now()));
    if holds { Ok(()) } else { Err(Problem::bad("The proof of possession token is not valid.")) }
}

fn row(state: &State, app: &App, with_keys: bool) -> Value {
    let of_app = state.credentials.of(&app.client_id);
    let passwords: Vec<_> =
        of_app.map(|of_app| of_app.passwords.iter().map(password_row).collect()).unwrap_or_default();
    let keys: Vec<_> =
        of_app.map(|of_app| of_app.keys.iter().map(|key| key_row(key, with_keys)).collect()).unwrap_or_default();
    json!({
        "id": id_of(app),
        "appId": app.client_id,
        "displayName": format!("emulator {}", app.profile),
        "signInAudience": "AzureADMultipleOrgs",
        "passwordCredentials": passwords,
        "keyCredentials": keys,
    })
}

fn password_row(password: &Password) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": password.name,
        "endDateTime": rfc3339(password.ends),
        "hint": password.secret.chars().take(3).collect::<String>(),
        "keyId": password.key_id,
        "secretText": null,
        "startDateTime": rfc3339(password.starts),
    })
}

fn key_row(key: &Key, with_key: bool) -> Value {
    json!({
        "customKeyIdentifier": hexadecimal(&key.certificate.sha1),
        "displayName": key.name,
        "endDateTime": rfc3339(key.certificate.ends),
        "key": with_key.then(|| STANDARD.encode(&key.certificate.der)),
        "keyId": key.key_id,
        "startDateTime": rfc3339(key.certificate.starts),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddPassword {
    password_credential: Option<NewPassword>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPassword {
    display_name: Option<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    key_credentials: Option<Vec<NewKey>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddKey {
    key_credential: NewKey,
    proof: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveKey {
    key_id: String,
    proof: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewKey {
    key_id: Option<String>,
    display_name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    usage: Option<String>,
    /// DER in base64.
    key: Option<String>,
}

impl NewKey {
    fn into_key(self, now: i64, unheard: u32) -> Result<Key, Problem> {
        if self.kind.as_deref() != Some("AsymmetricX509Cert") || self.usage.as_deref() != Some("Verify") {
            return Err(Problem::bad("A key credential's type must be AsymmetricX509Cert and its usage Verify."));
        }
        let der = self.key.and_then(|key| STANDARD.decode(key).ok());
        let certificate = der
            .and_then(|der| Certificate::parse(&der))
            .ok_or_else(|| Problem::bad("Invalid value specified for property 'key' of resource 'KeyCredential'."))?;
        if certificate.ends <= now {
            return Err(Problem::bad("Key credential end date is invalid."));
        }
        let mut key = Key::new(certificate, self.display_name);
        if let Some(id) = self.key_id {
            key.key_id = id;
        }
        key.unheard = unheard;
        Ok(key)
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|_| Problem::bad("Unable to read JSON request payload."))
}

/// Unix seconds of an RFC 3339 time.
fn moment(text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|text| {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(OffsetDateTime::unix_timestamp)
            .map_err(|_| Problem::bad("Cannot convert the literal to the expected type 'Edm.DateTimeOffset'."))
    })
    .transpose()
}
