//! A service's limit on requests a second, kept by all apps of this process together.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Hands out turns, evenly spaced, to everybody in this process who asks for the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When the next turn is, in microseconds since [`START`].
    next: &'static AtomicU64,
    /// Microseconds from one turn to the next.
    interval: u64,
}

/// Without locks, so that a forked child finds none held. Two names may share a place; then both are slower than they need be, and never faster.
static NEXT: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Pace {
    /// The pace of that name.
    pub(crate) fn of(name: &str, per_second: u32) -> Self {
        static SOMEWHERE: AtomicU64 = AtomicU64::new(0);
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % 256).unwrap_or_default();
        Self { next: NEXT.get(place).unwrap_or(&SOMEWHERE), interval: 1_000_000 / u64::from(per_second.max(1)) }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let mine = self.take(micros(START.elapsed()));
        tokio::time::sleep_until((*START + Duration::from_micros(mine)).into()).await;
    }

    /// Nobody gets a turn for so long: the service asked for it.
    pub(crate) fn hold(&self, wait: Duration) {
        self.next.fetch_max(micros(START.elapsed().saturating_add(wait)), Ordering::AcqRel);
    }

    /// The next turn that is not before `now`.
    fn take(&self, now: u64) -> u64 {
        let after = |next: u64| Some(next.max(now).saturating_add(self.interval));
        let taken = self.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, after);
        taken.unwrap_or_else(|next| next).max(now)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_whoever_asks() {
        let (one, two) = (Pace::of("test spacing", 50), Pace::of("test spacing", 50));
        let turns: Vec<_> = (0..10).map(|n| if n % 2 == 0 { one.take(7) } else { two.take(7) }).collect();
        assert_eq!(turns, (0..10).map(|n| 7 + n * 20_000).collect::<Vec<_>>());
        // Time that nobody used is not made up for: the service counts seconds, not averages.
        assert_eq!((one.take(10_000_000), two.take(10_000_000)), (10_000_000, 10_020_000));
    }

    #[test]
    fn a_hold_puts_all_off() {
        let pace = Pace::of("test hold", 50);
        pace.hold(Duration::from_secs(3_600));
        assert!(Pace::of("test hold", 50).take(0) >= 3_600_000_000);
    }
}
