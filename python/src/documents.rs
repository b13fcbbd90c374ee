//! Operations whose requests and answers are the documents that all languages share.

use partnersam::app::audit::show::AuditQuery;
use partnersam::app::incident::{IncidentRequest, RevokeOptions, Revoked, StepOutcome, plan_document};
use partnersam::app::report::{RevokeReport, StoreReport, value};
use partnersam::audit::Anchor;
use partnersam::{App, TenantRef};
use pyo3::prelude::*;
use serde_json::Value;

use crate::error::Failure;
use crate::handle::Handle;
use crate::json::to_python;
use crate::progress::Progress;
use crate::wait::{How, perform};

/// A check of the audit record.
pub(crate) fn audit_verify(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    anchor: Option<&str>,
    from_line: u64,
) -> PyResult<Py<PyAny>> {
    let anchor = anchor.map(str::parse::<Anchor>).transpose().map_err(Failure::from)?;
    let operation = move |app: App| async move {
        let report = app.verify_audit(anchor.as_ref(), from_line).await?;
        Ok(value(&app.audit_report(&report)))
    };
    perform(py, handle, how, operation, hand_over)
}

/// Lines of the audit record.
pub(crate) fn audit_show(py: Python<'_>, handle: &Handle, how: How, query: &Value) -> PyResult<Py<PyAny>> {
    let query = AuditQuery::from_document(query).map_err(Failure::from)?;
    let operation = move |app: App| async move { Ok(value(&app.audit_show(&query).await?)) };
    perform(py, handle, how, operation, hand_over)
}

/// How the store is.
pub(crate) fn store_condition(py: Python<'_>, handle: &Handle) -> PyResult<Py<PyAny>> {
    let app = handle.app().and_then(|app| app.app()).map_err(Failure::from)?;
    hand_over(py, value(&StoreReport::new(&app.store_condition(), &app.store_location())))
}

/// The end of a grant: whether there was one, or, with choices, a document of what was done.
pub(crate) fn revoke(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    partner: TenantRef,
    options: RevokeOptions,
) -> PyResult<Py<PyAny>> {
    if options == RevokeOptions::default() {
        let operation = move |app: App| async move { Ok(Value::Bool(app.revoke(&partner).await?)) };
        return perform(py, handle, how, operation, hand_over);
    }
    let operation = move |app: App| async move {
        let revoked: Revoked = app.revoke_with(&partner, options).await?;
        Ok(value(&RevokeReport::new(&revoked, &app.store_location())))
    };
    perform(py, handle, how, operation, hand_over)
}

/// The steps of an incident; nothing is done.
pub(crate) fn plan_incident(py: Python<'_>, handle: &Handle, how: How, request: &Value) -> PyResult<Py<PyAny>> {
    let request = IncidentRequest::from_document(request).map_err(Failure::from)?;
    let operation = move |app: App| async move { Ok(plan_document(&app.plan_incident(&request).await?)) };
    perform(py, handle, how, operation, hand_over)
}

/// An incident; `progress` is called with each step as it ends.
pub(crate) fn run_incident(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    request: &Value,
    progress: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let request = IncidentRequest::from_document(request).map_err(Failure::from)?;
    let progress = Progress::new(progress);
    let told = progress.clone();
    let operation = move |app: App| async move {
        let each = |end: &StepOutcome| {
            told.tell(|py, progress| progress.call1(py, (to_python(py, &end.to_document())?,)));
        };
        Ok(app.run_incident(&request, each).await?.to_document(true))
    };
    perform(py, handle, how, operation, move |py, document| progress.end().and_then(|()| hand_over(py, document)))
}

pub(crate) fn hand_over(py: Python<'_>, document: Value) -> PyResult<Py<PyAny>> {
    Ok(to_python(py, &document)?.unbind())
}
