//! The tables, and how an older schema becomes today's. Everything stands in the schema `partnersam`, and every statement names it: no search path
//! decides what is meant.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::Derivation;
use crate::store::postgres::fault::failure;
use crate::store::rotation::{NewKey, Said};

/// "PSAM": the advisory lock that migrations and the making of a key are done under.
pub(super) const SETUP_LOCK: i64 = 0x5053_414d;

/// Each takes the schema one version further; the first makes it. Never change one that was released: add the next.
const MIGRATIONS: &[&str] = &["
    -- An owner that was given the schema has no right to make one, not even one that is there.
    DO $$ BEGIN IF to_regnamespace('partnersam') IS NULL THEN CREATE SCHEMA partnersam; END IF; END $$;
    CREATE TABLE partnersam.meta (
        name TEXT PRIMARY KEY,
        value BYTEA NOT NULL
    );

    -- In clear is only what finds a record or tells when it is due; all of it is also sealed and compared when the record is opened.
    CREATE TABLE partnersam.grants (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        tenant BYTEA NOT NULL,
        user_oid TEXT NOT NULL,
        generation BIGINT NOT NULL,
        is_dead BOOLEAN NOT NULL,
        renew_after BIGINT NOT NULL,
        expires_on BIGINT NOT NULL,
        wrapped_key BYTEA NOT NULL,
        sealed BYTEA NOT NULL,
        -- Which session is renewing it; 0: none. Counts only while that session holds its lock.
        claimed_by INTEGER NOT NULL DEFAULT 0
    ) WITH (fillfactor = 70);
    CREATE UNIQUE INDEX grants_by_owner ON partnersam.grants (authority, client_id, tenant);
    CREATE INDEX grants_due ON partnersam.grants (authority, client_id, renew_after, tenant) WHERE NOT is_dead;
    CREATE INDEX grants_claimed ON partnersam.grants (claimed_by) WHERE claimed_by <> 0;

    CREATE TABLE partnersam.access_tokens (
        grant_id BIGINT NOT NULL REFERENCES partnersam.grants (id) ON DELETE CASCADE,
        tenant BYTEA NOT NULL,
        audience TEXT NOT NULL,
        expires_on BIGINT NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (grant_id, tenant, audience)
    );
    CREATE INDEX access_tokens_by_end ON partnersam.access_tokens (expires_on);

    CREATE TABLE partnersam.pending_consents (
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        state_hash BYTEA NOT NULL,
        expires_on BIGINT NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (authority, client_id, state_hash)
    );
    CREATE INDEX pending_consents_by_end ON partnersam.pending_consents (expires_on);

    CREATE TABLE partnersam.domains (
        authority TEXT NOT NULL,
        domain TEXT NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (authority, domain)
    );
", "
    -- From here on the store's key can be changed, and a program that knows of one key only must not read: see PREVIOUS_KEY and what follows it.
", "
    -- When a grant was removed, by the database's clock, for what waits in files on hosts that were off meanwhile.
    CREATE TABLE partnersam.removals (
        authority TEXT NOT NULL,
        client_id TEXT NOT NULL,
        tenant BYTEA NOT NULL,
        removed_on BIGINT NOT NULL,
        PRIMARY KEY (authority, client_id, tenant)
    );
    CREATE INDEX removals_by_time ON partnersam.removals (removed_on);
"];

/// The key before the one in use, sealed with it, as long as records are under it.
const PREVIOUS_KEY: &str = "previous_key";
/// The `id` of the last grant that was moved from the one to the other.
const MOVED_TO: &str = "moved_to";
/// There while the source of the host that changed the key may still hold the old one.
const RETIRING: &str = "retiring";
/// The keys before the one in use, sealed with it, for what waits in files on hosts that were off meanwhile.
const FORMER_KEYS: &str = "former_keys";

/// What a store says of itself.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) store_id: String,
    pub(super) derivation: Derivation,
    /// A value sealed with the store's key; none until the first key is used.
    pub(super) key_check: Option<Vec<u8>>,
    /// The key before it, sealed with it, while records are moved from the one to the other.
    pub(super) previous: Option<Vec<u8>>,
    /// The `id` of the last grant that was moved.
    pub(super) moved_to: i64,
    /// Whether a source may still hold a key that is not the store's any more.
    pub(super) is_retiring: bool,
    former: Option<Vec<u8>>,
}

impl Meta {
    /// What is said of the key; none where there is none yet.
    pub(super) fn said(&self) -> Option<Said<'_>> {
        Some(Said {
            store_id: &self.store_id,
            derivation: &self.derivation,
            key_check: self.key_check.as_ref()?,
            previous: self.previous.as_deref(),
            former: self.former.as_deref(),
        })
    }
}

/// What there is in the database.
#[derive(Debug)]
pub(super) enum Found {
    /// No schema yet.
    Nothing,
    /// One of an older version.
    Older,
    /// Today's.
    Ready(Meta),
}

/// Looks what there is.
pub(super) async fn look(client: &Client) -> Result<Found> {
    look_for(client, MIGRATIONS.len() as u64).await
}

