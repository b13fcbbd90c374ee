//! The authorization endpoints.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use url::Url;

use super::{
    claims::Requested,
    client,
    errors::{EntraError, Ids, aadsts, missing},
    metadata::unknown_tenant,
    pages,
    sign_in::{self, Leave, Page, Purpose, Step},
    token::refusal,
    tokens::{About, IdToken},
};
use crate::{
    cloud::Cloud,
    directory::TenantPath,
    form::{Form, with_pairs},
    grants::{Challenge, Code, SignedIn},
    ready::User,
    resources,
    scopes::{Asked, Scopes},
    state::{State, World, entra_time},
};

pub(crate) async fn v1(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&world, true, &tenant, &headers, query.unwrap_or_default().as_bytes())
}

pub(crate) async fn v2(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&world, false, &tenant, &headers, query.unwrap_or_default().as_bytes())
}

pub(crate) async fn v1_post(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, true, &tenant, &headers, &body)
}

pub(crate) async fn v2_post(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, false, &tenant, &headers, &body)
}

fn answer(world: &World, v1: bool, tenant: &str, headers: &HeaderMap, query: &[u8]) -> Response {
    let ids = Ids::of(headers);
    pages::render(world, &ids, begin(world, v1, tenant, &Form::parse(query)))
}

/// A checked authorization request.
#[derive(Clone)]
pub(crate) struct AuthorizeRequest {
    pub(crate) path: TenantPath,
    pub(crate) client_id: String,
    pub(crate) scopes: Scopes,
    pub(crate) claims: Requested,
    v1: bool,
    redirect_uri: String,
    /// `code id_token`.
    hybrid: bool,
    mode: Mode,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<Challenge>,
    prompt: Option<String>,
    client_info: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// Checks a request and shows the sign-in page. What is wrong with client or redirect is shown and never sent anywhere.
pub(crate) fn begin(world: &World, v1: bool, tenant: &str, query: &Form) -> Step {
    let mut state = world.lock();
    let state = &mut *state;
    let now = state.now();
    let mut request = match identify(state, v1, tenant, query) {
        Ok(request) => request,
        Err(error) => return Step::Ask(Page::Refused(error)),
    };
    if let Err(error) = request.read(query, state.cloud) {
        return Step::Leave(request.refused(&error, None, now));
    }
    if request.prompt.as_deref() == Some("none") {
        let error = aadsts(50_058, "A silent sign-in request was sent but no user is signed in.");
        return Step::Leave(request.refused(&error, None, now));
    }
    let hint = query.get("login_hint").map(str::to_owned);
    let ctx = state.sign_ins.begin(Purpose::Authorize(request), hint, now);
    sign_in::first_page(state, ctx)
}

/// Tenant, client and redirect: nothing may be redirected before these are known to be right.
fn identify(state: &State, v1: bool, tenant: &str, query: &Form) -> Result<AuthorizeRequest, EntraError> {
    let path = state.directory.tenant_path(tenant).ok_or_else(|| unknown_tenant(tenant))?;
    if let Some(name) = query.duplicate() {
        return Err(aadsts(
            9_000_411,
            format!("The request is not properly formatted. The parameter '{name}' is duplicated."),
        ));
    }
    let client_id = query.get("client_id").ok_or_else(|| missing("client_id"))?;
    let app = state.directory.app(client_id).ok_or_else(|| client::unknown(client_id, tenant))?;
    let redirect_uri = query.get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    if !app.redirect_uris.iter().any(|registered| is_redirect(registered, redirect_uri)) {
        return Err(aadsts(
            50_011,
            format!(
                "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the application '{client_id}'. Make sure the redirect URI sent in the request matches one added to your application.",
                redirect_uri.chars().take(300).collect::<String>()
            ),
        ));
    }
    Ok(AuthorizeRequest {
        path,
        client_id: app.client_id.clone(),
        v1,
        redirect_uri: redirect_uri.to_owned(),
        state: query.get("state").map(str::to_owned),
        mode: Mode::Query,
        scopes: Scopes::default(),
        claims: Requested::default(),
        hybrid: false,
        nonce: None,
        challenge: None,
        prompt: None,
        client_info: query.get("client_info") == Some("1"),
    })
}

/// Whether a redirect is the registered one: exactly, except that the port of a loopback address is free (RFC 8252 section 7.3).
pub(crate) fn is_redirect(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (Ok(registered), Ok(asked)) = (Url::parse(registered), Url::parse(asked)) else { return false };
    let loopback = matches!(registered.host_str(), Some("localhost" | "127.0.0.1"));
    let plain = |url: &Url| {
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
    };
    loopback
        && registered.scheme() == "http"
        && asked.scheme() == "http"
        && registered.host_str() == asked.host_str()
        && registered.path() == asked.path()
        && plain(&asked)
}

impl AuthorizeRequest {
    /// The rest of the parameters; an error goes to the redirect.
    fn read(&mut self, query: &Form, cloud: Cloud) -> Result<(), EntraError> {
        // The mode comes first: errors of the others are answered by it.
        let mode = query.get("response_mode");
        self.mode = match mode {
            Some("form_post") => Mode::FormPost,
            Some("fragment") => Mode::Fragment,
            _ => Mode::Query,
        };
        if !matches!(mode, None | Some("query" | "fragment" | "form_post")) {
            return Err(aadsts(900_144, "The 'response_mode' is not supported.").named("invalid_request"));
        }
        let mut kinds: Vec<_> =
            query.get("response_type").ok_or_else(|| missing("response_type"))?.split_whitespace().collect();
        kinds.sort_unstable();
        self.hybrid = match kinds.as_slice() {
            ["code"] => false,
            ["code", "id_token"] => true,
            _ => return Err(aadsts(700_054, "The response_type is not enabled for the application.")),
        };
        if self.hybrid {
            match mode {
                None => self.mode = Mode::Fragment,
                Some("query") => {
                    return Err(aadsts(
                        70_007,
                        "'query' is not a supported value of 'response_mode' when requesting a token.",
                    ));
                }
                Some(_) => {}
            }
        }
        self.nonce = query.get("nonce").map(str::to_owned);
        if self.hybrid && self.nonce.is_none() {
            return Err(missing("nonce"));
        }
        self.scopes = self.read_scopes(query, cloud)?;
        if self.hybrid && !self.scopes.openid {
            return Err(aadsts(70_011, "The provided request must include 'openid' in 'scope' to get an id_token."));
        }
        self.challenge = match (query.get("code_challenge"), query.get("code_challenge_method")) {
            (None, None) => None,
            (None, Some(_)) => return Err(missing("code_challenge")),
            (Some(challenge), _) if !(43..=128).contains(&challenge.len()) => {
                return Err(aadsts(501_491, "Invalid size of Code_Challenge parameter."));
            }
            (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge.to_owned())),
            (Some(challenge), None | Some("plain")) => Some(Challenge::Plain(challenge.to_owned())),
            (Some(_), Some(_)) => return Err(aadsts(50_149, "Invalid Code_Challenge_method parameter.")),
        };
        self.claims = Requested::of(query)?;
        self.prompt = query.get("prompt").map(str::to_owned);
        match (self.prompt.as_deref(), self.v1) {
            (None | Some("login" | "none" | "consent" | "select_account"), _) | (Some("admin_consent"), true) => Ok(()),
            _ => Err(aadsts(90_023, "Unsupported 'prompt' value.")),
        }
    }

