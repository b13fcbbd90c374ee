//! What an answer from the token endpoint means for the grant.
//!
//! Decided by HTTP status, `error` and `suberror`, from the most to the least certain:
//!
//! | seen | grant | other audiences | retry |
//! |---|---|---|---|
//! | 408, 425, 429, 5xx, whatever the body says | keep | go on | yes |
//! | 2xx (so the body was malformed) | keep | go on | once |
//! | 3xx | keep | go on | no |
//! | `client_mismatch` | keep | stop for this app | no |
//! | `temporarily_unavailable`, `server_error` | keep | go on | yes |
//! | `authorization_pending`, `slow_down` (RFC 8628: the device flow has a pace of its own) | keep | go on | no |
//! | `invalid_client`, `unauthorized_client` | keep | stop for this app | no |
//! | 400 or 401 `invalid_grant` with `bad_token` or `token_expired`, or without suberror and with 50173, 700082 or 70008 | bury | stop for this grant | no |
//! | any other refusal | keep | go on | no |
//!
//! One grant is lost by burying it wrongly, and nothing by keeping it: so a refusal that is not understood keeps it.
//!
//! AADSTS numbers choose what is shown. They decide in two places only, and only where `error_codes` lists them, not where a text mentions them: the three numbers above, for Entra does not always send a suberror; and
//! `unauthorized_client` with a number that says that the app is missing in *that* tenant (700016, 7000229) does not stop the app elsewhere: one
//! customer without consent must not end the work for all others.

use std::time::Duration;

use super::error_reply::ErrorReply;
use crate::error::{Category, Error, ErrorKind, Retry};
use crate::remedy;

/// What becomes of the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantFate {
    /// It stays usable.
    Keep,
    /// The service said for good that it is over. It is kept as evidence and not used.
    Bury,
}

/// What becomes of other work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherAudiences {
    /// The refusal is about this audience in this tenant only.
    GoOn,
    /// No other audience or customer can be served from this grant.
    StopGrant,
    /// No grant of this app can be served until its registration or credential is put right.
    StopApp,
}

/// The meaning of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the grant.
    pub grant: GrantFate,
    /// What becomes of other work.
    pub scope: OtherAudiences,
    /// Whether the same request should be sent again, after [`Error::retry_after`] or a backoff; once only for `ResponseMalformed`.
    pub retry: bool,
    /// Whether the same request for this audience in this tenant should be answered with this error for 60 seconds, without asking.
    pub negative_cache: bool,
    /// What the caller gets when it is not tried again, or tried in vain.
    pub error: Error,
}

impl Verdict {
    /// The meaning of a request that got no answer: nothing is known, so the grant is kept.
    pub fn of_transport(error: Error) -> Self {
        Self {
            grant: GrantFate::Keep,
            scope: OtherAudiences::GoOn,
            retry: error.kind().retry() == Retry::After,
            negative_cache: false,
            error,
        }
    }
}

