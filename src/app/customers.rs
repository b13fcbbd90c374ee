//! The partner's customers, and what the vendor's app is consented to at each: listed, compared with what is wanted, and brought to it.

mod apply;
mod call;
mod journal;
mod look;
pub mod report;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use self::journal::Journal;
use super::pace::Pace;
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audience::Audience;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::partner_center::application_consents::MOST_PER_SECOND;
use crate::partner_center::customers::{self, Continuation};
use crate::purpose::Purpose;
use crate::remedy;
use crate::transport::retry_after;

pub use crate::partner_center::customers::Customer;
pub use crate::partner_center::desired_grants::{DesiredGrant, DesiredGrants, Difference};

/// What is to be compared or applied, and where.
#[derive(Clone, Debug)]
pub struct CustomersRequest {
    /// Whose customers; may be left out where there is one grant only.
    pub partner: Option<TenantRef>,
    /// What the app should be consented to at each.
    pub desired: DesiredGrants,
    /// These customers only; all that Partner Center lists when empty.
    pub only: Vec<TenantRef>,
    /// Why: a declared purpose; the configuration's own where left out. One that is limited to some customers narrows the run to them.
    pub purpose: Option<String>,
    /// Where progress is kept while grants are applied; a file in the user's data folder when left out. It holds no secret, and is removed at the end.
    pub journal: Option<PathBuf>,
}

impl CustomersRequest {
    /// For all customers of the only partner there is.
    pub fn new(desired: DesiredGrants) -> Self {
        Self { partner: None, desired, only: Vec::new(), purpose: None, journal: None }
    }

    /// Of this partner.
    #[must_use]
    pub fn partner(mut self, partner: impl Into<TenantRef>) -> Self {
        self.partner = Some(partner.into());
        self
    }

    /// This customer, and the others that are named so.
    #[must_use]
    pub fn customer(mut self, customer: impl Into<TenantRef>) -> Self {
        self.only.push(customer.into());
        self
    }
}

/// Reads a grants file; see [`DesiredGrants::parse`].
///
/// Errors: `ConfigMissing` where it cannot be read, `ConfigInvalid` where it is none.
pub fn read_grants(path: &Path) -> Result<DesiredGrants> {
    let text = fs_err::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::ConfigMissing, "customers", "the grants file cannot be read")
            .with_hint("name it by its path; `partnersam customers --help` shows what stands in it")
            .with_cause(error.kind())
    });
    let parsed = text.and_then(|text| DesiredGrants::parse(&text));
    parsed.map_err(|error| error.with_context("file", path.display()))
}

/// How one customer is, or what became of it.
#[derive(Clone, Debug)]
pub struct CustomerOutcome {
    /// The customer.
    pub customer: Customer,
    /// In one word.
    pub verdict: Verdict,
    /// Whether the customer's tenant knows the app; none where that could not be found out.
    pub service_principal: Option<bool>,
    /// What was missing and extra when it was looked at; one row per resource.
    pub differences: Vec<Difference>,
    /// Whether what was there was withdrawn, because a consent cannot be widened.
    pub withdrew: bool,
    /// Resources that were consented to, by name.
    pub consented: Vec<String>,
    /// The id of each change in Partner Center's log, in the order of the changes.
    pub correlation_ids: Vec<String>,
    /// Why it failed, and what helps.
    pub error: Option<Error>,
}

/// How a customer is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is missing and nothing too much.
    AsDesired,
    /// Something is missing or too much.
    ToChange,
    /// The app was never consented to there, or no more: everything is missing.
    NoConsent,
    /// It was changed, and read back as wanted.
    Applied,
    /// An earlier run that was cut short had applied it and read it back.
    ProvedBefore,
    /// It could not be looked at or changed.
    Failed,
}

impl Verdict {
    /// The word used in JSON: `as_desired`, `to_change`, `no_consent`, `applied`, `proved_before` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsDesired => "as_desired",
            Self::ToChange => "to_change",
            Self::NoConsent => "no_consent",
            Self::Applied => "applied",
            Self::ProvedBefore => "proved_before",
            Self::Failed => "failed",
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Customers that are done.
    pub done: usize,
    /// Customers in all, where that is known.
    pub total: Option<usize>,
}

/// What a run came to, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Customers in all.
    pub customers: usize,
    /// See [`Verdict::AsDesired`].
    pub as_desired: usize,
    /// See [`Verdict::ToChange`].
    pub to_change: usize,
    /// See [`Verdict::NoConsent`].
    pub no_consent: usize,
    /// See [`Verdict::Applied`].
    pub applied: usize,
    /// See [`Verdict::ProvedBefore`].
    pub proved_before: usize,
    /// See [`Verdict::Failed`].
    pub failed: usize,
}

