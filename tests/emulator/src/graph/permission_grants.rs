//! What apps may do on behalf of users: one grant for each app and API.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{Answer, guarded, object_id, odata, require, service_principals};
use crate::{
    bearer::Caller,
    form::Form,
    resources,
    state::{State, World},
};

pub(super) async fn list(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let pairs = odata::equalities(&query)?;
        let wanted = odata::filter_by(&pairs, &["clientId", "resourceId", "consentType"])?;
        answer(&world, caller, &query, "/oauth2PermissionGrants", &wanted)
    })
}

pub(super) async fn of_principal(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let path = format!("/servicePrincipals/{id}/oauth2PermissionGrants");
        answer(&world, caller, &query, &path, &[("clientId", &id)])
    })
}

fn answer(world: &World, caller: &Caller, query: &Form, path: &str, wanted: &[(&str, &str)]) -> Answer {
    require(caller, &service_principals::MAY_READ)?;
    let mut state = world.lock();
    let rows = rows(&mut state, &caller.tenant, wanted);
    odata::page(world, state.scenario.graph_page, path, query, rows)
}

fn rows(state: &mut State, tenant: &str, wanted: &[(&str, &str)]) -> Vec<Value> {
    let asks = |name: &str| wanted.iter().find(|(asked, _)| *asked == name).map(|(_, value)| *value);
    let mut clients = state.directory.client_ids();
    clients.sort();
    let mut rows = Vec::new();
    for client in clients {
        let client_id = service_principals::id_of(tenant, &client);
        if asks("clientId").is_some_and(|asked| !asked.eq_ignore_ascii_case(&client_id)) {
            continue;
        }
        for (key, permissions) in state.directory.read_consents(tenant, &client).into_iter().flatten() {
            let Some(api) = resources::find_by_word(key) else { continue };
            let row = json!({
                "id": object_id(tenant, "grant", &format!("{client} {}", api.app_id)),
                "clientId": client_id,
                "consentType": "AllPrincipals",
                "principalId": null,
                "resourceId": service_principals::id_of(tenant, api.app_id),
                "scope": permissions.into_iter().collect::<Vec<_>>().join(" "),
            });
            let fits = |name: &str| asks(name).is_none_or(|asked| row.get(name).is_some_and(|value| value == asked));
            if fits("resourceId") && fits("consentType") {
                rows.push(row);
            }
        }
    }
    rows
}
