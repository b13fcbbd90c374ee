//! How many consents are pending, without counting them for each new one.
//!
//! A flood of new ones has to find an end, and counting ten thousand rows takes longer than all the rest of a new one. So one count serves those that follow within a
//! second, as long as they are few beside the room that it found: the limit is exact on one host, and a fleet may pass it by a few.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long others may have added unseen.
const HOLDS: Duration = Duration::from_secs(1);

/// The part of the room that may be used up without a look: so many hosts may do so at once.
const SHARE: u64 = 16;

/// What is known of the number, and how many were put from here.
#[derive(Debug, Default)]
pub(super) struct Room {
    begun: AtomicU64,
    ended: AtomicU64,
    counted: Mutex<Option<Counted>>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    room: u64,
    /// How many of ours the count has seen.
    seen: u64,
    on: Instant,
}

/// One that is being put; it counts as put from its beginning on.
pub(super) struct Putting<'a> {
    room: &'a Room,
    seen: u64,
    begun: Instant,
    /// Whether it has to be counted how many there are.
    pub(super) must_count: bool,
}

impl Room {
    /// Begins to put one.
    pub(super) fn begin(&self) -> Putting<'_> {
        let begun = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough = |counted: Counted| {
            counted.on.elapsed() < HOLDS && begun.saturating_sub(counted.seen) <= counted.room / SHARE
        };
        let seen = self.ended.load(Ordering::Acquire);
        Putting { room: self, seen, begun: Instant::now(), must_count: !counted.is_some_and(is_enough) }
    }
}

impl Putting<'_> {
    /// What was counted on the way: there was room for so many.
    pub(super) fn counted(&self, room: u64) {
        let mut counted = self.room.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted = Some(Counted { room, seen: self.seen, on: self.begun });
    }
}

impl Drop for Putting<'_> {
    fn drop(&mut self) {
        self.room.ended.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_count_serves_as_many_as_are_few_beside_the_room() {
        let room = Room::default();
        let first = room.begin();
        assert!(first.must_count);
        first.counted(32);
        drop(first);
        // The first was not in its own count.
        for must_count in [false, true, true] {
            assert_eq!(room.begin().must_count, must_count);
        }
        let again = room.begin();
        again.counted(64);
        drop(again);
        assert!(!room.begin().must_count);
    }

    #[test]
    fn those_under_way_may_not_have_been_counted() {
        let room = Room::default();
        let under_way: Vec<_> = (0..5).map(|_| room.begin()).collect();
        let counting = room.begin();
        counting.counted(5 * SHARE);
        assert!(room.begin().must_count, "six of ours are not in the count");
        drop((under_way, counting));
        let counting = room.begin();
        counting.counted(5 * SHARE);
        drop(counting);
        assert!(!room.begin().must_count);
    }

    #[test]
    fn a_full_store_and_an_old_count_are_counted_anew() {
        let room = Room::default();
        let full = room.begin();
        full.counted(0);
        drop(full);
        assert!(room.begin().must_count);
        let roomy = room.begin();
        roomy.counted(10_000);
        drop(roomy);
        assert!(!room.begin().must_count);
        if let Some(counted) = room.counted.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            counted.on = counted.on.checked_sub(HOLDS).unwrap_or(counted.on);
        }
        assert!(room.begin().must_count);
    }
}
