//! The token endpoints.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    assertion::Place,
    claims::Requested,
    client::{Client, Proof},
    conditional_access::{self, Redemption},
    errors::{EntraError, Ids, aadsts, json_response, missing},
    metadata::unknown_tenant,
    tokens::{About, AccessToken, IdToken, Subject},
};
use crate::{
    cloud::Cloud,
    directory::TenantPath,
    fault,
    form::Form,
    grants::{Challenge, Code, Dead, DeviceAnswer, SignedIn},
    listen::Face,
    ready::{App, User},
    request_log::{Entry, fingerprint},
    resources,
    scenario::Abort,
    scopes::{Asked, Refusal, Scopes},
    state::{State, World, rfc3339},
};

pub(crate) async fn v1(
    Shared(world): Shared<Arc<World>>,
    Path(tenant): Path<String>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    handle(&world, true, &tenant, uri.path(), &method, &headers, &body)
}

pub(crate) async fn v2(
    Shared(world): Shared<Arc<World>>,
    Path(tenant): Path<String>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    handle(&world, false, &tenant, uri.path(), &method, &headers, &body)
}

fn handle(
    world: &World,
    v1: bool,
    tenant: &str,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let ids = Ids::of(headers);
    let form = Form::parse(body);
    let client = Client::of(headers, &form);
    let mut entry = entry(v1, tenant, headers, &form, &client, &ids);

    let fault = fault::take(world, fault::TOKEN, path);
    if let Some(fault) = &fault
        && fault.abort != Some(Abort::After)
    {
        let response = fault::response(Face::Authority, fault);
        entry.injected = true;
        entry.status = response.status().as_u16();
        log(world, entry);
        return response;
    }

    let outcome = if *method == Method::POST {
        redeem(world, v1, tenant, &client, &form)
    } else {
        Err(aadsts(900_561, format!("The endpoint only accepts POST requests. Received a {method} request.")))
    };
    let mut response = match outcome.and_then(|reply| reply.into_json(world, v1, &form)) {
        Ok((body, refresh_token)) => {
            entry.new_refresh_token_sha256 = refresh_token.as_deref().map(fingerprint);
            json_response(200, &body, &ids)
        }
        Err(error) => {
            entry.error = Some(error.error.clone());
            entry.error_codes.clone_from(&error.codes);
            let now = world.lock().now();
            error.response(world, &ids, now)
        }
    };
    entry.status = response.status().as_u16();
    if fault.is_some() {
        entry.injected = true;
        response.extensions_mut().insert(fault::Abort);
    }
    log(world, entry);
    response
}

fn entry(v1: bool, tenant: &str, headers: &HeaderMap, form: &Form, client: &Client, ids: &Ids) -> Entry {
    let short = |text: &str| text.chars().take(500).collect::<String>();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(short);
    let assertion = client.sent_assertion();
    Entry {
        version: if v1 { "v1" } else { "v2" },
        tenant: short(tenant),
        grant_type: form.get("grant_type").map(short),
        client_id: client.id.as_deref().map(short),
        scope: form.get("scope").map(short),
        resource: form.get("resource").map(short),
        refresh_token_sha256: form.get("refresh_token").map(fingerprint),
        correlation_id: ids.correlation.clone(),
        claims: form.get("claims").map(short),
        credential: client.shown(),
        assertion_sha256: client.assertion_text().map(fingerprint),
        assertion_id_sha256: assertion.as_ref().and_then(|sent| sent.id()).map(fingerprint),
        assertion_algorithm: assertion.as_ref().and_then(|sent| sent.algorithm()).map(short),
        assertion_key: assertion.as_ref().and_then(|sent| sent.shown_key()).map(short),
        client_sku: header("x-client-sku"),
        user_agent: header("user-agent"),
        ..Entry::default()
    }
}

fn log(world: &World, mut entry: Entry) {
    let mut state = world.lock();
    entry.time = rfc3339(state.now());
    state.log.push(entry);
}

