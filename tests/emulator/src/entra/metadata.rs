//! What a client may learn without signing in: endpoints, keys, and whether this authority is one.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::json;
use url::Url;

use super::errors::{EntraError, Ids, aadsts, json_response};
use crate::{directory::TenantPath, form::Form, state::World};

type Answer = Response;

pub(crate) async fn v1(State(world): State<Arc<World>>, Path(tenant): Path<String>, headers: HeaderMap) -> Answer {
    configuration(&world, &tenant, &headers, true)
}

pub(crate) async fn v2(State(world): State<Arc<World>>, Path(tenant): Path<String>, headers: HeaderMap) -> Answer {
    configuration(&world, &tenant, &headers, false)
}

/// The issuer of a tenant's tokens; `{tenantid}` stands for the tenant in what is common to all.
pub(crate) fn issuer(authority: &str, tenant: &str, v1: bool) -> String {
    if v1 { format!("{authority}/{tenant}/") } else { format!("{authority}/{tenant}/v2.0") }
}

fn configuration(world: &World, tenant: &str, headers: &HeaderMap, v1: bool) -> Answer {
    let ids = Ids::of(headers);
    let (path, now) = {
        let state = world.lock();
        (state.directory.tenant_path(tenant), state.now())
    };
    let (segment, id) = match &path {
        None => return unknown_tenant(tenant).named("invalid_tenant").response(world, &ids, now),
        Some(TenantPath::Home(word)) => (*word, "{tenantid}"),
        Some(TenantPath::One(id)) => (id.as_str(), id.as_str()),
    };
    let authority = &world.urls.authority;
    let base = format!("{authority}/{segment}");
    let (oauth2, keys) = if v1 { ("oauth2", "discovery/keys") } else { ("oauth2/v2.0", "discovery/v2.0/keys") };
    let host = authority.strip_prefix("https://").unwrap_or(authority);
    let body = json!({
        "token_endpoint": format!("{base}/{oauth2}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "code id_token"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(authority, id, v1),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{}/oidc/userinfo", world.urls.graph),
        "authorization_endpoint": format!("{base}/{oauth2}/authorize"),
        "device_authorization_endpoint": format!("{base}/{oauth2}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{oauth2}/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name",
            "tid", "ver", "at_hash", "c_hash", "email",
        ],
        "tenant_region_scope": world.cloud.region(),
        "cloud_instance_name": host,
        "cloud_graph_host_name": world.urls.graph.strip_prefix("https://"),
        "msgraph_host": world.urls.graph.strip_prefix("https://"),
        "rbac_url": "https://pas.windows.net",
    });
    json_response(200, &body, &ids)
}

pub(crate) fn unknown_tenant(tenant: &str) -> EntraError {
    aadsts(
        90_002,
        format!(
            "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
            tenant.chars().take(100).collect::<String>()
        ),
    )
}

/// Sign-in hosts of Microsoft's that have no part to play here, but that instance discovery knows.
const ELSEWHERE: [&str; 3] = ["login.sovcloud-identity.fr", "login.sovcloud-identity.de", "login.sovcloud-identity.sg"];

/// Instance discovery: of the authorities that can be reached, this one is known.
pub(crate) async fn instance(State(world): State<Arc<World>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let ids = Ids::of(&headers);
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let asked = query.get("authorization_endpoint").and_then(|text| Url::parse(text).ok());
    let ours = Url::parse(&world.urls.authority).ok().and_then(|url| url.port());
    let now = world.lock().now();
    if let Some(host) = asked.as_ref().and_then(Url::host_str).filter(|host| ELSEWHERE.contains(host)) {
        let endpoint = format!("https://{host}/common/v2.0/.well-known/openid-configuration");
        let metadata = json!([{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }]);
        let body = json!({ "tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata });
        return json_response(200, &body, &ids);
    }
    let tenant = asked.as_ref().filter(|url| {
        // MSAL Python leaves the port out.
        url.scheme() == "https"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
            && (url.port().is_none() || url.port() == ours)
    });
    let Some(tenant) =
        tenant.and_then(|url| url.path_segments()?.next().map(str::to_owned)).filter(|tenant| !tenant.is_empty())
    else {
        return aadsts(50_049, "Unknown or invalid instance.").named("invalid_instance").response(&world, &ids, now);
    };
    let authority = &world.urls.authority;
    let version = if asked.is_some_and(|url| url.path().contains("/v2.0/")) { "/v2.0" } else { "" };
    let host = authority.strip_prefix("https://").unwrap_or(authority);
    let mut aliases = vec![host.to_owned(), "localhost".to_owned()];
    aliases.extend(ours.map(|port| format!("127.0.0.1:{port}")));
    let body = json!({
        "tenant_discovery_endpoint": format!("{authority}/{tenant}{version}/.well-known/openid-configuration"),
        "api-version": query.get("api-version").unwrap_or("1.1"),
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": aliases }],
    });
    json_response(200, &body, &ids)
}

pub(crate) async fn keys_of_all(State(world): State<Arc<World>>, headers: HeaderMap) -> Answer {
    keys(&world, "common", &headers, true)
}

pub(crate) async fn keys_v1(State(world): State<Arc<World>>, Path(tenant): Path<String>, headers: HeaderMap) -> Answer {
    keys(&world, &tenant, &headers, true)
}

pub(crate) async fn keys_v2(State(world): State<Arc<World>>, Path(tenant): Path<String>, headers: HeaderMap) -> Answer {
    keys(&world, &tenant, &headers, false)
}

fn keys(world: &World, tenant: &str, headers: &HeaderMap, v1: bool) -> Answer {
    let ids = Ids::of(headers);
    let (path, now) = {
        let state = world.lock();
        (state.directory.tenant_path(tenant), state.now())
    };
    let id = match &path {
        None => return unknown_tenant(tenant).named("invalid_tenant").response(world, &ids, now),
        Some(TenantPath::Home(_)) => "{tenantid}",
        Some(TenantPath::One(id)) => id.as_str(),
    };
    let issuer = issuer(&world.urls.authority, id, v1);
    json_response(200, &world.with_keys(|keys| keys.jwk_set(&issuer)), &ids)
}
