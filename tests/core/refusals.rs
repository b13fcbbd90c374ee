use partnersam::store::GrantState;
use partnersam::{Audience, ErrorKind};
use serde_json::json;

use crate::world::{World, graph, partner};

async fn fresh_token(world: &World, audience: Audience) -> ErrorKind {
    let mut request = graph();
    request.audience = audience;
    request.fresh = true;
    // An app of its own, so that no refusal is remembered from the step before.
    world.another_app().await.token(&request).await.expect_err("a refusal").kind()
}

async fn is_alive(world: &World) -> bool {
    world.app.grant(&partner()).await.expect("a grant").facts.state == GrantState::Active
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_at_the_service_never_ends_a_grant() {
    let world = World::new().await;
    world.consent().await;
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let body = json!({ "error": "invalid_grant", "suberror": "token_expired", "error_codes": [700_082], "error_description": "AADSTS700082: looks final" });
        world.scenario(json!({ "fail": { "path": "token", "times": 3, "status": status, "headers": { "retry-after": "0" }, "body": body } })).await;
        let kind = fresh_token(&world, Audience::Graph).await;
        let expected = match status {
            408 => ErrorKind::Timeout,
            429 => ErrorKind::RateLimited,
            _ => ErrorKind::ServerUnavailable,
        };
        assert_eq!(kind, expected, "{status}");
        assert!(is_alive(&world).await, "{status} ended the grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definitive_refusal_ends_the_grant_and_is_remembered_as_what_it_was() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "revoke": { "upn": "admin@fabrikam.com" } })).await;
    assert_eq!(fresh_token(&world, Audience::Graph).await, ErrorKind::GrantRevoked);
    assert!(!is_alive(&world).await);
    world.forget_requests().await;
    assert_eq!(fresh_token(&world, Audience::Graph).await, ErrorKind::GrantRevoked);
    assert_eq!(world.redemptions("refresh_token").await, 0, "a dead grant is not sent again");
    world.consent().await;
    assert!(is_alive(&world).await, "a new consent brings it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_one_audience_leaves_grant_and_other_audiences_alone() {
    let world = World::new().await;
    world.consent().await;
    for (codes, suberror, expected) in [
        (50076, "basic_action", ErrorKind::MfaRequired),
        (65001, "consent_required", ErrorKind::AudienceNotConsented),
        (53003, "message_only", ErrorKind::ConditionalAccessBlocked),
    ] {
        world
            .scenario(json!({ "error_for": { "audience": "graph", "error": "interaction_required", "error_codes": [codes], "suberror": suberror, "claims": "{\"access_token\":{}}" } }))
            .await;
        assert_eq!(fresh_token(&world, Audience::Graph).await, expected);
        assert!(is_alive(&world).await);
        let mut arm = graph();
        arm.audience = Audience::Arm;
        arm.fresh = true;
        world.another_app().await.token(&arm).await.expect("another audience");
        world.control("/reset-scenario", json!({})).await;
        world.scenario(json!({ "error_for": null })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_app_keeps_every_grant_and_is_not_asked_again_for_a_while() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "secret_expired": true })).await;
    let app = world.another_app().await;
    let mut fresh = graph();
    fresh.fresh = true;
    assert_eq!(app.token(&fresh).await.expect_err("expired").kind(), ErrorKind::AppCredentialExpired);
    world.forget_requests().await;
    let mut other = fresh.clone();
    other.audience = Audience::Arm;
    assert_eq!(app.token(&other).await.expect_err("remembered").kind(), ErrorKind::AppCredentialExpired);
    assert_eq!(world.redemptions("refresh_token").await, 0);
    assert!(is_alive(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_answer_is_no_token_and_no_end() {
    let world = World::new().await;
    world.consent().await;
    for body in [
        "",
        "not json",
        "{}",
        "{\"access_token\":\"\",\"token_type\":\"Bearer\",\"expires_in\":3600}",
        "{\"access_token\":17}",
    ] {
        world.scenario(json!({ "fail": { "path": "token", "times": 3, "status": 200, "body": body } })).await;
        assert_eq!(fresh_token(&world, Audience::Graph).await, ErrorKind::ResponseMalformed, "{body}");
        world.control("/scenario", json!({ "fail": null })).await;
        assert!(is_alive(&world).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed_with_secrets() {
    let world = World::new().await;
    world.consent().await;
    let elsewhere = format!("{}/{}/oauth2/v2.0/token", world.emulator.ready().graph, partner());
    world
        .scenario(
            json!({ "fail": { "path": "token", "times": 3, "status": 307, "headers": { "location": elsewhere } } }),
        )
        .await;
    assert_eq!(fresh_token(&world, Audience::Graph).await, ErrorKind::RedirectRefused);
    assert!(is_alive(&world).await);
}