/// Judges an answer of the token endpoint that is no token: its status, its body where that names an error, and what it said of when to come back.
pub fn classify(status: u16, reply: Option<&ErrorReply>, retry_after: Option<Duration>) -> Verdict {
    use ErrorKind::*;
    use GrantFate::*;
    use OtherAudiences::*;

    let error = reply.map(|reply| reply.error.as_str()).unwrap_or_default();
    let suberror = reply.and_then(|reply| reply.suberror.as_deref());
    let codes = reply.map(|reply| reply.codes.as_slice()).unwrap_or_default();
    let listed = reply.is_some_and(|reply| !reply.codes_from_text);
    let has = |numbers: &[u32]| listed && codes.iter().any(|code| numbers.contains(code));

    let (grant, scope, retry, kind) = match (status, error, suberror) {
        (408, ..) => (Keep, GoOn, true, Shown::Just(Timeout)),
        (429, ..) => (Keep, GoOn, true, Shown::Just(RateLimited)),
        (425 | 500.., ..) => (Keep, GoOn, true, Shown::Just(ServerUnavailable)),
        (..300, ..) => (Keep, GoOn, true, Shown::Just(ResponseMalformed)),
        (300..400, ..) => (Keep, GoOn, false, Shown::Just(RedirectRefused)),
        (_, _, Some("client_mismatch")) => (Keep, StopApp, false, Shown::Just(AppMisconfigured)),
        (_, "temporarily_unavailable" | "server_error", _) => (Keep, GoOn, true, Shown::Transient(ServerUnavailable)),
        (_, "slow_down", _) => (Keep, GoOn, false, Shown::Just(RateLimited)),
        (_, "authorization_pending", _) => (Keep, GoOn, false, Shown::Just(InteractionRequired)),
        (_, "unauthorized_client", _) if has(&[700_016, 7_000_229]) => (Keep, GoOn, false, Shown::ByCode(AppNotFound)),
        (_, "invalid_client", _) => (Keep, StopApp, false, Shown::ByCode(AppCredentialInvalid)),
        (_, "unauthorized_client", _) => (Keep, StopApp, false, Shown::ByCode(AppMisconfigured)),
        (400 | 401, "invalid_grant", Some("bad_token")) => (Bury, StopGrant, false, Shown::Ended(GrantRevoked)),
        (400 | 401, "invalid_grant", Some("token_expired")) => (Bury, StopGrant, false, Shown::Ended(GrantExpired)),
        (400 | 401, "invalid_grant", None) if has(&[50_173]) => (Bury, StopGrant, false, Shown::Just(GrantRevoked)),
        (400 | 401, "invalid_grant", None) if has(&[700_082, 70_008]) => {
            (Bury, StopGrant, false, Shown::Just(GrantExpired))
        }
        _ => (Keep, GoOn, false, Shown::ByCode(kind_of(error, suberror))),
    };
    Verdict {
        grant,
        scope,
        retry,
        negative_cache: !retry
            && grant == Keep
            && status >= 400
            && !matches!(error, "slow_down" | "authorization_pending"),
        error: describe("token", status, reply, retry_after, kind),
    }
}

/// The error that a refusal is shown as where no grant hangs on it, such as the reply to a consent link.
pub fn refusal(operation: &'static str, reply: &ErrorReply) -> Error {
    describe(operation, 0, Some(reply), None, Shown::ByCode(kind_of(&reply.error, reply.suberror.as_deref())))
}

/// How the kind of the error is chosen.
#[derive(Clone, Copy)]
enum Shown {
    /// As the row says.
    Just(ErrorKind),
    /// By the first known AADSTS number, else as the row says.
    ByCode(ErrorKind),
    /// As a grant that has ended: revoked or expired by the number, else as the row says, and never as something that passes.
    Ended(ErrorKind),
    /// By the number as long as it is about something that passes, else as the row says.
    Transient(ErrorKind),
}

/// The kind that `error` and `suberror` stand for, where no number says it better.
pub(crate) fn kind_of(error: &str, suberror: Option<&str>) -> ErrorKind {
    match (error, suberror) {
        ("consent_required", _) | ("invalid_grant" | "interaction_required", Some("consent_required")) => {
            ErrorKind::AudienceNotConsented
        }
        (
            "invalid_grant" | "interaction_required",
            Some("protection_policy_required" | "device_authentication_failed"),
        ) => ErrorKind::ConditionalAccessBlocked,
        ("invalid_grant" | "interaction_required", Some("user_password_expired")) => ErrorKind::AccountUnusable,
        ("invalid_grant" | "interaction_required" | "login_required" | "account_selection_required", _) => {
            ErrorKind::InteractionRequired
        }
        ("mfa_required", _) => ErrorKind::MfaRequired,
        ("invalid_scope" | "invalid_resource" | "invalid_target", _) => ErrorKind::AudienceInvalid,
        ("access_denied" | "authorization_declined", _) => ErrorKind::ConsentDeclined,
        ("expired_token" | "bad_verification_code", _) => ErrorKind::DeviceCodeExpired,
        ("invalid_tenant" | "invalid_instance", _) => ErrorKind::TenantNotFound,
        ("invalid_client", _) => ErrorKind::AppCredentialInvalid,
        ("unauthorized_client" | "redirect_uri_mismatch", _) => ErrorKind::AppMisconfigured,
        ("temporarily_unavailable" | "server_error", _) => ErrorKind::ServerUnavailable,
        _ => ErrorKind::RequestRefused,
    }
}

