//! How a store gets a new key while it is in use.
//!
//! The source holds both keys first ([`KeyProvider::add`]). Then, in one write, the new one becomes the store's and the old one is kept in the store, sealed with
//! the new: whoever has the new key opens everything, and whoever has the old one alone nothing that is written from then on. Records are moved a few
//! at a time, each to a new partner's key of its own: who has the old store and the old key can open nothing that is renewed afterwards. When none is left the
//! old key goes, from the store and then from its source. A process that finds a record it cannot open, or may not write, asks its source again.
//!
//! Where several hosts use the store and each has a source of its own, the key is made first and nothing more: it is brought to every host, and then made the store's.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::store::key::KeyProvider;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use steps::{NewKey, Rekeyed, Said, rekey};

/// How far a change of the store's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The new key is the store's, and records are still sealed with the old one.
    Moving,
    /// Nothing is sealed with the old key any more, and its source may still hold it.
    Retiring,
}

impl Standing {
    /// The word used in JSON: `moving` or `retiring`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Retiring => "retiring",
        }
    }
}

/// Who can know of a key that was put into the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// Everybody who uses the store, or whoever it is was told before.
    Everywhere,
    /// This host alone: the key was made just now, other hosts use the store, and each has a source of its own.
    HereOnly,
}

/// What one step of moving did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Grants that were looked at; 0: none is left.
    pub seen: u64,
    /// Those of them that did not open with the old key either: they were unreadable before, and are left as they are.
    pub unreadable: u64,
}

/// A store whose key can be changed. The steps in their order; each is durable when it returns, and may be done again.
pub trait KeyRotation: Send + Sync {
    /// Whether a new key is made in its source by [`add`](Self::add). False: a person puts it there, first.
    fn makes_keys(&self) -> bool;

    /// How many grants there are, of every app.
    fn grants(&self) -> BoxFuture<'_, Result<u64>>;

    /// How far a change is that was begun; none where none was.
    fn standing(&self) -> BoxFuture<'_, Result<Option<Standing>>>;

    /// How many keys the source holds here: 1, and 2 while the key is being changed.
    fn held(&self) -> BoxFuture<'_, Result<usize>>;

    /// Whether other hosts use the store, each with a source of its own for the key: what is put into this host's and removed from it they do not see.
    fn has_copies(&self) -> bool {
        false
    }

    /// Puts a new key beside the one in use into the source; both into `into`, too, where the store changes to that one.
    fn add(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<Known>>;

    /// Makes the new key the store's.
    fn switch(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<()>>;

    /// How many grants are still to be moved.
    fn left(&self) -> BoxFuture<'_, Result<u64>>;

    /// Moves at most `most` grants with their tokens.
    fn move_some(&self, most: usize) -> BoxFuture<'_, Result<Moved>>;

    /// Moves what else there is, and wipes the old key from the store.
    fn settle(&self) -> BoxFuture<'_, Result<()>>;

    /// Removes the old key from its source, and from `into`. False where the first is for somebody else to do.
    fn retire(&self, into: Option<Arc<dyn KeyProvider>>) -> BoxFuture<'_, Result<bool>>;
}

/// What is the same in every database.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod steps;

#[cfg(test)]
pub(crate) mod contract;