/// Customers that are worked on at the same time: bounds the memory, whatever their number, and is enough for the pace where each takes a second.
const AT_ONCE: usize = 64;

/// Customers that are begun with in a second. Each costs a redemption of the same grant, and nobody says how many of those Entra likes.
const LOOKS_PER_SECOND: u32 = 50;

impl App {
    /// Every customer of a partner, in Partner Center's order.
    ///
    /// Errors: those of [`App::token`] for Partner Center; `PartnerCenterForbidden` and its kin; `NotSupported` at an authority without Partner Center.
    pub async fn customers(&self, partner: Option<&TenantRef>, purpose: Option<&str>) -> Result<Vec<Customer>> {
        let inner = self.inner();
        let list = async {
            let mut pages = Pages::open(inner, partner, purpose, &[Audience::PartnerCenter]).await?;
            let mut all = Vec::new();
            while let Some(customer) = pages.next(inner).await? {
                all.push(customer);
            }
            Ok(all)
        };
        list.await.map_err(|error| in_customers(error, partner))
    }

    /// The partner that is meant: the named one, or the only one there is.
    pub async fn partner_of(&self, named: Option<&TenantRef>) -> Result<TenantId> {
        self.inner().partner(named, "customers").await
    }

    /// Compares what stands at each customer with what is wanted, and changes nothing. Tells `each` of every customer as it is done, in no order;
    /// what was told is not kept. One customer's failure does not stop the others; a failure of the app, of the grant or of the store does.
    ///
    /// At most 50 customers are begun with in a second, whatever number of apps this process has open.
    pub async fn plan_customers(
        &self,
        request: &CustomersRequest,
        each: impl FnMut(Progress, CustomerOutcome) + Send,
    ) -> Result<Summary> {
        let inner = self.inner();
        let partner = request.partner.as_ref();
        let run = async {
            let pages = inner.pages_of(request).await?;
            inner.run_customers(pages, &request.desired, None, each).await
        };
        run.await.map_err(|error| in_customers(error, partner))
    }

    /// Brings what stands at each customer to what is wanted: consents to what is missing, and withdraws first where something is to be changed or
    /// taken away. A customer counts as applied once it was read back. Tells `each` as [`App::plan_customers`] does.
    ///
    /// At most 50 consents and withdrawals are sent in a second for one app by all processes of this host that share its store. Progress is kept in a journal: after a kill, the same call
    /// goes on where it was cut short, first with the customers that were being changed. What was proved more than a day ago is looked at again.
    ///
    /// Errors: as for planning; `StoreConflict` where another process is applying the same grants.
    pub async fn apply_customers(
        &self,
        request: &CustomersRequest,
        each: impl FnMut(Progress, CustomerOutcome) + Send,
    ) -> Result<Summary> {
        let inner = self.inner();
        let partner = request.partner.as_ref();
        let run = async {
            let pages = inner.pages_of(request).await?;
            let journal = inner.open_journal(request, pages.behalf.partner).await?;
            let summary = inner.run_customers(pages, &request.desired, Some(&journal), each).await?;
            journal.finish();
            Ok(summary)
        };
        run.await.map_err(|error| in_customers(error, partner))
    }
}

impl Inner {
    async fn pages_of(self: &Arc<Self>, request: &CustomersRequest) -> Result<Pages> {
        let audiences = [Audience::PartnerCenter, Audience::Graph];
        let mut pages = Pages::open(self, request.partner.as_ref(), request.purpose.as_deref(), &audiences).await?;
        if !request.only.is_empty() {
            let mut named = Vec::new();
            for customer in &request.only {
                let tenant = self.tenant(customer).await?;
                pages.check_reach(tenant).map_err(|error| error.with_context("customer", customer))?;
                let domain = match customer {
                    TenantRef::Domain(domain) => Some(domain.clone()),
                    TenantRef::Id(_) => None,
                };
                named.push(Customer { tenant, name: String::new(), domain });
            }
            pages.name(named);
        }
        Ok(pages)
    }

