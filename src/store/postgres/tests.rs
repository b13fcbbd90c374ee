//! What only this store promises, against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::AtomicUsize;

mod rotation;

use super::server::{Server, shared};
use super::*;
use crate::store::fixtures::*;
use crate::store::key::{KeyRequest, StoreKey};
use crate::store::private_file;

/// A key that is always the same.
#[derive(Debug)]
struct FixedKey(u8);

impl KeyProvider for FixedKey {
    fn key(&self, _: &KeyRequest<'_>) -> Result<StoreKey> {
        Ok(StoreKey::from_bytes(&mut [self.0; 32]))
    }
}

/// Makes a new key each time that it may.
#[derive(Debug, Default)]
struct Making(AtomicUsize);

impl KeyProvider for Making {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        if request.may_create {
            let made = u8::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap() + 1;
            return Ok(StoreKey::from_bytes(&mut [made; 32]));
        }
        match self.0.load(Ordering::SeqCst) {
            0 => Err(Error::new(ErrorKind::StoreKeyMissing, "test", "no key")),
            _ => Ok(StoreKey::from_bytes(&mut [1; 32])),
        }
    }
}

fn store_with(uri: &str, key: Arc<dyn KeyProvider>, password: PasswordSource, journal: Option<&Path>) -> PostgresStore {
    let pool = Pool::new(Address::parse(uri).unwrap(), password);
    PostgresStore(Place::new(pool, KeyRing::new(key), journal.map(Journal::beside)))
}

fn store_at(uri: &str) -> PostgresStore {
    store_with(uri, Arc::new(FixedKey(1)), PasswordSource::default(), None)
}

async fn put(store: &PostgresStore, number: u128, facts: &GrantFacts, expect: Expect) -> Written {
    store.put_grant(&grant_key(number), &RefreshToken::new("not-a-real-refresh-token"), facts, expect).await.unwrap()
}

/// The database's name in a URI of the server's.
fn name_in(uri: &str) -> &str {
    let (place, _) = uri.split_once('?').unwrap();
    place.rsplit_once('/').unwrap().1
}

/// What a store was told, as it comes.
fn changes(store: &PostgresStore) -> tokio::sync::mpsc::UnboundedReceiver<Change> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    store.on_change(Box::new(move |change| drop(sender.send(change.clone()))));
    receiver
}

crate::store::contract::contract!(|| {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    (store_with(&shared().database(), Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal)), folder)
});

/// README has the same statements; a test of the documents compares.
const ROLES: &str = include_str!("roles.sql");

