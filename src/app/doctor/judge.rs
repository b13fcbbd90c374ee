//! What the probes found, judged. Pure: everything that was looked at comes in, and a line with its fix goes out.

use url::Url;

use super::proxy::Way;
use crate::app::credential::expiry::Standing;
use crate::app::credentials::CredentialStatus;
use crate::app::grants::{Condition, GrantStatus};
use crate::app::rotate_key::KeyStatus;
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Retry};
use crate::partner_center::mfa_reports::{Adoption, Principal};
use crate::protocol::redirect_probe::Registered;
use crate::store::{Mfa, MfaEvidence};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Pass,
    /// It works, or could not be told; somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

impl Level {
    /// The word used in JSON: `pass`, `warn` or `fail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of a check-up.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at, in one word: `store`, `clock`, `audience`.
    pub check: &'static str,
    /// Which of several: the audience's name.
    pub about: Option<String>,
    /// How it went.
    pub level: Level,
    /// What was found, in one sentence.
    pub message: String,
    /// Who must act and what to do; always there where the level is not pass.
    pub fix: Option<String>,
    /// The error behind it.
    pub error: Option<Error>,
}

impl Finding {
    fn new(check: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self { check, about: None, level, message: message.into(), fix: None, error: None }
    }

    fn pass(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Pass, message)
    }

    fn warn(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(check, Level::Warn, message) }
    }

    /// As bad as the error is: what waiting cures is a warning.
    fn of_error(check: &'static str, error: Error) -> Self {
        let level = if error.kind().retry() == Retry::After { Level::Warn } else { Level::Fail };
        Self::of_error_as(check, level, error)
    }

    fn of_error_as(check: &'static str, level: Level, error: Error) -> Self {
        Self {
            fix: Some(error.hint().to_owned()),
            error: Some(error.clone()),
            ..Self::new(check, level, error.message())
        }
    }

    fn about(mut self, what: impl ToString) -> Self {
        self.about = Some(what.to_string());
        self
    }

    /// Whether `other` is one and the same failure: an answer to the app itself stands for all that it asks for.
    pub(super) fn is_the_same_as(&self, other: &Self) -> bool {
        let is_same = |error: &Error| other.error.as_ref().is_some_and(|other| error.is_same_answer(other));
        (self.check, self.level, &self.message) == (other.check, other.level, &other.message)
            && self.error.as_ref().is_some_and(is_same)
    }

    /// Says that it is about `what`, too.
    pub(super) fn is_also_about(&mut self, what: impl std::fmt::Display) {
        self.about = Some(self.about.take().map_or_else(|| what.to_string(), |about| format!("{about}, {what}")));
    }
}

/// One credential of the app.
pub(super) fn credential(status: &CredentialStatus, now: UnixTime) -> Finding {
    const CHECK: &str = "app-credential";
    let renew = "the owner of the app registration: add a new credential, configure it with the present one as older_credential, then remove the old one";
    if let Some(error) = &status.error {
        return Finding::of_error_as(CHECK, Level::Fail, error.clone()).about(&status.what);
    }
    let days = status.expires_on.map_or(0, |moment| moment.since(now) / 86_400);
    let finding = match status.standing {
        Standing::Good => Finding::pass(CHECK, format!("good for {days} days")),
        Standing::Unknown if !status.has_expiry => match status.expires_on {
            Some(moment) => Finding::pass(CHECK, format!("good until {moment}, and read anew at each use")),
            None => Finding::pass(CHECK, "it has no end of its own"),
        },
        Standing::Ended if !status.has_expiry => {
            let error =
                Error::new(ErrorKind::AppCredentialExpired, "doctor", "it has ended, and nobody has written a new one");
            let fix =
                "the administrator of this machine: see that what writes the file, such as workload identity, runs";
            Finding { fix: Some(fix.to_owned()), ..Finding::of_error_as(CHECK, Level::Fail, error) }
        }
        Standing::Unknown => Finding::warn(
            CHECK,
            "nobody said when it ends, so nobody will be warned",
            "you: set client_secret_expires to the day that the app registration shows",
        ),
        Standing::EndsSoon { .. } => Finding::warn(CHECK, format!("it ends in {days} days"), renew),
        Standing::Ended => {
            let error = Error::new(ErrorKind::AppCredentialExpired, "doctor", "the app's credential has ended");
            Finding { fix: Some(renew.to_owned()), ..Finding::of_error_as(CHECK, Level::Fail, error) }
        }
    };
    finding.about(&status.what)
}

