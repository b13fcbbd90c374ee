//! [`PartnerApp`], and the same operations for the asynchronous twin: each is written once, in [`Operations`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use partnersam::app::consent::{ConsentOptions, ConsentRequest, ResponseMode};
use partnersam::app::credentials::CredentialReport;
use partnersam::app::customers::report::Run;
use partnersam::app::doctor::DoctorRequest;
use partnersam::app::import::ImportOptions;
use partnersam::app::incident::RevokeOptions;
use partnersam::app::renew;
use partnersam::app::token::TokenRequest;
use partnersam::clock::{Clock, SystemClock};
use partnersam::secret::RefreshToken;
use partnersam::{Config, TenantRef};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString, PyTuple};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::callbacks::callbacks;
use crate::consent::{Completing, ConsentLink, Consented, DeviceConsent, reply};
use crate::credential::Credential;
use crate::customers::{self, Wanted};
use crate::documents;
use crate::error::{Failure, invalid};
use crate::grant::{Grant, Renewed};
use crate::handle::Handle;
use crate::json;
use crate::moving_in::{self, Wish};
use crate::names::Names;
use crate::progress::Progress;
use crate::store;
use crate::token::{Fetched, Recent, Token, audience, fetch, tenant};
use crate::wait::{How, perform};

/// One app registration with its store: consents, grants, tokens. Safe to share between threads, and after a fork.
#[pyclass(frozen, module = "partnersam", weakref)]
pub(crate) struct PartnerApp {
    handle: Arc<Handle>,
    recent: Recent,
}

/// A [`PartnerApp`] whose operations take a callable first, and tell it `(value, error)` when they end.
#[pyclass(frozen, module = "partnersam._native", name = "_Starter")]
pub(crate) struct Starter {
    handle: Arc<Handle>,
    recent: Recent,
}

const FORM_POST: &str = "form_post";

#[pymethods]
impl PartnerApp {
    /// The app that the environment and the user's configuration file describe.
    #[staticmethod]
    #[pyo3(signature = (*, signer=None, assertion=None))]
    fn from_env(py: Python<'_>, signer: Option<Py<PyAny>>, assertion: Option<Py<PyAny>>) -> PyResult<Self> {
        let callbacks = callbacks(py, signer, assertion)?;
        Self::open(py, move || Config::from_env_with(callbacks))
    }

    /// The app that this TOML file describes, then the environment.
    #[staticmethod]
    #[pyo3(signature = (path, *, signer=None, assertion=None))]
    fn from_config(
        py: Python<'_>,
        path: PathBuf,
        signer: Option<Py<PyAny>>,
        assertion: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let callbacks = callbacks(py, signer, assertion)?;
        Self::open(py, move || Config::from_file_with(&path, callbacks))
    }

    /// The app that a mapping with the keys of the configuration file describes, then the environment. It may also hold `client_secret`.
    #[staticmethod]
    #[pyo3(signature = (config, *, signer=None, assertion=None))]
    fn from_dict(
        py: Python<'_>,
        config: &Bound<'_, PyMapping>,
        signer: Option<Py<PyAny>>,
        assertion: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let text = Zeroizing::new(Value::Object(json::from_python(config)?).to_string());
        let callbacks = callbacks(py, signer, assertion)?;
        Self::open(py, move || Config::from_json_with(&text, callbacks))
    }

    /// The app's client id.
    #[getter]
    fn client_id(&self) -> &str {
        self.handle.config.client_id.as_str()
    }

    /// What issues its tokens: a cloud's name, `emulator`, or `generic:NAME`.
    #[getter]
    fn authority(&self) -> &str {
        self.handle.config.authority.name()
    }

    /// Where its grants are.
    #[getter]
    fn store(&self) -> &str {
        &self.handle.config.store
    }

    /// How the app's credentials stand, the newer first: `credential`, `standing` (`good`, `ends_soon`, `ended`, `unknown`), `expires_on`, `expires_in`
    /// (seconds), `ends_within_days`, `readable`. Sends nothing.
    #[getter]
    fn app_credentials(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let app = self.handle.app().and_then(|app| app.app()).map_err(Failure::from)?;
        let now = SystemClock.now();
        let reports: Vec<_> =
            py.detach(|| app.credentials().iter().map(|status| CredentialReport::new(status, now)).collect());
        document(py, serde_json::to_value(reports))
    }

    /// Looks at everything that has to be right for a token to come; the document that `partnersam doctor --json` prints. Safe to paste.
    #[pyo3(signature = (partner=None, customer=None))]
    fn doctor(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        customer: Option<Bound<'_, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        self.operations().doctor(py, How::Here, partner.as_ref(), customer.as_ref())
    }

