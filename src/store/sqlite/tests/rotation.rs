//! A new key for a store that is in use.

use super::*;
use crate::store::rotation::{Moved, Standing};

/// Everything that is kept, as a process with this source and nothing in memory finds it.
async fn read_all(path: &Path, source: &Arc<Several>) -> Vec<String> {
    let store = SqliteStore::new(path, source.clone()).unwrap();
    let mut found = Vec::new();
    for number in [1, 2, 3] {
        let grant = store.grant(&grant_key(number)).await.unwrap().unwrap();
        let token = store.token(&token_key(number, "graph")).await.unwrap();
        // EXPOSE: compared with what was put in.
        found.push(format!("{} {} {}", grant.generation, grant.refresh_token.expose(), token.unwrap().token.expose()));
    }
    assert!(store.pending(&app(), &[7; 32]).await.unwrap().is_some());
    assert_eq!(store.open_beside("label", &beside(path)).await.unwrap().unwrap().as_slice(), b"beside");
    found
}

fn beside(path: &Path) -> Vec<u8> {
    fs::read(path.with_extension("beside")).unwrap()
}

async fn with_three_grants() -> (Fixture, Arc<Several>, Vec<String>) {
    let (fixture, source) = (Fixture::new(), Arc::new(Several::new(1)));
    let store = SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    for number in [1, 2, 3] {
        put(&store, number, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
        put_access(&store, number).await.unwrap();
    }
    store.put_pending(&pending(7), NOW).await.unwrap();
    let sealed = store.seal_beside("label", b"beside").await.unwrap().unwrap();
    fs::write(fixture.path().with_extension("beside"), sealed).unwrap();
    let before = read_all(&fixture.path(), &source).await;
    (fixture, source, before)
}

/// What `App::rotate_key` does with the files that are sealed beside the store.
async fn reseal_beside(store: &SqliteStore, path: &Path) {
    let opened = store.open_beside("label", &beside(path)).await.unwrap().unwrap();
    fs::write(path.with_extension("beside"), store.seal_beside("label", &opened).await.unwrap().unwrap()).unwrap();
}

#[tokio::test]
async fn every_step_of_a_change_of_keys_can_be_the_last_and_can_be_done_again() {
    let (fixture, source, before) = with_three_grants().await;
    let path = fixture.path();
    let standing = async || SqliteStore::new(&path, source.clone()).unwrap().standing().await.unwrap();
    // Each time a new process that knows nothing.
    let store = || SqliteStore::new(&path, source.clone()).unwrap();
    store().add(None).await.unwrap();
    store().add(None).await.unwrap();
    assert_eq!(source.held(), [1, 2]);
    assert_eq!((read_all(&path, &source).await, standing().await), (before.clone(), None));
    store().switch(None).await.unwrap();
    assert_eq!((read_all(&path, &source).await, standing().await), (before.clone(), Some(Standing::Moving)));
    assert_eq!(store().switch(None).await.unwrap_err().kind(), ErrorKind::StoreConflict);
    for left in [3, 2, 1, 0] {
        assert_eq!(store().left().await.unwrap(), left);
        assert_eq!(store().move_some(1).await.unwrap(), Moved { seen: left.min(1), unreadable: 0 });
        assert_eq!(read_all(&path, &source).await, before);
    }
    reseal_beside(&store(), &path).await;
    store().settle().await.unwrap();
    assert_eq!((read_all(&path, &source).await, standing().await), (before.clone(), Some(Standing::Retiring)));
    store().retire(None).await.unwrap();
    store().retire(None).await.unwrap();
    assert_eq!(source.held(), [2]);
    assert_eq!((read_all(&path, &source).await, standing().await), (before, None));
    let old = SqliteStore::new(&path, Arc::new(FixedKey(1))).unwrap();
    assert_eq!(kind_of_grant(&old, 1).await, ErrorKind::StoreKeyWrong);
}

#[tokio::test]
async fn a_process_with_the_old_key_in_memory_goes_on_through_a_change_of_keys() {
    let (fixture, source, _) = with_three_grants().await;
    let path = fixture.path();
    let (old, rotating) =
        (SqliteStore::new(&path, source.clone()).unwrap(), SqliteStore::new(&path, source.clone()).unwrap());
    let mut generation = 1;
    let mut use_it = async || {
        let grant = old.grant(&grant_key(1)).await.unwrap().unwrap();
        assert_eq!(grant.generation, generation);
        assert!(old.token(&token_key(2, "graph")).await.unwrap().is_some());
        let written = put(&old, 1, "not-a-real-refresh-token", Expect::Generation(generation)).await.unwrap();
        generation += 1;
        assert_eq!(written, Written::Yes(generation));
        put_access(&old, 1).await.unwrap();
    };
    use_it().await;
    rotating.switch(None).await.unwrap();
    use_it().await;
    while rotating.move_some(1).await.unwrap().seen > 0 {
        use_it().await;
    }
    reseal_beside(&rotating, &path).await;
    rotating.settle().await.unwrap();
    rotating.retire(None).await.unwrap();
    use_it().await;
    assert!(old.pending(&app(), &[7; 32]).await.unwrap().is_some());
    assert!(old.open_beside("label", &beside(&path)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_process_that_only_reads_finds_what_was_moved_from_the_key_in_its_memory() {
    let (fixture, source, _) = with_three_grants().await;
    let open = || SqliteStore::new(&fixture.path(), source.clone()).unwrap();
    let (rotating, mut readers) = (open(), Vec::new());
    for _ in 0..3 {
        let reader = open();
        reader.grant(&grant_key(1)).await.unwrap().unwrap();
        readers.push(reader);
    }
    rotating.switch(None).await.unwrap();
    while rotating.move_some(64).await.unwrap().seen > 0 {}
    reseal_beside(&rotating, &fixture.path()).await;
    rotating.settle().await.unwrap();
    rotating.retire(None).await.unwrap();
    // Each asks for another kind of record first.
    assert!(readers.first().unwrap().grant(&grant_key(1)).await.unwrap().is_some());
    assert!(readers.get(1).unwrap().token(&token_key(1, "graph")).await.unwrap().is_some());
    assert!(readers.get(2).unwrap().open_beside("label", &beside(&fixture.path())).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_copied_with_the_old_key_opens_nothing_that_is_written_after_a_change() {
    let (fixture, source, _) = with_three_grants().await;
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
    let (fixture, source, _) = with_three_grants().await;
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
    let (fixture, source, _) = with_three_grants().await;
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
