//! [`Token`]: an access token and what is known of it.

use std::sync::Arc;

use partnersam::app;
use partnersam::app::token::TokenRequest;
use partnersam::clock::{Clock, SystemClock};
use partnersam::error::ErrorKind;
use partnersam::{Audience, TenantRef};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::error::{Failure, to_exception};
use crate::fresh::Fresh;
use crate::handle::Handle;
use crate::wait::{How, perform};

/// An access token and what is known of it. Times are Unix times, in seconds.
#[pyclass(frozen, module = "partnersam")]
pub(crate) struct Token(Arc<app::token::Token>);

#[pymethods]
impl Token {
    /// The token itself, for the `Authorization` header.
    #[getter]
    fn token(&self) -> &str {
        // EXPOSE: the caller asked for it; from here on it is in the caller's hands.
        self.0.secret().expose()
    }

    /// When it ends.
    #[getter]
    fn expires_on(&self) -> i64 {
        self.0.expires_on.0
    }

    /// From when a new one should be asked for.
    #[getter]
    fn refresh_on(&self) -> i64 {
        self.0.refresh_after.0
    }

    /// Id of the tenant it is good in.
    #[getter]
    fn tenant(&self) -> String {
        self.0.tenant.to_string()
    }

    /// Tenant id of the partner whose grant it came from.
    #[getter]
    fn partner(&self) -> String {
        self.0.partner.to_string()
    }

    /// The service it is for.
    #[getter]
    fn audience(&self) -> &str {
        self.0.audience.name()
    }

    /// Scopes it was issued with.
    #[getter]
    fn scopes(&self) -> Vec<String> {
        self.0.scopes.to_vec()
    }

    /// Whether MFA is in it: `yes`, `no` or `unknown`.
    #[getter]
    fn mfa(&self) -> &'static str {
        self.0.mfa.as_str()
    }

    /// What went wrong without keeping the token from you.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.0.warnings.iter().map(|error| to_exception(py, error)).collect()
    }

    fn __repr__(&self) -> String {
        let Self(token) = self;
        format!(
            "Token(token='***', audience='{}', tenant='{}', expires_on={}, mfa='{}')",
            token.audience,
            token.tenant,
            token.expires_on.0,
            token.mfa.as_str()
        )
    }
}

impl Token {
    pub(crate) fn new(token: Arc<app::token::Token>) -> Self {
        Self(token)
    }
}

/// A token of the core, and from where on it counts as kept.
pub(crate) struct Fetched {
    pub(crate) token: Arc<app::token::Token>,
    pub(crate) fresh: Fresh,
}

/// Asks the core for the token of `request` and gives it to `convert`.
///
/// `only_tenant`: refuse any token that is not good in that tenant.
pub(crate) fn fetch(
    py: Python<'_>,
    handle: &Arc<Handle>,
    how: How,
    request: TokenRequest,
    only_tenant: Option<TenantRef>,
    convert: impl FnOnce(Python<'_>, Fetched) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let shared = handle.clone();
    let replaces = request.fresh || request.claims.is_some();
    let operation = move |app: app::App| async move {
        let stamp = shared.stamp(&app);
        let token = app.token(&request).await?;
        if let Some(named) = only_tenant
            && app.tenant(&named).await? != token.tenant
        {
            return Err(partnersam::Error::new(
                ErrorKind::InvalidArgument,
                "token",
                format!("tenant_id names another tenant than the credential's: {named}"),
            )
            .with_hint("make a credential for that customer: app.credential(partner, customer=...)"));
        }
        let stamp = if replaces {
            shared.note_replaced();
            shared.stamp(&app)
        } else {
            stamp
        };
        Ok(Fetched { fresh: Fresh::new(&token, stamp, SystemClock.now(), !shared.config.audit.memory_hits), token })
    };
    perform(py, handle, how, operation, move |py, fetched: Fetched| {
        warn(py, &fetched.token)?;
        convert(py, fetched)
    })
}

/// A store that could not be written must not go unnoticed, whoever asked for the token.
fn warn(py: Python<'_>, token: &app::token::Token) -> PyResult<()> {
    static WARNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    for error in &token.warnings {
        let category = WARNING.import(py, "partnersam.exceptions", "PartnerSamWarning")?;
        let text = to_exception(py, error)?.str()?;
        py.import("warnings")?.call_method1("warn", (text, category))?;
    }
    Ok(())
}

/// Tokens that an app has handed out, by the very arguments they were asked with.
pub(crate) struct Recent(Py<PyDict>);

#[pyclass(frozen, module = "partnersam._native", name = "_Kept")]
struct Kept {
    token: Py<Token>,
    fresh: Fresh,
}

/// More than this many and all are dropped; the core still has them.
const MOST: usize = 65_536;

impl Recent {
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self(PyDict::new(py).unbind())
    }

    pub(crate) fn get(&self, py: Python<'_>, handle: &Handle, key: &Bound<'_, PyTuple>) -> PyResult<Option<Py<PyAny>>> {
        let Some(kept) = self.0.bind(py).get_item(key)? else { return Ok(None) };
        let kept = kept.cast::<Kept>()?.get();
        Ok(kept.fresh.is_now(handle).then(|| kept.token.clone_ref(py).into_any()))
    }

    pub(crate) fn keep(&self, py: Python<'_>, key: Py<PyTuple>, token: Py<Token>, fresh: Fresh) -> PyResult<()> {
        let kept = self.0.bind(py);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.set_item(key, Bound::new(py, Kept { token, fresh })?)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py))
    }
}

/// A tenant as people write it, or none.
pub(crate) fn tenant(name: Option<&Bound<'_, PyString>>) -> PyResult<Option<TenantRef>> {
    name.map(|name| Ok(name.to_cow()?.parse::<TenantRef>().map_err(Failure::from)?)).transpose()
}

pub(crate) fn audience(name: &Bound<'_, PyString>) -> PyResult<Audience> {
    Ok(name.to_cow()?.parse().map_err(Failure::from)?)
}
