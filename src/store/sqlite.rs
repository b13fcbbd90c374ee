//! The embedded store: one SQLite file, its records sealed.
//!
//! rusqlite and not sqlx: a process that starts to read one record needs neither a worker thread nor a runtime for it.
//!
//! Two connections: with the write-ahead log a reader never waits for a writer's disk. Reads take microseconds and run where they are called;
//! whatever may wait (opening, the key, every write) runs on a thread for blocking work where there is a runtime.

mod commit;
mod connection;
mod fault;
#[cfg(feature = "keyvault")]
mod follow;
mod keys;
mod records;
mod rotation;
mod schema;
#[cfg(feature = "keyvault")]
mod vault_copies;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::TransactionBehavior;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::{AccessToken, RefreshToken};
use crate::store::key::KeyProvider;
use crate::store::lease::Leases;
use crate::store::recovery::{Entry, Heading, Journal, over};
use crate::store::{
    AppKey, Expect, Grant, GrantFacts, GrantKey, GrantStore, KeyRotation, Lease, PendingConsent, StoreCondition,
    StoredToken, TokenFacts, TokenKey, Turn, Written, rows, seal,
};

#[cfg(feature = "keyvault")]
pub(crate) use follow::Lead;

use commit::{Batch, Open, Queue};
use connection::{Connection, Slot};
use fault::failure;
use keys::{KeyRing, Keys};
use records::{NewGrant, NewToken, Shown};

/// A commit this short ago proves better than a rehearsal that the store can be written.
const PROOF_LASTS: Duration = Duration::from_secs(1);

/// Less than this and the next transaction may not fit.
#[cfg(unix)]
const LEAST_SPACE: u64 = 1024 * 1024;

/// See [the module](self).
#[derive(Debug)]
pub(crate) struct SqliteStore(Arc<Place>);

/// One store's file, and what is open of it.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    keys: KeyRing,
    leases: Leases,
    journal: Journal,
    reader: Slot,
    writer: Slot,
    queue: Queue,
    last_commit: Mutex<Option<Instant>>,
    /// Something was removed whose bytes are still in the log.
    must_scrub: AtomicBool,
}

impl SqliteStore {
    /// The store at `path`. Touches nothing yet.
    pub(crate) fn new(path: &Path, keys: Arc<dyn KeyProvider>) -> Result<Self> {
        let invalid = || {
            Error::new(ErrorKind::ConfigInvalid, "open", "store is not the path of a file")
                .with_context("key", "store")
                .with_context("path", path.display())
        };
        if path.file_name().is_none() {
            return Err(invalid());
        }
        let path = std::path::absolute(path).map_err(|_| invalid())?;
        Ok(Self(Arc::new(Place::new(path, KeyRing::new(keys)))))
    }

    /// See [`GrantStore::reopened`].
    pub(crate) fn anew(&self) -> Self {
        Self(Arc::new(Place::new(self.0.path.clone(), self.0.keys.carried_over())))
    }

    /// Reads a record. Where there is no file yet there is no record, and none is made.
    async fn read<T: Default>(&self, read: impl FnOnce(&rusqlite::Connection) -> Result<T>) -> Result<T> {
        loop {
            if !self.0.reader.is_open() && !off_thread(&self.0, Place::get_ready).await? {
                return Ok(T::default());
            }
            let mut slot = self.0.reader.lock();
            // Closed in between, for a fork or after a fault: that is not to say that there is nothing.
            let Some(connection) = slot.as_ref() else { continue };
            let outcome = read(connection);
            if outcome.as_ref().is_err_and(|error| error.retry_after().is_none()) {
                // Opened anew next time: what was wrong with the file may have been put right.
                *slot = None;
            }
            return outcome;
        }
    }

    async fn keys(&self) -> Result<Arc<Keys>> {
        match self.0.keys.loaded() {
            Some(keys) => Ok(keys),
            None => off_thread(&self.0, Place::load_keys).await,
        }
    }

    async fn remove_record(&self, key: &GrantKey) -> Result<bool> {
        let owner = key.clone();
        let place = Arc::clone(&self.0);
        self.write(move |open| {
            let removed = records::remove_grant(open, &owner)?;
            if removed {
                place.must_scrub.store(true, Ordering::Release);
            }
            Ok(removed)
        })
        .await
    }

