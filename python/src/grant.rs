//! What there is of grants, without their secrets.

use partnersam::app::grants::GrantStatus;
use partnersam::app::renew;
use partnersam::store::{GrantState, Taint};
use pyo3::prelude::*;

use crate::error::to_exception;

/// A partner's grant without its secret. Times are Unix times, in seconds.
#[pyclass(frozen, get_all, module = "partnersam")]
pub(crate) struct Grant {
    /// Tenant id of the partner.
    partner: String,
    /// By domain where one is known, else by id.
    name: String,
    /// Counts every change of the record.
    generation: u64,
    /// Object id of the account that consented.
    user_oid: String,
    /// Sign-in name of that account.
    user_name: String,
    /// Domains by which the partner was named.
    domains: Vec<String>,
    /// When the person consented.
    consented_on: i64,
    /// Whether MFA is proved: `yes`, `no` or `unknown`.
    mfa: &'static str,
    /// The sign-in methods that the token named.
    amr: Vec<String>,
    /// When it last redeemed.
    last_redeemed_on: i64,
    /// When it ends if it is not used before.
    expires_on: i64,
    /// When it should be used to keep it alive.
    renew_after: i64,
    /// Audiences that were granted, by name.
    audiences: Vec<String>,
    /// Why the consent was asked for.
    purpose: String,
    /// What makes it weaker than it should be.
    taints: Vec<&'static str>,
    /// `active`, or `dead` once the service said for good that it cannot be used.
    state: &'static str,
    /// When it died.
    dead_on: Option<i64>,
    /// The kind of error it died of, for example `GrantRevoked`.
    dead_reason: Option<String>,
}

#[pymethods]
impl Grant {
    fn __repr__(&self) -> String {
        format!(
            "Grant(partner='{}', name='{}', user_name='{}', mfa='{}', state='{}', expires_on={})",
            self.partner, self.name, self.user_name, self.mfa, self.state, self.expires_on
        )
    }
}

impl From<GrantStatus> for Grant {
    fn from(grant: GrantStatus) -> Self {
        let name = grant.name();
        let facts = grant.facts;
        let (state, dead_on, dead_reason) = match facts.state {
            GrantState::Active => ("active", None, None),
            GrantState::Dead { on, reason } => ("dead", Some(on.0), Some(reason)),
        };
        Self {
            partner: grant.partner.to_string(),
            name,
            generation: grant.generation,
            user_oid: facts.user_oid,
            user_name: facts.user_name,
            domains: facts.domains,
            consented_on: facts.consented_on.0,
            mfa: facts.mfa.verdict.as_str(),
            amr: facts.mfa.amr,
            last_redeemed_on: facts.last_redeemed_on.0,
            expires_on: facts.expires_on.0,
            renew_after: facts.renew_after.0,
            audiences: facts.audiences,
            purpose: facts.purpose,
            taints: facts.taints.iter().copied().map(Taint::as_str).collect(),
            state,
            dead_on,
            dead_reason,
        }
    }
}

/// What one renewal came to.
#[pyclass(frozen, get_all, module = "partnersam")]
pub(crate) struct Renewed {
    /// Tenant id of the partner.
    partner: String,
    /// When the grant ends now if it is not used before (Unix time); None where it could not be renewed.
    expires_on: Option<i64>,
    /// The PartnerSamError that says why it could not be renewed.
    error: Option<Py<PyAny>>,
}

#[pymethods]
impl Renewed {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let end = self.expires_on.map_or_else(|| "None".to_owned(), |on| on.to_string());
        let error = self
            .error
            .as_ref()
            .map_or_else(|| Ok("None".to_owned()), |error| error.bind(py).repr().map(|text| text.to_string()))?;
        Ok(format!("Renewed(partner='{}', expires_on={end}, error={error})", self.partner))
    }
}

impl Renewed {
    pub(crate) fn new(py: Python<'_>, renewed: &renew::Renewed) -> PyResult<Self> {
        let error =
            renewed.result.as_ref().err().map(|error| to_exception(py, error).map(Bound::unbind)).transpose()?;
        Ok(Self {
            partner: renewed.partner.to_string(),
            expires_on: renewed.result.as_ref().ok().map(|on| on.0),
            error,
        })
    }
}
