//! [`Credential`]: what azure clients take for a `TokenCredential`.

use std::sync::{Arc, Mutex, PoisonError};

use partnersam::TenantRef;
use partnersam::app::token::TokenRequest;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyDict, PyString, PyTuple};
use smallvec::SmallVec;

use crate::auth::Auth;
use crate::error::Failure;
use crate::fresh::Fresh;
use crate::handle::Handle;
use crate::names::Names;
use crate::scopes;
use crate::token::{Fetched, fetch, tenant};
use crate::wait::How;

/// Tokens of one partner, in its own tenant or in one customer's: an azure `TokenCredential` and `SupportsTokenInfo`.
///
/// It has no secret of its own, and closing it closes nothing: the app it came from does.
#[pyclass(frozen, module = "partnersam", weakref)]
#[repr(C)]
pub(crate) struct Credential {
    /// What was handed out lately. There are ten thousand credentials, and most have one entry: it lies in the object itself, next to its head, so that a caller
    /// who goes through all of them waits for memory once or twice each.
    kept: Mutex<SmallVec<[Kept; 1]>>,
    handle: Arc<Handle>,
    whose: Box<Whose>,
}

/// What a token is asked for with.
struct Whose {
    partner: Option<TenantRef>,
    customer: Option<TenantRef>,
    purpose: Option<String>,
}

/// The most that a credential keeps; the core has them all.
const MOST_KEPT: usize = 16;

/// What was handed out for some scopes. In the order in which it is looked at.
#[repr(C)]
struct Kept {
    /// The scopes as they were given (one: the text itself; several: the tuple).
    scopes: Py<PyAny>,
    access_token: Py<PyAny>,
    fresh: Fresh,
    /// Whether these are of azure-core's classes.
    is_azure: bool,
    refresh_on: i64,
    /// Made when it is first asked for: few clients do, and there may be ten thousand tenants.
    info: PyOnceLock<Py<PyAny>>,
}

/// Which of the two shapes is wanted.
#[derive(Clone, Copy)]
enum Shape {
    AccessToken,
    Info,
}

#[pymethods]
impl Credential {
    /// A token for `scopes`, which must belong to one service: azure-core's AccessToken where azure-core is loaded, a tuple of the same shape where it is not.
    ///
    /// `claims`: what a service challenged for. `tenant_id`: must be the credential's own tenant. `enable_cae` changes nothing: it is always on.
    #[pyo3(signature = (*scopes, claims=None, tenant_id=None, enable_cae=false, **kwargs))]
    fn get_token(
        slf: &Bound<'_, Self>,
        scopes: &Bound<'_, PyTuple>,
        claims: Option<String>,
        tenant_id: Option<&Bound<'_, PyString>>,
        enable_cae: bool,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = (enable_cae, kwargs);
        Self::get(slf, How::Here, scopes, Asked::of(claims, tenant_id)?, Shape::AccessToken)
    }

    /// The same with when to refresh: azure-core's AccessTokenInfo.
    #[pyo3(signature = (*scopes, options=None))]
    fn get_token_info(
        slf: &Bound<'_, Self>,
        scopes: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        Self::get(slf, How::Here, scopes, Asked::of_options(options)?, Shape::Info)
    }

    /// An object that signs the requests of `requests` and `httpx` with this credential's tokens, and only those that go to the audience's own hosts.
    #[pyo3(signature = (audience="graph", *, hosts=Names::default()), text_signature = "($self, audience='graph', *, hosts=())")]
    fn auth(slf: &Bound<'_, Self>, audience: &str, hosts: Names) -> PyResult<Auth> {
        Auth::new(slf, audience, &hosts.0)
    }