    /// Asks Partner Center whether it takes this partner's tokens for ones with MFA: `yes`, `no` or `unknown`. The grant remembers a yes and a no.
    fn check_mfa(&self, py: Python<'_>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().check_mfa(py, How::Here, &partner)
    }

    /// A token for one service, in the tenant of `customer` or else in the partner's own. The partner may be left out where there is one grant.
    #[pyo3(
        signature = (partner=None, audience=None, customer=None, claims=None, fresh=false, purpose=None, app_only=false),
        text_signature = "($self, partner=None, audience='graph', customer=None, claims=None, fresh=False, purpose=None, app_only=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn token(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        audience: Option<Bound<'_, PyString>>,
        customer: Option<Bound<'_, PyString>>,
        claims: Option<String>,
        fresh: bool,
        purpose: Option<Bound<'_, PyString>>,
        app_only: bool,
    ) -> PyResult<Py<PyAny>> {
        let audience = audience.unwrap_or_else(|| pyo3::intern!(py, "graph").clone());
        let key = token_key(py, &partner, &audience, &customer, &purpose)?;
        if !fresh
            && !app_only
            && claims.is_none()
            && let Some(token) = self.recent.get(py, &self.handle, &key)?
        {
            return Ok(token);
        }
        self.operations().token(py, How::Here, &self.recent, key, claims, fresh, app_only)
    }

    /// What azure clients and `requests` are given: tokens of one partner, in its own tenant or in one customer's.
    #[pyo3(signature = (partner=None, customer=None, purpose=None))]
    fn credential(
        &self,
        partner: Option<Bound<'_, PyString>>,
        customer: Option<Bound<'_, PyString>>,
        purpose: Option<String>,
    ) -> PyResult<Credential> {
        Ok(Credential::new(self.handle.clone(), tenant(partner.as_ref())?, tenant(customer.as_ref())?, purpose))
    }

    /// Makes a link for the partner: open it, sign in with MFA, and bring the reply to `complete_consent`.
    #[pyo3(
        signature = (partner, audiences=Names::default(), redirect_uri=None, purpose=None, valid_for=3600, login_hint=None, response_mode=FORM_POST, claims=None),
        text_signature = "($self, partner, audiences=(), redirect_uri=None, purpose=None, valid_for=3600, login_hint=None, response_mode='form_post', claims=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn begin_consent(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        audiences: Names,
        redirect_uri: Option<&str>,
        purpose: Option<String>,
        valid_for: u64,
        login_hint: Option<String>,
        response_mode: &str,
        claims: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let request =
            consent_request(&partner, audiences, redirect_uri, purpose, valid_for, login_hint, response_mode)?;
        let request = ConsentRequest { claims, ..request };
        self.operations().begin_consent(py, How::Here, request)
    }

    /// Completes a consent with its reply: a posted form's body, a query, the whole address, or the parsed form.
    #[pyo3(signature = (reply, allow_without_mfa=false))]
    fn complete_consent(
        &self,
        py: Python<'_>,
        reply: &Bound<'_, PyAny>,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        self.operations().complete_consent(py, How::Here, reply, allow_without_mfa)
    }

    /// Begins a consent by device code. Policies may forbid it, and may end its grant later.
    #[pyo3(signature = (partner, audiences=Names::default(), purpose=None), text_signature = "($self, partner, audiences=(), purpose=None)")]
    fn begin_device_consent(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        audiences: Names,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let request = consent_request(&partner, audiences, None, purpose, 3600, None, FORM_POST)?;
        self.operations().begin_device_consent(py, How::Here, request)
    }

    /// Waits until the person has typed the code and signed in.
    #[pyo3(signature = (device, allow_without_mfa=false))]
    fn complete_device_consent(
        &self,
        py: Python<'_>,
        device: &DeviceConsent,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        self.operations().complete_device_consent(py, How::Here, device, allow_without_mfa)
    }

    /// Every grant there is, without its secret. Sends nothing.
    fn grants(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.operations().grants(py, How::Here)
    }

    /// One partner's grant, without its secret.
    fn grant(&self, py: Python<'_>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().grant(py, How::Here, &partner)
    }

    /// Takes over a refresh token from elsewhere, once it has proved itself.
    #[pyo3(
        signature = (partner, refresh_token, audiences=Names::default(), allow_without_mfa=false, purpose=None),
        text_signature = "($self, partner, refresh_token, audiences=(), allow_without_mfa=False, purpose=None)"
    )]
    fn import_grant(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        refresh_token: &str,
        audiences: Names,
        allow_without_mfa: bool,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let options = ImportOptions { audiences: audiences.audiences()?, purpose, allow_without_mfa };
        self.operations().import_grant(py, How::Here, &partner, refresh_token, options)
    }

    /// Reads where a grant is to come from and says what is there; nothing is redeemed, stored or changed. The document of `partnersam import --dry-run --json`.
    #[pyo3(signature = (partner, source, vault_identity=None))]
    fn plan_import(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        source: Bound<'_, PyAny>,
        vault_identity: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        self.operations().plan_import(py, How::Here, &partner, &source, vault_identity)
    }

    /// Moves a grant in from a file, Key Vault or keyring in whatever form another tool keeps it, once it has proved itself. The document of
    /// `partnersam import --json`.
    #[pyo3(
        signature = (partner, source, audiences=Names::default(), allow_without_mfa=false, purpose=None, vault_identity=None, write_back=false, purge=false),
        text_signature = "($self, partner, source, audiences=(), allow_without_mfa=False, purpose=None, vault_identity=None, write_back=False, purge=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn import_from(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        source: Bound<'_, PyAny>,
        audiences: Names,
        allow_without_mfa: bool,
        purpose: Option<String>,
        vault_identity: Option<&str>,
        write_back: bool,
        purge: bool,
    ) -> PyResult<Py<PyAny>> {
        let wish = Wish { allow_without_mfa, purpose, vault_identity, write_back, purge };
        self.operations().import_from(py, How::Here, &partner, &source, audiences, wish)
    }

    /// Uses one partner's grant now, and so gives it its full life again. Returns when it ends (Unix time).
    fn renew(&self, py: Python<'_>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().renew(py, How::Here, &partner)
    }

    /// Renews every grant that is due within so many days. Calls `progress(done, found, renewed)` as each ends.
    #[pyo3(signature = (within_days=0, progress=None))]
    fn renew_due(&self, py: Python<'_>, within_days: u32, progress: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        self.operations().renew_due(py, How::Here, within_days, progress)
    }

    /// Removes a partner's grant from this store; false where there was none. At the service it lives on until it is revoked there: `everywhere` ends the
    /// account's sign-ins, `customer_consents` withdraws what the app is consented to at the partner's customers. With either, what
    /// `partnersam revoke --json` prints.
    #[pyo3(signature = (partner, *, everywhere=false, customer_consents=false))]
    fn revoke(
        &self,
        py: Python<'_>,
        partner: Bound<'_, PyString>,
        everywhere: bool,
        customer_consents: bool,
    ) -> PyResult<Py<PyAny>> {
        let options = RevokeOptions { everywhere, customer_consents };
        documents::revoke(py, &self.handle, How::Here, named(&partner)?, options)
    }

    /// The steps that an incident would take. Sends nothing and changes nothing.
    #[pyo3(
        signature = (partners=Names::default(), *, all=false, keep_credential=false, customer_consents=false),
        text_signature = "($self, partners=(), *, all=False, keep_credential=False, customer_consents=False)"
    )]
    fn plan_incident(
        &self,
        py: Python<'_>,
        partners: Names,
        all: bool,
        keep_credential: bool,
        customer_consents: bool,
    ) -> PyResult<Py<PyAny>> {
        let request = incident(&partners, all, keep_credential, customer_consents, None);
        documents::plan_incident(py, &self.handle, How::Here, &request)
    }

    /// Takes those steps, leaves a file of evidence, and goes on where an earlier run was cut short. Calls `progress(step)` as each ends.
    #[pyo3(
        signature = (partners=Names::default(), *, all=false, keep_credential=false, customer_consents=false, evidence=None, progress=None),
        text_signature = "($self, partners=(), *, all=False, keep_credential=False, customer_consents=False, evidence=None, progress=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn run_incident(
        &self,
        py: Python<'_>,
        partners: Names,
        all: bool,
        keep_credential: bool,
        customer_consents: bool,
        evidence: Option<PathBuf>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let request = incident(&partners, all, keep_credential, customer_consents, evidence);
        documents::run_incident(py, &self.handle, How::Here, &request, progress)
    }

    /// What is known of the store's key: where it lives, and whether it is being changed.
    fn key_status(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        store::key_status(py, &self.handle, How::Here)
    }

    /// Gives the store a new key while others go on working with it, or goes on with a change that was cut short. Calls `progress(done, of)`.
    #[pyo3(signature = (*, dry_run=false, to=None, progress=None))]
    fn rotate_key(
        &self,
        py: Python<'_>,
        dry_run: bool,
        to: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        store::rotate_key(py, &self.handle, How::Here, &rotation(dry_run, to), progress)
    }

    /// Removes from this host's source every key that is not the store's.
    fn retire_key(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        store::retire_key(py, &self.handle, How::Here)
    }

    /// Writes every grant into a new file that the recipients' identities or the passphrase open.
    #[pyo3(
        signature = (path, *, recipients=Names::default(), passphrase=None),
        text_signature = "($self, path, *, recipients=(), passphrase=None)"
    )]
    fn export_store(
        &self,
        py: Python<'_>,
        path: PathBuf,
        recipients: Names,
        passphrase: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        store::export(py, &self.handle, How::Here, path, recipients.0, passphrase)
    }

    /// Takes the grants of such a file into this store. Calls `progress(grant)` with each.
    #[pyo3(signature = (path, *, identity=None, passphrase=None, progress=None))]
    fn import_store(
        &self,
        py: Python<'_>,
        path: PathBuf,
        identity: Option<&str>,
        passphrase: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        store::import(py, &self.handle, How::Here, path, (identity, passphrase), progress)
    }

    /// Checks the audit record from its first line to its last; `anchor` is an end of it that was noted before, elsewhere.
    #[pyo3(signature = (anchor=None, from_line=1))]
    fn audit_verify(&self, py: Python<'_>, anchor: Option<&str>, from_line: u64) -> PyResult<Py<PyAny>> {
        documents::audit_verify(py, &self.handle, How::Here, anchor, from_line)
    }

    /// Lines of the audit record, oldest first, of those that are wanted. Checks nothing.
    #[pyo3(signature = (*, since=None, until=None, partner=None, customer=None, purpose=None, audience=None, operation=None, outcome=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn audit_show(
        &self,
        py: Python<'_>,
        since: Option<String>,
        until: Option<String>,
        partner: Option<String>,
        customer: Option<String>,
        purpose: Option<String>,
        audience: Option<String>,
        operation: Option<String>,
        outcome: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let query = query(since, until, partner, customer, purpose, audience, operation, outcome);
        documents::audit_show(py, &self.handle, How::Here, &query)
    }

    /// How the store is, as far as is known without asking it: `condition` (`ok` or `degraded`), and why.
    #[getter]
    fn store_condition(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        documents::store_condition(py, &self.handle)
    }

    /// A partner's customers, as one document. The partner may be left out where there is one grant.
    #[pyo3(signature = (partner=None, purpose=None))]
    fn customers(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        customers::list(py, &self.handle, How::Here, tenant(partner.as_ref())?, purpose)
    }

    /// Compares what the app is consented to at each customer with what is wanted, and changes nothing.
    #[pyo3(
        signature = (partner, grants, customers=Names::default(), purpose=None, progress=None),
        text_signature = "($self, partner, grants, customers=(), purpose=None, progress=None)"
    )]
    fn plan_customers(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        grants: &Bound<'_, PyAny>,
        customers: Names,
        purpose: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let wanted = Wanted::new(partner.as_ref(), grants, customers, purpose, progress)?;
        customers::run(py, &self.handle, How::Here, Run::Plan, wanted)
    }

    /// Brings what the app is consented to at each customer to what is wanted, and reads it back.
    #[pyo3(
        signature = (partner, grants, customers=Names::default(), purpose=None, progress=None, journal=None),
        text_signature = "($self, partner, grants, customers=(), purpose=None, progress=None, journal=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn apply_customers(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        grants: &Bound<'_, PyAny>,
        customers: Names,
        purpose: Option<String>,
        progress: Option<Py<PyAny>>,
        journal: Option<PathBuf>,
    ) -> PyResult<Py<PyAny>> {
        let wanted = Wanted::new(partner.as_ref(), grants, customers, purpose, progress)?.with_journal(journal);
        customers::run(py, &self.handle, How::Here, Run::Apply, wanted)
    }

    /// Closes it: every later call, also of its credentials, is refused.
    fn close(&self, py: Python<'_>) {
        self.handle.close(py);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) {
        self.handle.close(py);
    }

    fn __repr__(&self) -> String {
        format!(
            "PartnerApp(client_id='{}', authority='{}', store='{}')",
            self.client_id(),
            self.authority(),
            self.store()
        )
    }

    fn _starter(&self, py: Python<'_>) -> Starter {
        Starter { handle: self.handle.clone(), recent: self.recent.clone_ref(py) }
    }
}

