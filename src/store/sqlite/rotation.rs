//! How this store gets a new key, and how everybody who has the old one notices.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::TransactionBehavior;

use super::{Place, SqliteStore, off_thread};
use crate::error::{Error, ErrorKind, Result};
use crate::store::key::KeyProvider;
use crate::store::rotation::{KeyRotation, Known, Moved, Standing};
use crate::store::sqlite::commit::Open;
use crate::store::sqlite::fault::failure;
use crate::store::sqlite::keys::Keys;
use crate::store::sqlite::records;
use crate::store::sqlite::schema::{self, Meta};

/// How often a record is looked at that does not open: it may be moved to a new key between the look and the key.
pub(super) const ATTEMPTS: u32 = 3;

impl SqliteStore {
    /// A record did not open: forgets the key where it is not the store's any more.
    pub(super) async fn refresh(&self, keys: &Keys) -> Result<()> {
        if self.read(schema::key_check).await?.is_some_and(|check| check != keys.check) {
            self.0.keys.forget();
        }
        Ok(())
    }

    /// The key as the store has it now: for what is sealed outside of a transaction.
    pub(super) async fn fresh_keys(&self) -> Result<Arc<Keys>> {
        let keys = self.keys().await?;
        self.refresh(&keys).await?;
        self.keys().await
    }

    /// Gets `work` into a transaction and waits until it is durable; once more with the new key where the store has got one meanwhile.
    pub(super) async fn write_sealed<T: Send + 'static>(
        &self,
        work: impl Fn(&Open<'_>, &Keys) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let work = Arc::new(work);
        for attempt in 1.. {
            let keys = self.keys().await?;
            let work = Arc::clone(&work);
            match self.write(move |open| work(open, &keys)).await {
                Err(error) if error.kind() == ErrorKind::StoreConflict && attempt < ATTEMPTS => {}
                outcome => return outcome,
            }
        }
        Err(super::commit::stopped())
    }
}

impl KeyRotation for SqliteStore {
    fn makes_keys(&self) -> bool {
        self.0.keys.provider().takes_keys()
    }

    fn grants(&self) -> BoxFuture<'_, Result<u64>> {
        self.read(|connection| records::grants_after(connection, i64::MIN)).boxed()
    }

    fn standing(&self) -> BoxFuture<'_, Result<Option<Standing>>> {
        self.read(|connection| {
            let meta = schema::meta(connection)?;
            let retiring = meta.is_retiring.then_some(Standing::Retiring);
            Ok(meta.previous.map(|_| Standing::Moving).or(retiring))
        })
        .boxed()
    }

    fn held(&self) -> BoxFuture<'_, Result<usize>> {
        async move {
            self.keys().await?;
            off_thread(&self.0, |place| {
                let meta = place.said()?;
                meta.said().ok_or_else(no_key)?.held(place.keys.provider().as_ref())
            })
            .await
        }
        .boxed()
    }

    fn add(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<Known>> {
        async move {
            // An empty store gets its first key here.
            self.keys().await?;
            off_thread(&self.0, move |place| {
                let meta = place.said()?;
                let said = meta.said().ok_or_else(no_key)?;
                said.add(place.keys.provider().as_ref(), into.as_deref()).map(drop)
            })
            .await?;
            Ok(Known::Everywhere)
        }
        .boxed()
    }

    fn switch(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<()>> {
        async move {
            self.keys().await?;
            off_thread(&self.0, move |place| place.switch(into.as_deref())).await
        }
        .boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<u64>> {
        self.read(|connection| match schema::meta(connection)?.previous {
            Some(_) => records::grants_after(connection, schema::moved_to(connection)?),
            None => Ok(0),
        })
        .boxed()
    }

    fn move_some(&self, most: usize) -> BoxFuture<'_, Result<Moved>> {
        self.write_sealed(move |open, keys| {
            if schema::meta(open.connection)?.previous.is_none() {
                return Ok(Moved::default());
            }
            let after = schema::moved_to(open.connection)?;
            let (last, moved) = records::move_grants(open, keys, after, most)?;
            if last != after {
                schema::put_moved_to(open.connection, last)?;
            }
            Ok(moved)
        })
        .boxed()
    }

    fn settle(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let keys = self.fresh_keys().await?;
            off_thread(&self.0, move |place| place.journal.reseal(&keys.sealer)).await?;
            let place = Arc::clone(&self.0);
            self.write_sealed(move |open, keys| {
                if schema::meta(open.connection)?.previous.is_none() {
                    return Ok(());
                }
                records::move_pending(open, keys)?;
                schema::forget_previous_key(open.connection)?;
                // The old key's bytes must not stay in the log.
                place.must_scrub.store(true, Ordering::Release);
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn retire(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<bool>> {
        async move {
            let (is_alone, check) = off_thread(&self.0, move |place| {
                let meta = place.said()?;
                let is_alone =
                    meta.said().ok_or_else(no_key)?.retire(place.keys.provider().as_ref(), into.as_deref())?;
                Ok((is_alone, meta.key_check))
            })
            .await?;
            self.write(move |open| {
                // Not that of a change that was begun meanwhile.
                if schema::meta(open.connection)?.key_check == check {
                    schema::put_retired(open.connection)?;
                }
                Ok(())
            })
            .await?;
            Ok(is_alone)
        }
        .boxed()
    }
}

impl Place {
    fn said(&self) -> Result<Meta> {
        self.meta()?.ok_or_else(no_key)
    }

    fn switch(&self, into: Option<&dyn KeyProvider>) -> Result<()> {
        // Asked before the transaction: a prompt or a slow derivation must not keep others from writing.
        let meta = self.said()?;
        let said = meta.said().ok_or_else(no_key)?;
        let new = said.add(self.keys.provider().as_ref(), into).map_err(|error| self.at(error))?;
        self.change_key(&meta, |transaction| {
            records::remove_domains(transaction)?;
            schema::switch_key(transaction, &new)
        })
    }

    /// Writes what changes the key, where that is still as `meta` says and no change is under way.
    pub(super) fn change_key(
        &self,
        meta: &Meta,
        change: impl FnOnce(&rusqlite::Connection) -> Result<()>,
    ) -> Result<()> {
        let mut slot = self.writer.lock();
        let connection = self.writer(&mut slot)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let now = schema::meta(&transaction)?;
        if now.key_check != meta.key_check || now.previous.is_some() {
            return Err(Error::new(ErrorKind::StoreConflict, "key", "another process is changing the store's key"));
        }
        change(&transaction)?;
        transaction.commit().map_err(failure)?;
        self.keys.forget();
        Ok(())
    }
}

fn no_key() -> Error {
    Error::new(ErrorKind::InvalidArgument, "key", "the store has no key yet").with_hint("let a partner consent first")
}
