//! Service principals: the apps that a tenant knows, the APIs among them.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{Problem, Reply, context, guarded, keyed, object_id, odata, require};
use crate::{
    cloud::Cloud,
    form::Form,
    resources::{self, Resource},
    state::{State, World},
};

/// One of these is needed to read them.
pub(super) const MAY_READ: [&str; 8] = [
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Directory.AccessAsUser.All",
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
];

/// The id of an app's service principal in a tenant.
pub(super) fn id_of(tenant: &str, app_id: &str) -> String {
    object_id(tenant, "servicePrincipal", app_id)
}

pub(super) async fn list(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    guarded(&world, &headers, |caller| {
        require(caller, &MAY_READ)?;
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let wanted = match odata::list_of(&query, "appId")? {
            Some(list) => Some(list),
            None => {
                let pairs = odata::equalities(&query)?;
                odata::filter_by(&pairs, &["appId"])?.first().map(|(_, value)| vec![(*value).to_owned()])
            }
        };
        let mut state = world.lock();
        let rows = all(&mut state, &caller.tenant, |app_id| {
            wanted.as_ref().is_none_or(|list| list.iter().any(|wanted| wanted.eq_ignore_ascii_case(app_id)))
        });
        odata::page(&world, state.scenario.graph_page, "/servicePrincipals", &query, rows)
    })
}

pub(super) async fn one(Shared(world): Shared<Arc<World>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    guarded(&world, &headers, |caller| {
        require(caller, &MAY_READ)?;
        let mut state = world.lock();
        let found = all(&mut state, &caller.tenant, |app_id| match keyed::app_id(&id) {
            Some(wanted) => wanted.eq_ignore_ascii_case(app_id),
            None => id_of(&caller.tenant, app_id).eq_ignore_ascii_case(&id),
        });
        let mut row = found.into_iter().next().ok_or_else(|| Problem::absent(&id))?;
        if let Some(row) = row.as_object_mut() {
            row.insert("@odata.context".to_owned(), json!(context("servicePrincipals/$entity")));
        }
        Ok(Reply::ok(row))
    })
}

/// Those whose app id is wanted. Looking at an app counts as a read of what it was consented to.
fn all(state: &mut State, tenant: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let mut clients = state.directory.client_ids();
    clients.sort();
    clients.retain(|client| is_wanted(client) && state.directory.read_consents(tenant, client).is_some());
    let apps = clients.iter().filter_map(|client| {
        let app = state.directory.app(client)?;
        Some(json!({
            "id": id_of(tenant, client),
            "appId": client,
            "displayName": format!("emulator {}", app.profile),
            "accountEnabled": true,
            "appOwnerOrganizationId": app.tenant,
            "servicePrincipalType": "Application",
            "oauth2PermissionScopes": [],
        }))
    });
    let apis =
        resources::ALL.iter().filter(|resource| is_wanted(resource.app_id)).map(|api| of_api(tenant, api, state.cloud));
    apps.chain(apis).collect()
}

fn of_api(tenant: &str, api: &Resource, cloud: Cloud) -> Value {
    let scopes: Vec<_> = api
        .permissions
        .iter()
        .map(|name| json!({ "id": object_id(api.app_id, "scope", name), "value": name, "type": "Admin", "isEnabled": true }))
        .collect();
    json!({
        "id": id_of(tenant, api.app_id),
        "appId": api.app_id,
        "displayName": api.name,
        "accountEnabled": true,
        "appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "servicePrincipalType": "Application",
        "servicePrincipalNames": api.uris(cloud),
        "oauth2PermissionScopes": scopes,
    })
}