#[tokio::test]
async fn a_worker_with_least_rights_does_all_that_a_store_does_over_tls() {
    let server = shared();
    let name = name_in(&server.database()).to_owned();
    // The roles are the server's: one test makes them.
    server.sql(&name, ROLES);
    server.sql(&name, "ALTER ROLE partnersam_owner PASSWORD 'not-a-real-owner'; ALTER ROLE partnersam_worker PASSWORD 'not-a-real-worker'");
    let folder = tempfile::tempdir().unwrap();
    let (file, ca) = (folder.path().join("password"), server.folder.join("ca.pem"));
    let source = Arc::new(Several::new(1));
    private_file::create(&file, b"not-a-real-worker\n").unwrap();
    let by_file = PasswordSource { file: Some(file.clone()), ..PasswordSource::default() };
    let open = |host: &str, user: &str, query: &str| {
        let uri = format!("postgres://{user}@{host}:{}/{name}?{query}", server.port);
        store_with(&uri, source.clone(), by_file.clone(), None)
    };
    let trusted = format!("sslrootcert={}", ca.display());
    let worker = || open("localhost", "partnersam_worker", &trusted);
    // Without a schema there is nothing to read, and no right to make one.
    assert!(worker().grant(&grant_key(1)).await.unwrap().is_none());
    assert_eq!(worker().check_writable().await.unwrap_err().kind(), ErrorKind::StoreForbidden);
    private_file::replace(&file, b"not-a-real-owner\n").unwrap();
    open("localhost", "partnersam_owner", &trusted).check_writable().await.unwrap();
    private_file::replace(&file, b"not-a-real-worker\n").unwrap();
    let store = worker();
    store.check_writable().await.unwrap();
    assert_eq!(put(&store, 1, &grant_facts(), Expect::Absent).await, Written::Yes(1));
    let token = (&token_key(1, "graph"), &AccessToken::new("not-a-real-access-token"), &token_facts());
    store.put_token(token.0, token.1, token.2).await.unwrap();
    store.put_pending(&pending(1), NOW).await.unwrap();
    store.put_domain("emulator", "fabrikam.example", tenant(1), NOW).await.unwrap();
    assert!(store.lease("one", Duration::ZERO).await.unwrap().is_some());
    assert_eq!(store.claim_due(&app(), due_in(700_000), 10).await.unwrap(), [tenant(1)]);
    store.release_claims().await.unwrap();
    let protected = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'partnersam_worker'";
    assert_ne!(server.sql(&name, protected), "0");
    store.switch(None).await.unwrap();
    assert_eq!(store.move_some(8).await.unwrap().seen, 1);
    store.settle().await.unwrap();
    assert!(store.retire(None).await.unwrap());
    assert!(store.remove_grant(&grant_key(1)).await.unwrap());
    // The schema is not the worker's to change.
    let fault = store.0.pool.query("DROP TABLE partnersam.grants", &[]).await.unwrap_err();
    assert_eq!(fault.error.kind(), ErrorKind::StoreForbidden);

    // A certificate of nobody known, a name that is not in it, no password, a wrong one.
    let refused = async |store: PostgresStore| {
        let error = store.check_writable().await.unwrap_err();
        assert!(!error.to_json().contains("not-a-real"), "{error:?}");
        (error.kind(), error.message().to_owned())
    };
    let tls = (ErrorKind::StoreUnavailable, "the database's certificate or its TLS was refused".to_owned());
    assert_eq!(refused(open("localhost", "partnersam_worker", "")).await, tls);
    assert_eq!(refused(open("127.0.0.1", "partnersam_worker", &trusted)).await, tls);
    private_file::replace(&file, b"not-a-real-guess").unwrap();
    assert_eq!(refused(worker()).await.0, ErrorKind::StoreForbidden);
    let none = store_with(
        &format!("postgres://partnersam_worker@localhost:{}/{name}?{trusted}", server.port),
        Arc::new(FixedKey(1)),
        PasswordSource::default(),
        None,
    );
    assert_eq!(refused(none).await.0, ErrorKind::StoreUnavailable);
}

#[tokio::test]
async fn a_revocation_is_felt_by_every_other_process_and_a_rotation_by_none() {
    let uri = shared().database();
    let (here, there) = (store_at(&uri), store_at(&uri));
    put(&here, 1, &grant_facts(), Expect::Absent).await;
    assert!(there.grant(&grant_key(1)).await.unwrap().is_some());
    let (mut own, mut heard) = (changes(&here), changes(&there));
    put(&here, 1, &grant_facts(), Expect::Generation(1)).await;
    put(&here, 1, &dead_facts(), Expect::Generation(2)).await;
    assert_eq!(heard.recv().await, Some(Change::Grant(grant_key(1))));
    assert!(here.remove_grant(&grant_key(1)).await.unwrap());
    assert_eq!(heard.recv().await, Some(Change::Grant(grant_key(1))));
    // Whatever a later version or another program says: better to forget too much.
    shared().sql(name_in(&uri), "NOTIFY partnersam, 'x'");
    assert_eq!(heard.recv().await, Some(Change::Unknown));
    assert!(heard.try_recv().is_err());
    assert_eq!(own.recv().await, Some(Change::Unknown));
    assert!(own.try_recv().is_err(), "a process was told of what it did itself");
}

