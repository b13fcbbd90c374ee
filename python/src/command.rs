//! The command line inside the wheel.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command `partnersam` with these arguments, the first being the program's name, and returns its exit code.
#[pyfunction]
#[pyo3(name = "_main")]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<i32> {
    // How the command starts itself again: Python is not it.
    let python: OsString = py.import("sys")?.getattr("executable")?.extract()?;
    let itself = vec![python, "-m".into(), "partnersam".into()];
    Ok(py.detach(|| partnersam_cli::run_as(itself, arguments)))
}
