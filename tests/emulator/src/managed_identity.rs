//! The endpoint at which a workload in Azure gets tokens without a credential (Microsoft, "How to use managed identities to acquire an access token").
//!
//! In the way of App Service (`IDENTITY_ENDPOINT` and `IDENTITY_HEADER`) and in the way of virtual machines (`Metadata: true`), at the control port.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    entra::{
        claims::Requested,
        client::Proof,
        tokens::{AccessToken, Subject},
    },
    form::Form,
    ready::{App, ManagedIdentity},
    samples,
    scopes::Asked,
    state::{Urls, World},
};

/// In the way of App Service.
pub(crate) const APP_SERVICE: &str = "/msi/token";
/// In the way of virtual machines.
pub(crate) const VIRTUAL_MACHINE: &str = "/metadata/identity/oauth2/token";

/// The one identity that there is; its home is the vendor's tenant.
pub(crate) fn sample(urls: &Urls) -> ManagedIdentity {
    ManagedIdentity {
        endpoint: format!("{}{APP_SERVICE}", urls.control),
        header: "emulator-only-identity-header".to_owned(),
        client_id: samples::MANAGED_IDENTITY.to_owned(),
        tenant: samples::VENDOR.to_owned(),
    }
}

/// A token, or why there is none.
pub(crate) fn token(
    world: &World,
    app_service: bool,
    headers: &HeaderMap,
    query: &Form,
) -> Result<Value, (StatusCode, Value)> {
    let refused = |status, error: &str, text: &str| Err((status, json!({ "error": error, "error_description": text })));
    let identity = sample(&world.urls);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if app_service && header("x-identity-header") != Some(&identity.header) {
        return refused(StatusCode::UNAUTHORIZED, "unauthorized", "the header X-IDENTITY-HEADER is not the right one");
    }
    if !app_service && !header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "Required metadata header not specified");
    }
    let Some(resource) = query.get("resource") else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "Required query variable 'resource' is missing");
    };
    let asked_for = ["client_id", "object_id", "principal_id"].into_iter().find_map(|name| query.get(name));
    if asked_for.is_some_and(|id| !id.eq_ignore_ascii_case(&identity.client_id)) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "Identity not found");
    }
    let Ok(asked) = Asked::resource(resource, world.cloud) else {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_resource",
            "AADSTS500011: The resource principal was not found",
        );
    };
    let app = App {
        profile: "managed-identity".to_owned(),
        client_id: identity.client_id.clone(),
        client_secret: None,
        tenant: identity.tenant.clone(),
        redirect_uris: Vec::new(),
        public: false,
        certificates: Vec::new(),
        federated_credentials: Vec::new(),
    };
    let access = AccessToken::new(
        world,
        &world.lock(),
        &Subject {
            tenant: &identity.tenant,
            app: &app,
            proof: Proof::Certificate,
            user: None,
            asked: &asked,
            permissions: &[],
            requested: &Requested::default(),
        },
    );
    let signed = access
        .sign(world)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "internal", "message": error })))?;
    Ok(json!({
        "access_token": signed,
        "client_id": identity.client_id,
        "expires_in": access.lifetime.to_string(),
        "expires_on": (access.issued + access.lifetime).to_string(),
        "not_before": access.issued.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
}
