//! Waiting with the interpreter's lock released, and with an ear for Ctrl-C.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use partnersam::app;
use partnersam::error::{Error, ErrorKind, Result};
use pyo3::prelude::*;

use crate::error::Failure;
use crate::handle::Handle;
use crate::operation::Operation;

/// How an operation is waited for.
pub(crate) enum How {
    /// By this thread.
    Here,
    /// By nobody: the callable is told the end of it, as a value or an error, from another thread.
    Tell(Py<PyAny>),
}

/// Runs `operation`, and makes of its result what Python gets: that itself, or the [`Operation`] that is under way.
pub(crate) fn perform<T, F>(
    py: Python<'_>,
    handle: &Handle,
    how: How,
    operation: impl FnOnce(app::App) -> F + Send,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Py<PyAny>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let app = handle.app().map_err(Failure::from)?;
    match how {
        How::Here => {
            let value = until(py, move |interrupt| app.run(operation, interrupt))?;
            convert(py, value)
        }
        How::Tell(done) => {
            // In a forked child this opens the app anew.
            let (runtime, app) = py.detach(|| Ok::<_, Error>((app.runtime()?, app.app()?))).map_err(Failure::from)?;
            Ok(Operation::start(&runtime, operation(app), convert, done).into_pyobject(py)?.into_any().unbind())
        }
    }
}

/// Runs `wait` with the lock released. What it is given to call now and then notices Ctrl-C, and then Python's own exception comes out of here.
pub(crate) fn until<T: Send>(
    py: Python<'_>,
    wait: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<T> + Send,
) -> PyResult<T> {
    let mut signal = None;
    let result = py.detach(|| {
        let mut interrupt = || {
            match Python::try_attach(|py| py.check_signals()) {
                Some(Ok(())) => return Ok(()),
                Some(Err(raised)) => signal = Some(raised),
                // The interpreter is on its way out: nobody is left to wait for.
                None => {}
            }
            Err(Error::new(ErrorKind::Cancelled, "call", "the call was interrupted"))
        };
        contained(|| wait(&mut interrupt))
    });
    match (signal, result) {
        (Some(raised), _) => Err(raised),
        (None, result) => Ok(result.map_err(Failure::from)?),
    }
}

/// A panic in here becomes an error.
pub(crate) fn contained<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked()))
}

pub(crate) fn panicked() -> Error {
    Error::new(ErrorKind::Panic, "call", "partnersam stopped at a defect and contained it")
}
