//! Python callables by which the app proves itself.

use std::sync::{Arc, Mutex, PoisonError};

use partnersam::app::credential::Callbacks;
use partnersam::error::{Error, ErrorKind, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// `signer(algorithm, message)` returns the signature as bytes; `assertion()` returns a signed JWT as text. They run on threads of the core's, with the
/// interpreter's lock while they are in Python, so the thread that waits for a token may go on and Ctrl-C ends its wait.
pub(crate) fn callbacks(
    py: Python<'_>,
    signer: Option<Py<PyAny>>,
    assertion: Option<Py<PyAny>>,
) -> PyResult<Callbacks> {
    let mut callbacks = Callbacks::default();
    for (name, given) in [("signer", &signer), ("assertion", &assertion)] {
        if given.as_ref().is_some_and(|given| !given.bind(py).is_callable()) {
            return Err(PyTypeError::new_err(format!("{name} must be callable")));
        }
    }
    if let Some(signer) = signer {
        callbacks = callbacks.signer(move |algorithm, message| {
            call("signer", &signer, |py, signer| {
                signer.call1((algorithm.name(), PyBytes::new(py, message)))?.extract::<Vec<u8>>()
            })
        });
    }
    if let Some(assertion) = assertion {
        callbacks = callbacks
            .assertion(move || call("assertion", &assertion, |_, assertion| assertion.call0()?.extract::<String>()));
    }
    Ok(callbacks)
}

/// What a callable raised, tied to the error that it became. Whoever raises that error takes it as the `__cause__`; one that nobody raises, because another
/// credential helped or nobody waits any more, goes to `sys.unraisablehook`. It may say more than an error here may hold, so the error names its type only.
pub(crate) struct Raised(Mutex<Option<PyErr>>);

impl Raised {
    /// Taken once: a refusal that is remembered must not keep a traceback alive, and is no news the second time.
    pub(crate) fn take(error: &Error) -> Option<PyErr> {
        error.attached::<Self>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(raised) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Python::try_attach(|py| raised.write_unraisable(py, None));
        }
    }
}

fn call<T>(
    name: &'static str,
    callable: &Py<PyAny>,
    run: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
) -> Result<T> {
    let outcome = Python::try_attach(|py| {
        run(py, callable.bind(py)).map_err(|raised| {
            let kind = raised.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
            Error::new(ErrorKind::AppCredentialInvalid, "token", format!("the {name} callable raised {kind}"))
                .with_hint("see the exception that it raised, and correct the callable")
                .with_attached(Arc::new(Raised(Mutex::new(Some(raised)))))
        })
    });
    outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "token", "the interpreter is on its way out")))
}
