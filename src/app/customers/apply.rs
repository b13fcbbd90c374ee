//! Brings one customer to what is wanted, and believes nothing but what is read back.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use super::journal::Journal;
use super::look::Found;
use super::{Behalf, Customer, CustomerOutcome, DesiredGrant, DesiredGrants, Difference, Verdict};
use crate::app::Inner;
use crate::audience::Audience;
use crate::audit::{Entry, Outcome};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::ids::TenantId;
use crate::partner_center::application_consents::{self, Granted, Place};
use crate::partner_center::call::CallIds;
use crate::partner_center::standing_grants::Standing;
use crate::transport::retry_after;

/// A change shows everywhere within a minute; this is a little more.
const SETTLES_WITHIN: Duration = Duration::from_secs(75);

/// The longest wait between two looks.
const LONGEST_BETWEEN: Duration = Duration::from_secs(8);

/// How often a customer is changed: again where something else than what was wanted stood there already.
const ROUNDS: usize = 3;

/// How often a consent is tried again that is said to exist though everything was withdrawn: the withdrawal is on its way.
const MOST_ECHOES: u32 = 3;

impl Inner {
    /// Changes one customer where that is needed.
    pub(super) async fn apply_to(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: Customer,
        desired: &DesiredGrants,
        journal: &Journal,
    ) -> CustomerOutcome {
        let tenant = customer.tenant;
        let mut outcome = CustomerOutcome::of(customer, Verdict::AsDesired);
        let mut unreadable = None;
        let found = match self.look(behalf, tenant, desired).await {
            Ok(found) => found,
            // What may not be read can still be replaced by what is wanted.
            Err(error) if is_unreadable(&error) => {
                unreadable = Some(error);
                Found { standing: Standing::default(), service_principal: None }
            }
            Err(error) => return outcome.fail(error, behalf),
        };
        outcome = outcome.found(&found, desired);
        if outcome.differences.iter().any(|row| !row.is_none()) {
            let mut entry = Entry::new("customers", Outcome::Begun, self.clock.now()).partner(behalf.partner);
            entry.customer = Some(tenant.to_string());
            entry.audiences = desired.grants().iter().map(|grant| grant.name().to_owned()).collect();
            entry.purpose = Some(behalf.words(self).to_owned());
            let brought = async {
                self.bring(behalf, tenant, desired, unreadable, journal, &mut outcome).await?;
                Ok(outcome.correlation_ids.clone())
            };
            if let Err(error) = self.recorded(entry, brought, |entry, ids| tell_ids(entry, ids)).await {
                return outcome.fail(error, behalf);
            }
            outcome.verdict = Verdict::Applied;
        }
        if outcome.verdict == Verdict::Applied {
            self.forget_tokens_at(behalf, tenant, desired).await;
        }
        journal.prove(tenant);
        outcome
    }

