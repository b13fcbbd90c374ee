//! The store of a fleet: one PostgreSQL database for many workers on many hosts.
//!
//! tokio-postgres and not sqlx: one connection carries many statements at once and tells of notifications by the way, and the build gets neither a pool, a
//! macro crate nor a second TLS stack.
//!
//! Each operation is one statement, or a look and a guarded write (`turn` is the exception). Where an answer got lost the record is looked at again: a sealed
//! value is unlike any other, so what is there tells whether our write is. What could not be written is kept in a recovery journal on this host.

mod address;
mod fault;
mod keys;
mod lease;
mod link;
mod pending;
mod records;
mod rotation;
mod schema;
mod tls;
mod turn;

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::{AccessToken, RefreshToken};
use crate::store::key::KeyProvider;
use crate::store::password::PasswordSource;
use crate::store::recovery::{Before, Entry, Heading, Journal, over};
use crate::store::{
    AppKey, Change, Expect, Grant, GrantFacts, GrantKey, GrantStore, KeyRotation, Lease, MAX_PENDING, OnChange,
    PendingConsent, StoreCondition, StoredToken, TokenFacts, TokenKey, Turn, Written, rows, seal,
};

use address::Address;
use keys::KeyRing;
use lease::Leases;
use link::{Event, Fault, Link, Pool, Values};
use pending::Room;
use records::{Home, NewToken, Old, Owner, Write, get, joined};
use schema::{Found, Meta};

/// A commit this short ago proves better than a question that the store can be written.
const PROOF_LASTS: Duration = Duration::from_secs(1);

/// How often expired access tokens are removed, in seconds.
const SWEEP_EVERY: i64 = 60;

/// How often a write is tried against a record that others keep changing, or over connections that break.
const MOST_ATTEMPTS: u32 = 4;

/// See [the module](self).
#[derive(Debug)]
pub(crate) struct PostgresStore(Arc<Place>);

/// Whether the store can be named so.
pub(crate) fn check(uri: &str) -> Result<()> {
    Address::parse(uri).map(drop)
}

/// One store's database, and what is known of it.
struct Place {
    pool: Arc<Pool>,
    keys: KeyRing,
    leases: Leases,
    room: Room,
    journal: Option<Journal>,
    meta: Mutex<Option<Meta>>,
    /// Held while the schema is looked for and made.
    preparing: tokio::sync::Mutex<()>,
    last_commit: Mutex<Option<Instant>>,
    swept_on: AtomicI64,
    is_recovering: AtomicBool,
    /// The session that claims were taken for, by its number; 0: none yet.
    claims: tokio::sync::Mutex<Option<Weak<Link>>>,
    claimant: AtomicI32,
    told: OnceLock<OnChange>,
    /// Tells our own notifications from others'.
    name: String,
}

/// How an entry of the journal went.
enum Outcome {
    /// It is in its place, or stale.
    Done,
    /// Whether it is stale cannot be told.
    InDoubt,
}

/// What goes over the channel.
#[derive(Deserialize, Serialize)]
struct Message {
    from: String,
    grant: GrantKey,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// The store at `uri`. Touches nothing yet.
    pub(crate) fn new(uri: &str, keys: Arc<dyn KeyProvider>, password: PasswordSource) -> Result<Self> {
        let address = Address::parse(uri)?;
        let journal = address::journal(&address.location());
        Ok(Self(Place::new(
            Pool::new(address, password),
            KeyRing::new(keys),
            journal.map(|path| Journal::beside(&path)),
        )))
    }
}

impl Place {
    fn new(pool: Arc<Pool>, keys: KeyRing, journal: Option<Journal>) -> Arc<Self> {
        let place = Arc::new(Self {
            pool,
            keys,
            leases: Leases::default(),
            room: Room::default(),
            journal,
            meta: Mutex::default(),
            preparing: tokio::sync::Mutex::default(),
            last_commit: Mutex::default(),
            swept_on: AtomicI64::new(0),
            is_recovering: AtomicBool::new(false),
            claims: tokio::sync::Mutex::default(),
            claimant: AtomicI32::new(0),
            told: OnceLock::new(),
            name: uuid::Uuid::new_v4().simple().to_string(),
        });
        let heard = Arc::downgrade(&place);
        place.pool.on_event(Box::new(move |event| {
            if let Some(place) = heard.upgrade() {
                place.hear(event);
            }
        }));
        place
    }

