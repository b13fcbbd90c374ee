//! Leases: one redemption at a time per name. How to wait for one, and the one that lies in files.

// Where the system cannot lock single bytes for an open file. Tested everywhere.
#[cfg(all(feature = "sqlite", any(test, not(all(target_os = "linux", target_pointer_width = "64")))))]
mod files;
#[cfg(all(feature = "sqlite", target_os = "linux", target_pointer_width = "64"))]
mod ranges;

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::store::seal;

#[cfg(all(feature = "sqlite", not(all(target_os = "linux", target_pointer_width = "64"))))]
pub(crate) use files::Leases;
#[cfg(all(feature = "sqlite", target_os = "linux", target_pointer_width = "64"))]
pub(crate) use ranges::Leases;

const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Tries until it succeeds or `patience` ends. Looks again and again and never blocks the thread: the system's own wait for a lock cannot be
/// given up, and 64 waiters would take 64 threads.
pub(crate) async fn poll<T>(patience: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let until = Instant::now() + patience;
    let mut wait = FIRST_WAIT;
    loop {
        if let Some(taken) = attempt()? {
            return Ok(Some(taken));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        pause(jittered(wait).min(left)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Between half of `wait` and all of it, so that many waiters do not look in step.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without a random source there is no jitter, and no harm.
    let _ = seal::random(&mut byte);
    let [byte] = byte;
    wait / 2 + wait * u32::from(byte) / 510
}

/// Sleeps without the thread where a runtime can do that.
async fn pause(wait: Duration) {
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(wait).await;
    } else {
        std::thread::sleep(wait);
    }
}
