//! What a fork does to handles: the child has the memory of its parent, but none of its threads and no right to its database connections.
//!
//! A binding reports each fork (`pthread_atfork`, `os.register_at_fork`): [`prepare`] before it, [`resume`] after it in the parent,
//! [`note_child`] in the child. Handles compare the count and rebuild themselves.
//!
//! SQLite keeps the locks of a process in that process's memory. A child that inherited them would believe to hold locks that it has not, and wait for
//! others that nobody lets go of (<https://www.sqlite.org/howtocorrupt.html> section 2.6). So what is open is closed around a fork.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Somebody is about to fork: nobody may open or use what is closed around it.
static CLOSING: AtomicBool = AtomicBool::new(false);
/// How many threads are using such a thing.
static USERS: AtomicUsize = AtomicUsize::new(0);
static OPEN: Mutex<Vec<Weak<dyn CloseForFork>>> = Mutex::new(Vec::new());

const A_MOMENT: Duration = Duration::from_micros(100);

thread_local! {
    /// Passes that this thread holds: a second one must not wait for the fork that waits for the first.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Closes what must not be open across a fork, as soon as nobody is using it, and keeps everybody else out. Takes as long as the transactions that
/// are under way: milliseconds. The same thread calls [`resume`], or in the child [`note_child`].
pub fn prepare() {
    while CLOSING.swap(true, Ordering::SeqCst) {
        thread::sleep(A_MOMENT);
    }
    while USERS.load(Ordering::SeqCst) > 0 {
        thread::sleep(A_MOMENT);
    }
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|each| each.upgrade().inspect(|each| each.close()).is_some());
}

/// Lets everybody in again: the fork is over, in the parent, or did not happen.
pub fn resume() {
    CLOSING.store(false, Ordering::SeqCst);
}

/// Tells every handle in this process that it was opened before a fork. Async-signal-safe: three atomic stores.
pub fn note_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    // Whoever was on the way in is not in this process.
    USERS.store(0, Ordering::SeqCst);
    resume();
}

/// How many forks lie between the first process and this one, as far as they were reported.
pub fn count() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Something that must not be open across a fork.
pub(crate) trait CloseForFork: Send + Sync {
    /// Called while nobody holds a [`Pass`].
    fn close(&self);
}

/// Has `each` closed before every fork.
pub(crate) fn close_before(each: Weak<dyn CloseForFork>) {
    let _pass = Pass::wait();
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|each| each.strong_count() > 0);
    open.push(each);
}

/// While one is held no fork is prepared. For moments: who is about to fork waits for it.
#[derive(Debug)]
pub(crate) struct Pass(std::marker::PhantomData<*const ()>);

impl Pass {
    pub(crate) fn wait() -> Self {
        if HELD.replace(HELD.get() + 1) == 0 {
            loop {
                USERS.fetch_add(1, Ordering::SeqCst);
                if !CLOSING.load(Ordering::SeqCst) {
                    break;
                }
                USERS.fetch_sub(1, Ordering::SeqCst);
                thread::sleep(A_MOMENT);
            }
        }
        Self(std::marker::PhantomData)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if HELD.replace(HELD.get().saturating_sub(1)) == 1 {
            USERS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
