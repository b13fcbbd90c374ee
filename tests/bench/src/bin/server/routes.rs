//! Which path is answered with what, the counts, and the control endpoint.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use serde_json::json;

use crate::replies::{self, Minter, TokenRequest};

const LARGEST_REQUEST: usize = 256 * 1024;

/// The state of the one server.
pub(crate) struct Server {
    origin: String,
    /// Connections accepted since the start or the last reset.
    pub(crate) connections: AtomicU64,
    /// Lifetime of access tokens, in seconds.
    pub(crate) expires_in: AtomicU64,
    delay_ms: AtomicU64,
    token_requests: AtomicU64,
    other_requests: AtomicU64,
    minter: Mutex<Minter>,
}

impl Server {
    /// A server that is reached at `origin`, scheme and port included.
    pub(crate) fn new(origin: String) -> Self {
        Self {
            origin,
            connections: AtomicU64::new(0),
            expires_in: AtomicU64::new(3600),
            delay_ms: AtomicU64::new(0),
            token_requests: AtomicU64::new(0),
            other_requests: AtomicU64::new(0),
            minter: Mutex::default(),
        }
    }

    /// The emulator's ready file, with tenants that any name stands for.
    pub(crate) fn ready_document(&self, ca_file: &Path) -> Result<String, Box<dyn Error>> {
        let origin = &self.origin;
        let tenant = replies::tenant_id("bench.example");
        Ok(serde_json::to_string_pretty(&json!({
            "schema_version": 1,
            "pid": std::process::id(),
            "authority": origin,
            "partner_center": origin,
            "graph": origin,
            "arm": origin,
            "control": format!("{origin}/control"),
            "ca_file": ca_file.canonicalize()?,
            "tenants": [{ "id": tenant, "domain": "bench.example", "name": "Bench", "kind": "vendor" }],
            "users": [],
            "customers": [],
            "apps": [{
                "profile": "cpv",
                "client_id": "00000000-0000-4000-8000-00000000be9c",
                "client_secret": "not-a-real-secret-bench",
                "tenant": tenant,
                "redirect_uris": ["http://localhost"],
                "public": false,
            }],
        }))?)
    }

    /// Answers one request; never fails, a wrong path is a 404.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let token_endpoint = match path.as_slice() {
            [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"] => Some(*tenant),
            _ => None,
        };
        if let (Some(tenant), &Method::POST) = (token_endpoint, &parts.method) {
            self.token_requests.fetch_add(1, Ordering::Relaxed);
            let Ok(form) = Limited::new(body, LARGEST_REQUEST).collect().await else {
                return Ok(json(StatusCode::BAD_REQUEST, invalid_request("unreadable body")));
            };
            let reply = self.token(tenant, &form.to_bytes());
            let delay = self.delay_ms.load(Ordering::Relaxed);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            return Ok(reply);
        }
        Ok(match (&parts.method, path.as_slice()) {
            (&Method::GET, ["count"]) => json(StatusCode::OK, self.count()),
            (&Method::POST, ["control"]) => self.control(parts.uri.query().unwrap_or_default()),
            (method, path) => {
                self.other_requests.fetch_add(1, Ordering::Relaxed);
                match (method, path) {
                    (&Method::GET, ["common", "discovery", "instance"]) => {
                        json(StatusCode::OK, replies::instance_discovery(&self.origin))
                    }
                    (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                        json(StatusCode::OK, replies::metadata(&self.origin, tenant, true))
                    }
                    (&Method::GET, [tenant, ".well-known", "openid-configuration"]) => {
                        json(StatusCode::OK, replies::metadata(&self.origin, tenant, false))
                    }
                    (&Method::GET, ["v1", "profiles", _]) => partner_profile(),
                    _ => json(StatusCode::NOT_FOUND, invalid_request("no such path")),
                }
            }
        })
    }

    fn token(&self, tenant: &str, form: &[u8]) -> Response<Full<Bytes>> {
        let (mut client, mut scope, mut resource, mut grant, mut client_info) =
            (Cow::default(), Cow::default(), None, Cow::default(), false);
        for (name, value) in url::form_urlencoded::parse(form) {
            match &*name {
                "client_id" => client = value,
                "scope" => scope = value,
                "resource" => resource = Some(value),
                "grant_type" => grant = value,
                "client_info" => client_info = value == "1",
                _ => {}
            }
        }
        if !matches!(&*grant, "refresh_token" | "authorization_code" | "client_credentials") {
            return json(StatusCode::BAD_REQUEST, invalid_request("grant type not offered"));
        }
        let request = TokenRequest {
            tenant,
            client: &client,
            scope: &scope,
            resource: resource.as_deref(),
            app_only: grant == "client_credentials",
            client_info,
        };
        let expires_in = self.expires_in.load(Ordering::Relaxed);
        match self.minter.lock() {
            Ok(mut minter) => json(StatusCode::OK, minter.token(&self.origin, &request, expires_in)),
            Err(_) => json(StatusCode::INTERNAL_SERVER_ERROR, invalid_request("a request before this one panicked")),
        }
    }

    fn count(&self) -> String {
        json!({
            "token": self.token_requests.load(Ordering::Relaxed),
            "other": self.other_requests.load(Ordering::Relaxed),
            "connections": self.connections.load(Ordering::Relaxed),
            "expires_in": self.expires_in.load(Ordering::Relaxed),
        })
        .to_string()
    }

    /// `delay_ms`, `expires_in` and `reset`, in the query; answers with the counts.
    fn control(&self, query: &str) -> Response<Full<Bytes>> {
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (&*name, value.parse()) {
                ("delay_ms", Ok(value)) => self.delay_ms.store(value, Ordering::Relaxed),
                ("expires_in", Ok(value)) => self.expires_in.store(value, Ordering::Relaxed),
                ("reset", _) => [&self.token_requests, &self.other_requests, &self.connections]
                    .into_iter()
                    .for_each(|count| count.store(0, Ordering::Relaxed)),
                _ => return json(StatusCode::BAD_REQUEST, invalid_request("unknown control")),
            }
        }
        json(StatusCode::OK, self.count())
    }
}

fn partner_profile() -> Response<Full<Bytes>> {
    let mut response =
        json(StatusCode::OK, json!({ "profileType": "organization_profile", "companyName": "Bench" }).to_string());
    response.headers_mut().insert("isMfaCompliant", http::HeaderValue::from_static("true"));
    response
}

fn invalid_request(description: &str) -> String {
    json!({ "error": "invalid_request", "error_description": description }).to_string()
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store, no-cache"));
    response
}
