//! How this store gets a new key while other hosts work with it.
//!
//! Every write of what the store's key seals carries the value that tells the key. The new key is made the store's under a lock that lets all writes before it end and none
//! begin, so that afterwards nothing is ever written with the old one. What moves the records holds off that lock in turn: what it has read of the key holds until its commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};
use uuid::Uuid;

use super::{Journal, Place, PostgresStore, off_thread};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::ids::TenantId;
use crate::store::key::KeyProvider;
use crate::store::lease::jittered;
use crate::store::postgres::fault::failure;
use crate::store::postgres::keys::Keys;
use crate::store::postgres::link::Values;
use crate::store::postgres::records::{self, get};
use crate::store::postgres::schema::{self, Found, Meta};
use crate::store::rotation::{self, KeyRotation, Known, Moved, Rekeyed, Standing};
use crate::store::{AppKey, GrantKey, TokenKey, rows};

/// How often a record is looked at that does not open: it may be moved to a new key between the look and the key.
pub(super) const ATTEMPTS: u32 = 3;

/// Waits for the writes that are on their way, and lets no other begin. Each of them is one statement.
const HOLD_WRITERS: &str = "SET LOCAL lock_timeout = '5s';
    LOCK TABLE partnersam.grants, partnersam.pending_consents, partnersam.domains IN SHARE ROW EXCLUSIVE MODE";
/// What any writer of grants holds. Who moves many rows at once gives way, before the database takes him and another writer of many for locked in each other (a second).
const BE_A_WRITER: &str = "SET LOCAL lock_timeout = '400ms'; LOCK TABLE partnersam.grants IN ROW EXCLUSIVE MODE";

const GRANTS_LEFT: &str = "SELECT count(*) FROM partnersam.grants WHERE id > $1";
const GRANTS_TO_MOVE: &str =
    "SELECT generation, user_oid, is_dead, renew_after, expires_on, wrapped_key, sealed, id, authority, client_id, tenant
    FROM partnersam.grants WHERE id > $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE";
const MOVE_GRANTS: &str = "UPDATE partnersam.grants AS g SET wrapped_key = new.wrapped_key, sealed = new.sealed
    FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS new (id, wrapped_key, sealed) WHERE g.id = new.id";
const TOKENS_TO_MOVE: &str =
    "SELECT grant_id, tenant, audience, sealed FROM partnersam.access_tokens WHERE grant_id = ANY ($1) FOR UPDATE";
const MOVE_TOKENS: &str = "UPDATE partnersam.access_tokens AS t SET sealed = new.sealed
    FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[]) AS new (grant_id, tenant, audience, sealed)
    WHERE t.grant_id = new.grant_id AND t.tenant = new.tenant AND t.audience = new.audience";
const ALL_PENDING: &str = "SELECT authority, client_id, state_hash, sealed FROM partnersam.pending_consents FOR UPDATE";
const MOVE_PENDING: &str = "UPDATE partnersam.pending_consents SET sealed = $4
    WHERE authority = $1 AND client_id = $2 AND state_hash = $3";

impl KeyRotation for PostgresStore {
    fn makes_keys(&self) -> bool {
        self.0.keys.takes_keys()
    }

