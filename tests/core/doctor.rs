//! The check-up against the emulator and against set-ups that are broken on purpose: each check passes, warns and fails where it should.

use std::sync::Arc;

use partnersam::app::config::Config;
use partnersam::app::credential::{Credentials, SecretCredential};
use partnersam::app::doctor::{Checkup, DoctorRequest, Level};
use partnersam::app::{App, Parts};
use partnersam::clock::{Clock as _, ManualClock, SystemClock, UnixTime};
use partnersam::secret::ClientSecret;
use partnersam::store::Mfa;
use partnersam::{Cloud, ErrorKind, TenantRef};
use serde_json::{Value, json};

use crate::world::{World, partner};

const CUSTOMER: &str = "contoso.com";

fn look(customer: Option<&str>) -> DoctorRequest {
    DoctorRequest { partner: Some(partner()), customer: customer.map(|name| name.parse().expect("a domain")) }
}

/// The level of a check and, where there are several, of the one about `about`.
fn level(checkup: &Checkup, check: &str, about: Option<&str>) -> Level {
    let mut found = checkup
        .findings
        .iter()
        .filter(|finding| finding.check == check && about.is_none_or(|about| finding.about.as_deref() == Some(about)));
    let first = found.next().unwrap_or_else(|| panic!("no {check} in {:?}", checkup.report()));
    first.level
}

fn kind_of(checkup: &Checkup, check: &str) -> Option<ErrorKind> {
    let finding = checkup.findings.iter().find(|finding| finding.check == check).expect("the check");
    finding.error.as_ref().map(partnersam::Error::kind)
}

async fn app_with(world: &World, change: impl FnOnce(&mut Config), parts: Parts) -> App {
    let mut config = world.app.config().clone();
    change(&mut config);
    App::open_with(config, parts).await.expect("an app")
}

#[tokio::test]
async fn all_is_well_where_all_is_well() {
    let world = World::new().await;
    world.consent().await;
    let ends = SystemClock.now().plus(400 * 86_400);
    let secret = world.emulator.ready().apps[0].client_secret.clone().expect("a secret");
    let credential = SecretCredential::new(ClientSecret::new(secret)).expiring(Some(ends));
    let app = app_with(&world, |config| config.credentials = Credentials::one(credential), Parts::default()).await;
    let checkup = app.doctor(&look(Some(CUSTOMER))).await;
    assert_eq!(checkup.verdict(), Level::Pass, "{:#?}", checkup.report());
    let checks: Vec<_> = checkup.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(
        checks,
        [
            "app-credential",
            "store",
            "connection",
            "clock",
            "redirect-uri",
            "grant",
            "audience",
            "audience",
            "audience",
            "mfa",
            "role",
            "mfa-reports",
            "customer",
            "customer-token"
        ]
    );
}

#[tokio::test]
async fn it_can_be_pasted() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "customers": { "customer": CUSTOMER, "relationship": false } })).await;
    let checkup = world.app.doctor(&look(Some(CUSTOMER))).await;
    assert_eq!(checkup.verdict(), Level::Fail);
    let text = serde_json::to_string(&checkup.report()).expect("JSON");
    let secret = world.emulator.ready().apps[0].client_secret.clone().expect("a secret");
    for hidden in [
        "fabrikam",
        "contoso",
        "Contoso",
        "admin@",
        "bbbbbbbb-0000-4000-8000-000000000001",
        "cccccccc-0000-4000-8000-000000000001",
        "eeeeeeee-0000-4000-8000-000000000001",
        secret.as_str(),
    ] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[tokio::test]
async fn the_credential_is_looked_at_as_it_is_and_as_the_service_takes_it() {
    let world = World::new().await;
    world.consent().await;
    let expiring = |days: i64, secret: &str| {
        let ends = SystemClock.now().plus(days * 86_400 + 60);
        Credentials::one(SecretCredential::new(ClientSecret::new(secret)).expiring(Some(ends)))
    };
    let good = world.emulator.ready().apps[0].client_secret.clone().expect("a secret");
    for (days, secret, own, audience) in [
        (90, good.as_str(), Level::Pass, Level::Pass),
        (6, good.as_str(), Level::Warn, Level::Pass),
        (-2, good.as_str(), Level::Fail, Level::Pass),
        (90, "test-secret-that-is-wrong", Level::Pass, Level::Fail),
    ] {
        let credentials = expiring(days, secret);
        let app = app_with(&world, |config| config.credentials = credentials, Parts::default()).await;
        let checkup = app.doctor(&look(None)).await;
        assert_eq!(
            (level(&checkup, "app-credential", None), level(&checkup, "audience", None)),
            (own, audience),
            "{days}"
        );
    }
    let none = app_with(&world, |config| config.credentials = Credentials::default(), Parts::default()).await;
    assert_eq!(level(&none.doctor(&look(None)).await, "app-credential", None), Level::Fail);
}

