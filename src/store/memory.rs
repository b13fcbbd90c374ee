//! A store that lives and dies with the process: for tests, and for programs that keep grants elsewhere. Nothing is sealed, for nothing
//! leaves memory; every secret is wiped when it goes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::clock::UnixTime;
use crate::error::Result;
use crate::ids::TenantId;
use crate::secret::{AccessToken, PkceVerifier, RefreshToken};
use crate::store::{
    AppKey, Expect, Grant, GrantFacts, GrantKey, GrantState, GrantStore, Lease, MAX_PENDING, MfaEvidence,
    PendingConsent, PendingFacts, StoredToken, TokenFacts, TokenKey, Turn, Written, lease, recovery,
};

/// How many access tokens and how many domains are kept at most: they are only a cache here.
const MAX_CACHED: usize = 100_000;

/// See [the module](self).
#[derive(Default)]
pub(crate) struct MemoryStore {
    kept: Mutex<Kept>,
    leased: Arc<Mutex<HashSet<Arc<str>>>>,
}

#[derive(Default)]
struct Kept {
    grants: Grants,
    pending: HashMap<(AppKey, [u8; 32]), KeptPending>,
    domains: HashMap<(String, String), (TenantId, UnixTime)>,
    tokens: usize,
}

/// By app, of which there is one as a rule, and within it by tenant alone: to compare names of authorities on the way to each of many grants would cost more
/// than to copy a token.
#[derive(Default)]
struct Grants(Vec<(AppKey, BTreeMap<TenantId, KeptGrant>)>);

struct KeptGrant {
    generation: u64,
    refresh_token: RefreshToken,
    facts: GrantFacts,
    tokens: HashMap<(TenantId, String), (AccessToken, TokenFacts)>,
}

struct KeptPending {
    verifier: PkceVerifier,
    facts: PendingFacts,
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}

/// What is decided at once needs no future of its own.
fn at_once<'a, T: Send + 'a>(result: Result<T>) -> BoxFuture<'a, Result<T>> {
    ready(result).boxed()
}

impl GrantStore for MemoryStore {
    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<Option<Grant>>> {
        at_once(Ok(self.kept().grant(key)))
    }

    fn grants_together<'a>(&'a self, keys: &'a [GrantKey]) -> BoxFuture<'a, Vec<Result<Option<Grant>>>> {
        let kept = self.kept();
        ready(keys.iter().map(|key| Ok(kept.grant(key))).collect()).boxed()
    }

    fn put_grant<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Written>> {
        at_once(Ok(self.kept().write(key, refresh_token, facts, expect)))
    }