/// An app without any credential.
pub(super) fn no_credential(error: Error) -> Finding {
    Finding::of_error_as("app-credential", Level::Fail, error)
}

/// The store after something was written, read back and taken out again.
pub(super) fn store(location: &str, key: &str, round_trip: Result<bool, Error>) -> Finding {
    const CHECK: &str = "store";
    match round_trip {
        Ok(true) if location.starts_with("memory") => Finding::warn(
            CHECK,
            "it is in memory: every grant ends with the process",
            "you: set store to sqlite: and an absolute path",
        ),
        // A vault keeps every version: nothing is written there only to see that it can be.
        Ok(true) if ["keyvault:", "https:"].iter().any(|vault| location.starts_with(vault)) => {
            Finding::pass(CHECK, format!("the vault read, and the store beside it written; its key comes from {key}"))
        }
        Ok(true) => Finding::pass(CHECK, format!("written, read and removed; its key comes from {key}")),
        Ok(false) => Finding::of_error(
            CHECK,
            Error::new(ErrorKind::StoreCorrupt, "doctor", "what was written did not come back as it was"),
        ),
        // A store that cannot be used is never only a warning.
        Err(error) => Finding::of_error_as(CHECK, Level::Fail, error),
    }
    .about(location)
}

/// What the configuration had better say of the store otherwise.
pub(super) fn store_advice(location: &str, advice: &str) -> Finding {
    Finding::warn("store", advice, "you: correct `store` in the configuration").about(location)
}

/// The store's key, where something of it waits for somebody.
pub(super) fn key(status: &KeyStatus) -> Option<Finding> {
    const CHECK: &str = "store-key";
    const GO_ON: &str = "you: run `partnersam key rotate`, which goes on where it was cut short";
    let finding = match status.rotation {
        "moving" => {
            let left = format!("it is being changed; grants still under the old one: {}", status.left);
            Finding::warn(CHECK, left, GO_ON)
        }
        "retiring" => Finding::warn(CHECK, "it was changed, and the old one may still be in its source", GO_ON),
        _ if status.held > 1 => Finding::warn(
            CHECK,
            "another key lies beside it in its source",
            "you: `partnersam key rotate` makes it the store's, or goes on to; `partnersam key retire` removes it",
        ),
        _ => return None,
    };
    Some(finding.about(&status.source))
}

/// The way to the service.
pub(super) fn connection(host: &str, way: Way, answered: Result<(), Error>) -> Finding {
    let by = match way {
        Way::Direct => String::new(),
        Way::By(variable) => format!(", by the proxy of {variable}"),
        Way::Past(variable, no) => format!(", not by the proxy of {variable}: {no} excepts it"),
    };
    match answered {
        Ok(()) => Finding::pass("connection", format!("{host} answered over TLS{by}")),
        Err(error) => Finding::of_error_as("connection", Level::Fail, error),
    }
}

/// Seconds that this machine's clock may be off before it is warned of, and before requests are refused for it.
const SKEW_WARN: i64 = 60;
const SKEW_FAIL: i64 = 300;

