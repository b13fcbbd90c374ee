//! What only this store promises.

#![expect(clippy::unwrap_used, reason = "tests")]

mod rotation;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::store::fixtures::*;
use crate::store::key::{KeyRequest, StoreKey};

/// A key that is always the same.
#[derive(Debug)]
struct FixedKey(u8);

impl KeyProvider for FixedKey {
    fn key(&self, _: &KeyRequest<'_>) -> Result<StoreKey> {
        Ok(StoreKey::from_bytes(&mut [self.0; 32]))
    }
}

/// A keyring in miniature: has a key after it was allowed to make one, and can lose it.
#[derive(Debug, Default)]
struct Forgetful {
    key: Mutex<Option<u8>>,
    made: AtomicUsize,
}

impl KeyProvider for Forgetful {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        let mut key = self.key.lock().unwrap();
        if key.is_none() && request.may_create {
            let made = self.made.fetch_add(1, Ordering::SeqCst);
            *key = Some(u8::try_from(made).unwrap() + 1);
        }
        match *key {
            Some(byte) => Ok(StoreKey::from_bytes(&mut [byte; 32])),
            None => Err(Error::new(ErrorKind::StoreKeyMissing, "test", "no key")),
        }
    }
}

fn store_at(path: &Path) -> SqliteStore {
    SqliteStore::new(path, Arc::new(FixedKey(1))).unwrap()
}

/// A store in a folder of its own, which goes when the test ends.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With one active grant for tenant 1 and one for tenant 2.
    async fn with_two_grants() -> Self {
        let fixture = Self::new();
        let store = fixture.store();
        for number in [1, 2] {
            put(&store, number, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
        }
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("grants.db")
    }

    fn store(&self) -> SqliteStore {
        store_at(&self.path())
    }

    /// The file as an attacker with write access has it.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    /// Everything in the store's files, the log included.
    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for file in fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                all.extend(fs::read(path).unwrap());
            }
        }
        all
    }
}

fn make() -> (SqliteStore, Fixture) {
    let fixture = Fixture::new();
    (store_at(&fixture.folder.path().join("new").join("grants.db")), fixture)
}

crate::store::contract::contract!(make);

async fn put(store: &SqliteStore, number: u128, token: &str, expect: Expect) -> Result<Written> {
    store.put_grant(&grant_key(number), &RefreshToken::new(token), &grant_facts(), expect).await
}

async fn put_access(store: &SqliteStore, number: u128) -> Result<()> {
    let token = AccessToken::new("not-a-real-access-token");
    store.put_token(&token_key(number, "graph"), &token, &token_facts()).await
}

async fn kind_of_grant(store: &SqliteStore, number: u128) -> ErrorKind {
    store.grant(&grant_key(number)).await.unwrap_err().kind()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

// Sealing.

#[tokio::test]
async fn swapped_records_do_not_open() {
    let swap = |columns: &str| {
        format!(
            "UPDATE grants SET ({columns}) = (SELECT {columns} FROM grants AS other WHERE other.id = 3 - grants.id)"
        )
    };
    for columns in ["sealed", "wrapped_key", "sealed, wrapped_key", "user_oid, generation, wrapped_key, sealed"] {
        let fixture = Fixture::with_two_grants().await;
        fixture.store().grant(&grant_key(1)).await.unwrap().unwrap();
        fixture.raw().execute(&swap(columns), ()).unwrap();
        assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreCorrupt, "{columns}");
    }
}