#[tokio::test]
async fn leases_and_claims_end_with_the_session_however_it_ends() {
    let uri = shared().database();
    let (here, there) = (store_at(&uri), store_at(&uri));
    for number in 1..=6 {
        put(&here, number, &grant_facts(), Expect::Absent).await;
    }
    let by = due_in(8 * 86_400);
    let held = here.lease("one", Duration::ZERO).await.unwrap();
    assert!(held.is_some());
    assert!(there.lease("one", Duration::from_millis(30)).await.unwrap().is_none());
    let list = |numbers: &[u128]| numbers.iter().map(|number| tenant(*number)).collect::<Vec<_>>();
    assert_eq!(here.claim_due(&app(), by, 4).await.unwrap(), list(&[1, 2, 3, 4]));
    assert_eq!(there.claim_due(&app(), by, 10).await.unwrap(), list(&[5, 6]));
    // What is one's own comes again: it may have failed.
    assert_eq!(here.claim_due(&app(), by, 10).await.unwrap(), list(&[1, 2, 3, 4]));
    assert_eq!(here.due(&app(), by, 10).await.unwrap().len(), 6);
    there.release_claims().await.unwrap();
    assert_eq!(here.claim_due(&app(), by, 5).await.unwrap(), list(&[1, 2, 3, 4, 5]));
    let end_of = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1";
    assert_eq!(shared().sql(name_in(&uri), end_of), "1");
    assert!(there.lease("one", Duration::from_secs(60)).await.unwrap().is_some());
    assert_eq!(there.claim_due(&app(), by, 10).await.unwrap(), list(&[1, 2, 3, 4, 5, 6]));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_hosts_that_come_at_once_one_makes_the_schema_and_one_the_key() {
    let uri = shared().database();
    let key = Arc::new(Making::default());
    let hosts = (1..=8).map(|number| {
        let store = store_with(&uri, Arc::clone(&key) as Arc<dyn KeyProvider>, PasswordSource::default(), None);
        tokio::spawn(async move { put(&store, number, &grant_facts(), Expect::Absent).await })
    });
    for host in hosts.collect::<Vec<_>>() {
        assert_eq!(host.await.unwrap(), Written::Yes(1));
    }
    assert_eq!(key.0.load(Ordering::SeqCst), 1);
    let wrong = store_with(&uri, Arc::new(FixedKey(9)), PasswordSource::default(), None);
    assert_eq!(wrong.grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreKeyWrong);
    shared().sql(name_in(&uri), "UPDATE partnersam.meta SET value = '99' WHERE name = 'schema'");
    assert_eq!(store_at(&uri).grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreSchemaNewer);
    shared().sql(name_in(&uri), "UPDATE partnersam.meta SET value = 'x' WHERE name = 'schema'");
    assert_eq!(store_at(&uri).grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreCorrupt);
}

#[tokio::test]
async fn what_is_in_the_database_shows_nothing_and_does_not_open_elsewhere() {
    let uri = shared().database();
    let store = store_at(&uri);
    for number in [1, 2] {
        put(&store, number, &grant_facts(), Expect::Absent).await;
        let (token, facts) = (AccessToken::new("not-a-real-access-token"), token_facts());
        store.put_token(&token_key(number, "graph"), &token, &facts).await.unwrap();
    }
    store.put_pending(&pending(1), NOW).await.unwrap();
    let server = shared();
    for table in ["grants", "access_tokens", "pending_consents", "domains", "meta"] {
        let all = server.sql(name_in(&uri), &format!("SELECT convert_from(string_agg(encode(t::text::bytea, 'escape'), '')::bytea, 'UTF8') FROM partnersam.{table} AS t"));
        // What is sealed shows as hexadecimal: plain text in it would, too.
        for secret in ["not-a-real", "admin@fabrikam.example"] {
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!all.contains(secret) && !all.contains(&hex), "{table}");
        }
    }
    let swap = "UPDATE partnersam.grants SET sealed = (SELECT sealed FROM partnersam.grants AS o WHERE o.id <> partnersam.grants.id)";
    server.sql(name_in(&uri), swap);
    assert_eq!(store.grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreCorrupt);
    server.sql(name_in(&uri), &swap.replace("sealed", "wrapped_key"));
    assert!(store.token(&token_key(1, "graph")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_waits_beside_the_store_is_in_its_place_before_a_grant_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let uri = shared().database();
    let open = || store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal));
    put(&open(), 1, &grant_facts(), Expect::Absent).await;
    put(&open(), 1, &dead_facts(), Expect::Generation(1)).await;
    let rotated = RefreshToken::new("not-a-real-rotated-token");
    open().put_recovery(&grant_key(1), &rotated, &grant_facts(), 1).await.unwrap();
    let grant = open().grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((grant.generation, grant.refresh_token.expose()), (3, rotated.expose()));
    assert!(!Journal::beside(&journal).is_in_use());
}