    fn put_grant_and_token<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        expect: Expect,
        (token_key, token, token_facts): (&'a TokenKey, &'a AccessToken, &'a TokenFacts),
    ) -> BoxFuture<'a, Result<Written>> {
        if let Err(error) = super::check_owner(token_key, key) {
            return at_once(Err(error));
        }
        let mut kept = self.kept();
        let written = kept.write(key, refresh_token, facts, expect);
        if let Written::Yes(_) = written {
            kept.keep_token(token_key, token, token_facts);
        }
        at_once(Ok(written))
    }

    fn put_recovery<'a>(
        &'a self,
        key: &'a GrantKey,
        refresh_token: &'a RefreshToken,
        facts: &'a GrantFacts,
        replaces: u64,
    ) -> BoxFuture<'a, Result<()>> {
        // Memory is never unwritable: the journal would be applied at once, and dropped where it is stale.
        let mut kept = self.kept();
        let found = kept.grants.get(key).map(|kept| recovery::Found {
            generation: kept.generation,
            is_dead: kept.facts.state != GrantState::Active,
            consented_on: Some(kept.facts.consented_on),
        });
        if let Some(expect) = recovery::over(replaces, facts.consented_on, found) {
            kept.write(key, refresh_token, facts, expect);
        }
        drop(kept);
        at_once(Ok(()))
    }

    fn remove_grant<'a>(&'a self, key: &'a GrantKey) -> BoxFuture<'a, Result<bool>> {
        let mut kept = self.kept();
        let removed = kept.grants.remove(key);
        kept.tokens -= removed.as_ref().map_or(0, |grant| grant.tokens.len());
        at_once(Ok(removed.is_some()))
    }

    fn tenants<'a>(
        &'a self,
        app: &'a AppKey,
        after: Option<TenantId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        let kept = self.kept();
        let tenants = kept.grants.of_app(app).map(|(tenant, _)| *tenant);
        at_once(Ok(tenants.filter(|tenant| after.is_none_or(|after| *tenant > after)).take(limit).collect()))
    }

    fn due<'a>(&'a self, app: &'a AppKey, turn: Turn, limit: usize) -> BoxFuture<'a, Result<Vec<TenantId>>> {
        let kept = self.kept();
        let mut due: Vec<_> = kept
            .grants
            .of_app(app)
            .filter(|(_, grant)| grant.facts.state == GrantState::Active && turn.includes(grant.facts.renew_after))
            .map(|(tenant, grant)| (grant.facts.renew_after, *tenant))
            .collect();
        due.sort_unstable();
        at_once(Ok(due.into_iter().map(|(_, tenant)| tenant).take(limit).collect()))
    }

    fn check_writable(&self) -> BoxFuture<'_, Result<()>> {
        at_once(Ok(()))
    }

    fn token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<StoredToken>>> {
        let kept = self.kept();
        let found = kept.grants.get(&key.grant).and_then(|grant| grant.tokens.get(&(key.tenant, key.audience.clone())));
        at_once(Ok(found.map(|(token, facts)| StoredToken {
            // EXPOSE: the caller uses it; the store keeps its own.
            token: AccessToken::new(token.expose()),
            facts: facts.clone(),
        })))
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a AccessToken,
        facts: &'a TokenFacts,
    ) -> BoxFuture<'a, Result<()>> {
        self.kept().keep_token(key, token, facts);
        at_once(Ok(()))
    }

    fn remove_token<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<()>> {
        let mut kept = self.kept();
        let removed =
            kept.grants.get_mut(&key.grant).and_then(|grant| grant.tokens.remove(&(key.tenant, key.audience.clone())));
        kept.tokens -= usize::from(removed.is_some());
        at_once(Ok(()))
    }

    fn put_pending<'a>(&'a self, pending: &'a PendingConsent, now: UnixTime) -> BoxFuture<'a, Result<()>> {
        let mut kept = self.kept();
        kept.pending.retain(|_, pending| pending.facts.expires_on > now);
        if kept.pending.len() >= MAX_PENDING {
            return at_once(Err(super::too_many_pending()));
        }
        // EXPOSE: a second copy for the store itself.
        let verifier = PkceVerifier::new(pending.verifier.expose());
        let name = (pending.app.clone(), pending.state_hash);
        kept.pending.insert(name, KeptPending { verifier, facts: pending.facts.clone() });
        at_once(Ok(()))
    }

    fn pending<'a>(
        &'a self,
        app: &'a AppKey,
        state_hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<PendingConsent>>> {
        let kept = self.kept();
        at_once(Ok(kept.pending.get(&(app.clone(), *state_hash)).map(|pending| PendingConsent {
            app: app.clone(),
            state_hash: *state_hash,
            // EXPOSE: the caller completes the consent with it.
            verifier: PkceVerifier::new(pending.verifier.expose()),
            facts: pending.facts.clone(),
        })))
    }

    fn take_pending<'a>(&'a self, app: &'a AppKey, state_hash: &'a [u8; 32]) -> BoxFuture<'a, Result<bool>> {
        at_once(Ok(self.kept().pending.remove(&(app.clone(), *state_hash)).is_some()))
    }

    fn domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Option<(TenantId, UnixTime)>>> {
        at_once(Ok(self.kept().domains.get(&(authority.to_owned(), domain.to_owned())).copied()))
    }

    fn put_domain<'a>(
        &'a self,
        authority: &'a str,
        domain: &'a str,
        tenant: TenantId,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<()>> {
        let mut kept = self.kept();
        if kept.domains.len() >= MAX_CACHED {
            kept.domains.clear();
        }
        kept.domains.insert((authority.to_owned(), domain.to_owned()), (tenant, now));
        at_once(Ok(()))
    }

    fn lease<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Option<Box<dyn Lease>>>> {
        let name = Arc::from(name);
        lease::poll(patience, move || {
            let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(leased.insert(Arc::clone(&name)).then(|| {
                Box::new(HeldName { name: Arc::clone(&name), leased: Arc::clone(&self.leased) }) as Box<dyn Lease>
            }))
        })
        .boxed()
    }
}

impl Grants {
    fn of_app(&self, app: &AppKey) -> impl Iterator<Item = (&TenantId, &KeptGrant)> {
        self.0.iter().filter(move |(owner, _)| owner == app).flat_map(|(_, grants)| grants)
    }

    fn get(&self, key: &GrantKey) -> Option<&KeptGrant> {
        self.0.iter().find(|(app, _)| is_of(key, app))?.1.get(&key.tenant)
    }

