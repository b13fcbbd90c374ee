//! A new key for a store that is in use.

use super::*;
use crate::store::rotation::contract::{Shared, rotation_contract};

impl Shared for Fixture {
    fn open(&self, source: &Arc<Several>) -> Arc<dyn GrantStore> {
        Arc::new(SqliteStore::new(&self.path(), source.clone()).unwrap())
    }
}

rotation_contract!(Fixture::new);

async fn with_three_grants() -> (Fixture, Arc<Several>) {
    let (fixture, source) = (Fixture::new(), Arc::new(Several::new(1)));
    let store = SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    for number in [1, 2, 3] {
        put(&store, number, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
        put_access(&store, number).await.unwrap();
    }
    (fixture, source)
}

#[tokio::test]
async fn what_was_copied_with_the_old_key_opens_nothing_that_is_written_after_a_change() {
    let (fixture, source) = with_three_grants().await;
    let copied: Vec<u8> =
        fixture.raw().query_row("SELECT wrapped_key FROM grants WHERE id = 1", (), |row| row.get(0)).unwrap();
    let store = SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    let sealed_old = fixture
        .raw()
        .query_row("SELECT value FROM meta WHERE name = 'key_check'", (), |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
    store.switch(None).await.unwrap();
    let kept: Vec<u8> =
        fixture.raw().query_row("SELECT value FROM meta WHERE name = 'previous_key'", (), |row| row.get(0)).unwrap();
    while store.move_some(64).await.unwrap().seen > 0 {}
    store.settle().await.unwrap();
    let now: Vec<u8> = fixture.raw().query_row("SELECT sealed FROM grants WHERE id = 1", (), |row| row.get(0)).unwrap();
    // EXPOSE: the keys of these tests are single bytes, compared and used.
    let partner = seal::Sealer::new(key_of(1).expose()).partner(&grant_key(1), &copied).unwrap();
    let key = grant_key(1);
    let identity = seal::Identity::of_grant(seal::Record::Grant, &key, "user-1", 1);
    assert!(partner.open(&identity, &now).is_err());
    // Neither the old key nor what it opened is left in a page or in the log.
    for gone in [&copied, &kept, &sealed_old] {
        assert!(!contains(&fixture.bytes(), gone));
    }
}

#[tokio::test]
async fn a_recovery_entry_and_a_damaged_grant_survive_a_change_of_keys() {
    let (fixture, source) = with_three_grants().await;
    let store = SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real-newer-token"), &grant_facts(), 1).await.unwrap();
    fixture.raw().execute("UPDATE grants SET sealed = x'00' WHERE id = 2", ()).unwrap();
    let other = SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    other.switch(None).await.unwrap();
    let moved = other.move_some(64).await.unwrap();
    assert_eq!((moved.seen, moved.unreadable), (3, 1));
    other.settle().await.unwrap();
    other.retire(None).await.unwrap();
    let after = SqliteStore::new(&fixture.path(), source).unwrap();
    let grant = after.grant(&grant_key(1)).await.unwrap().unwrap();
    // EXPOSE: compared with what was rescued.
    assert_eq!(grant.refresh_token.expose(), "not-a-real-newer-token");
    assert_eq!(kind_of_grant(&after, 2).await, ErrorKind::StoreCorrupt);
}

#[tokio::test]
async fn what_was_rescued_under_the_new_key_is_not_set_aside_by_who_has_the_old_one_in_memory() {
    let (fixture, source) = with_three_grants().await;
    let open = || SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    let (old, other) = (open(), open());
    old.grant(&grant_key(1)).await.unwrap().unwrap();
    other.switch(None).await.unwrap();
    while other.move_some(64).await.unwrap().seen > 0 {}
    other.settle().await.unwrap();
    other.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real-newer-token"), &grant_facts(), 1).await.unwrap();
    // A write that needs no key.
    old.remove_token(&token_key(3, "graph")).await.unwrap();
    // It brings what waits to its place after it has answered.
    while old.0.journal.is_in_use() {
        assert!(fs::read_dir(fixture.path().with_extension("db.recovery")).map_or(true, |mut files| {
            !files.any(|file| file.unwrap().path().extension().is_some_and(|ends| ends == "unreadable"))
        }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let grant = open().grant(&grant_key(1)).await.unwrap().unwrap();
    // EXPOSE: compared with what was rescued.
    assert_eq!(grant.refresh_token.expose(), "not-a-real-newer-token");
}
