//! Customers as the documents that the command line, Python, C and whoever wants JSON have in common.

use serde::Serialize;
use serde_json::Value;

use super::{Customer, CustomerOutcome, CustomersRequest, Difference, Progress, Summary};
use crate::app::App;
use crate::app::report::value;
use crate::error::{Error, ErrorDocument, Result};
use crate::ids::TenantId;

/// A list of customers.
#[derive(Debug, Serialize)]
pub struct ListReport<'a> {
    schema_version: u32,
    partner: String,
    count: usize,
    customers: Vec<CustomerReport<'a>>,
}

/// One customer.
#[derive(Debug, Serialize)]
struct CustomerReport<'a> {
    tenant: String,
    name: &'a str,
    domain: Option<&'a str>,
}

impl<'a> ListReport<'a> {
    /// The document of a partner's customers.
    pub fn new(partner: TenantId, customers: &'a [Customer]) -> Self {
        Self {
            schema_version: 1,
            partner: partner.to_string(),
            count: customers.len(),
            customers: customers.iter().map(CustomerReport::new).collect(),
        }
    }
}

impl<'a> CustomerReport<'a> {
    fn new(customer: &'a Customer) -> Self {
        Self { tenant: customer.tenant.to_string(), name: &customer.name, domain: customer.domain.as_deref() }
    }
}

/// What a plan or its application came to.
#[derive(Debug, Serialize)]
pub struct RunReport<'a> {
    schema_version: u32,
    operation: &'static str,
    partner: String,
    display_name: &'a str,
    count: usize,
    as_desired: usize,
    to_change: usize,
    no_consent: usize,
    applied: usize,
    proved_before: usize,
    failed: usize,
    customers: Vec<OutcomeReport<'a>>,
}

/// One customer of it.
#[derive(Debug, Serialize)]
pub struct OutcomeReport<'a> {
    #[serde(flatten)]
    customer: CustomerReport<'a>,
    verdict: &'static str,
    service_principal: Option<bool>,
    withdrew: bool,
    consented: &'a [String],
    correlation_ids: &'a [String],
    differences: Vec<DifferenceReport<'a>>,
    error: Option<ErrorDocument<'a>>,
}

/// One resource at a customer.
#[derive(Debug, Serialize)]
struct DifferenceReport<'a> {
    resource: &'a str,
    app_id: &'a str,
    known: Option<bool>,
    missing: &'a [String],
    extra: &'a [String],
}

/// Which of the two runs a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Nothing was changed.
    Plan,
    /// What differed was changed.
    Apply,
}

impl<'a> RunReport<'a> {
    /// The document of a run.
    pub fn new(
        run: Run,
        partner: TenantId,
        request: &'a CustomersRequest,
        summary: &Summary,
        customers: &'a [CustomerOutcome],
    ) -> Self {
        Self {
            schema_version: 1,
            operation: match run {
                Run::Plan => "plan",
                Run::Apply => "apply",
            },
            partner: partner.to_string(),
            display_name: request.desired.display_name(),
            count: summary.customers,
            as_desired: summary.as_desired,
            to_change: summary.to_change,
            no_consent: summary.no_consent,
            applied: summary.applied,
            proved_before: summary.proved_before,
            failed: summary.failed,
            customers: customers.iter().map(OutcomeReport::new).collect(),
        }
    }
}

impl<'a> OutcomeReport<'a> {
    /// The document of one customer, for who takes them as they come.
    pub fn new(outcome: &'a CustomerOutcome) -> Self {
        Self {
            customer: CustomerReport::new(&outcome.customer),
            verdict: outcome.verdict.as_str(),
            service_principal: outcome.service_principal,
            withdrew: outcome.withdrew,
            consented: &outcome.consented,
            correlation_ids: &outcome.correlation_ids,
            differences: outcome
                .differences
                .iter()
                .filter(|row| !row.is_none())
                .map(|Difference { name, app_id, is_known, missing, extra, .. }| DifferenceReport {
                    resource: name,
                    app_id,
                    // Where nobody could ask, nobody knows.
                    known: outcome.service_principal.map(|_| *is_known),
                    missing,
                    extra,
                })
                .collect(),
            error: outcome.error.as_ref().map(Error::to_document),
        }
    }
}

impl App {
    /// A plan or its application, whole, as a document; `each` hears of every customer as it is done.
    ///
    /// Errors: as for [`App::plan_customers`] and [`App::apply_customers`].
    pub async fn customers_document(
        &self,
        run: Run,
        request: &CustomersRequest,
        mut each: impl FnMut(Progress, &CustomerOutcome) + Send,
    ) -> Result<Value> {
        let mut all = Vec::new();
        let keep = |at: Progress, outcome: CustomerOutcome| {
            each(at, &outcome);
            all.push(outcome);
        };
        let summary = match run {
            Run::Plan => self.plan_customers(request, keep).await?,
            Run::Apply => self.apply_customers(request, keep).await?,
        };
        let partner = self.partner_of(request.partner.as_ref()).await?;
        Ok(value(&RunReport::new(run, partner, request, &summary, &all)))
    }
}
