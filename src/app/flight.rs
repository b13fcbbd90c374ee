//! One flight per thing wanted: callers that want the same missing token, or the same renewal, at the same time share one attempt, and its answer.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::token_cache::CacheKey;
use crate::error::{Error, ErrorKind, Result};

/// What tells one flight from another: the token, and what is special about how it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) token: CacheKey,
    /// Caches are passed over.
    pub(crate) fresh: bool,
    /// Claims to satisfy.
    pub(crate) claims: Option<String>,
}

type Flight<T> = Shared<BoxFuture<'static, Result<T>>>;

/// What is in the air, by what it brings.
type Board<K, T> = Arc<Mutex<HashMap<K, Flight<T>>>>;

pub(crate) struct Flights<K, T>(Board<K, T>);

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Board::default())
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Whether such a flight is in the air.
    pub(crate) fn is_flying(&self, key: &K) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// Waits until nothing is in the air.
    pub(crate) async fn landed(&self) {
        loop {
            let flight = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().next().cloned();
            let Some(flight) = flight else { return };
            // How it ended is for those who asked for it.
            let _ = flight.await;
            tokio::task::yield_now().await;
        }
    }

    /// Joins the flight for `key`, or starts `attempt` as one; `operation` is what an error names.
    ///
    /// The attempt is a task of its own: a caller who gives up does not stop it, for a redemption that was sent must be saved.
    pub(crate) async fn join<F>(&self, key: K, operation: &'static str, attempt: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None => {
                    let (landed, board) = (key.clone(), self.0.clone());
                    // Boxed once, and not moved with all that it will hold from hand to hand.
                    let attempt = Box::pin(attempt());
                    let task = tokio::spawn(async move {
                        // Also when the attempt panics: nobody may wait for a flight that never lands.
                        let _landing = Landing { key: landed, board };
                        attempt.await
                    });
                    let flight = task
                        .map(move |end| {
                            end.unwrap_or_else(|_| {
                                Err(Error::new(ErrorKind::Internal, operation, "a flight ended before its time"))
                            })
                        })
                        .boxed()
                        .shared();
                    flights.insert(key, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }
}

struct Landing<K: Eq + Hash, T> {
    key: K,
    board: Board<K, T>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