    fn grants(&self) -> BoxFuture<'_, Result<u64>> {
        self.0.grants_after(i64::MIN).boxed()
    }

    fn standing(&self) -> BoxFuture<'_, Result<Option<Standing>>> {
        async move {
            let Some(meta) = self.0.meta_now().await? else { return Ok(None) };
            let retiring = meta.is_retiring.then_some(Standing::Retiring);
            Ok(meta.previous.map(|_| Standing::Moving).or(retiring))
        }
        .boxed()
    }

    fn held(&self) -> BoxFuture<'_, Result<usize>> {
        async move {
            let meta = self.0.meta_with_key().await?;
            let held = |meta: &Meta, source: &Arc<_>| meta.said().ok_or_else(no_key)?.held(Arc::as_ref(source));
            self.0.keys.with_source(&meta, held).await
        }
        .boxed()
    }

    fn has_copies(&self) -> bool {
        !self.0.keys.is_shared()
    }

    fn add(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<Known>> {
        async move {
            let meta = self.0.meta_with_key().await?;
            let is_shared = self.0.keys.is_shared();
            let add = move |meta: &Meta, source: &Arc<_>| {
                let (said, source) = (meta.said().ok_or_else(no_key)?, Arc::as_ref(source));
                let before = said.held(source)?;
                said.add(source, into.as_deref())?;
                let is_new = !is_shared && said.held(source)? > before;
                Ok(if is_new { Known::HereOnly } else { Known::Everywhere })
            };
            self.0.keys.with_source(&meta, add).await
        }
        .boxed()
    }

    fn switch(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<()>> {
        async move {
            // Asked before the transaction: a prompt or a slow derivation must not keep others from writing.
            let meta = self.0.meta_with_key().await?;
            let add = move |meta: &Meta, source: &Arc<_>| {
                meta.said().ok_or_else(no_key)?.add(Arc::as_ref(source), into.as_deref())
            };
            let new = self.0.keys.with_source(&meta, add).await?;
            let mut client = self.0.pool.private().await?;
            let transaction = begin(&mut client, HOLD_WRITERS).await?;
            let now = meta_in(&transaction).await?;
            if now.key_check != meta.key_check || now.previous.is_some() {
                return Err(Error::new(ErrorKind::StoreConflict, "key", "another process is changing the store's key"));
            }
            transaction.batch_execute("DELETE FROM partnersam.domains").await.map_err(failure)?;
            schema::switch_key(transaction.client(), &new).await?;
            transaction.commit().await.map_err(failure)?;
            self.0.forget();
            Ok(())
        }
        .boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<u64>> {
        async move {
            let Some(meta) = self.0.meta_now().await?.filter(|meta| meta.previous.is_some()) else { return Ok(0) };
            self.0.grants_after(meta.moved_to).await
        }
        .boxed()
    }

    fn move_some(&self, most: usize) -> BoxFuture<'_, Result<Moved>> {
        giving_way(move || self.0.move_some(most)).boxed()
    }

    fn settle(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if self.0.journal.as_ref().is_some_and(Journal::is_in_use) {
                let keys = self.0.fresh_keys().await?;
                off_thread(&self.0, move |journal| journal.reseal(&keys.sealer)).await?;
            }
            giving_way(|| self.0.settle()).await
        }
        .boxed()
    }

    fn retire(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<bool>> {
        async move {
            let meta = self.0.meta_with_key().await?;
            let retire = move |meta: &Meta, source: &Arc<_>| {
                meta.said().ok_or_else(no_key)?.retire(Arc::as_ref(source), into.as_deref())
            };
            let is_alone = self.0.keys.with_source(&meta, retire).await?;
            giving_way(|| self.0.be_retired(&meta)).await?;
            Ok(is_alone)
        }
        .boxed()
    }
}

impl Place {
    /// What the store says of itself just now: another host may have changed it.
    async fn meta_now(&self) -> Result<Option<Meta>> {
        self.forget();
        self.meta().await
    }

    /// The same of a store that has a key; an empty one gets its first here.
    async fn meta_with_key(&self) -> Result<Meta> {
        self.keys().await?;
        self.meta_now().await?.ok_or_else(no_key)
    }

    async fn move_some(&self, most: usize) -> Result<Moved> {
        let mut client = self.pool.private().await?;
        let (transaction, keys, meta) = self.begin_to_move(&mut client).await?;
        if meta.previous.is_none() {
            return Ok(Moved::default());
        }
        let (last, moved) = move_grants(&transaction, &keys, meta.moved_to, rows::row_limit(most)).await?;
        if let Some(last) = last {
            schema::put_moved_to(transaction.client(), last).await?;
        }
        transaction.commit().await.map_err(failure)?;
        Ok(moved)
    }

    async fn settle(&self) -> Result<()> {
        let mut client = self.pool.private().await?;
        let (transaction, keys, meta) = self.begin_to_move(&mut client).await?;
        if meta.previous.is_none() {
            return Ok(());
        }
        move_pending(&transaction, &keys).await?;
        schema::forget_previous_key(transaction.client()).await?;
        transaction.commit().await.map_err(failure)?;
        self.forget();
        Ok(())
    }

    async fn be_retired(&self, meta: &Meta) -> Result<()> {
        let mut client = self.pool.private().await?;
        let transaction = begin(&mut client, BE_A_WRITER).await?;
        // Not that of a change that was begun meanwhile.
        if meta_in(&transaction).await?.key_check == meta.key_check {
            schema::put_retired(transaction.client()).await?;
        }
        transaction.commit().await.map_err(failure)?;
        self.forget();
        Ok(())
    }

    async fn grants_after(&self, id: i64) -> Result<u64> {
        let counted = self.read(GRANTS_LEFT, &[(&id, Type::INT8)]).await?;
        let count = counted.first().map(|row| get::<i64>(row, 0)).transpose()?.unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Begins a transaction in which the store's key stays what it is, and gives that key.
    async fn begin_to_move<'a>(&self, client: &'a mut Client) -> Result<(Transaction<'a>, Arc<Keys>, Meta)> {
        let transaction = begin(client, BE_A_WRITER).await?;
        let meta = meta_in(&transaction).await?;
        for _ in 0..ATTEMPTS {
            let keys = self.keys().await?;
            if meta.key_check.as_ref() == Some(&keys.check) {
                return Ok((transaction, keys, meta));
            }
            self.has_another_key(&keys).await?;
        }
        Err(Error::new(ErrorKind::StoreConflict, "key", "another process is changing the store's key"))
    }
}

/// Does it again where others hold what it needs.
async fn giving_way<T, F: Future<Output = Result<T>>>(work: impl Fn() -> F) -> Result<T> {
    /// Together some seconds: statements of others end in less.
    const TIMES: u32 = 10;
    for attempt in 1.. {
        match work().await {
            Err(error) if attempt < TIMES && error.kind().retry() == Retry::After => {
                tokio::time::sleep(jittered(Duration::from_millis(50))).await;
            }
            outcome => return outcome,
        }
    }
    Err(Error::new(ErrorKind::StoreConflict, "key", "other processes hold the records all the time"))
}

async fn begin<'a>(client: &'a mut Client, lock: &str) -> Result<Transaction<'a>> {
    let transaction = client.transaction().await.map_err(failure)?;
    transaction.batch_execute(lock).await.map_err(failure)?;
    Ok(transaction)
}

