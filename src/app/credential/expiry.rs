//! When the app's credential ends, and how loudly that is said. Pure: what the clock says comes in.

use std::fmt;

use serde::Serialize;

use crate::clock::UnixTime;

/// Days before its end at which a credential is warned of, the earliest first.
pub const NOTICE_DAYS: [u32; 5] = [60, 30, 14, 7, 1];

const DAY: i64 = 24 * 3600;

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
#[non_exhaustive]
pub enum Standing {
    /// Nobody said when it ends: a secret whose `client_secret_expires` is not set.
    Unknown,
    /// It ends later than the earliest notice.
    Good,
    /// It ends within so many days: the smallest of [`NOTICE_DAYS`] that fits.
    EndsSoon {
        /// One of [`NOTICE_DAYS`].
        within_days: u32,
    },
    /// It has ended.
    Ended,
}

impl Standing {
    /// How a credential that ends at `expires_on` stands at `now`. At the very moment of its end it has ended.
    pub fn at(expires_on: Option<UnixTime>, now: UnixTime) -> Self {
        let Some(expires_on) = expires_on else { return Self::Unknown };
        let left = expires_on.since(now);
        if left <= 0 {
            return Self::Ended;
        }
        let within = NOTICE_DAYS.into_iter().rev().find(|days| left <= i64::from(*days) * DAY);
        within.map_or(Self::Good, |within_days| Self::EndsSoon { within_days })
    }

    /// The word used in JSON: `unknown`, `good`, `ends_soon` or `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::EndsSoon { .. } => "ends_soon",
            Self::Ended => "ended",
        }
    }

    /// The notice that is due: days for a credential that ends soon, 0 for one that has ended.
    pub fn notice(self) -> Option<u32> {
        match self {
            Self::Unknown | Self::Good => None,
            Self::EndsSoon { within_days } => Some(within_days),
            Self::Ended => Some(0),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("ends on a day that nobody said"),
            Self::Good => f.write_str("is good"),
            Self::EndsSoon { within_days: 1 } => f.write_str("ends within a day"),
            Self::EndsSoon { within_days } => write!(f, "ends within {within_days} days"),
            Self::Ended => f.write_str("has ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn ending_in(seconds: i64) -> Standing {
        Standing::at(Some(NOW.plus(seconds)), NOW)
    }

    #[test]
    fn each_notice_begins_on_its_day_and_gives_way_to_the_next() {
        for (seconds, notice) in [
            (61 * DAY, None),
            (60 * DAY + 1, None),
            (60 * DAY, Some(60)),
            (30 * DAY + 1, Some(60)),
            (30 * DAY, Some(30)),
            (14 * DAY, Some(14)),
            (7 * DAY + 1, Some(14)),
            (7 * DAY, Some(7)),
            (DAY + 1, Some(7)),
            (DAY, Some(1)),
            (1, Some(1)),
            (0, Some(0)),
            (-1, Some(0)),
            (-400 * DAY, Some(0)),
        ] {
            assert_eq!(ending_in(seconds).notice(), notice, "{seconds}");
        }
        assert_eq!(ending_in(0), Standing::Ended);
    }

    #[test]
    fn it_is_told_in_words() {
        for (seconds, words) in
            [(90 * DAY, "is good"), (20 * DAY, "ends within 30 days"), (60, "ends within a day"), (0, "has ended")]
        {
            assert_eq!(ending_in(seconds).to_string(), words);
        }
    }

    #[test]
    fn nobody_knows_the_end_of_a_secret_that_was_not_told() {
        assert_eq!(Standing::at(None, NOW), Standing::Unknown);
        assert_eq!(Standing::Unknown.notice(), None);
    }

    proptest! {
        #[test]
        fn it_never_gets_better_as_time_passes(ends in any::<i64>(), one in any::<i64>(), other in any::<i64>()) {
            let rank = |now| match Standing::at(Some(UnixTime(ends)), UnixTime(now)) {
                Standing::Unknown | Standing::Good => u32::MAX,
                standing => standing.notice().unwrap_or_default(),
            };
            prop_assert!(rank(one.min(other)) >= rank(one.max(other)));
        }
    }
}
