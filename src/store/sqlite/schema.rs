//! The tables of the store, and how an older store becomes today's.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::Derivation;
use crate::store::rotation::{NewKey, Said};
use crate::store::sqlite::fault::failure;

/// "PSAM": tells our file from other people's databases.
const APPLICATION_ID: i64 = 0x5053_414d;

/// Each takes the store one version further; the first makes it. Never change one that was released: add the next.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) WITHOUT ROWID;

    -- In clear is only what finds a record or tells when it is due; all of it is also sealed and compared when the record is opened.
    CREATE TABLE grants (
        id INTEGER PRIMARY KEY,
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        tenant BLOB NOT NULL,
        user_oid TEXT NOT NULL,
        generation INTEGER NOT NULL,
        is_dead INTEGER NOT NULL,
        renew_after INTEGER NOT NULL,
        expires_on INTEGER NOT NULL,
        wrapped_key BLOB NOT NULL,
        sealed BLOB NOT NULL
    );
    CREATE UNIQUE INDEX grants_by_owner ON grants (authority, client_id, tenant);
    CREATE INDEX grants_due ON grants (authority, client_id, renew_after, tenant) WHERE is_dead = 0;

    CREATE TABLE access_tokens (
        grant_id INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
        tenant BLOB NOT NULL,
        audience TEXT NOT NULL,
        expires_on INTEGER NOT NULL,
        sealed BLOB NOT NULL
    );
    CREATE UNIQUE INDEX access_tokens_by_owner ON access_tokens (grant_id, tenant, audience);
    CREATE INDEX access_tokens_by_end ON access_tokens (expires_on);

    CREATE TABLE pending_consents (
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        state_hash BLOB NOT NULL,
        expires_on INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (authority, client_id, state_hash)
    ) WITHOUT ROWID;
    CREATE INDEX pending_consents_by_end ON pending_consents (expires_on);

    CREATE TABLE domains (
        authority TEXT NOT NULL,
        domain TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (authority, domain)
    ) WITHOUT ROWID;
", "
    -- Which version of a vault's secret a grant goes back to; used where a vault is the store and this file stands beside it.
    CREATE TABLE vault_copies (
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        tenant BLOB NOT NULL,
        version TEXT NOT NULL,
        PRIMARY KEY (authority, client_id, tenant)
    ) WITHOUT ROWID;
", "
    -- From here on the store's key can be changed, and a program that knows of one key only must not read: see PREVIOUS_KEY, MOVED_TO and RETIRING.
", "
    -- By the day, and within a day in the order of the file: many renewals in a row go through neighbouring pages of table and index, whatever the times of day.
    DROP INDEX grants_due;
    CREATE INDEX grants_due ON grants (authority, client_id, renew_after / 86400, id, renew_after, tenant) WHERE is_dead = 0;
"];

/// The key before the one in use, sealed with it, as long as records are under it.
const PREVIOUS_KEY: &str = "previous_key";
/// The `id` of the last grant that was moved from the one to the other.
const MOVED_TO: &str = "moved_to";
/// The keys before those, sealed with the one in use, for files beside this one; only where this file lies beside a vault and follows its key.
const FORMER_KEYS: &str = "former_keys";
/// The `store_id` by which the source was asked for the key, before this file followed a vault's.
#[cfg(feature = "keyvault")]
const ASKED_AS: &str = "asked_as";
/// There while the source may still hold a key that is not the store's any more.
const RETIRING: &str = "retiring";

/// What a store says of itself.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) store_id: String,
    pub(super) derivation: Derivation,
    /// A value sealed with the store's key; none until the first key is used.
    pub(super) key_check: Option<Vec<u8>>,
    /// The key before it, sealed with it, while records are moved from the one to the other.
    pub(super) previous: Option<Vec<u8>>,
    /// The keys before those, sealed with it.
    pub(super) former: Option<Vec<u8>>,
    /// Whether the source may still hold a key that is not the store's any more.
    pub(super) is_retiring: bool,
}

