//! The claims of access tokens and id tokens.

use serde_json::{Map, Value, json};

use super::{claims::Requested, client::Proof, metadata::issuer};
use crate::{
    grants::random,
    jwt,
    ready::{App, User},
    samples,
    scenario::{BadIdToken, Scenario},
    scopes::Asked,
    state::{State, World},
};

/// All that an access token says, gathered under the lock and signed outside it.
pub(crate) struct AccessToken {
    claims: Map<String, Value>,
    pub(crate) issued: i64,
    pub(crate) lifetime: i64,
}

/// Whom an access token is about.
pub(crate) struct Subject<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) app: &'a App,
    pub(crate) proof: Proof,
    /// Nobody for an app-only token.
    pub(crate) user: Option<(&'a User, bool)>,
    pub(crate) asked: &'a Asked,
    /// What was consented to and asked for; an app's own roles where there is no user.
    pub(crate) permissions: &'a [String],
    pub(crate) requested: &'a Requested,
}

impl AccessToken {
    /// A v1.0 token: the format that Partner Center, Graph and Azure Resource Manager use whichever endpoint issues it
    /// (Microsoft, "Access token claims reference").
    pub(crate) fn new(world: &World, state: &State, subject: &Subject<'_>) -> Self {
        let now = state.now();
        let capable = subject.requested.is_capable();
        let lifetime = match state.scenario.access_token_lifetime {
            Scenario::USUAL_LIFETIME if capable && subject.asked.resource.evaluates => EVALUATED_LIFETIME,
            other => other,
        };
        let mut claims = Map::new();
        let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        add("aud", json!(subject.asked.audience));
        add("iss", json!(issuer(&world.urls.authority, subject.tenant, true)));
        add("iat", json!(now));
        add("nbf", json!(now));
        add("exp", json!(now + lifetime));
        add("appid", json!(subject.app.client_id));
        add("appidacr", json!(subject.proof.appidacr()));
        add("idp", json!(issuer(&world.urls.authority, subject.tenant, true)));
        add("tid", json!(subject.tenant));
        match subject.user {
            Some((user, mfa)) => {
                add("idtyp", json!("user"));
                add("acr", json!("1"));
                add("amr", amr(mfa));
                add("name", json!(user.upn));
                add("oid", json!(user.oid));
                add("sub", json!(user.oid));
                add("unique_name", json!(user.upn));
                add("upn", json!(user.upn));
                add("scp", json!(subject.permissions.join(" ")));
                add(REVOCATIONS, json!(state.grants.revocations(&user.upn)));
            }
            None => {
                add("idtyp", json!("app"));
                add("oid", json!(subject.app.client_id));
                add("sub", json!(subject.app.client_id));
                if !subject.permissions.is_empty() {
                    add("roles", json!(subject.permissions));
                }
            }
        }
        if capable {
            add("xms_cc", json!(["cp1"]));
        }
        let contexts = subject.requested.contexts();
        if !contexts.is_empty() {
            add("acrs", json!(contexts));
        }
        if !subject.requested.as_map().is_empty() {
            add(REQUESTED, json!(subject.requested.as_map()));
        }
        add("uti", json!(random("", 16)));
        add("ver", json!("1.0"));
        add(EPOCH, json!(state.token_epoch));
        Self { claims, issued: now, lifetime }
    }

    pub(crate) fn sign(&self, world: &World) -> Result<String, String> {
        jwt::sign(&world.signing_key(), &self.claims)
    }
}

/// The claim by which `expire_tokens` knows what was issued before it.
pub(crate) const EPOCH: &str = "xms_emulator_epoch";

/// The claim by which the APIs know how often the user's sign-ins had been revoked.
pub(crate) const REVOCATIONS: &str = "xms_emulator_revocations";
/// The claim by which the APIs know what the token was asked for with.
pub(crate) const REQUESTED: &str = "xms_emulator_claims";
/// Seconds that a token lives at an API which evaluates access continuously, for a client that can deal with it.
const EVALUATED_LIFETIME: i64 = 24 * 3600;

/// All that an id token says.
pub(crate) struct IdToken {
    claims: Map<String, Value>,
    bad: Option<BadIdToken>,
}

/// Whom an id token is about, and for which request.
pub(crate) struct About<'a> {
    pub(crate) v1: bool,
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) user: &'a User,
    pub(crate) mfa: bool,
    pub(crate) auth_time: i64,
    pub(crate) nonce: Option<&'a str>,
}

impl IdToken {
    /// OpenID Connect Core section 2, with the claims that Entra adds; wrong where the scenario says so.
    pub(crate) fn new(world: &World, state: &State, about: &About<'_>) -> Self {
        let bad = state.scenario.bad_id_token;
        let now = state.now() - if bad == Some(BadIdToken::Expired) { 7200 } else { 0 };
        let tenant = if bad == Some(BadIdToken::Tenant) {
            if about.tenant == samples::NORTHWIND { samples::FABRIKAM } else { samples::NORTHWIND }
        } else {
            about.tenant
        };
        let iss = match bad {
            Some(BadIdToken::Issuer) => issuer("https://issuer.invalid", tenant, about.v1),
            _ => issuer(&world.urls.authority, tenant, about.v1),
        };
        let aud =
            if bad == Some(BadIdToken::Audience) { "00000000-0000-4000-8000-00000000bad0" } else { about.client_id };
        let mut claims = Map::new();
        let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        add("aud", json!(aud));
        add("iss", json!(iss));
        add("iat", json!(now));
        add("nbf", json!(now));
        add("exp", json!(now + 3600));
        add("auth_time", json!(about.auth_time));
        add("name", json!(about.user.upn));
        add("oid", json!(about.user.oid));
        add("sub", json!(about.user.oid));
        add("tid", json!(tenant));
        if about.v1 {
            add("amr", amr(about.mfa));
            add("upn", json!(about.user.upn));
            add("unique_name", json!(about.user.upn));
            add("ver", json!("1.0"));
        } else {
            add("preferred_username", json!(about.user.upn));
            add("ver", json!("2.0"));
        }
        match (bad, about.nonce) {
            (Some(BadIdToken::Nonce), _) => add("nonce", json!("not-the-nonce-of-the-request")),
            (_, Some(nonce)) => add("nonce", json!(nonce)),
            _ => {}
        }
        add("uti", json!(random("", 16)));
        Self { claims, bad }
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn sign(&self, world: &World) -> Result<String, String> {
        match self.bad {
            Some(BadIdToken::AlgNone) => jwt::unsigned(&self.claims),
            Some(BadIdToken::Signature) => {
                // The signature of other claims: right key, right length, wrong words.
                let token = jwt::sign(&world.signing_key(), &self.claims)?;
                let mut other = self.claims.clone();
                other.insert("uti".to_owned(), json!(random("", 16)));
                let other = jwt::sign(&world.signing_key(), &other)?;
                match (token.rsplit_once('.'), other.rsplit_once('.')) {
                    (Some((message, _)), Some((_, signature))) => Ok(format!("{message}.{signature}")),
                    _ => Err("a token has two dots".to_owned()),
                }
            }
            _ => jwt::sign(&world.signing_key(), &self.claims),
        }
    }
}

fn amr(mfa: bool) -> Value {
    if mfa { json!(["pwd", "mfa"]) } else { json!(["pwd"]) }
}
