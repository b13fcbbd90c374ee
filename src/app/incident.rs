//! When a grant or the app's credential may have been stolen: what is done here and at the service, in an order that loses nothing, and goes on where it
//! was cut short.
//!
//! A password reset ends neither the app's refresh tokens nor the older ones that a rotation left behind: only the end of the account's sign-ins does
//! (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>). So tokens are taken first, while there are any, and used for what only they can
//! do; then the app's credential is replaced; the local grants go last.

mod as_app;
mod evidence;
mod journal;
mod rotation;
mod service;
mod steps;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use self::journal::Journal;
use self::rotation::{Kind, Rotation};
use super::consent::ConsentRequest;
use super::customers::Behalf;
use super::grants::GrantStatus;
use super::{App, Inner};
use crate::audience::Audience;
use crate::audit::{Entry, Outcome};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::ids::{TenantId, TenantRef};

pub use self::evidence::{WHAT_TO_KNOW, plan_document};
pub use self::steps::{Action, Step, StepOutcome, StepState};

/// What an incident is about, and how far its remedy goes.
#[derive(Clone, Debug, Default)]
pub struct IncidentRequest {
    /// Whose grants; all of this app when empty.
    pub partners: Vec<TenantRef>,
    /// Leaves the app's credential as it is.
    pub keep_credential: bool,
    /// Withdraws what the app is consented to at every customer of these partners, too.
    pub customer_consents: bool,
    /// Where the evidence goes instead of beside the store.
    pub evidence: Option<PathBuf>,
}

/// How far a revocation goes beyond this store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevokeOptions {
    /// Ends the account's sign-ins at the service: every refresh token of it, wherever a copy is.
    pub everywhere: bool,
    /// Withdraws what the app is consented to at every customer of the partner.
    pub customer_consents: bool,
}

/// What an incident came to.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Names it in the audit record, at the service and in the evidence.
    pub id: Uuid,
    /// When it was begun, by an earlier run perhaps.
    pub began: UnixTime,
    /// Every step with its end.
    pub steps: Vec<StepOutcome>,
    /// How each partner consents anew.
    pub consents: Vec<ConsentAgain>,
    /// Where the evidence is.
    pub evidence: PathBuf,
}

/// What a revocation came to.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The partner.
    pub partner: TenantId,
    /// Whether there was a grant, and it is gone.
    pub removed: bool,
    /// Every step with its end.
    pub steps: Vec<StepOutcome>,
}

/// How a partner consents anew.
#[derive(Clone, Debug)]
pub struct ConsentAgain {
    /// The partner.
    pub partner: TenantId,
    /// As people call it.
    pub name: String,
    /// A link that is good once and for an hour; none where no redirect address is configured.
    pub link: Option<String>,
}

/// A partner, and what is needed of it once its grant is gone.
#[derive(Clone, Debug)]
pub(super) struct Target {
    partner: TenantId,
    name: String,
    user_oid: String,
    user_name: String,
    audiences: Vec<Audience>,
    purpose: String,
}

impl App {
    /// The steps that an incident would take, in their order. Sends nothing and changes nothing.
    ///
    /// Errors: `ConsentRequired` for a partner without a grant; those of the store.
    pub async fn plan_incident(&self, request: &IncidentRequest) -> Result<Vec<Step>> {
        let plan = async {
            let targets = match journal::peek(self.inner())? {
                Some(unfinished) => unfinished,
                None => self.targets(request).await?,
            };
            Ok(steps::plan(&targets, request, Kind::of(self.inner())))
        };
        plan.await.map_err(|error: Error| error.in_operation("incident"))
    }

