//! The steps of a change of keys that are the same in every database.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{Derivation, KeyProvider, KeyRequest, StoreKey};
use crate::store::rows::{self, SealedGrant};
use crate::store::seal::{Identity, Record, Sealer};
use crate::store::{GrantKey, TokenKey};

/// What a store says of its key.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Said<'a> {
    pub(in crate::store) store_id: &'a str,
    pub(in crate::store) derivation: &'a Derivation,
    pub(in crate::store) key_check: &'a [u8],
    /// The key before this one, sealed with it.
    pub(in crate::store) previous: Option<&'a [u8]>,
}

/// A key that is to become the store's.
pub(in crate::store) struct NewKey {
    pub(in crate::store) check: Vec<u8>,
    pub(in crate::store) previous: Vec<u8>,
    pub(in crate::store) derivation: Derivation,
}

impl Said<'_> {
    fn request<'a>(&'a self, derivation: &'a Derivation) -> KeyRequest<'a> {
        KeyRequest { store_id: self.store_id, may_create: false, derivation }
    }

    /// Asks the source for the store's key. May block.
    pub(in crate::store) fn ask(&self, provider: &dyn KeyProvider) -> Result<Sealer> {
        let key = self.in_use(&provider.keys(&self.request(self.derivation))?)?;
        let sealer = Sealer::new(key.expose());
        let Some(sealed) = self.previous else { return Ok(sealer) };
        let previous = sealer.open(&previous_identity(&[self.store_id.as_bytes()]), sealed)?;
        let mut bytes = <[u8; 32]>::try_from(previous.as_slice())
            .map_err(|_| Error::new(ErrorKind::StoreCorrupt, "store", "the previous key has the wrong length"))?;
        Ok(sealer.with_previous(Sealer::new(StoreKey::from_bytes(&mut bytes).expose())))
    }

    fn in_use(&self, keys: &[StoreKey]) -> Result<StoreKey> {
        let opens =
            |key: &&StoreKey| rows::check_key(&Sealer::new(key.expose()), self.store_id, self.key_check).is_ok();
        keys.iter().find(opens).map(StoreKey::again).ok_or_else(|| {
            let wrong = Error::new(ErrorKind::StoreKeyWrong, "store", "the key does not open this store");
            if self.previous.is_some() {
                return wrong.with_hint(
                    "the store's key was changed by `partnersam key rotate`: bring the new key to this host",
                );
            }
            wrong
        })
    }

    pub(in crate::store) fn held(&self, provider: &dyn KeyProvider) -> Result<usize> {
        provider.keys(&self.request(self.derivation)).map(|keys| keys.len())
    }

    /// Puts a new key into the source, or takes the one that was put there. May block.
    pub(in crate::store) fn add(&self, provider: &dyn KeyProvider) -> Result<NewKey> {
        let in_use = self.in_use(&provider.keys(&self.request(self.derivation))?)?;
        let derivation = Derivation::generate()?;
        let sealer = Sealer::new(provider.add(&self.request(&derivation), &in_use, None)?.expose());
        Ok(NewKey {
            check: rows::key_check(&sealer, self.store_id)?,
            // EXPOSE: sealed with the new key, to open what was sealed before.
            previous: sealer.seal(&previous_identity(&[self.store_id.as_bytes()]), in_use.expose().as_slice())?,
            derivation,
        })
    }

    /// Leaves the key in use alone in its source.
    pub(in crate::store) fn retire(&self, provider: &Arc<dyn KeyProvider>) -> Result<bool> {
        let request = self.request(self.derivation);
        provider.retire(&request, &self.in_use(&provider.keys(&request)?)?)
    }
}

fn previous_identity<'a>(extra: &'a [&'a [u8]]) -> Identity<'a> {
    Identity::of_store(Record::PreviousKey, extra)
}

/// A grant's row under a new partner's key.
pub(in crate::store) struct Rekeyed {
    pub(in crate::store) wrapped_key: Vec<u8>,
    pub(in crate::store) sealed: Vec<u8>,
    old: Sealer,
    new: Sealer,
}

/// Seals a grant anew, with the same generation. None where it is under the store's key already.
///
/// Errors: `StoreCorrupt` where it does not open with the old key either.
pub(in crate::store) fn rekey(sealer: &Sealer, key: &GrantKey, row: &SealedGrant) -> Result<Option<Rekeyed>> {
    if sealer.wraps(key, &row.wrapped_key) {
        return Ok(None);
    }
    let old = sealer.partner(key, &row.wrapped_key)?;
    let generation = rows::generation(row.generation)?;
    let plain = old.open(&Identity::of_grant(Record::Grant, key, &row.user_oid, generation), &row.sealed)?;
    let (new, wrapped_key) = sealer.new_partner(key)?;
    let sealed = rows::seal_grant(&new, key, &row.user_oid, generation, &plain)?;
    Ok(Some(Rekeyed { wrapped_key, sealed, old, new }))
}

impl Rekeyed {
    /// Seals an access token of the grant anew; none where it does not open: it is a cache.
    pub(in crate::store) fn token(&self, key: &TokenKey, user_oid: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let plain = rows::open_token(&self.old, key, user_oid, sealed).ok()?;
        rows::seal_token(&self.new, key, user_oid, &plain).ok()
    }
}
