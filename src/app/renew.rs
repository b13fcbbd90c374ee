//! Renewal: a grant is used so that it does not end for want of use.

use futures_util::future::{join_all, ready};
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

use super::{App, Inner};
use crate::chance::jitter;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::store::{Grant, Lease, Turn};

/// What one renewal came to.
#[derive(Debug)]
pub struct Renewed {
    /// The partner's tenant.
    pub partner: TenantId,
    /// When the grant ends now if it is not used before, or why it could not be renewed.
    pub result: Result<UnixTime>,
}

/// Requests at the server at the same time.
const AT_SERVER: usize = 64;

/// Grants renewed at the same time: so many more are on their way into the store, and the next ones out of it, so that the server is never waited for in vain.
const AT_ONCE: usize = 2 * AT_SERVER;

/// Grants taken up together: read as one. So many futures are joined without a list of those that are ready.
const TOGETHER: usize = 30;

/// How long the others wait for the first: an app whose credential is refused is refused once, and not once for each of them.
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
    async fn renew_all(self: &Arc<Self>, by: UnixTime, passed_over: HashSet<TenantId>, tell: Tell) -> Result<()> {
        let outcome = self.renew_claimed(by, passed_over, tell).await;
        // What failed is for others to try, too.
        if let Err(error) = self.store.release_claims().await {
            tracing::debug!(%error, "what is still due stays ours until this process ends");
        }
        outcome
    }

    async fn renew_claimed(self: &Arc<Self>, by: UnixTime, mut seen: HashSet<TenantId>, tell: Tell) -> Result<()> {
        let turn = Turn::new(by, self.grant_life());
        let mut passed_over = seen.len();
        let gate = Arc::new(Semaphore::new(1));
        let mut is_narrow = true;
        let mut first = pin!(tokio::time::sleep(FIRST));
        loop {
            // Those that failed are still due, and come again at the head of the list.
            let due = self
                .store
                .claim_due(&self.key, turn, PAGE + seen.len())
                .await
                .map_err(|error| error.in_operation("renew"))?;
            let new = due.into_iter().filter(|tenant| seen.insert(*tenant)).collect::<Vec<_>>();
            if new.is_empty() || tell.is_closed() {
                return Ok(());
            }
            let all = new.len() as f64;
            let turns = new.into_iter().enumerate().map(|(number, partner)| {
                let place = (number as f64 + jitter()) / all;
                (partner, Due { turn, place, gate: gate.clone() })
            });
            let turns = stream::iter(turns).take_while(|_| ready(!tell.is_closed())).chunks(TOGETHER);
            let taken = turns.then(|turns| self.clone().take_up(turns)).flat_map(stream::iter);
            let renewed = taken.map(|taken| self.renew_taken(taken)).buffer_unordered(AT_ONCE);
            let mut renewed = pin!(renewed);
            loop {
                let ended = tokio::select! {
                    biased;
                    ended = renewed.next() => Some(ended),
                    () = &mut first, if is_narrow => None,
                    () = tell.closed(), if !gate.is_closed() => {
                        gate.close();
                        continue;
                    }
                };
                if std::mem::take(&mut is_narrow) {
                    gate.add_permits(AT_SERVER - 1);
                }
                let Some(ended) = ended else { continue };
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

    /// Takes the leases that are free, and then reads the grants, as one where the store can.
    async fn take_up(self: Arc<Self>, turns: Vec<(TenantId, Due)>) -> Vec<Taken> {
        let leases = join_all(turns.iter().map(|(partner, _)| self.lease_on_renewal(*partner, Duration::ZERO))).await;
        let (mut taken, mut free) = (Vec::with_capacity(turns.len()), Vec::with_capacity(turns.len()));
        for ((partner, due), lease) in turns.into_iter().zip(leases) {
            match lease {
                Ok(Some(lease)) => free.push((partner, due, lease)),
                // Whoever has it is waited for where that stops nobody else, and a fault is met there again.
                _ => taken.push(Taken { partner, due, held: None }),
            }
        }
        let partners: Vec<_> = free.iter().map(|(partner, ..)| *partner).collect();
        let grants = self.usable_grants(&partners).await;
        let held = free.into_iter().zip(grants);
        taken.extend(held.map(|((partner, due, lease), grant)| Taken { partner, due, held: Some((lease, grant)) }));
        taken
    }

    async fn renew_taken(&self, taken: Taken) -> (TenantId, Result<Option<UnixTime>>) {
        let Taken { partner, due, held } = taken;
        let renewed = match held {
            Some((lease, Ok(grant))) => self.redeem_held(partner, Some(lease), grant, Some(due)).await,
            Some((_, Err(error))) => Err(error),
            None => self.redeem_to_renew(partner, Some(due)).await,
        };
        (partner, renewed)
    }
}

/// One of many whose turn has come: the lease on its renewal, where that was free, and the grant as it is while the lease is held.
struct Taken {
    partner: TenantId,
    due: Due,
    held: Option<(Box<dyn Lease>, Result<Grant>)>,
}

/// A renewal as one of many that are due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// What the grant has to be due by; if it is not, another process has renewed it.
    pub(super) turn: Turn,
    /// Where among the many its turn is, from 0 to 1, chance deciding within its own share. Its next one is at the same place of the time over which the next turns
    /// are spread: more even than chance alone would have it, and neighbours in the store's index stay neighbours, so that a transaction of many renewals changes few of its pages.
    pub(super) place: f64,
    /// Lets as many at the server as should be there at the same time, and nobody when it is closed: who wanted it has gone.
    pub(super) gate: Arc<Semaphore>,
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