/// A token reply before it is signed.
pub(crate) struct Reply {
    access: AccessToken,
    asked: Asked,
    permissions: Vec<String>,
    /// Resource scopes as requested.
    written: Vec<String>,
    id_token: Option<IdToken>,
    refresh_token: Option<String>,
    client_info: Option<String>,
    as_strings: bool,
}

impl Reply {
    /// The JSON of it, and the refresh token in it.
    fn into_json(self, world: &World, v1: bool, form: &Form) -> Result<(Value, Option<String>), EntraError> {
        let internal = |_| aadsts(90_033, "A transient error has occurred. Please try again.").named("server_error");
        let number = |value: i64| if v1 || self.as_strings { json!(value.to_string()) } else { json!(value) };
        let lifetime = self.access.lifetime;
        let mut body = Map::new();
        let mut add = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        add("token_type", json!("Bearer"));
        add("expires_in", number(lifetime));
        add("ext_expires_in", number(lifetime));
        if v1 {
            add("scope", json!(self.permissions.join(" ")));
            add("expires_on", number(self.access.issued + lifetime));
            add("not_before", number(self.access.issued));
            add("resource", json!(self.asked.audience));
        } else {
            add("scope", json!(self.scope()));
            add("refresh_in", number(lifetime / 2));
        }
        add("access_token", json!(self.access.sign(world).map_err(internal)?));
        if let Some(token) = &self.refresh_token {
            add("refresh_token", json!(token));
        }
        if let Some(token) = &self.id_token {
            add("id_token", json!(token.sign(world).map_err(internal)?));
        }
        if let (Some(info), Some("1")) = (self.client_info, form.get("client_info")) {
            add("client_info", json!(info));
        }
        Ok((Value::Object(body), self.refresh_token))
    }

    /// The scopes as requested, and those that `/.default` stood for.
    fn scope(&self) -> String {
        let mut all = self.written.clone();
        for permission in &self.permissions {
            let full = format!("{}/{permission}", self.asked.audience);
            if !all.iter().any(|scope| *scope == full || scope == permission) {
                all.push(full);
            }
        }
        all.join(" ")
    }
}

fn redeem(world: &World, v1: bool, tenant: &str, client: &Client, form: &Form) -> Result<Reply, EntraError> {
    if let Some(name) = form.duplicate() {
        return Err(aadsts(
            9_000_411,
            format!("The request is not properly formatted. The parameter '{name}' is duplicated."),
        ));
    }
    let mut state = world.lock();
    let state = &mut *state;
    let path = state.directory.tenant_path(tenant).ok_or_else(|| nowhere(tenant, client, world.cloud))?;
    let grant_type = form.get("grant_type").ok_or_else(|| missing("grant_type"))?;
    let app = client.app(state, tenant)?;
    if !v1 && form.get("resource").is_some() {
        return Err(aadsts(901_002, "The 'resource' request parameter is not supported."));
    }
    let place = Place { world, path: &path, written: tenant, v1 };
    let proof = client.authenticate(&place, state, &app)?;
    let request = Request { world, v1, path, app, proof, form };
    match grant_type {
        "authorization_code" => request.code(state),
        "refresh_token" => request.refresh(state),
        "client_credentials" => request.app_only(state),
        "device_code" | "urn:ietf:params:oauth:grant-type:device_code" => request.device(state),
        // There is no password grant here on purpose.
        other => Err(aadsts(
            70_003,
            format!("The app requested an unsupported grant type '{}'.", other.chars().take(100).collect::<String>()),
        )),
    }
}

struct Request<'a> {
    world: &'a World,
    v1: bool,
    path: TenantPath,
    app: App,
    proof: Proof,
    form: &'a Form,
}

/// A user's sign-in, and the tenant that a token is wanted at.
struct Delegated<'a> {
    signed_in: &'a SignedIn,
    tenant: &'a str,
    nonce: Option<&'a str>,
    /// Scopes of the sign-in's own request, when this is its first redemption.
    first: Option<&'a Scopes>,
}

