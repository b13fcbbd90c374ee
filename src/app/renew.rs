//! Renewal: a grant is used so that it does not end for want of use.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

use super::exchange::jitter;
use super::{App, Inner};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};

/// What one renewal came to.
#[derive(Debug)]
pub struct Renewed {
    /// The partner's tenant.
    pub partner: TenantId,
    /// When the grant ends now if it is not used before, or why it could not be renewed.
    pub result: Result<UnixTime>,
}

/// Grants renewed at the same time.
const AT_ONCE: usize = 64;

/// How long the others wait for the first, which opens the connection that all of them share (HTTP/2). Were they to start together, each would open one of
/// its own before it knew.
const FIRST: Duration = Duration::from_secs(5);

/// Due grants read at a time: bounds the memory, whatever the number of partners.
const PAGE: usize = 1_000;

impl App {
    /// Uses one partner's grant now, and so gives it its full life again. The access token that comes along is not kept.
    pub async fn renew(&self, partner: &TenantRef) -> Result<UnixTime> {
        let inner = self.inner();
        let renew = async {
            let tenant = inner.tenant(partner).await?;
            inner.renew(tenant).await
        };
        renew.await.map_err(|error: Error| error.in_operation("renew").with_context("partner", partner))
    }

    /// Renews every grant that is due by `by`, many at a time, and tells `progress` of each as it ends: how many are done, how many were found so far,
    /// and the last one's result. A partner's failure does not stop the others; a failure of the app or of the store does.
    ///
    /// Several processes may do so at once: what one of them has renewed is not due for the others any more.
    pub async fn renew_due(
        &self,
        by: UnixTime,
        progress: impl FnMut(usize, usize, &Renewed) + Send,
    ) -> Result<Vec<Renewed>> {
        self.renew_due_but(by, HashSet::new(), progress).await
    }

    /// [`App::renew_due`], passing over some.
    pub(super) async fn renew_due_but(
        &self,
        by: UnixTime,
        passed_over: HashSet<TenantId>,
        mut progress: impl FnMut(usize, usize, &Renewed) + Send,
    ) -> Result<Vec<Renewed>> {
        let inner = self.inner();
        let (tell, mut told) = mpsc::unbounded_channel();
        let number = inner.runs_begun.fetch_add(1, Ordering::Relaxed);
        let run = inner.clone();
        let run = inner.runs.join(number, "renew", move || async move { run.renew_all(by, passed_over, tell).await });
        tokio::pin!(run);
        let mut done: Vec<Renewed> = Vec::new();
        let mut outcome = None;
        loop {
            tokio::select! {
                biased;
                Some((found, renewed)) = told.recv() => {
                    progress(done.len() + 1, found, &renewed);
                    if let Err(error) = &renewed.result
                        && stops_all(error.kind())
                    {
                        return Err(error.clone().in_operation("renew"));
                    }
                    done.push(renewed);
                }
                ended = &mut run, if outcome.is_none() => outcome = Some(ended),
                else => break,
            }
        }
        outcome.unwrap_or(Ok(())).map(|()| done)
    }
}

/// Who waits for a run of renewals hears of each: how many grants were found so far, and what became of this one. Who has gone ends the run with what is
/// under way.
type Tell = mpsc::UnboundedSender<(usize, Renewed)>;

impl Inner {
    async fn renew(self: &Arc<Self>, partner: TenantId) -> Result<UnixTime> {
        let inner = self.clone();
        let renew = async move {
            inner.redeem_to_renew(partner, None).await?.ok_or_else(|| {
                Error::new(ErrorKind::Internal, "renew", "a grant that was to be renewed in any case was not")
            })
        };
        self.renewals.join(partner, "renew", || renew).await
    }

    /// Renews what is due, as one task: what was sent is saved, whoever has stopped waiting, and ten thousand renewals are not ten thousand tasks.
    async fn renew_all(&self, by: UnixTime, passed_over: HashSet<TenantId>, tell: Tell) -> Result<()> {
        let outcome = self.renew_claimed(by, passed_over, tell).await;
        // What failed is for others to try, too.
        if let Err(error) = self.store.release_claims().await {
            tracing::debug!(%error, "what is still due stays ours until this process ends");
        }
        outcome
    }

    async fn renew_claimed(&self, by: UnixTime, mut seen: HashSet<TenantId>, tell: Tell) -> Result<()> {
        let mut passed_over = seen.len();
        let mut at_once = 1;
        loop {
            // Those that failed are still due, and come again at the head of the list.
            let due = self
                .store
                .claim_due(&self.key, by, PAGE + seen.len())
                .await
                .map_err(|error| error.in_operation("renew"))?;
            let new = due.into_iter().filter(|tenant| seen.insert(*tenant)).collect::<Vec<_>>();
            let turns = new.len() as f64;
            let mut waiting = new.into_iter().enumerate();
            if waiting.len() == 0 || tell.is_closed() {
                return Ok(());
            }
            let mut flying = FuturesUnordered::new();
            loop {
                while flying.len() < at_once
                    && !tell.is_closed()
                    && let Some((turn, partner)) = waiting.next()
                {
                    let due = Due { by, place: (turn as f64 + jitter()) / turns };
                    flying.push(async move { (partner, self.redeem_to_renew(partner, Some(due)).await) });
                }
                let ended = if at_once < AT_ONCE {
                    at_once = AT_ONCE;
                    let Ok(ended) = tokio::time::timeout(FIRST, flying.next()).await else { continue };
                    ended
                } else {
                    flying.next().await
                };
                let Some((partner, result)) = ended else { break };
                match result.transpose() {
                    // Nobody may be listening any more: it is renewed all the same.
                    Some(result) => drop(tell.send((seen.len() - passed_over, Renewed { partner, result }))),
                    // Another process has renewed it since it was found to be due, and tells of it.
                    None => passed_over += 1,
                }
            }
        }
    }
}

/// A renewal as one of many that are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// By when the grant has to be due; if it is not, another process has renewed it.
    pub(super) by: UnixTime,
    /// Where among the many its turn is, from 0 to 1, chance deciding within its own share. Its next one is at the same place of the time over which the next turns
    /// are spread: more even than chance alone would have it, and neighbours in the store's index stay neighbours, so that a transaction of many renewals changes few of its pages.
    pub(super) place: f64,
}

/// What would befall every further partner too.
fn stops_all(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AppCredentialInvalid
            | ErrorKind::AppCredentialExpired
            | ErrorKind::ConfigMissing
            | ErrorKind::StoreUnavailable
            | ErrorKind::StoreUnwritable
    )
}
