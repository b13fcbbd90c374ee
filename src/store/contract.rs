//! What every store must do alike. `contract!(make)` runs it all against what `make` makes: a store and whatever must outlive it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::error::ErrorKind;
use crate::secret::{AccessToken, RefreshToken};
use crate::store::fixtures::*;
use crate::store::{
    Expect, GrantFacts, GrantState, GrantStore, MAX_PENDING, Mfa, MfaEvidence, PendingConsent, Taint, TokenFacts,
    TokenKey, Turn, Written,
};

macro_rules! contract {
    ($make:expr) => {
        $crate::store::contract::contract! { $make =>
            a_grant_comes_back_as_it_was_put
            grants_come_together_in_the_order_they_were_asked_for
            a_write_on_a_stale_generation_is_lost
            of_many_writers_one_wins_each_generation
            a_removed_grant_takes_everything_with_it
            tenants_come_in_order_and_in_pages
            due_grants_come_soonest_first_and_dead_ones_never
            a_turn_farther_off_than_a_grant_lives_has_come
            apps_and_authorities_do_not_mix
            tokens_come_back_and_go
            a_token_needs_an_active_grant
            a_dead_grant_or_another_account_ends_the_tokens
            a_grant_and_its_token_are_written_together
            a_pending_consent_is_used_once_among_racers
            pending_consents_end_and_are_bounded
            domains_are_remembered
            a_recovered_token_replaces_the_one_it_was_redeemed_from
            a_recovered_token_outlives_a_funeral
            a_recovered_token_of_a_removed_grant_is_not_put_over_a_later_consent
            a_lease_excludes_and_ends
            a_writable_store_says_so
        }
    };
    ($make:expr => $($test:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $test() {
            let (store, _outlives) = ($make)();
            $crate::store::contract::$test(std::sync::Arc::new(store)).await;
        }
    )+};
}
pub(crate) use contract;

type Store = Arc<dyn GrantStore>;

fn refresh_token(number: u64) -> RefreshToken {
    RefreshToken::new(format!("not-a-real-refresh-token-{number}"))
}

fn access_token(number: u64) -> AccessToken {
    AccessToken::new(format!("not-a-real-access-token-{number}"))
}

async fn put(store: &Store, number: u128, facts: &GrantFacts, expect: Expect) -> Written {
    store.put_grant(&grant_key(number), &refresh_token(1), facts, expect).await.unwrap()
}

pub(crate) async fn a_grant_comes_back_as_it_was_put(store: Store) {
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
    assert_eq!(put(&store, 1, &grant_facts(), Expect::Absent).await, Written::Yes(1));
    let changed = GrantFacts {
        user_oid: "another".to_owned(),
        user_name: "somebody-else@fabrikam.example".to_owned(),
        domains: Vec::new(),
        consented_on: NOW.plus(1),
        mfa: MfaEvidence {
            verdict: Mfa::No,
            amr: vec!["pwd".to_owned(), "rsa".to_owned()],
            partner_center: Some(false),
            checked_on: NOW.plus(2),
        },
        last_redeemed_on: NOW.plus(3),
        expires_on: NOW.plus(4),
        renew_after: NOW.plus(5),
        audiences: vec!["arm".to_owned(), "exchange".to_owned()],
        purpose: "changed".to_owned(),
        taints: vec![Taint::WithoutMfa],
        state: GrantState::Active,
    };
    let written = store.put_grant(&grant_key(1), &refresh_token(2), &changed, Expect::Generation(1)).await.unwrap();
    assert_eq!(written, Written::Yes(2));
    let grant = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!(grant.key, grant_key(1));
    assert_eq!(grant.generation, 2);
    assert_eq!(grant.refresh_token.expose(), refresh_token(2).expose());
    assert_eq!(grant.facts, changed);
    let longer = RefreshToken::new("not-a-real-token".repeat(9));
    let dead = store.put_grant(&grant_key(1), &longer, &dead_facts(), Expect::Generation(2)).await.unwrap();
    assert_eq!(dead, Written::Yes(3));
    let grant = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((grant.facts, grant.refresh_token.expose()), (dead_facts(), longer.expose()));
}

pub(crate) async fn grants_come_together_in_the_order_they_were_asked_for(store: Store) {
    let keys = [3, 1, 2, 3].map(grant_key);
    let found = async || -> Vec<Option<u128>> {
        let grants = store.grants_together(&keys).await.into_iter().map(Result::unwrap);
        let number = |key| (1..=3).find(|number| grant_key(*number) == key);
        grants.map(|grant| grant.and_then(|grant| number(grant.key))).collect()
    };
    assert_eq!(found().await, [None; 4]);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    put(&store, 3, &grant_facts(), Expect::Absent).await;
    assert_eq!(found().await, [Some(3), Some(1), None, Some(3)]);
}