impl Request<'_> {
    fn code(&self, state: &mut State) -> Result<Reply, EntraError> {
        let text = self.form.get("code").ok_or_else(|| missing("code"))?;
        let code = state
            .grants
            .code(text, state.now())
            .map_err(|dead| match dead {
                Dead::Used => aadsts(54_005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."),
                Dead::Expired => aadsts(70_008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."),
                _ => aadsts(70_000, "Provided grant is invalid or malformed."),
            })?
            .clone();
        if code.signed_in.client_id != self.app.client_id {
            return Err(aadsts(700_007, "The provided authorization code was issued to another client."));
        }
        if self.form.get("redirect_uri") != Some(&code.redirect_uri) {
            return Err(aadsts(
                500_112,
                "The reply address of this request does not match the reply address provided when requesting Authorization code.",
            ));
        }
        self.prove_possession(&code)?;
        match &self.path {
            TenantPath::One(tenant) if *tenant != code.tenant => {
                return Err(aadsts(
                    700_005,
                    "Provided Authorization Code is intended to use against other tenant, thus rejected.",
                ));
            }
            _ => {}
        }
        let delegated = Delegated {
            signed_in: &code.signed_in,
            tenant: &code.tenant,
            nonce: code.nonce.as_deref(),
            first: Some(&code.scopes),
        };
        let mut reply = self.delegated(state, &delegated)?;
        state.grants.use_code(text);
        let offline = code.v1 || self.v1 || code.scopes.offline_access || self.scopes()?.offline_access;
        self.begin_session(state, &mut reply, &code.signed_in, offline)?;
        Ok(reply)
    }

    /// PKCE, RFC 7636 section 4.6.
    fn prove_possession(&self, code: &Code) -> Result<(), EntraError> {
        let verifier = self.form.get("code_verifier");
        let proved = match (&code.challenge, verifier) {
            (None, None) => true,
            (Some(_), None) => {
                return Err(aadsts(
                    50_148,
                    "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.",
                ));
            }
            (None, Some(_)) => false,
            (Some(Challenge::Plain(challenge)), Some(verifier)) => challenge == verifier,
            (Some(Challenge::S256(challenge)), Some(verifier)) => {
                *challenge == URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
            }
        };
        if proved {
            Ok(())
        } else {
            Err(aadsts(
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ))
        }
    }

    fn refresh(&self, state: &mut State) -> Result<Reply, EntraError> {
        let text = self.form.get("refresh_token").ok_or_else(|| missing("refresh_token"))?;
        let malformed = || aadsts(70_000, "Provided grant is invalid or malformed.").suberror("bad_token");
        let token = state.grants.open(text).ok_or_else(malformed)?;
        let (signed_in, home) = {
            let session = state.grants.live(token, state.now()).map_err(|dead| match dead {
                Dead::Revoked => aadsts(50_173, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password."),
                Dead::Expired => aadsts(700_082, "The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00."),
                Dead::Unknown | Dead::Used => malformed(),
            })?;
            (session.signed_in.clone(), session.home.clone())
        };
        if signed_in.client_id != self.app.client_id {
            return Err(aadsts(700_007, "The provided refresh token was issued to another client."));
        }
        if state.scenario.strict_refresh && state.grants.was_used(token) {
            if state.scenario.revoke_family {
                state.grants.revoke_session(token.session);
            }
            return Err(aadsts(70_000, "The provided refresh token was already used; each may be used once.")
                .suberror("bad_token"));
        }
        let tenant = match &self.path {
            TenantPath::Home(_) => home.clone(),
            TenantPath::One(tenant) => tenant.clone(),
        };
        if !state.reaches(&home, &tenant) {
            return Err(stranger(state, &signed_in.upn, &home, &tenant));
        }
        let delegated = Delegated { signed_in: &signed_in, tenant: &tenant, nonce: None, first: None };
        let mut reply = self.delegated(state, &delegated)?;
        if !state.scenario.omit_refresh_token {
            if state.scenario.strict_refresh {
                state.grants.mark_used(token);
            }
            reply.refresh_token =
                Some(state.grants.refresh_token(token.session, state.now()).map_err(|_| malformed())?);
        }
        Ok(reply)
    }

    fn device(&self, state: &mut State) -> Result<Reply, EntraError> {
        let device_code =
            self.form.get("device_code").or_else(|| self.form.get("code")).ok_or_else(|| missing("device_code"))?;
        let device = state
            .grants
            .device(device_code, state.now())
            .map_err(|dead| match dead {
                Dead::Expired => aadsts(70_019, "Verification code expired."),
                _ => aadsts(70_018, "Bad verification code."),
            })?
            .clone();
        if device.client_id != self.app.client_id {
            return Err(aadsts(70_018, "Bad verification code."));
        }
        match device.answer {
            DeviceAnswer::Declined => {
                state.grants.drop_device(device_code);
                Err(aadsts(65_004, "User declined to consent to access the app.").named("authorization_declined"))
            }
            DeviceAnswer::Pending if state.scenario.slow_down > 0 => {
                state.scenario.slow_down -= 1;
                Err(aadsts(90_023, "The device polls too often.").named("slow_down"))
            }
            DeviceAnswer::Pending => {
                Err(aadsts(70_016, "OAuth 2.0 device flow error. Authorization is pending. Continue polling."))
            }
            DeviceAnswer::Accepted { signed_in, tenant } => {
                if let TenantPath::One(path) = &self.path
                    && *path != tenant
                {
                    return Err(aadsts(
                        700_005,
                        "The provided device code is intended to use against other tenant, thus rejected.",
                    ));
                }
                let delegated =
                    Delegated { signed_in: &signed_in, tenant: &tenant, nonce: None, first: Some(&device.scopes) };
                let mut reply = self.delegated(state, &delegated)?;
                let offline = device.v1 || device.scopes.offline_access;
                self.begin_session(state, &mut reply, &signed_in, offline)?;
                state.grants.drop_device(device_code);
                Ok(reply)
            }
        }
    }

    fn app_only(&self, state: &mut State) -> Result<Reply, EntraError> {
        let TenantPath::One(tenant) = &self.path else {
            return Err(aadsts(
                50_059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            ));
        };
        if self.app.public {
            return Err(
                aadsts(70_003, "A public client cannot use the client credentials grant.").named("unauthorized_client")
            );
        }
        if !state.directory.is_installed(tenant, &self.app.client_id) {
            return Err(aadsts(
                7_000_229,
                format!(
                    "The client application {} is missing service principal in the tenant {tenant}.",
                    self.app.client_id
                ),
            ));
        }
        let scopes = self.scopes()?;
        let asked = match (self.v1, scopes.asked.as_slice()) {
            (true, _) => {
                Asked::resource(self.form.get("resource").ok_or_else(|| missing("resource"))?, self.world.cloud)
                    .map_err(refusal)?
            }
            (false, [one]) if one.permissions.is_empty() => one.clone(),
            (false, []) if self.form.get("scope").is_none() => return Err(missing("scope")),
            (false, [_, _, ..]) => return Err(several()),
            (false, _) => {
                return Err(aadsts(
                    1_002_012,
                    "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
                ));
            }
        };
        self.scenario_error(state, &asked, tenant)?;
        let requested = Requested::of(self.form)?;
        let permissions = state.directory.roles(tenant, &self.app.client_id, asked.resource);
        let subject = Subject {
            tenant,
            app: &self.app,
            proof: self.proof,
            user: None,
            asked: &asked,
            permissions: &permissions,
            requested: &requested,
        };
        let access = AccessToken::new(self.world, state, &subject);
        Ok(Reply {
            access,
            written: scopes.written,
            permissions: Vec::new(),
            asked,
            id_token: None,
            refresh_token: None,
            client_info: None,
            as_strings: state.scenario.numbers_as_strings,
        })
    }

    /// Everything about a user's token but the refresh token.
    fn delegated(&self, state: &mut State, delegated: &Delegated<'_>) -> Result<Reply, EntraError> {
        let user = user(state, delegated.signed_in)?;
        let scopes = self.scopes()?;
        let asked = self.asked(&scopes, delegated.first)?;
        let client = &self.app.client_id;
        self.scenario_error(state, &asked, delegated.tenant)?;
        let requested = self.requested(state, delegated, &asked)?;
        let redemption = Redemption {
            signed_in: delegated.signed_in,
            user: &user,
            tenant: delegated.tenant,
            resource: asked.resource,
        };
        conditional_access::judge(state, &redemption).map_err(|error| error.needing_person(self.v1))?;
        if !state.directory.covers(delegated.tenant, client, &asked) {
            return Err(aadsts(
                65_001,
                format!(
                    "The user or administrator has not consented to use the application with ID '{client}'. Send an interactive authorization request for this user and resource."
                ),
            ));
        }
        let permissions: Vec<String> = if asked.permissions.is_empty() {
            state.directory.granted(delegated.tenant, client, asked.resource).into_iter().flatten().cloned().collect()
        } else {
            asked.permissions.clone()
        };
        let mfa = delegated.signed_in.mfa;
        let subject = Subject {
            tenant: delegated.tenant,
            app: &self.app,
            proof: self.proof,
            user: Some((&user, mfa)),
            asked: &asked,
            permissions: &permissions,
            requested: &requested,
        };
        let access = AccessToken::new(self.world, state, &subject);
        let wants_id = scopes.openid || delegated.first.is_some_and(|first| self.v1 || first.openid);
        let id_token = wants_id.then(|| {
            let about = About {
                v1: self.v1,
                tenant: delegated.tenant,
                client_id: client,
                user: &user,
                mfa,
                auth_time: delegated.signed_in.auth_time,
                nonce: delegated.nonce,
            };
            IdToken::new(self.world, state, &about)
        });
        Ok(Reply {
            access,
            asked,
            permissions,
            written: scopes.written,
            id_token,
            refresh_token: None,
            client_info: Some(client_info(&user)),
            as_strings: state.scenario.numbers_as_strings,
        })
    }

    /// The claims that the token is to have: at first those of the sign-in as well.
    fn requested(&self, state: &State, delegated: &Delegated<'_>, asked: &Asked) -> Result<Requested, EntraError> {
        let own = Requested::of(self.form)?;
        let signed_in = &delegated.signed_in.claims;
        let requested = if delegated.first.is_some() { signed_in.and(&own) } else { own };
        let unmet = state.scenario.claims_challenges.iter().find(|challenge| {
            challenge.needs_person
                && challenge.concerns(state, asked.resource, delegated.tenant)
                && requested.cover(&challenge.claims)
                && !signed_in.cover(&challenge.claims)
        });
        match unmet {
            Some(challenge) => Err(conditional_access::mfa_needed(asked.resource.app_id)
                .claims(&challenge.claims.to_string())
                .needing_person(self.v1)),
            None => Ok(requested),
        }
    }

    /// The one resource that this request is about.
    fn asked(&self, scopes: &Scopes, first: Option<&Scopes>) -> Result<Asked, EntraError> {
        if self.v1 {
            return match (self.form.get("resource"), first.and_then(|first| first.asked.first())) {
                (Some(resource), _) => Asked::resource(resource, self.world.cloud).map_err(refusal),
                (None, Some(asked)) => Ok(asked.clone()),
                (None, None) => Err(missing("resource")),
            };
        }
        match (scopes.asked.as_slice(), first) {
            ([one], _) => Ok(one.clone()),
            ([_, _, ..], _) => Err(several()),
            ([], Some(first)) if !first.asked.is_empty() => first.asked.first().cloned().ok_or_else(several),
            // Sign-in scopes alone: a token for Graph's userinfo.
            ([], _) => resources::graph()
                .map(|resource| Asked {
                    resource,
                    audience: resource.name_in(self.world.cloud).to_owned(),
                    permissions: Vec::new(),
                })
                .ok_or_else(|| missing("scope")),
        }
    }

    fn scopes(&self) -> Result<Scopes, EntraError> {
        let text = self.form.get("scope").unwrap_or_default();
        if self.v1 {
            // Only the sign-in scopes count at v1; resources come in `resource`.
            let known: Vec<_> = text
                .split_whitespace()
                .filter(|scope| ["openid", "profile", "offline_access"].contains(scope))
                .collect();
            return Scopes::parse(&known.join(" "), self.world.cloud).map_err(refusal);
        }
        Scopes::parse(text, self.world.cloud).map_err(refusal)
    }

    fn begin_session(
        &self,
        state: &mut State,
        reply: &mut Reply,
        signed_in: &SignedIn,
        offline: bool,
    ) -> Result<(), EntraError> {
        if offline && !state.scenario.omit_refresh_token {
            let home = user(state, signed_in)?.tenant;
            let session = state.grants.begin(signed_in.clone(), home);
            let now = state.now();
            reply.refresh_token = state.grants.refresh_token(session, now).ok();
        }
        Ok(())
    }

    /// What a scenario wants answered for this audience.
    fn scenario_error(&self, state: &mut State, asked: &Asked, tenant: &str) -> Result<(), EntraError> {
        let domain = state.directory.tenant(tenant).map(|tenant| tenant.domain.clone()).unwrap_or_default();
        let is_named =
            |word: &str| resources::find_by_word(word).is_some_and(|resource| std::ptr::eq(resource, asked.resource));
        let Some(error) = state.scenario.take_error(is_named, &[tenant, &domain]) else { return Ok(()) };
        let text =
            error.description.unwrap_or_else(|| "The emulator was told to answer so for this audience.".to_owned());
        let mut answer = aadsts(error.error_codes.first().copied().unwrap_or(90_033), text);
        answer.error = error.error;
        answer.codes = error.error_codes;
        answer.suberror = error.suberror.map(String::into_boxed_str);
        answer.status = error.status.filter(|status| (400..=599).contains(status)).unwrap_or(400);
        answer.claims = error.claims.map(|claims| match claims {
            Value::String(text) => text.into_boxed_str(),
            other => other.to_string().into_boxed_str(),
        });
        Err(answer)
    }
}

/// A tenant that is not here, or not in this cloud.
fn nowhere(tenant: &str, client: &Client, cloud: Cloud) -> EntraError {
    match Cloud::of_domain(tenant) {
        Some(other) if other != cloud && client.shown().is_some() => {
            aadsts(900_382, "Confidential Client is not supported in Cross Cloud request.")
        }
        Some(other) if other != cloud => aadsts(
            90_038,
            format!(
                "The specified tenant '{}' belongs to the National Cloud '{}'. Current cloud instance '{}' does not federate with it.",
                tenant.chars().take(100).collect::<String>(),
                other.name(),
                cloud.name()
            ),
        ),
        _ => unknown_tenant(tenant),
    }
}

fn user(state: &State, signed_in: &SignedIn) -> Result<User, EntraError> {
    state
        .directory
        .user(&signed_in.upn)
        .cloned()
        .ok_or_else(|| aadsts(50_034, format!("The user account {} does not exist in the directory.", signed_in.upn)))
}

fn several() -> EntraError {
    aadsts(
        28_000,
        "Provided value for the input parameter scope is not valid because it contains more than one resource.",
    )
}

pub(crate) fn refusal(refusal: Refusal) -> EntraError {
    let short = |text: &str| text.chars().take(200).collect::<String>();
    match refusal {
        Refusal::Scope(scope) => aadsts(
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {} is not valid.",
                short(&scope)
            ),
        ),
        Refusal::Resource(resource) => aadsts(
            500_011,
            format!(
                "The resource principal named {} was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
                short(&resource)
            ),
        ),
    }
}

pub(crate) fn stranger(state: &State, upn: &str, home: &str, tenant: &str) -> EntraError {
    let name = state.directory.tenant(tenant).map_or(tenant, |tenant| tenant.name.as_str());
    aadsts(
        50_020,
        format!(
            "User account '{upn}' from identity provider of tenant '{home}' does not exist in tenant '{name}' and cannot access the application in that tenant."
        ),
    )
}

fn client_info(user: &User) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "uid": user.oid, "utid": user.tenant }).to_string())
}
