//! An [`Error`] of the core as a Python exception: its document, whole, in an instance of the class of its category.

use std::time::Duration;

use partnersam::error::{EntraDetails, Error, ErrorKind, Retry};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::callbacks::Raised;
use crate::json::to_python;

/// An [`Error`] on its way to Python; `?` turns it into the exception.
pub(crate) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| match to_exception(py, &failure.0) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        })
    }
}

/// The exception as an object, for where an error is a value.
pub(crate) fn to_exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    static FROM_DOCUMENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let document = serde_json::to_value(error.to_document()).unwrap_or_default();
    let from_document = FROM_DOCUMENT.import(py, "partnersam.exceptions", "from_document")?;
    let exception = from_document.call1((to_python(py, &document)?,))?;
    if let Some(raised) = Raised::take(error) {
        PyErr::from_value(exception.clone()).set_cause(py, Some(raised));
    }
    Ok(exception)
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "call", message)
}

/// Every kind of error, once bare and once with every field filled, as JSON text beside the exception: what the tests compare field by field.
#[pyfunction]
pub(crate) fn _error_table(py: Python<'_>) -> PyResult<Vec<(String, Py<PyAny>)>> {
    let mut table = Vec::with_capacity(2 * ErrorKind::ALL.len());
    for kind in ErrorKind::ALL {
        for error in [Error::new(*kind, "token", kind.sentence()), filled(*kind)] {
            table.push((error.to_json(), to_exception(py, &error)?.unbind()));
        }
    }
    Ok(table)
}

fn filled(kind: ErrorKind) -> Error {
    let error = Error::new(kind, "renew", "what the service said: \"no\" \u{2192} é")
        .with_hint("do this instead")
        .with_http_status(429)
        .with_service_code("900421")
        .with_entra(EntraDetails {
            error: "invalid_grant".to_owned(),
            codes: vec![70043, 50076],
            suberror: Some("basic_action".to_owned()),
            trace_id: Some("11111111-2222-3333-4444-555555555555".to_owned()),
            correlation_id: Some("66666666-7777-8888-9999-000000000000".to_owned()),
            timestamp: Some("2026-11-21 08:00:00Z".to_owned()),
            claims: Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#.to_owned()),
        })
        .with_context("partner", "fabrikam.com")
        .with_context("audience", "graph")
        .with_cause("the outer cause")
        .with_cause("the inner cause");
    if kind.retry() == Retry::After { error.with_retry_after(Duration::from_millis(1500)) } else { error }
}