async fn meta_in(transaction: &Transaction<'_>) -> Result<Meta> {
    match schema::look(transaction.client()).await? {
        Found::Ready(meta) => Ok(meta),
        Found::Nothing | Found::Older => Err(no_key()),
    }
}

/// Seals the grants after the one with the `id` `after` anew, at most `most` of them, with their tokens; gives the `id` of the last. Their rows are held meanwhile: whoever
/// writes one finds another wrapped key afterwards than the one it looked at, and looks again.
async fn move_grants(
    transaction: &Transaction<'_>,
    keys: &Keys,
    after: i64,
    most: i64,
) -> Result<(Option<i64>, Moved)> {
    let rows = transaction.query_typed(GRANTS_TO_MOVE, &[(&after, Type::INT8), (&most, Type::INT8)]).await;
    let (mut last, mut moved, mut moving) = (None, Moved::default(), HashMap::new());
    for row in rows.map_err(failure)? {
        let id: i64 = get(&row, 7)?;
        (last, moved.seen) = (Some(id), moved.seen + 1);
        let sealed = records::grant(&row)?;
        // What opens with neither key was unreadable before, too: it stays as it is, to be looked at.
        match owner(&row).and_then(|key| Ok((rotation::rekey(&keys.sealer, &key, &sealed)?, key))) {
            Ok((Some(rekeyed), key)) => drop(moving.insert(id, Moving { key, user_oid: sealed.user_oid, rekeyed })),
            Ok((None, _)) => {}
            Err(_) => moved.unreadable += 1,
        }
    }
    if !moving.is_empty() {
        let ids: Vec<i64> = moving.keys().copied().collect();
        move_tokens(transaction, &moving, &ids).await?;
        let wrapped: Vec<&[u8]> = moving.values().map(|each| each.rekeyed.wrapped_key.as_slice()).collect();
        let sealed: Vec<&[u8]> = moving.values().map(|each| each.rekeyed.sealed.as_slice()).collect();
        let values: Values<'_> =
            &[(&ids, Type::INT8_ARRAY), (&wrapped, Type::BYTEA_ARRAY), (&sealed, Type::BYTEA_ARRAY)];
        transaction.query_typed(MOVE_GRANTS, values).await.map_err(failure)?;
    }
    Ok((last, moved))
}