impl Meta {
    /// What is said of the key; none where there is none yet.
    pub(super) fn said(&self) -> Option<Said<'_>> {
        Some(Said {
            store_id: &self.store_id,
            derivation: &self.derivation,
            key_check: self.key_check.as_ref()?,
            previous: self.previous.as_deref(),
            // None where the file is the whole store: what lies beside it is sealed anew with it.
            former: self.former.as_deref(),
        })
    }
}

/// Makes the tables in an empty file, brings older ones up to date, refuses newer ones and other programs' files.
pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    prepare_to(connection, MIGRATIONS)
}

fn prepare_to(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    let newest = migrations.len() as u64;
    if is_ours(connection)? && version(connection)? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    // Looked at again, for another process may have been quicker.
    let version = if is_ours(&transaction)? {
        version(&transaction)?
    } else {
        make(&transaction)?;
        0
    };
    if version > newest {
        return Err(Error::new(ErrorKind::StoreSchemaNewer, "store", "the store was written by a newer version")
            .with_context("schema", version)
            .with_context("known", newest));
    }
    for migration in migrations.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)) {
        transaction.execute_batch(migration).map_err(failure)?;
    }
    if version == 0 {
        put(&transaction, "store_id", Uuid::new_v4().to_string().as_bytes())?;
        put(&transaction, "derivation", Derivation::generate()?.to_text().as_bytes())?;
    }
    put(&transaction, "schema", newest.to_string().as_bytes())?;
    transaction.commit().map_err(failure)
}

/// Reads what the store says of itself.
pub(super) fn meta(connection: &Connection) -> Result<Meta> {
    let text = |name| -> Result<String> {
        let value = get(connection, name)?.and_then(|value| String::from_utf8(value).ok());
        value.ok_or_else(|| damaged().with_context("meta", name))
    };
    Ok(Meta {
        store_id: text("store_id")?,
        derivation: Derivation::from_text(&text("derivation")?)
            .ok_or_else(|| damaged().with_context("meta", "derivation"))?,
        key_check: get(connection, "key_check")?,
        previous: get(connection, PREVIOUS_KEY)?,
        former: get(connection, FORMER_KEYS)?,
        is_retiring: get(connection, RETIRING)?.is_some(),
    })
}

/// Reads the value that tells whether a key is the store's.
pub(super) fn key_check(connection: &Connection) -> Result<Option<Vec<u8>>> {
    get(connection, "key_check")
}

/// Takes the first key of an empty store into use; what was known of an older one is gone.
pub(super) fn put_first_key(connection: &Connection, check: &[u8]) -> Result<()> {
    for name in [PREVIOUS_KEY, MOVED_TO, RETIRING, FORMER_KEYS] {
        remove(connection, name)?;
    }
    put(connection, "key_check", check)
}

/// Makes a new key the store's; nothing is moved yet.
pub(super) fn switch_key(connection: &Connection, new: &NewKey) -> Result<()> {
    put(connection, "key_check", &new.check)?;
    put(connection, "derivation", new.derivation.to_text().as_bytes())?;
    put(connection, PREVIOUS_KEY, &new.previous)?;
    put_moved_to(connection, 0)
}

/// Makes a vault's key this file's, and the vault's id, too: the source is asked by that from now on.
#[cfg(feature = "keyvault")]
pub(super) fn follow(connection: &Connection, new: &NewKey, from: &Meta, store_id: &str) -> Result<()> {
    if from.store_id != store_id {
        put(connection, ASKED_AS, from.store_id.as_bytes())?;
        put(connection, "store_id", store_id.as_bytes())?;
    }
    put(connection, FORMER_KEYS, &new.former)?;
    switch_key(connection, new)
}

/// Takes over a vault's id where the key is the same.
#[cfg(feature = "keyvault")]
pub(super) fn adopt(connection: &Connection, new: &NewKey, store_id: &str) -> Result<()> {
    put(connection, "store_id", store_id.as_bytes())?;
    put(connection, FORMER_KEYS, &new.former)?;
    put(connection, "derivation", new.derivation.to_text().as_bytes())?;
    put(connection, "key_check", &new.check)
}

