//! [`Auth`]: signs the requests of `requests` and `httpx`, and no request that goes elsewhere.

use partnersam::Audience;
use partnersam::error::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::credential::Credential;
use crate::error::Failure;
use crate::hosts::Hosts;

/// Signs requests: give it as `auth=` to `requests` or `httpx`. It sets the `Authorization` header of a request over https to a host of its audience,
/// and refuses every other with HostNotAllowed.
#[pyclass(frozen, module = "partnersam")]
pub(crate) struct Auth {
    credential: Py<Credential>,
    audience: Audience,
    /// The audience's name as the scopes of a call.
    scopes: Py<PyTuple>,
    hosts: Hosts,
}

#[pymethods]
impl Auth {
    fn __call__<'py>(&self, py: Python<'py>, request: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self._check(&request.getattr(pyo3::intern!(py, "url"))?.str()?)?;
        let token = self.credential.get().bearer(py, self.scopes.bind(py))?;
        let header = PyString::new(py, "Bearer ").add(token)?;
        request.getattr(pyo3::intern!(py, "headers"))?.set_item(pyo3::intern!(py, "Authorization"), header)?;
        Ok(request)
    }

    fn __repr__(&self) -> String {
        format!("Auth(audience='{}')", self.audience)
    }

    /// Refuses a request to any other address than the audience's.
    fn _check(&self, url: &Bound<'_, PyString>) -> PyResult<()> {
        let url = url.to_cow()?;
        if self.hosts.allow(&url) {
            return Ok(());
        }
        // Of the address no more than the host: the rest may be anybody's secret.
        let host = url::Url::parse(&url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_else(|| "not an address".to_owned());
        let error = Error::new(
            ErrorKind::HostNotAllowed,
            "auth",
            format!("a token for {} is not for this address, so nothing was sent: {host}", self.audience),
        )
        .with_hint("make the auth object for that service's audience, or name the host in hosts=")
        .with_context("audience", &self.audience);
        Err(Failure::from(error).into())
    }
}

impl Auth {
    pub(crate) fn new(credential: &Bound<'_, Credential>, audience: &str, more: &[String]) -> PyResult<Self> {
        let audience: Audience = audience.parse().map_err(Failure::from)?;
        let hosts = Hosts::of(&audience, &credential.get().handle().config.authority, more).map_err(Failure::from)?;
        let scopes = PyTuple::new(credential.py(), [audience.name()])?.unbind();
        Ok(Self { credential: credential.clone().unbind(), audience, scopes, hosts })
    }
}