    fn read_scopes(&self, query: &Form, cloud: Cloud) -> Result<Scopes, EntraError> {
        if !self.v1 {
            if query.get("resource").is_some() {
                return Err(aadsts(901_002, "The 'resource' request parameter is not supported."));
            }
            let scopes = Scopes::parse(query.get("scope").ok_or_else(|| missing("scope"))?, cloud).map_err(refusal)?;
            return Ok(scopes);
        }
        let known: Vec<_> = query
            .get("scope")
            .unwrap_or_default()
            .split_whitespace()
            .filter(|scope| ["openid", "profile", "email", "offline_access"].contains(scope))
            .collect();
        let mut scopes = Scopes::parse(&known.join(" "), cloud).map_err(refusal)?;
        if let Some(resource) = query.get("resource") {
            scopes.asked.push(Asked::resource(resource, cloud).map_err(refusal)?);
        } else {
            // Static consent: what the registration lists comes with it.
            let center = resources::find_by_word("partner-center").map(|center| center.name_in(cloud));
            scopes.asked.push(Asked::resource(center.unwrap_or_default(), cloud).map_err(refusal)?);
        }
        Ok(scopes)
    }

    pub(crate) fn prompts_for_consent(&self) -> bool {
        matches!(self.prompt.as_deref(), Some("consent" | "admin_consent"))
    }