/// A record of this grant that is being made, as far as anybody sees: a row of the same key whose transaction goes on.
const OCCUPY: &str = "INSERT INTO partnersam.grants (authority, client_id, tenant, user_oid, generation, is_dead, renew_after, expires_on, wrapped_key, sealed)
    VALUES ($1, $2, $3, '', 1, false, 0, 0, '', '')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_removed_while_its_rescued_consent_comes_to_its_place_stays_removed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let uri = shared().database();
    let open = || store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal));
    // The one that removes is another host: it has no part in that journal.
    let (applying, removing) = (open(), store_at(&uri));
    put(&removing, 2, &grant_facts(), Expect::Absent).await;
    applying.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    // Holds up the write of whoever has looked and found no record.
    let mut client = applying.0.pool.private().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let (key, tenant) = (grant_key(1), tenant(1).uuid().into_bytes());
    let tenant = tenant.as_slice();
    transaction.query_typed(OCCUPY, &Owner::new(&key, &tenant).values()).await.unwrap();
    let waiting = |what: &str| {
        let sql = format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = '{what}'");
        shared().sql(name_in(&uri), &sql) == "1"
    };
    let applied = tokio::spawn(async move { applying.0.recover().await });
    while !waiting("transactionid") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let removed = tokio::spawn(async move { removing.remove_grant(&grant_key(1)).await.unwrap() });
    while !removed.is_finished() && !waiting("advisory") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    transaction.rollback().await.unwrap();
    applied.await.unwrap();
    assert!(removed.await.unwrap());
    assert!(open().grant(&grant_key(1)).await.unwrap().is_none());
    assert!(!Journal::beside(&journal).is_in_use());
}

/// Facts of a consent so many seconds from now, by the clock that the database has, too.
fn consented(seconds: i64) -> GrantFacts {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let on = UnixTime(i64::try_from(now.as_secs()).unwrap() + seconds);
    GrantFacts { consented_on: on, last_redeemed_on: on, ..grant_facts() }
}

#[tokio::test]
async fn a_grant_that_was_removed_while_a_host_with_its_consent_was_off_stays_removed() {
    const DAY: i64 = 86_400;
    let folder = tempfile::tempdir().unwrap();
    let uri = shared().database();
    let open = |name: &str| {
        store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&folder.path().join(name)))
    };
    let (off, on) = (open("off"), open("on"));
    let token = |text: &str| RefreshToken::new(format!("not-a-real-{text}"));
    for (number, proved, replaces) in [(1, -DAY, 0), (2, DAY, 0), (3, -5, 0), (4, -DAY, 7), (5, -500 * DAY, 0)] {
        off.put_recovery(&grant_key(number), &token("rescued"), &consented(proved), replaces).await.unwrap();
    }
    // Elsewhere the partners consent and are revoked, and one consents once more. Of the last nobody knows anything.
    for number in 1..=4 {
        put(&on, number, &grant_facts(), Expect::Absent).await;
        assert!(on.remove_grant(&grant_key(number)).await.unwrap());
    }
    on.put_grant(&grant_key(4), &token("newer"), &consented(60), Expect::Absent).await.unwrap();
    off.0.recover().await;
    assert!(on.grant(&grant_key(1)).await.unwrap().is_none(), "a removed grant came back");
    let later = on.grant(&grant_key(2)).await.unwrap().unwrap();
    assert_eq!(later.refresh_token.expose(), token("rescued").expose());
    let newer = on.grant(&grant_key(4)).await.unwrap().unwrap();
    assert_eq!(
        newer.refresh_token.expose(),
        token("newer").expose(),
        "a removed grant's token is in a newer one's place"
    );
    // What cannot be told is neither brought back nor lost, and the next removal takes it along.
    for number in [3, 5] {
        assert!(on.grant(&grant_key(number)).await.unwrap().is_none());
        assert!(off.condition().error().unwrap().message().contains("set aside"));
        assert!(off.remove_grant(&grant_key(number)).await.unwrap());
    }
    assert!(matches!(off.condition(), StoreCondition::Ok));
}

#[tokio::test]
async fn a_store_of_before_removals_were_remembered_is_brought_up_to_date() {
    let uri = shared().database();
    put(&store_at(&uri), 1, &grant_facts(), Expect::Absent).await;
    let before = "DROP TABLE partnersam.removals; UPDATE partnersam.meta SET value = '2' WHERE name = 'schema'";
    shared().sql(name_in(&uri), before);
    let hosts = [store_at(&uri), store_at(&uri)];
    let found = futures_util::future::join_all(hosts.iter().map(|host| async {
        host.grant(&grant_key(1)).await.unwrap().is_some() && host.remove_grant(&grant_key(1)).await.is_ok()
    }));
    assert!(found.await.contains(&true));
    let now =
        shared().sql(name_in(&uri), "SELECT convert_from(value, 'UTF8') FROM partnersam.meta WHERE name = 'schema'");
    assert_eq!(now, "3");
    assert!(hosts[0].0.removed(&grant_key(1)).await.unwrap().on.is_some());
}

