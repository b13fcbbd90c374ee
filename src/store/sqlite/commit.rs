//! Group commit. What makes a write slow is waiting for the disk, and one wait can serve many: writes that come while the disk is busy are
//! gathered and become one transaction. Each still gets its own verdict, and none is told "done" before its transaction is durable.
//!
//! Where many have just written together, as in a renewal of all that is due, the next ones are on their way: then a transaction waits for them for a
//! moment (as PostgreSQL's `commit_delay` does), and again while more of them come, for a disk that is quick would else get many small ones. Who writes
//! alone never waits.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::TransactionBehavior;
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::store::sqlite::connection::Connection;
use crate::store::sqlite::fault::{failure, is_of_the_whole_store};
use crate::store::sqlite::schema;

/// How many writes at most share a transaction: bounds how long a reader of the log has to look.
const MOST: usize = 256;

/// So many writes in one transaction are a crowd,
const CROWD: usize = 8;
/// which is over when nobody has written for so long;
const CROWD_LASTS: Duration = Duration::from_millis(20);
/// and while there is one, a transaction waits so long for others,
const MOMENT: Duration = Duration::from_millis(1);
/// and as often at most, if each time some came.
const MOMENTS: usize = 5;

/// A transaction as a job sees it.
pub(super) struct Open<'a> {
    pub(super) connection: &'a rusqlite::Connection,
    /// The store's [`key_check`](schema::key_check), read in this transaction.
    pub(super) key_check: Option<Vec<u8>>,
    /// Whether this transaction has removed what expired.
    pub(super) is_swept: Cell<bool>,
}

impl<'a> Open<'a> {
    pub(super) fn new(connection: &'a rusqlite::Connection) -> Result<Self> {
        Ok(Self { connection, key_check: schema::key_check(connection)?, is_swept: Cell::new(false) })
    }
}

/// One write and whoever waits for it. It may run several times, but only one run is ever committed.
trait Job: Send {
    fn run(&mut self, open: &Open<'_>) -> Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Waiting<T, F> {
    work: F,
    verdict: Option<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&Open<'_>) -> Result<T> + Send> Job for Waiting<T, F> {
    fn run(&mut self, open: &Open<'_>) -> Result<()> {
        self.verdict = Some((self.work)(open)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { verdict, answer, .. } = *self;
        // Nobody may be waiting any more: the write happened all the same.
        let _ = answer.send(outcome.and_then(|()| verdict.ok_or_else(stopped)));
    }
}

/// The writes that wait for the next transaction.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    /// Whether somebody is at work on the queue.
    is_led: bool,
    /// How many writes the last transaction had, and when it ended.
    last: Option<(usize, Instant)>,
}

impl State {
    /// How many wait, if they are some of a crowd and the others are still on their way; 0 if not.
    fn crowd(&self, now: Instant) -> usize {
        let is_of_a_crowd = |(many, ended): (usize, Instant)| many >= CROWD && now < ended + CROWD_LASTS;
        match self.jobs.len() {
            waiting if waiting < MOST && self.last.is_some_and(is_of_a_crowd) => waiting,
            _ => 0,
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.lock().jobs.len()).finish()
    }
}

impl Queue {
    /// Adds a write. The answer comes over the receiver; where true is returned, the caller has to see to it that [`Queue::lead`] runs.
    pub(super) fn push<T, F>(&self, work: F) -> (oneshot::Receiver<Result<T>>, bool)
    where
        T: Send + 'static,
        F: FnMut(&Open<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.jobs.push(Box::new(Waiting { work, verdict: None, answer }));
        let must_lead = !state.is_led;
        state.is_led = true;
        (receiver, must_lead)
    }

    /// Works on the queue until it is empty. `commit` gets one batch after the other.
    pub(super) fn lead(&self, mut commit: impl FnMut(Batch)) {
        loop {
            self.wait_for_a_crowd();
            let Some(jobs) = self.take() else { return };
            let many = jobs.len();
            commit(Batch(jobs));
            self.lock().last = Some((many, Instant::now()));
        }
    }

    fn wait_for_a_crowd(&self) {
        let mut before = 0;
        for _ in 0..MOMENTS {
            let waiting = self.lock().crowd(Instant::now());
            if waiting <= before {
                return;
            }
            before = waiting;
            thread::sleep(MOMENT);
        }
    }

    /// Gives up: everybody who waits is told so. For a leader that never came to work, or died at it.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.is_led = false;
        state.jobs.clear();
    }

    fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut state = self.lock();
        if state.jobs.is_empty() {
            state.is_led = false;
            return None;
        }
        let many = state.jobs.len().min(MOST);
        Some(state.jobs.drain(..many).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes that go into one transaction.
pub(super) struct Batch(Vec<Box<dyn Job>>);

impl Batch {
    /// Tells everybody that nothing was written.
    pub(super) fn refuse(self, error: &Error) {
        for job in self.0 {
            job.answer(Err(error.clone()));
        }
    }

    /// Writes, does what `then` has to do when that is durable, and tells everybody how it went. The error of the store as a whole, if there was one,
    /// is also given back.
    pub(super) fn commit(mut self, connection: &mut Connection, then: &impl Fn(&Connection)) -> Result<()> {
        match run(connection, &mut self.0) {
            Ok(()) => {
                then(connection);
                for job in self.0 {
                    job.answer(Ok(()));
                }
                Ok(())
            }
            Err(error) if self.0.len() == 1 || is_of_the_whole_store(&error) => {
                self.refuse(&error);
                if is_of_the_whole_store(&error) || error.kind() == ErrorKind::StoreCorrupt {
                    Err(error)
                } else {
                    Ok(())
                }
            }
            Err(_) => {
                // One of them met a fault of its own, and all were taken back. Each alone now, so that nobody pays for another's record.
                let mut outcome = Ok(());
                for job in self.0 {
                    outcome = outcome.and(Batch(vec![job]).commit(connection, then));
                }
                outcome
            }
        }
    }
}

fn run(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    let open = Open::new(&transaction)?;
    for job in jobs {
        job.run(&open)?;
    }
    transaction.commit().map_err(failure)
}

/// What a caller is told whose write nobody worked on to the end.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "store", "the store was closed before the write was done")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Whether the next of `waiting` writes waits after a transaction of `many`.
    fn waits_after(many: usize, waiting: usize) -> bool {
        let queue = Queue::default();
        let push = |many| (0..many).for_each(|_| drop(queue.push(|_| Ok(()))));
        push(many);
        let mut sizes = Vec::new();
        queue.lead(|batch| sizes.push(batch.0.len()));
        assert_eq!(sizes, [many]);
        push(waiting);
        let state = queue.lock();
        let (_, ended) = state.last.unwrap();
        state.crowd(ended) > 0
    }

    #[test]
    fn only_some_of_a_crowd_wait_for_the_others() {
        assert!(waits_after(CROWD, 1));
        assert!(!waits_after(CROWD - 1, 1), "who writes alone");
        assert!(!waits_after(CROWD, 0), "nobody");
        assert!(!waits_after(CROWD, MOST), "all that fit in");
    }

    #[test]
    fn a_crowd_is_over_after_a_while() {
        let queue = Queue::default();
        drop(queue.push(|_| Ok(())));
        let ended = Instant::now();
        queue.lock().last = Some((CROWD, ended));
        assert_eq!(queue.lock().crowd(ended), 1);
        assert_eq!(queue.lock().crowd(ended + CROWD_LASTS), 0);
    }
}
