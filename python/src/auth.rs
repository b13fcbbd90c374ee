//! [`Auth`]: signs the requests of `requests` and `httpx`, and no request that goes elsewhere.

use partnersam::Audience;
use partnersam::error::{Error, ErrorKind};
use partnersam::hosts::Hosts;
use partnersam::protocol::claims_challenge;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

use crate::credential::Credential;
use crate::error::Failure;

/// Signs requests: give it as `auth=` to `requests` or `httpx`. It sets the `Authorization` header of a request over https to a host of its audience,
/// and refuses every other with HostNotAllowed. Where the answer is a challenge for claims, the request is sent once more with a token that satisfies them.
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
    /// What requests calls, and whoever else takes a function that signs.
    fn __call__<'py>(slf: &Bound<'py, Self>, request: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get()._sign(py, &request, None)?;
        if request.hasattr(pyo3::intern!(py, "register_hook"))? {
            static FOLLOW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            FOLLOW.import(py, "partnersam._requests_auth", "follow")?.call1((slf, &request))?;
        }
        Ok(request)
    }

    /// What httpx goes through for each request, once it takes this for one of its own.
    fn sync_auth_flow<'py>(slf: &Bound<'py, Self>, request: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static FLOW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        FLOW.import(slf.py(), "partnersam._httpx_auth", "flow")?.call1((slf, request))
    }

    /// The same for an asynchronous client, which waits for the token as for any other call.
    fn async_auth_flow<'py>(slf: &Bound<'py, Self>, request: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static FLOW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        FLOW.import(slf.py(), "partnersam._httpx_auth", "async_flow")?.call1((slf, request))
    }

    /// httpx asks an object for its class. It is `httpx.Auth`'s once httpx is there, and nobody need import it for that.
    #[getter(__class__)]
    fn class<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let modules = py.import("sys")?.getattr("modules")?;
        let httpx = modules.call_method1("get", ("httpx",))?;
        match httpx.getattr_opt("Auth")? {
            Some(class) => Ok(class),
            None => Ok(slf.get_type().into_any()),
        }
    }

    /// Sets the header, with a token that satisfies what `challenge` asks for.
    #[pyo3(signature = (request, challenge))]
    fn _sign(&self, py: Python<'_>, request: &Bound<'_, PyAny>, challenge: Option<String>) -> PyResult<()> {
        self._check(&request.getattr(pyo3::intern!(py, "url"))?.str()?)?;
        let token = Credential::bearer(self.credential.bind(py), self.scopes.bind(py), challenge)?;
        let header = PyString::new(py, "Bearer ").add(token)?;
        request.getattr(pyo3::intern!(py, "headers"))?.set_item(pyo3::intern!(py, "Authorization"), header)
    }

    /// Whether these WWW-Authenticate headers ask for claims.
    #[expect(clippy::unused_self, reason = "a method, so that the package's own modules need nothing but this object")]
    fn _challenged(&self, headers: Vec<String>) -> bool {
        claims_challenge::find(&headers).is_some()
    }

    /// Whether a request to this address may be signed.
    fn _allows(&self, url: &Bound<'_, PyString>) -> PyResult<bool> {
        Ok(self.hosts.allow(&url.to_cow()?))
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
        let authority = &credential.get().handle().config.authority;
        let audience: Audience = audience.parse().map_err(Failure::from)?;
        let audience = audience.at(authority).map_err(Failure::from)?.into_owned();
        let hosts = Hosts::of(&audience, authority, more).map_err(Failure::from)?;
        let scopes = PyTuple::new(credential.py(), [audience.name()])?.unbind();
        Ok(Self { credential: credential.clone().unbind(), audience, scopes, hosts })
    }
}