/// Under which id the source may hold a key, too, since before this file followed a vault's.
#[cfg(feature = "keyvault")]
pub(super) fn asked_as(connection: &Connection) -> Result<Option<String>> {
    Ok(get(connection, ASKED_AS)?.and_then(|value| String::from_utf8(value).ok()))
}

/// The last grant that was moved.
pub(super) fn moved_to(connection: &Connection) -> Result<i64> {
    let text = get(connection, MOVED_TO)?.and_then(|value| String::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| damaged().with_context("meta", MOVED_TO))
}

/// Writes it.
pub(super) fn put_moved_to(connection: &Connection, id: i64) -> Result<()> {
    put(connection, MOVED_TO, id.to_string().as_bytes())
}

/// Everything is moved: the old key goes, and its source is next.
pub(super) fn forget_previous_key(connection: &Connection) -> Result<()> {
    remove(connection, PREVIOUS_KEY)?;
    remove(connection, MOVED_TO)?;
    put(connection, RETIRING, b"")
}

/// The change of the key has come to its end.
pub(super) fn put_retired(connection: &Connection) -> Result<()> {
    remove(connection, RETIRING)
}

/// Changes a record that nothing depends on.
pub(super) fn touch(connection: &Connection) -> Result<()> {
    put(connection, "touched", b"")
}

fn is_ours(connection: &Connection) -> Result<bool> {
    let found: i64 = connection.query_row("PRAGMA application_id", (), |row| row.get(0)).map_err(failure)?;
    Ok(found == APPLICATION_ID)
}

fn version(connection: &Connection) -> Result<u64> {
    get(connection, "schema")?
        .and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
        .ok_or_else(|| damaged().with_context("meta", "schema"))
}

fn make(transaction: &Transaction<'_>) -> Result<()> {
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).map_err(failure)?;
    if tables > 0 {
        return Err(Error::new(ErrorKind::StoreCorrupt, "store", "the file is a database of another program")
            .with_hint("name another file for the store"));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure)
}

fn get(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1").map_err(failure)?;
    select.query_row([name], |row| row.get(0)).optional().map_err(failure)
}

fn put(connection: &Connection, name: &str, value: &[u8]) -> Result<()> {
    let mut upsert = connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .map_err(failure)?;
    upsert.execute((name, value)).map(drop).map_err(failure)
}

fn remove(connection: &Connection, name: &str) -> Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM meta WHERE name = ?1").map_err(failure)?;
    delete.execute([name]).map(drop).map_err(failure)
}

fn damaged() -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", "the store does not say what it should of itself")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_older_store_is_brought_up_to_date_and_keeps_what_it_has() {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare_to(&mut connection, MIGRATIONS).unwrap();
        let id = meta(&connection).unwrap().store_id;
        put(&connection, "key_check", b"kept").unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("ALTER TABLE grants ADD COLUMN added INTEGER NOT NULL DEFAULT 7;");
        prepare_to(&mut connection, &longer).unwrap();
        prepare_to(&mut connection, &longer).unwrap();
        let after = meta(&connection).unwrap();
        assert_eq!((after.store_id, after.key_check.unwrap().as_slice()), (id, b"kept".as_slice()));
        assert_eq!(version(&connection).unwrap(), longer.len() as u64);
        connection.prepare("SELECT added FROM grants").unwrap();
    }

    #[test]
    fn a_failed_migration_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare_to(&mut connection, MIGRATIONS).unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("CREATE TABLE half (x); SELECT no_such_column FROM grants;");
        prepare_to(&mut connection, &longer).unwrap_err();
        assert_eq!(version(&connection).unwrap(), MIGRATIONS.len() as u64);
        assert!(connection.prepare("SELECT * FROM half").is_err());
    }

    #[test]
    fn a_newer_store_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push("SELECT 1;");
        prepare_to(&mut connection, &longer).unwrap();
        assert_eq!(prepare(&mut connection).unwrap_err().kind(), ErrorKind::StoreSchemaNewer);
    }

    #[test]
    fn another_programs_database_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE cookies (x)").unwrap();
        assert_eq!(prepare(&mut connection).unwrap_err().kind(), ErrorKind::StoreCorrupt);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
        assert!(!is_ours(&connection).unwrap());
    }
}
