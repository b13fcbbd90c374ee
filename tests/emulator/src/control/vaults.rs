//! What stands between callers and vaults, and tokens for a managed identity.

use axum::{
    extract::{RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::Value;

use super::{Shown, answer, bad, tenant_id};
use crate::{form::Form, key_vault::Change, managed_identity, scenario::Some1, state::State};

/// The changes of vaults that a scenario names, their tenants by id.
pub(super) fn resolve(state: &State, changes: Option<Some1<Change>>) -> Result<Vec<Change>, (StatusCode, Value)> {
    let mut changes = changes.map(Some1::into_vec).unwrap_or_default();
    for change in &mut changes {
        change.check().map_err(bad)?;
        if let Some(tenant) = &change.tenant {
            change.tenant = Some(tenant_id(state, tenant)?);
        }
    }
    Ok(changes)
}

pub(super) async fn app_service_token(
    Shared(control): Shown,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    answer(managed_identity::token(&control.world, true, &headers, &query))
}

pub(super) async fn virtual_machine_token(
    Shared(control): Shown,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    answer(managed_identity::token(&control.world, false, &headers, &query))
}
