//! A new key for the records of a vault that several hosts use.

use http::Method;

use super::*;
use crate::store::rotation::Moved;
use crate::store::rotation::contract::{Shared, finish, rotate, rotation_contract};
use crate::store::seal::Sealer;

/// Hosts that read one source, and what each has beside the vault.
fn hosts(source: &Arc<Several>) -> (Host, Host) {
    let host = || Host { keys: source.clone(), ..Host::new() };
    (host(), host())
}

/// A vault of its own, and two hosts.
struct Vault {
    lab: Lab,
    one: Host,
    two: Host,
}

impl Vault {
    fn new() -> Self {
        Self { lab: Lab::new(), one: Host::new(), two: Host::new() }
    }

    fn store(&self, host: &Host, source: &Arc<Several>) -> Arc<dyn GrantStore> {
        Arc::new(self.lab.store_with(host, source.clone()))
    }
}

impl Shared for Vault {
    fn open(&self, source: &Arc<Several>) -> Arc<dyn GrantStore> {
        self.store(&self.one, source)
    }

    fn elsewhere(&self, source: &Arc<Several>) -> Arc<dyn GrantStore> {
        self.store(&self.two, source)
    }
}

rotation_contract!(Vault::new);

fn facts(consented_on: i64) -> GrantFacts {
    GrantFacts { consented_on: NOW.plus(consented_on), ..grant_facts() }
}

async fn with_three_grants(lab: &Lab, host: &Host) {
    let store = lab.store(host);
    for number in [1, 2, 3] {
        let (key, access) = (grant_key(number), AccessToken::new("not-a-real-access-token"));
        store.put_grant(&key, &token(1), &grant_facts(), Expect::Absent).await.unwrap();
        store.put_token(&token_key(number, "graph"), &access, &token_facts()).await.unwrap();
    }
    store.put_pending(&pending(7), NOW).await.unwrap();
}