pub(crate) async fn a_write_on_a_stale_generation_is_lost(store: Store) {
    assert_eq!(put(&store, 1, &grant_facts(), Expect::Generation(1)).await, Written::Lost(None));
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    assert_eq!(put(&store, 1, &dead_facts(), Expect::Absent).await, Written::Lost(Some(1)));
    assert_eq!(put(&store, 1, &dead_facts(), Expect::Generation(2)).await, Written::Lost(Some(1)));
    assert_eq!(put(&store, 1, &dead_facts(), Expect::Generation(0)).await, Written::Lost(Some(1)));
    assert_eq!(store.grant(&grant_key(1)).await.unwrap().unwrap().facts, grant_facts());
}

pub(crate) async fn of_many_writers_one_wins_each_generation(store: Store) {
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut won = Vec::new();
                for generation in 1..=40 {
                    if let Written::Yes(new) = put(&store, 1, &grant_facts(), Expect::Generation(generation)).await {
                        won.push(new);
                    }
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for writer in writers {
        won.extend(writer.await.unwrap());
    }
    won.sort_unstable();
    assert_eq!(won, (2..=41).collect::<Vec<u64>>());
}

pub(crate) async fn a_removed_grant_takes_everything_with_it(store: Store) {
    assert!(!store.remove_grant(&grant_key(1)).await.unwrap());
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    put(&store, 2, &grant_facts(), Expect::Absent).await;
    store.put_token(&token_key(1, "graph"), &access_token(1), &token_facts()).await.unwrap();
    assert!(store.remove_grant(&grant_key(1)).await.unwrap());
    assert!(!store.remove_grant(&grant_key(1)).await.unwrap());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
    assert!(store.grant(&grant_key(2)).await.unwrap().is_some());
    assert_eq!(put(&store, 1, &grant_facts(), Expect::Generation(1)).await, Written::Lost(None));
    assert_eq!(put(&store, 1, &grant_facts(), Expect::Absent).await, Written::Yes(1));
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
}

pub(crate) async fn tenants_come_in_order_and_in_pages(store: Store) {
    assert!(store.tenants(&app(), None, 10).await.unwrap().is_empty());
    for number in [3, 1, 2, 5, 4] {
        put(&store, number, &grant_facts(), Expect::Absent).await;
    }
    put(&store, 2, &dead_facts(), Expect::Generation(1)).await;
    let list = |numbers: &[u128]| numbers.iter().map(|number| tenant(*number)).collect::<Vec<_>>();
    assert_eq!(store.tenants(&app(), None, 10).await.unwrap(), list(&[1, 2, 3, 4, 5]));
    assert_eq!(store.tenants(&app(), None, 2).await.unwrap(), list(&[1, 2]));
    assert_eq!(store.tenants(&app(), Some(tenant(2)), 2).await.unwrap(), list(&[3, 4]));
    assert_eq!(store.tenants(&app(), Some(tenant(5)), 2).await.unwrap(), list(&[]));
    assert_eq!(store.tenants(&app(), None, usize::MAX).await.unwrap().len(), 5);
}

pub(crate) async fn due_grants_come_soonest_first_and_dead_ones_never(store: Store) {
    for (number, renew_after) in [(1, 300), (2, 100), (3, 200), (4, 100), (5, 400)] {
        let facts = GrantFacts { renew_after: NOW.plus(renew_after), ..grant_facts() };
        put(&store, number, &facts, Expect::Absent).await;
    }
    put(&store, 3, &GrantFacts { renew_after: NOW, ..dead_facts() }, Expect::Generation(1)).await;
    let list = |numbers: &[u128]| numbers.iter().map(|number| tenant(*number)).collect::<Vec<_>>();
    assert_eq!(store.due(&app(), due_in(300), 10).await.unwrap(), list(&[2, 4, 1]));
    assert_eq!(store.due(&app(), due_in(300), 2).await.unwrap(), list(&[2, 4]));
    assert_eq!(store.due(&app(), due_in(99), 10).await.unwrap(), list(&[]));
    let renewed = GrantFacts { renew_after: NOW.plus(1000), ..grant_facts() };
    put(&store, 2, &renewed, Expect::Generation(1)).await;
    assert_eq!(store.due(&app(), due_in(300), 10).await.unwrap(), list(&[4, 1]));
}

pub(crate) async fn a_turn_farther_off_than_a_grant_lives_has_come(store: Store) {
    const LIFE: i64 = 90 * 86_400;
    for (number, renew_after) in [(1, LIFE), (2, LIFE + 1), (3, 50), (4, 400 * 86_400), (5, 600)] {
        let facts = GrantFacts { renew_after: NOW.plus(renew_after), ..grant_facts() };
        put(&store, number, &facts, Expect::Absent).await;
    }
    let dead = GrantFacts { renew_after: NOW.plus(2 * LIFE), ..dead_facts() };
    put(&store, 6, &dead, Expect::Absent).await;
    let list = |numbers: &[u128]| numbers.iter().map(|number| tenant(*number)).collect::<Vec<_>>();
    assert_eq!(store.due(&app(), due_in(0), 10).await.unwrap(), list(&[2, 4]));
    assert_eq!(store.due(&app(), due_in(100), 10).await.unwrap(), list(&[3, 4]));
    assert_eq!(store.due(&app(), due_in(100), 1).await.unwrap(), list(&[3]));
    let mut claimed = store.claim_due(&app(), due_in(0), 10).await.unwrap();
    claimed.sort_unstable();
    assert_eq!(claimed, list(&[2, 4]));
    store.release_claims().await.unwrap();
    // Renewed by a clock that is right, it has its turn as others have.
    let renewed = GrantFacts { renew_after: NOW.plus(700), ..grant_facts() };
    put(&store, 4, &renewed, Expect::Generation(1)).await;
    assert_eq!(store.due(&app(), due_in(0), 10).await.unwrap(), list(&[2]));
    assert_eq!(store.due(&app(), due_in(700), 10).await.unwrap(), list(&[3, 5, 4]));
    let all = Turn::new(UnixTime(i64::MAX), 0);
    assert_eq!(store.due(&app(), all, 10).await.unwrap(), list(&[3, 5, 4, 1, 2]));
}

pub(crate) async fn apps_and_authorities_do_not_mix(store: Store) {
    let mut elsewhere = app();
    elsewhere.authority = "public".to_owned();
    let mut another = app();
    another.client_id = "another-app".parse().unwrap();
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    store.put_token(&token_key(1, "graph"), &access_token(1), &token_facts()).await.unwrap();
    store.put_pending(&pending(1), NOW).await.unwrap();
    for other in [&elsewhere, &another] {
        let key = other.grant(tenant(1));
        assert!(store.grant(&key).await.unwrap().is_none());
        assert!(store.tenants(other, None, 10).await.unwrap().is_empty());
        assert!(store.due(other, due_in(1_000_000), 10).await.unwrap().is_empty());
        let token = TokenKey { grant: key.clone(), ..token_key(1, "graph") };
        assert!(store.token(&token).await.unwrap().is_none());
        assert!(store.pending(other, &[1; 32]).await.unwrap().is_none());
        assert!(!store.take_pending(other, &[1; 32]).await.unwrap());
        assert!(!store.remove_grant(&key).await.unwrap());
    }
    for (wrong_tenant, wrong_audience) in [(tenant(2), "graph"), (tenant(1), "arm")] {
        let key = TokenKey { tenant: wrong_tenant, audience: wrong_audience.to_owned(), ..token_key(1, "graph") };
        assert!(store.token(&key).await.unwrap().is_none());
    }
    assert!(store.grant(&grant_key(1)).await.unwrap().is_some());
}

pub(crate) async fn tokens_come_back_and_go(store: Store) {
    let key = token_key(1, "graph");
    assert!(store.token(&key).await.unwrap().is_none());
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    assert!(store.token(&key).await.unwrap().is_none());
    store.put_token(&key, &access_token(1), &token_facts()).await.unwrap();
    let later = TokenFacts { expires_on: NOW.plus(7200), ..token_facts() };
    store.put_token(&key, &access_token(2), &later).await.unwrap();
    // A rotation of the grant leaves its tokens as good as they were.
    put(&store, 1, &grant_facts(), Expect::Generation(1)).await;
    let token = store.token(&key).await.unwrap().unwrap();
    assert_eq!((token.token.expose(), token.facts), (access_token(2).expose(), later));
    store.remove_token(&key).await.unwrap();
    store.remove_token(&key).await.unwrap();
    assert!(store.token(&key).await.unwrap().is_none());
}

pub(crate) async fn a_token_needs_an_active_grant(store: Store) {
    let key = token_key(1, "graph");
    store.put_token(&key, &access_token(1), &token_facts()).await.unwrap();
    put(&store, 1, &dead_facts(), Expect::Absent).await;
    store.put_token(&key, &access_token(1), &token_facts()).await.unwrap();
    put(&store, 1, &grant_facts(), Expect::Generation(1)).await;
    assert!(store.token(&key).await.unwrap().is_none());
}

pub(crate) async fn a_dead_grant_or_another_account_ends_the_tokens(store: Store) {
    let another = GrantFacts { user_oid: "user-2".to_owned(), ..grant_facts() };
    for (number, after) in [(1, dead_facts()), (2, another)] {
        let key = token_key(number, "graph");
        put(&store, number, &grant_facts(), Expect::Absent).await;
        store.put_token(&key, &access_token(1), &token_facts()).await.unwrap();
        put(&store, number, &after, Expect::Generation(1)).await;
        assert!(store.token(&key).await.unwrap().is_none());
        put(&store, number, &grant_facts(), Expect::Generation(2)).await;
        assert!(store.token(&key).await.unwrap().is_none());
    }
}

pub(crate) async fn a_grant_and_its_token_are_written_together(store: Store) {
    let (key, token) = (grant_key(1), token_key(1, "graph"));
    let (first, second, facts) = (access_token(1), access_token(2), token_facts());
    let write = |access, expect| {
        let store = Arc::clone(&store);
        let (key, token, facts) = (&key, &token, &facts);
        async move {
            store
                .put_grant_and_token(key, &refresh_token(1), &grant_facts(), expect, (token, access, facts))
                .await
                .unwrap()
        }
    };
    assert_eq!(write(&first, Expect::Absent).await, Written::Yes(1));
    assert_eq!(store.token(&token).await.unwrap().unwrap().token.expose(), first.expose());
    assert_eq!(write(&second, Expect::Absent).await, Written::Lost(Some(1)));
    assert_eq!(store.token(&token).await.unwrap().unwrap().token.expose(), first.expose());
    let (other, dead, rotated) = (grant_key(2), dead_facts(), refresh_token(1));
    let crossed = store.put_grant_and_token(&other, &rotated, &dead, Expect::Absent, (&token, &second, &facts));
    assert_eq!(crossed.await.unwrap_err().kind(), ErrorKind::Internal);
    assert!(store.grant(&other).await.unwrap().is_none());
    assert_eq!(write(&second, Expect::Generation(1)).await, Written::Yes(2));
    assert_eq!(store.token(&token).await.unwrap().unwrap().token.expose(), second.expose());
    let at_the_end = (&token, &second, &facts);
    store.put_grant_and_token(&key, &refresh_token(1), &dead, Expect::Generation(2), at_the_end).await.unwrap();
    assert!(store.token(&token).await.unwrap().is_none());
}

pub(crate) async fn a_pending_consent_is_used_once_among_racers(store: Store) {
    assert!(!store.take_pending(&app(), &[1; 32]).await.unwrap());
    store.put_pending(&pending(1), NOW).await.unwrap();
    let found = store.pending(&app(), &[1; 32]).await.unwrap().unwrap();
    assert_eq!((found.app, found.state_hash, found.facts), (app(), [1; 32], pending(1).facts));
    assert_eq!(found.verifier.expose(), pending(1).verifier.expose());
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.take_pending(&app(), &[1; 32]).await.unwrap() })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert!(store.pending(&app(), &[1; 32]).await.unwrap().is_none());
}