    fn hear(self: &Arc<Self>, event: Event) {
        let change = match event {
            Event::Back => {
                let place = Arc::clone(self);
                tokio::spawn(async move { place.recover().await });
                Change::Unknown
            }
            Event::Told(payload) => match serde_json::from_str::<Message>(&payload) {
                Ok(message) if message.from == self.name => return,
                Ok(message) => Change::Grant(message.grant),
                // Some other program's, or a later version's.
                Err(_) => Change::Unknown,
            },
        };
        if let Some(told) = self.told.get() {
            told(&change);
        }
    }

    fn message(&self, key: &GrantKey) -> Result<String> {
        serde_json::to_string(&Message { from: self.name.clone(), grant: key.clone() })
            .map_err(|_| rows::corrupt("a grant's key cannot be told"))
    }

    /// What the store says of itself; none where there is no schema yet.
    async fn meta(&self) -> Result<Option<Meta>> {
        if let Some(meta) = lock(&self.meta).clone() {
            return Ok(Some(meta));
        }
        let _preparing = self.preparing.lock().await;
        if let Some(meta) = lock(&self.meta).clone() {
            return Ok(Some(meta));
        }
        let session = self.pool.session().await?;
        match schema::look(&session.client).await? {
            Found::Nothing => Ok(None),
            Found::Older => self.prepare().await.map(Some),
            Found::Ready(meta) => Ok(Some(self.found(meta))),
        }
    }

    /// The same, and makes the schema where there is none.
    async fn meta_or_make(&self) -> Result<Meta> {
        if let Some(meta) = self.meta().await? {
            return Ok(meta);
        }
        let _preparing = self.preparing.lock().await;
        self.prepare().await
    }

    async fn prepare(&self) -> Result<Meta> {
        let mut client = self.pool.private().await?;
        schema::prepare(&mut client).await.map(|meta| self.found(meta))
    }

    fn found(&self, meta: Meta) -> Meta {
        *lock(&self.meta) = Some(meta.clone());
        meta
    }

    /// Forgets what was read of the store: it turned out otherwise.
    fn forget(&self) {
        *lock(&self.meta) = None;
    }

    /// Reads; where there is no schema there is nothing. Once more where a connection broke: reading changes nothing.
    async fn read(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        if self.meta().await?.is_none() {
            return Ok(Vec::new());
        }
        let mut outcome = self.pool.query(sql, values).await;
        if outcome.as_ref().is_err_and(|fault| fault.is_uncertain) {
            outcome = self.pool.query(sql, values).await;
        }
        outcome.map_err(|fault| self.noticed(fault).error)
    }

    /// Writes once.
    async fn write(self: &Arc<Self>, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let rows = self.pool.query(sql, values).await.map_err(|fault| self.noticed(fault))?;
        *lock(&self.last_commit) = Some(Instant::now());
        Ok(rows)
    }

    /// Writes what may as well be written twice.
    async fn write_again(self: &Arc<Self>, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        self.meta_or_make().await?;
        let rows = match self.write(sql, values).await {
            Err(fault) if fault.is_uncertain => self.write(sql, values).await?,
            outcome => outcome?,
        };
        Ok(rows)
    }

    fn noticed(&self, fault: Fault) -> Fault {
        *lock(&self.last_commit) = None;
        if fault.error.kind() == ErrorKind::StoreCorrupt {
            self.forget();
        }
        fault
    }

    async fn row(&self, key: &GrantKey) -> Result<Option<Row>> {
        let tenant = key.tenant.uuid().into_bytes();
        Ok(self.read(records::GRANT, &Owner::new(key, &tenant.as_slice()).values()).await?.pop())
    }