/// The machine's clock beside the server's: seconds that the server is ahead, none where it did not say.
pub(super) fn clock(ahead: Option<i64>) -> Finding {
    const CHECK: &str = "clock";
    let fix = "the administrator of this machine: let it set its clock by the network (NTP)";
    let Some(ahead) = ahead else {
        return Finding::warn(CHECK, "the server did not say what time it has", "nobody: try again later");
    };
    let off = ahead.unsigned_abs();
    let which = if ahead > 0 { "behind" } else { "ahead of" };
    let told = format!("{off} seconds {which} the server's");
    if ahead.abs() < SKEW_WARN {
        Finding::pass(CHECK, "within a minute of the server's")
    } else if ahead.abs() < SKEW_FAIL {
        Finding::warn(CHECK, told, fix)
    } else {
        Finding { level: Level::Fail, ..Finding::warn(CHECK, told, fix) }
    }
}

/// The redirect address: `unusable` says why it could not be one at all.
pub(super) fn redirect(address: &Url, unusable: Option<&str>, registered: Result<Registered, Error>) -> Finding {
    const CHECK: &str = "redirect-uri";
    let fail = |message: String, fix: &str| Finding { level: Level::Fail, ..Finding::warn(CHECK, message, fix) };
    if let Some(why) = unusable {
        return fail(
            format!("it cannot be used: {why}"),
            "you: set redirect_uri to an https address, or to http://localhost",
        )
        .about(address);
    }
    match registered {
        Ok(Registered::Yes) => Finding::pass(CHECK, "it is registered for the app"),
        Ok(Registered::No) => fail(
            "it is not registered for the app".to_owned(),
            "the owner of the app registration: add it under Authentication, Web, Redirect URIs",
        ),
        Ok(Registered::AppUnknown) => fail(
            "the app is not known at its tenant".to_owned(),
            "you: check client_id, tenant and cloud in the configuration",
        ),
        Ok(Registered::Unknown) => Finding::warn(
            CHECK,
            "whether it is registered cannot be told",
            "the owner of the app registration: look under Authentication, Redirect URIs",
        ),
        Err(error) => Finding::of_error_as(CHECK, Level::Warn, error),
    }
    .about(address)
}

/// The partner's grant.
pub(super) fn grant(found: Result<&GrantStatus, Error>, now: UnixTime) -> Finding {
    const CHECK: &str = "grant";
    let grant = match found {
        Ok(grant) => grant,
        Err(error) => return Finding::of_error_as(CHECK, Level::Fail, error),
    };
    let days = grant.expires_on(now).since(now) / 86_400;
    let ended =
        |kind: ErrorKind, message: &str| Finding::of_error_as(CHECK, Level::Fail, Error::new(kind, "doctor", message));
    match grant.condition(now) {
        Condition::Ended => ended(ErrorKind::ConsentRequired, "the service said that it does not take it any more"),
        Condition::Expired => ended(ErrorKind::GrantExpired, "it was not used in time and has expired"),
        Condition::Due => Finding::warn(
            CHECK,
            format!("it is due for renewal; {days} days are left"),
            "you: run `partnersam renew`, and schedule it daily",
        ),
        Condition::Active => {
            let taints: Vec<_> = grant.facts.taints.iter().map(|taint| taint.as_str()).collect();
            if taints.is_empty() {
                Finding::pass(CHECK, format!("good for {days} days"))
            } else {
                Finding::warn(
                    CHECK,
                    format!("good for {days} days, but weaker than it should be: {}", taints.join(" ")),
                    "the owner of the partner's service account: run `partnersam consent PARTNER` and sign in with MFA",
                )
            }
        }
    }
}

/// One audience, by a new token for it.
pub(super) fn audience(audience: &Audience, token: Result<(), Error>) -> Finding {
    match token {
        Ok(()) => Finding::pass("audience", "a new token came"),
        // Kept from it as it should be; whether a token would come nobody knows.
        Err(error) if error.kind() == ErrorKind::PurposeForbidden => {
            Finding::of_error_as("audience", Level::Warn, error)
        }
        Err(error) => Finding::of_error("audience", error),
    }
    .about(audience)
}

