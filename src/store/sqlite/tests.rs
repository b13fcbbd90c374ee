//! What only this store promises.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::store::key::{KeyRequest, StoreKey};

/// A key that is always the same.
#[derive(Debug)]
struct FixedKey(u8);

impl KeyProvider for FixedKey {
    fn key(&self, _: &KeyRequest<'_>) -> Result<StoreKey> {
        Ok(StoreKey::from_bytes(&mut [self.0; 32]))
    }
}

fn store_at(path: &Path) -> SqliteStore {
    SqliteStore::new(path, Arc::new(FixedKey(1))).unwrap()
}

fn make() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (store_at(&folder.path().join("new").join("grants.db")), folder)
}

crate::store::contract::contract!(make);
