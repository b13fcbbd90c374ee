use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use partnersam::ErrorKind;
use partnersam::app::consent::{ConsentOptions, ConsentRequest};
use partnersam::app::import::ImportOptions;
use partnersam::clock::UnixTime;
use partnersam::secret::RefreshToken;
use partnersam::store::Taint;
use partnersam::transport::{HttpClient, Transport};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::world::{World, partner};

/// Counts what was sent before the first answer came.
#[derive(Debug)]
struct First {
    inner: HttpClient,
    sent: AtomicUsize,
    by_then: Arc<OnceLock<usize>>,
}

impl Transport for First {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, partnersam::Result<http::Response<Vec<u8>>>> {
        Box::pin(async move {
            self.sent.fetch_add(1, Ordering::SeqCst);
            let answer = self.inner.send(request, deadline).await;
            self.by_then.get_or_init(|| self.sent.load(Ordering::SeqCst));
            answer
        })
    }
}

/// Two partners that consented.
async fn two() -> World {
    let world = World::new().await;
    world.consent().await;
    let northwind = "northwind.example".parse().expect("a domain");
    let link = world.app.begin_consent(&ConsentRequest { partner: northwind, ..world.ask() }).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@northwind.example").await;
    world.app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_many_renewals_goes_alone() {
    let world = two().await;
    let by_then = Arc::new(OnceLock::new());
    let kept = by_then.clone();
    let app = world
        .app_by(|config| {
            let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
            Arc::new(First { inner, sent: AtomicUsize::new(0), by_then: kept })
        })
        .await;
    let renewed = app.renew_due(UnixTime(i64::MAX), |_, _, _| {}).await.expect("renewed");
    assert_eq!(renewed.iter().filter(|renewed| renewed.result.is_ok()).count(), 2);
    assert_eq!(by_then.get(), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_turns_of_a_run_are_spread_evenly() {
    const DAY: i64 = 24 * 3600;
    let world = two().await;
    let now = world.app.grant(&partner()).await.expect("a grant").facts.last_redeemed_on;
    world.app.renew_due(UnixTime(i64::MAX), |_, _, _| {}).await.expect("renewed");
    let grants = world.app.grants().await.expect("grants");
    let mut turns: Vec<_> = grants.iter().map(|grant| grant.facts.renew_after.since(now)).collect();
    turns.sort_unstable();
    // One of two on each of the two days; a minute for what came before.
    assert!((6 * DAY..7 * DAY + 60).contains(&turns[0]) && (7 * DAY..8 * DAY + 60).contains(&turns[1]), "{turns:?}");
}

/// Lets nothing go before it is told to.
#[derive(Debug)]
struct Gate {
    inner: HttpClient,
    asked: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Transport for Gate {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, partnersam::Result<http::Response<Vec<u8>>>> {
        Box::pin(async move {
            self.asked.add_permits(1);
            self.open.acquire().await.expect("an open gate").forget();
            self.inner.send(request, deadline).await
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_has_sent_is_saved_when_nobody_waits_any_more_and_no_more_is_sent() {
    let world = two().await;
    let (asked, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (rings, opens) = (asked.clone(), open.clone());
    let app = world
        .app_by(|config| {
            let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
            Arc::new(Gate { inner, asked: rings, open: opens })
        })
        .await;
    let generations = || async {
        let grants = world.app.grants().await.expect("grants");
        grants.iter().map(|grant| grant.generation).sum::<u64>()
    };
    let before = generations().await;
    tokio::select! {
        _ = app.renew_due(UnixTime(i64::MAX), |_, _, _| {}) => panic!("it ended behind a closed gate"),
        rang = asked.acquire() => rang.expect("a request").forget(),
    }
    open.add_permits(10);
    app.settle(Duration::from_secs(10)).await;
    assert_eq!((generations().await, asked.available_permits()), (before + 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_gives_a_grant_its_full_life_again() {
    let world = World::new().await;
    world.consent().await;
    let before = world.app.grant(&partner()).await.expect("a grant");
    let ends = world.app.renew(&partner()).await.expect("renewed");
    let after = world.app.grant(&partner()).await.expect("a grant");
    assert_eq!(ends, after.facts.expires_on);
    assert!(after.generation > before.generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_due_is_renewed_and_each_is_told_of() {
    let world = World::new().await;
    world.consent().await;
    let due = world.app.grant(&partner()).await.expect("a grant").facts.renew_after;
    let mut told = 0;
    let none = world.app.renew_due(due.plus(-1), |_, _, _| told += 1).await.expect("nothing due");
    assert_eq!((none.len(), told), (0, 0));
    let one = world.app.renew_due(due, |_, _, _| told += 1).await.expect("one due");
    assert_eq!((one.len(), told), (1, 1));
    assert!(one[0].result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_is_told_and_does_not_go_round_in_circles() {
    let world = World::new().await;
    world.consent().await;
    let due = world.app.grant(&partner()).await.expect("a grant").facts.renew_after;
    world.scenario(json!({ "revoke": { "all": true } })).await;
    let ended = world.app.renew_due(due, |_, _, _| {}).await.expect("the run itself goes on");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].result.as_ref().expect_err("revoked").kind(), ErrorKind::GrantRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_proved_before_it_is_stored() {
    let world = World::new().await;
    let error = world
        .app
        .import_grant(&partner(), RefreshToken::new("not-a-real-token"), &ImportOptions::default())
        .await
        .expect_err("not a token");
    assert!(
        matches!(
            error.kind(),
            ErrorKind::GrantExpired
                | ErrorKind::GrantRevoked
                | ErrorKind::RequestRefused
                | ErrorKind::InteractionRequired
                | ErrorKind::ConsentRequired
        ),
        "{error:?}"
    );
    assert!(world.app.grants().await.expect("grants").is_empty());

    // The partner has consented at the service; only this store knows nothing of it.
    world.consent().await;
    world.app.revoke(&partner()).await.expect("revoked");
    let seeded = world
        .control(
            "/grants",
            json!({ "client_id": world.app.config().client_id.as_str(), "upns": ["admin@fabrikam.com"] }),
        )
        .await;
    let token = seeded["grants"][0]["refresh_token"].as_str().expect("a token");
    let imported = world
        .app
        .import_grant(&partner(), RefreshToken::new(token), &ImportOptions::default())
        .await
        .expect("an import");
    assert!(imported.taints.contains(&Taint::Imported));
    assert_eq!(imported.user_name, "admin@fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_leaves_nothing() {
    let world = World::new().await;
    world.consent().await;
    let epoch = world.app.epoch();
    assert!(world.app.revoke(&partner()).await.expect("revoked"));
    assert!(!world.app.revoke(&partner()).await.expect("there was none any more"));
    assert_ne!(world.app.epoch(), epoch, "who keeps tokens is told");
    assert_eq!(world.app.token(&crate::world::graph()).await.expect_err("gone").kind(), ErrorKind::ConsentRequired);
}