    /// Gets `work` into a transaction and waits until it is durable.
    async fn write<T: Send + 'static>(&self, work: impl FnMut(&Open<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, must_lead) = self.0.queue.push(work);
        if must_lead {
            let leader = Leader(Some(Arc::clone(&self.0)));
            match Handle::try_current() {
                // Dropping the handle lets it run on, even when the caller stops waiting: a write that began is finished.
                Ok(runtime) => drop(runtime.spawn_blocking(move || leader.work())),
                Err(_) => leader.work(),
            }
        }
        match answer.await {
            Ok(outcome) => {
                if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::StoreConflict) {
                    self.0.keys.forget();
                }
                outcome
            }
            Err(_) => Err(commit::stopped()),
        }
    }
}

impl GrantStore for SqliteStore {
    fn location(&self) -> String {
        format!("sqlite:{}", self.0.path.display())
    }

    fn seal_beside<'a>(&'a self, label: &'a str, plain: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        async move { self.fresh_keys().await?.sealer.seal_beside(label, plain).map(Some) }.boxed()
    }

    fn open_beside<'a>(
        &'a self,
        label: &'a str,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Zeroizing<Vec<u8>>>>> {
        async move {
            let keys = self.keys().await?;
            match keys.sealer.open_beside(label, sealed) {
                Err(_) => {
                    self.refresh(&keys).await?;
                    self.keys().await?.sealer.open_beside(label, sealed).map(Some)
                }
                opened => opened.map(Some),
            }
        }
        .boxed()
    }

    fn grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<Option<Grant>>> {
        async move {
            for attempt in 1.. {
                let found = self.read(|connection| records::grant(connection, key)).await;
                let Some(sealed) = found.map_err(|error| about(error, key))? else { break };
                let keys = self.keys().await?;
                match sealed.open(&keys.sealer, key) {
                    Err(_) if attempt < rotation::ATTEMPTS => self.refresh(&keys).await?,
                    opened => return opened.map(Some).map_err(|error| about(error, key)),
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn grants_together<'a>(&'a self, keys: &'a [GrantKey]) -> BoxFuture<'a, Vec<Result<Option<Grant>>>> {
        async move {
            let found = self.read(|connection| records::grants(connection, keys)).await.unwrap_or_default();
            let loaded = if found.is_empty() { None } else { self.keys().await.ok() };
            let mut found = found.into_iter();
            let mut grants = Vec::with_capacity(keys.len());
            for key in keys {
                let opened = match (found.next(), &loaded) {
                    (Some(Some(sealed)), Some(loaded)) => sealed.open(&loaded.sealer, key).ok().map(Some),
                    (Some(None), _) => Some(None),
                    _ => None,
                };
                grants.push(match opened {
                    Some(grant) => Ok(grant),
                    // What is amiss with one of them, and whether another key helps, is found out for it alone.
                    None => self.grant(key).await,
                });
            }
            grants
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
            // EXPOSE: sealed on the way into the file.
            let plain = seal::join(refresh_token.expose(), facts)?;
            let (owner, shown) = (key.clone(), Shown::of(facts));
            self.write_sealed(move |open, keys| {
                let new = NewGrant { key: &owner, plain: &plain, shown: &shown };
                records::put_grant(open, keys, &new, expect).map(|(written, _)| written)
            })
            .await
            .map_err(|error| about(error, key))
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
            // EXPOSE: sealed on the way into the file.
            let plain = seal::join(refresh_token.expose(), facts)?;
            // EXPOSE: likewise.
            let token_plain = seal::join(token.expose(), token_facts)?;
            let (owner, shown) = (key.clone(), Shown::of(facts));
            let (token_key, token_facts) = (token_key.clone(), token_facts.clone());
            self.write_sealed(move |open, keys| {
                let new = NewGrant { key: &owner, plain: &plain, shown: &shown };
                let (written, home) = records::put_grant(open, keys, &new, expect)?;
                if let Some(home) = home {
                    let new = NewToken { key: &token_key, plain: &token_plain, facts: &token_facts };
                    records::put_token_at(open, &home, &shown.user_oid, &new)?;
                }
                Ok(written)
            })
            .await
            .map_err(|error| about(error, key))
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
            let keys = match self.fresh_keys().await {
                // What cannot be read now cannot have got a new key now either.
                Err(error) => self.0.keys.loaded().ok_or(error)?,
                keys => keys?,
            };
            // EXPOSE: sealed on the way into the file.
            let plain = seal::join(refresh_token.expose(), facts)?;
            let heading = Heading { key: key.clone(), user_oid: facts.user_oid.clone(), replaces };
            off_thread(&self.0, move |place| place.journal.put(&keys.sealer, &heading, &plain)).await
        }
        .boxed()
    }

    fn remove_grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<bool>> {
        async move {
            // Asked first: what waits in the journal may come to its place with this very removal, and the journal is gone then.
            let was_in_use = self.0.journal.is_in_use();
            let removed = self.remove_record(key).await?;
            if !was_in_use && !self.0.journal.is_in_use() {
                return Ok(removed);
            }
            // After the record and not before: where the record cannot be removed, its newest token must not be lost.
            let owner = key.clone();
            let waited = off_thread(&self.0, move |place| place.journal.remove_grant(&owner)).await?;
            // And again: a consent that waited in the journal may have come to its place with the removal.
            Ok(self.remove_record(key).await? || waited || removed)
        }
        .boxed()
    }

    fn tenants<'a>(
        &'a self,
        app: &'a AppKey,
        after: Option<TenantId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        self.read(move |connection| records::tenants(connection, app, after, limit)).boxed()
    }

    fn due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        self.read(move |connection| records::due(connection, app, turn, limit)).boxed()
    }

    // Nobody is kept from anything: only the order is another.
    fn claim_due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        self.read(move |connection| records::due_to_renew(connection, app, turn, limit)).boxed()
    }

    fn condition(&self) -> StoreCondition {
        self.0.journal.condition()
    }

    fn check_writable(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if self.0.was_written_just_now() {
                return Ok(());
            }
            off_thread(&self.0, Place::rehearse).await
        }
        .boxed()
    }

    fn token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<StoredToken>>> {
        async move {
            for _ in 0..rotation::ATTEMPTS {
                let Some(sealed) = self.read(|connection| records::token(connection, key)).await? else { break };
                let keys = self.keys().await?;
                match sealed.open(&keys.sealer, key) {
                    None => self.refresh(&keys).await?,
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
            // EXPOSE: sealed on the way into the file.
            let plain = seal::join(token.expose(), facts)?;
            let (key, facts) = (key.clone(), facts.clone());
            self.write_sealed(move |open, keys| {
                records::put_token(open, keys, &NewToken { key: &key, plain: &plain, facts: &facts })
            })
            .await
        }
        .boxed()
    }

    fn remove_token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<()>> {
        let key = key.clone();
        self.write(move |open| records::remove_token(open, &key)).boxed()
    }

    fn put_pending<'a>(&'a self, pending: &'a PendingConsent, now: UnixTime) -> BoxFuture<'a, Result<()>> {
        async move {
            // EXPOSE: sealed on the way into the file.
            let plain = seal::join(pending.verifier.expose(), &pending.facts)?;
            let (app, state_hash, ends) = (pending.app.clone(), pending.state_hash, pending.facts.expires_on);
            let kept = self
                .write_sealed(move |open, keys| {
                    records::put_pending(open, keys, &app, &state_hash, (&plain, ends), now)
                })
                .await?;
            if kept { Ok(()) } else { Err(super::too_many_pending()) }
        }
        .boxed()
    }

    fn pending<'a>(
        &'a self,
        app: &'a AppKey,
        state_hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<PendingConsent>>> {
        async move {
            for attempt in 1.. {
                let found = self.read(|connection| records::pending(connection, app, state_hash)).await?;
                let Some(sealed) = found else { break };
                let keys = self.keys().await?;
                match rows::open_pending(&keys.sealer, app, state_hash, &sealed) {
                    Err(_) if attempt < rotation::ATTEMPTS => self.refresh(&keys).await?,
                    opened => return opened.map(Some),
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn take_pending<'a>(&'a self, app: &'a AppKey, state_hash: &'a [u8; 32]) -> BoxFuture<'a, Result<bool>> {
        let (app, state_hash) = (app.clone(), *state_hash);
        self.write(move |open| records::take_pending(open, &app, &state_hash)).boxed()
    }

    fn domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Option<(TenantId, UnixTime)>>> {
        async move {
            let found = self.read(|connection| records::domain(connection, authority, domain)).await?;
            let Some(sealed) = found else { return Ok(None) };
            let keys = self.keys().await?;
            // One that was tampered with is none: it can be looked up again, and is then written anew.
            Ok(rows::open_domain(&keys.sealer, authority, domain, &sealed)
                .inspect_err(|error| tracing::warn!(%error, domain, "a kept domain does not open and is not used"))
                .ok())
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
            let (authority, domain) = (authority.to_owned(), domain.to_owned());
            self.write_sealed(move |open, keys| records::put_domain(open, keys, (&authority, &domain), (tenant, now)))
                .await
        }
        .boxed()
    }

    fn rotation(&self) -> Option<&dyn KeyRotation> {
        Some(self)
    }

    fn reopened(&self) -> Option<Arc<dyn GrantStore>> {
        Some(Arc::new(self.anew()))
    }

    fn lease<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Option<Box<dyn Lease>>>> {
        self.0.leases.take(name, patience).boxed()
    }
}

impl Place {
    fn new(path: PathBuf, keys: KeyRing) -> Self {
        Self {
            keys,
            leases: Leases::beside(&path),
            journal: Journal::beside(&path),
            path,
            reader: Slot::default(),
            writer: Slot::default(),
            queue: Queue::default(),
            last_commit: Mutex::new(None),
            must_scrub: AtomicBool::new(false),
        }
    }

    /// Gets ready to read; false where there is no store yet.
    fn get_ready(&self) -> Result<bool> {
        let is_there = self.open_reader()?;
        if is_there {
            self.recover();
        }
        Ok(is_there)
    }

    /// Opens the connection for reading; false where there is no store yet.
    fn open_reader(&self) -> Result<bool> {
        self.reader(&mut self.reader.lock()).map(|connection| connection.is_some())
    }

    /// The connection for reading, opened where it was not; none where there is no store yet.
    fn reader<'a>(&self, slot: &'a mut Option<Connection>) -> Result<Option<&'a Connection>> {
        if slot.is_none() {
            *slot = Connection::open(&self.path).map_err(|error| self.at(error))?;
        }
        Ok(slot.as_ref())
    }

    /// Opens a connection for writing, making the store where there is none.
    fn open_writer(&self) -> Result<Connection> {
        Connection::open_or_make(&self.path).and_then(Connection::for_writing).map_err(|error| self.at(error))
    }

    /// The connection for writing, opened where it was not.
    fn writer<'a>(&self, slot: &'a mut Option<Connection>) -> Result<&'a mut Connection> {
        if slot.is_none() {
            *slot = Some(self.open_writer()?);
        }
        slot.as_mut().ok_or_else(commit::stopped)
    }

    /// Locks are always taken in this order: keys, then writer or reader.
    fn load_keys(&self) -> Result<Arc<Keys>> {
        self.keys.load(|| self.meta(), &self.writer, || self.open_writer()).map_err(|error| self.at(error))
    }

    /// What the store says of itself; none where there is none yet.
    fn meta(&self) -> Result<Option<schema::Meta>> {
        let mut slot = self.reader.lock();
        self.reader(&mut slot)?.map(|connection| schema::meta(connection)).transpose()
    }

    /// Everything that a write does but the last step.
    fn rehearse(&self) -> Result<()> {
        self.load_keys()?;
        let mut slot = self.writer.lock();
        if self.was_written_just_now() {
            return Ok(());
        }
        let connection = self.writer(&mut slot)?;
        let rehearsed = self.check_space().and_then(|()| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
            schema::touch(&transaction)?;
            transaction.rollback().map_err(failure)
        });
        if rehearsed.as_ref().is_err_and(|error| error.retry_after().is_none()) {
            *slot = None;
        }
        rehearsed.map_err(|error| self.at(error))
    }

    /// SQLite finds a full disk only when it commits.
    #[cfg(unix)]
    fn check_space(&self) -> Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        // A file system that does not say how large it is does not say that it is full either.
        match rustix::fs::statvfs(folder) {
            Ok(facts) if facts.f_blocks > 0 && facts.f_bavail.saturating_mul(facts.f_frsize) < LEAST_SPACE => {
                Err(Error::new(ErrorKind::StoreUnwritable, "store", "there is no space left for the store"))
            }
            Ok(facts) if facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => {
                Err(Error::new(ErrorKind::StoreUnwritable, "store", "the store lies on a read-only file system"))
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(unix))]
    fn check_space(&self) -> Result<()> {
        Ok(())
    }

    fn was_written_just_now(&self) -> bool {
        let last = self.last_commit.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < PROOF_LASTS)
    }

    fn commit(&self, batch: Batch) {
        let mut slot = self.writer.lock();
        let connection = match self.writer(&mut slot) {
            Ok(connection) => connection,
            Err(error) => return batch.refuse(&error),
        };
        let then = |connection: &Connection| {
            *self.last_commit.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            if self.must_scrub.load(Ordering::Acquire) {
                self.scrub(connection);
            }
        };
        match batch.commit(connection, &then) {
            Ok(()) => {
                drop(slot);
                self.recover();
            }
            Err(error) => {
                *self.last_commit.lock().unwrap_or_else(PoisonError::into_inner) = None;
                if error.retry_after().is_none() {
                    *slot = None;
                }
            }
        }
    }

    /// Gets removed bytes out of the log: into the file, where they were overwritten, and the log cut off. Waits for other processes' readers; where
    /// one takes too long, the next write tries again.
    fn scrub(&self, connection: &Connection) {
        let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, bool>(0));
        if let Ok(false) = is_busy {
            self.must_scrub.store(false, Ordering::Release);
        }
    }

    /// Writes what the journal keeps to its place. What cannot be done now is done after the next write.
    fn recover(&self) {
        if self.journal.is_in_use()
            && let Err(error) = self.apply_journal()
        {
            tracing::warn!(%error, "the recovery journal could not be applied yet");
        }
    }

    fn apply_journal(&self) -> Result<()> {
        let entries = self.journal.entries()?;
        if !entries.is_empty() {
            let mut keys = self.load_keys()?;
            let mut slot = self.writer.lock();
            if schema::key_check(self.writer(&mut slot)?)?.as_ref() != Some(&keys.check) {
                // An entry under a key that another process made the store's is not to be taken for damaged.
                drop(slot);
                self.keys.forget();
                keys = self.load_keys()?;
                slot = self.writer.lock();
            }
            let connection = self.writer(&mut slot)?;
            for entry in entries {
                match apply(connection, &keys, &entry) {
                    Ok(()) => self.journal.remove(&entry)?,
                    Err(error) if error.kind() == ErrorKind::StoreCorrupt => self.journal.put_aside(&entry),
                    Err(error) => return Err(error),
                }
            }
        }
        self.journal.tidy();
        Ok(())
    }

    /// Says which store an error is about.
    fn at(&self, error: Error) -> Error {
        error.with_context("store", self.path.display())
    }
}

