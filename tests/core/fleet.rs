//! Several hosts on one PostgreSQL: an app each, with caches of its own.

use std::sync::Arc;
use std::time::Duration;

use partnersam::Audience;
use partnersam::ErrorKind;
use partnersam::app::consent::ConsentOptions;
use partnersam::app::token::TokenRequest;
use partnersam::app::{App, Parts};
use partnersam::clock::{Clock as _, ManualClock, SystemClock};
use partnersam::store::StoreCondition;
use serde_json::json;

use crate::server::{Server, shared};
use crate::world::{World, graph, partner};

/// A consent that one host began and another completed.
async fn consented(world: &World, begins: &App, completes: &App) {
    let link = begins.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    completes.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
}

fn in_memory(app: &App) -> bool {
    let tenant = app.tenant_in_memory(&partner()).expect("a known tenant");
    app.token_in_memory(tenant, tenant, &Audience::Graph, None).expect("allowed").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_on_one_host_is_felt_on_another_at_once() {
    let world = World::new().await;
    let store = shared().database();
    let (here, there) = (world.app_at(&store, Parts::default()).await, world.app_at(&store, Parts::default()).await);
    consented(&world, &here, &there).await;
    world.forget_requests().await;
    let (one, other) = (here.token(&graph()).await.expect("a token"), there.token(&graph()).await.expect("a token"));
    // One redemption for all: the second host has the first one's sealed token.
    assert!(world.redemptions("refresh_token").await <= 1);
    assert_eq!(one.secret().expose(), other.secret().expose());
    assert!(in_memory(&here) && in_memory(&there));
    let epoch = there.epoch();
    here.revoke(&partner()).await.expect("revoked");
    while there.epoch() == epoch {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!in_memory(&there));
    assert_eq!(there.token(&graph()).await.expect_err("revoked").kind(), ErrorKind::ConsentRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_cached_tokens_are_served_and_nothing_is_redeemed() {
    let world = World::new().await;
    let mut server = Server::start("on");
    let app = world.app_at(&server.database(), Parts::default()).await;
    consented(&world, &app, &app).await;
    let only = TokenRequest::new(Audience::Graph);
    let before = app.token(&only).await.expect("a token");
    assert!(matches!(app.store_condition(), StoreCondition::Ok));
    server.crash();
    world.forget_requests().await;
    let served = app.token(&only).await.expect("the cached token");
    assert_eq!(served.secret().expose(), before.secret().expose());
    let fresh = TokenRequest { fresh: true, ..graph() };
    assert_eq!(app.token(&fresh).await.expect_err("no store").kind(), ErrorKind::StoreUnavailable);
    assert_eq!(app.renew(&partner()).await.expect_err("no store").kind(), ErrorKind::StoreUnavailable);
    assert!(matches!(app.store_condition(), StoreCondition::Degraded { .. }));
    assert_eq!(world.redemptions("refresh_token").await, 0);
    server.go();
    while !matches!(app.store_condition(), StoreCondition::Ok) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.token(&fresh).await.expect("a new token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_known_goes_on_while_the_database_is_away() {
    const DAY: i64 = 86_400;
    let world = World::new().await;
    // Good for two days, and a name is taken for what it was for one.
    world.scenario(json!({ "access_token_lifetime": 2 * DAY })).await;
    let server = Server::start("off");
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let parts = Parts { clock: Some(clock.clone()), ..Parts::default() };
    let app = world.app_at(&server.database(), parts).await;
    consented(&world, &app, &app).await;
    let before = app.token(&graph()).await.expect("a token");
    server.crash();
    clock.advance(DAY + 60);
    let served = app.token(&graph()).await.expect("the cached token");
    assert_eq!(served.secret().expose(), before.secret().expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_hosts_that_renew_at_once_one_renews_each_grant() {
    let world = World::new().await;
    let store = shared().database();
    let first = world.app_at(&store, Parts::default()).await;
    consented(&world, &first, &first).await;
    let due = first.grant(&partner()).await.expect("a grant").facts.renew_after;
    world.forget_requests().await;
    let mut hosts = Vec::new();
    for _ in 0..4 {
        // By the clock of that day, for the next turn may be before this one by today's.
        let clock = Arc::new(ManualClock::at(due));
        let app = world.app_at(&store, Parts { clock: Some(clock), ..Parts::default() }).await;
        hosts.push(tokio::spawn(async move { app.renew_due(due, |_, _, _| {}).await.expect("renewed").len() }));
    }
    let mut renewed = 0;
    for host in hosts {
        renewed += host.await.expect("a host");
    }
    assert_eq!(renewed, 1);
    assert_eq!(world.redemptions("refresh_token").await, 1);
}