/// MFA: yes, no and unknown are three answers.
pub(super) fn mfa(answer: Result<(&MfaEvidence, Option<&Error>), Error>) -> Finding {
    const CHECK: &str = "mfa";
    let (evidence, refusal) = match answer {
        Ok(answer) => answer,
        Err(error) => return Finding::of_error_as(CHECK, Level::Warn, error),
    };
    let by = match (evidence.amr.is_empty(), evidence.partner_center) {
        (false, Some(_)) => "by the token and by Partner Center",
        (false, None) => "by the token",
        (true, Some(_)) => "by Partner Center",
        (true, None) => "by nothing",
    };
    match (evidence.verdict, refusal) {
        (Mfa::Yes, None) => Finding::pass(CHECK, format!("yes, {by}")),
        (_, Some(error)) => Finding::of_error_as(CHECK, Level::Fail, error.clone()),
        (Mfa::No, None) => Finding::of_error_as(
            CHECK,
            Level::Fail,
            Error::new(ErrorKind::PartnerCenterMfaRequired, "doctor", format!("no, {by}")),
        ),
        (Mfa::Unknown, None) => Finding::warn(
            CHECK,
            "unknown: neither the token nor Partner Center says",
            "the owner of the partner's service account: consent again with partner-center among the audiences",
        ),
    }
}

/// The account's role in Partner Center, by a list of customers.
pub(super) fn role(answer: Result<(), Error>) -> Finding {
    match answer {
        Ok(()) => Finding::pass("role", "the account may list customers"),
        Err(error) => Finding::of_error("role", error),
    }
}

/// Partner Center's reports of the last seven days: `own` is the object id and name of the account that consented.
pub(super) fn mfa_reports(
    own: (&str, &str),
    client_id: &str,
    principals: &[Principal],
    adoption: &[Adoption],
) -> Finding {
    const CHECK: &str = "mfa-reports";
    let is_own = |row: &&Principal| {
        row.object_id.eq_ignore_ascii_case(own.0) || (!own.1.is_empty() && row.user_name.eq_ignore_ascii_case(own.1))
    };
    let fix = "the owner of the partner's service account: register MFA for the account, then run `partnersam consent PARTNER`";
    if principals.iter().any(|row| is_own(&row)) {
        return Finding::warn(CHECK, "this account called Partner Center without MFA in the last seven days", fix);
    }
    let (with_mfa, requests) = adoption
        .iter()
        .filter(|row| row.client_id.eq_ignore_ascii_case(client_id))
        .fold((0_u64, 0_u64), |(mfa, all), row| (mfa.saturating_add(row.with_mfa), all.saturating_add(row.requests)));
    if with_mfa < requests {
        return Finding::warn(
            CHECK,
            format!("{} of this app's {requests} requests of the last seven days had no MFA", requests - with_mfa),
            fix,
        );
    }
    let others = principals.len();
    if others > 0 {
        return Finding::warn(
            CHECK,
            format!("{others} other accounts of the partner called without MFA in the last seven days"),
            "an administrator of the partner's tenant: see the report in Partner Center, and have them register MFA",
        );
    }
    Finding::pass(CHECK, "no request without MFA in the last seven days")
}

/// Reports that could not be had.
pub(super) fn mfa_reports_missing(error: Error) -> Finding {
    Finding::of_error_as("mfa-reports", Level::Warn, error)
}

/// One customer: the relationship, then a token in its tenant.
pub(super) fn customer(check: &'static str, message: &str, answer: Result<(), Error>) -> Finding {
    match answer {
        Ok(()) => Finding::pass(check, message),
        Err(error) => Finding::of_error(check, error),
    }
}

/// What was left out because nobody named a partner.
pub(super) fn no_partner(how_many: usize) -> Finding {
    match how_many {
        0 => Finding::warn(
            "grant",
            "no partner has consented yet, so there is nothing more to look at",
            "the owner of the partner's service account: run `partnersam consent PARTNER` and sign in with MFA",
        ),
        _ => Finding::warn(
            "grant",
            "several partners have a grant and none was named, so none was looked at",
            "you: run `partnersam doctor PARTNER`; `partnersam status` lists them",
        ),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
