//! The store's key: asked for when the first record is sealed or opened, checked, and kept until the store is closed. Every host has the same one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::Type;

use super::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{KeyProvider, KeyRequest};
use crate::store::postgres::fault::failure;
use crate::store::postgres::link::Pool;
use crate::store::postgres::schema::{self, Found, Meta, SETUP_LOCK};
use crate::store::rows;
use crate::store::seal::Sealer;

/// The key in use, and the value in the store that it was checked against.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) check: Vec<u8>,
}

/// Where the key comes from, and the key once it was needed.
#[derive(Debug)]
pub(super) struct KeyRing {
    provider: Arc<dyn KeyProvider>,
    loaded: Mutex<Option<Arc<Keys>>>,
    /// What was forgotten last.
    last: Mutex<Option<Arc<Keys>>>,
    /// Held while the key is asked for: a keyring's prompt comes up once, however many callers want the key.
    loading: tokio::sync::Mutex<()>,
}

impl KeyRing {
    pub(super) fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self { provider, loaded: Mutex::default(), last: Mutex::default(), loading: tokio::sync::Mutex::default() }
    }

    /// The same source and key for a store that is opened anew. Never waits: a lock that was held when a process forked is never let go of in the child.
    pub(super) fn carried_over(&self) -> Self {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.clone());
        Self { loaded: Mutex::new(loaded), ..Self::new(Arc::clone(&self.provider)) }
    }

    pub(super) fn loaded(&self) -> Option<Arc<Keys>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets a key that turned out not to be the store's any more.
    pub(super) fn forget(&self, keys: &Arc<Keys>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.as_ref().is_some_and(|loaded| Arc::ptr_eq(loaded, keys)) {
            *loaded = None;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(keys));
    }

    /// The key that was in use until it was forgotten: the store still opens what was sealed with it in a file.
    pub(super) fn last(&self) -> Option<Arc<Keys>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the key and checks it against `meta`; makes one where nothing was ever sealed.
    pub(super) async fn load(&self, pool: &Arc<Pool>, meta: &Meta) -> Result<Arc<Keys>> {
        let _loading = self.loading.lock().await;
        if let Some(keys) = self.loaded() {
            return Ok(keys);
        }
        let keys = match self.ask(meta).await {
            Ok(None) => self.make(pool).await?,
            Ok(Some(keys)) => keys,
            // Where nothing is sealed nothing is lost with the old key. If there is no new one to be had either, the first answer was better.
            Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => {
                self.make(pool).await.map_err(|_| missing)?
            }
            Err(error) => return Err(error),
        };
        let keys = Arc::new(keys);
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Works with the source on a thread that may wait.
    pub(super) async fn with_source<T: Send + 'static>(
        &self,
        meta: &Meta,
        work: impl FnOnce(&Meta, &Arc<dyn KeyProvider>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (provider, meta) = (Arc::clone(&self.provider), meta.clone());
        let done = tokio::task::spawn_blocking(move || work(&meta, &provider));
        done.await.unwrap_or_else(|_| Err(vanished()))
    }

    /// Whether every host reads the same source.
    pub(super) fn is_shared(&self) -> bool {
        self.provider.is_shared()
    }

    /// Whether a new key is made there by this program.
    pub(super) fn takes_keys(&self) -> bool {
        self.provider.takes_keys()
    }

    /// Takes a key into use for a store in which nothing is sealed. In one transaction, so that two hosts never take two.
    async fn make(&self, pool: &Arc<Pool>) -> Result<Keys> {
        const IS_EMPTY: &str = "SELECT NOT EXISTS (SELECT 1 FROM partnersam.grants)
            AND NOT EXISTS (SELECT 1 FROM partnersam.pending_consents)";
        let mut client = pool.private().await?;
        let transaction = client.transaction().await.map_err(failure)?;
        let locked = transaction.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&SETUP_LOCK, Type::INT8)]);
        locked.await.map_err(failure)?;
        let Found::Ready(meta) = schema::look(transaction.client()).await? else { return Err(vanished()) };
        // Another host was quicker, or the old key is lost.
        match self.ask(&meta).await {
            Ok(None) => {}
            Ok(Some(keys)) => return Ok(keys),
            Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => {
                let empty = transaction.query_typed_one(IS_EMPTY, &[]).await.map_err(failure)?;
                if !empty.try_get::<_, bool>(0).map_err(failure)? {
                    return Err(missing);
                }
            }
            Err(error) => return Err(error),
        }
        let made = self.with_source(&meta, |meta, provider| {
            provider.key(&KeyRequest { store_id: &meta.store_id, may_create: true, derivation: &meta.derivation })
        });
        let sealer = Sealer::new(made.await?.expose());
        let check = rows::key_check(&sealer, &meta.store_id)?;
        transaction.batch_execute("DELETE FROM partnersam.domains").await.map_err(failure)?;
        schema::put_first_key(transaction.client(), &check).await?;
        transaction.commit().await.map_err(failure)?;
        Ok(Keys { sealer, check })
    }

    /// Asks for the key that the store says it has; none where it has none yet.
    async fn ask(&self, meta: &Meta) -> Result<Option<Keys>> {
        let ask = |meta: &Meta, provider: &Arc<dyn KeyProvider>| {
            let Some(said) = meta.said() else { return Ok(None) };
            Ok(Some(Keys { sealer: said.ask(provider.as_ref())?, check: said.key_check.to_vec() }))
        };
        self.with_source(meta, ask).await
    }
}

impl Place {
    /// The key, asked for where it was not yet.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>> {
        if let Some(keys) = self.keys.loaded() {
            return Ok(keys);
        }
        let meta = self.meta_or_make().await?;
        let loaded = self.keys.load(&self.pool, &meta).await;
        // A key that was made just now is not in what was read before, and one that does not fit may be newer than that.
        if meta.key_check.is_none() || loaded.is_err() {
            self.forget();
        }
        match loaded {
            Err(error) => {
                let now = self.meta_or_make().await.map_err(|_| error.clone())?;
                if now.key_check == meta.key_check {
                    return Err(error);
                }
                self.keys.load(&self.pool, &now).await.inspect_err(|_| self.forget())
            }
            loaded => loaded,
        }
    }

    /// Something did not open or was not written: whether the store has another key than this one, which is forgotten then.
    pub(super) async fn has_another_key(&self, keys: &Arc<Keys>) -> Result<bool> {
        self.forget();
        let check = self.meta().await?.and_then(|meta| meta.key_check);
        let is_another = check.as_ref() != Some(&keys.check);
        if is_another {
            self.keys.forget(keys);
        }
        Ok(is_another)
    }

    /// The key as the store has it now.
    pub(super) async fn fresh_keys(&self) -> Result<Arc<Keys>> {
        let keys = self.keys().await?;
        if self.has_another_key(&keys).await? { self.keys().await } else { Ok(keys) }
    }

    /// The key for what waits in a file until the database can be written.
    pub(super) async fn keys_for_journal(&self) -> Result<Arc<Keys>> {
        self.keys().await.or_else(|error| self.keys.last().ok_or(error))
    }
}

fn vanished() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "store", "the store was closed before its key was read")
}
