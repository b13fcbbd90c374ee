//! The secrets of Azure Key Vault, by REST (Microsoft, "Azure Key Vault secrets REST API"): who asks, for which vault, and what refusals look like.
//!
//! `NAME.vault.localhost` is the vault NAME; without such a host it is the vault `emulator`.

mod deleted;
mod paging;
mod secrets;
mod vaults;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{
    bearer::{self, Caller, Denied},
    form::Form,
    resources,
    state::World,
};

use vaults::{Action, Refused, Vault};
pub(crate) use vaults::{Change, Vaults};

/// What vault hosts end with, and the audience that goes with them.
const SUFFIX: &str = ".vault.localhost";
pub(crate) const LOCAL_RESOURCE: &str = "https://vault.localhost";

/// The vault of requests that name none by their host.
const DEFAULT_VAULT: &str = "emulator";

/// Versions of the service that are known here.
const API_VERSIONS: [&str; 9] = ["2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"];
const NEWEST_API_VERSION: &str = "2026-04-01";

/// The port of Key Vault.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(world)
}

async fn answer(
    Shared(world): Shared<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let host = uri
        .authority()
        .map(ToString::to_string)
        .or_else(|| Some(headers.get(header::HOST)?.to_str().ok()?.to_owned()))
        .unwrap_or_default();
    let request = Request {
        world: &world,
        method,
        vault: vault_of(&host),
        base: format!("https://{host}"),
        path: uri.path().split('/').filter(|part| !part.is_empty()).collect(),
        query: Form::parse(uri.query().unwrap_or_default().as_bytes()),
        body: &body,
        headers: &headers,
    };
    match request.run() {
        Ok((status, Some(body))) => reply(status, &body),
        Ok((status, None)) => status.into_response(),
        Err(refusal) => refusal.into_response(&request),
    }
}

fn vault_of(host: &str) -> String {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    name.strip_suffix(SUFFIX).unwrap_or(DEFAULT_VAULT).to_owned()
}

/// One request, taken apart.
struct Request<'a> {
    world: &'a World,
    method: Method,
    vault: String,
    /// How the caller addressed the vault: identifiers and next links begin with it.
    base: String,
    path: Vec<&'a str>,
    query: Form,
    body: &'a [u8],
    headers: &'a HeaderMap,
}

type Answer = Result<(StatusCode, Option<Value>), Refusal>;

/// An answer that is an error.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    inner: Option<&'static str>,
    message: String,
    retry_after: Option<u64>,
}

impl Request<'_> {
    fn run(&self) -> Answer {
        if !vaults::is_name(&self.vault) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "VaultNotFound", "There is no vault of this name."));
        }
        self.check_version()?;
        let caller = self.caller()?;
        let mut state = self.world.lock();
        let state = &mut *state;
        let now = state.now();
        let vault = state.vaults.vault(&self.vault);
        if vault.settings.firewall {
            return Err(Refusal::forbidden(
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\nCaller: {}\r\nVault: {};location=westeurope",
                    described(&caller),
                    self.vault
                ),
            ));
        }
        let rate = vault.settings.requests_per_second;
        if let Err(wait) = state.rates.take(&format!("vault {}", self.vault), rate, Instant::now()) {
            return Err(Refusal {
                retry_after: Some(wait),
                ..Refusal::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Throttled",
                    "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
                )
            });
        }
        let work = Work { request: self, vault: state.vaults.vault(&self.vault), caller, now };
        work.run()
    }

    fn check_version(&self) -> Result<(), Refusal> {
        match self.query.get("api-version") {
            Some(version) if version == NEWEST_API_VERSION || API_VERSIONS.contains(&version) => Ok(()),
            Some(version) => Err(Refusal::bad(format!(
                "The specified version ({version}) is not recognized. Consider using the latest supported version ({NEWEST_API_VERSION})."
            ))),
            None => Err(Refusal::bad("api-version must be specified")),
        }
    }

    /// Who asks, with a token for this service that the vault's tenant issued.
    fn caller(&self) -> Result<Caller, Refusal> {
        let unauthorized = |message: String| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        let caller = bearer::caller(self.world, self.headers).map_err(|denied| {
            unauthorized(
                match denied {
                    Denied::Missing => "AKV10000: Request is missing a Bearer or PoP token.",
                    Denied::Invalid => "AKV10046: Unable to resolve the key used for signature validation.",
                    Denied::Expired => "AKV10045: The token is expired.",
                }
                .to_owned(),
            )
        })?;
        let key_vault = resources::find_by_word("key-vault");
        if !key_vault.is_some_and(|resource| resource.is_named(&caller.audience, self.world.cloud)) {
            return Err(unauthorized(format!(
                "AKV10022: Invalid audience. Expected {}, found: {}.",
                self.resource(),
                caller.audience
            )));
        }
        let tenant = self.world.lock().vaults.vault(&self.vault).settings.tenant.clone();
        if caller.tenant != tenant {
            let issuer = |tenant: &str| format!("https://sts.windows.net/{tenant}/");
            return Err(unauthorized(format!(
                "AKV10032: Invalid issuer. Expected one of {}, found {}.",
                issuer(&tenant),
                issuer(&caller.tenant)
            )));
        }
        Ok(caller)
    }

    /// The audience that belongs to the host by which the vault was addressed.
    fn resource(&self) -> String {
        let base = self.base.to_ascii_lowercase();
        match base.split_once(SUFFIX) {
            // With the port: some clients compare it, too.
            Some((_, port)) => format!("{LOCAL_RESOURCE}{port}"),
            None => resources::find_by_word("key-vault")
                .map_or(LOCAL_RESOURCE, |resource| resource.name_in(self.world.cloud))
                .to_owned(),
        }
    }

    /// What a request without a good token is told to get one by.
    fn challenge(&self) -> String {
        let state = &mut *self.world.lock();
        let settings = &state.vaults.vault(&self.vault).settings;
        let said = &settings.challenge;
        let authority = said.authority.clone().unwrap_or_else(|| self.world.urls.authority.clone());
        let resource = said.resource.clone().unwrap_or_else(|| self.resource());
        let tenant = &settings.tenant;
        if said.by_scope {
            format!("Bearer authorization_uri=\"{authority}/{tenant}\", scope=\"{resource}/.default\"")
        } else {
            format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{resource}\"")
        }
    }
}

