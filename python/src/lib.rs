//! `partnersam._native`: the core for Python. It joins and converts; what is decided is decided in the core.

mod auth;
mod callbacks;
#[cfg(feature = "command")]
mod command;
mod consent;
mod credential;
mod customers;
mod documents;
mod error;
mod explain;
mod fresh;
mod grant;
mod handle;
mod json;
mod moving_in;
mod names;
mod operation;
mod partner_app;
mod progress;
mod scopes;
mod store;
mod token;
mod wait;

/// For the core's own memory, not Python's: redeeming ten thousand grants is thousands of strings of a kilobyte or two, which glibc's allocator splits, joins
/// and looks for over and over. A module has to itself what a library in another program's process must not choose for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The native half of the package `partnersam`.
#[pyo3::pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::auth::Auth;
    #[cfg(feature = "command")]
    #[pymodule_export]
    use super::command::main;
    #[pymodule_export]
    use super::consent::{ConsentLink, Consented, DeviceConsent};
    #[pymodule_export]
    use super::credential::Credential;
    #[pymodule_export]
    use super::error::_error_table;
    #[pymodule_export]
    use super::explain::{CustomerStep, Explanation, explain};
    #[pymodule_export]
    use super::grant::{Grant, Renewed};
    #[pymodule_export]
    use super::handle::{_after_fork, _before_fork, _note_fork, _settle};
    #[pymodule_export]
    use super::operation::Operation;
    #[pymodule_export]
    use super::partner_app::{PartnerApp, Starter};
    #[pymodule_export]
    use super::token::Token;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
