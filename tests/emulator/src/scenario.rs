//! How the emulator is told to misbehave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{claims_challenge::Challenge, entra::conditional_access::Policy, key_vault, relationships};

/// What holds now; `POST /reset` returns to the default.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scenario {
    /// Whether sign-ins ask for MFA and yield it.
    pub(crate) mfa: bool,
    /// Refresh tokens are good for one use.
    pub(crate) strict_refresh: bool,
    /// In strict mode, a reused refresh token ends the whole sign-in.
    pub(crate) revoke_family: bool,
    /// Seconds.
    pub(crate) access_token_lifetime: i64,
    /// Seconds that the emulator's clock is ahead.
    pub(crate) clock_offset: i64,
    pub(crate) omit_refresh_token: bool,
    /// Numbers of v2 token replies are strings, as v1's always are.
    pub(crate) numbers_as_strings: bool,
    pub(crate) bad_id_token: Option<BadIdToken>,
    pub(crate) secret_expired: bool,
    /// How often a credential that is added from now on is refused before it works.
    pub(crate) propagating: u32,
    /// Whether Partner Center refuses users' tokens without MFA.
    pub(crate) mfa_enforced: bool,
    /// Whether Partner Center answers `ValidateMfa`.
    pub(crate) mfa_header: bool,
    /// How many consents and withdrawals Partner Center takes in a second from an app; 0 is no limit.
    pub(crate) consents_per_second: u32,
    /// How many reads at a customer still show what was before a consent or withdrawal.
    pub(crate) consent_lag: u32,
    /// How many requests Graph takes in a second from an app at a tenant; 0 is no limit.
    pub(crate) graph_per_second: u32,
    /// Rows on a page of Graph; 0 leaves it at a hundred.
    pub(crate) graph_page: u32,
    /// How many device-code polls are answered with `slow_down`.
    pub(crate) slow_down: u32,
    /// Seconds between device-code polls.
    pub(crate) device_interval: u32,
    pub(crate) fail: Vec<Fault>,
    pub(crate) delay: Vec<Delay>,
    pub(crate) error_for: Vec<ErrorFor>,
    pub(crate) claims_challenges: Vec<Challenge>,
    pub(crate) conditional_access: Vec<Policy>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            mfa: true,
            strict_refresh: false,
            revoke_family: false,
            access_token_lifetime: Self::USUAL_LIFETIME,
            clock_offset: 0,
            omit_refresh_token: false,
            numbers_as_strings: false,
            bad_id_token: None,
            secret_expired: false,
            propagating: 0,
            mfa_enforced: true,
            mfa_header: true,
            consents_per_second: 50,
            consent_lag: 0,
            graph_per_second: 0,
            graph_page: 0,
            slow_down: 0,
            device_interval: 1,
            fail: Vec::new(),
            delay: Vec::new(),
            error_for: Vec::new(),
            claims_challenges: Vec::new(),
            conditional_access: Vec::new(),
        }
    }
}

/// What is wrong with the next id tokens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BadIdToken {
    Signature,
    Issuer,
    Audience,
    Nonce,
    Tenant,
    Expired,
    AlgNone,
}

/// Requests to fail.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// A kind of request (`token`, `keys`, `partner_center`, ...), `any`, or a part of the URL's path that begins with `/`.
    pub(crate) path: String,
    #[serde(default = "one")]
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Text as it is, or a JSON value.
    #[serde(default)]
    pub(crate) body: Option<Value>,
    /// Close the connection instead of answering.
    #[serde(default)]
    pub(crate) abort: Option<Abort>,
}

/// When the connection is closed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Abort {
    /// Nothing was done.
    Before,
    /// It was done, and the reply is lost.
    After,
}

/// Requests to answer late.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delay {
    pub(crate) path: String,
    pub(crate) ms: u64,
}

/// The token endpoint's answer for one audience.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorFor {
    /// `graph`, `arm`, ..., an application id or a URI.
    pub(crate) audience: String,
    /// Only at this tenant (GUID or domain).
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) error_codes: Vec<u32>,
    #[serde(default)]
    pub(crate) suberror: Option<String>,
    /// Text as it is, or a JSON value that is sent as text.
    #[serde(default)]
    pub(crate) claims: Option<Value>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<u16>,
    /// For so many requests; without it until it is taken back.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

fn one() -> u32 {
    1
}

