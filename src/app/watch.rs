//! The long-running renewer: uses each grant when its turn comes, tries again what failed, and tells people of grants and of credentials that
//! near their end.
//!
//! Any number of them may run on one store, on any number of hosts: of a due grant one takes charge, and one of them all tells people.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::CredentialStatus;
use super::grants::GrantStatus;
use super::renew::Renewed;
use super::{App, Inner};
use crate::chance::jitter;
use crate::clock::UnixTime;
use crate::error::{Error, Result};
use crate::ids::TenantId;
use crate::schedule::{Nearness, Told, urgency, wait_after, wait_until};
use crate::store::{GrantState, Lease, Turn};

/// What a renewer does, as it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Watched<'a> {
    /// A grant's turn came: it was renewed, or not.
    Renewed(&'a Renewed),
    /// A person should know of this grant: nobody could renew it, and its end is near, or has come. Each step is told once.
    Alert {
        /// Which grant.
        grant: &'a GrantStatus,
        /// How near.
        nearness: Nearness,
    },
    /// A person should replace this credential of the app: its end is near, or has come. Each step is told once, 60, 30, 14, 7 and 1 days before.
    Credential(&'a CredentialStatus),
    /// The store or the app itself is not well. It goes on by itself.
    Trouble(&'a Error),
    /// Everything that was due is done. The next look is after this time.
    Idle(Duration),
}

/// How often all grants are looked through for those that near their end, in seconds.
const ALERTS_EVERY: i64 = 3600;

/// Grants read at a time.
const PAGE: usize = 500;

/// One renewer's memory: bounded by what fails and what nears its end.
#[derive(Default)]
struct Watch {
    failing: HashMap<TenantId, (u32, UnixTime)>,
    told: Told<TenantId>,
    told_credentials: Told<String>,
    /// Held by the one renewer that tells people.
    herald: Option<Box<dyn Lease>>,
    alerts_on: Option<UnixTime>,
    troubles: u32,
}

impl App {
    /// Renews grants as their turns come, and never returns: drop the future to end it, then [`App::settle`]. `told` hears of everything as it happens.
    ///
    /// A grant's turn is its own `renew_after`, about a week after its last use and long before the 90 days are over. A partner that fails is left alone for
    /// longer and longer, up to six hours, and stops nobody else; nor does a store that is away for a while.
    pub async fn watch(&self, mut told: impl FnMut(&Watched<'_>) + Send) -> Infallible {
        let mut watch = Watch::default();
        loop {
            let wait = match watch.round(self, &mut told).await {
                Ok(wait) => {
                    watch.troubles = 0;
                    wait
                }
                Err(error) => {
                    watch.troubles += 1;
                    tracing::warn!(%error, "the renewer met trouble and goes on later");
                    told(&Watched::Trouble(&error));
                    // It may have been the session's end that the lease went with.
                    watch.herald = None;
                    wait_in_trouble(watch.troubles, error.retry_after())
                }
            };
            told(&Watched::Idle(wait));
            tokio::time::sleep(wait).await;
        }
    }
}

/// From five seconds to forty: a store that is back should not be waited for.
fn wait_in_trouble(troubles: u32, asked: Option<Duration>) -> Duration {
    let wait = Duration::from_secs(5 << troubles.saturating_sub(1).min(3));
    wait.mul_f64(1.0 + jitter() / 10.0).max(asked.unwrap_or_default())
}

impl Watch {
    async fn round(&mut self, app: &App, told: &mut (impl FnMut(&Watched<'_>) + Send)) -> Result<Duration> {
        let inner = app.inner();
        let now = inner.clock.now();
        let passed_over: HashSet<TenantId> =
            self.failing.iter().filter(|(_, (_, until))| *until > now).map(|(partner, _)| *partner).collect();
        let failing = &mut self.failing;
        app.renew_due_but(now, passed_over, |_, _, renewed| {
            match &renewed.result {
                Ok(_) => {
                    failing.remove(&renewed.partner);
                }
                Err(error) => {
                    let failures = failing.get(&renewed.partner).map_or(0, |(failures, _)| *failures) + 1;
                    let wait = wait_after(failures, error.retry_after(), jitter());
                    let until = now.plus(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
                    failing.insert(renewed.partner, (failures, until));
                    tracing::warn!(partner = %renewed.partner, error = error.kind().id(), failures, "a grant was not renewed");
                }
            }
            told(&Watched::Renewed(renewed));
        })
        .await?;
        // Those whose time had come were tried, or were another renewer's.
        self.failing.retain(|_, (_, until)| *until > now);
        self.alert(inner, now, told).await?;
        let soonest = self.soonest(inner).await?;
        Ok(wait_until(soonest, inner.clock.now(), jitter()))
    }

    /// When the next grant's turn comes, those that fail by their own clocks.
    async fn soonest(&mut self, inner: &Arc<Inner>) -> Result<Option<UnixTime>> {
        let due = inner.store.due(&inner.key, Turn::new(UnixTime(i64::MAX), 0), self.failing.len() + 1).await?;
        let retry = self.failing.values().map(|(_, until)| *until).min();
        let Some(next) = due.into_iter().find(|partner| !self.failing.contains_key(partner)) else { return Ok(retry) };
        let next = inner.store.grant(&inner.key.grant(next)).await.ok().flatten().map(|grant| grant.facts.renew_after);
        Ok(next.into_iter().chain(retry).min())
    }

    /// Looks all grants through now and then, where no other renewer does.
    async fn alert(
        &mut self,
        inner: &Arc<Inner>,
        now: UnixTime,
        told: &mut (impl FnMut(&Watched<'_>) + Send),
    ) -> Result<()> {
        if self.alerts_on.is_some_and(|last| now.since(last) < ALERTS_EVERY) {
            return Ok(());
        }
        if self.herald.is_none() {
            let name = format!("herald {} {}", inner.key.authority, inner.key.client_id);
            self.herald = inner.store.lease(&name, Duration::ZERO).await?;
        }
        if self.herald.is_none() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let tenants = inner.store.tenants(&inner.key, after, PAGE).await?;
            for tenant in &tenants {
                // One record that cannot be read is `status`'s to tell of; the others' ends do not wait for it.
                if let Ok(Some(grant)) = inner.store.grant(&inner.key.grant(*tenant)).await {
                    self.look_at(&GrantStatus::from(grant), now, told);
                }
            }
            match tenants.last() {
                Some(last) if tenants.len() == PAGE => after = Some(*last),
                _ => break,
            }
        }
        for credential in inner.credentials() {
            let urgency = credential.standing.notice().map(urgency);
            if self.told_credentials.is_news(credential.what.clone(), urgency) {
                told(&Watched::Credential(&credential));
            }
        }
        self.alerts_on = Some(now);
        Ok(())
    }

    fn look_at(&mut self, grant: &GrantStatus, now: UnixTime, told: &mut (impl FnMut(&Watched<'_>) + Send)) {
        let has_ended = grant.facts.state != GrantState::Active;
        let nearness = Nearness::of(grant.expires_on(now), has_ended, now);
        let is_news = self.told.is_news(grant.partner, nearness.map(Nearness::urgency));
        if let Some(nearness) = nearness.filter(|_| is_news) {
            tracing::warn!(partner = %grant.partner, name = grant.name(), %nearness, "a person should consent again");
            told(&Watched::Alert { grant, nearness });
        }
    }
}