    /// Takes those steps, tells `each` as it ends, and leaves a file of evidence. A step that fails for good does not keep the others from being taken: it
    /// says what a person must do by hand. One that fails for now is postponed, with what must come after it: the same call goes on there, as it does
    /// after a kill.
    ///
    /// Errors: `AuditUnwritable` before anything is done; `StoreConflict` where another process is at it; `InvalidArgument` where an unfinished one has other
    /// choices; those of the store.
    pub async fn run_incident(
        &self,
        request: &IncidentRequest,
        each: impl FnMut(&StepOutcome) + Send,
    ) -> Result<Incident> {
        let run = async {
            let inner = self.inner();
            let choices = request.choices(inner).await?;
            let journal = match Journal::resume(inner, &choices)? {
                Some(journal) => journal,
                None => Journal::begin(inner, &choices, &self.targets(request).await?)?,
            };
            // Nothing is begun that could not be recorded.
            let entry = Entry::new("incident", Outcome::Ok, inner.clock.now());
            let note = format!("incident {}", journal.id);
            inner
                .recorded(Entry { step: Some("begin".to_owned()), ..entry }, async { Ok(()) }, |entry, ()| {
                    entry.note = Some(note)
                })
                .await?;
            let plan = steps::plan(&journal.targets, request, Kind::of(inner));
            let steps = inner.take_steps("incident", plan, Some(&journal), each).await?;
            let mut consents = Vec::new();
            for target in &journal.targets {
                consents.push(self.consent_again(target).await);
            }
            let evidence = request.evidence.clone().unwrap_or_else(|| journal.evidence_path());
            let incident = Incident { id: journal.id, began: journal.began, steps, consents, evidence };
            incident.leave_evidence(inner)?;
            if incident.is_settled() {
                journal.finish();
            }
            Ok(incident)
        };
        run.await.map_err(|error: Error| error.in_operation("incident"))
    }

    /// [`App::revoke`], and at the service as far as `options` say: first what only the grant can do, then the grant goes. Where the service cannot be reached
    /// now, the grant stays for the next attempt.
    pub async fn revoke_with(&self, partner: &TenantRef, options: RevokeOptions) -> Result<Revoked> {
        let revoke = async {
            let inner = self.inner();
            let tenant = inner.tenant(partner).await?;
            let status = inner.store.grant(&inner.key.grant(tenant)).await?.map(GrantStatus::from);
            let had_grant = status.is_some();
            let target = status.map_or_else(|| Target::unknown(tenant, partner), Target::from);
            let plan = steps::plan_revocation(&target, options);
            let steps = inner.take_steps("revoke", plan, None, |_| {}).await?;
            let is_gone = steps.iter().any(|end| end.step.action == Action::Grant && end.state == StepState::Done);
            Ok(Revoked { partner: tenant, removed: had_grant && is_gone, steps })
        };
        revoke.await.map_err(|error: Error| error.in_operation("revoke").with_context("partner", partner))
    }

    /// Found among the grants, so that nobody is asked which tenant a domain is.
    async fn targets(&self, request: &IncidentRequest) -> Result<Vec<Target>> {
        let mut all = self.grants().await?;
        if request.partners.is_empty() {
            return Ok(all.into_iter().map(Target::from).collect());
        }
        let mut targets = Vec::new();
        for name in &request.partners {
            let is_it = |grant: &GrantStatus| match name {
                TenantRef::Id(id) => grant.partner == *id,
                TenantRef::Domain(domain) => grant.facts.domains.iter().any(|own| own.eq_ignore_ascii_case(domain)),
            };
            let place = all.iter().position(is_it).ok_or_else(|| {
                Error::new(ErrorKind::ConsentRequired, "incident", "this partner has no grant here")
                    .with_context("partner", name)
                    .with_hint("`partnersam status` lists the grants")
            })?;
            targets.push(Target::from(all.swap_remove(place)));
        }
        Ok(targets)
    }

    async fn consent_again(&self, target: &Target) -> ConsentAgain {
        let mut request = ConsentRequest::new(target.partner.into());
        request.audiences = target.audiences.clone();
        request.purpose = Some(target.purpose.clone());
        request.login_hint = Some(target.user_name.clone()).filter(|name| !name.is_empty());
        // Without a redirect address, or where the purpose is no more, the command says it.
        let link = self.begin_consent(&request).await.ok().map(|link| link.url.to_string());
        ConsentAgain { partner: target.partner, name: target.name.clone(), link }
    }
}

impl IncidentRequest {
    /// What two runs must have in common to be one.
    async fn choices(&self, inner: &Arc<Inner>) -> Result<Value> {
        let mut partners = Vec::new();
        for name in &self.partners {
            partners.push(inner.tenant(name).await?.to_string());
        }
        partners.sort_unstable();
        Ok(json!({
            "partners": partners, "keep_credential": self.keep_credential, "customer_consents": self.customer_consents,
        }))
    }
}

impl Incident {
    /// Whether nothing is left that the same call would do.
    pub fn is_settled(&self) -> bool {
        self.steps.iter().all(|end| end.state != StepState::Postponed)
    }
}

impl Target {
    fn unknown(partner: TenantId, named: &TenantRef) -> Self {
        Self {
            partner,
            name: named.to_string(),
            user_oid: String::new(),
            user_name: String::new(),
            audiences: Vec::new(),
            purpose: String::new(),
        }
    }
}

