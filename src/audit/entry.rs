//! What one line of the record says.

use serde::Serialize;

use crate::clock::UnixTime;
use crate::error::Error;
use crate::ids::TenantId;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is about to be done: written first by what must not happen unrecorded. The line with its end names this one.
    Begun,
    /// It was done.
    Ok,
    /// It was refused before anything was sent.
    Refused,
    /// It failed.
    Failed,
}

impl Outcome {
    /// The word that stands in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What was done with whose grant. What does not apply is left out of the line.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When it ended.
    #[serde(serialize_with = "as_text")]
    pub at: UnixTime,
    /// `token`, `consent-begin`, `consent`, `import`, `renew`, `revoke`, `customers`, `incident`; `audit` for what the record says of itself.
    pub operation: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Tenant id of the partner whose grant it was, or the partner as it was named where the id is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// The customer: its tenant id, or as it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The services, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Where a token came from: `service`, `store` or `memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Object id of the account that consented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_oid: Option<String>,
    /// Whether MFA is in it: `yes`, `no`, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<&'static str>,
    /// Which step, for operations of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Anything else worth a word. Never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The kind of error, for example `GrantRevoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// The service's own codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_codes: Vec<String>,
    /// The id that ties our request to the service's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The service's own id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Number of the line that said that this was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// How many lines this process could not write before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub missed: u64,
}

impl Entry {
    /// `operation` that ended in `outcome` at `at`.
    pub fn new(operation: &'static str, outcome: Outcome, at: UnixTime) -> Self {
        Self {
            at,
            operation,
            outcome,
            partner: None,
            customer: None,
            audiences: Vec::new(),
            purpose: None,
            source: None,
            user_oid: None,
            mfa: None,
            step: None,
            note: None,
            error: None,
            service_codes: Vec::new(),
            correlation_id: None,
            trace_id: None,
            began: None,
            missed: 0,
        }
    }

    /// With whose grant.
    #[must_use]
    pub fn partner(mut self, partner: TenantId) -> Self {
        self.partner = Some(partner.to_string());
        self
    }

    /// Ended by `error`: its kind, codes and ids go into the line, its text does not.
    #[must_use]
    pub fn error(mut self, error: &Error) -> Self {
        self.error = Some(error.kind().id());
        self.service_codes = error.service_code().map(str::to_owned).into_iter().collect();
        if let Some(entra) = error.entra() {
            for code in entra.codes.iter().map(|code| format!("AADSTS{code}")) {
                if !self.service_codes.contains(&code) {
                    self.service_codes.push(code);
                }
            }
            self.trace_id = entra.trace_id.clone();
        }
        self.correlation_id = error.correlation_id().map(str::to_owned).or(self.correlation_id);
        self
    }
}

fn as_text<S: serde::Serializer>(at: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