    /// Compare and set, with the access token that came with it.
    async fn put(
        self: &Arc<Self>,
        key: &GrantKey,
        value: (&[u8], &GrantFacts),
        expect: Expect,
        token: Option<NewToken<'_>>,
    ) -> Result<Written> {
        let now = token.as_ref().map(|token| token.facts.received_on);
        let written = self.compare_and_set(key, value, expect, token).await?;
        if let Written::Yes(_) = written {
            self.after_write(now).await;
        }
        Ok(written)
    }

    async fn compare_and_set(
        self: &Arc<Self>,
        key: &GrantKey,
        (plain, facts): (&[u8], &GrantFacts),
        expect: Expect,
        token: Option<NewToken<'_>>,
    ) -> Result<Written> {
        let payload = self.message(key)?;
        let tenant = key.tenant.uuid().into_bytes();
        let tenant = tenant.as_slice();
        let owner = Owner::new(key, &tenant);
        // What may have been written by an attempt whose answer got lost.
        let mut attempted: Option<(u64, Vec<u8>)> = None;
        for attempt in 1.. {
            let keys = self.keys().await?;
            let old: Option<Old> = self.row(key).await?.as_ref().map(records::old).transpose()?;
            if let (Some((generation, sealed)), Some(old)) = (&attempted, &old)
                && old.sealed == *sealed
            {
                return Ok(Written::Yes(*generation));
            }
            let found = old.as_ref().map(|old| old.generation);
            if !expect.is_met_by(found) {
                return Ok(Written::Lost(found));
            }
            let write = Write::new(&keys.sealer, key, (plain, facts), old.as_ref(), token.as_ref())?;
            let (check, payload) = (keys.check.as_slice(), payload.as_str());
            match self.write(write.statement(), &write.values(&owner, &check, &payload)).await {
                Ok(rows) if rows.first().map(|row| get::<i64>(row, 0)).transpose()? == Some(1) => {
                    return Ok(Written::Yes(write.generation));
                }
                // Somebody was quicker, or the store got a new key: nothing is ever sealed with one that is not the store's any more.
                Ok(_) => drop(self.has_another_key(&keys).await?),
                Err(fault) if fault.is_uncertain && attempt < MOST_ATTEMPTS => {
                    attempted = Some((write.generation, write.sealed));
                }
                Err(fault) => return Err(fault.error),
            }
            if attempt >= MOST_ATTEMPTS {
                break;
            }
        }
        Err(Error::new(ErrorKind::StoreConflict, "store", "the record changes faster than it can be written"))
    }

    /// What a write that worked makes possible. Never the caller's trouble.
    async fn after_write(self: &Arc<Self>, now: Option<UnixTime>) {
        self.recover().await;
        if let Some(now) = now {
            let last = self.swept_on.load(Ordering::Relaxed);
            let is_due = now.since(UnixTime(last)) >= SWEEP_EVERY;
            if is_due
                && self.swept_on.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
                && let Err(fault) = self.write(records::SWEEP_TOKENS, &[(&now.0, Type::INT8)]).await
            {
                tracing::debug!(error = %fault.error, "expired access tokens were not removed");
            }
        }
    }

