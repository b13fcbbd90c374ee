//! What grants there are, and their end.

use super::{App, Inner};
use crate::audit::{Entry, Outcome};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::store::{Grant, GrantFacts, GrantState, Turn};

/// A grant without its secret.
#[derive(Clone, Debug)]
pub struct GrantStatus {
    /// The partner's tenant.
    pub partner: TenantId,
    /// Counts every change of the record.
    pub generation: u64,
    /// What is known of it.
    pub facts: GrantFacts,
}

/// How a grant is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// It can be used, and there is time.
    Active,
    /// It can be used, and should be renewed now.
    Due,
    /// By the calendar the service takes it no more. Only the service knows for sure.
    Expired,
    /// The service said for good that it does not take it.
    Ended,
}

impl Condition {
    /// The word used in JSON: `active`, `due`, `expired` or `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Due => "due",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

impl GrantStatus {
    /// How people call the partner: by domain where one is known, else by id.
    pub fn name(&self) -> String {
        self.facts.name(self.partner)
    }

    /// How the grant is at `now`. Due is also whose turn would come after its end: a clock far ahead made it so.
    pub fn condition(&self, now: UnixTime) -> Condition {
        match &self.facts.state {
            GrantState::Dead { .. } => Condition::Ended,
            GrantState::Active if self.facts.expires_on <= now => Condition::Expired,
            GrantState::Active if Turn::new(now, self.life()).includes(self.facts.renew_after) => Condition::Due,
            GrantState::Active => Condition::Active,
        }
    }

    /// When it ends as far as is known at `now`, if it is not used before: never later than a whole life from now, whatever a clock far ahead wrote.
    pub fn expires_on(&self, now: UnixTime) -> UnixTime {
        self.facts.expires_on.min(now.plus(self.life()))
    }

    /// Seconds from its last use to its end.
    fn life(&self) -> i64 {
        self.facts.expires_on.since(self.facts.last_redeemed_on).max(0)
    }
}

impl From<Grant> for GrantStatus {
    fn from(grant: Grant) -> Self {
        Self { partner: grant.key.tenant, generation: grant.generation, facts: grant.facts }
    }
}

/// Grants read at a time.
const PAGE: usize = 500;

impl App {
    /// Every grant of this app, by tenant id. Sends nothing.
    pub async fn grants(&self) -> Result<Vec<GrantStatus>> {
        let inner = self.inner();
        let mut grants = Vec::new();
        let mut after = None;
        loop {
            let tenants =
                inner.store.tenants(&inner.key, after, PAGE).await.map_err(|error| error.in_operation("status"))?;
            for tenant in &tenants {
                // One that was removed in the meantime is no error.
                if let Some(grant) = inner
                    .store
                    .grant(&inner.key.grant(*tenant))
                    .await
                    .map_err(|error| error.in_operation("status").with_context("partner", tenant))?
                {
                    grants.push(GrantStatus::from(grant));
                }
            }
            match tenants.last() {
                Some(last) if tenants.len() == PAGE => after = Some(*last),
                _ => return Ok(grants),
            }
        }
    }

    /// One partner's grant.
    pub async fn grant(&self, partner: &TenantRef) -> Result<GrantStatus> {
        self.inner()
            .grant_status(partner)
            .await
            .map_err(|error| error.in_operation("status").with_context("partner", partner))
    }

    /// Opens the store and its key and finds out whether a grant could be written now: asked by who sets an app up.
    ///
    /// Errors: `StoreKeyMissing`, `StoreForbidden`, `StoreUnwritable` and their kin.
    pub async fn check_store(&self) -> Result<()> {
        self.inner().store.check_writable().await.map_err(|error| error.in_operation("init"))
    }

    /// Removes a partner's grant from this store: its key, its tokens, everything. At the service it lives on until it is revoked there.
    /// False where there was none.
    pub async fn revoke(&self, partner: &TenantRef) -> Result<bool> {
        let inner = self.inner();
        let remove = async {
            let tenant = inner.tenant(partner).await?;
            let entry = Entry::new("revoke", Outcome::Ok, inner.clock.now()).partner(tenant);
            let key = inner.key.grant(tenant);
            let tell = |entry: &mut Entry, removed: &bool| {
                entry.note = Some(if *removed { "removed from the store" } else { "there was none" }.to_owned());
            };
            let removed = inner.recorded(entry, inner.store.remove_grant(&key), tell).await?;
            inner.forget_tokens_of(tenant);
            tracing::info!(partner = %tenant, removed, "removed a grant from the store");
            Ok(removed)
        };
        remove.await.map_err(|error: Error| error.in_operation("revoke").with_context("partner", partner))
    }
}

impl Inner {
    async fn grant_status(&self, partner: &TenantRef) -> Result<GrantStatus> {
        let tenant = self.tenant(partner).await?;
        let grant = self.store.grant(&self.key.grant(tenant)).await?;
        grant
            .map(GrantStatus::from)
            .ok_or_else(|| Error::new(ErrorKind::ConsentRequired, "status", "this partner has not consented"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MfaEvidence;

    #[test]
    fn a_grant_is_active_then_due_then_expired_unless_it_ended() {
        let uuid = uuid::Uuid::from_u128(0xbbbb_bbbb_0000_4000_8000_0000_0000_0001);
        let mut status = GrantStatus {
            partner: TenantId::new(uuid),
            generation: 1,
            facts: GrantFacts {
                user_oid: "oid".to_owned(),
                user_name: "admin@fabrikam.com".to_owned(),
                domains: Vec::new(),
                consented_on: UnixTime(0),
                mfa: MfaEvidence::default(),
                last_redeemed_on: UnixTime(0),
                expires_on: UnixTime(90),
                renew_after: UnixTime(7),
                audiences: Vec::new(),
                purpose: "default".to_owned(),
                taints: Vec::new(),
                state: GrantState::Active,
            },
        };
        for (now, condition) in
            [(6, Condition::Active), (7, Condition::Due), (89, Condition::Due), (90, Condition::Expired)]
        {
            assert_eq!(status.condition(UnixTime(now)), condition, "{now}");
        }
        // Set while the clock was a hundred too far ahead: then it counts on from there.
        (status.facts.last_redeemed_on, status.facts.renew_after) = (UnixTime(100), UnixTime(107));
        status.facts.expires_on = UnixTime(190);
        for (now, condition) in
            [(0, Condition::Due), (16, Condition::Due), (17, Condition::Active), (107, Condition::Due)]
        {
            assert_eq!(status.condition(UnixTime(now)), condition, "{now}");
            assert_eq!(status.expires_on(UnixTime(now)), UnixTime((now + 90).min(190)), "{now}");
        }
        status.facts.state = GrantState::Dead { on: UnixTime(1), reason: "GrantRevoked".to_owned() };
        assert_eq!(status.condition(UnixTime(2)), Condition::Ended);
        assert_eq!(status.name(), uuid.to_string());
    }
}