#[tokio::test]
async fn the_store_and_its_key() {
    let world = World::new().await;
    let memory = Parts { store: Some(partnersam::store::memory()), ..Parts::default() };
    let in_memory = app_with(&world, |_| (), memory).await;
    assert_eq!(level(&in_memory.doctor(&DoctorRequest::default()).await, "store", None), Level::Warn);
    assert_eq!(level(&world.app.doctor(&DoctorRequest::default()).await, "store", None), Level::Pass);
    // Another key than the one it was made with.
    world.consent().await;
    let other = world.folder.path().join("other-key");
    partnersam::store::create_key_file(&other).expect("a key");
    let key = partnersam::store::KeySource::File(other);
    let locked_out = app_with(&world, |config| config.key = key, Parts::default()).await;
    let checkup = locked_out.doctor(&look(None)).await;
    assert_eq!(level(&checkup, "store", None), Level::Fail);
    assert_eq!(kind_of(&checkup, "store"), Some(ErrorKind::StoreKeyWrong));
}

#[tokio::test]
async fn the_way_and_the_clock() {
    let world = World::new().await;
    for (off, expected) in [(0, Level::Pass), (-120, Level::Warn), (4000, Level::Fail)] {
        let clock = ManualClock::at(UnixTime(SystemClock.now().0 + off));
        let parts = Parts { clock: Some(Arc::new(clock)), ..Parts::default() };
        let app = app_with(&world, |_| (), parts).await;
        assert_eq!(level(&app.doctor(&DoctorRequest::default()).await, "clock", None), expected, "{off}");
    }
    // Nobody's authority: the emulator's certificate is not trusted.
    let stranger = world.folder.path().join("stranger.pem");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&stranger, made.cert.pem()).expect("a file");
    let app = app_with(&world, |config| config.ca_file = Some(stranger), Parts::default()).await;
    let checkup = app.doctor(&DoctorRequest::default()).await;
    assert_eq!(
        (level(&checkup, "connection", None), kind_of(&checkup, "connection")),
        (Level::Fail, Some(ErrorKind::TlsFailed))
    );
    // And what would only fail for the same reason is not looked at.
    assert!(checkup.findings.iter().all(|finding| finding.check != "clock"));
}

#[tokio::test]
async fn the_redirect_address_is_registered_or_not() {
    let world = World::new().await;
    for (address, expected) in [
        ("http://localhost:5001/", Level::Pass),
        ("https://not-registered.example/reply", Level::Fail),
        ("http://vendor.example/reply", Level::Fail),
    ] {
        let address = address.parse().expect("an address");
        let app = app_with(&world, |config| config.redirect_uri = Some(address), Parts::default()).await;
        assert_eq!(level(&app.doctor(&DoctorRequest::default()).await, "redirect-uri", None), expected);
    }
    world.scenario(json!({ "fail": { "path": "authorize", "times": 1, "status": 503 } })).await;
    assert_eq!(level(&world.app.doctor(&DoctorRequest::default()).await, "redirect-uri", None), Level::Warn);
}

#[tokio::test]
async fn the_grant_and_its_audiences() {
    let world = World::new().await;
    let nobody = world.app.doctor(&DoctorRequest::default()).await;
    assert_eq!(level(&nobody, "grant", None), Level::Warn);
    assert_eq!(level(&world.app.doctor(&look(None)).await, "grant", None), Level::Fail);
    world.consent().await;
    world.scenario(json!({ "consent": { "tenant": "fabrikam.com", "resource": "arm", "granted": false } })).await;
    let checkup = world.app.doctor(&DoctorRequest::default()).await;
    assert_eq!(level(&checkup, "grant", None), Level::Pass);
    assert_eq!(level(&checkup, "audience", Some("graph")), Level::Pass);
    assert_eq!(level(&checkup, "audience", Some("arm")), Level::Fail);
    let later = ManualClock::at(SystemClock.now().plus(60 * 86_400));
    let app = app_with(&world, |_| (), Parts { clock: Some(Arc::new(later)), ..Parts::default() }).await;
    assert_eq!(level(&app.doctor(&look(None)).await, "grant", None), Level::Warn);
    world.scenario(json!({ "revoke": "all" })).await;
    let revoked = world.another_app().await.doctor(&look(None)).await;
    assert_eq!(level(&revoked, "audience", None), Level::Fail);
}

#[tokio::test]
async fn mfa_is_yes_no_or_unknown_and_the_grant_remembers() {
    let world = World::new().await;
    world.consent().await;
    let before = world.app.grant(&partner()).await.expect("a grant").facts.mfa;
    let checkup = world.app.doctor(&look(None)).await;
    assert_eq!(level(&checkup, "mfa", None), Level::Pass);
    let after = world.app.grant(&partner()).await.expect("a grant").facts.mfa;
    assert_eq!((after.verdict, after.partner_center), (Mfa::Yes, Some(true)));
    assert!(after.checked_on >= before.checked_on);
    world.scenario(json!({ "fail": { "path": "partner_center", "times": 1, "status": 503 } })).await;
    assert_eq!(level(&world.app.doctor(&look(None)).await, "mfa", None), Level::Warn);
}

