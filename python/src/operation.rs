//! An operation that runs beside Python: what the asynchronous twin awaits.

use std::future::Future;

use partnersam::error::Result;
use pyo3::prelude::*;
use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;

use crate::error::to_exception;
use crate::wait::panicked;

/// An operation under way. What it sent is saved even if it is cancelled: redemptions are tasks of their own.
#[pyclass(frozen, module = "partnersam._native", name = "_Operation")]
pub(crate) struct Operation(AbortHandle);

#[pymethods]
impl Operation {
    /// Ends the wait; nobody is told.
    fn cancel(&self) {
        self.0.abort();
    }
}

impl Operation {
    pub(crate) fn start<T: Send + 'static>(
        runtime: &Runtime,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
        done: Py<PyAny>,
    ) -> Self {
        let task = runtime.spawn(operation);
        let abort = task.abort_handle();
        let tell = runtime.clone();
        runtime.spawn(async move {
            let result = match task.await {
                Ok(result) => result,
                Err(error) if error.is_panic() => Err(panicked()),
                // Cancelled: whoever did it does not ask any more.
                Err(_) => return drop(done),
            };
            // Waiting for the interpreter's lock must not hold up the runtime's own threads.
            tell.spawn_blocking(move || {
                // Without an interpreter there is nobody to tell.
                Python::try_attach(|py| {
                    let told = match result.map(|value| convert(py, value)) {
                        Ok(Ok(value)) => done.call1(py, (value, py.None())),
                        Ok(Err(error)) => done.call1(py, (py.None(), error.into_value(py))),
                        Err(error) => to_exception(py, &error).and_then(|error| done.call1(py, (py.None(), error))),
                    };
                    // The event loop was closed in the meantime.
                    drop(told);
                });
            });
        });
        Self(abort)
    }
}
