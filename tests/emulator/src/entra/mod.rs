//! Entra ID.

mod admin_consent;
pub(crate) mod assertion;
mod authorize;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod conditional_access;
mod device;
pub(crate) mod errors;
mod metadata;
mod pages;
pub(crate) mod sign_in;
mod token;
pub(crate) mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};

use crate::state::World;

pub(crate) use admin_consent::begin as begin_admin_consent;
pub(crate) use authorize::begin as begin_authorize;
pub(crate) use device::{begin_sign_in as begin_device_sign_in, unknown_code as unknown_device_code};

/// Bytes of a request body, by far more than a token request needs.
pub(crate) const MOST_BODY: usize = 64 * 1024;

/// The authority's port.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/{tenant}/.well-known/openid-configuration", get(metadata::v1))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(metadata::v2))
        .route("/common/discovery/instance", get(metadata::instance))
        .route("/discovery/keys", get(metadata::keys_of_all))
        .route("/{tenant}/discovery/keys", get(metadata::keys_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(metadata::keys_v2))
        .route("/{tenant}/oauth2/authorize", get(authorize::v1).post(authorize::v1_post))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::v2).post(authorize::v2_post))
        .route("/{tenant}/adminconsent", get(admin_consent::v1))
        .route("/{tenant}/v2.0/adminconsent", get(admin_consent::v2))
        .route(sign_in::FORM, post(sign_in::submit))
        .route("/{tenant}/oauth2/token", any(token::v1))
        .route("/{tenant}/oauth2/v2.0/token", any(token::v2))
        .route("/{tenant}/oauth2/devicecode", post(device::v1))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device::v2))
        .route(device::PAGE, get(device::page).post(device::submit))
        .route("/{tenant}/oauth2/logout", get(pages::signed_out))
        .route("/{tenant}/oauth2/v2.0/logout", get(pages::signed_out))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(world)
}
