use std::os::unix::fs::PermissionsExt;

use partnersam::ErrorKind;
use serde_json::json;

use crate::world::{World, graph, partner};

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_durable_before_the_access_token_is_handed_out() {
    let world = World::new().await;
    world.scenario(json!({ "strict_refresh": true })).await;
    world.consent().await;
    let mut fresh = graph();
    fresh.fresh = true;
    for _ in 0..5 {
        world.app.token(&fresh).await.expect("a token");
        // What a process that was killed here would leave: another app must be able to go on.
        world.another_app().await.token(&fresh).await.expect("the rotated token was in the store");
    }
    assert!(world.app.grant(&partner()).await.expect("a grant").generation >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_that_race_with_one_use_tokens_all_succeed() {
    let world = World::new().await;
    world.scenario(json!({ "strict_refresh": true })).await;
    world.consent().await;
    let mut racers = Vec::new();
    for _ in 0..8 {
        let app = world.another_app().await;
        racers.push(tokio::spawn(async move {
            let mut fresh = graph();
            fresh.fresh = true;
            app.token(&fresh).await
        }));
    }
    for racer in racers {
        racer.await.expect("no panic").expect("a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_redeemed_that_could_not_be_saved() {
    let world = World::new().await;
    world.consent().await;
    world.forget_requests().await;
    let app = world.another_app().await;
    app.grant(&partner()).await.expect("open the store while it can be opened");
    let holder = rusqlite_lock(&world);
    let mut fresh = graph();
    fresh.fresh = true;
    let error = app.token(&fresh).await.expect_err("the store is held");
    assert!(matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::StoreUnwritable), "{error:?}");
    assert_eq!(world.redemptions("refresh_token").await, 0);
    drop(holder);
    app.token(&fresh).await.expect("it recovers by itself");
}

/// Holds the write lock of the store, as a stuck backup would.
fn rusqlite_lock(world: &World) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(world.store_path()).expect("a connection");
    connection.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn store_and_folder_are_for_the_owner_only() {
    let world = World::new().await;
    world.consent().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&world.store_path()), 0o600);
    assert_eq!(mode(world.store_path().parent().expect("a folder")), 0o700);
}
