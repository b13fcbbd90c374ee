//! Conditional Access at the token endpoint: policies judge every redemption anew.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::errors::{EntraError, aadsts};
use crate::{
    grants::SignedIn,
    ready::User,
    resources::{self, Resource},
    state::{State, rfc3339},
};

/// One policy; what is left out of the conditions fits everything.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) rule: Rule,
    /// Seconds since the sign-in, for `sign_in_frequency` and `mfa_age`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// GUID or domain of the tenant that the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
}

/// What a policy wants.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    /// Nobody gets through: 53003.
    Block,
    /// MFA: 50076, or 50079 for users who have none registered.
    Mfa,
    /// MFA that is not older: 50078.
    MfaAge,
    /// A sign-in that is not older: 70043.
    SignInFrequency,
    /// No grant that began with a device code: 53003, at its redemption and at every later one.
    BlockDeviceCode,
}

impl Policy {
    /// # Errors
    ///
    /// One sentence about a value that makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let needs_seconds = matches!(self.rule, Rule::MfaAge | Rule::SignInFrequency);
        if needs_seconds != self.seconds.is_some() {
            return Err("seconds belong to mfa_age and sign_in_frequency, and to nothing else".to_owned());
        }
        match &self.audience {
            Some(audience) if resources::find_by_word(audience).is_none() => {
                Err(format!("no such audience: {audience}"))
            }
            _ => Ok(()),
        }
    }

    fn applies(&self, state: &State, redemption: &Redemption<'_>) -> bool {
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
        let tenant = self
            .tenant
            .as_ref()
            .is_none_or(|wanted| state.directory.tenant(wanted).is_some_and(|tenant| tenant.id == redemption.tenant));
        let audience = self.audience.as_ref().is_none_or(|wanted| {
            resources::find_by_word(wanted).is_some_and(|wanted| std::ptr::eq(wanted, redemption.resource))
        });
        tenant
            && audience
            && same(&self.upn, &redemption.user.upn)
            && same(&self.client_id, &redemption.signed_in.client_id)
    }
}

/// What is judged.
pub(crate) struct Redemption<'a> {
    pub(crate) signed_in: &'a SignedIn,
    pub(crate) user: &'a User,
    pub(crate) tenant: &'a str,
    pub(crate) resource: &'a Resource,
}

/// The first policy that stands in the way.
pub(crate) fn judge(state: &State, redemption: &Redemption<'_>) -> Result<(), EntraError> {
    let policies = state.scenario.conditional_access.iter();
    policies.filter(|policy| policy.applies(state, redemption)).try_for_each(|policy| one(state, policy, redemption))
}

fn one(state: &State, policy: &Policy, redemption: &Redemption<'_>) -> Result<(), EntraError> {
    let signed_in = redemption.signed_in;
    let app_id = redemption.resource.app_id;
    let too_old = policy.seconds.is_some_and(|seconds| state.now() - signed_in.auth_time >= seconds);
    match policy.rule {
        Rule::Block => Err(blocked()),
        Rule::BlockDeviceCode if signed_in.by_device_code => Err(blocked()),
        Rule::Mfa | Rule::MfaAge if !signed_in.mfa => Err(needs_mfa(redemption.user, app_id)),
        Rule::MfaAge if too_old => Err(aadsts(
            50_078,
            format!(
                "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication to access '{app_id}'."
            ),
        )),
        Rule::SignInFrequency if too_old => Err(aadsts(
            70_043,
            format!(
                "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access. The token was issued on {} and the maximum allowed lifetime for this request is {}.",
                rfc3339(signed_in.auth_time),
                policy.seconds.unwrap_or_default()
            ),
        )),
        _ => Ok(()),
    }
}

fn needs_mfa(user: &User, app_id: &str) -> EntraError {
    if user.mfa {
        mfa_needed(app_id)
    } else {
        aadsts(
            50_079,
            format!(
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '{app_id}'."
            ),
        )
    }
}

/// A person has to sign in anew, with MFA.
pub(crate) fn mfa_needed(app_id: &str) -> EntraError {
    aadsts(
        50_076,
        format!(
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '{app_id}'."
        ),
    )
}

fn blocked() -> EntraError {
    let claims = json!({ "access_token": { "capolids": { "essential": true, "values": ["ffffffff-0000-4000-8000-00000000ca00"] } } });
    aadsts(
        53_003,
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    )
    .claims(&claims.to_string())
}
