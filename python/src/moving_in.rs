//! Moving in from other tools: the request as Python's keywords have it.

use partnersam::app::config::VaultOpener;
use partnersam::app::import::{ImportOptions, MoveRequest};
use partnersam::moving_in::Source;
use partnersam::{Audience, TenantRef};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zeroize::Zeroizing;

use crate::error::{Failure, invalid};

/// What becomes of the place that a token comes from, and what is insisted on.
#[derive(Clone, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) allow_without_mfa: bool,
    pub(crate) purpose: Option<String>,
    pub(crate) vault_identity: Option<&'a str>,
    pub(crate) write_back: bool,
    pub(crate) purge: bool,
}

/// A place by its name, or what was in one as bytes.
pub(crate) fn source(given: &Bound<'_, PyAny>) -> PyResult<Source> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(Source::Given(Zeroizing::new(bytes.as_bytes().to_vec())));
    }
    let path = given.py().import("os")?.call_method1("fspath", (given,))?;
    let Ok(text) = path.cast::<PyString>() else {
        return Err(Failure::from(invalid("source must be a name, a path or bytes")).into());
    };
    Ok(text.to_str()?.parse().map_err(Failure::from)?)
}

pub(crate) fn request(
    partner: TenantRef,
    source: Source,
    audiences: Vec<Audience>,
    wish: Wish<'_>,
) -> PyResult<MoveRequest> {
    let mut request = MoveRequest::new(partner, source);
    request.options = ImportOptions { audiences, purpose: wish.purpose, allow_without_mfa: wish.allow_without_mfa };
    request.write_back = wish.write_back;
    request.purge = wish.purge;
    if let Some(name) = wish.vault_identity {
        request.vault_identity = name.parse::<VaultOpener>().map_err(Failure::from)?;
    }
    Ok(request)
}