    /// Looks at every customer of `pages`, and changes it where there is a journal to note that in.
    async fn run_customers(
        self: &Arc<Self>,
        mut pages: Pages,
        desired: &DesiredGrants,
        journal: Option<&Journal>,
        mut each: impl FnMut(Progress, CustomerOutcome) + Send,
    ) -> Result<Summary> {
        let behalf = &pages.behalf.clone();
        let pace = &Pace::of(&format!("looks {} {}", self.key.authority, self.key.client_id), LOOKS_PER_SECOND);
        if let Some(journal) = journal {
            pages.put_first(journal.unfinished());
        }
        let mut summary = Summary::default();
        let mut stop = None;
        let mut flying = FuturesUnordered::new();
        loop {
            while stop.is_none() && flying.len() < AT_ONCE {
                match pages.next(self).await {
                    Ok(Some(customer)) => flying.push(async move {
                        if journal.is_some_and(|journal| journal.has_proved(customer.tenant)) {
                            return CustomerOutcome::of(customer, Verdict::ProvedBefore);
                        }
                        pace.turn().await;
                        self.one_customer(behalf, customer, desired, journal).await
                    }),
                    Ok(None) => break,
                    Err(error) => stop = Some(error),
                }
            }
            // Those who are being changed are brought to an end, whatever stops the rest.
            let Some(outcome) = flying.next().await else { break };
            if let Some(error) = outcome.error.as_ref().filter(|error| stops_all(error.kind())) {
                stop.get_or_insert_with(|| error.clone());
            }
            summary.count(outcome.verdict);
            each(Progress { done: summary.customers, total: pages.total }, outcome);
        }
        stop.map_or(Ok(summary), Err)
    }

    async fn one_customer(
        self: &Arc<Self>,
        behalf: &Behalf,
        customer: Customer,
        desired: &DesiredGrants,
        journal: Option<&Journal>,
    ) -> CustomerOutcome {
        let key = behalf.key(customer.tenant, Audience::Graph);
        let was_at_hand = self.tokens.get(&key).is_some();
        let outcome = match journal {
            None => self.look_at(behalf, customer, desired).await,
            Some(journal) => self.apply_to(behalf, customer, desired, journal).await,
        };
        // Thousands of customers' tokens that nobody asked for would only fill the memory; the store has them.
        if !was_at_hand {
            self.tokens.forget_token(&key);
        }
        outcome
    }
}

impl CustomerOutcome {
    fn of(customer: Customer, verdict: Verdict) -> Self {
        Self {
            customer,
            verdict,
            service_principal: None,
            differences: Vec::new(),
            withdrew: false,
            consented: Vec::new(),
            correlation_ids: Vec::new(),
            error: None,
        }
    }

    /// What could not be done, with the reason as it is in a customer's tenant.
    fn fail(mut self, error: Error, behalf: &Behalf) -> Self {
        let error = error
            .in_operation("customers")
            .with_context("partner", behalf.partner)
            .with_context("customer", self.customer.tenant);
        self.error = Some(remedy::in_customer_tenant(error));
        self.verdict = Verdict::Failed;
        self
    }
}

impl Summary {
    fn count(&mut self, verdict: Verdict) {
        self.customers += 1;
        *match verdict {
            Verdict::AsDesired => &mut self.as_desired,
            Verdict::ToChange => &mut self.to_change,
            Verdict::NoConsent => &mut self.no_consent,
            Verdict::Applied => &mut self.applied,
            Verdict::ProvedBefore => &mut self.proved_before,
            Verdict::Failed => &mut self.failed,
        } += 1;
    }
}

/// With whose grant calls are made, and why.
#[derive(Clone, Debug)]
pub(crate) struct Behalf {
    pub(crate) partner: TenantId,
    pub(crate) purpose: Option<Arc<Purpose>>,
}

impl Behalf {
    pub(super) fn key(&self, tenant: TenantId, audience: Audience) -> CacheKey {
        CacheKey { partner: self.partner, tenant, audience, purpose: self.purpose.clone() }
    }

    /// What Partner Center is told.
    fn words<'a>(&'a self, inner: &'a Inner) -> &'a str {
        self.purpose.as_ref().map_or(inner.config.purpose.as_str(), |purpose| purpose.name())
    }
}

/// A partner's customers, a page in memory at a time.
struct Pages {
    behalf: Behalf,
    /// The customers of a limited purpose.
    allowed: Option<HashSet<TenantId>>,
    total: Option<usize>,
    waiting: std::vec::IntoIter<Customer>,
    first: Vec<Customer>,
    seen: HashSet<TenantId>,
    next: Next,
}

enum Next {
    First,
    After(Continuation),
    End,
}

impl Pages {
    async fn open(
        inner: &Arc<Inner>,
        partner: Option<&TenantRef>,
        purpose: Option<&str>,
        audiences: &[Audience],
    ) -> Result<Self> {
        if inner.config.authority.kind() != AuthorityKind::Entra {
            return Err(Error::new(ErrorKind::NotSupported, "customers", "this authority has no Partner Center"));
        }
        let purpose = inner.config.purposes.named(purpose)?;
        let mut allowed = None;
        if let Some(purpose) = &purpose {
            purpose.check(audiences, inner.clock.now())?;
            // Partner Center is reached with a token of the partner's own tenant.
            purpose.check_own_tenant()?;
            if let Some(names) = &purpose.limits().customers {
                let allowed = allowed.insert(HashSet::new());
                for name in names {
                    allowed.insert(inner.tenant(name).await?);
                }
            }
        }
        let partner = inner.partner(partner, "customers").await?;
        Ok(Self { allowed, ..Self::of(Behalf { partner, purpose }) })
    }

