//! A service's limit on requests a second, kept by all apps of this process together and, where they share a store's folder, by all processes.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use crate::store::private_file;

/// Hands out turns, evenly spaced, to everybody who asks for the same name.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// When the next turn is, in microseconds since [`START`].
    next: &'static AtomicU64,
    /// Microseconds from one turn to the next.
    interval: u64,
    /// The same for all processes that have this file.
    shared: Option<Arc<Path>>,
}

/// Without locks, so that a forked child finds none held. Two names may share a place; then both are slower than they need be, and never faster.
static NEXT: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A turn further away than this was noted by a clock that has been set back since.
const FARTHEST: u64 = 3_600_000_000;

/// How often a file that another process has locked is tried again, a millisecond apart. It is locked for some microseconds.
const TRIES: u32 = 200;

impl Pace {
    /// The pace of that name.
    pub(crate) fn of(name: &str, per_second: u32) -> Self {
        static SOMEWHERE: AtomicU64 = AtomicU64::new(0);
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % 256).unwrap_or_default();
        let interval = 1_000_000 / u64::from(per_second.max(1));
        Self { next: NEXT.get(place).unwrap_or(&SOMEWHERE), interval, shared: None }
    }

    /// The same, kept with other processes in `file`, which is made where it is not there. Where it cannot be, each process keeps the pace alone.
    pub(crate) fn shared(self, file: Option<&Path>) -> Self {
        Self { shared: file.map(Arc::from), ..self }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let now = micros(START.elapsed());
        let mine = self.take(now) - now;
        let everybodys = self.in_file(|next, now| (next - now, next.saturating_add(self.interval))).await;
        let wait = mine.max(everybodys.unwrap_or_default());
        if wait > 0 {
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
    }

    /// Nobody gets a turn for so long: the service asked for it.
    pub(crate) async fn hold(&self, wait: Duration) {
        self.next.fetch_max(micros(START.elapsed().saturating_add(wait)), Ordering::AcqRel);
        self.in_file(|next, now| ((), next.max(now.saturating_add(micros(wait))))).await;
    }

    /// Lets `change` make of the file's next turn, which is not before now, an answer and a new next turn. None where the file cannot be had.
    async fn in_file<T>(&self, change: impl Fn(u64, u64) -> (T, u64)) -> Option<T> {
        let path = self.shared.as_deref()?;
        // Opened each time: a forked child would share the lock of an open file.
        let mut file = private_file::open_for_lock(path).ok()?;
        for _ in 0..TRIES {
            if file.try_lock().is_ok() {
                return exchange(&mut file, change)
                    .inspect_err(|error| tracing::debug!(error = %error.kind(), "the shared pace could not be kept"))
                    .ok();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        None
    }

    /// The next turn that is not before `now`.
    fn take(&self, now: u64) -> u64 {
        let after = |next: u64| Some(next.max(now).saturating_add(self.interval));
        let taken = self.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, after);
        taken.unwrap_or_else(|next| next).max(now)
    }
}
/// The file holds eight bytes: microseconds since 1970, the least significant first.
fn exchange<T>(file: &mut File, change: impl Fn(u64, u64) -> (T, u64)) -> std::io::Result<T> {
    let mut text = Vec::new();
    file.take(8).read_to_end(&mut text)?;
    let now = micros(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let next = text.try_into().map_or(0, u64::from_le_bytes);
    let next = if next > now.saturating_add(FARTHEST) { now } else { next.max(now) };
    let (answer, next) = change(next, now);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&next.to_le_bytes())?;
    Ok(answer)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
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

    #[tokio::test]
    async fn a_hold_puts_all_off() {
        let pace = Pace::of("test hold", 50);
        pace.hold(Duration::from_secs(3_600)).await;
        assert!(Pace::of("test hold", 50).take(0) >= 3_600_000_000);
    }

    /// The turns that are left in the file when `pace` took one: as another process sees them.
    async fn waits(pace: &Pace) -> u64 {
        pace.in_file(|next, now| (next - now, next + pace.interval)).await.unwrap()
    }

    #[tokio::test]
    async fn processes_that_share_a_file_share_the_turns() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pace");
        // A turn a second: what the test itself takes does not count.
        let process = |name| Pace::of(name, 1).shared(Some(&file));
        let (one, two) = (process("test process 1"), process("test process 2"));
        let taken = [waits(&one).await, waits(&two).await, waits(&one).await];
        assert!(taken[0] < 500_000 && (500_000..1_500_000).contains(&taken[1]) && taken[2] > 1_500_000, "{taken:?}");
        two.hold(Duration::from_secs(600)).await;
        assert!(waits(&one).await > 500_000_000);
        // A clock that was set back, and junk.
        for bytes in [u64::MAX.to_le_bytes().to_vec(), b"x".to_vec(), Vec::new()] {
            std::fs::write(&file, bytes).unwrap();
            assert!(waits(&one).await < 500_000);
        }
        let alone = Pace::of("test process 3", 1).shared(Some(&folder.path().join("no").join("file").join("\0")));
        alone.turn().await;
    }
}