    /// Does nothing: the app holds the connections.
    fn close(&self) {}

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyTuple>) {}

    fn __repr__(&self) -> String {
        let named =
            |name: &Option<TenantRef>| name.as_ref().map_or_else(|| "None".to_owned(), |name| format!("'{name}'"));
        let Whose { partner, customer, .. } = &*self.whose;
        format!("Credential(partner={}, customer={})", named(partner), named(customer))
    }

    /// For the asynchronous twin: what is at hand, or None.
    fn _at_hand(&self, py: Python<'_>, scopes: &Bound<'_, PyTuple>, info: bool) -> PyResult<Option<Py<PyAny>>> {
        self.at_hand(py, &key(scopes)?, Shape::of(info))
    }

    /// For the asynchronous twin: fetches, and tells `done`.
    fn _start(
        slf: &Bound<'_, Self>,
        done: Py<PyAny>,
        scopes: &Bound<'_, PyTuple>,
        claims: Option<String>,
        tenant_id: Option<&Bound<'_, PyString>>,
        info: bool,
    ) -> PyResult<Py<PyAny>> {
        Self::fetch(slf, How::Tell(done), scopes, Asked::of(claims, tenant_id)?, Shape::of(info))
    }
}

/// What was asked for beyond the scopes.
struct Asked {
    claims: Option<String>,
    tenant: Option<TenantRef>,
}

impl Asked {
    fn of(claims: Option<String>, tenant_id: Option<&Bound<'_, PyString>>) -> PyResult<Self> {
        // azure clients pass empty texts for what they do not know.
        Ok(Self {
            claims: claims.filter(|claims| !claims.is_empty()),
            tenant: tenant(tenant_id.filter(|name| name.len().is_ok_and(|length| length > 0)))?,
        })
    }

    fn of_options(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let Some(options) = options else { return Self::of(None, None) };
        let claims = options
            .get_item("claims")?
            .filter(|claims| !claims.is_none())
            .map(|claims| claims.extract())
            .transpose()?;
        let tenant_id = options.get_item("tenant_id")?.filter(|tenant| !tenant.is_none());
        Self::of(claims, tenant_id.as_ref().map(|tenant| tenant.cast::<PyString>()).transpose()?)
    }
}

impl Shape {
    fn of(info: bool) -> Self {
        if info { Self::Info } else { Self::AccessToken }
    }
}

