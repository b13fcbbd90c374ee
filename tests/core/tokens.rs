use partnersam::app::token::TokenRequest;
use partnersam::{Audience, ErrorKind};
use serde_json::json;

use crate::world::{World, graph, partner};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_redeemed_once_and_then_found_in_memory_and_by_the_next_process() {
    let world = World::new().await;
    world.consent().await;
    world.forget_requests().await;
    let first = world.app.token(&graph()).await.expect("a token");
    let again = world.app.token(&graph()).await.expect("a token");
    assert_eq!(first.secret().expose(), again.secret().expose());
    let next = world.another_app().await.token(&graph()).await.expect("a token");
    assert_eq!(first.secret().expose(), next.secret().expose());
    assert_eq!(world.redemptions("refresh_token").await, 0, "consent had minted it already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_store_needs_no_service_at_all() {
    let world = World::new().await;
    world.consent().await;
    let other = world.another_app().await;
    world.scenario(json!({ "fail": { "path": "any", "times": 1000, "status": 503 } })).await;
    other.token(&graph()).await.expect("a token from the store, partner named by domain");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partner_may_be_left_out_where_there_is_one() {
    let world = World::new().await;
    let nobody = world.app.token(&TokenRequest::new(Audience::Graph)).await.expect_err("nobody consented");
    assert_eq!(nobody.kind(), ErrorKind::ConsentRequired);
    world.consent().await;
    world.app.token(&TokenRequest::new(Audience::Graph)).await.expect("the only one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_s_token_is_the_customer_s() {
    let world = World::new().await;
    world.consent().await;
    let customer: partnersam::TenantRef = "contoso.com".parse().expect("a domain");
    let token = world.app.token(&graph().customer(customer.clone())).await.expect("a token");
    assert_eq!(token.tenant, world.app.tenant(&customer).await.expect("a tenant"));
    assert_ne!(token.tenant, token.partner);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_of_one_missing_token_send_one_request() {
    let world = World::new().await;
    world.consent().await;
    world.forget_requests().await;
    let request = TokenRequest::new(Audience::Graph)
        .partner(partner())
        .customer("contoso.com".parse::<partnersam::TenantRef>().expect("a domain"));
    let callers: Vec<_> = (0..64)
        .map(|_| (world.app.clone(), request.clone()))
        .map(|(app, request)| tokio::spawn(async move { app.token(&request).await }))
        .collect();
    for caller in callers {
        caller.await.expect("no panic").expect("a token");
    }
    assert_eq!(world.redemptions("refresh_token").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_token_outlives_a_passing_fault() {
    let world = World::new().await;
    // So short that it wants refreshing half-way, and long enough to be usable meanwhile.
    world.scenario(json!({ "access_token_lifetime": 200 })).await;
    world.consent().await;
    let old = world.app.token(&graph()).await.expect("a token");
    let clock = std::sync::Arc::new(partnersam::clock::ManualClock::at(old.refresh_after.plus(1)));
    let retry = partnersam::transport::RetryPolicy { attempts: 1, ..Default::default() };
    let parts = partnersam::app::Parts { clock: Some(clock), retry: Some(retry), ..Default::default() };
    let later = partnersam::App::open_with(world.app.config().clone(), parts).await.expect("an app");
    world.scenario(json!({ "fail": { "path": "token", "times": 3, "status": 503 } })).await;
    let still = later.token(&graph()).await.expect("the old token goes on");
    assert_eq!(still.secret().expose(), old.secret().expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_makes_no_ended_token_good_and_no_storm() {
    let world = World::new().await;
    world.consent().await;
    let old = world.app.token(&graph()).await.expect("a token");
    world.forget_requests().await;
    let at = |seconds: i64| {
        let now = partnersam::clock::Clock::now(&partnersam::clock::SystemClock).plus(seconds);
        let clock = std::sync::Arc::new(partnersam::clock::ManualClock::at(now));
        let parts = partnersam::app::Parts { clock: Some(clock), ..Default::default() };
        partnersam::App::open_with(world.app.config().clone(), parts)
    };
    // Two hosts' clocks may differ a little.
    let here = at(-200).await.expect("an app").token(&graph()).await.expect("a token");
    assert_eq!(here.secret().expose(), old.secret().expose());
    assert_eq!(world.redemptions("refresh_token").await, 0);
    let mut issued = Vec::new();
    for _ in 0..3 {
        issued.push(at(-86_400).await.expect("an app").token(&graph()).await.expect("a token"));
    }
    assert_eq!(world.redemptions("refresh_token").await, 1);
    assert!(issued.iter().all(|token| token.secret().expose() == issued[0].secret().expose()));
    assert_ne!(issued[0].secret().expose(), old.secret().expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_put_right_makes_no_ended_token_good_that_is_in_memory() {
    const DAY: i64 = 86_400;
    let world = World::new().await;
    world.consent().await;
    // A clock that is a day ahead, and is put right while the process goes on.
    let now = partnersam::clock::Clock::now(&partnersam::clock::SystemClock);
    let clock = std::sync::Arc::new(partnersam::clock::ManualClock::at(now.plus(DAY)));
    let parts = partnersam::app::Parts { clock: Some(clock.clone()), ..Default::default() };
    let app = partnersam::App::open_with(world.app.config().clone(), parts).await.expect("an app");
    let ahead = app.token(&graph()).await.expect("a token");
    // Less than clocks differ is no reason.
    clock.advance(-200);
    assert_eq!(app.token(&graph()).await.expect("a token").secret().expose(), ahead.secret().expose());
    clock.advance(200 - DAY);
    let put_right = app.token(&graph()).await.expect("a token");
    assert_ne!(put_right.secret().expose(), ahead.secret().expose());
    assert_eq!(app.token(&graph()).await.expect("a token").secret().expose(), put_right.secret().expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_as_text_and_a_missing_refresh_token_are_taken() {
    let world = World::new().await;
    world.consent().await;
    let before = world.app.grant(&partner()).await.expect("a grant");
    world.scenario(json!({ "numbers_as_strings": true, "omit_refresh_token": true })).await;
    let mut fresh = graph();
    fresh.fresh = true;
    let token = world.app.token(&fresh).await.expect("a token");
    assert!(token.expires_on > partnersam::clock::UnixTime(1_600_000_000));
    let after = world.app.grant(&partner()).await.expect("a grant");
    assert_eq!(
        before.facts.expires_on, after.facts.expires_on,
        "without a new refresh token the old one's end does not move"
    );
    world.scenario(json!({ "omit_refresh_token": false })).await;
    world.app.token(&fresh).await.expect("the old refresh token was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_knows_only_v1_is_asked_for_there() {
    let world = World::new().await;
    world.consent().await;
    world.forget_requests().await;
    let mut config = world.app.config().clone();
    config.v1_resources = vec![Audience::Arm];
    let app = partnersam::App::open(config).await.expect("an app");
    let mut request = graph();
    request.audience = Audience::Arm;
    request.fresh = true;
    let token = app.token(&request).await.expect("a token, its numbers as text");
    assert_eq!(token.audience, Audience::Arm);
    let asked = world.requests().await;
    assert_eq!(asked[0]["resource"], "https://management.azure.com", "{asked:?}");
}
