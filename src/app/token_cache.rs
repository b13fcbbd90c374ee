//! Access tokens in memory: bounded, and a hash look-up away.

use std::sync::{Arc, LazyLock};
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
    /// The partner's own tenant, to keep its grant alive.
    pub(crate) fn renewal(partner: TenantId, audience: Audience) -> Self {
        static RENEWAL: LazyLock<Arc<Purpose>> = LazyLock::new(|| Arc::new(Purpose::renewal()));
        Self { purpose: Some(RENEWAL.clone()), ..Self::own(partner, audience) }
    }

    /// Whether it was asked for to keep a grant alive, and for nobody.
    pub(crate) fn is_renewal(&self) -> bool {
        self.purpose.as_ref().is_some_and(|purpose| purpose.name().is_empty())
    }

    /// The partner's own tenant, for no purpose of a caller's.
    pub(crate) fn own(partner: TenantId, audience: Audience) -> Self {
        Self { partner, tenant: partner, audience, purpose: None }
    }
}

/// The most tokens kept. One more pushes out one that was not asked for lately; it is still in the store.
const CAPACITY: usize = 65_536;

#[derive(Debug)]
pub(crate) struct TokenCache(Cache<CacheKey, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    token: Arc<Token>,
    /// The end by the clock that does not jump. A wall clock that was set back must not make an expired token look good.
    ends: Instant,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl TokenCache {
    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<Token>> {
        let entry = self.0.get(key)?;
        if Instant::now() < entry.ends {
            return Some(entry.token);
        }
        self.0.remove(key);
        None
    }

    pub(crate) fn put(&self, key: CacheKey, token: Arc<Token>, now: UnixTime) {
        // A purpose that ends takes its tokens with it, so that finding one needs no second look at the purpose.
        let ends = token.purpose_ends.map_or(token.expires_on, |end| end.min(token.expires_on));
        let lifetime = u64::try_from(ends.since(now)).unwrap_or(0);
        // Nobody issues tokens for longer than a day and a bit; an absurd number must not overflow the clock.
        let ends = Instant::now() + Duration::from_secs(lifetime.min(7 * 24 * 3600));
        self.0.insert(key, Entry { token, ends });
    }

    pub(crate) fn forget_token(&self, key: &CacheKey) {
        self.0.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        self.0.clear();
    }

    pub(crate) fn forget(&self, partner: TenantId) {
        self.0.retain(|key, _| key.partner != partner);
    }
}
