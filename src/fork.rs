//! What a fork does to handles: the child has the memory of its parent, but none of its threads and no right to its database connections.
//!
//! A binding reports a fork from the child (`pthread_atfork`, `os.register_at_fork`); handles compare the count and rebuild themselves.

use std::sync::atomic::{AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Tells every handle in this process that it was opened before a fork. Async-signal-safe: one atomic addition.
pub fn note_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the first process and this one, as far as they were reported.
pub fn count() -> u64 {
    FORKS.load(Ordering::Relaxed)
}