/// One or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Some1<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Some1<T> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Self::Many(many) => many.iter(),
            Self::One(one) => std::slice::from_ref(one).iter(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

/// The body of `POST /scenario`: what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Change {
    mfa: Option<bool>,
    strict_refresh: Option<bool>,
    revoke_family: Option<bool>,
    access_token_lifetime: Option<i64>,
    clock_offset: Option<i64>,
    omit_refresh_token: Option<bool>,
    numbers_as_strings: Option<bool>,
    /// Twice an option: `null` takes it back, absence leaves it.
    #[serde(deserialize_with = "present")]
    bad_id_token: Option<Option<BadIdToken>>,
    secret_expired: Option<bool>,
    propagating: Option<u32>,
    mfa_enforced: Option<bool>,
    mfa_header: Option<bool>,
    consents_per_second: Option<u32>,
    consent_lag: Option<u32>,
    graph_per_second: Option<u32>,
    graph_page: Option<u32>,
    slow_down: Option<u32>,
    device_interval: Option<u32>,
    #[serde(deserialize_with = "present")]
    fail: Option<Option<Some1<Fault>>>,
    delay_ms: Option<u64>,
    path: Option<String>,
    #[serde(deserialize_with = "present")]
    error_for: Option<Option<Some1<ErrorFor>>>,
    #[serde(deserialize_with = "present")]
    claims_challenge: Option<Option<Some1<Challenge>>>,
    #[serde(deserialize_with = "present")]
    conditional_access: Option<Option<Some1<Policy>>>,
    pub(crate) revoke: Option<Revoke>,
    pub(crate) expire_tokens: Option<bool>,
    pub(crate) rotate_keys: Option<bool>,
    pub(crate) consent: Option<Some1<ConsentChange>>,
    pub(crate) customers: Option<Some1<CustomerChange>>,
    pub(crate) admin_agent: Option<Some1<AgentChange>>,
    pub(crate) app_roles: Option<Some1<RolesChange>>,
    pub(crate) vaults: Option<Some1<key_vault::Change>>,
}

/// A change of what an app may do on its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolesChange {
    /// GUID or domain.
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) resource: String,
    /// Taken back without any: all.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    pub(crate) granted: bool,
}

/// A change between a partner and customers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CustomerChange {
    /// GUID or domain, one or several; `all` for every customer that there is.
    pub(crate) customer: Some1<String>,
    #[serde(flatten)]
    pub(crate) change: relationships::Change,
}

/// A change of who is in the group AdminAgents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentChange {
    pub(crate) upn: String,
    pub(crate) member: bool,
}

/// Whose sign-ins to revoke.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Revoke {
    /// `"all"`.
    Word(String),
    Of(RevokeOf),
}

/// The same by user or tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeOf {
    pub(crate) upn: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) all: Option<bool>,
}

/// A change of consent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentChange {
    /// GUID or domain.
    pub(crate) tenant: String,
    /// A resource; all of them without it.
    pub(crate) resource: Option<String>,
    /// Permissions of the resource by name; those of `/.default` without it.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// An app; all sample apps without it.
    pub(crate) client_id: Option<String>,
    pub(crate) granted: bool,
}

pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Change {
    /// Consent changes, taken out.
    pub(crate) fn take_consents(&mut self) -> Vec<ConsentChange> {
        self.consent.take().map(Some1::into_vec).unwrap_or_default()
    }

    /// Applies what is about the scenario itself; the rest is the caller's.
    ///
    /// # Errors
    ///
    /// One sentence about a value that makes no sense; nothing was changed then.
    pub(crate) fn apply(self, scenario: &mut Scenario) -> Result<(), String> {
        let mut next = scenario.clone();
        set(&mut next.mfa, self.mfa);
        set(&mut next.strict_refresh, self.strict_refresh);
        set(&mut next.revoke_family, self.revoke_family);
        set(&mut next.omit_refresh_token, self.omit_refresh_token);
        set(&mut next.numbers_as_strings, self.numbers_as_strings);
        set(&mut next.bad_id_token, self.bad_id_token);
        set(&mut next.secret_expired, self.secret_expired);
        set(&mut next.propagating, self.propagating);
        set(&mut next.mfa_enforced, self.mfa_enforced);
        set(&mut next.mfa_header, self.mfa_header);
        set(&mut next.consents_per_second, self.consents_per_second);
        set(&mut next.consent_lag, self.consent_lag);
        set(&mut next.graph_per_second, self.graph_per_second);
        set(&mut next.graph_page, self.graph_page);
        set(&mut next.slow_down, self.slow_down);
        set(&mut next.device_interval, self.device_interval);
        if let Some(seconds) = self.access_token_lifetime {
            if !(1..=86_400 * 2).contains(&seconds) {
                return Err(format!("access_token_lifetime must be 1 to 172800 seconds: {seconds}"));
            }
            next.access_token_lifetime = seconds;
        }
        if let Some(seconds) = self.clock_offset {
            if seconds.abs() > CENTURY {
                return Err(format!("clock_offset must be within a hundred years: {seconds}"));
            }
            next.clock_offset = seconds;
        }
        match self.fail {
            None => {}
            Some(None) => next.fail.clear(),
            Some(Some(faults)) => {
                let faults = faults.into_vec();
                if faults.is_empty() {
                    next.fail.clear();
                }
                for fault in &faults {
                    fault.check()?;
                }
                next.fail.extend(faults);
            }
        }
        match self.error_for {
            None => {}
            Some(None) => next.error_for.clear(),
            Some(Some(errors)) => {
                let errors = errors.into_vec();
                if errors.is_empty() {
                    next.error_for.clear();
                }
                for error in errors {
                    if crate::resources::find_by_word(&error.audience).is_none() {
                        return Err(format!("no such audience: {}", error.audience));
                    }
                    next.error_for.retain(|other| other.audience != error.audience || other.tenant != error.tenant);
                    next.error_for.push(error);
                }
            }
        }
        // These replace what was there: the last word counts.
        if let Some(challenges) = self.claims_challenge {
            next.claims_challenges = challenges.map(Some1::into_vec).unwrap_or_default();
            next.claims_challenges.iter().try_for_each(Challenge::check)?;
        }
        if let Some(policies) = self.conditional_access {
            next.conditional_access = policies.map(Some1::into_vec).unwrap_or_default();
            next.conditional_access.iter().try_for_each(Policy::check)?;
        }
        match (self.delay_ms, self.path) {
            (None, Some(_)) => return Err("path belongs to delay_ms, which is missing".to_owned()),
            (None, None) => {}
            (Some(ms), _) if ms > 600_000 => return Err(format!("delay_ms must be at most 600000: {ms}")),
            (Some(0), None) => next.delay.clear(),
            (Some(ms), path) => {
                let path = path.unwrap_or_else(|| "any".to_owned());
                next.delay.retain(|delay| delay.path != path);
                if ms > 0 {
                    next.delay.push(Delay { path, ms });
                }
            }
        }
        let told = [
            next.fail.len(),
            next.delay.len(),
            next.error_for.len(),
            next.claims_challenges.len(),
            next.conditional_access.len(),
        ];
        if told.iter().sum::<usize>() > 1000 {
            return Err("too many faults, delays, errors, challenges and policies at a time".to_owned());
        }
        *scenario = next;
        Ok(())
    }
}

const CENTURY: i64 = 100 * 366 * 86_400;

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl Fault {
    fn check(&self) -> Result<(), String> {
        if let Some(status) = self.status
            && !(200..=599).contains(&status)
        {
            return Err(format!("status must be 200 to 599: {status}"));
        }
        for (name, value) in &self.headers {
            if axum::http::HeaderName::try_from(name.as_str()).is_err()
                || axum::http::HeaderValue::try_from(value.as_str()).is_err()
            {
                return Err(format!("not a header that can be sent: {name}"));
            }
        }
        Ok(())
    }
}

impl Scenario {
    /// Seconds that an access token lives unless somebody says otherwise.
    pub(crate) const USUAL_LIFETIME: i64 = 3599;

    /// Takes one failure for this kind of request and path, if any is left.
    pub(crate) fn take_fault(&mut self, kind: &str, path: &str) -> Option<Fault> {
        let index = self.fail.iter().position(|fault| fault.times > 0 && applies(&fault.path, kind, path))?;
        let fault = self.fail.get_mut(index)?;
        fault.times -= 1;
        let taken = fault.clone();
        if fault.times == 0 {
            self.fail.remove(index);
        }
        Some(taken)
    }

    /// Milliseconds to wait before answering.
    pub(crate) fn delay_for(&self, kind: &str, path: &str) -> u64 {
        self.delay.iter().filter(|delay| applies(&delay.path, kind, path)).map(|delay| delay.ms).max().unwrap_or(0)
    }

    /// Takes the error that stands for an audience at a tenant, whose id and domain are given.
    pub(crate) fn take_error(&mut self, is_named: impl Fn(&str) -> bool, tenant: &[&str]) -> Option<ErrorFor> {
        let index = self.error_for.iter().position(|error| {
            is_named(&error.audience)
                && error
                    .tenant
                    .as_ref()
                    .is_none_or(|wanted| tenant.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
        })?;
        let error = self.error_for.get_mut(index)?;
        let taken = error.clone();
        if let Some(times) = &mut error.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.error_for.remove(index);
            }
        }
        Some(taken)
    }
}

fn applies(wanted: &str, kind: &str, path: &str) -> bool {
    wanted == "any" || wanted == kind || (wanted.starts_with('/') && path.contains(wanted))
}
