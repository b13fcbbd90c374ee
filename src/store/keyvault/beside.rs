//! The key source as the file beside a vault sees it: the same as the vault's, and what the vault keeps of former keys. A host that was off while others changed the key
//! opens its file with that.

use std::sync::Arc;

use super::keys::Meta;
use super::names;
use crate::error::Result;
use crate::store::key::{KeyProvider, KeyRequest, StoreKey};
use crate::vault::{self, MakeOpening};

/// See [the module](self).
pub(super) struct BesideKey {
    source: Arc<dyn KeyProvider>,
    make: MakeOpening,
}

impl std::fmt::Debug for BesideKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BesideKey").field(&self.source).finish()
    }
}

impl BesideKey {
    pub(super) fn new(source: Arc<dyn KeyProvider>, make: MakeOpening) -> Self {
        Self { source, make }
    }

    fn ask_vault(&self) -> Result<Option<Meta>> {
        let found = vault::wait((self.make)()?, async |vault| vault.get(names::STORE, None).await)?;
        found.as_ref().map(Meta::parse).transpose()
    }
}

impl KeyProvider for BesideKey {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        self.source.key(request)
    }

    fn keys(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        self.source.keys(request)
    }

    fn former(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        let mut former = self.source.former(request)?;
        if let Some(meta) = self.ask_vault()? {
            let said = meta.said();
            former.extend(said.chain(said.find(self.source.as_ref())?)?);
        }
        Ok(former)
    }

    fn add(&self, request: &KeyRequest<'_>, in_use: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        self.source.add(request, in_use, new)
    }

    fn is_shared(&self) -> bool {
        self.source.is_shared()
    }

    fn takes_keys(&self) -> bool {
        self.source.takes_keys()
    }

    fn take_over(&self, request: &KeyRequest<'_>, keys: &[&StoreKey]) -> Result<()> {
        self.source.take_over(request, keys)
    }

    fn retire(&self, request: &KeyRequest<'_>, kept: &StoreKey) -> Result<bool> {
        self.source.retire(request, kept)
    }
}
