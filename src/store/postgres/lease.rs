//! Leases: advisory locks of this process's session. The server lets go of them when the session ends, however its holder dies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use tokio::runtime::Handle;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::store::Lease;
use crate::store::lease::jittered;
use crate::store::postgres::fault::failure;
use crate::store::postgres::link::{Link, Pool};

const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(160);

/// The leases of one process. A session may take its own lock again and again, so who is first within the process is decided here; and of all who wait in the
/// process, one asks the server.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<i64, Weak<tokio::sync::Mutex<()>>>>);

impl Leases {
    /// Waits for the lease on `name`, at most `patience`.
    pub(super) async fn take(
        &self,
        pool: &Arc<Pool>,
        name: &str,
        patience: Duration,
    ) -> Result<Option<Box<dyn Lease>>> {
        let until = Instant::now() + patience;
        let number = number(name);
        let turn = self.turn(number);
        let Ok(turn) = tokio::time::timeout(patience, turn.lock_owned()).await else { return Ok(None) };
        let mut wait = FIRST_WAIT;
        loop {
            let session = pool.session().await?;
            let taken = pool.query_on(&session, "SELECT pg_try_advisory_lock($1)", &[(&number, Type::INT8)]).await?;
            if taken.first().map(|row| row.try_get(0)).transpose().map_err(failure)? == Some(true) {
                return Ok(Some(Box::new(Held { session, number, runtime: Handle::current(), _turn: turn })));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            tokio::time::sleep(jittered(wait).min(left)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn turn(&self, number: i64) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&number).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= 1024 {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(number, Arc::downgrade(&turn));
        turn
    }
}

/// A held lock.
#[derive(Debug)]
struct Held {
    session: Arc<Link>,
    number: i64,
    runtime: Handle,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl Lease for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let (session, number) = (Arc::clone(&self.session), self.number);
        // Where the runtime is gone the session is, too, and the lock with it.
        self.runtime.spawn(async move {
            let _ = session.client.query_typed("SELECT pg_advisory_unlock($1)", &[(&number, Type::INT8)]).await;
        });
    }
}

/// The same name has the same number in every process and version.
fn number(name: &str) -> i64 {
    let hash = digest::digest(&digest::SHA256, format!("partnersam lease {name}").as_bytes());
    hash.as_ref().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
