//! Customers, as the documents that all languages share.

use std::path::PathBuf;

use partnersam::app::customers::report::{ListReport, OutcomeReport, Run};
use partnersam::app::customers::{self, CustomerOutcome, CustomersRequest, DesiredGrants, read_grants};
use partnersam::app::report::value;
use partnersam::{App, TenantRef};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use serde_json::Value;

use crate::documents::hand_over;
use crate::error::Failure;
use crate::handle::Handle;
use crate::json;
use crate::names::Names;
use crate::progress::Progress;
use crate::token::tenant;
use crate::wait::{How, perform};

/// What to compare or apply, as Python names it.
pub(crate) struct Wanted {
    pub(crate) request: CustomersRequest,
    pub(crate) progress: Option<Py<PyAny>>,
}

impl Wanted {
    /// `grants`: the path of a grants file, or its content as a mapping.
    pub(crate) fn new(
        partner: Option<&Bound<'_, PyString>>,
        grants: &Bound<'_, PyAny>,
        customers: Names,
        purpose: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let desired = if let Ok(mapping) = grants.cast::<PyMapping>() {
            DesiredGrants::parse(&Value::Object(json::from_python(mapping)?).to_string())
        } else {
            read_grants(&grants.extract::<PathBuf>()?)
        };
        let mut request = CustomersRequest::new(desired.map_err(Failure::from)?);
        request.partner = tenant(partner)?;
        request.only = customers.parsed::<TenantRef>()?;
        request.purpose = purpose;
        Ok(Self { request, progress })
    }

    pub(crate) fn with_journal(mut self, journal: Option<PathBuf>) -> Self {
        self.request.journal = journal;
        self
    }
}

/// The partner's customers.
pub(crate) fn list(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    partner: Option<TenantRef>,
    purpose: Option<String>,
) -> PyResult<Py<PyAny>> {
    let operation = move |app: App| async move {
        let customers = app.customers(partner.as_ref(), purpose.as_deref()).await?;
        Ok(value(&ListReport::new(app.partner_of(partner.as_ref()).await?, &customers)))
    };
    perform(py, handle, how, operation, hand_over)
}

/// A plan, or its application.
pub(crate) fn run(py: Python<'_>, handle: &Handle, how: How, run: Run, wanted: Wanted) -> PyResult<Py<PyAny>> {
    let Wanted { request, progress } = wanted;
    let progress = Progress::new(progress);
    let told = progress.clone();
    let operation = move |app: App| async move {
        let each = |at: customers::Progress, outcome: &CustomerOutcome| {
            told.tell(|py, progress| {
                let document = value(&OutcomeReport::new(outcome));
                progress.call1(py, (at.done, at.total, json::to_python(py, &document)?))
            });
        };
        app.customers_document(run, &request, each).await
    };
    perform(py, handle, how, operation, move |py, document| progress.end().and_then(|()| hand_over(py, document)))
}
