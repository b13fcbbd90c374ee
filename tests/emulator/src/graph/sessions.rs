//! The end of a user's sign-ins (Microsoft Graph, "user: revokeSignInSessions").

use std::sync::Arc;

use axum::{
    extract::{Path, State as Shared},
    http::HeaderMap,
    response::Response,
};
use serde_json::json;

use super::{Answer, Problem, Reply, acts_for_administrator, context, guarded, only_for_users, require};
use crate::{
    bearer::Caller,
    state::{State, World},
};

const MAY_REVOKE: [&str; 4] =
    ["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"];

pub(super) async fn revoke_own(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    guarded(&world, &headers, |caller| {
        let upn = caller.upn.clone().ok_or_else(only_for_users)?;
        end(&mut world.lock(), caller, &upn)
    })
}

pub(super) async fn revoke(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(user): Path<String>,
) -> Response {
    guarded(&world, &headers, |caller| end(&mut world.lock(), caller, &user))
}

/// By object id or user principal name, of the token's own tenant.
fn end(state: &mut State, caller: &Caller, user: &str) -> Answer {
    require(caller, &MAY_REVOKE)?;
    let found = state.directory.user(user).or_else(|| state.directory.user_by_id(user));
    let upn = found
        .filter(|found| found.tenant == caller.tenant)
        .map(|found| found.upn.clone())
        .ok_or_else(|| Problem::absent(user))?;
    let is_self = caller.upn.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(&upn));
    if !is_self && !acts_for_administrator(state, caller) {
        return Err(Problem::denied());
    }
    state.revoke_user(&upn);
    Ok(Reply::ok(json!({ "@odata.context": context("Edm.Boolean"), "value": true })))
}