    /// Writes what the journal keeps to its place. What cannot be done now is done after the next write.
    async fn recover(self: &Arc<Self>) {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.is_in_use()) else { return };
        if self.is_recovering.swap(true, Ordering::AcqRel) {
            return;
        }
        let applied = self.apply_journal(journal).await;
        self.is_recovering.store(false, Ordering::Release);
        if let Err(error) = applied {
            tracing::warn!(%error, "the recovery journal could not be applied yet");
        }
    }

    async fn apply_journal(self: &Arc<Self>, journal: &Journal) -> Result<()> {
        for entry in journal.entries()? {
            match self.apply(&entry).await {
                Ok(Outcome::Done) => journal.remove(&entry)?,
                Ok(Outcome::InDoubt) => journal.put_in_doubt(&entry),
                Err(error) if error.kind() == ErrorKind::StoreCorrupt => journal.put_aside(&entry),
                Err(error) => return Err(error),
            }
        }
        journal.tidy();
        Ok(())
    }

    /// Whose turn it is, and where they are fewer than `limit` those beyond; claimed by `claimant`, where there is one.
    async fn in_turn(
        self: &Arc<Self>,
        app: &AppKey,
        turn: Turn,
        limit: usize,
        claimant: Option<i32>,
    ) -> Result<Vec<TenantId>> {
        let client_id = app.client_id.as_str();
        let statements = match claimant {
            None => [records::DUE, records::DUE_BEYOND],
            Some(_) => [records::CLAIM_DUE, records::CLAIM_BEYOND],
        };
        let mut found = Vec::new();
        for (sql, when) in statements.into_iter().zip([turn.by, turn.beyond]) {
            let room = limit - found.len();
            if room == 0 {
                break;
            }
            let room = rows::row_limit(room);
            let values: Values<'_> =
                &[(&app.authority, Type::TEXT), (&client_id, Type::TEXT), (&when.0, Type::INT8), (&room, Type::INT8)];
            let rows = match &claimant {
                None => self.read(sql, values).await?,
                Some(number) => self.write_again(sql, &joined(values, &[(number, Type::INT4)])).await?,
            };
            found.extend(records::tenants(&rows)?);
        }
        Ok(found)
    }

    /// Applies one entry, unless it is stale.
    async fn apply(self: &Arc<Self>, entry: &Entry) -> Result<Outcome> {
        let heading = &entry.heading;
        let keys = self.keys().await?;
        let plain = match entry.open(&keys.sealer) {
            Err(_) if self.has_another_key(&keys).await? => entry.open(&self.keys().await?.sealer)?,
            opened => opened?,
        };
        let (_, facts) = seal::split::<GrantFacts>(&plain)?;
        for _ in 0..MOST_ATTEMPTS {
            let found = self.row(&heading.key).await?.as_ref().map(records::grant).transpose()?;
            let sealer = &self.keys().await?.sealer;
            let found = found.map(|row| row.found(sealer, &heading.key)).transpose()?;
            // Whoever removes a grant takes its entries away before it removes the record for the last time.
            let over = over(heading.replaces, facts.consented_on, found).filter(|_| entry.is_kept());
            let Some(expect) = over else { return Ok(Outcome::Done) };
            let removed = self.removed(&heading.key).await?;
            // A rotation needs a record of its own consent, and that is not there where the grant was removed.
            if heading.replaces == 0 {
                match removed.after(facts.last_redeemed_on) {
                    Before::No => {}
                    Before::Yes => {
                        tracing::info!(partner = %heading.key.tenant, "a rescued consent is older than its grant's removal and stays out");
                        return Ok(Outcome::Done);
                    }
                    Before::Unknown => return Ok(Outcome::InDoubt),
                }
            }
            let written = match expect {
                Expect::Absent => self.admit(entry, (&plain, &facts), removed).await?,
                expect => self.compare_and_set(&heading.key, (&plain, &facts), expect, None).await?,
            };
            if let Written::Yes(_) = written {
                return Ok(Outcome::Done);
            }
        }
        Err(Error::new(ErrorKind::StoreConflict, "store", "the record changes faster than it can be recovered"))
    }

    async fn keep_token(self: &Arc<Self>, new: &NewToken<'_>) -> Result<()> {
        let key = new.key;
        let (grant_tenant, tenant) = (key.grant.tenant.uuid().into_bytes(), key.tenant.uuid().into_bytes());
        let (grant_tenant, tenant) = (grant_tenant.as_slice(), tenant.as_slice());
        let owner = Owner::new(&key.grant, &grant_tenant);
        for attempt in 1.. {
            let keys = self.keys().await?;
            let Some(row) = self.row(&key.grant).await? else { return Ok(()) };
            let Some(Home { user_oid, wrapped_key }) = records::home(&row)? else { return Ok(()) };
            let partner = match keys.sealer.partner(&key.grant, &wrapped_key) {
                Err(_) if attempt < MOST_ATTEMPTS && self.has_another_key(&keys).await? => continue,
                opened => opened?,
            };
            let sealed = rows::seal_token(&partner, key, &user_oid, new.plain)?;
            let values = joined(
                &owner.values(),
                &[
                    (&user_oid, Type::TEXT),
                    (&wrapped_key, Type::BYTEA),
                    (&keys.check, Type::BYTEA),
                    (&tenant, Type::BYTEA),
                    (&key.audience, Type::TEXT),
                    (&new.facts.expires_on.0, Type::INT8),
                    (&sealed, Type::BYTEA),
                ],
            );
            if !self.write_again(records::PUT_TOKEN, &values).await?.is_empty() {
                self.after_write(Some(new.facts.received_on)).await;
                return Ok(());
            }
            // The grant ended, or it or the store got a new key: the next look tells. It is a cache.
            if attempt >= MOST_ATTEMPTS {
                break;
            }
            self.has_another_key(&keys).await?;
        }
        Ok(())
    }

    /// The number that this process's claims go by, alive in the session there is.
    async fn claimant(&self) -> Result<i32> {
        let mut claims = self.claims.lock().await;
        let session = self.pool.session().await?;
        let is_alive = claims.as_ref().and_then(Weak::upgrade).is_some_and(|link| Arc::ptr_eq(&link, &session));
        let number = self.claimant.load(Ordering::Relaxed);
        if is_alive && number != 0 {
            return Ok(number);
        }
        loop {
            let mut bytes = [0; 4];
            seal::random(&mut bytes)?;
            let number = (i32::from_be_bytes(bytes) & i32::MAX).max(1);
            let taken = self.pool.query_on(&session, records::BE_ALIVE, &[(&number, Type::INT4)]).await?;
            if taken.first().map(|row| get::<bool>(row, 0)).transpose()? == Some(true) {
                self.claimant.store(number, Ordering::Relaxed);
                *claims = Some(Arc::downgrade(&session));
                return Ok(number);
            }
        }
    }
}

