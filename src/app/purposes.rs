//! Whether a call lies within its purpose: found out before anything is sent.

use std::borrow::Cow;

use super::Inner;
use crate::audience::Audience;
use crate::error::Result;
use crate::ids::TenantRef;
use crate::purpose::{Purpose, Reach};

impl Inner {
    /// Whether the request lies within its purpose. Asks nobody, except which tenant a domain is where one side names a customer by domain and the
    /// other by id.
    pub(super) async fn check_purpose(
        &self,
        purpose: &Purpose,
        audience: &Audience,
        customer: Option<&TenantRef>,
    ) -> Result<()> {
        purpose.check([audience], self.clock.now())?;
        let Some(customer) = customer else { return purpose.check_own_tenant() };
        let is_within = match purpose.reaches(customer) {
            Reach::Yes => true,
            Reach::No => false,
            Reach::CompareIds => {
                let asked = self.tenant(customer).await?;
                let mut is_within = false;
                for name in purpose.limits().customers.iter().flatten() {
                    is_within = is_within || self.tenant(name).await? == asked;
                }
                is_within
            }
        };
        if is_within { Ok(()) } else { Err(purpose.forbids().with_context("customer", customer)) }
    }

    /// The purpose of a consent or an import, and the audiences it is for: those of the purpose, or the usual ones, where none was named.
    pub(super) fn consent_purpose(
        &self,
        named: Option<&str>,
        audiences: &[Audience],
    ) -> Result<(String, Vec<Audience>)> {
        let audiences = audiences.iter().map(|audience| audience.at(&self.config.authority).map(Cow::into_owned));
        let audiences = audiences.collect::<Result<Vec<_>>>()?;
        if let Some(words) = named.filter(|_| self.config.purposes.is_empty()) {
            let audiences = if audiences.is_empty() { self.default_audiences() } else { audiences };
            return Ok((words.to_owned(), audiences));
        }
        let purpose = self.config.purposes.named(named)?;
        let limited = purpose.as_ref().and_then(|purpose| purpose.limits().audiences.clone());
        let audiences = match audiences.as_slice() {
            [] => limited.unwrap_or_else(|| self.default_audiences()),
            _ => audiences,
        };
        let Some(purpose) = purpose else { return Ok((self.config.purpose.clone(), audiences)) };
        purpose.check(&audiences, self.clock.now())?;
        Ok((purpose.name().to_owned(), audiences))
    }

    /// What a look at a grant is for: what the configuration means where nothing is said (none), else what the grant was given for.
    pub(super) fn purpose_to_look(&self, given_for: &str) -> Option<String> {
        self.looks_as_given().then(|| given_for.to_owned())
    }

    /// Whether a look is for what the grant was given for.
    pub(super) fn looks_as_given(&self) -> bool {
        !self.config.purposes.is_empty() && self.config.purposes.named(None).is_err()
    }
}
