//! The store's key, and a store that moves to another host.

use std::path::PathBuf;

use partnersam::App;
use partnersam::app::move_store::{Arrived, Opening, Sealing};
use partnersam::app::report::value;
use partnersam::app::rotate_key::RotationRequest;
use pyo3::prelude::*;
use serde_json::Value;

use crate::documents::hand_over;
use crate::error::Failure;
use crate::handle::Handle;
use crate::json::to_python;
use crate::progress::Progress;
use crate::wait::{How, perform};

/// What is known of the store's key.
pub(crate) fn key_status(py: Python<'_>, handle: &Handle, how: How) -> PyResult<Py<PyAny>> {
    let operation = |app: App| async move { Ok(app.key_document(&app.key_status().await?)) };
    perform(py, handle, how, operation, hand_over)
}

/// A new key; `progress` is called with how many grants are done, and of how many.
pub(crate) fn rotate_key(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    request: &Value,
    progress: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let request = RotationRequest::from_document(request).map_err(Failure::from)?;
    let progress = Progress::new(progress);
    let told = progress.clone();
    let operation = move |app: App| async move {
        let each = |done: u64, of: u64| told.tell(|py, progress| progress.call1(py, (done, of)));
        app.rotate_key_document(&request, each).await
    };
    perform(py, handle, how, operation, move |py, document| progress.end().and_then(|()| hand_over(py, document)))
}

/// The old key goes from this host's source.
pub(crate) fn retire_key(py: Python<'_>, handle: &Handle, how: How) -> PyResult<Py<PyAny>> {
    perform(py, handle, how, |app: App| async move { app.retire_key_document().await }, hand_over)
}

/// All grants into a file.
pub(crate) fn export(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    path: PathBuf,
    recipients: Vec<String>,
    passphrase: Option<&str>,
) -> PyResult<Py<PyAny>> {
    let sealing = Sealing::by(recipients, passphrase).map_err(Failure::from)?;
    let operation = move |app: App| async move { app.export_document(&path, &sealing, |_, _| {}).await };
    perform(py, handle, how, operation, hand_over)
}

/// The grants of such a file; `progress` is called with each.
pub(crate) fn import(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    path: PathBuf,
    (identity, passphrase): (Option<&str>, Option<&str>),
    progress: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let opening = Opening::by(identity, passphrase).map_err(Failure::from)?;
    let progress = Progress::new(progress);
    let told = progress.clone();
    let operation = move |app: App| async move {
        let each =
            |_, _, arrived: &Arrived| told.tell(|py, progress| progress.call1(py, (to_python(py, &value(arrived))?,)));
        app.import_document(&path, &opening, each).await
    };
    perform(py, handle, how, operation, move |py, document| progress.end().and_then(|()| hand_over(py, document)))
}