pub(crate) async fn pending_consents_end_and_are_bounded(store: Store) {
    let numbered = |number: usize, seconds: i64| {
        let mut pending = pending(0);
        pending.state_hash = [0; 32];
        pending.state_hash[..8].copy_from_slice(&number.to_be_bytes());
        pending.facts.expires_on = NOW.plus(seconds);
        pending
    };
    // The first few end sooner than the others.
    let fill: Vec<_> = (0..MAX_PENDING).map(|number| numbered(number, if number < 3 { 60 } else { 600 })).collect();
    let puts = fill.iter().map(|pending: &PendingConsent| store.put_pending(pending, NOW));
    for outcome in futures_util::future::join_all(puts).await {
        outcome.unwrap();
    }
    let full = store.put_pending(&numbered(MAX_PENDING, 600), NOW).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StoreUnavailable);
    store.put_pending(&numbered(MAX_PENDING, 600), NOW.plus(60)).await.unwrap();
    assert!(store.pending(&app(), &numbered(0, 0).state_hash).await.unwrap().is_none());
    assert!(store.pending(&app(), &numbered(3, 0).state_hash).await.unwrap().is_some());
}

pub(crate) async fn domains_are_remembered(store: Store) {
    assert!(store.domain("emulator", "fabrikam.example").await.unwrap().is_none());
    store.put_domain("emulator", "fabrikam.example", tenant(1), NOW).await.unwrap();
    store.put_domain("public", "fabrikam.example", tenant(2), NOW).await.unwrap();
    store.put_domain("emulator", "fabrikam.example", tenant(3), NOW.plus(1)).await.unwrap();
    assert_eq!(store.domain("emulator", "fabrikam.example").await.unwrap(), Some((tenant(3), NOW.plus(1))));
    assert_eq!(store.domain("public", "fabrikam.example").await.unwrap(), Some((tenant(2), NOW)));
    assert!(store.domain("emulator", "contoso.example").await.unwrap().is_none());
}

