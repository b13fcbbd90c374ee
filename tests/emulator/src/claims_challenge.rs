//! Claims challenges of the APIs: 401 until a token comes that was asked for with these claims (Microsoft, "Claims challenges, claims
//! requests and client capabilities", and "Continuous access evaluation").

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    bearer::{self, Caller},
    listen::Face,
    resources::{self, Resource},
    state::{State, World},
};

/// What an API asks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Challenge {
    /// `graph`, `partner-center` or `arm`.
    pub(crate) audience: String,
    /// Only for tokens of this tenant (GUID or domain).
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    /// `{"access_token": {...}}`; a text is sent as it is, and nothing satisfies it.
    pub(crate) claims: Value,
    #[serde(default)]
    pub(crate) form: HeaderForm,
    /// 401, or what an older API answers.
    #[serde(default = "unauthorized")]
    pub(crate) status: u16,
    /// Whether the token endpoint gives such a token only after somebody signed in with these claims.
    #[serde(default)]
    pub(crate) needs_person: bool,
    /// How many challenges; without it until it is taken back.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

/// How the header is written; all of these are legal (RFC 9110 section 11.6.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HeaderForm {
    /// Base64 with padding.
    #[default]
    Base64,
    /// Base64url without padding.
    Base64url,
    /// Another challenge in a header before it.
    SeveralHeaders,
    /// Another challenge before it and one after it, in the same header.
    OneHeader,
    /// Names in another case, spaces where they may be, and values that need no quotes without them.
    Odd,
}

fn unauthorized() -> u16 {
    401
}

impl Challenge {
    /// # Errors
    ///
    /// One sentence about a value that makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        match resources::find_by_word(&self.audience) {
            Some(resource) if ["graph", "partner-center", "arm"].contains(&resource.key) => {}
            _ => return Err(format!("no API of this name challenges: {}", self.audience)),
        }
        if ![401, 403].contains(&self.status) {
            return Err(format!("a challenge is 401 or 403: {}", self.status));
        }
        Ok(())
    }

    /// Whether it is about this resource in this tenant.
    pub(crate) fn concerns(&self, state: &State, resource: &Resource, tenant: &str) -> bool {
        resources::find_by_word(&self.audience).is_some_and(|own| std::ptr::eq(own, resource))
            && self
                .tenant
                .as_ref()
                .is_none_or(|wanted| state.directory.tenant(wanted).is_some_and(|wanted| wanted.id == tenant))
    }
}

/// The challenge that a request meets, if any does.
pub(crate) fn meet(world: &World, face: Face, headers: &HeaderMap) -> Option<Response> {
    let resource = resources::find_by_word(match face {
        Face::PartnerCenter => "partner-center",
        Face::Graph => "graph",
        Face::Arm => "arm",
        Face::Authority | Face::Control | Face::KeyVault => return None,
    })?;
    // Mostly there is nothing to ask for, and nobody was sent away.
    {
        let state = world.lock();
        if state.scenario.claims_challenges.is_empty() && !state.grants.were_revoked() {
            return None;
        }
    }
    let caller =
        bearer::caller(world, headers).ok().filter(|caller| resource.is_named(&caller.audience, world.cloud))?;
    let challenge = {
        let mut state = world.lock();
        take(&mut state, resource, &caller)?
    };
    Some(response(world, face, resource, &challenge))
}

fn take(state: &mut State, resource: &Resource, caller: &Caller) -> Option<Challenge> {
    // A sign-in that was revoked ends the tokens of clients that can deal with it at once.
    if caller.requested.is_capable() && resource.evaluates && caller.revocations < state.revocations(caller) {
        let claims = json!({ "access_token": { "nbf": { "essential": true, "value": state.now().to_string() } } });
        return Some(Challenge {
            audience: resource.key.to_owned(),
            tenant: None,
            claims,
            form: HeaderForm::Base64,
            status: 401,
            needs_person: false,
            times: None,
        });
    }
    let index = state.scenario.claims_challenges.iter().position(|challenge| {
        challenge.times != Some(0)
            && challenge.concerns(state, resource, &caller.tenant)
            && !caller.requested.cover(&challenge.claims)
    })?;
    let challenge = state.scenario.claims_challenges.get_mut(index)?;
    if let Some(times) = &mut challenge.times {
        *times = times.saturating_sub(1);
    }
    Some(challenge.clone())
}

fn response(world: &World, face: Face, resource: &Resource, challenge: &Challenge) -> Response {
    const TEXT: &str = "Continuous access evaluation resulted in challenge with result: InteractionRequired.";
    let body = match face {
        Face::PartnerCenter => {
            json!({ "code": "insufficient_claims", "description": TEXT, "data": [], "source": "PartnerFD" })
        }
        _ => json!({ "error": { "code": "InvalidAuthenticationToken", "message": TEXT } }),
    };
    let status = StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    for value in header_values(&world.urls.authority, resource, challenge) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static("www-authenticate"), value);
        }
    }
    response
}

fn header_values(authority: &str, resource: &Resource, challenge: &Challenge) -> Vec<String> {
    let claims = match &challenge.claims {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (padded, plain) = (STANDARD.encode(&claims), URL_SAFE_NO_PAD.encode(&claims));
    let uri = format!("{authority}/common/oauth2/authorize");
    let client = resource.app_id;
    let bearer = |claims: &str| {
        format!(
            "Bearer realm=\"\", authorization_uri=\"{uri}\", client_id=\"{client}\", error=\"insufficient_claims\", claims=\"{claims}\""
        )
    };
    let pop = "PoP realm=\"\", nonce=\"a, Bearer claims=\\\"none\\\"\", algs=\"ES256 RS256\"";
    match challenge.form {
        HeaderForm::Base64 => vec![bearer(&padded)],
        HeaderForm::Base64url => vec![bearer(&plain)],
        HeaderForm::SeveralHeaders => vec![pop.to_owned(), "Negotiate".to_owned(), bearer(&padded)],
        HeaderForm::OneHeader => vec![format!("Negotiate, {pop}, {}, Basic realm=\"x\"", bearer(&padded))],
        HeaderForm::Odd => {
            vec![format!(
                "bearer  CLAIMS = \"{padded}\" ,Error=insufficient_claims,, Authorization_URI=\"{uri}\", Realm=\"\""
            )]
        }
    }
}
