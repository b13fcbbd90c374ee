use partnersam::app::consent::{ConsentOptions, ResponseMode};
use partnersam::store::{Mfa, Taint};
use partnersam::{Audience, ErrorKind};
use serde_json::json;

use crate::world::{World, partner};

#[tokio::test(flavor = "multi_thread")]
async fn one_sign_in_brings_a_grant_and_a_token_for_each_audience() {
    let world = World::new().await;
    let consented = world.consent().await;
    assert_eq!(consented.user_name, "admin@fabrikam.com");
    assert_eq!(consented.mfa.verdict, Mfa::Yes);
    assert_eq!(consented.mfa.partner_center, Some(true), "Partner Center itself was asked");
    assert!(consented.mfa.amr.contains(&"mfa".to_owned()));
    assert_eq!(
        consented.audiences.iter().map(|(audience, _)| audience.clone()).collect::<Vec<_>>(),
        [Audience::PartnerCenter, Audience::Graph, Audience::Arm]
    );
    for (audience, token) in &consented.audiences {
        let token = token.as_ref().unwrap_or_else(|error| panic!("{audience}: {error:?}"));
        assert_eq!(token.mfa, Mfa::Yes);
        assert_eq!(token.tenant, consented.partner);
    }
    let grants = world.app.grants().await.expect("grants");
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].name(), "fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mfa_nothing_is_stored_unless_the_caller_insists() {
    let world = World::new().await;
    let error = world.consent_as("legacy@fabrikam.com").await.expect_err("no MFA");
    assert_eq!(error.kind(), ErrorKind::MfaNotProved);
    assert!(world.app.grants().await.expect("grants").is_empty());

    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "legacy@fabrikam.com").await;
    let insisted =
        world.app.complete_consent(&reply, ConsentOptions { allow_without_mfa: true }).await.expect("insisted");
    assert_eq!(insisted.mfa.verdict, Mfa::No);
    assert!(insisted.taints.contains(&Taint::WithoutMfa));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_with_mfa_is_never_replaced_by_one_without() {
    let world = World::new().await;
    world.consent().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "legacy@fabrikam.com").await;
    let error =
        world.app.complete_consent(&reply, ConsentOptions { allow_without_mfa: true }).await.expect_err("a downgrade");
    assert_eq!(error.kind(), ErrorKind::MfaDowngrade);
    assert_eq!(world.app.grant(&partner()).await.expect("the old grant").facts.user_name, "admin@fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_counts_once_and_only_for_its_own_link() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;

    let forged = reply.replace(&link.state, &"x".repeat(link.state.len()));
    let error = world.app.complete_consent(&forged, ConsentOptions::default()).await.expect_err("forged");
    assert_eq!(error.kind(), ErrorKind::ConsentStateUnknown);
    world.app.complete_consent(&reply, ConsentOptions::default()).await.expect("a forged reply did not spend the link");
    let error = world.app.complete_consent(&reply, ConsentOptions::default()).await.expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::ConsentStateUnknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_can_complete_what_this_one_began() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    let other = world.another_app().await;
    other.complete_consent(&reply, ConsentOptions::default()).await.expect("completed elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_of_another_tenant_cannot_complete_the_link() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let answer = world
        .control(
            "/signin",
            json!({ "authorize_url": link.url.as_str(), "upn": "admin@northwind.example", "accept": true }),
        )
        .await;
    assert!(answer["form"]["fields"]["code"].is_null(), "Entra itself refuses: {answer}");
    for bad in ["tenant", "signature", "issuer", "audience", "nonce", "expired", "alg_none"] {
        world.scenario(json!({ "bad_id_token": bad })).await;
        let error = world.consent_as("admin@fabrikam.com").await.expect_err(bad);
        assert!(matches!(error.kind(), ErrorKind::IdTokenInvalid | ErrorKind::TenantMismatch), "{bad}: {error:?}");
        assert!(world.app.grants().await.expect("grants").is_empty(), "{bad} was stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_rolled_over_are_fetched_again() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "rotate_keys": true })).await;
    // A fresh app has the new keys at once; this one has the old in memory and must notice. It asks at most twice a minute.
    let fresh = world.another_app().await;
    let link = fresh.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    fresh.complete_consent(&reply, ConsentOptions::default()).await.expect("with the new keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_on_the_page_is_told_as_what_it_was() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let answer = world
        .control("/signin", json!({ "authorize_url": link.url.as_str(), "upn": "admin@fabrikam.com", "accept": false }))
        .await;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer["form"]["fields"].as_object().expect("fields") {
        form.append_pair(name, value.as_str().expect("a text"));
    }
    let error = world.app.complete_consent(&form.finish(), ConsentOptions::default()).await.expect_err("declined");
    assert_eq!(error.kind(), ErrorKind::ConsentDeclined, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends() {
    let world = World::new().await;
    let mut ask = world.ask();
    ask.valid_for = std::time::Duration::ZERO;
    let link = world.app.begin_consent(&ask).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    let error = world.app.complete_consent(&reply, ConsentOptions::default()).await.expect_err("late");
    assert_eq!(error.kind(), ErrorKind::ConsentLinkExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_address_completes_as_well() {
    let world = World::new().await;
    let mut ask = world.ask();
    ask.response_mode = ResponseMode::Query;
    let link = world.app.begin_consent(&ask).await.expect("a link");
    let answer = world
        .control("/signin", json!({ "authorize_url": link.url.as_str(), "upn": "admin@fabrikam.com", "accept": true }))
        .await;
    let pasted = answer["location"].as_str().expect("an address").to_owned();
    world.app.complete_consent(&format!("  {pasted}\n"), ConsentOptions::default()).await.expect("a consent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_does_not_come_is_told_with_its_reason() {
    let world = World::new().await;
    world.scenario(json!({ "error_for": { "audience": "arm", "error": "invalid_grant", "error_codes": [65001], "suberror": "consent_required" } })).await;
    let consented = world.consent().await;
    let (audience, result) = consented.audiences.last().expect("arm");
    assert_eq!(*audience, Audience::Arm);
    assert_eq!(result.as_ref().expect_err("no consent").kind(), ErrorKind::AudienceNotConsented);
    assert!(consented.audiences[1].1.is_ok(), "the others are not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_works_and_marks_the_grant() {
    let world = World::new().await;
    let device = world.app.begin_device_consent(&world.ask()).await.expect("a code");
    let answer = world
        .control("/signin", json!({ "user_code": device.user_code, "upn": "admin@fabrikam.com", "accept": true }))
        .await;
    assert!(answer["error"].is_null(), "{answer}");
    let consented = world.app.complete_device_consent(device, ConsentOptions::default()).await.expect("a consent");
    assert!(consented.taints.contains(&Taint::DeviceCode));
    assert_eq!(consented.mfa.verdict, Mfa::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_steps_an_administrator_allows_and_then_somebody_lesser_consents() {
    let world = World::new().await;
    let link = world.app.begin_consent(&world.ask()).await.expect("a link");
    let stuck = world
        .control(
            "/signin",
            json!({ "authorize_url": link.url.as_str(), "upn": "service@fabrikam.com", "accept": true }),
        )
        .await;
    assert_eq!(stuck["error_codes"][0], 90094, "{stuck}");
    let redirect = link.redirect_uri.clone();
    let audiences = [Audience::PartnerCenter, Audience::Graph, Audience::Arm];
    let admin = world.app.admin_consent_link(&partner(), &audiences, &redirect).await.expect("a link");
    let done = world
        .control("/signin", json!({ "authorize_url": admin.as_str(), "upn": "admin@fabrikam.com", "accept": true }))
        .await;
    assert!(done["location"].as_str().is_some_and(|location| location.contains("admin_consent=True")), "{done}");
    let consented = world.consent_as("service@fabrikam.com").await.expect("the lesser account");
    assert_eq!(consented.user_name, "service@fabrikam.com");
}
