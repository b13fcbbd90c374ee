//! Until when a kept token can be handed out again without asking the core.

use std::time::{Duration, Instant};

use partnersam::app::token::Token;
use partnersam::clock::{Clock, SystemClock, UnixTime};

use crate::handle::{Handle, Stamp};

pub(crate) struct Fresh {
    stamp: Stamp,
    /// By the wall clock: from then on the core decides whether to refresh.
    until: UnixTime,
    /// By the clock that does not jump: a wall clock that was set back does not lengthen a token's life.
    ends: Instant,
}

/// As in the core: a token with less left would end on its way.
const LEAST_LEFT: i64 = 60;

impl Fresh {
    pub(crate) fn new(token: &Token, stamp: Stamp, now: UnixTime, is_kept: bool) -> Self {
        // The purpose it was asked for may end before.
        let ends = token.purpose_ends.unwrap_or(UnixTime(i64::MAX)).min(token.expires_on.plus(-LEAST_LEFT));
        let lifetime = u64::try_from(ends.since(now)).unwrap_or(0);
        let until = token.refresh_after.min(ends);
        // An absurd lifetime must not overflow the clock.
        // Where each use has a line in the audit record, the core is asked each time.
        let until = if is_kept { until } else { UnixTime(i64::MIN) };
        Self { stamp, until, ends: Instant::now() + Duration::from_secs(lifetime.min(24 * 3600)) }
    }

    pub(crate) fn is_now(&self, handle: &Handle) -> bool {
        SystemClock.now() < self.until && Instant::now() < self.ends && handle.is_current(self.stamp)
    }
}
