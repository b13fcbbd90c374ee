//! What the codes of Entra, Partner Center and Key Vault mean for people: who must act, what to do, and the exact next command. One table.
//!
//! Pure: no I/O, no clock. [`lookup`] and [`entra`] find a row; [`Remedy::apply`] makes an error tell it; [`explain`](crate::explain) tells it to people.
//! Codes refine what is shown; what happens to a grant is never decided by them alone (see [`classify`](crate::protocol::classify)).
//!
//! Sources: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>, <https://learn.microsoft.com/partner-center/developer/error-codes>,
//! <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>, and what operators of partner tools report where those are silent.

mod rows;

use std::fmt;

use serde::Serialize;

use crate::error::{Actor, Error, ErrorKind};

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Entra ID: an AADSTS number, or an `error` or `suberror` of OAuth.
    Entra,
    /// The Partner Center API.
    PartnerCenter,
    /// Azure Key Vault.
    KeyVault,
}

impl Source {
    /// The word used in JSON, for example `partner_center`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::PartnerCenter => "partner_center",
            Self::KeyVault => "key_vault",
        }
    }
}

/// What kind of remedy helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person signs in again, with MFA.
    Reauth,
    /// Somebody consents to the app.
    Consent,
    /// A Conditional Access policy or the security defaults are adjusted, or their demand is met.
    Policy,
    /// The app registration is put right.
    App,
    /// The app's secret or certificate is put right.
    Credential,
    /// The account is put right.
    Account,
    /// A role, a GDAP relationship or a vault's permission is missing.
    Permission,
    /// It may be an attack, or the answer to one.
    Security,
    /// The tenant or what it subscribes to.
    Tenant,
    /// It is another cloud's.
    Cloud,
    /// The call or the configuration is wrong.
    Input,
    /// A secret's state in the vault.
    Vault,
    /// Waiting helps.
    Wait,
    /// Something on this machine is put right.
    Host,
    /// A defect of partnersam.
    Defect,
}

impl Class {
    /// The word used in JSON, for example `reauth`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reauth => "reauth",
            Self::Consent => "consent",
            Self::Policy => "policy",
            Self::App => "app",
            Self::Credential => "credential",
            Self::Account => "account",
            Self::Permission => "permission",
            Self::Security => "security",
            Self::Tenant => "tenant",
            Self::Cloud => "cloud",
            Self::Input => "input",
            Self::Vault => "vault",
            Self::Wait => "wait",
            Self::Host => "host",
            Self::Defect => "defect",
        }
    }

    /// The class of one of partnersam's own kinds of error.
    pub fn of(kind: ErrorKind) -> Self {
        match (kind, kind.actor()) {
            (ErrorKind::AudienceNotConsented | ErrorKind::ConsentDeclined | ErrorKind::AdminConsentRequired, _) => {
                Self::Consent
            }
            (ErrorKind::AppCredentialInvalid | ErrorKind::AppCredentialExpired, _) => Self::Credential,
            (ErrorKind::ConditionalAccessBlocked, _) => Self::Policy,
            (ErrorKind::AccountUnusable, _) => Self::Account,
            (ErrorKind::CloudMismatch, _) => Self::Cloud,
            (ErrorKind::TenantNotFound, _) => Self::Tenant,
            (_, Actor::ServiceAccountOwner) => Self::Reauth,
            (_, Actor::PartnerAdministrator | Actor::CustomerAdministrator) => Self::Permission,
            (_, Actor::AppDeveloper) => Self::App,
            (_, Actor::Caller) => Self::Input,
            (_, Actor::HostAdministrator) => Self::Host,
            (_, Actor::Wait) => Self::Wait,
            (_, Actor::Maintainers) => Self::Defect,
        }
    }
}

/// Who does what, and what is run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who must act.
    pub actor: Actor,
    /// What that person does before the command; empty where the command is all.
    pub first: &'static str,
    /// The exact next command. `PARTNER`, `CUSTOMER` and `AUDIENCE` stand for what the failed call was about.
    pub command: &'static str,
    /// What else helps, or what to do if it comes back; goes on with the sentence where it begins with `and`. Empty where there is nothing.
    pub note: &'static str,
}

impl Step {
    /// Makes `error` say who must act and what to run.
    #[must_use]
    pub fn apply(&self, error: Error) -> Error {
        error.with_actor(self.actor).with_hint(self.to_string())
    }
}

