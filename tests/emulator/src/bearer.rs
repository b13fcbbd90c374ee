//! What the APIs read out of an access token.

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::{
    entra::{
        claims::Requested,
        tokens::{EPOCH, REQUESTED, REVOCATIONS},
    },
    jwt,
    state::World,
};

/// The caller of an API.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) audience: String,
    pub(crate) tenant: String,
    /// Nobody for an app-only token.
    pub(crate) upn: Option<String>,
    pub(crate) mfa: bool,
    pub(crate) app_id: String,
    /// The user's, or the service principal's.
    pub(crate) oid: String,
    /// `scp` of a user's token, `roles` of an app's.
    pub(crate) permissions: Vec<String>,
    /// The claims that the token was asked for with.
    pub(crate) requested: Requested,
    /// How often the user's sign-ins had been revoked when it was issued.
    pub(crate) revocations: u64,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    Missing,
    Invalid,
    Expired,
}

/// The caller behind `Authorization: Bearer`; the audience is for the API to judge.
pub(crate) fn caller(world: &World, headers: &HeaderMap) -> Result<Caller, Denied> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Denied::Missing)?.to_str().map_err(|_| Denied::Invalid)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denied::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(Denied::Missing);
    }
    let claims = world.with_keys(|keys| jwt::verified(keys, token.trim())).ok_or(Denied::Invalid)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    // An id token is signed by the same keys, and is no access token.
    let app_id = text("appid").ok_or(Denied::Invalid)?;
    let (now, epoch) = {
        let state = world.lock();
        (state.now(), state.token_epoch)
    };
    if now >= number("exp") || claims.get(EPOCH).and_then(Value::as_u64) != Some(epoch) {
        return Err(Denied::Expired);
    }
    // Five minutes of skew, as the real ones allow.
    if now + 300 < number("nbf") {
        return Err(Denied::Invalid);
    }
    Ok(Caller {
        audience: text("aud").ok_or(Denied::Invalid)?,
        tenant: text("tid").ok_or(Denied::Invalid)?,
        upn: text("upn"),
        mfa: has_mfa(&claims),
        app_id,
        oid: text("oid").ok_or(Denied::Invalid)?,
        permissions: permissions(&claims),
        requested: Requested::from_map(claims.get(REQUESTED).and_then(Value::as_object).cloned().unwrap_or_default()),
        revocations: claims.get(REVOCATIONS).and_then(Value::as_u64).unwrap_or_default(),
    })
}

fn permissions(claims: &Map<String, Value>) -> Vec<String> {
    let scopes = claims.get("scp").and_then(Value::as_str).into_iter().flat_map(str::split_whitespace);
    let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    scopes.chain(roles).map(str::to_owned).collect()
}

fn has_mfa(claims: &Map<String, Value>) -> bool {
    claims
        .get("amr")
        .and_then(Value::as_array)
        .is_some_and(|amr| amr.iter().any(|method| method.as_str() == Some("mfa")))
}
