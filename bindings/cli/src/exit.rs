//! Exit codes, and which error ends in which.

use partnersam::error::{Category, Retry};
use partnersam::{Error, ErrorKind};

/// Everything that was asked for was done.
pub(crate) const OK: i32 = 0;
/// It failed, and none of the others says it better.
pub(crate) const FAILED: i32 = 1;
/// The command line is wrong.
pub(crate) const USAGE: i32 = 2;
/// The configuration or the app registration is wrong.
pub(crate) const CONFIGURATION: i32 = 3;
/// A person must consent or sign in.
pub(crate) const SIGN_IN: i32 = 4;
/// Throttled or temporary: the same command can succeed later.
pub(crate) const TEMPORARY: i32 = 5;
/// The store or its key is not available.
pub(crate) const STORE: i32 = 6;
/// Cancelled by Ctrl-C.
pub(crate) const CANCELLED: i32 = 130;
/// What a shell reports of a program that ended by SIGTERM.
pub(crate) const TERMINATED: i32 = 143;

/// The codes as every long help tells them.
pub(crate) const HELP: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 consent or sign-in needed, 5 throttled or temporary, \
                               6 store unavailable, 130 cancelled";

/// The code that `error` ends in.
pub(crate) fn of(error: &Error) -> i32 {
    use ErrorKind as Kind;
    match error.kind() {
        Kind::Cancelled => CANCELLED,
        Kind::InvalidArgument | Kind::GrantAmbiguous => USAGE,
        Kind::ConfigInvalid | Kind::ConfigMissing | Kind::HostNotAllowed | Kind::GrantOfAnotherApp => CONFIGURATION,
        // What is wrong here stands in the configuration or in the app registration.
        Kind::AppCredentialInvalid | Kind::AppCredentialExpired | Kind::AppNotFound | Kind::AppMisconfigured => {
            CONFIGURATION
        }
        Kind::TenantNotFound | Kind::CloudMismatch => CONFIGURATION,
        // Never tried again as they are, but a new link and a new sign-in help.
        Kind::ConsentStateUnknown | Kind::AuthorizationResponseInvalid => SIGN_IN,
        // Another process was quicker; the store is well.
        Kind::StoreConflict => TEMPORARY,
        kind => match (kind.category(), kind.retry()) {
            (Category::Store, _) => STORE,
            (Category::Identity, Retry::UserAction) => SIGN_IN,
            (Category::PartnerCenter, Retry::UserAction) if kind == Kind::PartnerCenterMfaRequired => SIGN_IN,
            (Category::Caller | Category::Transport, Retry::After) => TEMPORARY,
            _ => FAILED,
        },
    }
}

/// The code for several failures: a person is needed, before anything that waiting cures.
pub(crate) fn of_all<'a>(errors: impl IntoIterator<Item = &'a Error>) -> i32 {
    errors.into_iter().map(of).fold(OK, |worst, code| match (worst, code) {
        (OK, code) | (_, code @ SIGN_IN) => code,
        (TEMPORARY, code) => code,
        (worst, _) => worst,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: ErrorKind) -> i32 {
        of(&Error::new(kind, "test", "x"))
    }

    #[test]
    fn every_kind_ends_in_a_code_that_is_not_ok_and_is_documented() {
        for kind in ErrorKind::ALL {
            assert!(
                [FAILED, USAGE, CONFIGURATION, SIGN_IN, TEMPORARY, STORE, CANCELLED].contains(&code(*kind)),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_code_says_who_must_act() {
        for (kind, expected) in [
            (ErrorKind::InvalidArgument, USAGE),
            (ErrorKind::ConfigMissing, CONFIGURATION),
            (ErrorKind::AppCredentialExpired, CONFIGURATION),
            (ErrorKind::ConsentRequired, SIGN_IN),
            (ErrorKind::GrantRevoked, SIGN_IN),
            (ErrorKind::MfaNotProved, SIGN_IN),
            (ErrorKind::ConditionalAccessBlocked, SIGN_IN),
            (ErrorKind::PartnerCenterMfaRequired, SIGN_IN),
            (ErrorKind::PartnerCenterForbidden, FAILED),
            (ErrorKind::RateLimited, TEMPORARY),
            (ErrorKind::NetworkUnavailable, TEMPORARY),
            (ErrorKind::DeadlineExceeded, TEMPORARY),
            (ErrorKind::StoreConflict, TEMPORARY),
            (ErrorKind::TlsFailed, FAILED),
            (ErrorKind::StoreKeyMissing, STORE),
            (ErrorKind::StoreUnwritable, STORE),
            (ErrorKind::Cancelled, CANCELLED),
            (ErrorKind::Internal, FAILED),
        ] {
            assert_eq!(code(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn of_several_failures_the_one_that_needs_a_person_counts() {
        let all =
            |kinds: &[ErrorKind]| of_all(&kinds.iter().map(|kind| Error::new(*kind, "test", "x")).collect::<Vec<_>>());
        assert_eq!(all(&[]), OK);
        assert_eq!(all(&[ErrorKind::RateLimited]), TEMPORARY);
        assert_eq!(all(&[ErrorKind::RateLimited, ErrorKind::GrantExpired, ErrorKind::Internal]), SIGN_IN);
        assert_eq!(all(&[ErrorKind::RateLimited, ErrorKind::Internal]), FAILED);
        assert_eq!(all(&[ErrorKind::Internal, ErrorKind::RateLimited]), FAILED);
    }
}