impl fmt::Display for Step {
    /// What to do, in one sentence without who does it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            "" => write!(f, "run `{}`", self.command)?,
            first => write!(f, "{first}, then run `{}`", self.command)?,
        }
        match self.note {
            "" => Ok(()),
            note if note.starts_with("and ") => write!(f, " {note}"),
            note => write!(f, "; {note}"),
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The code as its source writes it, an AADSTS number without `AADSTS`.
    pub code: &'static str,
    /// Whose code it is.
    pub source: Source,
    /// What kind of remedy helps.
    pub class: Class,
    /// The kind of error it is shown as.
    pub kind: ErrorKind,
    /// What it means, in plain words.
    pub words: &'static str,
    /// What helps.
    pub step: Step,
    /// What helps instead where the token was for a customer's tenant.
    pub in_customer_tenant: Option<Step>,
}

impl Remedy {
    /// Makes `error` say who must act and what to run.
    #[must_use]
    pub fn apply(&self, error: Error) -> Error {
        self.step.apply(error)
    }

    /// The number, where the code is one.
    pub fn number(&self) -> Option<u32> {
        self.code.parse().ok()
    }

    /// The code as people search for it: `AADSTS50076`, `900421`, `SecretNotFound`.
    pub fn name(&self) -> String {
        match (self.source, self.number()) {
            (Source::Entra, Some(number)) => format!("AADSTS{number}"),
            _ => self.code.to_owned(),
        }
    }

    /// Where the service explains it.
    pub fn link(&self) -> String {
        match (self.source, self.number()) {
            (Source::Entra, Some(number)) => entra_link(number),
            (Source::Entra, None) => OAUTH_LINK.to_owned(),
            (Source::PartnerCenter, _) => PARTNER_CENTER_LINK.to_owned(),
            (Source::KeyVault, _) => KEY_VAULT_LINK.to_owned(),
        }
    }
}

pub(crate) const OAUTH_LINK: &str = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes";
const PARTNER_CENTER_LINK: &str = "https://learn.microsoft.com/partner-center/developer/error-codes";
const KEY_VAULT_LINK: &str = "https://learn.microsoft.com/azure/key-vault/general/rest-error-codes";

/// Every row: Entra's numbers in order, its errors and suberrors, Partner Center's codes, Key Vault's.
pub fn all() -> impl Iterator<Item = &'static Remedy> {
    [rows::NUMBERS, rows::ERRORS, rows::SUBERRORS, rows::PARTNER_CENTER, rows::KEY_VAULT].into_iter().flatten()
}

/// Whether a row is of what Entra names in `suberror`.
pub(crate) fn is_suberror(row: &Remedy) -> bool {
    rows::SUBERRORS.iter().any(|other| other == row)
}

/// The row of an AADSTS number; none where the table does not know it.
pub fn entra(number: u32) -> Option<&'static Remedy> {
    // By number, not by text: the table is in the order of the numbers.
    rows::NUMBERS.binary_search_by_key(&Some(number), Remedy::number).ok().and_then(|at| rows::NUMBERS.get(at))
}

/// The first of these AADSTS numbers that the table knows.
pub fn first_known(numbers: &[u32]) -> Option<&'static Remedy> {
    numbers.iter().find_map(|number| entra(*number))
}

/// The row of a code as its source writes it. Names are compared without regard to case.
pub fn lookup(source: Source, code: &str) -> Option<&'static Remedy> {
    match (source, code.parse()) {
        (Source::Entra, Ok(number)) => entra(number),
        _ => all().find(|row| row.source == source && row.code.eq_ignore_ascii_case(code)),
    }
}

/// Where Entra explains a number, known to the table or not.
pub fn entra_link(number: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={number}")
}

/// Makes an error that was met in a customer's tenant say what helps there, where that is something else than in the partner's own.
#[must_use]
pub fn in_customer_tenant(error: Error) -> Error {
    let row =
        error.service_code().and_then(|code| code.strip_prefix("AADSTS")).and_then(|code| lookup(Source::Entra, code));
    match row.and_then(|row| row.in_customer_tenant) {
        Some(step) => step.apply(error),
        None => error,
    }
}

