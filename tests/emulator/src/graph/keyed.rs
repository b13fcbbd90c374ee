//! Objects named by their app id instead of their own: `applications(appId='...')`, `servicePrincipals(appId='...')`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{Problem, applications, guarded, service_principals};
use crate::state::World;

/// How the handlers of single objects tell an app id from an object id.
const BY_APP_ID: &str = "appId:";

/// The app id, where an object is named by it.
pub(super) fn app_id(id: &str) -> Option<&str> {
    id.strip_prefix(BY_APP_ID)
}

fn parse(keyed: &str) -> Option<(&str, String)> {
    let (collection, key) = keyed.strip_suffix("')")?.split_once("(appId='")?;
    Some((collection, format!("{BY_APP_ID}{key}")))
}

pub(super) async fn one(
    world: Shared<Arc<World>>,
    headers: HeaderMap,
    Path(keyed): Path<String>,
    query: RawQuery,
) -> Response {
    match parse(&keyed) {
        Some(("applications", id)) => applications::one(world, headers, Path(id), query).await,
        Some(("servicePrincipals", id)) => service_principals::one(world, headers, Path(id)).await,
        _ => unknown(&world, &headers, &keyed),
    }
}

pub(super) async fn update(
    world: Shared<Arc<World>>,
    headers: HeaderMap,
    Path(keyed): Path<String>,
    body: Bytes,
) -> Response {
    match parse(&keyed) {
        Some(("applications", id)) => applications::update(world, headers, Path(id), body).await,
        _ => unknown(&world, &headers, &keyed),
    }
}

pub(super) async fn act(
    world: Shared<Arc<World>>,
    headers: HeaderMap,
    Path((keyed, action)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    match parse(&keyed) {
        Some(("applications", id)) => applications::act(world, headers, Path((id, action)), body).await,
        _ => unknown(&world, &headers, &keyed),
    }
}

fn unknown(world: &World, headers: &HeaderMap, segment: &str) -> Response {
    let segment: String = segment.chars().take(100).collect();
    guarded(world, headers, |_| {
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            format!("Resource not found for the segment '{segment}'."),
        ))
    })
}
