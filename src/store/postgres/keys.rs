//! The store's key: asked for when the first record is sealed or opened, checked, and kept until the store is closed. Every host has the same one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::Type;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{KeyProvider, KeyRequest, StoreKey};
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
    /// Held while the key is asked for: a keyring's prompt comes up once, however many callers want the key.
    loading: tokio::sync::Mutex<()>,
}

impl KeyRing {
    pub(super) fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self { provider, loaded: Mutex::default(), loading: tokio::sync::Mutex::default() }
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
    pub(super) fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Loads the key and checks it against `meta`; makes one where nothing was ever sealed.
    pub(super) async fn load(&self, pool: &Arc<Pool>, meta: &Meta) -> Result<Arc<Keys>> {
        let _loading = self.loading.lock().await;
        if let Some(keys) = self.loaded() {
            return Ok(keys);
        }
        let keys = match &meta.key_check {
            None => self.make(pool).await?,
            Some(check) => match self.ask(meta, false).await {
                Ok(key) => verified(&key, meta, check)?,
                // Where nothing is sealed nothing is lost with the old key. If there is no new one to be had either, the first answer was better.
                Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => {
                    self.make(pool).await.map_err(|_| missing)?
                }
                Err(error) => return Err(error),
            },
        };
        let keys = Arc::new(keys);
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
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
        if let Some(check) = &meta.key_check {
            // Another host was quicker, or the old key is lost.
            match self.ask(&meta, false).await {
                Ok(key) => return verified(&key, &meta, check),
                Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => {
                    let empty = transaction.query_typed_one(IS_EMPTY, &[]).await.map_err(failure)?;
                    if !empty.try_get::<_, bool>(0).map_err(failure)? {
                        return Err(missing);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let key = self.ask(&meta, true).await?;
        let sealer = Sealer::new(key.expose());
        let check = rows::key_check(&sealer, &meta.store_id)?;
        transaction.batch_execute("DELETE FROM partnersam.domains").await.map_err(failure)?;
        schema::put(transaction.client(), "key_check", &check).await?;
        transaction.commit().await.map_err(failure)?;
        Ok(Keys { sealer, check })
    }

    /// Asks for the key on a thread that may wait.
    async fn ask(&self, meta: &Meta, may_create: bool) -> Result<StoreKey> {
        let (provider, meta) = (Arc::clone(&self.provider), meta.clone());
        let asked = tokio::task::spawn_blocking(move || {
            provider.key(&KeyRequest { store_id: &meta.store_id, may_create, derivation: &meta.derivation })
        });
        asked.await.unwrap_or_else(|_| Err(vanished()))
    }
}

fn verified(key: &StoreKey, meta: &Meta, check: &[u8]) -> Result<Keys> {
    let sealer = Sealer::new(key.expose());
    rows::check_key(&sealer, &meta.store_id, check)?;
    Ok(Keys { sealer, check: check.to_vec() })
}

fn vanished() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "store", "the store was closed before its key was read")
}