impl Credential {
    pub(crate) fn new(
        handle: Arc<Handle>,
        partner: Option<TenantRef>,
        customer: Option<TenantRef>,
        purpose: Option<String>,
    ) -> Self {
        Self { kept: Mutex::default(), handle, whose: Box::new(Whose { partner, customer, purpose }) }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The token's text for one audience by its name.
    pub(crate) fn bearer(
        slf: &Bound<'_, Self>,
        audience: &Bound<'_, PyTuple>,
        claims: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let token = Self::get(slf, How::Here, audience, Asked { claims, tenant: None }, Shape::AccessToken)?;
        Ok(token.bind(slf.py()).get_item(0)?.unbind())
    }

    fn get(
        slf: &Bound<'_, Self>,
        how: How,
        scopes: &Bound<'_, PyTuple>,
        asked: Asked,
        shape: Shape,
    ) -> PyResult<Py<PyAny>> {
        if asked.claims.is_none()
            && asked.tenant.is_none()
            && let Some(token) = slf.get().at_hand(slf.py(), &key(scopes)?, shape)?
        {
            return Ok(token);
        }
        Self::fetch(slf, how, scopes, asked, shape)
    }

    fn at_hand(&self, py: Python<'_>, key: &Bound<'_, PyAny>, shape: Shape) -> PyResult<Option<Py<PyAny>>> {
        // The comparison may run Python code, of a str's subclass: with the interpreter's lock in mind.
        let all = self.kept.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = Kept::of(&all, key)?.and_then(|at| all.get(at)) else { return Ok(None) };
        if !kept.fresh.is_now(&self.handle) || (!kept.is_azure && azure_classes(py)?.is_some()) {
            return Ok(None);
        }
        kept.shaped(py, shape).map(Some)
    }

    fn fetch(
        slf: &Bound<'_, Self>,
        how: How,
        scopes: &Bound<'_, PyTuple>,
        asked: Asked,
        shape: Shape,
    ) -> PyResult<Py<PyAny>> {
        let texts: Vec<String> = scopes.extract()?;
        let Self { handle, whose, .. } = slf.get();
        let request = TokenRequest {
            partner: whose.partner.clone(),
            customer: whose.customer.clone(),
            audience: scopes::audience(texts.iter().map(String::as_str), &handle.config.authority)
                .map_err(Failure::from)?,
            claims: asked.claims,
            fresh: false,
            purpose: whose.purpose.clone(),
            app_only: false,
        };
        let key = key(scopes)?.unbind();
        let credential = slf.clone().unbind();
        fetch(slf.py(), handle, how, request, asked.tenant, move |py, Fetched { token, fresh }| {
            let made = Kept::new(py, key, &token, fresh)?;
            let wanted = made.shaped(py, shape)?;
            let mut all = credential.get().kept.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            let old = match Kept::of(&all, made.scopes.bind(py))? {
                Some(at) => Some(all.remove(at)),
                None if all.len() >= MOST_KEPT => Some(all.remove(0)),
                None => None,
            };
            all.push(made);
            drop(all);
            // What is let go of may run code of its own.
            drop(old);
            Ok(wanted)
        })
    }
}

impl Kept {
    /// Which of `all` is for these scopes.
    fn of(all: &[Self], scopes: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        for (at, kept) in all.iter().enumerate() {
            if kept.scopes.is(scopes) || scopes.eq(&kept.scopes)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn new(py: Python<'_>, scopes: Py<PyAny>, token: &partnersam::app::token::Token, fresh: Fresh) -> PyResult<Self> {
        let azure = azure_classes(py)?;
        let is_azure = azure.is_some();
        let (access_token, _) = azure.map_or_else(|| own_classes(py), Ok)?;
        // EXPOSE: azure clients take the token as a text.
        let text = PyString::new(py, token.secret().expose());
        Ok(Self {
            scopes,
            access_token: access_token.call1((text, token.expires_on.0))?.unbind(),
            info: PyOnceLock::new(),
            refresh_on: token.refresh_after.0,
            fresh,
            is_azure,
        })
    }

    fn shaped(&self, py: Python<'_>, shape: Shape) -> PyResult<Py<PyAny>> {
        match shape {
            Shape::AccessToken => Ok(self.access_token.clone_ref(py)),
            Shape::Info => self.info.get_or_try_init(py, || self.make_info(py)).map(|info| info.clone_ref(py)),
        }
    }

    fn make_info(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let azure = if self.is_azure { azure_classes(py)? } else { None };
        let (_, info) = azure.map_or_else(|| own_classes(py), Ok)?;
        let known = PyDict::new(py);
        known.set_item("refresh_on", self.refresh_on)?;
        let token = self.access_token.bind(py);
        Ok(info.call((token.get_item(0)?, token.get_item(1)?), Some(&known))?.unbind())
    }
}

fn key<'py>(scopes: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    if scopes.len() == 1 { scopes.get_item(0) } else { Ok(scopes.clone().into_any()) }
}

type Classes<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// azure-core's classes, once somebody has loaded it.
fn azure_classes(py: Python<'_>) -> PyResult<Option<Classes<'_>>> {
    static CLASSES: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    if CLASSES.get(py).is_none() {
        let modules = MODULES.get_or_try_init(py, || {
            Ok::<_, PyErr>(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind())
        })?;
        if !modules.bind(py).contains(pyo3::intern!(py, "azure.core.credentials"))? {
            return Ok(None);
        }
        match py.import("partnersam._access_token")?.call_method0("azure_classes")?.extract()? {
            None => return Ok(None),
            Some(classes) => drop(CLASSES.set(py, classes)),
        }
    }
    Ok(CLASSES.get(py).map(|(token, info)| (token.bind(py).clone(), info.bind(py).clone())))
}

fn own_classes(py: Python<'_>) -> PyResult<Classes<'_>> {
    static CLASSES: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    let (token, info) = CLASSES.get_or_try_init(py, || {
        py.import("partnersam._access_token")?.call_method0("own_classes")?.extract::<(Py<PyAny>, Py<PyAny>)>()
    })?;
    Ok((token.bind(py).clone(), info.bind(py).clone()))
}
