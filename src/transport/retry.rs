//! When to try again, and how long to wait: exponential with jitter, and never sooner than the service asked (RFC 9110 section 10.2.3).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// How often and how long to try.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Wait before the second attempt; each further one waits twice as long.
    pub first_wait: Duration,
    /// A service that asks for a longer wait than this gets no further attempt: the caller is told how long instead.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, first_wait: Duration::from_millis(400), longest_wait: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    /// How long to wait after failed attempt number `attempt` (from 1), or none when it was the last. `jitter` is from 0 to 1.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let own =
            self.first_wait.saturating_mul(1 << (attempt - 1).min(16)).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        let wait = own.max(asked.unwrap_or_default());
        (wait <= self.longest_wait).then_some(wait)
    }
}

/// What `Retry-After` says, in either of its forms: seconds, or a date compared with `now`. Nonsense is none; a date gone by is no wait.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    /// Longer than this is not believed.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().expect("a header"))])
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (text, expected) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("99999999999", Some(24 * 3600)),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(retry_after(&header(text), now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn waits_grow_are_jittered_and_honour_what_was_asked() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(1, None, 1.0), Some(Duration::from_millis(400)));
        assert_eq!(policy.wait(1, None, 0.0), Some(Duration::from_millis(200)));
        assert_eq!(policy.wait(2, None, 1.0), Some(Duration::from_millis(800)));
        assert_eq!(policy.wait(3, None, 1.0), None);
        assert_eq!(policy.wait(1, Some(Duration::from_secs(4)), 0.0), Some(Duration::from_secs(4)));
        assert_eq!(policy.wait(1, Some(Duration::from_secs(60)), 0.0), None, "too long to sit through");
    }
}