    fn of(behalf: Behalf) -> Self {
        Self {
            behalf,
            allowed: None,
            total: None,
            waiting: Vec::new().into_iter(),
            first: Vec::new(),
            seen: HashSet::new(),
            next: Next::First,
        }
    }

    /// These instead of those that Partner Center lists.
    fn name(&mut self, mut customers: Vec<Customer>) {
        let mut seen = HashSet::new();
        customers.retain(|customer| seen.insert(customer.tenant));
        self.total = Some(customers.len());
        self.waiting = customers.into_iter();
        self.next = Next::End;
    }

    /// Errors: `PurposeForbidden`.
    fn check_reach(&self, customer: TenantId) -> Result<()> {
        match (&self.allowed, &self.behalf.purpose) {
            (Some(allowed), Some(purpose)) if !allowed.contains(&customer) => Err(purpose.forbids()),
            _ => Ok(()),
        }
    }

    /// These before the others, if they are among them.
    fn put_first(&mut self, tenants: Vec<TenantId>) {
        let named: HashSet<_> = self.waiting.as_slice().iter().map(|customer| customer.tenant).collect();
        let is_meant = |tenant: &TenantId| !matches!(self.next, Next::End) || named.contains(tenant);
        self.first = tenants
            .into_iter()
            .filter(|tenant| is_meant(tenant) && self.check_reach(*tenant).is_ok())
            .map(|tenant| Customer { tenant, name: String::new(), domain: None })
            .collect();
    }

    async fn next(&mut self, inner: &Arc<Inner>) -> Result<Option<Customer>> {
        if let Some(customer) = self.first.pop() {
            self.seen.insert(customer.tenant);
            return Ok(Some(customer));
        }
        loop {
            // A list that changes while it is read may show one twice.
            let is_meant = |customer: &Customer| {
                self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&customer.tenant))
                    && self.seen.insert(customer.tenant)
            };
            if let Some(customer) = self.waiting.by_ref().find(is_meant) {
                return Ok(Some(customer));
            }
            let from = match &self.next {
                Next::End => return Ok(None),
                Next::First => None,
                Next::After(place) => Some(place.clone()),
            };
            let page = inner.customer_page(&self.behalf, from.as_ref()).await?;
            self.total = page.total.or(self.total);
            self.waiting = page.customers.into_iter();
            self.next = match page.next {
                Some(place) if Some(&place) == from.as_ref() => {
                    return Err(Error::new(
                        ErrorKind::ResponseMalformed,
                        "customers",
                        "the list of customers goes round in a circle",
                    ));
                }
                Some(place) => Next::After(place),
                None => Next::End,
            };
        }
    }
}

impl Inner {
    /// Every customer, for what concerns all of them whatever a purpose is limited to.
    pub(super) async fn all_customers(self: &Arc<Self>, behalf: &Behalf) -> Result<Vec<Customer>> {
        let mut pages = Pages::of(behalf.clone());
        let mut all = Vec::new();
        while let Some(customer) = pages.next(self).await? {
            all.push(customer);
        }
        Ok(all)
    }

    async fn customer_page(self: &Arc<Self>, behalf: &Behalf, from: Option<&Continuation>) -> Result<customers::Page> {
        let base = self.partner_center()?;
        let key = behalf.key(behalf.partner, Audience::PartnerCenter);
        let build = |token: &_| customers::request(base, customers::PAGE, from, token, behalf.words(self));
        let response = self.call(&key, None, build).await?;
        customers::read(&response, retry_after(response.headers(), std::time::SystemTime::now()))
    }

    /// The pace of consents and withdrawals, which the service counts for the app, whichever process sends them.
    fn consent_pace(&self) -> Pace {
        let pace = Pace::of(&format!("consents {} {}", self.key.authority, self.key.client_id), MOST_PER_SECOND);
        pace.shared(self.config.beside_store(".pace").as_deref())
    }
}

fn in_customers(error: Error, partner: Option<&TenantRef>) -> Error {
    let error = error.in_operation("customers");
    partner.iter().fold(error, |error, partner| error.with_context("partner", partner))
}

/// What would befall every further customer too.
fn stops_all(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AppCredentialInvalid
            | ErrorKind::AppCredentialExpired
            | ErrorKind::ConfigInvalid
            | ErrorKind::ConfigMissing
            | ErrorKind::ConsentRequired
            | ErrorKind::GrantExpired
            | ErrorKind::GrantRevoked
            | ErrorKind::HostNotAllowed
            | ErrorKind::PartnerCenterMfaRequired
    ) || kind.category() == crate::error::Category::Store
}