#[tokio::test]
async fn swapped_access_tokens_are_none() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    put_access(&store, 1).await.unwrap();
    put_access(&store, 2).await.unwrap();
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_some());
    let swap = "UPDATE access_tokens SET sealed = (SELECT sealed FROM access_tokens AS o WHERE o.grant_id != access_tokens.grant_id)";
    fixture.raw().execute(swap, ()).unwrap();
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
    // Renamed to another audience it is none either.
    put_access(&store, 1).await.unwrap();
    fixture.raw().execute("UPDATE access_tokens SET audience = 'arm'", ()).unwrap();
    assert!(store.token(&token_key(1, "arm")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_record_that_was_rolled_back_does_not_open() {
    let fixture = Fixture::with_two_grants().await;
    let old: Vec<u8> = fixture.raw().query_row("SELECT sealed FROM grants WHERE id = 1", (), |row| row.get(0)).unwrap();
    let store = fixture.store();
    put(&store, 1, "not-a-real-refresh-token-2", Expect::Generation(1)).await.unwrap();
    assert_eq!(store.grant(&grant_key(1)).await.unwrap().unwrap().generation, 2);
    fixture.raw().execute("UPDATE grants SET sealed = ?1 WHERE id = 1", [old]).unwrap();
    assert_eq!(kind_of_grant(&store, 1).await, ErrorKind::StoreCorrupt);
}

#[tokio::test]
async fn what_is_in_clear_is_checked_against_what_is_sealed() {
    for change in ["user_oid = 'user-2'", "is_dead = 1", "renew_after = 0", "expires_on = 0", "generation = 2"] {
        let fixture = Fixture::with_two_grants().await;
        fixture.raw().execute(&format!("UPDATE grants SET {change}"), ()).unwrap();
        assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreCorrupt, "{change}");
    }
}

#[tokio::test]
async fn a_tampered_domain_is_looked_up_again() {
    let fixture = Fixture::new();
    let store = fixture.store();
    store.put_domain("emulator", "fabrikam.example", tenant(1), NOW).await.unwrap();
    store.put_domain("emulator", "contoso.example", tenant(2), NOW).await.unwrap();
    let copy = "UPDATE domains SET sealed = (SELECT sealed FROM domains WHERE domain = 'contoso.example')";
    fixture.raw().execute(copy, ()).unwrap();
    assert_eq!(store.domain("emulator", "fabrikam.example").await.unwrap(), None);
    store.put_domain("emulator", "fabrikam.example", tenant(1), NOW).await.unwrap();
    assert_eq!(store.domain("emulator", "fabrikam.example").await.unwrap(), Some((tenant(1), NOW)));
}

#[tokio::test]
async fn nothing_secret_or_personal_is_in_the_files() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    put_access(&store, 1).await.unwrap();
    store.put_pending(&pending(1), NOW).await.unwrap();
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real-refresh-token"), &grant_facts(), 1).await.unwrap();
    let mut bytes = fixture.bytes();
    for file in fs::read_dir(fixture.folder.path().join("grants.db.recovery")).unwrap() {
        bytes.extend(fs::read(file.unwrap().path()).unwrap());
    }
    assert!(contains(&bytes, b"user-1"), "the search finds nothing that is there");
    for secret in ["not-a-real", "admin@fabrikam", "mfa"] {
        assert!(!contains(&bytes, secret.as_bytes()), "{secret}");
    }
}

// The key.

