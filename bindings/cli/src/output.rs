//! Documents for `--json`: one object a line, with `schema_version`, times as RFC 3339 in UTC, durations in whole seconds.
//!
//! A field that is not known is null or empty, never absent. A later version adds fields; one that goes or changes its meaning raises `schema_version`.

use partnersam::Error;
use partnersam::app::credentials::CredentialReport;
use partnersam::app::report::GrantReport;
use partnersam::app::token::Token;
use partnersam::clock::{Clock as _, SystemClock, UnixTime};
use partnersam::error::ErrorDocument;
use serde::Serialize;

use crate::count::counted;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The version of every document here.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Writes a document as one line.
pub(crate) fn print(terminal: &Terminal, document: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string(document).map_err(|error| Failure::internal("a document could not be made", error))?;
    terminal.print(text)
}

/// The machine's time.
pub(crate) fn now() -> UnixTime {
    SystemClock.now()
}

/// An error, as every language has it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport<'a> {
    schema_version: u32,
    error: ErrorDocument<'a>,
}

impl<'a> ErrorReport<'a> {
    pub(crate) fn new(error: &'a Error) -> Self {
        Self { schema_version: SCHEMA_VERSION, error: error.to_document() }
    }
}

/// `token --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct TokenReport<'a> {
    schema_version: u32,
    access_token: &'a str,
    /// Whether `access_token` is only the beginning of it, because a terminal would show it.
    masked: bool,
    token_type: &'static str,
    partner: String,
    tenant: String,
    audience: String,
    expires_on: String,
    expires_in: i64,
    refresh_after: String,
    scopes: &'a [String],
    mfa: &'static str,
    warnings: Vec<ErrorDocument<'a>>,
}

impl<'a> TokenReport<'a> {
    pub(crate) fn new(token: &'a Token, access_token: &'a str, masked: bool) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            access_token,
            masked,
            token_type: "Bearer",
            partner: token.partner.to_string(),
            tenant: token.tenant.to_string(),
            audience: token.audience.to_string(),
            expires_on: token.expires_on.to_string(),
            expires_in: token.expires_on.since(now()),
            refresh_after: token.refresh_after.to_string(),
            scopes: &token.scopes,
            mfa: token.mfa.as_str(),
            warnings: token.warnings.iter().map(Error::to_document).collect(),
        }
    }
}

/// The link of `consent --link --json` and `--no-browser --json`: the first of two lines.
#[derive(Debug, Serialize)]
pub(crate) struct LinkReport<'a> {
    pub(crate) schema_version: u32,
    pub(crate) link: &'a str,
    pub(crate) partner: String,
    pub(crate) redirect_uri: &'a str,
    pub(crate) expires_on: String,
}

/// The code of `consent --device-code --json`: the first of two lines.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceCodeReport<'a> {
    pub(crate) schema_version: u32,
    pub(crate) user_code: &'a str,
    pub(crate) verification_uri: &'a str,
    pub(crate) expires_on: String,
}

/// `status`.
#[derive(Debug, Serialize)]
pub(crate) struct StatusReport<'a> {
    pub(crate) schema_version: u32,
    pub(crate) authority: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) store: &'a str,
    /// `moving` or `retiring` where a change of the store's key was not brought to its end.
    pub(crate) key_rotation: Option<&'static str>,
    pub(crate) store_condition: &'static str,
    pub(crate) store_error: Option<ErrorDocument<'a>>,
    pub(crate) app_credentials: Vec<CredentialReport>,
    pub(crate) mfa_refusals: Vec<ErrorDocument<'a>>,
    pub(crate) grants: Vec<GrantReport<'a>>,
}

/// `init`.
#[derive(Debug, Serialize)]
pub(crate) struct InitReport {
    pub(crate) schema_version: u32,
    pub(crate) config: String,
    pub(crate) client_secret_file: Option<String>,
    pub(crate) store: String,
    pub(crate) key: String,
    pub(crate) next: &'static str,
}

/// How long from now, roughly, for people: `in 90 days`, `59 minutes ago`.
pub(crate) fn from_now(moment: UnixTime, now: UnixTime) -> String {
    let seconds = moment.since(now);
    let length = roughly(seconds.unsigned_abs());
    if seconds < 0 { format!("{length} ago") } else { format!("in {length}") }
}

fn roughly(seconds: u64) -> String {
    // Rounded to the nearest: a grant of 90 days that is a second old has 90 days.
    let (count, unit) = match seconds {
        0..=89 => (seconds, "second"),
        90..=5_399 => ((seconds + 30) / 60, "minute"),
        5_400..=172_799 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    counted(count, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_roughly() {
        let now = UnixTime(1_000_000_000);
        for (seconds, text) in [
            (1, "in 1 second"),
            (-30, "30 seconds ago"),
            (3_599, "in 60 minutes"),
            (7_200, "in 2 hours"),
            (90 * 86_400 - 1, "in 90 days"),
            (-40 * 86_400, "40 days ago"),
        ] {
            assert_eq!(from_now(now.plus(seconds), now), text);
        }
    }
}