pub(crate) async fn a_recovered_token_replaces_the_one_it_was_redeemed_from(store: Store) {
    for number in [1, 2, 9] {
        put(&store, number, &grant_facts(), Expect::Absent).await;
    }
    put(&store, 2, &grant_facts(), Expect::Generation(1)).await;
    for number in [1, 2, 3] {
        store.put_recovery(&grant_key(number), &refresh_token(7), &grant_facts(), 1).await.unwrap();
    }
    // Any write that succeeds brings the journal to its place.
    put(&store, 9, &grant_facts(), Expect::Generation(1)).await;
    put(&store, 9, &grant_facts(), Expect::Generation(2)).await;
    let applied = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((applied.generation, applied.refresh_token.expose()), (2, refresh_token(7).expose()));
    let newer = store.grant(&grant_key(2)).await.unwrap().unwrap();
    assert_eq!((newer.generation, newer.refresh_token.expose()), (2, refresh_token(1).expose()));
    assert!(store.grant(&grant_key(3)).await.unwrap().is_none(), "a removed grant came back");
}

pub(crate) async fn a_recovered_token_outlives_a_funeral(store: Store) {
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    put(&store, 9, &grant_facts(), Expect::Absent).await;
    // Another process was refused the token that had just been used up, before it could know of the next one.
    put(&store, 1, &dead_facts(), Expect::Generation(1)).await;
    store.put_recovery(&grant_key(1), &refresh_token(7), &grant_facts(), 1).await.unwrap();
    put(&store, 9, &grant_facts(), Expect::Generation(1)).await;
    put(&store, 9, &grant_facts(), Expect::Generation(2)).await;
    let kept = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((kept.generation, kept.refresh_token.expose()), (3, refresh_token(7).expose()));
    assert_eq!(kept.facts.state, GrantState::Active);
}