#[tokio::test]
async fn a_wrong_key_is_not_a_corrupt_record() {
    let fixture = Fixture::with_two_grants().await;
    let wrong = SqliteStore::new(&fixture.path(), Arc::new(FixedKey(2))).unwrap();
    assert_eq!(kind_of_grant(&wrong, 1).await, ErrorKind::StoreKeyWrong);
    let refused = put(&wrong, 3, "not-a-real-refresh-token", Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreKeyWrong);
    assert_eq!(wrong.check_writable().await.unwrap_err().kind(), ErrorKind::StoreKeyWrong);
    fixture.raw().execute("UPDATE grants SET sealed = zeroblob(200) WHERE id = 1", ()).unwrap();
    assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreCorrupt);
    assert!(fixture.store().grant(&grant_key(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_key_is_made_anew_only_while_nothing_is_sealed() {
    let fixture = Fixture::new();
    let keys = Arc::new(Forgetful::default());
    let open = || SqliteStore::new(&fixture.path(), keys.clone()).unwrap();
    let lose = || *keys.key.lock().unwrap() = None;
    open().check_writable().await.unwrap();
    lose();
    // Nothing is in the store yet.
    put(&open(), 1, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
    assert_eq!(keys.made.load(Ordering::SeqCst), 2);
    assert!(open().grant(&grant_key(1)).await.unwrap().is_some());
    lose();
    assert_eq!(kind_of_grant(&open(), 1).await, ErrorKind::StoreKeyMissing);
    let refused = put(&open(), 2, "not-a-real-refresh-token", Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreKeyMissing);
    assert_eq!(keys.made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nothing_is_sealed_with_a_key_that_was_replaced_meanwhile() {
    let fixture = Fixture::new();
    let (first, second) = (Arc::new(Forgetful::default()), Arc::new(Forgetful::default()));
    second.made.store(7, Ordering::SeqCst);
    let store = SqliteStore::new(&fixture.path(), first).unwrap();
    store.check_writable().await.unwrap();
    let other = SqliteStore::new(&fixture.path(), second).unwrap();
    put(&other, 2, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
    let refused = put(&store, 1, "not-a-real-refresh-token", Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreKeyWrong);
    assert!(other.grant(&grant_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_empty_store_asks_for_no_key_and_a_missing_one_is_not_made() {
    let fixture = Fixture::new();
    let keys = Arc::new(Forgetful::default());
    let store = SqliteStore::new(&fixture.path(), keys.clone()).unwrap();
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
    assert!(store.tenants(&app(), None, 10).await.unwrap().is_empty());
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 0);
    assert!(!store.take_pending(&app(), &[1; 32]).await.unwrap());
    assert_eq!(keys.made.load(Ordering::SeqCst), 0);
}

// The file.

#[tokio::test]
async fn a_newer_schema_another_program_and_junk_are_refused() {
    let fixture = Fixture::with_two_grants().await;
    fixture.raw().execute("UPDATE meta SET value = CAST('99' AS BLOB) WHERE name = 'schema'", ()).unwrap();
    assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreSchemaNewer);
    let fixture = Fixture::new();
    crate::store::private_file::create(&fixture.path(), &[b'x'; 8192]).unwrap();
    assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreCorrupt);
    let refused = put(&fixture.store(), 1, "not-a-real-refresh-token", Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreCorrupt);
    assert_eq!(fs::read(fixture.path()).unwrap(), [b'x'; 8192]);
}

#[cfg(unix)]
#[tokio::test]
async fn an_open_or_linked_file_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let fixture = Fixture::with_two_grants().await;
    // The store that made it may close on a thread of its own, and takes away what has the name of its log then.
    let log = crate::store::private_file::beside(&fixture.path(), "-wal");
    while log.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    mode(&fixture.path(), 0o644);
    assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreInsecure);
    let refused = put(&fixture.store(), 3, "not-a-real-refresh-token", Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StoreInsecure);
    mode(&fixture.path(), 0o600);
    mode(fixture.folder.path(), 0o777);
    assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreInsecure);
    mode(fixture.folder.path(), 0o700);
    let link = fixture.folder.path().join("link.db");
    symlink(fixture.path(), &link).unwrap();
    assert_eq!(kind_of_grant(&store_at(&link), 1).await, ErrorKind::StoreInsecure);
    for suffix in ["-wal", "-shm", "-journal"] {
        let beside = crate::store::private_file::beside(&fixture.path(), suffix);
        let _ = fs::remove_file(&beside);
        symlink("/dev/null", &beside).unwrap();
        assert_eq!(kind_of_grant(&fixture.store(), 1).await, ErrorKind::StoreInsecure, "{suffix}");
        fs::remove_file(&beside).unwrap();
    }
    assert!(fixture.store().grant(&grant_key(1)).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn every_file_and_folder_is_private_and_a_link_above_is_followed() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let fixture = Fixture::new();
    symlink(fixture.folder.path(), fixture.folder.path().join("alias")).unwrap();
    let store = store_at(&fixture.folder.path().join("alias/new/grants.db"));
    put(&store, 1, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
    store.lease("x", Duration::ZERO).await.unwrap().unwrap();
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 1).await.unwrap();
    let mut seen = Vec::new();
    let mut folders = vec![fixture.folder.path().join("new")];
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{}", path.display());
                seen.push(path);
            }
        }
    }
    // Database, log, its index, one lock file, one recovery file.
    assert!(seen.len() >= 5, "{seen:?}");
}

#[tokio::test]
async fn writes_are_durable_and_what_is_deleted_is_overwritten() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    put(&store, 3, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
    let slot = store.0.writer.lock();
    let pragma = |name: &str| -> String {
        let value: rusqlite::types::Value =
            slot.as_ref().unwrap().query_row(&format!("PRAGMA {name}"), (), |row| row.get(0)).unwrap();
        format!("{value:?}")
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("secure_delete"), "Integer(1)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
}

#[tokio::test]
async fn a_removed_grant_leaves_no_byte_in_the_files() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    let long = "not-a-real-refresh-token ".repeat(400);
    put(&store, 1, &long, Expect::Generation(1)).await.unwrap();
    put_access(&store, 1).await.unwrap();
    // Another process reads along.
    let other = fixture.store();
    other.grant(&grant_key(1)).await.unwrap().unwrap();
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 2).await.unwrap();
    let blobs: Vec<Vec<u8>> = {
        let raw = fixture.raw();
        let mut select = raw
            .prepare(
                "SELECT wrapped_key FROM grants WHERE id = 1 UNION ALL SELECT sealed FROM grants WHERE id = 1
                UNION ALL SELECT sealed FROM access_tokens",
            )
            .unwrap();
        let blobs = select.query_map((), |row| row.get(0)).unwrap();
        blobs.map(|blob| blob.unwrap()).collect()
    };
    assert_eq!(blobs.len(), 3);
    let pieces = |blob: &[u8]| blob.chunks_exact(24).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let before = fixture.bytes();
    for blob in &blobs {
        assert!(pieces(blob).iter().any(|piece| contains(&before, piece)), "the search finds nothing that is there");
    }
    assert!(store.remove_grant(&grant_key(1)).await.unwrap());
    let after = fixture.bytes();
    for blob in &blobs {
        assert!(!pieces(blob).iter().any(|piece| contains(&after, piece)), "a piece of a removed grant is left");
    }
    assert!(!fixture.folder.path().join("grants.db.recovery").exists());
    assert!(other.grant(&grant_key(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn expired_access_tokens_are_swept_by_later_writes() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    put_access(&store, 1).await.unwrap();
    let later = TokenFacts { received_on: NOW.plus(3600), expires_on: NOW.plus(7200), ..token_facts() };
    let token = AccessToken::new("not-a-real-access-token");
    store.put_token(&token_key(2, "graph"), &token, &later).await.unwrap();
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
    assert!(store.token(&token_key(2, "graph")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_record_can_be_written_over_and_spoils_no_other() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    put_access(&store, 2).await.unwrap();
    fixture.raw().execute("UPDATE grants SET wrapped_key = zeroblob(73) WHERE id = 1", ()).unwrap();
    assert_eq!(kind_of_grant(&store, 1).await, ErrorKind::StoreCorrupt);
    // In one transaction with others, only the damaged one fails.
    let outcomes = join_all([put_access(&store, 2), put_access(&store, 1), put_access(&store, 2)]).await;
    let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::StoreCorrupt), None]);
    put(&store, 1, "not-a-real-refresh-token", Expect::Generation(1)).await.unwrap();
    assert_eq!(store.grant(&grant_key(1)).await.unwrap().unwrap().generation, 2);
}

// Many at once.

#[tokio::test]
async fn writes_that_come_together_share_transactions() {
    let fixture = Fixture::new();
    let store = fixture.store();
    put(&store, 1, "not-a-real-refresh-token", Expect::Absent).await.unwrap();
    let before = commits(&fixture);
    let writes = (10..110).map(|number| put(&store, number, "not-a-real-refresh-token", Expect::Absent));
    for outcome in join_all(writes).await {
        assert_eq!(outcome.unwrap(), Written::Yes(1));
    }
    let made = commits(&fixture) - before;
    assert!((1..=50).contains(&made), "{made} transactions for 100 writes");
}

/// Transactions in the log: frames that carry the size of the database (<https://www.sqlite.org/fileformat2.html#walformat>).
fn commits(fixture: &Fixture) -> usize {
    let log = fs::read(crate::store::private_file::beside(&fixture.path(), "-wal")).unwrap_or_default();
    let frames = log.get(32..).unwrap_or_default().chunks_exact(24 + 4096);
    frames.filter(|frame| frame.get(4..8) != Some(&[0; 4])).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_in_many_processes_one_wins_each_generation() {
    let fixture = Fixture::with_two_grants().await;
    // A store of its own for each: they share nothing but the file.
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = fixture.store();
            tokio::spawn(async move {
                let mut won = 0;
                for generation in 1..=25 {
                    let written = put(&store, 1, "not-a-real-refresh-token", Expect::Generation(generation)).await;
                    won += usize::from(matches!(written.unwrap(), Written::Yes(_)));
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += writer.await.unwrap();
    }
    assert_eq!(won, 25);
    assert_eq!(fixture.store().grant(&grant_key(1)).await.unwrap().unwrap().generation, 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_make_one_new_store_at_once() {
    let fixture = Fixture::new();
    let makers: Vec<_> = (0..16)
        .map(|number| {
            let store = fixture.store();
            tokio::spawn(async move { put(&store, number, "not-a-real-refresh-token", Expect::Absent).await })
        })
        .collect();
    for maker in makers {
        assert_eq!(maker.await.unwrap().unwrap(), Written::Yes(1));
    }
    assert_eq!(fixture.store().tenants(&app(), None, 100).await.unwrap().len(), 16);
}

#[test]
fn it_works_where_there_is_no_runtime() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let written = put(&store, 1, "not-a-real-refresh-token", Expect::Absent).now_or_never().unwrap();
    assert_eq!(written.unwrap(), Written::Yes(1));
    assert!(store.grant(&grant_key(1)).now_or_never().unwrap().unwrap().is_some());
    let held = store.lease("x", Duration::ZERO).now_or_never().unwrap().unwrap();
    assert!(held.is_some());
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_finished() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    store.check_writable().await.unwrap();
    let (key, token, facts) = (grant_key(1), RefreshToken::new("not-a-real-refresh-token-2"), grant_facts());
    let mut write = store.put_grant(&key, &token, &facts, Expect::Generation(1));
    assert!((&mut write).now_or_never().is_none());
    drop(write);
    // The queue keeps its order: this one comes after it.
    put(&store, 2, "not-a-real-refresh-token", Expect::Generation(1)).await.unwrap();
    assert_eq!(store.grant(&key).await.unwrap().unwrap().generation, 2);
}

#[tokio::test]
async fn whoever_waits_for_a_leader_that_is_gone_is_told() {
    let queue = Queue::default();
    let (answer, must_lead) = queue.push(|_| Ok(()));
    let (_, must_lead_too) = queue.push(|_| Ok(()));
    assert!(must_lead && !must_lead_too);
    queue.abandon();
    assert!(answer.await.is_err());
    let (_, must_lead) = queue.push(|_| Ok(()));
    assert!(must_lead);
}

#[tokio::test]
async fn a_forked_child_lets_its_parents_connections_lie() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    store.grant(&grant_key(1)).await.unwrap().unwrap();
    store.0.reader.lock().as_mut().unwrap().pretend_to_be_of_another_process();
    assert!(!store.0.reader.is_open());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_some());
}

#[test]
fn a_store_that_is_opened_anew_asks_for_no_key_again() {
    let fixture = Fixture::new();
    let keys = Arc::new(Forgetful::default());
    let store = SqliteStore::new(&fixture.path(), keys.clone()).unwrap();
    put(&store, 1, "not-a-real-refresh-token", Expect::Absent).now_or_never().unwrap().unwrap();
    *keys.key.lock().unwrap() = None;
    // As in a child that was forked while another thread was reading.
    let _held = store.0.reader.lock();
    let _busy = store.0.writer.lock();
    let anew = store.reopened().unwrap();
    assert_eq!(anew.location(), store.location());
    assert!(anew.grant(&grant_key(1)).now_or_never().unwrap().unwrap().is_some());
}

// Size.

#[test]
fn every_statement_finds_its_records_by_an_index() {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    schema::prepare(&mut connection).unwrap();
    for sql in records::ALL {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail"))
            .unwrap()
            .map(|step| step.unwrap())
            .collect();
        for step in &steps {
            assert!(!step.starts_with("SCAN") && !step.contains("TEMP B-TREE"), "{sql}: {steps:?}");
        }
        let inserts = sql.starts_with("INSERT");
        assert!(inserts || steps.iter().any(|step| step.starts_with("SEARCH")), "{sql}: {steps:?}");
    }
}

#[tokio::test]
async fn a_run_goes_through_the_due_grants_of_a_day_in_the_order_of_the_file() {
    let store = Fixture::new().store();
    let midnight = UnixTime(NOW.0 / 86_400 * 86_400);
    for (number, renew_after) in [(4, 86_399), (2, 86_400), (3, 0), (1, 500), (5, 86_500)] {
        let facts = GrantFacts { renew_after: midnight.plus(renew_after), ..grant_facts() };
        let token = RefreshToken::new("not-a-real-refresh-token");
        store.put_grant(&grant_key(number), &token, &facts, Expect::Absent).await.unwrap();
    }
    let list = |numbers: &[u128]| numbers.iter().map(|number| tenant(*number)).collect::<Vec<_>>();
    let turn = Turn::new(midnight.plus(86_450), 90 * 86_400);
    assert_eq!(store.claim_due(&app(), turn, 10).await.unwrap(), list(&[4, 3, 1, 2]));
    assert_eq!(store.claim_due(&app(), turn, 2).await.unwrap(), list(&[4, 3]));
    assert_eq!(store.due(&app(), turn, 3).await.unwrap(), list(&[3, 1, 4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_takes_as_many_steps_among_ten_thousand_grants_as_among_ten() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let fill = |numbers: std::ops::Range<u128>| {
        join_all(numbers.map(|number| put(&store, number, "not-a-real-refresh-token", Expect::Absent)))
    };
    let steps = || {
        let raw = fixture.raw();
        let owner = (app().authority, app().client_id.as_str().to_owned(), tenant(5).uuid().into_bytes());
        let mut grant = raw.prepare(records::GRANT).unwrap();
        assert!(grant.exists((&owner.0, &owner.1, &owner.2)).unwrap());
        let mut due = raw.prepare(records::DUE_TO_RENEW).unwrap();
        let found = due.query_map((&owner.0, &owner.1, i64::MAX, 3), |row| row.get::<_, [u8; 16]>(0)).unwrap().count();
        assert_eq!(found, 3);
        (
            grant.get_status(rusqlite::StatementStatus::VmStep),
            due.get_status(rusqlite::StatementStatus::VmStep),
            grant.get_status(rusqlite::StatementStatus::FullscanStep),
        )
    };
    assert!(fill(0..10).await.into_iter().all(|outcome| outcome.is_ok()));
    let few = steps();
    assert!(fill(10..10_000).await.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(steps(), few);
    assert_eq!(store.tenants(&app(), Some(tenant(9_989)), 100).await.unwrap().len(), 10);
}

// Faults.

#[tokio::test]
async fn a_store_that_another_process_keeps_busy_says_when_to_try_again() {
    let fixture = Fixture::with_two_grants().await;
    let raw = fixture.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = fixture.store();
    let busy = put(&store, 1, "not-a-real-refresh-token", Expect::Generation(1)).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::StoreUnavailable);
    assert!(busy.retry_after().is_some());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_some(), "reading goes on");
    // What cannot be removed keeps its newest token.
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 1).await.unwrap();
    store.remove_grant(&grant_key(1)).await.unwrap_err();
    assert!(fixture.folder.path().join("grants.db.recovery").exists());
    raw.execute_batch("ROLLBACK").unwrap();
    assert_eq!(put(&store, 1, "not-a-real-refresh-token", Expect::Generation(1)).await.unwrap(), Written::Yes(2));
}

#[tokio::test]
async fn an_entry_that_does_not_open_is_set_aside_and_stops_nothing() {
    let fixture = Fixture::with_two_grants().await;
    let other = Fixture::new();
    let foreign = SqliteStore::new(&other.path(), Arc::new(FixedKey(9))).unwrap();
    foreign.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 1).await.unwrap();
    let folder = |fixture: &Fixture| fixture.folder.path().join("grants.db.recovery");
    fs::rename(folder(&other), folder(&fixture)).unwrap();
    let store = fixture.store();
    store.put_recovery(&grant_key(2), &RefreshToken::new("not-a-real"), &grant_facts(), 1).await.unwrap();
    // A store that is just opened looks into its journal.
    assert_eq!(fixture.store().grant(&grant_key(1)).await.unwrap().unwrap().generation, 1);
    assert_eq!(store.grant(&grant_key(2)).await.unwrap().unwrap().generation, 2);
    let left: Vec<_> = fs::read_dir(folder(&fixture)).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().unwrap() == "unreadable") && left.len() == 1, "{left:?}");
}

#[tokio::test]
async fn a_consent_that_found_no_place_comes_in_unless_it_was_removed() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    for number in [7, 8] {
        store.put_recovery(&grant_key(number), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    }
    assert!(store.remove_grant(&grant_key(8)).await.unwrap());
    put(&store, 1, "not-a-real-refresh-token", Expect::Generation(1)).await.unwrap();
    let kept = fixture.store().grant(&grant_key(7)).await.unwrap().unwrap();
    assert_eq!((kept.generation, kept.refresh_token.expose()), (1, "not-a-real"));
    assert!(fixture.store().grant(&grant_key(8)).await.unwrap().is_none());
    // Whether it comes to its place before, during or after the removal.
    for number in 10..40 {
        store.put_recovery(&grant_key(number), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
        assert!(store.remove_grant(&grant_key(number)).await.unwrap(), "{number}");
        assert!(store.grant(&grant_key(number)).await.unwrap().is_none(), "{number}");
    }
}

#[tokio::test]
async fn an_entry_that_was_taken_away_after_it_was_read_is_not_applied() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    store.put_recovery(&grant_key(7), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    let entry = store.0.journal.entries().unwrap().remove(0);
    store.0.journal.remove_grant(&grant_key(7)).unwrap();
    let keys = store.0.load_keys().unwrap();
    let mut slot = store.0.writer.lock();
    apply(store.0.writer(&mut slot).unwrap(), &keys, &entry).unwrap();
    drop(slot);
    assert!(store.grant(&grant_key(7)).await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_recovered_tokens_the_newer_is_applied_and_after_a_restored_backup_too() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    for (number, token, replaces) in [(1, "older", 1), (1, "newer", 1), (2, "far-ahead", 7)] {
        store.put_recovery(&grant_key(number), &RefreshToken::new(token), &grant_facts(), replaces).await.unwrap();
    }
    let store = fixture.store();
    for (number, token) in [(1, "newer"), (2, "far-ahead")] {
        let grant = store.grant(&grant_key(number)).await.unwrap().unwrap();
        assert_eq!((grant.refresh_token.expose(), grant.generation), (token, 2));
    }
    assert!(!fixture.folder.path().join("grants.db.recovery").exists());
}

/// Two processes read the same entry; one of them removes the grant before the other comes to write it.
#[tokio::test]
async fn an_entry_that_was_taken_away_meanwhile_is_not_applied() {
    let fixture = Fixture::with_two_grants().await;
    let store = fixture.store();
    store.put_recovery(&grant_key(3), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    let entries = store.0.journal.entries().unwrap();
    assert!(store.remove_grant(&grant_key(3)).await.unwrap());
    let keys = store.0.load_keys().unwrap();
    for entry in &entries {
        apply(&mut store.0.open_writer().unwrap(), &keys, entry).unwrap();
    }
    assert_eq!(entries.len(), 1);
    assert!(store.grant(&grant_key(3)).await.unwrap().is_none(), "a removed grant came back");
}

// Processes that are killed. A test runs itself again as the child: the variable says in which part.

const PART: &str = "PARTNERSAM_TEST_PART";
const PLACE: &str = "PARTNERSAM_TEST_PLACE";

/// The store that a child is to work on; none where the test is not run as a child.
fn as_child(part: &str) -> Option<SqliteStore> {
    (std::env::var(PART).ok()? == part).then(|| store_at(Path::new(&std::env::var_os(PLACE).unwrap())))
}

fn child(part: &str, fixture: &Fixture, wrapper: &[&str]) -> Child {
    let me = std::env::current_exe().unwrap();
    let test = format!("store::sqlite::tests::{part}");
    let mut words = wrapper.iter().map(|word| (*word).to_owned());
    let mut command = Command::new(words.next().unwrap_or_else(|| me.display().to_string()));
    command.args(words);
    if !wrapper.is_empty() {
        command.arg(&me);
    }
    command.args([&test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(PLACE, fixture.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The next line that the child says to its parent.
fn word(child: &mut BufReader<impl std::io::Read>) -> Option<String> {
    let mut line = String::new();
    while child.read_line(&mut line).unwrap() > 0 {
        if let Some((_, word)) = line.trim_end().split_once("child: ") {
            return Some(word.to_owned());
        }
        line.clear();
    }
    None
}

fn say(word: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {word}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
async fn a_killed_writer_loses_no_acknowledged_write() {
    if let Some(store) = as_child("a_killed_writer_loses_no_acknowledged_write") {
        let mut generation = store.grant(&grant_key(1)).await.unwrap().unwrap().generation;
        loop {
            let token = format!("not-a-real-refresh-token-{}", generation + 1);
            let written = put(&store, 1, &token, Expect::Generation(generation)).await.unwrap();
            let Written::Yes(new) = written else { unreachable!("nobody else writes") };
            generation = new;
            say(generation);
        }
    }
    let fixture = Fixture::with_two_grants().await;
    for round in 0..25_usize {
        let mut child = child("a_killed_writer_loses_no_acknowledged_write", &fixture, &[]);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged = 0;
        for _ in 0..=round {
            acknowledged = word(&mut said).unwrap().parse::<u64>().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(more) = word(&mut said) {
            acknowledged = more.parse().unwrap();
        }
        let grant = fixture.store().grant(&grant_key(1)).await.unwrap().unwrap();
        assert!(grant.generation >= acknowledged, "{} after {acknowledged} was acknowledged", grant.generation);
        let token = format!("not-a-real-refresh-token-{}", grant.generation);
        assert_eq!(grant.refresh_token.expose(), token);
    }
}

#[tokio::test]
async fn a_killed_holder_lets_go_of_its_lease() {
    if let Some(store) = as_child("a_killed_holder_lets_go_of_its_lease") {
        let held = store.lease("one", Duration::ZERO).await.unwrap();
        say(held.is_some());
        std::thread::sleep(Duration::from_secs(600));
        drop(held);
    }
    let fixture = Fixture::with_two_grants().await;
    let mut child = child("a_killed_holder_lets_go_of_its_lease", &fixture, &[]);
    let mut said = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(word(&mut said).as_deref(), Some("true"));
    let store = fixture.store();
    assert!(store.lease("one", Duration::from_millis(50)).await.unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(store.lease("one", Duration::from_secs(60)).await.unwrap().is_some());
}

/// The child may write no file beyond 160 KiB: to SQLite that is a disk that fails, while a small file still fits.
#[cfg(unix)]
#[tokio::test]
async fn a_token_that_found_no_place_is_recovered() {
    if let Some(store) = as_child("a_token_that_found_no_place_is_recovered") {
        let mut generation = 1;
        let refused = loop {
            match put(&store, 1, "not-a-real-refresh-token", Expect::Generation(generation)).await {
                Ok(_) => generation += 1,
                Err(error) => break error,
            }
        };
        say(refused.kind().id());
        let token = RefreshToken::new("not-a-real-recovered-token");
        let kept = store.put_recovery(&grant_key(1), &token, &grant_facts(), generation).await;
        say(kept.is_ok());
        say(generation);
        return;
    }
    let fixture = Fixture::with_two_grants().await;
    let limit = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 320; exec \"$@\"", "sh"];
    let mut child = child("a_token_that_found_no_place_is_recovered", &fixture, &limit);
    let mut said = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(word(&mut said).as_deref(), Some("StoreUnwritable"));
    assert_eq!(word(&mut said).as_deref(), Some("true"));
    let generation: u64 = word(&mut said).unwrap().parse().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(fixture.folder.path().join("grants.db.recovery").exists());
    let store = fixture.store();
    let grant = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!(grant.refresh_token.expose(), "not-a-real-recovered-token");
    assert_eq!(grant.generation, generation + 1);
    assert!(!fixture.folder.path().join("grants.db.recovery").exists());
}