/// The numbers that stand behind `AADSTS` in a text, in order, each once, at most 16.
pub fn numbers_in(text: &str) -> Vec<u32> {
    const MOST: usize = 16;
    let mut numbers = Vec::new();
    for rest in text.split("AADSTS").skip(1) {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Some(number) = rest.get(..digits).and_then(|digits| digits.parse().ok())
            && !numbers.contains(&number)
            && numbers.len() < MOST
        {
            numbers.push(number);
        }
    }
    numbers
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_so_that_every_row_is_found() {
        assert!(rows::NUMBERS.is_sorted_by(|a, b| a.number() < b.number()));
        for row in all() {
            assert_eq!(lookup(row.source, row.code), Some(row), "{}", row.name());
            assert_eq!(lookup(row.source, &row.code.to_uppercase()), Some(row), "{}", row.name());
        }
        assert!(rows::NUMBERS.len() > 90);
        assert_eq!(entra(1), None);
        assert_eq!(entra(u32::MAX), None);
        assert_eq!(lookup(Source::PartnerCenter, "50076"), None);
    }

    #[test]
    fn texts_are_written_like_all_texts_here() {
        for row in all() {
            for step in [Some(row.step), row.in_customer_tenant].into_iter().flatten() {
                let advice = step.to_string();
                for text in [row.words, advice.as_str()] {
                    assert!(!text.ends_with('.') && !text.is_empty() && text.is_ascii(), "{}: {text}", row.name());
                    let first = text.split(' ').next().unwrap();
                    assert!(
                        ["MFA", "Entra", "Partner"].contains(&first) || first.chars().all(|c| !c.is_uppercase()),
                        "{}: {text}",
                        row.name()
                    );
                }
                assert!(step.command.starts_with("partnersam "), "{}: {}", row.name(), step.command);
            }
        }
    }

    #[test]
    fn who_must_act_fits_the_kind() {
        for row in all() {
            let waits = row.class == Class::Wait;
            assert_eq!(waits, row.step.actor == Actor::Wait, "{}", row.name());
            assert!(!waits || row.kind.retry() == crate::error::Retry::After, "{}", row.name());
        }
    }

    #[test]
    fn an_error_tells_its_row_with_the_names_of_the_call() {
        let row = entra(65001).unwrap();
        let error = row.apply(Error::new(row.kind, "token", row.words).with_service_code(row.name()));
        assert_eq!(error.actor(), Actor::ServiceAccountOwner);
        let error = error.with_context("partner", "fabrikam.com").with_context("audience", "graph");
        assert_eq!(
            error.hint(),
            "the owner of the partner's service account: run `partnersam consent fabrikam.com --for partner-center,graph` and accept"
        );
        let there = in_customer_tenant(error.with_context("customer", "contoso.com"));
        assert_eq!(there.actor(), Actor::PartnerAdministrator);
        assert!(there.hint().contains("contoso.com"), "{}", there.hint());
        let other = Error::new(ErrorKind::GrantRevoked, "token", "x").with_service_code("AADSTS50173");
        assert_eq!(in_customer_tenant(other.clone()), other);
    }

    #[test]
    fn kinds_say_what_is_the_matter() {
        for (number, kind) in [
            (50076, ErrorKind::MfaRequired),
            (70043, ErrorKind::GrantExpired),
            (700_082, ErrorKind::GrantExpired),
            (50173, ErrorKind::GrantRevoked),
            (65001, ErrorKind::AudienceNotConsented),
            (7_000_215, ErrorKind::AppCredentialInvalid),
            (7_000_222, ErrorKind::AppCredentialExpired),
            (700_016, ErrorKind::AppNotFound),
            (90002, ErrorKind::TenantNotFound),
            (53003, ErrorKind::ConditionalAccessBlocked),
            (500_011, ErrorKind::AudienceInvalid),
            (90094, ErrorKind::AdminConsentRequired),
            (50011, ErrorKind::AppMisconfigured),
            (700_025, ErrorKind::AppMisconfigured),
            (7_000_218, ErrorKind::AppMisconfigured),
            (50194, ErrorKind::AppMisconfigured),
            (900_382, ErrorKind::CloudMismatch),
            (50196, ErrorKind::RateLimited),
            (90055, ErrorKind::RateLimited),
        ] {
            assert_eq!(entra(number).unwrap().kind, kind, "{number}");
        }
    }

    #[test]
    fn numbers_are_read_out_of_texts() {
        assert_eq!(numbers_in("AADSTS70043: x (AADSTS50076) AADSTS70043"), [70043, 50076]);
        assert_eq!(numbers_in("AADSTS: none, AADSTS99999999999999: too long, aadsts1"), Vec::<u32>::new());
        assert_eq!(numbers_in(&"AADSTS1 ".repeat(100)), [1]);
        let many: String = (0..100).map(|n| format!("AADSTS{n} ")).collect();
        assert_eq!(numbers_in(&many).len(), 16);
        assert_eq!(entra_link(123), "https://login.microsoftonline.com/error?code=123");
    }

    #[test]
    fn the_first_known_number_is_taken() {
        assert_eq!(first_known(&[1, 50076, 65001]).unwrap().code, "50076");
        assert_eq!(first_known(&[1, 2]), None);
    }
}
