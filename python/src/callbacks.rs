//! Python callables by which the app proves itself.

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

/// What it raises goes to `sys.unraisablehook`, with its traceback: it may say more than an error here may hold. The error names its type.
fn call<T>(
    name: &'static str,
    callable: &Py<PyAny>,
    run: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
) -> Result<T> {
    let outcome = Python::try_attach(|py| {
        let callable = callable.bind(py);
        run(py, callable).map_err(|raised| {
            let kind = raised.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
            raised.write_unraisable(py, Some(callable));
            Error::new(ErrorKind::AppCredentialInvalid, "token", format!("the {name} callable raised {kind}"))
                .with_hint("see the traceback that Python printed, and correct the callable")
        })
    });
    outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "token", "the interpreter is on its way out")))
}
