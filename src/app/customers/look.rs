//! What stands at a customer, read through Graph there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Response;

use super::{Behalf, Customer, CustomerOutcome, DesiredGrants, Verdict};
use crate::app::Inner;
use crate::app::token_cache::CacheKey;
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::partner_center::standing_grants::{self, MOST_IN_FILTER, Page, Principal, Standing, StandingGrant};
use crate::transport::retry_after;

/// What was found at a customer.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) standing: Standing,
    /// Whether the tenant knows the app; none where there is no token to ask with.
    pub(super) service_principal: Option<bool>,
}

/// AADSTS numbers by which Entra says that the app, or Graph for it, was not consented to in that tenant.
const NO_CONSENT: [u32; 4] = [65_001, 700_016, 7_000_229, 90_099];

/// Reads one page of an answer; the wait is what its headers ask for.
type ReadPage<T> = fn(&Response<Vec<u8>>, Option<Duration>) -> Result<Page<T>>;

/// More pages than any client's grants have.
const MOST_PAGES: usize = 100;

impl Inner {
    /// Compares one customer with what is wanted.
    pub(super) async fn look_at(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: Customer,
        desired: &DesiredGrants,
    ) -> CustomerOutcome {
        let found = self.look(behalf, customer.tenant, desired).await;
        let outcome = CustomerOutcome::of(customer, Verdict::AsDesired);
        match found {
            Ok(found) => outcome.found(&found, desired),
            Err(error) => outcome.fail(error, behalf),
        }
    }

    /// What the app is consented to at a customer. Before the first consent there is no token to ask with, which is an answer, too.
    pub(super) async fn look(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: TenantId,
        desired: &DesiredGrants,
    ) -> Result<Found> {
        let key = behalf.key(customer, Audience::Graph);
        match self.token_for(key.clone(), false, None).await {
            Err(error) if is_no_consent(&error) => {
                return Ok(Found { standing: Standing::default(), service_principal: None });
            }
            token => token?,
        };
        let client_id = self.config.client_id.as_str();
        let wanted: Vec<&str> = desired.grants().iter().map(|grant| grant.app_id()).collect();
        let mut principals = self.principals(&key, client_id, &wanted).await?;
        let Some(client) = principals.iter().find(|row| row.app_id.eq_ignore_ascii_case(client_id)).cloned() else {
            let known = principals.into_iter().map(|row| row.app_id).collect();
            return Ok(Found { standing: Standing::new(Vec::new(), known), service_principal: Some(false) });
        };
        let mut grants: Vec<StandingGrant> = Vec::new();
        for row in self.permission_grants(&key, &client).await? {
            let resource = match principals.iter().find(|known| known.id.eq_ignore_ascii_case(&row.resource_id)) {
                Some(known) => known.clone(),
                None => {
                    let resource = self.principal(&key, &row.resource_id).await?;
                    principals.push(resource.clone());
                    resource
                }
            };
            match grants.iter_mut().find(|grant| grant.app_id == resource.app_id) {
                Some(grant) => grant.scopes.extend(row.scopes),
                None => grants.push(StandingGrant { app_id: resource.app_id, name: resource.name, scopes: row.scopes }),
            }
        }
        let known = principals.into_iter().map(|row| row.app_id).collect();
        Ok(Found { standing: Standing::new(grants, known), service_principal: Some(true) })
    }

    /// The service principals of the app and of these resources, as far as the tenant has them.
    async fn principals(
        self: &Arc<Self>,
        key: &CacheKey,
        client_id: &str,
        resources: &[&str],
    ) -> Result<Vec<Principal>> {
        let base = self.graph()?;
        let all: Vec<&str> = std::iter::once(client_id).chain(resources.iter().copied()).collect();
        let mut rows = Vec::new();
        for some in all.chunks(MOST_IN_FILTER) {
            let first = self.call(key, None, |token| standing_grants::principals_request(base, some, token)).await?;
            let page = standing_grants::read_principals(&first, wait_of(&first))?;
            rows.extend(self.all_pages(key, page, standing_grants::read_principals).await?);
        }
        Ok(rows)
    }

    async fn principal(self: &Arc<Self>, key: &CacheKey, id: &str) -> Result<Principal> {
        let base = self.graph()?;
        let response = self.call(key, None, |token| standing_grants::principal_request(base, id, token)).await?;
        standing_grants::read_principal(&response, wait_of(&response))
    }

    /// What a client is granted for all users. What single users granted is theirs.
    async fn permission_grants(
        self: &Arc<Self>,
        key: &CacheKey,
        client: &Principal,
    ) -> Result<Vec<standing_grants::PermissionGrant>> {
        let base = self.graph()?;
        let first = self.call(key, None, |token| standing_grants::grants_request(base, client, token)).await?;
        let page = standing_grants::read_grants(&first, wait_of(&first))?;
        let mut rows = self.all_pages(key, page, standing_grants::read_grants).await?;
        rows.retain(|row| row.for_all);
        Ok(rows)
    }

    async fn all_pages<T>(self: &Arc<Self>, key: &CacheKey, first: Page<T>, read: ReadPage<T>) -> Result<Vec<T>> {
        let base = self.graph()?;
        let Page { mut rows, mut next } = first;
        for _ in 0..MOST_PAGES {
            let Some(link) = next.take() else { return Ok(rows) };
            let response = self.call(key, None, |token| standing_grants::next_request(base, &link, token)).await?;
            let page = read(&response, wait_of(&response))?;
            rows.extend(page.rows);
            next = page.next;
        }
        Err(Error::new(ErrorKind::ResponseMalformed, "customers", "Graph's list of grants does not end"))
    }
}

impl CustomerOutcome {
    /// What was found beside what is wanted.
    pub(super) fn found(mut self, found: &Found, desired: &DesiredGrants) -> Self {
        self.service_principal = found.service_principal;
        self.differences = desired.compare(&found.standing);
        self.verdict = if self.differences.iter().all(super::Difference::is_none) {
            Verdict::AsDesired
        } else if found.standing.grants().is_empty() {
            Verdict::NoConsent
        } else {
            Verdict::ToChange
        };
        self
    }
}

/// Whether Entra gave no token because nobody consented there.
pub(super) fn is_no_consent(error: &Error) -> bool {
    error.entra().is_some_and(|entra| entra.codes.iter().any(|code| NO_CONSENT.contains(code)))
}

fn wait_of(response: &Response<Vec<u8>>) -> Option<Duration> {
    retry_after(response.headers(), SystemTime::now())
}