fn describe(
    operation: &'static str,
    status: u16,
    reply: Option<&ErrorReply>,
    retry_after: Option<Duration>,
    shown: Shown,
) -> Error {
    /// Entra counts on: coming back to a detected loop at once prolongs it.
    const AFTER_A_LOOP: Duration = Duration::from_secs(300);

    let code = reply.and_then(|reply| remedy::first_known(&reply.codes));
    let for_a_person = |kind: ErrorKind| kind.category() == Category::Identity && kind.retry() == Retry::UserAction;
    let (kind, code) = match (shown, code) {
        (Shown::ByCode(_), Some(code)) => (code.kind, Some(code)),
        (Shown::Ended(_), Some(code)) if matches!(code.kind, ErrorKind::GrantExpired | ErrorKind::GrantRevoked) => {
            (code.kind, Some(code))
        }
        (Shown::Ended(kind), Some(code)) if for_a_person(code.kind) => (kind, Some(code)),
        (Shown::Transient(_), Some(code)) if code.kind.category() == Category::Transport => (code.kind, Some(code)),
        // A row that is sure of its kind still tells it in the number's words where they agree.
        (Shown::Just(kind), Some(code)) if code.kind == kind => (kind, Some(code)),
        (Shown::Just(kind) | Shown::ByCode(kind) | Shown::Ended(kind) | Shown::Transient(kind), _) => (kind, None),
    };

    let words = code.map_or_else(|| kind.sentence(), |code| code.words);
    let said = reply.map(|reply| match reply.summary() {
        said if said.is_empty() => reply.error.clone(),
        said => said,
    });
    let message = match (said, status) {
        (Some(said), _) => format!("{words}: {said}"),
        (None, 200..300) => format!("{words}: http status {status}"),
        (None, _) => format!("{words}, without saying why: http status {status}"),
    };
    let mut error = Error::new(kind, operation, message);

    if status != 0 {
        error = error.with_http_status(status);
    }
    let least = code.filter(|code| code.number() == Some(50_196)).map(|_| AFTER_A_LOOP);
    if let Some(wait) = retry_after.max(least) {
        error = error.with_retry_after(wait);
    }
    if let Some(reply) = reply {
        let number = code.and_then(remedy::Remedy::number).or_else(|| reply.codes.first().copied());
        if let Some(number) = number {
            error = error.with_service_code(format!("AADSTS{number}"));
        }
        error = error.with_entra(reply.to_details());
        error = match (code, number) {
            (Some(code), _) => code.apply(error),
            (None, Some(number)) => error.with_hint(format!("{}; see {}", kind.hint(), remedy::entra_link(number))),
            (None, None) => error,
        };
    }
    error
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use ErrorKind::*;
    use GrantFate::*;
    use OtherAudiences::*;

    fn reply(error: &str, suberror: Option<&str>, codes: &[u32]) -> ErrorReply {
        let number = codes.first().copied().unwrap_or_default();
        let body = json!({
            "error": error, "suberror": suberror, "error_codes": codes,
            "error_description": format!("AADSTS{number}: What happened.\r\nTrace ID: t-1\r\nCorrelation ID: c-1"),
            "trace_id": "t-1", "correlation_id": "c-1",
        });
        ErrorReply::parse(body.to_string().as_bytes()).unwrap()
    }

    fn judge(status: u16, error: &str, suberror: Option<&str>, codes: &[u32]) -> Verdict {
        classify(status, Some(&reply(error, suberror, codes)), None)
    }

    fn meaning(verdict: &Verdict) -> (GrantFate, OtherAudiences, bool, ErrorKind) {
        (verdict.grant, verdict.scope, verdict.retry, verdict.error.kind())
    }

    #[test]
    fn row_transport_and_passing_statuses_keep_everything_whatever_the_body_says() {
        let dead = reply("invalid_grant", Some("bad_token"), &[50173]);
        for (status, kind) in [
            (408, Timeout),
            (425, ServerUnavailable),
            (429, RateLimited),
            (500, ServerUnavailable),
            (502, ServerUnavailable),
            (503, ServerUnavailable),
            (504, ServerUnavailable),
            (599, ServerUnavailable),
        ] {
            for body in [None, Some(&dead)] {
                let verdict = classify(status, body, Some(Duration::from_secs(7)));
                assert_eq!(meaning(&verdict), (Keep, GoOn, true, kind), "{status}");
                assert!(!verdict.negative_cache);
                assert_eq!(verdict.error.retry_after(), Some(Duration::from_secs(7)));
                assert_eq!(verdict.error.http_status(), Some(status));
            }
        }
        let unreachable = Verdict::of_transport(Error::new(NetworkUnavailable, "token", "no route"));
        assert_eq!(meaning(&unreachable), (Keep, GoOn, true, NetworkUnavailable));
        let bad_certificate = Verdict::of_transport(Error::new(TlsFailed, "token", "unknown issuer"));
        assert_eq!(meaning(&bad_certificate), (Keep, GoOn, false, TlsFailed));
    }

    #[test]
    fn row_definitive_refusals_bury_the_grant() {
        for status in [400, 401] {
            for (suberror, codes, kind) in [
                (Some("bad_token"), &[][..], GrantRevoked),
                (Some("bad_token"), &[50173], GrantRevoked),
                (Some("bad_token"), &[700_082], GrantExpired),
                (Some("token_expired"), &[], GrantExpired),
                (Some("token_expired"), &[70043], GrantExpired),
                (None, &[50173], GrantRevoked),
                (None, &[700_082], GrantExpired),
                (None, &[70008], GrantExpired),
                (None, &[1, 70008], GrantExpired),
            ] {
                let verdict = judge(status, "invalid_grant", suberror, codes);
                assert_eq!(meaning(&verdict), (Bury, StopGrant, false, kind), "{suberror:?} {codes:?}");
                assert!(!verdict.negative_cache);
            }
        }
        // What is over for good is never shown as passing, nor as anything but ended.
        for number in [90033, 70000, 50057, 50076] {
            assert_eq!(
                judge(400, "invalid_grant", Some("bad_token"), &[number]).error.kind(),
                GrantRevoked,
                "{number}"
            );
        }
        let disabled = judge(400, "invalid_grant", Some("bad_token"), &[50057]).error;
        assert!(disabled.message().starts_with("the account is disabled"), "{disabled}");
    }

    #[test]
    fn row_a_person_is_needed_for_this_audience() {
        for error in ["invalid_grant", "interaction_required"] {
            for (suberror, codes, kind) in [
                (Some("basic_action"), &[50076][..], MfaRequired),
                (Some("basic_action"), &[], InteractionRequired),
                (Some("additional_action"), &[], InteractionRequired),
                (Some("message_only"), &[53003], ConditionalAccessBlocked),
                (Some("consent_required"), &[], AudienceNotConsented),
                (Some("consent_required"), &[65001], AudienceNotConsented),
                (Some("user_password_expired"), &[], AccountUnusable),
                (Some("protection_policy_required"), &[], ConditionalAccessBlocked),
                (Some("never_heard_of"), &[], InteractionRequired),
                (Some("never_heard_of"), &[50173], GrantRevoked),
                (None, &[], InteractionRequired),
                (None, &[50076], MfaRequired),
                (None, &[99_999], InteractionRequired),
            ] {
                let verdict = judge(400, error, suberror, codes);
                assert_eq!(meaning(&verdict), (Keep, GoOn, false, kind), "{error} {suberror:?} {codes:?}");
                assert!(verdict.negative_cache);
            }
        }
        // A text that mentions a number is not the list of numbers.
        let body = json!({"error": "invalid_grant", "error_description": "AADSTS50173: What happened."}).to_string();
        let verdict = classify(400, ErrorReply::parse(body.as_bytes()).as_ref(), None);
        assert_eq!(meaning(&verdict), (Keep, GoOn, false, GrantRevoked));
        // A policy on one audience ends nothing else, though its number is that of an ended grant.
        assert_eq!(judge(400, "interaction_required", Some("token_expired"), &[70043]).grant, Keep);
        assert_eq!(judge(403, "invalid_grant", Some("bad_token"), &[]).grant, Keep);
        let claims = json!({"error": "interaction_required", "claims": "{\"access_token\":{}}"}).to_string();
        let verdict = classify(400, ErrorReply::parse(claims.as_bytes()).as_ref(), None);
        assert_eq!(verdict.error.entra().unwrap().claims.as_deref(), Some("{\"access_token\":{}}"));
    }

    #[test]
    fn row_the_app_itself_is_refused() {
        for (error, codes, kind) in [
            ("invalid_client", &[7_000_215][..], AppCredentialInvalid),
            ("invalid_client", &[7_000_222], AppCredentialExpired),
            ("invalid_client", &[700_027], AppCredentialInvalid),
            ("invalid_client", &[7_000_218], AppMisconfigured),
            ("invalid_client", &[], AppCredentialInvalid),
            ("unauthorized_client", &[], AppMisconfigured),
            ("unauthorized_client", &[50194], AppMisconfigured),
        ] {
            for status in [400, 401] {
                assert_eq!(
                    meaning(&judge(status, error, None, codes)),
                    (Keep, StopApp, false, kind),
                    "{error} {codes:?}"
                );
            }
        }
    }

    #[test]
    fn row_an_app_that_one_tenant_does_not_know_goes_on_elsewhere() {
        for number in [700_016, 7_000_229] {
            let verdict = judge(400, "unauthorized_client", None, &[number]);
            assert_eq!(meaning(&verdict), (Keep, GoOn, false, AppNotFound));
            assert!(verdict.negative_cache);
        }
    }

    #[test]
    fn row_the_request_is_wrong() {
        for (error, codes, kind) in [
            ("invalid_scope", &[70011][..], AudienceInvalid),
            ("invalid_scope", &[], AudienceInvalid),
            ("invalid_resource", &[500_011], AudienceInvalid),
            ("invalid_resource", &[], AudienceInvalid),
            ("invalid_request", &[90002], TenantNotFound),
            ("invalid_request", &[900_144], RequestRefused),
            ("invalid_request", &[], RequestRefused),
            ("unsupported_grant_type", &[], RequestRefused),
            ("never_heard_of", &[], RequestRefused),
            ("invalid_tenant", &[], TenantNotFound),
            ("invalid_tenant", &[90002], TenantNotFound),
        ] {
            let verdict = judge(400, error, None, codes);
            assert_eq!(meaning(&verdict), (Keep, GoOn, false, kind), "{error} {codes:?}");
            assert!(verdict.negative_cache);
        }
    }

    #[test]
    fn row_trouble_that_says_so() {
        for error in ["temporarily_unavailable", "server_error"] {
            for (codes, kind) in [
                (&[][..], ServerUnavailable),
                (&[90033], ServerUnavailable),
                (&[90055], RateLimited),
                (&[50173], ServerUnavailable),
            ] {
                assert_eq!(meaning(&judge(400, error, None, codes)), (Keep, GoOn, true, kind), "{codes:?}");
            }
        }
    }

    #[test]
    fn row_malformed() {
        for body in [None, Some(&reply("invalid_grant", Some("bad_token"), &[50173]))] {
            assert_eq!(meaning(&classify(200, body, None)), (Keep, GoOn, true, ResponseMalformed));
        }
    }

    #[test]
    fn row_client_mismatch() {
        for error in ["invalid_grant", "invalid_request", "invalid_client"] {
            let verdict = judge(400, error, Some("client_mismatch"), &[50173]);
            assert_eq!(meaning(&verdict), (Keep, StopApp, false, AppMisconfigured));
        }
    }

    #[test]
    fn a_redirect_is_refused() {
        assert_eq!(meaning(&classify(307, None, None)), (Keep, GoOn, false, RedirectRefused));
    }

    #[test]
    fn the_device_flow_s_answers_have_their_kinds() {
        for (error, codes, kind) in
            [("authorization_pending", &[70016][..], InteractionRequired), ("slow_down", &[], RateLimited)]
        {
            let verdict = judge(400, error, None, codes);
            assert_eq!(meaning(&verdict), (Keep, GoOn, false, kind), "{error}");
            assert!(!verdict.negative_cache, "{error} is asked for again on purpose");
        }
        assert_eq!(judge(400, "expired_token", None, &[]).error.kind(), DeviceCodeExpired);
        assert_eq!(judge(400, "authorization_declined", None, &[]).error.kind(), ConsentDeclined);
    }

    #[test]
    fn a_known_number_is_told_in_plain_words_with_what_to_run() {
        let error = judge(400, "invalid_grant", Some("basic_action"), &[50076]).error;
        assert!(error.message().starts_with("the resource wants a sign-in with MFA now"), "{error}");
        assert!(error.message().ends_with(": AADSTS50076: What happened."), "{error}");
        assert!(
            error.hint().starts_with(
                "the owner of the partner's service account: run `partnersam consent PARTNER` and pass MFA"
            ),
            "{}",
            error.hint()
        );
        assert_eq!(error.service_code(), Some("AADSTS50076"));
        let entra = error.entra().unwrap();
        assert_eq!((entra.trace_id.as_deref(), entra.correlation_id.as_deref()), (Some("t-1"), Some("c-1")));
        assert!(!error.to_string().contains("Trace ID"));
    }

    #[test]
    fn an_unknown_number_still_gives_class_text_ids_and_link() {
        let error = judge(400, "invalid_grant", None, &[99_999]).error;
        assert_eq!(error.kind(), InteractionRequired);
        assert!(error.message().ends_with(": AADSTS99999: What happened."), "{error}");
        assert!(error.hint().contains("https://login.microsoftonline.com/error?code=99999"));
        assert!(error.hint().contains("`partnersam consent PARTNER`"));
        assert_eq!(error.entra().unwrap().codes, [99_999]);
        assert_eq!(error.service_code(), Some("AADSTS99999"));
    }

    #[test]
    fn a_refusal_without_a_body_says_so() {
        let error = classify(404, None, None).error;
        assert_eq!((error.kind(), error.http_status(), error.entra()), (RequestRefused, Some(404), None));
        assert!(error.message().ends_with(": http status 404"), "{error}");
    }

    #[test]
    fn a_detected_loop_waits_at_least_five_minutes() {
        for (given, waits) in [(None, 300), (Some(5), 300), (Some(900), 900)] {
            let reply = reply("invalid_grant", None, &[50196]);
            let error = classify(400, Some(&reply), given.map(Duration::from_secs)).error;
            assert_eq!((error.kind(), error.retry_after()), (RateLimited, Some(Duration::from_secs(waits))));
        }
    }

    fn any_word() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(vec![
                "invalid_grant",
                "interaction_required",
                "consent_required",
                "invalid_client",
                "unauthorized_client",
                "invalid_scope",
                "invalid_request",
                "temporarily_unavailable",
                "server_error",
                "bad_token",
                "token_expired",
                "client_mismatch",
                "basic_action",
                "additional_action",
                "message_only",
            ])
            .prop_map(str::to_owned),
            "[a-z_]{0,12}",
        ]
    }

    fn any_reply() -> impl Strategy<Value = ErrorReply> {
        let code = prop_oneof![
            proptest::sample::select(vec![50173_u32, 700_082, 70008, 70043, 50076, 7_000_215, 700_016]),
            any::<u32>(),
        ];
        (any_word(), proptest::option::of(any_word()), proptest::collection::vec(code, 0..4), ".*").prop_map(
            |(error, suberror, codes, description)| ErrorReply {
                error,
                suberror,
                codes,
                description,
                ..ErrorReply::default()
            },
        )
    }

    proptest! {
        #[test]
        fn no_passing_status_ever_buries_a_grant(
            status in prop_oneof![Just(408_u16), Just(425), Just(429), 500_u16..=u16::MAX, 0_u16..400],
            reply in proptest::option::of(any_reply()),
        ) {
            let verdict = classify(status, reply.as_ref(), None);
            prop_assert_eq!((verdict.grant, verdict.scope), (Keep, GoOn));
        }

        #[test]
        fn only_invalid_grant_buries_and_what_is_buried_is_not_retried(status in 0_u16..600, reply in any_reply()) {
            let verdict = classify(status, Some(&reply), None);
            if verdict.grant == Bury {
                prop_assert_eq!(&reply.error, "invalid_grant");
                prop_assert!(matches!(status, 400 | 401));
                prop_assert_eq!((verdict.scope, verdict.retry, verdict.negative_cache), (StopGrant, false, false));
                prop_assert!(matches!(verdict.error.kind(), GrantExpired | GrantRevoked));
            }
            prop_assert!(!(verdict.retry && verdict.negative_cache));
        }

        #[test]
        fn any_body_is_judged(status in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let verdict = classify(status, ErrorReply::parse(&body).as_ref(), None);
            prop_assert!(!verdict.error.message().is_empty());
        }
    }
}
