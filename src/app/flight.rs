//! One flight per token: callers that want the same missing token at the same time share one attempt, and its answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::token::Token;
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

type Flight = Shared<BoxFuture<'static, Result<Arc<Token>>>>;

#[derive(Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<FlightKey, Flight>>>);

impl Flights {
    /// Whether such a flight is in the air.
    pub(crate) fn is_flying(&self, key: &FlightKey) -> bool {
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

    /// Joins the flight for `key`, or starts `attempt` as one.
    ///
    /// The attempt is a task of its own: a caller who gives up does not stop it, for a redemption that was sent must be saved.
    pub(crate) async fn join<F>(&self, key: FlightKey, attempt: impl FnOnce() -> F) -> Result<Arc<Token>>
    where
        F: Future<Output = Result<Arc<Token>>> + Send + 'static,
    {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None => {
                    let (landed, board) = (key.clone(), self.0.clone());
                    let attempt = attempt();
                    let task = tokio::spawn(async move {
                        // Also when the attempt panics: nobody may wait for a flight that never lands.
                        let _landing = Landing { key: landed, board };
                        attempt.await
                    });
                    let flight = task
                        .map(|end| {
                            end.unwrap_or_else(|_| {
                                Err(Error::new(ErrorKind::Internal, "token", "a token request ended before its time"))
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

struct Landing {
    key: FlightKey,
    board: Arc<Mutex<HashMap<FlightKey, Flight>>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
