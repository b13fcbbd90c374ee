//! What grants there are, and their end.

use super::{App, Inner};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::store::{Grant, GrantFacts};

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

impl GrantStatus {
    /// How people call the partner: by domain where one is known, else by id.
    pub fn name(&self) -> String {
        self.facts.domains.first().cloned().unwrap_or_else(|| self.partner.to_string())
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

    /// Removes a partner's grant from this store: its key, its tokens, everything. At the service it lives on until it is revoked there.
    /// False where there was none.
    pub async fn revoke(&self, partner: &TenantRef) -> Result<bool> {
        let inner = self.inner();
        let remove = async {
            let tenant = inner.tenant(partner).await?;
            let removed = inner.store.remove_grant(&inner.key.grant(tenant)).await?;
            inner.forget_tokens_of(tenant);
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