    /// Changes and reads back, until what is wanted is there.
    async fn bring(
        self: &Arc<Self>,
        behalf: &Behalf,
        tenant: TenantId,
        desired: &DesiredGrants,
        mut unreadable: Option<Error>,
        journal: &Journal,
        outcome: &mut CustomerOutcome,
    ) -> Result<()> {
        let mut differences = outcome.differences.clone();
        for _ in 0..ROUNDS {
            if differences.iter().all(Difference::is_none) {
                break;
            }
            let withdraws = unreadable.take().is_some() || differences.iter().any(Difference::needs_withdrawal);
            let exists = self.change(behalf, tenant, desired, &differences, withdraws, journal, outcome).await?;
            differences = self.read_back(behalf, tenant, desired, &exists).await?;
        }
        if differences.iter().all(Difference::is_none) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::DeadlineExceeded,
            "customers",
            "what was consented to does not show in the customer's tenant",
        )
        .with_hint("run the same command again in a few minutes"))
    }

    /// Sends what is needed, and says of which resources (by app id) some consent was there already.
    #[expect(clippy::too_many_arguments, reason = "one customer's whole matter")]
    async fn change(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: TenantId,
        desired: &DesiredGrants,
        differences: &[Difference],
        withdraws: bool,
        journal: &Journal,
        outcome: &mut CustomerOutcome,
    ) -> Result<Vec<String>> {
        if withdraws {
            journal.begin(customer).await?;
            let (_, id) = self.withdraw_consents(behalf, customer).await?;
            outcome.correlation_ids.push(id.to_string());
            outcome.withdrew = true;
            outcome.consented.clear();
        }
        let is_due = |grant: &&DesiredGrant| {
            withdraws || differences.iter().any(|row| row.app_id == grant.app_id() && !row.is_none())
        };
        let mut exists = Vec::new();
        let mut refused: Option<Error> = None;
        for grant in desired.grants().iter().filter(is_due) {
            match self.consent(behalf, customer, desired.display_name(), grant, withdraws).await {
                Ok((Granted::Accepted, id)) => {
                    outcome.consented.push(grant.name().to_owned());
                    outcome.correlation_ids.push(id.to_string());
                }
                Ok((Granted::Exists, _)) => exists.push(grant.app_id().to_owned()),
                Err(error) => {
                    let ends_it = error.kind() != ErrorKind::PartnerCenterRefused;
                    refused.get_or_insert(error.with_context("resource", grant.name()));
                    // Who may not consent to one resource may not to the next; a resource that does not fit says nothing of the others.
                    if ends_it {
                        break;
                    }
                }
            }
        }
        match refused {
            Some(error) if withdraws => Err(error.with_context("withdrawn", "what the app was consented to before")),
            Some(error) => Err(error),
            None => Ok(exists),
        }
    }

    async fn consent(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: TenantId,
        name: &str,
        grant: &DesiredGrant,
        after_withdrawal: bool,
    ) -> Result<(Granted, Uuid)> {
        let place = self.place(customer)?;
        let key = behalf.key(behalf.partner, Audience::PartnerCenter);
        let purpose = behalf.words(self);
        let mut echoes = if after_withdrawal { 0 } else { MOST_ECHOES };
        loop {
            let ids = CallIds::random();
            let response = self
                .call(&key, Some(self.consent_pace()), |token| {
                    application_consents::grant_request(place, name, grant, token, purpose, ids)
                })
                .await?;
            let wait = retry_after(response.headers(), SystemTime::now());
            let granted = application_consents::read_granted(&response, wait)?;
            if granted == Granted::Accepted || echoes >= MOST_ECHOES {
                return Ok((granted, ids.correlation));
            }
            tokio::time::sleep(self.retry.first_wait * 2_u32.pow(echoes + 1)).await;
            echoes += 1;
        }
    }

    /// Withdraws everything that the app was consented to at a customer. False where there was nothing. The id is the one in Partner Center's log.
    pub(crate) async fn withdraw_consents(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: TenantId,
    ) -> Result<(bool, Uuid)> {
        let place = self.place(customer)?;
        let key = behalf.key(behalf.partner, Audience::PartnerCenter);
        let ids = CallIds::random();
        let response = self
            .call(&key, Some(self.consent_pace()), |token| {
                application_consents::withdraw_request(place, token, behalf.words(self), ids)
            })
            .await?;
        let withdrawn =
            application_consents::read_withdrawn(&response, retry_after(response.headers(), SystemTime::now()))?;
        Ok((withdrawn, ids.correlation))
    }

    /// Looks until what is wanted is there, or is known not to come, or a minute has gone by.
    async fn read_back(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: TenantId,
        desired: &DesiredGrants,
        exists: &[String],
    ) -> Result<Vec<Difference>> {
        let until = Instant::now() + SETTLES_WITHIN;
        let mut between = self.retry.first_wait;
        // A token from before does not have the new scopes, and a refusal from before is not the answer to this question.
        self.forget_token_at(behalf, customer, Audience::Graph).await;
        loop {
            let found = self.look(behalf, customer, desired).await;
            let (differences, error) = match found {
                Ok(found) => {
                    let differences = desired.compare(&found.standing);
                    // Where something else stood there already it stays so, however long one looks.
                    let is_other = |row: &Difference| row.is_granted && !row.is_none() && exists.contains(&row.app_id);
                    if differences.iter().all(Difference::is_none) || differences.iter().any(is_other) {
                        return Ok(differences);
                    }
                    if found.service_principal != Some(true) {
                        self.forget_token_at(behalf, customer, Audience::Graph).await;
                    }
                    (differences, None)
                }
                Err(error) if is_unreadable(&error) || error.kind().retry() == Retry::After => {
                    self.forget_token_at(behalf, customer, Audience::Graph).await;
                    (Vec::new(), Some(error))
                }
                Err(error) => return Err(error),
            };
            if Instant::now() >= until {
                return error.map_or(Ok(differences), Err);
            }
            tokio::time::sleep(between).await;
            between = (between * 2).min(LONGEST_BETWEEN);
        }
    }

    /// Tokens from before have other scopes than what was consented to now.
    async fn forget_tokens_at(&self, behalf: &Behalf, customer: TenantId, desired: &DesiredGrants) {
        // Graph's is new: it was fetched to read back.
        let audiences = desired.grants().iter().filter_map(|grant| Audience::of_app_id(grant.app_id()));
        for audience in audiences.filter(|audience| *audience != Audience::Graph) {
            self.forget_token_at(behalf, customer, audience).await;
        }
        self.epoch.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }

    async fn forget_token_at(&self, behalf: &Behalf, customer: TenantId, audience: Audience) {
        let key = behalf.key(customer, audience);
        self.tokens.forget_token(&key);
        self.negative.forget_token(&key);
        // What stays there is no more than a token with fewer scopes, for an hour.
        if let Err(error) = self.store.remove_token(&self.token_key(&key)).await {
            tracing::debug!(error = error.kind().id(), "an older token could not be removed from the store");
        }
    }

    fn place(&self, customer: TenantId) -> Result<Place<'_>> {
        Ok(Place { base: self.partner_center()?, customer, application: &self.config.client_id })
    }
}

/// A line has one id, the last change's; the others go beside it.
fn tell_ids(entry: &mut Entry, ids: &[String]) {
    if let Some((last, before)) = ids.split_last() {
        entry.correlation_id = Some(last.clone());
        entry.note = (!before.is_empty()).then(|| format!("earlier changes: {}", before.join(" ")));
    }
}

/// Whether Graph answered, and would not show what is granted.
fn is_unreadable(error: &Error) -> bool {
    error.kind() == ErrorKind::AudienceNotConsented && error.http_status() == Some(403)
}