impl PartnerApp {
    fn open(py: Python<'_>, config: impl FnOnce() -> partnersam::Result<Config> + Send + 'static) -> PyResult<Self> {
        let app = Self { handle: Handle::open(py, config)?, recent: Recent::new(py) };
        app.warn_of_credentials(py)?;
        Ok(app)
    }

    /// A credential that ends soon is warned of where the program begins. One that cannot be read is told of where it is needed.
    fn warn_of_credentials(&self, py: Python<'_>) -> PyResult<()> {
        let app = self.handle.app().and_then(|app| app.app()).map_err(Failure::from)?;
        for status in py.detach(|| app.credentials()) {
            let (Some(days), Some(ends)) = (status.standing.notice(), status.expires_on) else { continue };
            let when = if days == 0 { "has ended".to_owned() } else { format!("ends within {days} days") };
            let text = format!("the app's {} {when}: {ends}", status.what);
            let category = py.import("partnersam.exceptions")?.getattr("PartnerSamWarning")?;
            py.import("warnings")?.call_method1("warn", (text, category))?;
        }
        Ok(())
    }

    fn operations(&self) -> Operations<'_> {
        Operations(&self.handle)
    }
}

#[pymethods]
impl Starter {
    fn token_at_hand(
        &self,
        py: Python<'_>,
        partner: Option<Bound<'_, PyString>>,
        audience: Bound<'_, PyString>,
        customer: Option<Bound<'_, PyString>>,
        purpose: Option<Bound<'_, PyString>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let key = token_key(py, &partner, &audience, &customer, &purpose)?;
        self.recent.get(py, &self.handle, &key)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn token(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Option<Bound<'_, PyString>>,
        audience: Bound<'_, PyString>,
        customer: Option<Bound<'_, PyString>>,
        claims: Option<String>,
        fresh: bool,
        purpose: Option<Bound<'_, PyString>>,
        app_only: bool,
    ) -> PyResult<Py<PyAny>> {
        let key = token_key(py, &partner, &audience, &customer, &purpose)?;
        self.operations().token(py, How::Tell(done), &self.recent, key, claims, fresh, app_only)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn begin_consent(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        audiences: Names,
        redirect_uri: Option<&str>,
        purpose: Option<String>,
        valid_for: u64,
        login_hint: Option<String>,
        response_mode: &str,
        claims: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let request =
            consent_request(&partner, audiences, redirect_uri, purpose, valid_for, login_hint, response_mode)?;
        let request = ConsentRequest { claims, ..request };
        self.operations().begin_consent(py, How::Tell(done), request)
    }

    fn complete_consent(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        reply: &Bound<'_, PyAny>,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        self.operations().complete_consent(py, How::Tell(done), reply, allow_without_mfa)
    }

    fn begin_device_consent(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        audiences: Names,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let request = consent_request(&partner, audiences, None, purpose, 3600, None, FORM_POST)?;
        self.operations().begin_device_consent(py, How::Tell(done), request)
    }

    fn complete_device_consent(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        device: &DeviceConsent,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        self.operations().complete_device_consent(py, How::Tell(done), device, allow_without_mfa)
    }

    fn doctor(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Option<Bound<'_, PyString>>,
        customer: Option<Bound<'_, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        self.operations().doctor(py, How::Tell(done), partner.as_ref(), customer.as_ref())
    }

    fn check_mfa(&self, py: Python<'_>, done: Py<PyAny>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().check_mfa(py, How::Tell(done), &partner)
    }

    fn grants(&self, py: Python<'_>, done: Py<PyAny>) -> PyResult<Py<PyAny>> {
        self.operations().grants(py, How::Tell(done))
    }

    fn grant(&self, py: Python<'_>, done: Py<PyAny>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().grant(py, How::Tell(done), &partner)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn import_grant(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        refresh_token: &str,
        audiences: Names,
        allow_without_mfa: bool,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let options = ImportOptions { audiences: audiences.audiences()?, purpose, allow_without_mfa };
        self.operations().import_grant(py, How::Tell(done), &partner, refresh_token, options)
    }

    fn plan_import(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        source: Bound<'_, PyAny>,
        vault_identity: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        self.operations().plan_import(py, How::Tell(done), &partner, &source, vault_identity)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn import_from(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        source: Bound<'_, PyAny>,
        audiences: Names,
        allow_without_mfa: bool,
        purpose: Option<String>,
        vault_identity: Option<&str>,
        write_back: bool,
        purge: bool,
    ) -> PyResult<Py<PyAny>> {
        let wish = Wish { allow_without_mfa, purpose, vault_identity, write_back, purge };
        self.operations().import_from(py, How::Tell(done), &partner, &source, audiences, wish)
    }

    fn renew(&self, py: Python<'_>, done: Py<PyAny>, partner: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.operations().renew(py, How::Tell(done), &partner)
    }

    fn renew_due(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        within_days: u32,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.operations().renew_due(py, How::Tell(done), within_days, progress)
    }

    fn customers(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Option<Bound<'_, PyString>>,
        purpose: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        customers::list(py, &self.handle, How::Tell(done), tenant(partner.as_ref())?, purpose)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn plan_customers(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Option<Bound<'_, PyString>>,
        grants: &Bound<'_, PyAny>,
        customers: Names,
        purpose: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let wanted = Wanted::new(partner.as_ref(), grants, customers, purpose, progress)?;
        customers::run(py, &self.handle, How::Tell(done), Run::Plan, wanted)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn apply_customers(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Option<Bound<'_, PyString>>,
        grants: &Bound<'_, PyAny>,
        customers: Names,
        purpose: Option<String>,
        progress: Option<Py<PyAny>>,
        journal: Option<PathBuf>,
    ) -> PyResult<Py<PyAny>> {
        let wanted = Wanted::new(partner.as_ref(), grants, customers, purpose, progress)?.with_journal(journal);
        customers::run(py, &self.handle, How::Tell(done), Run::Apply, wanted)
    }

    fn revoke(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partner: Bound<'_, PyString>,
        everywhere: bool,
        customer_consents: bool,
    ) -> PyResult<Py<PyAny>> {
        let options = RevokeOptions { everywhere, customer_consents };
        documents::revoke(py, &self.handle, How::Tell(done), named(&partner)?, options)
    }

    fn plan_incident(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partners: Names,
        all: bool,
        keep_credential: bool,
        customer_consents: bool,
    ) -> PyResult<Py<PyAny>> {
        let request = incident(&partners, all, keep_credential, customer_consents, None);
        documents::plan_incident(py, &self.handle, How::Tell(done), &request)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn run_incident(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        partners: Names,
        all: bool,
        keep_credential: bool,
        customer_consents: bool,
        evidence: Option<PathBuf>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let request = incident(&partners, all, keep_credential, customer_consents, evidence);
        documents::run_incident(py, &self.handle, How::Tell(done), &request, progress)
    }

    fn key_status(&self, py: Python<'_>, done: Py<PyAny>) -> PyResult<Py<PyAny>> {
        store::key_status(py, &self.handle, How::Tell(done))
    }

    fn rotate_key(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        dry_run: bool,
        to: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        store::rotate_key(py, &self.handle, How::Tell(done), &rotation(dry_run, to), progress)
    }

    fn retire_key(&self, py: Python<'_>, done: Py<PyAny>) -> PyResult<Py<PyAny>> {
        store::retire_key(py, &self.handle, How::Tell(done))
    }

    fn export_store(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        path: PathBuf,
        recipients: Names,
        passphrase: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        store::export(py, &self.handle, How::Tell(done), path, recipients.0, passphrase)
    }

    fn import_store(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        path: PathBuf,
        identity: Option<&str>,
        passphrase: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        store::import(py, &self.handle, How::Tell(done), path, (identity, passphrase), progress)
    }

    fn audit_verify(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        anchor: Option<&str>,
        from_line: u64,
    ) -> PyResult<Py<PyAny>> {
        documents::audit_verify(py, &self.handle, How::Tell(done), anchor, from_line)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn audit_show(
        &self,
        py: Python<'_>,
        done: Py<PyAny>,
        since: Option<String>,
        until: Option<String>,
        partner: Option<String>,
        customer: Option<String>,
        purpose: Option<String>,
        audience: Option<String>,
        operation: Option<String>,
        outcome: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let query = query(since, until, partner, customer, purpose, audience, operation, outcome);
        documents::audit_show(py, &self.handle, How::Tell(done), &query)
    }
}

impl Starter {
    fn operations(&self) -> Operations<'_> {
        Operations(&self.handle)
    }
}

/// Partner, audience and customer as they were given, and the purpose where one was: what a token is found by again.
fn token_key<'py>(
    py: Python<'py>,
    partner: &Option<Bound<'py, PyString>>,
    audience: &Bound<'py, PyString>,
    customer: &Option<Bound<'py, PyString>>,
    purpose: &Option<Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyTuple>> {
    match purpose {
        None => (partner, audience, customer).into_pyobject(py),
        Some(purpose) => (partner, audience, customer, purpose).into_pyobject(py),
    }
}

/// A document of the core as Python has it.
fn document(py: Python<'_>, document: serde_json::Result<Value>) -> PyResult<Py<PyAny>> {
    let value = document.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(json::to_python(py, &value)?.unbind())
}

/// What an app can do, whichever way it is waited for.
struct Operations<'a>(&'a Arc<Handle>);

impl Operations<'_> {
    /// `key`: what [`token_key`] made.
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn token(
        &self,
        py: Python<'_>,
        how: How,
        recent: &Recent,
        key: Bound<'_, PyTuple>,
        claims: Option<String>,
        fresh: bool,
        app_only: bool,
    ) -> PyResult<Py<PyAny>> {
        let (partner, service, customer): (
            Option<Bound<'_, PyString>>,
            Bound<'_, PyString>,
            Option<Bound<'_, PyString>>,
        ) = key.get_slice(0, 3).extract()?;
        let purpose: Option<String> = key.get_item(3).ok().map(|purpose| purpose.extract()).transpose()?;
        let request = TokenRequest {
            partner: tenant(partner.as_ref())?,
            customer: tenant(customer.as_ref())?,
            audience: audience(&service)?,
            claims,
            fresh,
            purpose,
            app_only,
        };
        let (recent, key) = (recent.clone_ref(py), key.unbind());
        fetch(py, self.0, how, request, None, move |py, Fetched { token, fresh }| {
            let token = Py::new(py, Token::new(token))?;
            // The core has those of the app alone; here one would be taken for a partner's.
            if !app_only {
                recent.keep(py, key, token.clone_ref(py), fresh)?;
            }
            Ok(token.into_any())
        })
    }

    fn doctor(
        &self,
        py: Python<'_>,
        how: How,
        partner: Option<&Bound<'_, PyString>>,
        customer: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Py<PyAny>> {
        let request = DoctorRequest { partner: tenant(partner)?, customer: tenant(customer)? };
        perform(
            py,
            self.0,
            how,
            move |app| async move { Ok(app.doctor(&request).await.report()) },
            |py, report| document(py, serde_json::to_value(report)),
        )
    }

    fn check_mfa(&self, py: Python<'_>, how: How, partner: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let partner = named(partner)?;
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.check_mfa(&partner).await },
            |py, answer| Ok(PyString::new(py, answer.evidence.verdict.as_str()).into_any().unbind()),
        )
    }

    fn begin_consent(&self, py: Python<'_>, how: How, request: ConsentRequest) -> PyResult<Py<PyAny>> {
        perform(
            py,
            self.0,
            how,
            |app| async move { app.begin_consent(&request).await },
            |py, link| object(py, ConsentLink::from(link)),
        )
    }

    fn complete_consent(
        &self,
        py: Python<'_>,
        how: How,
        given: &Bound<'_, PyAny>,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        let (given, options) = (Zeroizing::new(reply(given)?), ConsentOptions { allow_without_mfa });
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.complete_consent(&given, options).await },
            |py, consented| object(py, Consented::new(py, consented)?),
        )
    }

    fn begin_device_consent(&self, py: Python<'_>, how: How, request: ConsentRequest) -> PyResult<Py<PyAny>> {
        perform(
            py,
            self.0,
            how,
            |app| async move { app.begin_device_consent(&request).await },
            |py, device| {
                let (user_code, verification_uri, expires_on) =
                    (device.user_code.clone(), device.verification_uri.clone(), device.expires_on);
                let complete = Box::new(move |app: partnersam::App, options| -> Completing {
                    Box::pin(async move { app.complete_device_consent(device, options).await })
                });
                object(py, DeviceConsent::new(&user_code, &verification_uri, expires_on, complete))
            },
        )
    }

    fn complete_device_consent(
        &self,
        py: Python<'_>,
        how: How,
        device: &DeviceConsent,
        allow_without_mfa: bool,
    ) -> PyResult<Py<PyAny>> {
        let (complete, options) = (device.take().map_err(Failure::from)?, ConsentOptions { allow_without_mfa });
        perform(
            py,
            self.0,
            how,
            move |app| complete(app, options),
            |py, consented| object(py, Consented::new(py, consented)?),
        )
    }

    fn grants(&self, py: Python<'_>, how: How) -> PyResult<Py<PyAny>> {
        perform(
            py,
            self.0,
            how,
            |app| async move { app.grants().await },
            |py, grants| {
                let grants: Vec<Grant> = grants.into_iter().map(Grant::from).collect();
                Ok(grants.into_pyobject(py)?.unbind())
            },
        )
    }

    fn grant(&self, py: Python<'_>, how: How, partner: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let partner = named(partner)?;
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.grant(&partner).await },
            |py, grant| object(py, Grant::from(grant)),
        )
    }

    fn import_grant(
        &self,
        py: Python<'_>,
        how: How,
        partner: &Bound<'_, PyString>,
        refresh_token: &str,
        options: ImportOptions,
    ) -> PyResult<Py<PyAny>> {
        let partner = named(partner)?;
        let token = RefreshToken::new(refresh_token);
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.import_grant(&partner, token, &options).await },
            |py, consented| object(py, Consented::new(py, consented)?),
        )
    }

    fn plan_import(
        &self,
        py: Python<'_>,
        how: How,
        partner: &Bound<'_, PyString>,
        source: &Bound<'_, PyAny>,
        vault_identity: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        let wish = Wish { vault_identity, ..Wish::default() };
        let request = moving_in::request(named(partner)?, moving_in::source(source)?, Vec::new(), wish)?;
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.plan_move_in(&request).await },
            |py, plan| document(py, Ok(plan.to_document())),
        )
    }

    fn import_from(
        &self,
        py: Python<'_>,
        how: How,
        partner: &Bound<'_, PyString>,
        source: &Bound<'_, PyAny>,
        names: Names,
        wish: Wish<'_>,
    ) -> PyResult<Py<PyAny>> {
        let (partner, audiences) = (named(partner)?, names.audiences()?);
        let request = moving_in::request(partner, moving_in::source(source)?, audiences, wish)?;
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.move_in(&request).await },
            |py, moved| document(py, Ok(moved.to_document(SystemClock.now()))),
        )
    }

    fn renew(&self, py: Python<'_>, how: How, partner: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let partner = named(partner)?;
        perform(
            py,
            self.0,
            how,
            move |app| async move { app.renew(&partner).await },
            |py, ends| Ok(ends.0.into_pyobject(py)?.into_any().unbind()),
        )
    }

    fn renew_due(
        &self,
        py: Python<'_>,
        how: How,
        within_days: u32,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let by = SystemClock.now().plus(i64::from(within_days) * 24 * 3600);
        let progress = Progress::new(progress);
        let told = progress.clone();
        let operation = move |app: partnersam::App| async move {
            let tell = |done: usize, found: usize, renewed: &renew::Renewed| {
                told.tell(|py, progress| progress.call1(py, (done, found, Renewed::new(py, renewed)?)));
            };
            app.renew_due(by, tell).await
        };
        perform(py, self.0, how, operation, move |py, renewed| {
            progress.end()?;
            let renewed: Vec<Renewed> =
                renewed.iter().map(|renewed| Renewed::new(py, renewed)).collect::<PyResult<_>>()?;
            Ok(renewed.into_pyobject(py)?.unbind())
        })
    }
}

