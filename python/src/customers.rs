//! Customers, as the documents that all languages share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use partnersam::app::customers::report::{ListReport, OutcomeReport, Run};
use partnersam::app::customers::{CustomerOutcome, CustomersRequest, DesiredGrants, Progress, read_grants};
use partnersam::{App, TenantRef};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use serde::Serialize;
use serde_json::Value;

use crate::error::Failure;
use crate::handle::Handle;
use crate::json;
use crate::names::Names;
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
    perform(py, handle, how, operation, |py, document| Ok(json::to_python(py, &document)?.unbind()))
}

/// A plan, or its application.
pub(crate) fn run(py: Python<'_>, handle: &Handle, how: How, run: Run, wanted: Wanted) -> PyResult<Py<PyAny>> {
    let Wanted { request, progress } = wanted;
    let raised = Arc::new(Mutex::new(None));
    let seen = raised.clone();
    let operation = move |app: App| async move {
        let each = |at: Progress, outcome: &CustomerOutcome| {
            let Some(progress) = &progress else { return };
            let document = value(&OutcomeReport::new(outcome));
            let told = Python::try_attach(|py| {
                progress.call1(py, (at.done, at.total, json::to_python(py, &document)?)).map(drop)
            });
            if let Some(Err(error)) = told {
                // The run goes on; the first exception is raised at its end.
                seen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        app.customers_document(run, &request, each).await
    };
    perform(py, handle, how, operation, move |py, document| {
        if let Some(error) = raised.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        Ok(json::to_python(py, &document)?.unbind())
    })
}

fn value(document: &impl Serialize) -> Value {
    // Texts, numbers and lists cannot fail to become a value.
    serde_json::to_value(document).unwrap_or_default()
}
