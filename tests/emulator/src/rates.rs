//! Limits of requests a second, by whoever sends them.

use std::{collections::HashMap, time::Instant};

/// A bucket for each sender: it holds the requests of one second, and fills at the same rate.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<String, Bucket>);

#[derive(Debug)]
struct Bucket {
    left: f64,
    since: Instant,
}

impl Rates {
    /// Takes one request of `per_second`; says how many seconds to wait where none is left. 0 is no limit.
    ///
    /// The time is the machine's, not the scenario's: nobody waits for a clock that was moved.
    pub(crate) fn take(&mut self, sender: &str, per_second: u32, now: Instant) -> Result<(), u64> {
        if per_second == 0 {
            return Ok(());
        }
        let rate = f64::from(per_second);
        if !self.0.contains_key(sender) {
            self.0.insert(sender.to_owned(), Bucket { left: rate, since: now });
        }
        let Some(bucket) = self.0.get_mut(sender) else { return Ok(()) };
        let passed = now.saturating_duration_since(bucket.since).as_secs_f64();
        bucket.left = passed.mul_add(rate, bucket.left).min(rate);
        bucket.since = now;
        if bucket.left < 1.0 {
            return Err(1);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_holds_so_many_and_fills_again() {
        let mut rates = Rates::default();
        let begun = Instant::now();
        let mut count = |sender: &str, tries: u32, at: Duration| {
            (0..tries).filter(|_| rates.take(sender, 50, begun + at).is_ok()).count()
        };
        assert_eq!(count("a", 1000, Duration::ZERO), 50);
        assert_eq!(count("b", 1000, Duration::ZERO), 50, "each sender has its own");
        assert_eq!(count("a", 1000, Duration::from_millis(500)), 25);
        assert_eq!(count("a", 1000, Duration::from_mins(1)), 50, "what was not used is not saved up");
        assert_eq!((0..1000).filter(|_| Rates::default().take("a", 0, begun).is_ok()).count(), 1000);
    }
}
