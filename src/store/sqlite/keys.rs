//! The store's key: asked for when the first record is sealed or opened, checked, and kept until the store is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::TransactionBehavior;

use crate::error::{ErrorKind, Result};
use crate::store::key::{KeyProvider, KeyRequest};
use crate::store::rotation::Said;
use crate::store::rows;
use crate::store::seal::Sealer;
use crate::store::sqlite::connection::{Connection, Slot};
use crate::store::sqlite::fault::failure;
use crate::store::sqlite::schema::{self, Meta};

/// The key in use, and the value in the store that it was checked against.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) check: Vec<u8>,
}

impl Keys {
    fn ask(said: &Said<'_>, provider: &dyn KeyProvider) -> Result<Self> {
        Ok(Self { sealer: said.ask(provider)?, check: said.key_check.to_vec() })
    }
}

/// Where the key comes from, and the key once it was needed.
#[derive(Debug)]
pub(super) struct KeyRing {
    provider: Arc<dyn KeyProvider>,
    loaded: Mutex<Option<Arc<Keys>>>,
}

impl KeyRing {
    pub(super) fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self { provider, loaded: Mutex::new(None) }
    }

    /// The same source and key for a store that is opened anew. Never waits: a lock that was held when a process forked is never let go of in the child.
    pub(super) fn carried_over(&self) -> Self {
        Self { provider: Arc::clone(&self.provider), loaded: Mutex::new(self.loaded()) }
    }

    /// Where the key comes from.
    pub(super) fn provider(&self) -> &Arc<dyn KeyProvider> {
        &self.provider
    }

    /// The key, where it was loaded before. Never waits for somebody who is just loading it.
    pub(super) fn loaded(&self) -> Option<Arc<Keys>> {
        self.loaded.try_lock().ok().and_then(|loaded| loaded.clone())
    }

    /// Forgets a key that turned out not to be the store's any more.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// Loads the key and checks it; makes one where nothing was ever sealed, with the connection that `writer` gives. May block for long, so no
    /// connection is held while the key is asked for.
    pub(super) fn load(
        &self,
        meta: impl FnOnce() -> Result<Option<Meta>>,
        writer: &Slot,
        open: impl FnOnce() -> Result<Connection>,
    ) -> Result<Arc<Keys>> {
        // Held all the while: a keyring's prompt comes up once, however many callers want the key.
        let mut loaded = self.lock();
        if let Some(keys) = &*loaded {
            return Ok(Arc::clone(keys));
        }
        let make = || {
            let mut slot = writer.lock();
            let connection = match slot.take() {
                Some(connection) => connection,
                None => open()?,
            };
            self.make(slot.insert(connection))
        };
        let meta = meta()?;
        let keys = match meta.as_ref().and_then(Meta::said) {
            None => make()?,
            Some(said) => match Keys::ask(&said, self.provider.as_ref()) {
                Ok(keys) => keys,
                // Where nothing is sealed nothing is lost with the old key. If there is no new one to be had either, the first answer was better.
                Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing => make().map_err(|_| missing)?,
                Err(error) => return Err(error),
            },
        };
        let keys = Arc::new(keys);
        *loaded = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Takes a key into use for a store in which nothing is sealed. In one transaction, so that two processes never take two.
    fn make(&self, connection: &mut Connection) -> Result<Keys> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let meta = schema::meta(&transaction)?;
        if let Some(said) = meta.said() {
            // Another process was quicker, or the old key is lost.
            match Keys::ask(&said, self.provider.as_ref()) {
                Ok(keys) => return Ok(keys),
                Err(missing) if missing.kind() == ErrorKind::StoreKeyMissing && is_empty(&transaction)? => {}
                Err(error) => return Err(error),
            }
        }
        let request = KeyRequest { store_id: &meta.store_id, may_create: true, derivation: &meta.derivation };
        let key = self.provider.key(&request)?;
        let sealer = Sealer::new(key.expose());
        let check = rows::key_check(&sealer, &meta.store_id)?;
        transaction.execute("DELETE FROM domains", ()).map_err(failure)?;
        schema::put_first_key(&transaction, &check)?;
        transaction.commit().map_err(failure)?;
        Ok(Keys { sealer, check })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Keys>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing is sealed that anyone would miss. What a domain is can be looked up again.
fn is_empty(connection: &rusqlite::Connection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM grants) AND NOT EXISTS (SELECT 1 FROM pending_consents)";
    connection.query_row(sql, (), |row| row.get(0)).map_err(failure)
}
