//! The steps of a change of keys that are the same in every database.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::WipedBytes;
use crate::store::key::{Derivation, KeyProvider, KeyRequest, StoreKey, has_room};
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
    /// The keys before this one that files on other hosts may be sealed with, sealed with it.
    pub(in crate::store) former: Option<&'a [u8]>,
}

/// A key that is to become the store's.
pub(in crate::store) struct NewKey {
    pub(in crate::store) check: Vec<u8>,
    pub(in crate::store) previous: Vec<u8>,
    /// For a store that is used from several hosts, each with files of its own.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "keyvault")),
        expect(dead_code, reason = "one host has nothing left behind")
    )]
    pub(in crate::store) former: Vec<u8>,
    pub(in crate::store) derivation: Derivation,
}

/// How many former keys are kept: what waits on a host through more changes than these is lost to it.
const MOST_FORMER: usize = 8;

/// The source that a store changes to.
pub(in crate::store) type Into<'a> = Option<&'a dyn KeyProvider>;

impl Said<'_> {
    pub(in crate::store) fn request<'a>(&'a self, derivation: &'a Derivation) -> KeyRequest<'a> {
        KeyRequest { store_id: self.store_id, may_create: false, derivation }
    }

    /// Asks the source for the store's key. May block.
    pub(in crate::store) fn ask(&self, provider: &dyn KeyProvider) -> Result<Sealer> {
        self.sealer(&self.find(provider)?)
    }

    /// What seals and opens with `key`, which is the store's.
    pub(in crate::store) fn sealer(&self, key: &StoreKey) -> Result<Sealer> {
        let sealer = Sealer::new(key.expose());
        let former = self.former(&sealer)?.iter().map(|key| Sealer::new(key.expose())).collect();
        let previous = self.previous(&sealer)?;
        let sealer = sealer.with_former(former);
        Ok(match previous {
            Some(previous) => sealer.with_previous(Sealer::new(previous.expose())),
            None => sealer,
        })
    }

    /// The store's key, every key before it that the store keeps, and nothing else.
    #[cfg(feature = "keyvault")]
    pub(in crate::store) fn chain(&self, key: StoreKey) -> Result<Vec<StoreKey>> {
        let sealer = Sealer::new(key.expose());
        let (previous, former) = (self.previous(&sealer)?, self.former(&sealer)?);
        Ok([key].into_iter().chain(previous).chain(former).collect())
    }

    /// The store's key, as the source has it or knows of it. May block.
    pub(in crate::store) fn find(&self, provider: &dyn KeyProvider) -> Result<StoreKey> {
        let request = self.request(self.derivation);
        self.among(provider, &provider.keys(&request)?)
    }

    /// The store's key among those that the source holds, or once held.
    fn among(&self, provider: &dyn KeyProvider, held: &[StoreKey]) -> Result<StoreKey> {
        self.in_use(held).or_else(|wrong| {
            let former = provider.former(&self.request(self.derivation))?;
            self.in_use(&former).map_err(|_| wrong)
        })
    }

    fn previous(&self, sealer: &Sealer) -> Result<Option<StoreKey>> {
        let Some(sealed) = self.previous else { return Ok(None) };
        let previous = sealer.open(&Identity::of_store(Record::PreviousKey, &[self.store_id.as_bytes()]), sealed)?;
        keys_in(&previous)?.pop().ok_or_else(malformed).map(Some)
    }

    fn former(&self, sealer: &Sealer) -> Result<Vec<StoreKey>> {
        let Some(sealed) = self.former else { return Ok(Vec::new()) };
        keys_in(&sealer.open(&Identity::of_store(Record::FormerKeys, &[self.store_id.as_bytes()]), sealed)?)
    }

    fn in_use(&self, keys: &[StoreKey]) -> Result<StoreKey> {
        let opens =
            |key: &&StoreKey| rows::check_key(&Sealer::new(key.expose()), self.store_id, self.key_check).is_ok();
        keys.iter().find(opens).map(StoreKey::again).ok_or_else(|| {
            let wrong = Error::new(ErrorKind::StoreKeyWrong, "store", "the key does not open this store");
            if self.previous.or(self.former).is_some() {
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

    /// Puts a new key into the source, or takes the one that was put there; `into` gets it too, where the store changes to another source. May block.
    pub(in crate::store) fn add(&self, provider: &dyn KeyProvider, into: Into<'_>) -> Result<NewKey> {
        let held = provider.keys(&self.request(self.derivation))?;
        let in_use = self.among(provider, &held)?;
        if let Some(into) = into {
            // Before anything is changed: there is no key, or what an earlier attempt left.
            let next = StoreKey::following(&held, &in_use);
            let left: Vec<&StoreKey> = next.iter().flat_map(|next| [&in_use, next]).collect();
            has_room(into.keys(&self.request(self.derivation)), &left)?;
        }
        let derivation = Derivation::generate()?;
        let new = provider.add(&self.request(&derivation), &in_use, None)?;
        if let Some(into) = into {
            into.take_over(&self.request(self.derivation), &[&in_use, &new])?;
        }
        self.change(&in_use, &new, self.store_id, derivation)
    }

    /// What the store says of itself from then on, as `store_id`, when `new` takes the place of `in_use`.
    pub(in crate::store) fn change(
        &self,
        in_use: &StoreKey,
        new: &StoreKey,
        store_id: &str,
        derivation: Derivation,
    ) -> Result<NewKey> {
        let sealer = Sealer::new(new.expose());
        let extra = [store_id.as_bytes()];
        let mut former = WipedBytes::new(Vec::with_capacity(32 * (MOST_FORMER + 1)));
        // EXPOSE: sealed with the new key, to open what was sealed before.
        former.extend_from_slice(in_use.expose().as_slice());
        let previous = sealer.seal(&Identity::of_store(Record::PreviousKey, &extra), &former)?;
        for key in self.former(&Sealer::new(in_use.expose()))?.iter().take(MOST_FORMER - 1) {
            // EXPOSE: likewise.
            former.extend_from_slice(key.expose().as_slice());
        }
        Ok(NewKey {
            check: rows::key_check(&sealer, store_id)?,
            previous,
            former: sealer.seal(&Identity::of_store(Record::FormerKeys, &extra), &former)?,
            derivation,
        })
    }

    /// Leaves the key in use alone in its source, and in the one that the store changed to.
    pub(in crate::store) fn retire(&self, provider: &dyn KeyProvider, into: Into<'_>) -> Result<bool> {
        let request = self.request(self.derivation);
        let in_use = self.find(provider)?;
        if let Some(into) = into {
            into.keys(&request).and_then(|keys| self.in_use(&keys)).map_err(|_| {
                Error::new(ErrorKind::InvalidArgument, "key", "the change that was cut short did not go to that source")
                    .with_hint("run `partnersam key rotate` without --to first, which brings it to its end")
            })?;
            into.retire(&request, &in_use)?;
        }
        provider.retire(&request, &in_use)
    }
}

fn keys_in(bytes: &[u8]) -> Result<Vec<StoreKey>> {
    let (keys, rest) = bytes.as_chunks::<32>();
    if keys.is_empty() || !rest.is_empty() {
        return Err(malformed());
    }
    Ok(keys.iter().map(|key| StoreKey::from_bytes(&mut key.clone())).collect())
}

fn malformed() -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", "what is kept of a key before this one is no key")
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
