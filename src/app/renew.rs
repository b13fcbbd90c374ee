//! Renewal: a grant is used so that it does not end for want of use.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

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
            inner.renew(tenant, None).await?.ok_or_else(|| {
                Error::new(ErrorKind::Internal, "renew", "a grant that was to be renewed in any case was not")
            })
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
        progress: impl FnMut(usize, usize, &Renewed) + Send,
    ) -> Result<Vec<Renewed>> {
        let outcome = self.renew_claimed(by, passed_over, progress).await;
        // What failed is for others to try, too.
        if let Err(error) = self.inner().store.release_claims().await {
            tracing::debug!(%error, "what is still due stays ours until this process ends");
        }
        outcome
    }

    async fn renew_claimed(
        &self,
        by: UnixTime,
        mut seen: HashSet<TenantId>,
        mut progress: impl FnMut(usize, usize, &Renewed) + Send,
    ) -> Result<Vec<Renewed>> {
        let inner = self.inner();
        let mut passed_over = seen.len();
        let mut done: Vec<Renewed> = Vec::new();
        let mut at_once = 1;
        loop {
            // Those that failed are still due, and come again at the head of the list.
            let due = inner
                .store
                .claim_due(&inner.key, by, PAGE + seen.len())
                .await
                .map_err(|error| error.in_operation("renew"))?;
            let mut waiting = due.into_iter().filter(|tenant| seen.insert(*tenant)).collect::<Vec<_>>().into_iter();
            if waiting.len() == 0 {
                return Ok(done);
            }
            let mut flying = FuturesUnordered::new();
            loop {
                while flying.len() < at_once
                    && let Some(partner) = waiting.next()
                {
                    flying.push(async move { (partner, inner.renew(partner, Some(by)).await) });
                }
                let ended = if at_once < AT_ONCE {
                    at_once = AT_ONCE;
                    let Ok(ended) = tokio::time::timeout(FIRST, flying.next()).await else { continue };
                    ended
                } else {
                    flying.next().await
                };
                let Some((partner, result)) = ended else { break };
                let Some(result) = result.transpose() else {
                    // Another process has renewed it since it was found to be due, and tells of it.
                    passed_over += 1;
                    continue;
                };
                let renewed = Renewed { partner, result };
                progress(done.len() + 1, seen.len() - passed_over, &renewed);
                let stops = matches!(&renewed.result, Err(error) if stops_all(error.kind()));
                done.push(renewed);
                if stops && let Some(Renewed { result: Err(error), .. }) = done.last() {
                    return Err(error.clone().in_operation("renew"));
                }
            }
        }
    }
}

impl Inner {
    async fn renew(self: &Arc<Self>, partner: TenantId, due_by: Option<UnixTime>) -> Result<Option<UnixTime>> {
        let inner = self.clone();
        self.renewals
            .join((partner, due_by), "renew", move || async move { inner.redeem_to_renew(partner, due_by).await })
            .await
    }
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