async fn look_for(client: &Client, newest: u64) -> Result<Found> {
    const IS_THERE: &str = "SELECT to_regclass('partnersam.meta') IS NOT NULL";
    let is_there = client.query_typed_one(IS_THERE, &[]).await.map_err(failure)?;
    if !is_there.try_get::<_, bool>(0).map_err(failure)? {
        return Ok(Found::Nothing);
    }
    let rows = client.query_typed("SELECT name, value FROM partnersam.meta", &[]).await.map_err(failure)?;
    let get = |name: &str| -> Option<Vec<u8>> {
        rows.iter().find(|row| row.try_get::<_, &str>(0).is_ok_and(|found| found == name))?.try_get(1).ok()
    };
    let text = |name: &str| get(name).and_then(|value| String::from_utf8(value).ok());
    let version: u64 = text("schema").and_then(|text| text.parse().ok()).ok_or_else(|| damaged("schema"))?;
    if version > newest {
        return Err(Error::new(ErrorKind::StoreSchemaNewer, "store", "the store was written by a newer version")
            .with_context("schema", version)
            .with_context("known", newest));
    }
    if version < newest {
        return Ok(Found::Older);
    }
    Ok(Found::Ready(Meta {
        store_id: text("store_id").ok_or_else(|| damaged("store_id"))?,
        derivation: text("derivation")
            .and_then(|text| Derivation::from_text(&text))
            .ok_or_else(|| damaged("derivation"))?,
        key_check: get("key_check"),
        moved_to: match get(PREVIOUS_KEY) {
            Some(_) => text(MOVED_TO).and_then(|text| text.parse().ok()).ok_or_else(|| damaged(MOVED_TO))?,
            None => 0,
        },
        previous: get(PREVIOUS_KEY),
        is_retiring: get(RETIRING).is_some(),
        former: get(FORMER_KEYS),
    }))
}

/// Makes the schema, or brings an older one up to date. Of many hosts that come at once, one does it.
pub(super) async fn prepare(client: &mut Client) -> Result<Meta> {
    prepare_to(client, MIGRATIONS).await
}

async fn prepare_to(client: &mut Client, migrations: &[&str]) -> Result<Meta> {
    let newest = migrations.len() as u64;
    let transaction = client.transaction().await.map_err(failure)?;
    transaction.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&SETUP_LOCK, Type::INT8)]).await.map_err(failure)?;
    let found = look_for(transaction.client(), newest).await?;
    let done = match found {
        Found::Ready(_) => migrations.len(),
        Found::Nothing => 0,
        Found::Older => version(transaction.client()).await?,
    };
    for migration in migrations.iter().skip(done) {
        transaction.batch_execute(migration).await.map_err(failure)?;
    }
    let put = async |name: &str, value: &str| put(transaction.client(), name, value.as_bytes()).await;
    if done == 0 {
        put("store_id", &Uuid::new_v4().to_string()).await?;
        put("derivation", &Derivation::generate()?.to_text()).await?;
    }
    if done < migrations.len() {
        put("schema", &newest.to_string()).await?;
    }
    let Found::Ready(meta) = look_for(transaction.client(), newest).await? else { return Err(damaged("schema")) };
    transaction.commit().await.map_err(failure)?;
    Ok(meta)
}

/// Takes the first key of an empty store into use; what was known of an older one is gone.
pub(super) async fn put_first_key(client: &Client, check: &[u8]) -> Result<()> {
    remove(client, &[PREVIOUS_KEY, MOVED_TO, RETIRING, FORMER_KEYS]).await?;
    put(client, "key_check", check).await
}

/// Makes a new key the store's; nothing is moved yet.
pub(super) async fn switch_key(client: &Client, new: &NewKey) -> Result<()> {
    put(client, "key_check", &new.check).await?;
    put(client, "derivation", new.derivation.to_text().as_bytes()).await?;
    put(client, PREVIOUS_KEY, &new.previous).await?;
    put(client, FORMER_KEYS, &new.former).await?;
    put_moved_to(client, 0).await
}

/// Writes which grant was moved last.
pub(super) async fn put_moved_to(client: &Client, id: i64) -> Result<()> {
    put(client, MOVED_TO, id.to_string().as_bytes()).await
}

/// Everything is moved: the old key goes, and its source is next.
pub(super) async fn forget_previous_key(client: &Client) -> Result<()> {
    remove(client, &[PREVIOUS_KEY, MOVED_TO]).await?;
    put(client, RETIRING, b"").await
}

/// The change of the key has come to its end.
pub(super) async fn put_retired(client: &Client) -> Result<()> {
    remove(client, &[RETIRING]).await
}

async fn remove(client: &Client, names: &[&str]) -> Result<()> {
    const REMOVE: &str = "DELETE FROM partnersam.meta WHERE name = ANY ($1)";
    client.query_typed(REMOVE, &[(&names, Type::TEXT_ARRAY)]).await.map(drop).map_err(failure)
}

/// Writes a value that the store says of itself.
async fn put(client: &Client, name: &str, value: &[u8]) -> Result<()> {
    const PUT: &str = "INSERT INTO partnersam.meta (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    client.query_typed(PUT, &[(&name, Type::TEXT), (&value, Type::BYTEA)]).await.map(drop).map_err(failure)
}

async fn version(client: &Client) -> Result<usize> {
    const VERSION: &str = "SELECT value FROM partnersam.meta WHERE name = 'schema'";
    let row = client.query_typed_opt(VERSION, &[]).await.map_err(failure)?;
    row.and_then(|row| row.try_get::<_, Vec<u8>>(0).ok())
        .and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
        .ok_or_else(|| damaged("schema"))
}

fn damaged(name: &str) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", "the store does not say what it should of itself")
        .with_context("meta", name)
}