impl GrantStore for PostgresStore {
    fn location(&self) -> String {
        self.0.pool.location()
    }

    fn seal_beside<'a>(&'a self, label: &'a str, plain: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        async move {
            // Where the database is away the key in memory has to do: the store goes on opening what it sealed in a file.
            let known = self.0.keys().await?;
            let keys = match self.0.has_another_key(&known).await {
                Ok(true) => self.0.keys().await?,
                Ok(false) | Err(_) => known,
            };
            keys.sealer.seal_beside(label, plain).map(Some)
        }
        .boxed()
    }

    fn open_beside<'a>(
        &'a self,
        label: &'a str,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Zeroizing<Vec<u8>>>>> {
        async move {
            let keys = self.0.keys().await?;
            match keys.sealer.open_beside(label, sealed) {
                Err(_) if self.0.has_another_key(&keys).await? => {
                    self.0.keys().await?.sealer.open_beside(label, sealed).map(Some)
                }
                opened => opened.map(Some),
            }
        }
        .boxed()
    }

    fn is_current_beside<'a>(&'a self, label: &'a str, sealed: &'a [u8]) -> BoxFuture<'a, Result<bool>> {
        async move { Ok(self.0.keys().await?.sealer.is_current_beside(label, sealed)) }.boxed()
    }

    fn grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<Option<Grant>>> {
        async move {
            let opened = async {
                if self.0.meta().await?.is_some() && self.0.journal.as_ref().is_some_and(Journal::is_in_use) {
                    // What waits beside the store is newer. A grant that was taken for dead without it would never be written again.
                    self.0.recover().await;
                }
                for attempt in 1.. {
                    let Some(row) = self.0.row(key).await? else { break };
                    let keys = self.0.keys().await?;
                    match records::grant(&row)?.open(&keys.sealer, key) {
                        // It may have been moved to a new key between the look and the key.
                        Err(_) if attempt < rotation::ATTEMPTS => drop(self.0.has_another_key(&keys).await?),
                        opened => return opened.map(Some),
                    }
                }
                Ok(None)
            };
            opened.await.map_err(|error| about(error, key))
        }
        .boxed()
    }

    fn put_grant<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Written>> {
        async move {
            // EXPOSE: sealed on the way into the database.
            let plain = seal::join(refresh_token.expose(), facts)?;
            self.0.put(key, (&plain, facts), expect, None).await.map_err(|error| about(error, key))
        }
        .boxed()
    }

    fn put_grant_and_token<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
        (token_key, token, token_facts): (&'a TokenKey, &'a AccessToken, &'a TokenFacts),
    ) -> BoxFuture<'a, Result<Written>> {
        async move {
            super::check_owner(token_key, key)?;
            // EXPOSE: sealed on the way into the database.
            let plain = seal::join(refresh_token.expose(), facts)?;
            // EXPOSE: likewise.
            let token_plain = seal::join(token.expose(), token_facts)?;
            let token = NewToken { key: token_key, plain: &token_plain, facts: token_facts };
            self.0.put(key, (&plain, facts), expect, Some(token)).await.map_err(|error| about(error, key))
        }
        .boxed()
    }

    fn put_recovery<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        replaces: u64,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let keys = self.0.keys_for_journal().await?;
            // EXPOSE: sealed on the way into the journal.
            let plain = seal::join(refresh_token.expose(), facts)?;
            let heading = Heading { key: key.clone(), user_oid: facts.user_oid.clone(), replaces };
            off_thread(&self.0, move |journal| journal.put(&keys.sealer, &heading, &plain)).await
        }
        .boxed()
    }

    fn remove_grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<bool>> {
        async move { self.0.remove(key).await }.boxed()
    }

    fn tenants<'a>(
        &'a self,
        app: &'a AppKey,
        after: Option<TenantId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        async move {
            let after = after.map(|after| after.uuid().into_bytes().to_vec()).unwrap_or_default();
            let (client_id, limit) = (app.client_id.as_str(), rows::row_limit(limit));
            let values: Values<'_> =
                &[(&app.authority, Type::TEXT), (&client_id, Type::TEXT), (&after, Type::BYTEA), (&limit, Type::INT8)];
            records::tenants(&self.0.read(records::TENANTS, values).await?)
        }
        .boxed()
    }

    fn due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        self.0.in_turn(app, turn, limit, None).boxed()
    }

    fn claim_due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        async move {
            if self.0.meta().await?.is_none() {
                return Ok(Vec::new());
            }
            let claimant = self.0.claimant().await?;
            self.0.in_turn(app, turn, limit, Some(claimant)).await
        }
        .boxed()
    }

    fn release_claims(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let number = self.0.claimant.load(Ordering::Relaxed);
            if number != 0 {
                self.0.write_again(records::RELEASE_CLAIMS, &[(&number, Type::INT4)]).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn on_change(&self, told: OnChange) {
        let _ = self.0.told.set(told);
    }

    fn condition(&self) -> StoreCondition {
        if let Some((since, error)) = self.0.pool.trouble() {
            return StoreCondition::Degraded { since, error };
        }
        self.0.journal.as_ref().map_or(StoreCondition::Ok, Journal::condition)
    }

    fn check_writable(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if lock(&self.0.last_commit).is_some_and(|last| last.elapsed() < PROOF_LASTS) {
                return Ok(());
            }
            let keys = self.0.keys().await?;
            let rows = self.0.read(records::IS_WRITABLE, &[]).await?;
            let Some(row) = rows.first() else { return Ok(()) };
            // Asked before something is redeemed that could not be sealed: another host may have changed the key, and ours has not got it yet.
            if get::<Option<&[u8]>>(row, 2)? != Some(keys.check.as_slice()) && self.0.has_another_key(&keys).await? {
                self.0.keys().await?;
            }
            if !get::<bool>(row, 0)? {
                return Err(Error::new(ErrorKind::StoreUnwritable, "store", "the database can only be read")
                    .with_context("store", self.location()));
            }
            if !get::<bool>(row, 1)? {
                return Err(Error::new(ErrorKind::StoreForbidden, "store", "this account may not write the store")
                    .with_context("store", self.location()));
            }
            Ok(())
        }
        .boxed()
    }

    fn token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<StoredToken>>> {
        async move {
            let (grant_tenant, tenant) = (key.grant.tenant.uuid().into_bytes(), key.tenant.uuid().into_bytes());
            let (grant_tenant, tenant) = (grant_tenant.as_slice(), tenant.as_slice());
            let owner = Owner::new(&key.grant, &grant_tenant);
            let values = joined(&owner.values(), &[(&tenant, Type::BYTEA), (&key.audience, Type::TEXT)]);
            for _ in 0..rotation::ATTEMPTS {
                let found = self.0.read(records::TOKEN, &values).await?;
                let Some(row) = found.first() else { break };
                let keys = self.0.keys().await?;
                match records::token(row)?.open(&keys.sealer, key) {
                    None => drop(self.0.has_another_key(&keys).await?),
                    opened => return Ok(opened),
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a AccessToken,
        facts: &'a TokenFacts,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            // EXPOSE: sealed on the way into the database.
            let plain = seal::join(token.expose(), facts)?;
            self.0.keep_token(&NewToken { key, plain: &plain, facts }).await
        }
        .boxed()
    }

    fn remove_token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<()>> {
        async move {
            let (grant_tenant, tenant) = (key.grant.tenant.uuid().into_bytes(), key.tenant.uuid().into_bytes());
            let (grant_tenant, tenant) = (grant_tenant.as_slice(), tenant.as_slice());
            let owner = Owner::new(&key.grant, &grant_tenant);
            let values = joined(&owner.values(), &[(&tenant, Type::BYTEA), (&key.audience, Type::TEXT)]);
            self.0.write_again(records::REMOVE_TOKEN, &values).await.map(drop)
        }
        .boxed()
    }

    fn put_pending<'a>(&'a self, pending: &'a PendingConsent, now: UnixTime) -> BoxFuture<'a, Result<()>> {
        async move {
            // EXPOSE: sealed on the way into the database.
            let plain = seal::join(pending.verifier.expose(), &pending.facts)?;
            let (client_id, hash, most) =
                (pending.app.client_id.as_str(), pending.state_hash.as_slice(), rows::row_limit(MAX_PENDING));
            for _ in 0..rotation::ATTEMPTS {
                let keys = self.0.keys().await?;
                let sealed = rows::seal_pending(&keys.sealer, &pending.app, &pending.state_hash, &plain)?;
                let putting = self.0.room.begin();
                let values: Values<'_> = &[
                    (&pending.app.authority, Type::TEXT),
                    (&client_id, Type::TEXT),
                    (&hash, Type::BYTEA),
                    (&pending.facts.expires_on.0, Type::INT8),
                    (&sealed, Type::BYTEA),
                    (&now.0, Type::INT8),
                    (&most, Type::INT8),
                    (&keys.check, Type::BYTEA),
                    (&putting.must_count, Type::BOOL),
                ];
                if let Some(row) = self.0.write_again(records::PUT_PENDING, values).await?.first() {
                    if putting.must_count {
                        putting.counted(u64::try_from(most - get::<i64>(row, 0)?).unwrap_or_default());
                    }
                    return Ok(());
                }
                if !self.0.has_another_key(&keys).await? {
                    break;
                }
            }
            Err(super::too_many_pending())
        }
        .boxed()
    }

    fn pending<'a>(
        &'a self,
        app: &'a AppKey,
        state_hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<PendingConsent>>> {
        async move {
            let (client_id, hash) = (app.client_id.as_str(), state_hash.as_slice());
            let values: Values<'_> = &[(&app.authority, Type::TEXT), (&client_id, Type::TEXT), (&hash, Type::BYTEA)];
            for attempt in 1.. {
                let found = self.0.read(records::PENDING, values).await?;
                let Some(row) = found.first() else { break };
                let keys = self.0.keys().await?;
                match rows::open_pending(&keys.sealer, app, state_hash, get(row, 0)?) {
                    Err(_) if attempt < rotation::ATTEMPTS => drop(self.0.has_another_key(&keys).await?),
                    opened => return opened.map(Some),
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn take_pending<'a>(&'a self, app: &'a AppKey, state_hash: &'a [u8; 32]) -> BoxFuture<'a, Result<bool>> {
        async move {
            if self.0.meta().await?.is_none() {
                return Ok(false);
            }
            let (client_id, hash) = (app.client_id.as_str(), state_hash.as_slice());
            let values: Values<'_> = &[(&app.authority, Type::TEXT), (&client_id, Type::TEXT), (&hash, Type::BYTEA)];
            // Once: where the answer got lost nobody knows who took it, and the person begins again.
            Ok(!self.0.write(records::TAKE_PENDING, values).await?.is_empty())
        }
        .boxed()
    }

    fn domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Option<(TenantId, UnixTime)>>> {
        async move {
            for attempt in 1.. {
                let found = self.0.read(records::DOMAIN, &[(&authority, Type::TEXT), (&domain, Type::TEXT)]).await?;
                let Some(row) = found.first() else { break };
                let keys = self.0.keys().await?;
                match rows::open_domain(&keys.sealer, authority, domain, get(row, 0)?) {
                    Ok(found) => return Ok(Some(found)),
                    Err(_) if attempt < rotation::ATTEMPTS && self.0.has_another_key(&keys).await? => {}
                    // One that was tampered with is none: it can be looked up again, and is then written anew.
                    Err(error) => {
                        tracing::warn!(%error, domain, "a kept domain does not open and is not used");
                        break;
                    }
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn put_domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
        tenant: TenantId,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            for _ in 0..rotation::ATTEMPTS {
                let keys = self.0.keys().await?;
                let sealed = rows::seal_domain(&keys.sealer, authority, domain, (tenant, now))?;
                let values: Values<'_> = &[
                    (&authority, Type::TEXT),
                    (&domain, Type::TEXT),
                    (&sealed, Type::BYTEA),
                    (&keys.check, Type::BYTEA),
                ];
                let is_kept = !self.0.write_again(records::PUT_DOMAIN, values).await?.is_empty();
                if is_kept || !self.0.has_another_key(&keys).await? {
                    break;
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn rotation(&self) -> Option<&dyn KeyRotation> {
        Some(self)
    }

    fn reopened(&self) -> Option<Arc<dyn GrantStore>> {
        let journal = address::journal(&self.0.pool.location()).map(|path| Journal::beside(&path));
        Some(Arc::new(Self(Place::new(self.0.pool.reopened(), self.0.keys.carried_over(), journal))))
    }

    fn lease<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Option<Box<dyn Lease>>>> {
        self.0.leases.take(&self.0.pool, name, patience).boxed()
    }
}

/// Works on the journal on a thread for what may wait for a disk.
async fn off_thread<T: Send + 'static>(
    place: &Arc<Place>,
    work: impl FnOnce(&Journal) -> Result<T> + Send + 'static,
) -> Result<T> {
    let place = Arc::clone(place);
    let done = tokio::task::spawn_blocking(move || match &place.journal {
        Some(journal) => work(journal),
        None => Err(Error::new(ErrorKind::StoreUnwritable, "store", "there is no folder for the recovery journal")
            .with_hint("give the service a StateDirectory=, or run it under an account with a home folder")),
    });
    done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::StoreUnavailable, "store", "the store was closed")))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says which grant an error is about.
fn about(error: Error, key: &GrantKey) -> Error {
    error.with_context("partner", key.tenant)
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod server;
#[cfg(all(test, unix))]
mod tests;