/// Everything that is kept, as a process with nothing in memory finds it.
async fn read_all(lab: &Lab, host: &Host) -> Vec<String> {
    let store = lab.store(host);
    let mut found = Vec::new();
    for number in [1, 2, 3] {
        let grant = store.grant(&grant_key(number)).await.unwrap().unwrap();
        let token = store.token(&token_key(number, "graph")).await.unwrap();
        // EXPOSE: compared with what was put in.
        let access = token.as_ref().map_or("none", |token| token.token.expose());
        found.push(format!("{} {} {access}", grant.generation, grant.refresh_token.expose()));
    }
    assert_eq!(store.tenants(&app(), None, 10).await.unwrap(), [tenant(1), tenant(2), tenant(3)]);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_leaves_one_readable_version_of_each_grant_and_one_word() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, _) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let store = lab.store(&one);
    rotate(&store).await;
    for number in [1, 2, 3] {
        assert_eq!(lab.versions(&store, number).await, (2, 1), "one that can be read, under the new key");
    }
    let words = store.vault.versions(names::STORE).await.unwrap();
    assert_eq!(words.iter().filter(|word| word.enabled).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_on_another_host_in_the_midst_of_a_change_of_keys_is_seen_by_all() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, two) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let (rotating, old) = (lab.store(&one), lab.store(&two));
    let mut on = 0;
    let mut consent = async || {
        on += 1;
        let before = old.grant(&grant_key(1)).await.unwrap().unwrap();
        let expect = Expect::Generation(before.generation);
        assert_eq!(put(&old, 1, &facts(on), expect).await, Written::Yes(before.generation + 1));
        assert_eq!(lab.store(&one).grant(&grant_key(1)).await.unwrap().unwrap().facts, facts(on));
    };
    consent().await;
    rotating.add(None).await.unwrap();
    rotating.switch(None).await.unwrap();
    consent().await;
    while rotating.move_some(1).await.unwrap().seen > 0 {
        consent().await;
    }
    rotating.settle().await.unwrap();
    rotating.retire(None).await.unwrap();
    consent().await;
    rotate(&rotating).await;
    consent().await;
    assert_eq!(lab.versions(&rotating, 1).await.1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_new_key_is_told_and_goes_on_once_it_is_there() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, _) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let bare = Arc::new(Several::new(1));
    let left_out = lab.store(&Host { keys: bare.clone(), ..Host::new() });
    assert!(left_out.grant(&grant_key(1)).await.is_ok());
    rotate(&lab.store(&one)).await;
    let error = left_out.grant(&grant_key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreKeyWrong);
    assert!(error.hint().contains("bring the new key to this host"), "{error:?}");
    bare.hold(&[1, 2]);
    assert!(left_out.grant(&grant_key(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_off_through_changes_opens_what_it_left_and_keeps_its_newer_token() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, two) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let off = lab.store(&two);
    read_all(&lab, &two).await;
    // Newer than the vault's by a rotation, which stays on the host for a week.
    put(&off, 8, &grant_facts(), Expect::Generation(1)).await;
    off.put_token(&token_key(1, "graph"), &AccessToken::new("not-a-real-token-of-two"), &token_facts()).await.unwrap();
    off.put_pending(&pending(5), NOW).await.unwrap();
    let beside = off.seal_beside("label", b"beside").await.unwrap().unwrap();
    drop(off);
    for _ in 0..2 {
        rotate(&lab.store(&one)).await;
    }
    assert_eq!(source.held(), [3]);
    // Each a process of its own, which begins with something else.
    let store = lab.store(&two);
    assert_eq!(store.open_beside("label", &beside).await.unwrap().unwrap().as_slice(), b"beside");
    assert!(lab.store(&two).pending(&app(), &[5; 32]).await.unwrap().is_some());
    let cached = lab.store(&two).token(&token_key(1, "graph")).await.unwrap().unwrap();
    // EXPOSE: compared with what was put in.
    assert_eq!(cached.token.expose(), "not-a-real-token-of-two");
    let store = lab.store(&two);
    assert_eq!(token_of(&store).await, token(8).expose(), "the mover's version went over a newer token");
    assert!(!store.is_current_beside("label", &beside).await.unwrap());
    let anew = store.seal_beside("label", b"beside").await.unwrap().unwrap();
    assert!(lab.store(&two).is_current_beside("label", &anew).await.unwrap());
    // It is under the new key itself now, and asks no vault for it.
    lab.told(json!({ "firewall": true })).await;
    assert!(lab.store(&two).token(&token_key(1, "graph")).await.unwrap().is_some());
}

/// Lets `what` happen on another host just before this one's next request of a kind goes out, while it moves grant 1.
async fn moved_while(lab: &Lab, method: Method, what: impl FnOnce(KeyVaultStore) -> BoxFuture<'static, ()>) -> Host {
    let source = Arc::new(Several::new(1));
    let (one, two) = hosts(&source);
    with_three_grants(lab, &one).await;
    let (mover, other) = (lab.store(&one), lab.store(&two));
    other.grant(&grant_key(1)).await.unwrap();
    mover.add(None).await.unwrap();
    mover.switch(None).await.unwrap();
    let name = mover.name(&grant_key(1));
    *one.before.lock().unwrap() = Some((method, format!("/secrets/{name}"), what(other)));
    finish(&mover).await;
    assert!(one.before.lock().unwrap().is_none(), "it never came to that");
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_revoked_while_it_is_moved_does_not_come_back() {
    for method in [Method::PUT, Method::PATCH] {
        let lab = Lab::new();
        let revoke =
            |other: KeyVaultStore| async move { assert!(other.remove_grant(&grant_key(1)).await.unwrap()) }.boxed();
        let one = moved_while(&lab, method, revoke).await;
        let store = lab.store(&one);
        assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
        assert_eq!(store.tenants(&app(), None, 10).await.unwrap(), [tenant(2), tenant(3)]);
        assert!(store.vault.versions(&store.name(&grant_key(1))).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_and_kept_while_it_is_moved_is_not_recovered() {
    for method in [Method::PUT, Method::PATCH] {
        let lab = Lab::new();
        let delete = |other: KeyVaultStore| {
            async move { assert!(other.vault.delete(&other.name(&grant_key(1))).await.unwrap()) }.boxed()
        };
        let one = moved_while(&lab, method, delete).await;
        let store = lab.store(&one);
        assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
        assert!(store.vault.is_recoverable(&store.name(&grant_key(1))).await.unwrap());
        // And a consent brings it back as one that opens.
        put(&store, 9, &facts(9), Expect::Absent).await;
        // EXPOSE: compared with what was put in.
        assert_eq!((token_of(&store).await.as_str(), lab.versions(&store, 1).await.1), (token(9).expose(), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_while_its_grant_is_moved_is_what_holds() {
    for method in [Method::PUT, Method::PATCH] {
        let lab = Lab::new();
        let consent = |other: KeyVaultStore| {
            async move { assert_eq!(put(&other, 9, &facts(9), Expect::Generation(1)).await, Written::Yes(2)) }.boxed()
        };
        let one = moved_while(&lab, method.clone(), consent).await;
        let grant = lab.store(&one).grant(&grant_key(1)).await.unwrap().unwrap();
        // EXPOSE: compared with what was put in.
        assert_eq!((grant.refresh_token.expose(), grant.facts), (token(9).expose(), facts(9)), "{method}");
        assert_eq!(lab.versions(&lab.store(&one), 1).await.1, 1, "{method}: an older version can still be read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_of_a_host_that_is_killed_before_it_disables_what_was_before_is_what_holds() {
    let lab = Lab::new();
    let consent = |other: KeyVaultStore| {
        async move {
            let keys = other.fresh_keys().await.unwrap();
            let value = record::seal(&keys.sealer, &grant_key(1), &token(9), &facts(9)).unwrap();
            let tags = record::tags(&grant_key(1), &facts(9), NOW, Some(keys.meta.mark()));
            let new = New { value: &value, content_type: record::SEALED_TYPE, tags, ends: None };
            other.vault.set(&other.name(&grant_key(1)), &new).await.unwrap();
        }
        .boxed()
    };
    let one = moved_while(&lab, Method::PUT, consent).await;
    // EXPOSE: compared with what was put in.
    assert_eq!(token_of(&lab.store(&one)).await, token(9).expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_leaves_in_the_middle_of_a_move_is_passed_over_and_brought_to_its_end() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, two) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let store = lab.store(&one);
    store.add(None).await.unwrap();
    store.switch(None).await.unwrap();
    let keys = store.fresh_keys().await.unwrap();
    let half_moved = async |number| {
        let (name, found) = (store.name(&grant_key(number)), lab.found(&store, number).await);
        let tags = record::moved(&found.tags, &found.version, &keys.meta.mark());
        let new = New { value: "psam1.half.done", content_type: record::SEALED_TYPE, tags, ends: None };
        (name.clone(), new.tags.clone(), store.vault.set_aside(&name, &new).await.unwrap())
    };
    let before = read_all(&lab, &two).await;
    let (_, _, left) = half_moved(1).await;
    assert!(left.is_some());
    assert_eq!(read_all(&lab, &two).await, before);
    // And one whose secret was purged, and made anew by the write.
    let (name, tags, _) = half_moved(2).await;
    lab.store(&two).remove_grant(&grant_key(2)).await.unwrap();
    let new = New { value: "psam1.half.done", content_type: record::SEALED_TYPE, tags, ends: None };
    assert!(store.vault.set_aside(&name, &new).await.unwrap().is_some());
    assert!(lab.store(&two).grant(&grant_key(2)).await.unwrap().is_none());
    // And one that can be read already, with the one before it.
    let found = lab.found(&store, 3).await;
    let value = record::seal(&keys.sealer, &grant_key(3), &token(1), &grant_facts()).unwrap();
    let tags = record::moved(&found.tags, &found.version, &keys.meta.mark());
    let (name_of_3, tags_of_3) = (store.name(&grant_key(3)), tags.clone());
    let new = New { value: &value, content_type: record::SEALED_TYPE, tags, ends: None };
    let written = store.vault.set_aside(&name_of_3, &new).await.unwrap().unwrap();
    assert!(store.vault.enable(&name_of_3, &written, &tags_of_3).await.unwrap());
    assert_eq!(lab.versions(&store, 3).await, (2, 2));
    // A consent that comes then holds, and the move goes on from it.
    put(&lab.store(&two), 9, &facts(9), Expect::Generation(1)).await;
    finish(&store).await;
    assert!(store.vault.versions(&name).await.unwrap().is_empty());
    // EXPOSE: compared with what was put in.
    assert_eq!((token_of(&lab.store(&one)).await.as_str(), lab.versions(&store, 1).await.1), (token(9).expose(), 1));
    assert!(lab.store(&two).grant(&grant_key(3)).await.unwrap().is_some());
    assert_eq!(lab.versions(&store, 3).await, (2, 1), "the older version can still be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_looked_at_the_key_before_it_changed_is_not_left_behind() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, two) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let (writer, other) = (lab.store(&one), lab.store(&two));
    let name = writer.name(&grant_key(1));
    let change = async move { rotate(&other).await }.boxed();
    *one.before.lock().unwrap() = Some((Method::PUT, format!("/secrets/{name}"), change));
    put(&writer, 9, &facts(9), Expect::Generation(1)).await;
    let alone = Host { keys: Arc::new(Several::new(2)), ..Host::new() };
    // EXPOSE: compared with what was put in.
    assert_eq!(token_of(&lab.store(&alone)).await, token(9).expose());
    let found = lab.found(&writer, 1).await;
    let new = Sealer::new(crate::store::fixtures::key_of(2).expose());
    assert!(record::open(Some(&new), &grant_key(1), &found, NOW).is_ok(), "it is under the old key");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_change_the_key_in_the_same_moment_lose_nothing() {
    let lab = Lab::new();
    let (first, second) = (Arc::new(Several::new(1)), Arc::new(Several::new(1)));
    let one = Host { keys: first.clone(), ..Host::new() };
    let two = Host { keys: second.clone(), ..Host::new() };
    with_three_grants(&lab, &one).await;
    first.hold(&[1, 2]);
    second.hold(&[1, 3]);
    let (winner, loser) = (lab.store(&one), lab.store(&two));
    let word_of_one = async move {
        winner.switch(None).await.unwrap();
        winner.move_some(1).await.unwrap();
    };
    *two.before.lock().unwrap() = Some((Method::PUT, names::STORE.to_owned(), word_of_one.boxed()));
    loser.switch(None).await.unwrap();
    // As a source is that still knows of both.
    for source in [&first, &second] {
        source.hold(&[1, 2, 3]);
    }
    read_all(&lab, &one).await;
    finish(&loser).await;
    second.hold(&[3]);
    read_all(&lab, &two).await;
    assert_eq!(lab.store(&two).standing().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_with_no_key_is_counted_and_left_as_it_is() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let (one, _) = hosts(&source);
    with_three_grants(&lab, &one).await;
    let store = lab.store(&one);
    let found = lab.found(&store, 2).await;
    let new = New {
        value: &format!("{}x", *found.value),
        content_type: record::SEALED_TYPE,
        tags: found.tags.clone(),
        ends: None,
    };
    store.vault.set(&store.name(&grant_key(2)), &new).await.unwrap();
    store.add(None).await.unwrap();
    store.switch(None).await.unwrap();
    assert_eq!(store.move_some(64).await.unwrap(), Moved { seen: 3, unreadable: 1 });
    assert_eq!(store.move_some(64).await.unwrap(), Moved::default());
    finish(&store).await;
    assert_eq!(*lab.found(&store, 2).await.value, format!("{}x", *found.value));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_values_are_bare_only_what_lies_beside_the_vault_gets_a_new_key() {
    let (lab, source) = (Lab::new(), Arc::new(Several::new(1)));
    let host = Host { keys: source.clone(), format: Format::Plain, ..Host::new() };
    with_three_grants(&lab, &host).await;
    let store = lab.store(&host);
    let rotation = store.rotation().unwrap();
    assert!(!rotation.has_copies());
    rotation.switch(None).await.unwrap();
    while rotation.move_some(64).await.unwrap().seen > 0 {}
    rotation.settle().await.unwrap();
    rotation.retire(None).await.unwrap();
    assert_eq!(source.held(), [2]);
    assert_eq!(read_all(&lab, &host).await.len(), 3);
    assert_eq!(lab.versions(&store, 1).await, (1, 1));
    assert!(store.vault.versions(names::STORE).await.unwrap().is_empty());
}
