//! Each check as it passes, warns and fails.
#![expect(clippy::expect_used, reason = "tests")]

use super::*;
use crate::ids::TenantId;
use crate::store::{GrantFacts, GrantState, Taint};

const NOW: UnixTime = UnixTime(1_800_000_000);
const DAY: i64 = 86_400;

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "test", "a test's refusal")
}

/// What does not pass has a fix, and what passes has none.
fn check(finding: &Finding, level: Level) {
    assert_eq!(finding.level, level, "{}: {}", finding.check, finding.message);
    assert_eq!(finding.fix.is_some(), level != Level::Pass, "{finding:?}");
    assert!(!finding.message.ends_with('.'), "{}", finding.message);
}

fn credential_ending(expires_in: Option<i64>, has_expiry: bool) -> Finding {
    let expires_on = expires_in.map(|seconds| NOW.plus(seconds));
    let standing = Standing::at(expires_on, NOW);
    credential(&CredentialStatus { what: "test".to_owned(), expires_on, has_expiry, standing, error: None }, NOW)
}

#[test]
fn a_credential() {
    check(&credential_ending(Some(61 * DAY), true), Level::Pass);
    check(&credential_ending(None, false), Level::Pass);
    check(&credential_ending(None, true), Level::Warn);
    for days in [60, 30, 14, 7, 1] {
        check(&credential_ending(Some(days * DAY), true), Level::Warn);
    }
    check(&credential_ending(Some(0), true), Level::Fail);
    check(&no_credential(error(ErrorKind::ConfigMissing)), Level::Fail);
    let unreadable = CredentialStatus {
        what: "test".to_owned(),
        expires_on: None,
        has_expiry: true,
        standing: Standing::Unknown,
        error: Some(error(ErrorKind::ConfigInvalid)),
    };
    check(&credential(&unreadable, NOW), Level::Fail);
}

#[test]
fn the_store_s_key() {
    let status = |rotation, held| KeyStatus { source: "keyring".to_owned(), held, rotation, left: 7 };
    assert!(key(&status("none", 1)).is_none());
    for (rotation, held) in [("moving", 2), ("moving", 1), ("retiring", 2), ("retiring", 1), ("none", 2)] {
        let finding = key(&status(rotation, held));
        assert!(finding.is_some());
        finding.iter().for_each(|finding| check(finding, Level::Warn));
    }
    assert!(
        key(&status("moving", 2)).is_some_and(|finding| finding.message.ends_with("grants still under the old one: 7"))
    );
}

#[test]
fn the_store() {
    check(&store("sqlite:/x", "keyring", Ok(true)), Level::Pass);
    check(&store("memory:", "keyring", Ok(true)), Level::Warn);
    check(&store("sqlite:/x", "keyring", Ok(false)), Level::Fail);
    // Even what passes: nothing works without the store.
    check(&store("sqlite:/x", "keyring", Err(error(ErrorKind::StoreUnavailable))), Level::Fail);
}

#[test]
fn the_connection_and_the_clock() {
    check(&connection("login.example", Way::Direct, Ok(())), Level::Pass);
    let told = |way| connection("login.example", way, Ok(())).message;
    assert!(told(Way::By("HTTPS_PROXY")).ends_with("by the proxy of HTTPS_PROXY"));
    assert!(told(Way::Past("HTTPS_PROXY", "NO_PROXY")).contains("not by the proxy of HTTPS_PROXY: NO_PROXY"));
    check(&connection("login.example", Way::Direct, Err(error(ErrorKind::TlsFailed))), Level::Fail);
    for (ahead, level) in [
        (Some(0), Level::Pass),
        (Some(59), Level::Pass),
        (Some(-59), Level::Pass),
        (Some(60), Level::Warn),
        (Some(-299), Level::Warn),
        (Some(300), Level::Fail),
        (Some(-300), Level::Fail),
        (None, Level::Warn),
    ] {
        check(&clock(ahead), level);
    }
    assert_eq!(clock(Some(400)).message, "400 seconds behind the server's");
    assert_eq!(clock(Some(-400)).message, "400 seconds ahead of the server's");
}

#[test]
fn the_redirect_address() {
    let address = Url::parse("https://vendor.example/reply").expect("an address");
    check(&redirect(&address, None, Ok(Registered::Yes)), Level::Pass);
    check(&redirect(&address, None, Ok(Registered::Unknown)), Level::Warn);
    check(&redirect(&address, None, Err(error(ErrorKind::Timeout))), Level::Warn);
    check(&redirect(&address, None, Ok(Registered::No)), Level::Fail);
    check(&redirect(&address, None, Ok(Registered::AppUnknown)), Level::Fail);
    check(&redirect(&address, Some("it has a fragment"), Ok(Registered::Yes)), Level::Fail);
}