/// A request that got as far as the vault.
struct Work<'a> {
    request: &'a Request<'a>,
    vault: &'a mut Vault,
    caller: Caller,
    now: i64,
}

impl Work<'_> {
    fn run(mut self) -> Answer {
        let (request, method) = (self.request, self.request.method.as_str());
        match (method, request.path.as_slice()) {
            ("GET", ["secrets"]) => self.list(),
            ("POST", ["secrets", "restore"]) => self.restore(),
            ("POST", ["secrets", name, "backup"]) => self.backup(name),
            ("GET", ["secrets", name, "versions"]) => self.list_versions(name),
            ("PUT", ["secrets", name]) => self.set(name),
            ("GET", ["secrets", name]) => self.get(name, None),
            ("GET", ["secrets", name, version]) => self.get(name, Some(version)),
            ("PATCH", ["secrets", name]) => self.update(name, None),
            ("PATCH", ["secrets", name, version]) => self.update(name, Some(version)),
            ("DELETE", ["secrets", name]) => self.delete(name),
            ("GET", ["deletedsecrets"]) => self.list_deleted(),
            ("GET", ["deletedsecrets", name]) => self.get_deleted(name),
            ("DELETE", ["deletedsecrets", name]) => self.purge(name),
            ("POST", ["deletedsecrets", name, "recover"]) => self.recover(name),
            _ => Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "BadParameter",
                "The requested resource does not support this method.",
            )),
        }
    }

    /// Whether the caller may do that, in the words of a vault with roles or with access policies.
    fn may(&self, action: Action) -> Result<(), Refusal> {
        let who = self.caller.upn.as_deref().unwrap_or(&self.caller.app_id);
        let vault = &self.request.vault;
        self.vault.allows(who, action).map_err(|refused| match refused {
            Refused::Role => Refusal::forbidden(
                "ForbiddenByRbac",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: {}\r\nAction: '{}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: {vault};location=westeurope\r\n",
                    described(&self.caller),
                    action.of_role()
                ),
            ),
            Refused::Policy => Refusal::forbidden(
                "AccessDenied",
                format!(
                    "The user, group or application '{}' does not have secrets {} permission on key vault '{vault};location=westeurope'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
                    described(&self.caller),
                    action.of_policy()
                ),
            ),
        })
    }
}

fn described(caller: &Caller) -> String {
    format!("appid={};oid={};iss=https://sts.windows.net/{}/", caller.app_id, caller.oid, caller.tenant)
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), retry_after: None }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    fn forbidden(inner: &'static str, message: impl Into<String>) -> Self {
        Self { inner: Some(inner), ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message) }
    }

    fn conflict(inner: &'static str, message: impl Into<String>) -> Self {
        Self { inner: Some(inner), ..Self::new(StatusCode::CONFLICT, "Conflict", message) }
    }

    fn not_found(name: &str) -> Self {
        let message = format!(
            "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        );
        Self::new(StatusCode::NOT_FOUND, "SecretNotFound", message)
    }

    fn into_response(self, request: &Request<'_>) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(inner), Some(error)) = (self.inner, error.as_object_mut()) {
            error.insert("innererror".to_owned(), json!({ "code": inner }));
        }
        let mut response = reply(self.status, &json!({ "error": error }));
        let mut add = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        };
        if self.status == StatusCode::UNAUTHORIZED {
            add(header::WWW_AUTHENTICATE, request.challenge());
        }
        if let Some(seconds) = self.retry_after {
            add(header::RETRY_AFTER, seconds.to_string());
        }
        response
    }
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    (status, [content_type], body.to_string()).into_response()
}
