//! What a consent came to and how a grant stands, as the documents that the command line, C and whoever wants JSON have in common: times as RFC 3339 in
//! UTC, durations in whole seconds, a field that is not known null or empty and never absent.

use serde::Serialize;
use serde_json::Value;

use super::consent::Consented;
use super::grants::GrantStatus;
use super::incident::{Revoked, StepOutcome};
use super::renew::Renewed;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorDocument};
use crate::store::{GrantState, StoreCondition, Taint};

/// A report as a JSON value, for who hands it on to another language.
pub fn value(report: &impl Serialize) -> Value {
    // Texts, numbers and lists cannot fail to become a value.
    serde_json::to_value(report).unwrap_or_default()
}

/// A grant without its secret.
#[derive(Debug, Serialize)]
pub struct GrantReport<'a> {
    partner: String,
    name: String,
    domains: &'a [String],
    user_name: &'a str,
    user_oid: &'a str,
    condition: &'static str,
    ended_on: Option<String>,
    ended_because: Option<&'a str>,
    mfa: &'static str,
    amr: &'a [String],
    partner_center_mfa: Option<bool>,
    mfa_checked_on: String,
    consented_on: String,
    last_redeemed_on: String,
    expires_on: String,
    expires_in: i64,
    renew_after: String,
    audiences: &'a [String],
    purpose: &'a str,
    taints: Vec<&'static str>,
    generation: u64,
}

impl<'a> GrantReport<'a> {
    /// The document of `grant`, as it stands `now`.
    pub fn new(grant: &'a GrantStatus, now: UnixTime) -> Self {
        let facts = &grant.facts;
        let (ended_on, ended_because) = match &facts.state {
            GrantState::Active => (None, None),
            GrantState::Dead { on, reason } => (Some(on.to_string()), Some(reason.as_str())),
        };
        Self {
            partner: grant.partner.to_string(),
            name: grant.name(),
            domains: &facts.domains,
            user_name: &facts.user_name,
            user_oid: &facts.user_oid,
            condition: grant.condition(now).as_str(),
            ended_on,
            ended_because,
            mfa: facts.mfa.verdict.as_str(),
            amr: &facts.mfa.amr,
            partner_center_mfa: facts.mfa.partner_center,
            mfa_checked_on: facts.mfa.checked_on.to_string(),
            consented_on: facts.consented_on.to_string(),
            last_redeemed_on: facts.last_redeemed_on.to_string(),
            expires_on: grant.expires_on(now).to_string(),
            expires_in: grant.expires_on(now).since(now),
            renew_after: facts.renew_after.to_string(),
            audiences: &facts.audiences,
            purpose: &facts.purpose,
            taints: taint_words(&facts.taints),
            generation: grant.generation,
        }
    }
}

/// A consent or an import that became a grant.
#[derive(Debug, Serialize)]
pub struct ConsentReport<'a> {
    schema_version: u32,
    partner: String,
    name: &'a str,
    user_name: &'a str,
    mfa: &'static str,
    amr: &'a [String],
    partner_center_mfa: Option<bool>,
    expires_on: String,
    expires_in: i64,
    taints: Vec<&'static str>,
    audiences: Vec<AudienceReport<'a>>,
}

/// One audience of a consent: its token came, or an error says why not.
#[derive(Debug, Serialize)]
struct AudienceReport<'a> {
    audience: String,
    ok: bool,
    token_expires_on: Option<String>,
    error: Option<ErrorDocument<'a>>,
}

impl<'a> ConsentReport<'a> {
    /// The document of `consented`, as it is `now`.
    pub fn new(consented: &'a Consented, now: UnixTime) -> Self {
        let audiences = consented.audiences.iter().map(|(audience, token)| AudienceReport {
            audience: audience.to_string(),
            ok: token.is_ok(),
            token_expires_on: token.as_ref().ok().map(|token| token.expires_on.to_string()),
            error: token.as_ref().err().map(Error::to_document),
        });
        Self {
            schema_version: 1,
            partner: consented.partner.to_string(),
            name: &consented.name,
            user_name: &consented.user_name,
            mfa: consented.mfa.verdict.as_str(),
            amr: &consented.mfa.amr,
            partner_center_mfa: consented.mfa.partner_center,
            expires_on: consented.expires_on.to_string(),
            expires_in: consented.expires_on.since(now),
            taints: taint_words(&consented.taints),
            audiences: audiences.collect(),
        }
    }
}

/// Renewals, each with its end.
#[derive(Debug, Serialize)]
pub struct RenewReport<'a> {
    schema_version: u32,
    renewed: usize,
    failed: usize,
    partners: Vec<RenewedReport<'a>>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct RenewedReport<'a> {
    partner: String,
    expires_on: Option<String>,
    error: Option<ErrorDocument<'a>>,
}

impl<'a> RenewReport<'a> {
    /// The document of these renewals.
    pub fn new(renewed: &'a [Renewed]) -> Self {
        let failed = renewed.iter().filter(|renewed| renewed.result.is_err()).count();
        let partners = renewed.iter().map(RenewedReport::new).collect();
        Self { schema_version: 1, renewed: renewed.len() - failed, failed, partners }
    }
}

impl<'a> RenewedReport<'a> {
    /// The document of one renewal, for who takes them as they come.
    pub fn new(renewed: &'a Renewed) -> Self {
        Self {
            partner: renewed.partner.to_string(),
            expires_on: renewed.result.as_ref().ok().map(ToString::to_string),
            error: renewed.result.as_ref().err().map(Error::to_document),
        }
    }
}

/// A revocation, with what was done at the service and here.
#[derive(Debug, Serialize)]
pub struct RevokeReport<'a> {
    schema_version: u32,
    partner: String,
    removed: bool,
    store: &'a str,
    steps: Vec<Value>,
}

impl<'a> RevokeReport<'a> {
    /// The document of `revoked`; `store` is where the grant was.
    pub fn new(revoked: &Revoked, store: &'a str) -> Self {
        Self {
            schema_version: 1,
            partner: revoked.partner.to_string(),
            removed: revoked.removed,
            store,
            steps: revoked.steps.iter().map(StepOutcome::to_document).collect(),
        }
    }
}

/// How the store is.
#[derive(Debug, Serialize)]
pub struct StoreReport<'a> {
    schema_version: u32,
    store: &'a str,
    condition: &'static str,
    error: Option<ErrorDocument<'a>>,
}

impl<'a> StoreReport<'a> {
    /// The document of the condition of the store at `store`.
    pub fn new(condition: &'a StoreCondition, store: &'a str) -> Self {
        Self {
            schema_version: 1,
            store,
            condition: condition.as_str(),
            error: condition.error().map(Error::to_document),
        }
    }
}

/// The words for what makes a grant weaker.
pub fn taint_words(taints: &[Taint]) -> Vec<&'static str> {
    taints.iter().map(|taint| taint.as_str()).collect()
}
