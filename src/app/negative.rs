//! Refusals that are remembered for a while, so that a loop of ours does not hammer the service with a request it has just refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::token_cache::CacheKey;
use crate::error::Error;
use crate::ids::TenantId;

/// How long a refusal that only a person can mend is answered from memory.
const REFUSAL: Duration = Duration::from_secs(60);

/// The most refusals remembered.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Negative(Mutex<Remembered>);

/// Which request: the token, and the claims that it was to satisfy. One that was refused for its claims says nothing of one without.
type Refused = (CacheKey, Option<String>);

#[derive(Debug, Default)]
struct Remembered {
    tokens: HashMap<Refused, (Error, Instant)>,
    app: Option<(Error, Instant)>,
}

impl Negative {
    /// The refusal that stands for `key` with these claims now, if one does.
    pub(crate) fn get(&self, key: &CacheKey, claims: Option<&str>) -> Option<Error> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.app.is_none() && remembered.tokens.is_empty() {
            return None;
        }
        let refused = (key.clone(), claims.map(str::to_owned));
        let now = Instant::now();
        let of_token = || remembered.tokens.get(&refused).and_then(|entry| live(entry, now));
        remembered.app.as_ref().and_then(|entry| live(entry, now)).or_else(of_token)
    }

    /// The refusal that stands for the app itself now, if one does.
    pub(crate) fn of_app(&self) -> Option<Error> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.app.as_ref().and_then(|entry| live(entry, Instant::now()))
    }

    /// Remembers a refusal of one token.
    pub(crate) fn put(&self, key: CacheKey, claims: Option<&str>, error: Error, wait: Option<Duration>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if remembered.tokens.len() >= MOST {
            remembered.tokens.retain(|_, entry| now < entry.1);
        }
        if remembered.tokens.len() < MOST {
            remembered.tokens.insert((key, claims.map(str::to_owned)), (error, now + wait.unwrap_or(REFUSAL)));
        }
    }

    /// Forgets why that token was refused: what was missing was given.
    pub(crate) fn forget_token(&self, key: &CacheKey) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.tokens.retain(|(refused, _), _| refused != key);
    }

    /// Remembers a refusal of the app itself.
    pub(crate) fn put_app(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).app = Some((error, Instant::now() + REFUSAL));
    }

    /// Forgets everything.
    pub(crate) fn forget_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Remembered::default();
    }

    /// Forgets what a partner was refused: a new consent starts afresh.
    pub(crate) fn forget(&self, partner: TenantId) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.tokens.retain(|(key, _), _| key.partner != partner);
        remembered.app = None;
    }
}

fn live(entry: &(Error, Instant), now: Instant) -> Option<Error> {
    (now < entry.1).then(|| with_remaining_wait(&entry.0, entry.1 - now))
}

/// An answer from memory says how much of the wait is left.
fn with_remaining_wait(error: &Error, remaining: Duration) -> Error {
    if error.retry_after().is_some() { error.clone().with_retry_after(remaining) } else { error.clone() }
}