pub(crate) async fn a_recovered_token_of_a_removed_grant_is_not_put_over_a_later_consent(store: Store) {
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    put(&store, 9, &grant_facts(), Expect::Absent).await;
    store.remove_grant(&grant_key(1)).await.unwrap();
    let again = GrantFacts { consented_on: NOW.plus(3600), ..grant_facts() };
    store.put_grant(&grant_key(1), &refresh_token(2), &again, Expect::Absent).await.unwrap();
    // Of a redemption that was under way all the time.
    store.put_recovery(&grant_key(1), &refresh_token(7), &grant_facts(), 4).await.unwrap();
    put(&store, 9, &grant_facts(), Expect::Generation(1)).await;
    put(&store, 9, &grant_facts(), Expect::Generation(2)).await;
    let kept = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((kept.generation, kept.refresh_token.expose()), (1, refresh_token(2).expose()));
}

pub(crate) async fn a_lease_excludes_and_ends(store: Store) {
    let held = store.lease("one", Duration::ZERO).await.unwrap().unwrap();
    assert!(store.lease("one", Duration::ZERO).await.unwrap().is_none());
    assert!(store.lease("one", Duration::from_millis(30)).await.unwrap().is_none());
    let other = store.lease("another", Duration::ZERO).await.unwrap();
    assert!(other.is_some());
    let waiter = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.lease("one", Duration::from_secs(600)).await.unwrap().is_some() })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiter.is_finished());
    drop(held);
    assert!(waiter.await.unwrap());
    assert!(store.lease("one", Duration::ZERO).await.unwrap().is_some());
}

pub(crate) async fn a_writable_store_says_so(store: Store) {
    store.check_writable().await.unwrap();
    assert!(store.tenants(&app(), None, 10).await.unwrap().is_empty());
}
