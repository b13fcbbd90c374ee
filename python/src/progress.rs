//! A Python callable that hears how far an operation is.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

/// Calls it, where there is one, and keeps what it raises first: what is to be done is done, and that is raised at the end.
#[derive(Clone)]
pub(crate) struct Progress {
    callable: Option<Arc<Py<PyAny>>>,
    raised: Arc<Mutex<Option<PyErr>>>,
}

impl Progress {
    pub(crate) fn new(callable: Option<Py<PyAny>>) -> Self {
        Self { callable: callable.map(Arc::new), raised: Arc::default() }
    }

    /// Makes the arguments only where somebody hears them.
    pub(crate) fn tell(&self, call: impl FnOnce(Python<'_>, &Py<PyAny>) -> PyResult<Py<PyAny>>) {
        let Some(callable) = &self.callable else { return };
        if let Some(Err(error)) = Python::try_attach(|py| call(py, callable).map(drop)) {
            self.raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Raises what it raised, once the operation has ended.
    pub(crate) fn end(&self) -> PyResult<()> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}
