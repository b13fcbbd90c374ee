//! When a renewer looks again, when it tries again what failed, and when a person should hear of a grant that nears its end. Pure: time and chance come in.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use crate::clock::UnixTime;

/// Days before its end at which a grant that nobody could renew is worth a person's attention.
pub const ALERT_DAYS: [u32; 4] = [30, 14, 7, 1];

/// However far off the next grant's turn is, somebody else may have stored one that is due sooner.
const LONGEST_WAIT: i64 = 15 * 60;

/// However much is due, the store is not asked more often.
const SHORTEST_WAIT: i64 = 1;

const FIRST_RETRY: i64 = 60;
const LAST_RETRY: i64 = 6 * 3600;

const DAY: i64 = 24 * 3600;

/// How long to wait when the soonest grant's turn comes at `soonest`. `chance` is from 0 to 1 and spreads a fleet by a tenth of the wait: what is due is never
/// looked for too early.
pub fn wait_until(soonest: Option<UnixTime>, now: UnixTime, chance: f64) -> Duration {
    let wait = soonest.map_or(LONGEST_WAIT, |soonest| soonest.since(now)).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    spread(wait, chance)
}

/// How long to leave alone what failed `failures` times in a row: a minute, twice as long each time, six hours at most; longer where the service said so.
pub fn wait_after(failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1_i64 << failures.saturating_sub(1).min(16)).min(LAST_RETRY);
    spread(doubled, chance).max(asked.unwrap_or_default())
}

fn spread(seconds: i64, chance: f64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 10.0)
}

/// How near a grant is to its end, as far as people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// It ends within so many days: one of [`ALERT_DAYS`].
    Within(u32),
    /// By the calendar it has ended.
    Expired,
    /// The service does not take it any more.
    Ended,
}

impl Nearness {
    /// How near a grant is that ends at `expires_on` unless it `has_ended` before; none while there is time.
    pub fn of(expires_on: UnixTime, has_ended: bool, now: UnixTime) -> Option<Self> {
        let left = expires_on.since(now);
        if has_ended {
            return Some(Self::Ended);
        }
        if left <= 0 {
            return Some(Self::Expired);
        }
        ALERT_DAYS.into_iter().rev().find(|days| left <= i64::from(*days) * DAY).map(Self::Within)
    }

    /// The word used in JSON: `expires_within`, `expired` or `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Within(_) => "expires_within",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }

    /// The days of [`Nearness::Within`].
    pub fn days(self) -> Option<u32> {
        match self {
            Self::Within(days) => Some(days),
            Self::Expired | Self::Ended => None,
        }
    }

    /// How urgent that is, for [`Told`].
    pub fn urgency(self) -> u32 {
        match self {
            Self::Within(days) => urgency(days),
            Self::Expired => urgency(0) + 1,
            Self::Ended => urgency(0) + 2,
        }
    }
}

/// How urgent it is that something ends within so many days: the fewer, the more.
pub fn urgency(days: u32) -> u32 {
    1000 - days.min(1000)
}

impl fmt::Display for Nearness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(1) => f.write_str("ends within a day"),
            Self::Within(days) => write!(f, "ends within {days} days"),
            Self::Expired => f.write_str("has expired"),
            Self::Ended => f.write_str("has ended"),
        }
    }
}

/// What people were told of: each step towards the end once.
#[derive(Clone, Debug)]
pub struct Told<K>(HashMap<K, u32>);

impl<K> Default for Told<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Told<K> {
    /// Whether it is news that `which` is so urgent. What has time again begins anew.
    pub fn is_news(&mut self, which: K, urgency: Option<u32>) -> bool {
        match urgency {
            None => {
                self.0.remove(&which);
                false
            }
            Some(urgency) => {
                let before = self.0.insert(which, urgency);
                before.is_none_or(|before| before < urgency)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn the_next_look_is_at_the_soonest_turn_and_never_early() {
        let wait = |seconds: i64, chance| wait_until(Some(NOW.plus(seconds)), NOW, chance).as_secs_f64();
        assert_eq!(wait(600, 0.0), 600.0);
        assert_eq!(wait(600, 1.0), 660.0);
        assert_eq!(wait(-5, 0.0), 1.0);
        assert_eq!(wait(90 * DAY, 0.0), 900.0);
        assert_eq!(wait_until(None, NOW, 0.5).as_secs(), 945);
    }

    #[test]
    fn what_fails_is_left_alone_for_longer_and_longer() {
        let wait = |failures| wait_after(failures, None, 0.0).as_secs();
        assert_eq!([wait(1), wait(2), wait(3), wait(9), wait(u32::MAX)], [60, 120, 240, 15_360, 21_600]);
        assert_eq!(wait_after(1, Some(Duration::from_secs(7200)), 1.0).as_secs(), 7200);
    }

    #[test]
    fn people_hear_of_each_step_once() {
        let mut told = Told::default();
        let mut days = Vec::new();
        let ends = NOW.plus(40 * DAY);
        for hour in 0..=41 * 24 {
            let now = NOW.plus(hour * 3600);
            let nearness = Nearness::of(ends, false, now);
            if told.is_news("fabrikam", nearness.map(Nearness::urgency)) {
                days.push((nearness.map_or_else(String::new, |near| near.to_string()), ends.since(now) / DAY));
            }
        }
        let expected = [
            ("ends within 30 days", 30),
            ("ends within 14 days", 14),
            ("ends within 7 days", 7),
            ("ends within a day", 1),
            ("has expired", 0),
        ];
        assert_eq!(days, expected.map(|(text, left)| (text.to_owned(), left)));
    }

    #[test]
    fn a_renewed_grant_begins_anew_and_an_ended_one_is_told_at_once() {
        let mut told = Told::default();
        let urgency = |days, has_ended| Nearness::of(NOW.plus(days * DAY), has_ended, NOW).map(Nearness::urgency);
        let near = urgency(1, false);
        assert!(told.is_news(1, near) && !told.is_news(1, near));
        assert!(!told.is_news(1, urgency(90, false)));
        assert!(told.is_news(1, near));
        let ended = urgency(90, true);
        assert_eq!(ended, Some(Nearness::Ended.urgency()));
        assert!(told.is_news(1, ended) && !told.is_news(1, near));
    }
}
