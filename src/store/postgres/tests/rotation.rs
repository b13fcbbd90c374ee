//! A new key for a store that many hosts use.

use super::*;
use crate::store::rotation::Moved;
use crate::store::rotation::contract::{Shared, rotate, rotation_contract};

fn open(uri: &str, source: &Arc<Several>) -> PostgresStore {
    store_with(uri, source.clone(), PasswordSource::default(), None)
}

/// A database of its own.
struct Database(String);

impl Shared for Database {
    fn open(&self, source: &Arc<Several>) -> Arc<dyn GrantStore> {
        Arc::new(open(&self.0, source))
    }
}

rotation_contract!(|| Database(shared().database()));

async fn with_three_grants() -> (String, Arc<Several>) {
    let (uri, source) = (shared().database(), Arc::new(Several::new(1)));
    let store = open(&uri, &source);
    for number in [1, 2, 3] {
        put(&store, number, &grant_facts(), Expect::Absent).await;
    }
    (uri, source)
}

#[tokio::test]
async fn a_change_of_keys_leaves_nothing_of_the_old_one_but_what_old_files_need() {
    let (uri, source) = with_three_grants().await;
    rotate(&open(&uri, &source)).await;
    let names = "SELECT string_agg(name, ' ' ORDER BY name) FROM partnersam.meta";
    assert_eq!(shared().sql(name_in(&uri), names), "derivation former_keys key_check schema store_id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_renewal_is_lost_to_a_change_of_keys_beside_it() {
    let (uri, source) = with_three_grants().await;
    let until = Arc::new(AtomicBool::new(false));
    let renewers: Vec<_> = [1, 2, 3]
        .map(|number| {
            let (store, until) = (open(&uri, &source), Arc::clone(&until));
            tokio::spawn(async move {
                let mut generation = 1;
                while !until.load(Ordering::Relaxed) {
                    let written = put(&store, number, &grant_facts(), Expect::Generation(generation)).await;
                    generation += 1;
                    assert_eq!(written, Written::Yes(generation));
                }
                generation
            })
        })
        .into();
    let rotating = open(&uri, &source);
    for _ in 0..5 {
        rotating.switch(None).await.unwrap();
        while rotating.move_some(1).await.unwrap().seen > 0 {}
        rotating.settle().await.unwrap();
        rotating.retire(None).await.unwrap();
    }
    until.store(true, Ordering::Relaxed);
    let fresh = open(&uri, &source);
    for (number, renewer) in (1..).zip(renewers) {
        let generation = renewer.await.unwrap();
        assert_eq!(fresh.grant(&grant_key(number)).await.unwrap().unwrap().generation, generation);
    }
    assert_eq!(source.held(), [6]);
}

/// A write whose commit takes its time. Gives the client with the transaction in it, which `COMMIT` ends.
async fn half_written(store: &PostgresStore, number: u128, facts: &GrantFacts) -> tokio_postgres::Client {
    let (keys, key) = (store.0.keys().await.unwrap(), grant_key(number));
    let plain = seal::join("not-a-real-refresh-token", facts).unwrap();
    let old = store.0.row(&key).await.unwrap().as_ref().map(records::old).transpose().unwrap();
    let write = Write::new(&keys.sealer, &key, (&plain, facts), old.as_ref(), None).unwrap();
    let tenant = key.tenant.uuid().into_bytes();
    let tenant = tenant.as_slice();
    let (owner, check, payload) = (Owner::new(&key, &tenant), keys.check.as_slice(), "");
    let client = store.0.pool.private().await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    client.query_typed(write.statement(), &write.values(&owner, &check, &payload)).await.unwrap();
    client
}

/// Until `task` is done, or waits for somebody else's lock.
async fn until_it_waits<T>(uri: &str, task: &tokio::task::JoinHandle<T>) {
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while !task.is_finished() && shared().sql(name_in(uri), WAITING) == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_being_written_while_the_key_changes_is_moved_like_all_others() {
    let (uri, source) = with_three_grants().await;
    let store = open(&uri, &source);
    let slow = half_written(&store, 4, &grant_facts()).await;
    // One with a higher id, which is there before.
    put(&store, 5, &grant_facts(), Expect::Absent).await;
    let rotating = open(&uri, &source);
    let moving = tokio::spawn(async move {
        rotating.switch(None).await.unwrap();
        rotating.move_some(64).await.unwrap();
        rotating
    });
    until_it_waits(&uri, &moving).await;
    slow.batch_execute("COMMIT").await.unwrap();
    let rotating = moving.await.unwrap();
    rotating.move_some(64).await.unwrap();
    rotating.settle().await.unwrap();
    assert!(open(&uri, &source).grant(&grant_key(4)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_is_being_written_while_its_grant_is_moved_is_not_written_over() {
    let (uri, source) = with_three_grants().await;
    let (store, rotating) = (open(&uri, &source), open(&uri, &source));
    rotating.switch(None).await.unwrap();
    store.grant(&grant_key(1)).await.unwrap();
    store.check_writable().await.unwrap();
    let slow = half_written(&store, 1, &grant_facts()).await;
    let moving = tokio::spawn(async move {
        rotating.move_some(64).await.unwrap();
        rotating.settle().await.unwrap();
    });
    until_it_waits(&uri, &moving).await;
    slow.batch_execute("COMMIT").await.unwrap();
    moving.await.unwrap();
    assert_eq!(open(&uri, &source).grant(&grant_key(1)).await.unwrap().unwrap().generation, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moves_records_gives_way_to_a_writer_that_takes_its_time() {
    let (uri, source) = with_three_grants().await;
    let (store, rotating) = (open(&uri, &source), open(&uri, &source));
    rotating.switch(None).await.unwrap();
    let slow = half_written(&store, 2, &grant_facts()).await;
    let moving = tokio::spawn(async move { rotating.move_some(64).await });
    until_it_waits(&uri, &moving).await;
    // Longer than it waits for one lock.
    tokio::time::sleep(Duration::from_millis(600)).await;
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(moving.await.unwrap().unwrap(), Moved { seen: 3, unreadable: 0 });
}

#[tokio::test]
async fn what_waits_in_a_file_on_another_host_opens_after_several_changes_of_keys() {
    let (uri, source) = with_three_grants().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let host = || store_with(&uri, source.clone(), PasswordSource::default(), Some(&journal));
    let rotated = RefreshToken::new("not-a-real-rotated-token");
    host().put_recovery(&grant_key(1), &rotated, &grant_facts(), 1).await.unwrap();
    let sealed = host().seal_beside("label", b"beside").await.unwrap().unwrap();
    assert!(host().is_current_beside("label", &sealed).await.unwrap());
    let rotating = open(&uri, &source);
    for _ in 0..3 {
        rotate(&rotating).await;
    }
    assert_eq!(host().open_beside("label", &sealed).await.unwrap().unwrap().as_slice(), b"beside");
    assert!(!host().is_current_beside("label", &sealed).await.unwrap());
    let anew = host().seal_beside("label", b"beside").await.unwrap().unwrap();
    assert!(host().is_current_beside("label", &anew).await.unwrap());
    let grant = host().grant(&grant_key(1)).await.unwrap().unwrap();
    // EXPOSE: compared with what was rescued.
    assert_eq!((grant.generation, grant.refresh_token.expose()), (2, rotated.expose()));
    assert!(!Journal::beside(&journal).is_in_use());
}

#[tokio::test]
async fn a_host_without_the_new_key_redeems_nothing_and_loses_nothing() {
    let (uri, source) = with_three_grants().await;
    let folder = tempfile::tempdir().unwrap();
    let (journal, left_out) = (folder.path().join("journal"), Arc::new(Several::new(1)));
    let host = store_with(&uri, left_out.clone(), PasswordSource::default(), Some(&journal));
    host.check_writable().await.unwrap();
    rotate(&open(&uri, &source)).await;
    assert_eq!(host.check_writable().await.unwrap_err().kind(), ErrorKind::StoreKeyWrong);
    let rotated = RefreshToken::new("not-a-real-rotated-token");
    let refused = host.put_grant(&grant_key(1), &rotated, &grant_facts(), Expect::Generation(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreKeyWrong);
    // It had been redeemed just before.
    host.put_recovery(&grant_key(1), &rotated, &grant_facts(), 1).await.unwrap();
    left_out.hold(&[1, 2]);
    host.check_writable().await.unwrap();
    let grant = host.grant(&grant_key(1)).await.unwrap().unwrap();
    // EXPOSE: compared with what was rescued.
    assert_eq!((grant.generation, grant.refresh_token.expose()), (2, rotated.expose()));
}

#[tokio::test]
async fn a_damaged_grant_is_left_as_it_is_and_a_store_of_the_version_before_is_brought_forward() {
    let (uri, source) = with_three_grants().await;
    let server = shared();
    server.sql(name_in(&uri), "UPDATE partnersam.grants SET sealed = '\\x00' WHERE id = 2");
    server.sql(
        name_in(&uri),
        "DROP TABLE partnersam.removals; UPDATE partnersam.meta SET value = '1' WHERE name = 'schema'",
    );
    let store = open(&uri, &source);
    store.switch(None).await.unwrap();
    assert_eq!(server.sql(name_in(&uri), "SELECT value FROM partnersam.meta WHERE name = 'schema'"), "\\x33");
    assert_eq!(store.move_some(64).await.unwrap(), Moved { seen: 3, unreadable: 1 });
    store.settle().await.unwrap();
    store.retire(None).await.unwrap();
    let after = open(&uri, &source);
    assert!(after.grant(&grant_key(1)).await.unwrap().is_some());
    assert_eq!(after.grant(&grant_key(2)).await.unwrap_err().kind(), ErrorKind::StoreCorrupt);
}

#[tokio::test]
async fn what_was_copied_with_the_old_key_opens_nothing_that_is_written_after_a_change() {
    let (uri, source) = with_three_grants().await;
    let column = |name: &str| {
        let hex =
            shared().sql(name_in(&uri), &format!("SELECT encode({name}, 'hex') FROM partnersam.grants WHERE id = 1"));
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect::<Vec<_>>()
    };
    let copied = column("wrapped_key");
    rotate(&open(&uri, &source)).await;
    let (key, now) = (grant_key(1), column("sealed"));
    // EXPOSE: the keys of these tests are single bytes, compared and used.
    let partner = seal::Sealer::new(key_of(1).expose()).partner(&key, &copied).unwrap();
    assert!(partner.open(&seal::Identity::of_grant(seal::Record::Grant, &key, "user-1", 1), &now).is_err());
}