/// 900421: the refusal carries the link to send.
#[tokio::test]
async fn a_refusal_for_want_of_mfa_carries_the_consent_link() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "legacy@fabrikam.com").await;
    let insisting = partnersam::app::consent::ConsentOptions { allow_without_mfa: true };
    world.app.complete_consent(&reply, insisting).await.expect("a grant without MFA");
    let address = Some("http://localhost:5001/".parse().expect("an address"));
    let app = app_with(&world, |config| config.redirect_uri = address, Parts::default()).await;
    let answer = app.check_mfa(&partner()).await.expect("an answer");
    assert_eq!(answer.evidence.verdict, Mfa::No);
    let refusal = answer.refusal.expect("a refusal");
    assert_eq!((refusal.kind(), refusal.service_code()), (ErrorKind::PartnerCenterMfaRequired, Some("900421")));
    let link = refusal.to_document().context["consent_link"].to_owned();
    // The link is one that mends it.
    let reply = world.sign_in(&link, "admin@fabrikam.com").await;
    app.complete_consent(&reply, Default::default()).await.expect("a consent by the link");
    assert_eq!(app.check_mfa(&partner()).await.expect("an answer").evidence.verdict, Mfa::Yes);
}

#[tokio::test]
async fn the_role_the_reports_and_the_customer() {
    let world = World::new().await;
    world.consent().await;
    let without = |checkup: &Checkup| (level(checkup, "customer", None), level(checkup, "customer-token", None));
    assert_eq!(without(&world.app.doctor(&look(Some(CUSTOMER))).await), (Level::Pass, Level::Pass));
    world.scenario(json!({ "customers": { "customer": CUSTOMER, "relationship": false } })).await;
    assert_eq!(without(&world.app.doctor(&look(Some(CUSTOMER))).await), (Level::Fail, Level::Fail));
    // The probe of MFA passes, and then the list of customers is refused, and late.
    let refused: Value =
        json!({ "path": "/v1/customers", "times": 1, "status": 403, "body": { "code": "900308", "description": "x" } });
    world.scenario(json!({ "fail": refused })).await;
    let checkup = world.app.doctor(&look(None)).await;
    assert_eq!(
        (level(&checkup, "role", None), kind_of(&checkup, "role")),
        (Level::Fail, Some(ErrorKind::PartnerCenterForbidden))
    );
    world.scenario(json!({ "fail": { "path": "/v1/nonMfa", "times": 1, "status": 403 } })).await;
    assert_eq!(level(&world.app.doctor(&look(None)).await, "mfa-reports", None), Level::Warn);
    assert_eq!(level(&world.app.doctor(&look(None)).await, "mfa-reports", None), Level::Pass);
}

/// A consent, tokens and a clean check-up in each cloud, and another cloud's tenant told for what it is.
#[tokio::test]
async fn each_cloud_from_end_to_end() {
    for (cloud, played) in [
        (Cloud::Public, partnersam_emulator::Cloud::Public),
        (Cloud::UsGovernment, partnersam_emulator::Cloud::UsGovernment),
        (Cloud::China, partnersam_emulator::Cloud::China),
    ] {
        let world = World::in_cloud(played).await;
        assert_eq!(world.app.config().authority.cloud(), cloud);
        let consented = world.consent().await;
        for (audience, token) in &consented.audiences {
            let token = token.as_ref().unwrap_or_else(|error| panic!("{cloud} {audience}: {error}"));
            let claims = partnersam::protocol::jwt::peek(token.secret().expose()).expect("a JWT");
            assert_eq!(claims.audiences.first().map(String::as_str), audience.resource(cloud), "{cloud}");
        }
        let checkup = world.app.doctor(&look(Some(CUSTOMER))).await;
        assert!(checkup.errors().next().is_none(), "{cloud}: {:#?}", checkup.report());
    }
}

#[tokio::test]
async fn what_is_of_another_cloud_is_told_so_before_anything_is_sent() {
    let world = World::new().await;
    world.consent().await;
    world.forget_requests().await;
    let scope = "https://graph.microsoft.us/User.Read".parse().expect("a scope");
    let asked = partnersam::app::token::TokenRequest::new(scope).partner(partner());
    let error = world.app.token(&asked).await.expect_err("a mismatch");
    assert_eq!(error.kind(), ErrorKind::CloudMismatch);
    assert!(error.hint().contains("us-government"), "{error}");
    let stranger: TenantRef = "fabrikam.onmicrosoft.us".parse().expect("a domain");
    let error = world.app.tenant(&stranger).await.expect_err("a mismatch");
    assert_eq!(error.kind(), ErrorKind::CloudMismatch);
    assert_eq!(world.requests().await.len(), 0);
}

/// Named so that nobody has to guess what is wrong.
#[tokio::test]
async fn a_partner_that_nobody_knows_is_told_so() {
    let world = World::new().await;
    let stranger: TenantRef = "nobody.example".parse().expect("a domain");
    let checkup = world.app.doctor(&DoctorRequest { partner: Some(stranger), customer: None }).await;
    assert_eq!(
        (level(&checkup, "grant", None), kind_of(&checkup, "grant")),
        (Level::Fail, Some(ErrorKind::TenantNotFound))
    );
}
