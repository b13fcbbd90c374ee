//! Lines of renewals, written together. Renewals end in crowds, for one commit of the store answers many; were each to write its own line, each would lock
//! the record, look where it ends and count itself in the head.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Inner;
use crate::audit::Entry;
use crate::error::{Error, ErrorKind, Result};

/// Lines at most that are written as one: they stand in one file of the record, whatever size that should have.
const MOST: usize = 32;

/// With so many renewals under way,
const CROWD: usize = 8;
/// a line waits so long for others.
const MOMENT: Duration = Duration::from_millis(1);

type Waiting = (Entry, oneshot::Sender<Result<()>>);

/// Lines that wait for the next write, and whoever waits for them.
#[derive(Default)]
pub(super) struct Gathered {
    waiting: Mutex<Vec<Waiting>>,
    under_way: AtomicUsize,
}

/// A renewal that is under way, and whose line will come.
pub(in crate::app) struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gathered {
    fn add(&self, entry: Entry) -> oneshot::Receiver<Result<()>> {
        let (answer, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((entry, answer));
        receiver
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let many = waiting.len().min(MOST);
        waiting.drain(..many).collect()
    }
}

impl Inner {
    /// Announces the line of a renewal.
    pub(in crate::app) fn renewal_under_way(&self) -> UnderWay<'_> {
        let under_way = &self.auditor.gathered.under_way;
        under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(under_way)
    }

    /// Writes a line with those that others have at the same moment, and ends when it is written.
    pub(super) async fn write_gathered(&self, entry: Entry) -> Result<()> {
        let written = self.auditor.gathered.add(entry);
        // Whoever else was answered by the same commit adds a line now.
        if self.auditor.gathered.under_way.load(Ordering::Relaxed) < CROWD {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(MOMENT).await;
        }
        loop {
            let (entries, answers): (Vec<Entry>, Vec<_>) = self.auditor.gathered.take().into_iter().unzip();
            if entries.is_empty() {
                break;
            }
            let outcome = self.write_lines(entries, false).await.map(drop);
            for answer in answers {
                // Nobody may be waiting any more: the line is there all the same.
                let _ = answer.send(outcome.clone());
            }
        }
        written.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "audit", "a line ended before its time")))
    }
}
