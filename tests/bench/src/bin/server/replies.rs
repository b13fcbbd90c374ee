//! What the endpoints say: shapes and sizes of Entra's replies, with nothing signed.
//!
//! Access tokens are v1.0 tokens of about 1.5 KB, refresh tokens about 1.1 KB, id tokens about 0.9 KB, as the real ones are.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
/// A built token serves for this long; its `exp` is that much further away than the reply's `expires_in` says.
const REBUILD_AFTER_SECONDS: u64 = 60;
/// As long as an RS256 signature with a 2048-bit key, base64url.
const SIGNATURE_CHARACTERS: usize = 342;
const REFRESH_TOKEN_CHARACTERS: usize = 1100;

/// The tenant's GUID: itself where the name is one, otherwise one derived from the name, always the same.
pub(crate) fn tenant_id(name: &str) -> String {
    if is_guid(name) {
        return name.to_ascii_lowercase();
    }
    // FNV-1a: names need different GUIDs, not secret ones.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:08x}-{:04x}-4000-8000-{:012x}", hash >> 32, hash & 0xffff, hash >> 16)
}

fn is_guid(name: &str) -> bool {
    name.len() == 36
        && name
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// OpenID metadata of a tenant, version 2 or 1.
pub(crate) fn metadata(origin: &str, tenant: &str, v2: bool) -> String {
    let shared = matches!(tenant, "common" | "organizations" | "consumers");
    let (path, id) =
        if shared { (tenant.to_owned(), "{tenantid}".to_owned()) } else { (tenant_id(tenant), tenant_id(tenant)) };
    let (issuer, oauth2) =
        if v2 { (format!("{origin}/{id}/v2.0"), "oauth2/v2.0") } else { (format!("{origin}/{id}/"), "oauth2") };
    json!({
        "token_endpoint": format!("{origin}/{path}/{oauth2}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{origin}/{path}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{origin}/{path}/{oauth2}/authorize"),
        "device_authorization_endpoint": format!("{origin}/{path}/{oauth2}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{origin}/{path}/{oauth2}/logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
    .to_string()
}

/// Instance discovery for this host.
pub(crate) fn instance_discovery(origin: &str) -> String {
    let host = origin.trim_start_matches("https://");
    json!({
        "tenant_discovery_endpoint": format!("{origin}/common/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
    .to_string()
}

/// What a token request asked for, as far as the reply depends on it.
pub(crate) struct TokenRequest<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) client: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) resource: Option<&'a str>,
    pub(crate) app_only: bool,
    pub(crate) client_info: bool,
}

/// Builds token replies; keeps what it built for a tenant and audience.
#[derive(Default)]
pub(crate) struct Minter {
    built: HashMap<String, (u64, String)>,
    refresh_tokens: u64,
}

impl Minter {
    /// The reply of the token endpoint: v1's numbers are strings, v2's are not.
    pub(crate) fn token(&mut self, origin: &str, request: &TokenRequest<'_>, expires_in: u64) -> String {
        let tenant = tenant_id(request.tenant);
        let now = now();
        let openid = request.scope.split(' ').any(|scope| scope == "openid");
        let (audience, granted) = audience_and_scopes(request);
        let access_token = self.access_token(origin, &tenant, &audience, request, now, expires_in);
        let id_token = (openid && !request.app_only).then(|| self.id_token(origin, &tenant, request.client, now));

        // Written by hand: every part is base64url, a GUID or a URI, and this is the server's whole work.
        let mut reply = String::with_capacity(6 * 1024);
        let quote = if request.resource.is_some() { "\"" } else { "" };
        reply.push_str("{\"token_type\":\"Bearer\",\"scope\":");
        reply.push_str(&Value::from(granted).to_string());
        reply.push_str(&format!(
            ",\"expires_in\":{quote}{expires_in}{quote},\"ext_expires_in\":{quote}{expires_in}{quote}"
        ));
        if let Some(resource) = request.resource {
            reply.push_str(&format!(
                ",\"expires_on\":\"{}\",\"not_before\":\"{now}\",\"resource\":{}",
                now + expires_in,
                Value::from(resource)
            ));
        }
        reply.push_str(",\"access_token\":\"");
        reply.push_str(&access_token);
        if !request.app_only {
            reply.push_str("\",\"refresh_token\":\"");
            self.push_refresh_token(&mut reply);
        }
        if let Some(id_token) = id_token {
            reply.push_str("\",\"id_token\":\"");
            reply.push_str(&id_token);
        }
        if request.client_info && !request.app_only {
            reply.push_str("\",\"client_info\":\"");
            reply.push_str(
                &URL_SAFE_NO_PAD.encode(format!("{{\"uid\":\"{}\",\"utid\":\"{tenant}\"}}", user_id(&tenant))),
            );
        }
        reply.push_str("\"}");
        reply
    }

    fn access_token(
        &mut self,
        origin: &str,
        tenant: &str,
        audience: &str,
        request: &TokenRequest<'_>,
        now: u64,
        expires_in: u64,
    ) -> String {
        self.fresh(format!("access {tenant} {} {audience} {expires_in}", request.client), now, || {
            let mut claims = json!({
                "aud": audience, "iss": format!("{origin}/{tenant}/"), "iat": now, "nbf": now, "exp": now + expires_in + REBUILD_AFTER_SECONDS,
                "appid": request.client, "appidacr": "1", "tid": tenant, "ver": "1.0", "uti": "benchmarkBENCHMARKbenc",
            });
            if let Some(claims) = claims.as_object_mut() {
                if request.app_only {
                    claims.insert("idtyp".to_owned(), "app".into());
                } else {
                    claims.insert("amr".to_owned(), json!(["pwd", "mfa"]));
                    claims.insert("acr".to_owned(), "1".into());
                    claims.insert("oid".to_owned(), user_id(tenant).into());
                    claims.insert("upn".to_owned(), format!("admin@{tenant}.example").into());
                    claims.insert("unique_name".to_owned(), format!("admin@{tenant}.example").into());
                    claims.insert("scp".to_owned(), "user_impersonation".into());
                }
                claims.insert("xms_pad".to_owned(), "p".repeat(160).into());
            }
            unsigned_jwt(&claims)
        })
    }

    fn id_token(&mut self, origin: &str, tenant: &str, client: &str, now: u64) -> String {
        self.fresh(format!("id {tenant} {client}"), now, || {
            unsigned_jwt(&json!({
                "aud": client, "iss": format!("{origin}/{tenant}/v2.0"), "iat": now, "nbf": now, "exp": now + 3600 + REBUILD_AFTER_SECONDS,
                "name": "Bench Admin", "oid": user_id(tenant), "preferred_username": format!("admin@{tenant}.example"),
                "sub": format!("bench-{tenant}"), "tid": tenant, "uti": "benchmarkBENCHMARKbenc", "ver": "2.0",
            }))
        })
    }

    fn fresh(&mut self, key: String, now: u64, build: impl FnOnce() -> String) -> String {
        match self.built.get(&key) {
            Some((since, token)) if now < since + REBUILD_AFTER_SECONDS => token.clone(),
            _ => {
                let token = build();
                self.built.insert(key, (now, token.clone()));
                token
            }
        }
    }

    fn push_refresh_token(&mut self, reply: &mut String) {
        self.refresh_tokens += 1;
        let start = reply.len();
        reply.push_str(&format!("0.AXkA-benchmark-{:020}.", self.refresh_tokens));
        while reply.len() < start + REFRESH_TOKEN_CHARACTERS {
            reply.push_str("AgABAwEAAABVrSpeuWamRam2jAF1XRQEAwDs_wUA9P8");
        }
    }
}

/// One consented delegated permission a resource, and `.default` echoed beside it, as Entra does.
fn audience_and_scopes(request: &TokenRequest<'_>) -> (String, String) {
    if let Some(resource) = request.resource {
        return (resource.to_owned(), "user_impersonation".to_owned());
    }
    let Some(first) = request
        .scope
        .split(' ')
        .find(|scope| !matches!(*scope, "" | "openid" | "profile" | "offline_access" | "email"))
    else {
        return (PARTNER_CENTER.to_owned(), "openid profile".to_owned());
    };
    let audience = first.rsplit_once('/').map_or(first, |(audience, _)| audience);
    let permission = if request.app_only { String::new() } else { format!("{audience}/user_impersonation") };
    let granted =
        if first == permission || permission.is_empty() { first.to_owned() } else { format!("{permission} {first}") };
    (audience.to_owned(), granted)
}

/// The one user of a tenant who consented.
fn user_id(tenant: &str) -> String {
    tenant.chars().rev().map(|character| if character == '-' { '0' } else { character }).enumerate().fold(
        String::with_capacity(36),
        |mut guid, (at, character)| {
            guid.push(if matches!(at, 8 | 13 | 18 | 23) { '-' } else { character });
            guid
        },
    )
}

fn unsigned_jwt(claims: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": "benchmarkBENCHMARKbenchmark", "kid": "benchmarkBENCHMARKbenchmark" });
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        "s".repeat(SIGNATURE_CHARACTERS)
    )
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