    /// The successful end: a code, and with it an id token where one was asked for.
    pub(crate) fn finish(
        &self,
        world: &World,
        state: &mut State,
        signed_in: &SignedIn,
        user: &User,
        tenant: String,
    ) -> Leave {
        let now = state.now();
        let mut code =
            Code::new(signed_in.clone(), tenant.clone(), self.redirect_uri.clone(), self.scopes.clone(), self.v1, now);
        code.challenge.clone_from(&self.challenge);
        code.nonce.clone_from(&self.nonce);
        let code = state.grants.add_code(code);
        let mut pairs = vec![("code".to_owned(), code.clone())];
        if self.hybrid {
            let about = About {
                v1: self.v1,
                tenant: &tenant,
                client_id: &self.client_id,
                user,
                mfa: signed_in.mfa,
                auth_time: signed_in.auth_time,
                nonce: self.nonce.as_deref(),
            };
            // OpenID Connect Core section 3.3.2.11: the left half of the code's hash.
            let hash = digest::digest(&digest::SHA256, code.as_bytes());
            let half = hash.as_ref().get(..16).unwrap_or_default();
            let token = IdToken::new(world, state, &about).with("c_hash", json!(URL_SAFE_NO_PAD.encode(half)));
            match token.sign(world) {
                Ok(token) => pairs.push(("id_token".to_owned(), token)),
                Err(_) => {
                    return self.refused(
                        &aadsts(90_033, "A transient error has occurred.").named("server_error"),
                        None,
                        now,
                    );
                }
            }
        }
        if self.client_info {
            let info = json!({ "uid": user.oid, "utid": user.tenant }).to_string();
            pairs.push(("client_info".to_owned(), URL_SAFE_NO_PAD.encode(info)));
        }
        if let Some(state) = &self.state {
            pairs.push(("state".to_owned(), state.clone()));
        }
        pairs.push(("session_state".to_owned(), uuid::Uuid::new_v4().to_string()));
        self.leave(pairs)
    }

    /// The other end.
    pub(crate) fn refused(&self, error: &EntraError, subcode: Option<&str>, now: i64) -> Leave {
        let mut pairs = vec![("error".to_owned(), error.error.clone())];
        if let Some(subcode) = subcode {
            pairs.push(("error_subcode".to_owned(), subcode.to_owned()));
        }
        pairs.push(("error_description".to_owned(), format!("{} Timestamp: {}", error.text, entra_time(now))));
        if let Some(state) = &self.state {
            pairs.push(("state".to_owned(), state.clone()));
        }
        self.leave(pairs)
    }

    fn leave(&self, pairs: Vec<(String, String)>) -> Leave {
        match self.mode {
            Mode::FormPost => Leave::FormPost { action: self.redirect_uri.clone(), pairs },
            mode => Leave::Redirect(with_pairs(&self.redirect_uri, &pairs, mode == Mode::Fragment)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_redirect;

    #[test]
    fn only_the_port_of_a_loopback_redirect_is_free() {
        for (registered, asked, same) in [
            ("http://localhost", "http://localhost:49152/", true),
            ("http://localhost/callback", "http://localhost:1/callback", true),
            ("http://localhost/callback", "http://localhost:1/callback/", false),
            ("http://localhost", "https://localhost:1/", false),
            ("http://localhost", "http://127.0.0.1:1/", false),
            ("http://localhost", "http://localhost.evil.example/", false),
            ("http://localhost", "http://user@localhost:1/", false),
            ("https://vendor.example/callback", "https://vendor.example/callback", true),
            ("https://vendor.example/callback", "https://vendor.example:444/callback", false),
            ("https://vendor.example/callback", "https://vendor.example/callback?x=1", false),
        ] {
            assert_eq!(is_redirect(registered, asked), same, "{registered} {asked}");
        }
    }
}
