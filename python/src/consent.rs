//! What a consent begins with and what it comes to.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use partnersam::App;
use partnersam::app::consent::{self, ConsentOptions};
use partnersam::clock::UnixTime;
use partnersam::error::{Error, ErrorKind, Result};
use partnersam::store::Taint;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString};

use crate::error::to_exception;
use crate::token::Token;

/// A link to send to the partner: good once, for one partner, until `expires_on` (Unix time).
#[pyclass(frozen, get_all, module = "partnersam")]
pub(crate) struct ConsentLink {
    /// The address to open.
    url: String,
    /// What the reply will repeat.
    state: String,
    /// Tenant id of the invited partner.
    partner: String,
    /// Where the reply goes.
    redirect_uri: String,
    /// When the link ends.
    expires_on: i64,
}

#[pymethods]
impl ConsentLink {
    fn __repr__(&self) -> String {
        format!(
            "ConsentLink(url='***', partner='{}', redirect_uri='{}', expires_on={})",
            self.partner, self.redirect_uri, self.expires_on
        )
    }
}

impl From<consent::ConsentLink> for ConsentLink {
    fn from(link: consent::ConsentLink) -> Self {
        Self {
            url: link.url.into(),
            state: link.state,
            partner: link.partner.to_string(),
            redirect_uri: link.redirect_uri.into(),
            expires_on: link.expires_on.0,
        }
    }
}

/// A consent that became a grant.
#[pyclass(frozen, get_all, module = "partnersam")]
pub(crate) struct Consented {
    /// Tenant id of the partner.
    partner: String,
    /// How the partner was named.
    name: String,
    /// Who signed in.
    user_name: String,
    /// Whether MFA is proved: `yes`, `no` or `unknown`.
    mfa: &'static str,
    /// The sign-in methods that the token names.
    amr: Vec<String>,
    /// When the grant ends if it is not used before (Unix time).
    expires_on: i64,
    /// What makes it weaker than it should be.
    taints: Vec<&'static str>,
    /// Each audience asked for, by name: its Token, or the PartnerSamError that says why there is none.
    audiences: Py<PyDict>,
}

#[pymethods]
impl Consented {
    fn __repr__(&self) -> String {
        format!(
            "Consented(partner='{}', name='{}', user_name='{}', mfa='{}', expires_on={})",
            self.partner, self.name, self.user_name, self.mfa, self.expires_on
        )
    }
}

impl Consented {
    pub(crate) fn new(py: Python<'_>, consented: consent::Consented) -> PyResult<Self> {
        let audiences = PyDict::new(py);
        for (audience, token) in consented.audiences {
            match token {
                Ok(token) => audiences.set_item(audience.name(), Bound::new(py, Token::new(token))?)?,
                Err(error) => audiences.set_item(audience.name(), to_exception(py, &error)?)?,
            }
        }
        Ok(Self {
            partner: consented.partner.to_string(),
            name: consented.name,
            user_name: consented.user_name,
            mfa: consented.mfa.verdict.as_str(),
            amr: consented.mfa.amr,
            expires_on: consented.expires_on.0,
            taints: consented.taints.iter().copied().map(Taint::as_str).collect(),
            audiences: audiences.unbind(),
        })
    }
}

/// A consent by device code: show `user_code` and `verification_uri` to the person, then complete it.
#[pyclass(frozen, module = "partnersam")]
pub(crate) struct DeviceConsent {
    /// The code to type.
    #[pyo3(get)]
    user_code: String,
    /// Where to type it.
    #[pyo3(get)]
    verification_uri: String,
    /// When the code ends (Unix time).
    #[pyo3(get)]
    expires_on: i64,
    complete: Mutex<Option<Complete>>,
}

/// Waits for the person with the device code that it holds.
pub(crate) type Complete = Box<dyn FnOnce(App, ConsentOptions) -> Completing + Send>;
pub(crate) type Completing = Pin<Box<dyn Future<Output = Result<consent::Consented>> + Send>>;

#[pymethods]
impl DeviceConsent {
    fn __repr__(&self) -> String {
        format!(
            "DeviceConsent(user_code='{}', verification_uri='{}', expires_on={})",
            self.user_code, self.verification_uri, self.expires_on
        )
    }
}

impl DeviceConsent {
    pub(crate) fn new(user_code: &str, verification_uri: &str, expires_on: UnixTime, complete: Complete) -> Self {
        Self {
            user_code: user_code.to_owned(),
            verification_uri: verification_uri.to_owned(),
            expires_on: expires_on.0,
            complete: Mutex::new(Some(complete)),
        }
    }

    /// What is waited with; a second wait for the same code is refused.
    pub(crate) fn take(&self) -> Result<Complete> {
        let complete = self.complete.lock().unwrap_or_else(PoisonError::into_inner).take();
        complete.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "consent", "this device consent was completed before")
                .with_hint("begin a new one")
        })
    }
}

/// A reply as web frameworks hand it over: the posted body, the query, the whole address, or the parsed form.
pub(crate) fn reply(given: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(text.to_cow()?.into_owned());
    }
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    let form = given.cast::<PyMapping>()?;
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for pair in form.items()?.try_iter()? {
        let (name, value): (String, String) = pair?.extract()?;
        encoded.append_pair(&name, &value);
    }
    Ok(encoded.finish())
}