    fn get_mut(&mut self, key: &GrantKey) -> Option<&mut KeptGrant> {
        self.0.iter_mut().find(|(app, _)| is_of(key, app))?.1.get_mut(&key.tenant)
    }

    fn insert(&mut self, key: &GrantKey, grant: KeptGrant) {
        match self.0.iter_mut().find(|(app, _)| is_of(key, app)) {
            Some((_, grants)) => drop(grants.insert(key.tenant, grant)),
            None => self.0.push((key.app(), BTreeMap::from([(key.tenant, grant)]))),
        }
    }

    fn remove(&mut self, key: &GrantKey) -> Option<KeptGrant> {
        self.0.iter_mut().find(|(app, _)| is_of(key, app))?.1.remove(&key.tenant)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut KeptGrant> {
        self.0.iter_mut().flat_map(|(_, grants)| grants.values_mut())
    }
}

fn is_of(key: &GrantKey, app: &AppKey) -> bool {
    (&key.authority, &key.client_id) == (&app.authority, &app.client_id)
}

impl Kept {
    fn grant(&self, key: &GrantKey) -> Option<Grant> {
        self.grants.get(key).map(|kept| Grant {
            key: key.clone(),
            generation: kept.generation,
            // EXPOSE: the caller redeems it; the store keeps its own.
            refresh_token: RefreshToken::new(kept.refresh_token.expose()),
            facts: kept.facts.clone(),
        })
    }

    fn write(&mut self, key: &GrantKey, token: &RefreshToken, facts: &GrantFacts, expect: Expect) -> Written {
        let stored = self.grants.get_mut(key);
        let found = stored.as_ref().map(|grant| grant.generation);
        if !expect.is_met_by(found) {
            return Written::Lost(found);
        }
        let generation = found.unwrap_or_default() + 1;
        match stored {
            Some(grant) => {
                if facts.state != GrantState::Active || facts.user_oid != grant.facts.user_oid {
                    self.tokens -= grant.tokens.len();
                    grant.tokens.clear();
                }
                grant.generation = generation;
                grant.refresh_token.replace(token);
                change(&mut grant.facts, facts);
            }
            None => {
                // EXPOSE: a second copy for the store itself.
                let refresh_token = RefreshToken::new(token.expose());
                let grant = KeptGrant { generation, refresh_token, facts: facts.clone(), tokens: HashMap::new() };
                self.grants.insert(key, grant);
            }
        }
        Written::Yes(generation)
    }

    fn keep_token(&mut self, key: &TokenKey, token: &AccessToken, facts: &TokenFacts) {
        if self.tokens >= MAX_CACHED {
            for grant in self.grants.values_mut() {
                grant.tokens.clear();
            }
            self.tokens = 0;
        }
        let active = self.grants.get_mut(&key.grant).filter(|grant| grant.facts.state == GrantState::Active);
        if let Some(grant) = active {
            // EXPOSE: a second copy for the store itself.
            let kept = (AccessToken::new(token.expose()), facts.clone());
            let replaced = grant.tokens.insert((key.tenant, key.audience.clone()), kept);
            self.tokens += usize::from(replaced.is_none());
        }
    }
}

/// Makes `kept` what `new` is, in the places that it has: a renewal changes moments, and what people have said of the grant is of the length that it was.
fn change(kept: &mut GrantFacts, new: &GrantFacts) {
    let GrantFacts {
        user_oid,
        user_name,
        domains,
        consented_on,
        mfa: MfaEvidence { verdict, amr, partner_center, checked_on },
        last_redeemed_on,
        expires_on,
        renew_after,
        audiences,
        purpose,
        taints,
        state,
    } = kept;
    user_oid.clone_from(&new.user_oid);
    user_name.clone_from(&new.user_name);
    domains.clone_from(&new.domains);
    *consented_on = new.consented_on;
    *verdict = new.mfa.verdict;
    amr.clone_from(&new.mfa.amr);
    *partner_center = new.mfa.partner_center;
    *checked_on = new.mfa.checked_on;
    *last_redeemed_on = new.last_redeemed_on;
    *expires_on = new.expires_on;
    *renew_after = new.renew_after;
    audiences.clone_from(&new.audiences);
    purpose.clone_from(&new.purpose);
    taints.clone_from(&new.taints);
    state.clone_from(&new.state);
}

/// A held lease.
#[derive(Debug)]
struct HeldName {
    name: Arc<str>,
    leased: Arc<Mutex<HashSet<Arc<str>>>>,
}

impl Lease for HeldName {}

impl Drop for HeldName {
    fn drop(&mut self) {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store::contract::contract!(|| (MemoryStore::default(), ()));
}
