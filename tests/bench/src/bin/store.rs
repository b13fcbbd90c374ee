//! What one rotation costs in a store with one grant and in one with many, and how long a full store takes to open. Prints one JSON line each.
//!
//! `bench-store STORE KEY_FILE GRANTS ROTATIONS` fills the store up to so many grants first; one that is filled already is used as it is.

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, reason = "a measuring program")]

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use partnersam::TenantId;
use partnersam::clock::{Clock, SystemClock};
use partnersam::secret::{AccessToken, RefreshToken};
use partnersam::store::{
    self, AppKey, Expect, GrantFacts, GrantState, GrantStore, KeySource, MfaEvidence, PasswordSource, TokenFacts,
    TokenKey, Written,
};
use uuid::Uuid;

fn tenant(number: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(0xbbbb_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn facts() -> GrantFacts {
    let now = SystemClock.now();
    GrantFacts {
        user_oid: "00000000-0000-0000-0000-000000000001".to_owned(),
        user_name: "admin@fabrikam.example".to_owned(),
        domains: vec!["fabrikam.example".to_owned()],
        consented_on: now,
        mfa: MfaEvidence::default(),
        last_redeemed_on: now,
        expires_on: now.plus(90 * 86_400),
        renew_after: now.plus(7 * 86_400),
        audiences: vec!["graph".to_owned()],
        purpose: "bench".to_owned(),
        taints: Vec::new(),
        state: GrantState::Active,
    }
}

/// One rotation as a redemption does it: read the grant, find out whether it can be saved, save it with its access token.
async fn rotate(store: &dyn GrantStore, app: &AppKey, number: u128) {
    let key = app.grant(tenant(number));
    let grant = store.grant(&key).await.expect("a readable store").expect("a grant");
    store.check_writable().await.expect("a writable store");
    let token_key = TokenKey { grant: key.clone(), tenant: tenant(number), audience: "graph".to_owned() };
    let token = AccessToken::new("t".repeat(1_400));
    let now = SystemClock.now();
    let token_facts = TokenFacts {
        received_on: now,
        expires_on: now.plus(3600),
        refresh_after: now.plus(3300),
        scopes: Vec::new(),
        mfa: partnersam::store::Mfa::Yes,
    };
    let rotated = RefreshToken::new("r".repeat(1_100));
    let expect = Expect::Generation(grant.generation);
    let written = store.put_grant_and_token(&key, &rotated, &facts(), expect, (&token_key, &token, &token_facts)).await;
    assert!(matches!(written.expect("written"), Written::Yes(_)), "nobody else writes here");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, key, grants, rotations] = arguments.as_slice() else {
        eprintln!("bench-store STORE KEY_FILE GRANTS ROTATIONS");
        std::process::exit(2);
    };
    let (grants, rotations): (u128, u128) = (grants.parse().expect("a number"), rotations.parse().expect("a number"));
    let open = || {
        let keys = KeySource::File(key.into()).provider(None);
        store::open(uri, keys, PasswordSource::default()).expect("a store")
    };
    let app = AppKey { authority: "bench".to_owned(), client_id: "not-a-real-app".parse().expect("an id") };
    {
        let store = open();
        let there = store.grant(&app.grant(tenant(grants - 1))).await.expect("a readable store").is_some();
        if !there {
            let started = Instant::now();
            let fill =
                stream::iter(0..grants).map(|number| {
                    let (store, key) = (&store, app.grant(tenant(number)));
                    async move {
                        store.put_grant(&key, &RefreshToken::new("r".repeat(1_100)), &facts(), Expect::Absent).await
                    }
                });
            fill.buffer_unordered(256)
                .for_each(async |written| assert!(matches!(written.expect("written"), Written::Yes(_))))
                .await;
            // What was filled is on its way to the disk for half a minute, and every commit would wait behind it.
            rustix::fs::sync();
            eprintln!("filled with {grants} grants in {:?}", started.elapsed());
        }
    }
    // As a fresh process does it: nothing is open, no key is loaded.
    let started = Instant::now();
    let store = open();
    store.grant(&app.grant(tenant(grants / 2))).await.expect("a readable store").expect("a grant");
    let opened = started.elapsed();
    let mut times = Vec::new();
    for turn in 0..rotations {
        // Spread over the store: not the page that was written last.
        let number = turn * 7_919 % grants;
        let started = Instant::now();
        rotate(store.as_ref(), &app, number).await;
        times.push(started.elapsed().as_micros());
    }
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() - 1) * share / 100).copied().unwrap_or_default();
    println!(
        "{{\"grants\": {grants}, \"open_us\": {}, \"rotation_us\": {{\"p10\": {}, \"median\": {}, \"p90\": {}}}}}",
        opened.as_micros(),
        at(10),
        at(50),
        at(90)
    );
}