fn object<T: pyo3::PyClass + Into<pyo3::PyClassInitializer<T>>>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, value)?.into_any())
}

fn consent_request(
    partner: &Bound<'_, PyString>,
    names: Names,
    redirect_uri: Option<&str>,
    purpose: Option<String>,
    valid_for: u64,
    login_hint: Option<String>,
    response_mode: &str,
) -> PyResult<ConsentRequest> {
    let redirect_uri = redirect_uri
        .map(|text| Url::parse(text).map_err(|_| Failure::from(invalid("redirect_uri must be an absolute address"))))
        .transpose()?;
    let response_mode = match response_mode {
        FORM_POST => ResponseMode::FormPost,
        "query" => ResponseMode::Query,
        _ => return Err(Failure::from(invalid("response_mode must be form_post or query")).into()),
    };
    Ok(ConsentRequest {
        audiences: names.audiences()?,
        redirect_uri,
        purpose,
        valid_for: Duration::from_secs(valid_for),
        login_hint,
        response_mode,
        ..ConsentRequest::new(named(partner)?)
    })
}

/// The document that the core reads a change of the store's key from.
fn rotation(dry_run: bool, to: Option<String>) -> Value {
    json!({ "dry_run": dry_run, "to": to })
}

/// The document that the core reads an incident from.
fn incident(
    partners: &Names,
    all: bool,
    keep_credential: bool,
    customer_consents: bool,
    evidence: Option<PathBuf>,
) -> Value {
    json!({
        "partners": partners.as_slice(), "all": all, "keep_credential": keep_credential, "customer_consents": customer_consents, "evidence": evidence,
    })
}

/// The document that the core reads a query from.
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn query(
    since: Option<String>,
    until: Option<String>,
    partner: Option<String>,
    customer: Option<String>,
    purpose: Option<String>,
    audience: Option<String>,
    operation: Option<String>,
    outcome: Option<String>,
) -> Value {
    json!({
        "since": since, "until": until, "partner": partner, "customer": customer, "purpose": purpose, "audience": audience, "operation": operation,
        "outcome": outcome,
    })
}

fn named(partner: &Bound<'_, PyString>) -> PyResult<TenantRef> {
    Ok(partner.to_cow()?.parse::<TenantRef>().map_err(Failure::from)?)
}