fn status(renew_in: i64, expires_in: i64, state: GrantState, taints: Vec<Taint>) -> GrantStatus {
    GrantStatus {
        partner: TenantId::new(uuid::Uuid::from_u128(0xbbbb)),
        generation: 1,
        facts: GrantFacts {
            user_oid: "oid".to_owned(),
            user_name: "admin@fabrikam.com".to_owned(),
            domains: Vec::new(),
            consented_on: NOW,
            mfa: MfaEvidence::default(),
            last_redeemed_on: NOW,
            expires_on: NOW.plus(expires_in),
            renew_after: NOW.plus(renew_in),
            audiences: Vec::new(),
            purpose: "test".to_owned(),
            taints,
            state,
        },
    }
}

#[test]
fn a_grant() {
    let active = |renew_in, expires_in| status(renew_in, expires_in, GrantState::Active, Vec::new());
    check(&grant(Ok(&active(DAY, 90 * DAY)), NOW), Level::Pass);
    check(&grant(Ok(&active(0, 90 * DAY)), NOW), Level::Warn);
    check(&grant(Ok(&status(DAY, 90 * DAY, GrantState::Active, vec![Taint::DeviceCode])), NOW), Level::Warn);
    check(&grant(Ok(&active(-DAY, 0)), NOW), Level::Fail);
    let dead = GrantState::Dead { on: NOW, reason: "GrantRevoked".to_owned() };
    check(&grant(Ok(&status(DAY, DAY, dead, Vec::new())), NOW), Level::Fail);
    check(&grant(Err(error(ErrorKind::ConsentRequired)), NOW), Level::Fail);
    check(&no_partner(0), Level::Warn);
    check(&no_partner(2), Level::Warn);
}

#[test]
fn an_audience_the_role_and_a_customer() {
    check(&audience(&Audience::Graph, Ok(())), Level::Pass);
    check(&audience(&Audience::Graph, Err(error(ErrorKind::RateLimited))), Level::Warn);
    check(&audience(&Audience::Graph, Err(error(ErrorKind::AudienceNotConsented))), Level::Fail);
    check(&audience(&Audience::Graph, Err(error(ErrorKind::PurposeForbidden))), Level::Warn);
    check(&role(Ok(())), Level::Pass);
    check(&role(Err(error(ErrorKind::ServerUnavailable))), Level::Warn);
    check(&role(Err(error(ErrorKind::PartnerCenterForbidden))), Level::Fail);
    check(&customer("customer", "known", Ok(())), Level::Pass);
    check(&customer("customer", "known", Err(error(ErrorKind::Timeout))), Level::Warn);
    check(&customer("customer", "known", Err(error(ErrorKind::PartnerCenterNotFound))), Level::Fail);
}

#[test]
fn mfa_has_three_answers() {
    let evidence = |verdict, partner_center| MfaEvidence { verdict, partner_center, ..MfaEvidence::default() };
    check(&mfa(Ok((&evidence(Mfa::Yes, Some(true)), None))), Level::Pass);
    check(&mfa(Ok((&evidence(Mfa::Unknown, None), None))), Level::Warn);
    check(&mfa(Ok((&evidence(Mfa::No, Some(false)), None))), Level::Fail);
    check(&mfa(Err(error(ErrorKind::Timeout))), Level::Warn);
    let refusal = error(ErrorKind::PartnerCenterMfaRequired);
    let finding = mfa(Ok((&evidence(Mfa::Yes, Some(true)), Some(&refusal))));
    check(&finding, Level::Fail);
    assert_eq!(finding.error, Some(refusal));
}

#[test]
fn the_reports() {
    let row =
        |oid: &str, name: &str| Principal { object_id: oid.to_owned(), user_name: name.to_owned(), last_seen: None };
    let used =
        |client: &str, requests, with_mfa| [Adoption { client_id: client.to_owned(), requests, with_mfa }].to_vec();
    let own = ("test-oid", "admin@fabrikam.com");
    check(&mfa_reports(own, "app", &[], &used("app", 3, 3)), Level::Pass);
    check(&mfa_reports(own, "app", &[], &used("other", 3, 0)), Level::Pass);
    check(&mfa_reports(own, "app", &[], &used("APP", 3, 2)), Level::Warn);
    for rows in [[row("TEST-OID", "")], [row("", "Admin@Fabrikam.com")], [row("x", "else@fabrikam.com")]] {
        check(&mfa_reports(own, "app", &rows, &[]), Level::Warn);
    }
    check(&mfa_reports_missing(error(ErrorKind::PartnerCenterForbidden)), Level::Warn);
}
