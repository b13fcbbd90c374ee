//! What is done at the service with a partner's grant, as long as there is one: consents withdrawn, sign-ins ended.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt;
use futures_util::stream;
use uuid::Uuid;

use super::journal::Journal;
use super::{Done, Target, behalf};
use crate::app::Inner;
use crate::app::config::Profile;
use crate::app::customers::Customer;
use crate::audience::Audience;
use crate::audit::{Entry, Outcome};
use crate::chance::request_id;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::graph::sessions::{self, Whose};
use crate::transport::retry_after;

/// Customers that are worked on at the same time; the pace is the service's.
const AT_ONCE: usize = 16;

impl Inner {
    /// Puts tokens into the memory that are good for as long as tokens are.
    pub(super) async fn take_tokens(self: &Arc<Self>, target: &Target, with_partner_center: bool) -> Result<Done> {
        let behalf = behalf(target);
        let mut done = Done::default();
        let mut names = Vec::new();
        let wanted = [(Audience::Graph, true), (Audience::PartnerCenter, with_partner_center)];
        for (audience, _) in wanted.into_iter().filter(|(_, is_wanted)| *is_wanted) {
            names.push(audience.name().to_owned());
            let token = self.token_for(behalf.key(target.partner, audience), true, None).await?;
            done.correlation_ids.extend(token.correlation_id.clone());
        }
        done.note = format!("tokens for {}", names.join(" and "));
        Ok(done)
    }

    /// Every customer, at the pace that Partner Center allows. One customer's failure does not stop the others.
    pub(super) async fn withdraw_everywhere(
        self: &Arc<Self>,
        operation: &'static str,
        target: &Target,
        journal: Option<&Journal>,
    ) -> Result<Done> {
        let behalf = behalf(target);
        let customers = self.all_customers(&behalf).await?;
        let total = customers.len();
        let withdraw = |customer: Customer| {
            let behalf = behalf.clone();
            async move {
                if journal.is_some_and(|journal| journal.has_withdrawn(customer.tenant)) {
                    return Ok(false);
                }
                let mut entry = Entry::new(operation, Outcome::Ok, self.clock.now()).partner(behalf.partner);
                entry.customer = Some(customer.tenant.to_string());
                entry.step = Some("consent".to_owned());
                let work = self.withdraw_consents(&behalf, customer.tenant);
                let (was_there, _) = self
                    .recorded(entry, work, |entry, (was_there, id)| {
                        entry.note = Some(if *was_there { "withdrawn" } else { "there was none" }.to_owned());
                        entry.correlation_id = Some(id.to_string());
                    })
                    .await
                    .map_err(|error| error.with_context("customer", customer.tenant))?;
                if let Some(journal) = journal {
                    journal.withdrawn(customer.tenant);
                }
                Ok(was_there)
            }
        };
        let results: Vec<Result<bool>> =
            stream::iter(customers).map(withdraw).buffer_unordered(AT_ONCE).collect().await;
        let withdrawn = results.iter().filter(|result| matches!(result, Ok(true))).count();
        let failed: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
        // What passes is worth another run, whatever the others met.
        let first = failed.iter().find(|error| error.kind().retry() == Retry::After).or(failed.first());
        match first {
            Some(error) => Err(error.clone().with_context("customers_open", failed.len())),
            None => Ok(Done::new(format!("{total} customers looked at, withdrawn at {withdrawn}"))),
        }
    }

    /// By the account's own token, or, in the app's own tenant, by the app itself.
    pub(super) async fn end_sign_ins(self: &Arc<Self>, target: &Target) -> Result<Done> {
        let base = self.graph()?;
        let id = request_id();
        let key = behalf(target).key(target.partner, Audience::Graph);
        let by_account = self
            .call(&key, None, |token| sessions::revoke_request(base, Whose::Own, token, id))
            .await
            .and_then(|answer| sessions::read_revoked(&answer, retry_after(answer.headers(), SystemTime::now())));
        let error = match by_account {
            Ok(()) => return Ok(Done::new("the account's sign-ins are ended").by(id)),
            // Somebody else has ended them since this grant was last used.
            Err(error) if error.kind() == ErrorKind::GrantRevoked => {
                return Ok(Done::new("the service had ended the account's sign-ins already"));
            }
            Err(error) => error.with_context("correlation_id", id),
        };
        let account = Uuid::try_parse(&target.user_oid);
        match account {
            Ok(account) if self.is_home(target).await && error.kind().retry() != Retry::After => {
                let id = request_id();
                let answer = self
                    .call_as_app(target.partner, |token| {
                        sessions::revoke_request(base, Whose::Account(account), token, id)
                    })
                    .await;
                let revoked = answer.and_then(|answer| {
                    sessions::read_revoked(&answer, retry_after(answer.headers(), SystemTime::now()))
                });
                revoked
                    .map(|()| Done::new("the account's sign-ins are ended, by the app itself").by(id))
                    .map_err(|second| second.with_context("correlation_id", id).with_cause(error.message()))
            }
            _ => Err(error),
        }
    }

    /// Whether the app acts on its own in that partner's tenant: a partner's own app does, a vendor's must not.
    async fn is_home(&self, target: &Target) -> bool {
        self.config.profile == Profile::Csp && self.home().await.is_ok_and(|home| home == target.partner)
    }
}
