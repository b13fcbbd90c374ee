//! Access tokens in memory: bounded, and a hash look-up away.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::token::Token;
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::ids::TenantId;
use crate::purpose::Purpose;

/// Which token: the grant's tenant, the tenant it is good in, and the audience.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) partner: TenantId,
    pub(crate) tenant: TenantId,
    pub(crate) audience: Audience,
    /// Why: a token is found again only for the purpose that it was checked against. None where none is declared and none was named.
    pub(crate) purpose: Option<Arc<Purpose>>,
}

impl CacheKey {
    /// The partner's own tenant, for no purpose of a caller's.
    pub(crate) fn own(partner: TenantId, audience: Audience) -> Self {
        Self { partner, tenant: partner, audience, purpose: None }
    }
}

/// The most tokens kept. One more pushes out one that was not asked for lately; it is still in the store.
const CAPACITY: usize = 65_536;

/// The most different lists of scopes that are shared. There is about one for each audience.
const MOST_LISTS: usize = 1_024;

#[derive(Debug)]
pub(crate) struct TokenCache {
    tokens: Cache<CacheKey, Entry>,
    /// Lists of scopes, each kept once: ten thousand tenants have the same few.
    scopes: Mutex<HashSet<Arc<[String]>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    token: Arc<Token>,
    /// The end by the clock that does not jump. A wall clock that was set back must not make an expired token look good.
    ends: Instant,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { tokens: Cache::new(CAPACITY), scopes: Mutex::default() }
    }
}

impl TokenCache {
    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<Token>> {
        let entry = self.tokens.get(key)?;
        if Instant::now() < entry.ends {
            return Some(entry.token);
        }
        self.tokens.remove(key);
        None
    }

    pub(crate) fn put(&self, key: CacheKey, mut token: Token, now: UnixTime) -> Arc<Token> {
        // A purpose that ends takes its tokens with it, so that finding one needs no second look at the purpose.
        let ends = token.purpose_ends.map_or(token.expires_on, |end| end.min(token.expires_on));
        let lifetime = u64::try_from(ends.since(now)).unwrap_or(0);
        // Nobody issues tokens for longer than a day and a bit; an absurd number must not overflow the clock.
        let ends = Instant::now() + Duration::from_secs(lifetime.min(7 * 24 * 3600));
        self.share_scopes(&mut token);
        let token = Arc::new(token);
        self.tokens.insert(key, Entry { token: token.clone(), ends });
        token
    }

    fn share_scopes(&self, token: &mut Token) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        match scopes.get(&token.scopes) {
            Some(known) => token.scopes = known.clone(),
            None if scopes.len() < MOST_LISTS => drop(scopes.insert(token.scopes.clone())),
            None => {}
        }
    }

    pub(crate) fn forget_token(&self, key: &CacheKey) {
        self.tokens.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        self.tokens.clear();
    }

    pub(crate) fn forget(&self, partner: TenantId) {
        self.tokens.retain(|key, _| key.partner != partner);
    }
}
