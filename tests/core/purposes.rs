use partnersam::app::config::Config;
use partnersam::app::consent::ConsentOptions;
use partnersam::app::doctor::DoctorRequest;
use partnersam::app::token::TokenRequest;
use partnersam::purpose::{Limits, Purposes};
use partnersam::{Audience, ErrorKind, TenantRef};

use crate::world::{World, graph, partner};

fn customer(name: &str) -> TenantRef {
    name.parse().expect("a tenant")
}

/// `report`: Graph, contoso.com only. `all`: everything.
fn declare(config: &mut Config) {
    let report = Limits {
        audiences: Some(vec![Audience::Graph]),
        customers: Some(vec![customer("contoso.com")]),
        own_tenant: false,
        expires_on: None,
    };
    let ended = Limits { expires_on: Some(partnersam::clock::UnixTime(1)), ..Limits::default() };
    let declared =
        [("report".to_owned(), report), ("ended".to_owned(), ended), ("all".to_owned(), Limits::default())].into();
    config.purposes = Purposes::new(declared, None).expect("purposes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_outside_its_purpose_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(declare).await;
    let contoso = || graph().customer(customer("contoso.com"));
    for (request, kind) in [
        (contoso(), ErrorKind::PurposeRequired),
        (contoso().purpose("reports"), ErrorKind::PurposeUnknown),
        (contoso().purpose("ended"), ErrorKind::PurposeExpired),
        (graph().purpose("report"), ErrorKind::PurposeForbidden),
        (graph().customer(customer("tailspin.example")).purpose("report"), ErrorKind::PurposeForbidden),
        (
            TokenRequest::new(Audience::Arm).partner(partner()).customer(customer("contoso.com")).purpose("report"),
            ErrorKind::PurposeForbidden,
        ),
    ] {
        let error = app.token(&request).await.expect_err("a refusal");
        assert_eq!(error.kind(), kind, "{request:?}");
    }
    assert_eq!(sent.0.lock().expect("a lock").len(), 0, "something was sent");
    app.token(&contoso().purpose("report")).await.expect("a token");
    app.token(&graph().purpose("all")).await.expect("a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_may_be_named_by_its_id_and_another_one_may_not() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(declare).await;
    let contoso = customer("cccccccc-0000-4000-8000-000000000001");
    app.token(&graph().customer(contoso).purpose("report")).await.expect("a token");
    sent.take("refresh_token");
    let tailspin = customer("cccccccc-0000-4000-8000-000000000002");
    let error = app.token(&graph().customer(tailspin).purpose("report")).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::PurposeForbidden);
    assert!(sent.take("refresh_token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_memory_is_found_for_the_purpose_it_was_checked_against_only() {
    let world = World::new().await;
    world.consent().await;
    let (app, _) = world.watched_app(declare).await;
    app.token(&graph().purpose("all")).await.expect("a token");
    let partner = app.tenant(&partner()).await.expect("a tenant");
    let at_hand = |purpose| app.token_in_memory(partner, partner, &Audience::Graph, purpose);
    assert!(at_hand(Some("all")).expect("an answer").is_some());
    assert!(at_hand(Some("report")).expect("an answer").is_none(), "the purpose forbids it");
    assert_eq!(at_hand(None).expect_err("a refusal").kind(), ErrorKind::PurposeRequired);
    // Another purpose that allows it needs no new redemption: the store has the token.
    world.forget_requests().await;
    let (other, _) = world.watched_app(declare).await;
    other.token(&graph().purpose("all")).await.expect("a token");
    assert_eq!(world.redemptions("refresh_token").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_has_a_purpose_and_its_audiences() {
    let world = World::new().await;
    let (app, _) = world.watched_app(declare).await;
    let mut ask = world.ask();
    assert_eq!(app.begin_consent(&ask).await.expect_err("a refusal").kind(), ErrorKind::PurposeRequired);
    ask.purpose = Some("report".to_owned());
    ask.audiences = vec![Audience::Arm];
    assert_eq!(app.begin_consent(&ask).await.expect_err("a refusal").kind(), ErrorKind::PurposeForbidden);
    ask.audiences.clear();
    let link = app.begin_consent(&ask).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    let consented = app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
    let audiences: Vec<_> = consented.audiences.iter().map(|(audience, _)| audience.clone()).collect();
    assert_eq!(audiences, [Audience::Graph]);
    assert_eq!(app.grant(&partner()).await.expect("a grant").facts.purpose, "report");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_up_looks_by_the_purpose_that_the_grant_was_given_for() {
    let world = World::new().await;
    let (app, sent) = world.watched_app(declare).await;
    let mut ask = world.ask();
    ask.purpose = Some("all".to_owned());
    let link = app.begin_consent(&ask).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
    sent.take("refresh_token");
    let request = DoctorRequest { partner: Some(partner()), customer: Some(customer("contoso.com")) };
    let checkup = app.doctor(&request).await;
    assert_eq!(checkup.errors().count(), 0, "{:?}", checkup.findings);
    assert_eq!(sent.take("refresh_token").len(), 4, "three audiences and a customer's");
    app.check_mfa(&partner()).await.expect("an answer");
    let calls = world.calls("GET", "/v1/").await;
    assert!(!calls.is_empty() && calls.iter().all(|call| call["application"] == "partnersam: all"), "{calls:?}");
}