/// Applies one entry, unless it is stale.
fn apply(connection: &mut Connection, keys: &Keys, entry: &Entry) -> Result<()> {
    let heading = &entry.heading;
    let plain = entry.open(&keys.sealer)?;
    let (_, facts) = seal::split::<GrantFacts>(&plain)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    let open = Open::new(&transaction)?;
    // Under the lock: whoever removes a grant takes its entries away before it removes the record for the last time.
    if !entry.is_kept() {
        return Ok(());
    }
    let found = records::grant(&transaction, &heading.key)?;
    let found = found.map(|row| row.found(&keys.sealer, &heading.key)).transpose()?;
    if let Some(expect) = over(heading.replaces, facts.consented_on, found) {
        let new = NewGrant { key: &heading.key, plain: &plain, shown: &Shown::of(&facts) };
        records::put_grant(&open, keys, &new, expect)?;
        drop(open);
        transaction.commit().map_err(failure)?;
    }
    Ok(())
}

/// Whoever works on the queue. Dropped without having worked, or in a panic, it tells those who wait.
struct Leader(Option<Arc<Place>>);

impl Leader {
    fn work(mut self) {
        if let Some(place) = &self.0 {
            place.queue.lead(|batch| place.commit(batch));
        }
        // The queue is empty and has let go of its leader: another one may be at work already.
        self.0 = None;
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            place.queue.abandon();
        }
    }
}

/// Runs what may block on a thread for that, or here where there is no runtime to have one.
async fn off_thread<T: Send + 'static>(
    place: &Arc<Place>,
    work: impl FnOnce(&Place) -> Result<T> + Send + 'static,
) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) => {
            let place = Arc::clone(place);
            runtime.spawn_blocking(move || work(&place)).await.unwrap_or_else(|_| Err(commit::stopped()))
        }
        Err(_) => work(place),
    }
}

/// Says which grant an error is about.
fn about(error: Error, key: &GrantKey) -> Error {
    error.with_context("partner", key.tenant)
}

#[cfg(test)]
mod tests;
