//! [`explain`]: what a code or a pasted error text means.

use partnersam::explain as core;
use pyo3::prelude::*;
use serde_json::Value;

use crate::json::to_python;

/// What one code means, who must act, and the exact next command.
#[pyclass(frozen, module = "partnersam")]
pub(crate) struct Explanation {
    /// The code as people search for it: `AADSTS50076`, `900421`, `SecretNotFound`, `ConsentRequired`. Empty where the text has ids but no code.
    #[pyo3(get)]
    code: String,
    /// Whose code it is: `entra`, `partner_center`, `key_vault` or `partnersam`.
    #[pyo3(get)]
    source: &'static str,
    /// Whether the table has it.
    #[pyo3(get)]
    known: bool,
    /// What kind of remedy helps, for example `reauth`.
    #[pyo3(get, name = "class_")]
    class: Option<&'static str>,
    /// The kind of error that partnersam shows it as, for example `MfaRequired`.
    #[pyo3(get)]
    kind: Option<&'static str>,
    /// That kind's frozen number.
    #[pyo3(get)]
    number: Option<u16>,
    /// What it means, in one sentence.
    #[pyo3(get)]
    meaning: String,
    /// Who must act, for example `service_account_owner`.
    #[pyo3(get)]
    actor: &'static str,
    /// Who must act, in words.
    #[pyo3(get)]
    who: &'static str,
    /// `never`, `after` or `user_action`.
    #[pyo3(get)]
    retry: Option<&'static str>,
    /// What to do.
    #[pyo3(get)]
    advice: String,
    /// The next command.
    #[pyo3(get)]
    command: Option<String>,
    /// Who must act and what to do in one sentence, as `PartnerSamError.hint` has it.
    #[pyo3(get)]
    hint: String,
    /// What helps instead where the token was for a customer's tenant.
    #[pyo3(get)]
    in_customer_tenant: Option<Py<CustomerStep>>,
    /// Where the service explains it.
    #[pyo3(get)]
    link: String,
    /// Where partnersam explains it: an anchor in TROUBLESHOOTING.md.
    #[pyo3(get)]
    help: Option<String>,
    /// What the service said, its first line.
    #[pyo3(get)]
    text: Option<String>,
    /// The OAuth error in the text, for example `invalid_grant`.
    #[pyo3(get)]
    error: Option<String>,
    /// The finer class of the error in the text.
    #[pyo3(get)]
    suberror: Option<String>,
    /// Id of the request at the service.
    #[pyo3(get)]
    trace_id: Option<String>,
    /// Id that ties several requests together.
    #[pyo3(get)]
    correlation_id: Option<String>,
    /// When the service answered, as it wrote it.
    #[pyo3(get)]
    timestamp: Option<String>,
    document: Value,
}

/// What helps in a customer's tenant.
#[pyclass(frozen, get_all, module = "partnersam")]
pub(crate) struct CustomerStep {
    /// Who must act, for example `customer_administrator`.
    actor: &'static str,
    /// Who must act, in words.
    who: &'static str,
    /// What to do.
    advice: String,
    /// The next command.
    command: String,
    /// Who must act and what to do in one sentence.
    hint: String,
}

#[pymethods]
impl Explanation {
    /// The explanation as the flat document that is the same in every language.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.document)
    }

    fn __str__(&self) -> String {
        let code = if self.code.is_empty() { String::new() } else { format!("{}: ", self.code) };
        format!("{code}{} ({})", self.meaning, self.hint)
    }

    fn __repr__(&self) -> String {
        format!("<Explanation {} of {}: {}>", self.code, self.source, self.meaning)
    }
}

#[pymethods]
impl CustomerStep {
    fn __repr__(&self) -> String {
        format!("<CustomerStep {}>", self.hint)
    }
}

impl Explanation {
    fn new(py: Python<'_>, explanation: core::Explanation) -> PyResult<Self> {
        let document = serde_json::to_value(&explanation).unwrap_or_default();
        let in_customer_tenant = explanation
            .in_customer_tenant
            .map(|step| {
                let core::CustomerStep { actor, who, advice, command, hint, .. } = step;
                Py::new(py, CustomerStep { actor, who, advice, command, hint })
            })
            .transpose()?;
        Ok(Self {
            code: explanation.code,
            source: explanation.source,
            known: explanation.known,
            class: explanation.class,
            kind: explanation.kind,
            number: explanation.number,
            meaning: explanation.meaning,
            actor: explanation.actor,
            who: explanation.who,
            retry: explanation.retry,
            advice: explanation.advice,
            command: explanation.command,
            hint: explanation.hint,
            in_customer_tenant,
            link: explanation.link,
            help: explanation.help,
            text: explanation.text,
            error: explanation.error,
            suberror: explanation.suberror,
            trace_id: explanation.trace_id,
            correlation_id: explanation.correlation_id,
            timestamp: explanation.timestamp,
            document,
        })
    }
}

/// Explains a number (`50076`, `AADSTS50076`, `900421`), a name (`SecretNotFound`, `ConsentRequired`) or a whole error text: one explanation for each code
/// in it, none where there is neither a code nor the id of a request. Needs no app and sends nothing.
#[pyfunction]
pub(crate) fn explain(py: Python<'_>, text: &str) -> PyResult<Vec<Explanation>> {
    core::explain(text).into_iter().map(|explanation| Explanation::new(py, explanation)).collect()
}