impl From<GrantStatus> for Target {
    fn from(status: GrantStatus) -> Self {
        let name = status.name();
        let GrantStatus { partner, facts, .. } = status;
        Self {
            partner,
            name,
            user_oid: facts.user_oid,
            user_name: facts.user_name,
            audiences: facts.audiences.iter().filter_map(|name| name.to_string().parse().ok()).collect(),
            purpose: facts.purpose,
        }
    }
}

/// What a step that succeeded has to tell.
#[derive(Debug, Default)]
struct Done {
    note: String,
    correlation_ids: Vec<String>,
}

impl Done {
    fn new(note: impl Into<String>) -> Self {
        Self { note: note.into(), correlation_ids: Vec::new() }
    }

    fn by(mut self, id: Uuid) -> Self {
        self.correlation_ids.push(id.to_string());
        self
    }
}

impl Inner {
    /// One after the other; what an earlier run did is not done again.
    async fn take_steps(
        self: &Arc<Self>,
        operation: &'static str,
        plan: Vec<Step>,
        journal: Option<&Journal>,
        mut each: impl FnMut(&StepOutcome) + Send,
    ) -> Result<Vec<StepOutcome>> {
        let mut ends: Vec<StepOutcome> = Vec::new();
        for step in plan {
            let known = journal.and_then(|journal| journal.done(&step.id()));
            let end = match (known, step.waits_for(&ends)) {
                (Some(known), _) => StepOutcome { state: StepState::DoneBefore, ..known.outcome(step) },
                (None, Some(reason)) => reason.outcome(step, self.clock.now()),
                (None, None) => {
                    let end = self.take_step(operation, step, journal).await?;
                    if end.state == StepState::Done
                        && let Some(journal) = journal
                    {
                        journal.note(&end)?;
                    }
                    end
                }
            };
            each(&end);
            ends.push(end);
        }
        Ok(ends)
    }

    async fn take_step(
        self: &Arc<Self>,
        operation: &'static str,
        step: Step,
        journal: Option<&Journal>,
    ) -> Result<StepOutcome> {
        let mut entry = Entry::new(operation, Outcome::Ok, self.clock.now());
        entry.partner = step.target.as_ref().map(|target| target.partner.to_string());
        entry.step = Some(step.action.as_str().to_owned());
        let work: BoxFuture<'_, Result<Done>> = match (&step.target, step.action) {
            (Some(target), Action::Tokens) => Box::pin(self.take_tokens(target, step.with_partner_center)),
            (Some(target), Action::Consents) => Box::pin(self.withdraw_everywhere(operation, target, journal)),
            (Some(target), Action::Sessions) => Box::pin(self.end_sign_ins(target)),
            (Some(target), Action::Grant) => Box::pin(self.drop_grant(target)),
            (_, action) => match journal {
                Some(journal) => Box::pin(Rotation::new(self, journal).take(action)),
                None => return Err(Error::new(ErrorKind::Internal, operation, "a step has no state to go on from")),
            },
        };
        let finish = |entry: &mut Entry, done: &Done| {
            entry.note = Some(done.note.clone());
            entry.correlation_id = done.correlation_ids.first().cloned();
        };
        let result = self.recorded(entry, work, finish).await;
        let now = self.clock.now();
        Ok(match result {
            Ok(done) => StepOutcome::done(step, done.note, done.correlation_ids, now),
            // Without the record or the store nothing further is done.
            Err(error) if error.kind().category() == crate::error::Category::Store && step.action != Action::Grant => {
                return Err(error);
            }
            Err(error) if matches!(error.kind(), ErrorKind::AuditUnwritable | ErrorKind::AuditTampered) => {
                return Err(error);
            }
            Err(error) if error.kind().retry() == Retry::After => {
                StepOutcome::failed(step, StepState::Postponed, error, now)
            }
            Err(error) => StepOutcome::failed(step, StepState::ByHand, error, now),
        })
    }

    async fn drop_grant(&self, target: &Target) -> Result<Done> {
        let removed = self.store.remove_grant(&self.key.grant(target.partner)).await?;
        self.forget_tokens_of(target.partner);
        Ok(Done::new(if removed { "removed from the store" } else { "there was none" }))
    }
}

fn behalf(target: &Target) -> Behalf {
    Behalf { partner: target.partner, purpose: None }
}