/// A grant on its way.
struct Moving {
    key: GrantKey,
    user_oid: String,
    rekeyed: Rekeyed,
}

fn owner(row: &Row) -> Result<GrantKey> {
    let tenant = Uuid::from_slice(get(row, 10)?).map_err(|_| rows::corrupt("a grant's tenant is no id"))?;
    let client_id = get::<&str>(row, 9)?.parse()?;
    Ok(GrantKey { authority: get(row, 8)?, client_id, tenant: TenantId::new(tenant) })
}

/// One that does not open stays and is found to be none: it is a cache, and is swept when it ends.
async fn move_tokens(transaction: &Transaction<'_>, moving: &HashMap<i64, Moving>, ids: &[i64]) -> Result<()> {
    let rows = transaction.query_typed(TOKENS_TO_MOVE, &[(&ids, Type::INT8_ARRAY)]).await.map_err(failure)?;
    let (mut grants, mut tenants, mut audiences, mut sealed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let (id, tenant, audience) = (get::<i64>(row, 0)?, get::<&[u8]>(row, 1)?, get::<&str>(row, 2)?);
        let Some(Moving { key, user_oid, rekeyed }) = moving.get(&id) else { continue };
        let Ok(uuid) = Uuid::from_slice(tenant) else { continue };
        let token = TokenKey { grant: key.clone(), tenant: TenantId::new(uuid), audience: audience.to_owned() };
        if let Some(anew) = rekeyed.token(&token, user_oid, get(row, 3)?) {
            grants.push(id);
            tenants.push(tenant);
            audiences.push(audience);
            sealed.push(anew);
        }
    }
    let values: Values<'_> = &[
        (&grants, Type::INT8_ARRAY),
        (&tenants, Type::BYTEA_ARRAY),
        (&audiences, Type::TEXT_ARRAY),
        (&sealed, Type::BYTEA_ARRAY),
    ];
    transaction.query_typed(MOVE_TOKENS, values).await.map(drop).map_err(failure)
}

/// Seals every pending consent anew that is under the key before the store's.
async fn move_pending(transaction: &Transaction<'_>, keys: &Keys) -> Result<()> {
    let rows = transaction.query_typed(ALL_PENDING, &[]).await.map_err(failure)?;
    for row in &rows {
        let (authority, client_id, state_hash) = (get::<&str>(row, 0)?, get::<&str>(row, 1)?, get::<&[u8]>(row, 2)?);
        let Ok(parsed) = client_id.parse() else { continue };
        let app = AppKey { authority: authority.to_owned(), client_id: parsed };
        if let Some(sealed) = rows::reseal_pending(&keys.sealer, &app, state_hash, get(row, 3)?) {
            let values: Values<'_> = &[
                (&authority, Type::TEXT),
                (&client_id, Type::TEXT),
                (&state_hash, Type::BYTEA),
                (&sealed, Type::BYTEA),
            ];
            transaction.query_typed(MOVE_PENDING, values).await.map_err(failure)?;
        }
    }
    Ok(())
}

fn no_key() -> Error {
    Error::new(ErrorKind::InvalidArgument, "key", "the store has no key yet").with_hint("let a partner consent first")
}
