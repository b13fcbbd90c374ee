//! The long-running renewer, with a clock that the test holds.

use std::sync::Arc;
use std::time::Duration;

use partnersam::app::Parts;
use partnersam::app::credential::{Credentials, SecretCredential};
use partnersam::app::watch::Watched;
use partnersam::clock::{Clock, ManualClock, SystemClock};
use partnersam::schedule::Nearness;
use partnersam::secret::ClientSecret;
use serde_json::json;
use tokio::sync::mpsc;

use crate::world::{World, partner};

const DAY: i64 = 86_400;

fn word(event: &Watched<'_>) -> Option<String> {
    match event {
        Watched::Renewed(renewed) => Some(match &renewed.result {
            Ok(_) => "renewed".to_owned(),
            Err(error) => error.kind().id().to_owned(),
        }),
        Watched::Alert { nearness, .. } => Some(nearness.as_str().to_owned()),
        Watched::Credential(credential) => Some(format!("credential {}", credential.standing.notice().unwrap_or(999))),
        Watched::Trouble(error) => Some(format!("trouble {}", error.kind().id())),
        Watched::Idle(_) => Some("idle".to_owned()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_renewed_when_its_turn_comes_and_people_hear_of_one_that_ended() {
    let world = World::new().await;
    world.consent().await;
    let store = format!("sqlite:{}", world.store_path().display());
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let host = async || {
        let parts = Parts { clock: Some(clock.clone()), ..Parts::default() };
        let app = world.app_at(&store, parts).await;
        let (sender, receiver) = mpsc::unbounded_channel();
        let watching =
            tokio::spawn(async move { app.watch(move |event| drop(word(event).map(|word| sender.send(word)))).await });
        (watching, receiver)
    };
    let next = async |words: &mut mpsc::UnboundedReceiver<String>| {
        tokio::time::timeout(Duration::from_secs(60), words.recv()).await.expect("in time").expect("a word")
    };
    // Nothing is due yet, and its end is far.
    let (watching, mut words) = host().await;
    assert_eq!(next(&mut words).await, "idle");
    watching.abort();
    let _ = watching.await;
    let before = world.app.grant(&partner()).await.expect("a grant");
    clock.advance(9 * DAY);
    let (watching, mut words) = host().await;
    assert_eq!([next(&mut words).await, next(&mut words).await], ["renewed", "idle"]);
    let after = world.app.grant(&partner()).await.expect("a grant");
    // Nine days later; each turn has two days that it may fall on.
    assert!(after.facts.renew_after > before.facts.renew_after.plus(6 * DAY));
    watching.abort();
    let _ = watching.await;
    // Two hosts: the refusal is met by one, and people are told by one.
    world.scenario(json!({ "revoke": { "all": true } })).await;
    clock.advance(9 * DAY);
    let (one, mut first) = host().await;
    assert_eq!(
        [next(&mut first).await, next(&mut first).await, next(&mut first).await],
        ["GrantRevoked", "ended", "idle"]
    );
    let (two, mut second) = host().await;
    assert_eq!(next(&mut second).await, "idle");
    for watching in [one, two] {
        watching.abort();
        let _ = watching.await;
    }
    assert_eq!(Nearness::Ended.as_str(), "ended");
}

#[tokio::test]
async fn people_hear_of_each_step_towards_the_end_of_the_apps_credential_once() {
    let world = World::new().await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let secret =
        SecretCredential::new(ClientSecret::new("not-a-real-secret")).expiring(Some(clock.now().plus(61 * DAY)));
    let parts = Parts { clock: Some(clock.clone()), ..Parts::default() };
    let app = world.app_with(|config| config.credentials = Credentials::one(secret), parts).await;
    let (sender, mut words) = mpsc::unbounded_channel();
    tokio::time::pause();
    let watching =
        tokio::spawn(async move { app.watch(move |event| drop(word(event).map(|word| sender.send(word)))).await });
    let mut heard = Vec::new();
    for day in 0..=62 {
        // Each look is an hour or more after the one before.
        loop {
            match words.recv().await.expect("a word").as_str() {
                "idle" => break,
                other => heard.push((day, other.to_owned())),
            }
        }
        clock.advance(DAY);
    }
    watching.abort();
    let expected = [(1, 60), (31, 30), (47, 14), (54, 7), (60, 1), (61, 0)];
    assert_eq!(heard, expected.map(|(day, notice)| (day, format!("credential {notice}"))));
}