#[tokio::test]
async fn a_removal_is_remembered_as_long_as_an_entry_may_wait() {
    let uri = shared().database();
    let store = store_at(&uri);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    for number in 1..=3 {
        store.remove_grant(&grant_key(number)).await.unwrap();
    }
    let age = |days: i64, number: u128| {
        let sql = format!(
            "UPDATE partnersam.removals SET removed_on = removed_on - {days} * 86400 WHERE tenant = '\\x{}'",
            tenant(number).uuid().simple()
        );
        shared().sql(name_in(&uri), &sql);
    };
    age(399, 2);
    age(401, 3);
    store.remove_grant(&grant_key(1)).await.unwrap();
    let left = shared().sql(name_in(&uri), "SELECT encode(tenant, 'hex') FROM partnersam.removals ORDER BY tenant");
    assert_eq!(left, format!("{}\n{}", tenant(1).uuid().simple(), tenant(2).uuid().simple()));
    // And the same one again, after all that time.
    age(401, 1);
    store.remove_grant(&grant_key(1)).await.unwrap();
    let removed = store.0.removed(&grant_key(1)).await.unwrap();
    assert!(removed.on.unwrap() > removed.known_since);
}

#[tokio::test]
async fn an_entry_that_was_taken_away_after_it_was_read_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let uri = shared().database();
    let open = || store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal));
    let store = open();
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    let entry = Journal::beside(&journal).entries().unwrap().remove(0);
    assert!(open().remove_grant(&grant_key(1)).await.unwrap());
    let plain = entry.open(&store.0.keys().await.unwrap().sealer).unwrap();
    // After the look, which has found it: the last word is had in the transaction.
    let removed = store.0.removed(&grant_key(1)).await.unwrap();
    assert_eq!(store.0.admit(&entry, (&plain, &grant_facts()), removed).await.unwrap(), Written::Lost(None));
    store.0.apply(&entry).await.unwrap();
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_removal_after_the_look_is_heard_of_in_the_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let uri = shared().database();
    let store = store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal));
    store.put_recovery(&grant_key(1), &RefreshToken::new("not-a-real"), &grant_facts(), 0).await.unwrap();
    let entry = Journal::beside(&journal).entries().unwrap().remove(0);
    let plain = entry.open(&store.0.keys().await.unwrap().sealer).unwrap();
    let seen = store.0.removed(&grant_key(1)).await.unwrap();
    // On another host: the entry stays.
    store_at(&uri).remove_grant(&grant_key(1)).await.unwrap();
    assert!(entry.is_kept());
    assert_eq!(store.0.admit(&entry, (&plain, &grant_facts()), seen).await.unwrap(), Written::Lost(None));
    assert!(store_at(&uri).grant(&grant_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_store_that_goes_away_is_degraded_and_comes_back_by_itself() {
    let mut server = Server::start("on");
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let uri = server.database();
    let store = store_with(&uri, Arc::new(FixedKey(1)), PasswordSource::default(), Some(&journal));
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    assert!(matches!(store.condition(), StoreCondition::Ok));
    let mut heard = changes(&store);
    server.crash();
    let rotated = RefreshToken::new("not-a-real-rotated-token");
    let lost = store.put_grant(&grant_key(1), &rotated, &grant_facts(), Expect::Generation(1)).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(store.check_writable().await.unwrap_err().kind(), ErrorKind::StoreUnavailable);
    assert!(matches!(store.condition(), StoreCondition::Degraded { .. }));
    store.put_recovery(&grant_key(1), &rotated, &grant_facts(), 1).await.unwrap();
    server.go();
    // Nobody asks the store for anything, and yet:
    assert_eq!(heard.recv().await, Some(Change::Unknown));
    while !matches!(store.condition(), StoreCondition::Ok) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let grant = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((grant.generation, grant.refresh_token.expose()), (2, rotated.expose()));
}
