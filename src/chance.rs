//! Numbers at random that protect nothing: how long to wait beside others, and ids by which a request is found again.
//!
//! Some are asked of the operating system in advance, for a request needs several and to ask costs as much as to seal a token. Keys, nonces and all else
//! that must stay unknown or never come again are asked for one by one, where they are used.

use std::sync::{Mutex, PoisonError};

use uuid::{Builder, Uuid};

use crate::fork;

/// Bytes asked for at a time.
const SUPPLY: usize = 512;

struct Supply {
    bytes: [u8; SUPPLY],
    used: usize,
    /// How many forks there were. A child has the bytes of its parent, and throws them away.
    forks: u64,
}

static SUPPLIES: Mutex<Supply> = Mutex::new(Supply { bytes: [0; SUPPLY], used: SUPPLY, forks: 0 });

/// None where the system has no randomness to give.
fn bytes<const N: usize>() -> Option<[u8; N]> {
    let mut supply = SUPPLIES.lock().unwrap_or_else(PoisonError::into_inner);
    let forks = fork::count();
    if supply.forks != forks || supply.used + N > SUPPLY {
        supply.used = SUPPLY;
        getrandom::fill(&mut supply.bytes).ok()?;
        (supply.forks, supply.used) = (forks, 0);
    }
    let found = supply.bytes.get(supply.used..)?.first_chunk::<N>().copied();
    supply.used += N;
    found
}

/// From 0 to 1, so that many clients do not come back at one moment. Without randomness there is no jitter, which is no reason to fail.
pub(crate) fn jitter() -> f64 {
    bytes().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// A whole number of seconds from `least` to `most`.
pub(crate) fn jittered(least: i64, most: i64) -> i64 {
    least + (jitter() * (most - least) as f64) as i64
}

/// An id for a request (RFC 9562, version 4).
pub(crate) fn request_id() -> Uuid {
    bytes().map_or_else(Uuid::new_v4, |bytes| Builder::from_random_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_do_not_come_again() {
        let ids: HashSet<_> = (0..10 * SUPPLY).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 10 * SUPPLY);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
        let waits: Vec<_> = (0..SUPPLY).map(|_| jitter()).collect();
        assert!(waits.iter().all(|wait| (0.0..=1.0).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 0.1) && waits.iter().any(|wait| *wait > 0.9));
        assert!((0..SUPPLY).all(|_| (3..=7).contains(&jittered(3, 7))));
    }

    #[test]
    fn a_child_throws_away_what_its_parent_had() {
        let mut supply = SUPPLIES.lock().unwrap_or_else(PoisonError::into_inner);
        (supply.bytes, supply.used, supply.forks) = ([7; SUPPLY], 0, fork::count().wrapping_sub(1));
        drop(supply);
        assert_ne!(bytes(), Some([7; 16]));
    }
}
