//! The official crates' errors as ours. Theirs hold whole answers, and a vault's answer may hold a secret.

use std::error::Error as _;
use std::time::SystemTime;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::protocol::outside_text;
use crate::remedy::{self, Source};
use crate::transport::retry_after;

/// An error of a vault, and what it answered.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: Option<u16>,
    /// The inner code, which says it more exactly, or the outer one.
    pub(super) code: String,
    pub(super) error: Error,
}

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Told,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    code: String,
    message: String,
    innererror: Option<Box<Told>>,
}

/// One of our errors on its way through the official crates.
pub(super) fn carried(error: Error) -> azure_core::Error {
    azure_core::Error::new(azure_core::error::ErrorKind::Other, error)
}

/// What it was that went wrong.
pub(super) fn fault(error: &azure_core::Error, vault: &str) -> Fault {
    if let Some(ours) = ours_in(error) {
        return Fault { status: ours.http_status(), code: String::new(), error: ours.clone() };
    }
    if let azure_core::error::ErrorKind::HttpResponse { status, raw_response, .. } = error.kind() {
        let body = raw_response.as_ref().map(|response| response.body().as_ref()).unwrap_or_default();
        let wait = raw_response.as_ref().and_then(|response| {
            let name = azure_core::http::headers::RETRY_AFTER;
            let value = http::HeaderValue::from_str(response.headers().get_optional_str(&name)?).ok()?;
            let headers = http::HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]);
            retry_after(&headers, SystemTime::now())
        });
        let fault = answered(u16::from(*status), body, vault);
        return match wait {
            Some(wait) => Fault { error: fault.error.with_retry_after(wait), ..fault },
            None => fault,
        };
    }
    let (kind, message) = match error.kind() {
        azure_core::error::ErrorKind::DataConversion => {
            (ErrorKind::ResponseMalformed, "the vault's answer could not be understood")
        }
        azure_core::error::ErrorKind::Credential => {
            (ErrorKind::AppCredentialInvalid, "the identity that opens the vault got no token")
        }
        _ => (ErrorKind::StoreUnavailable, "the vault could not be asked"),
    };
    Fault { status: None, code: String::new(), error: Error::new(kind, "store", message).with_context("vault", vault) }
}

/// Our own error, however deep the official crates have wrapped it.
fn ours_in(error: &azure_core::Error) -> Option<&Error> {
    let inner = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    let mut next = inner.or_else(|| error.source());
    while let Some(cause) = next {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return Some(ours);
        }
        next = match cause.downcast_ref::<azure_core::Error>() {
            Some(theirs) => theirs.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
            None => cause.source(),
        };
    }
    None
}

/// What an answer of the service means. The table of remedies knows the codes; the inner one comes first.
pub(super) fn answered(status: u16, body: &[u8], vault: &str) -> Fault {
    let told = serde_json::from_slice::<Answer>(body).unwrap_or_default().error;
    let inner = told.innererror.map(|inner| inner.code).filter(|code| !code.is_empty());
    let code = inner.unwrap_or(told.code);
    let row = remedy::lookup(Source::KeyVault, &code);
    let error = match row {
        Some(row) => row.apply(Error::new(row.kind, "store", row.words)),
        None => {
            let kind = match status {
                401 | 403 => ErrorKind::StoreForbidden,
                408 | 500.. => ErrorKind::ServerUnavailable,
                409 => ErrorKind::StoreConflict,
                429 => ErrorKind::RateLimited,
                _ => ErrorKind::StoreUnavailable,
            };
            Error::new(kind, "store", format!("the vault refused with status {status}"))
        }
    };
    let error = error.with_http_status(status).with_context("vault", vault);
    let code = outside_text::name(&code);
    let error = if code.is_empty() { error } else { error.with_service_code(code.clone()) };
    let text = outside_text::sentence(&told.message);
    let error = if text.is_empty() { error } else { error.with_cause(text) };
    Fault { status: Some(status), code, error }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/mutator.rs"]
mod mutator;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_s_answer_is_never_more_than_an_error_however_it_is_spoiled() {
        const SECRET: &str = "test-secret-value";
        let valid = [
            format!(
                r#"{{"error":{{"code":"Forbidden","message":"not authorized","innererror":{{"code":"ForbiddenByRbac"}}}},"value":"{SECRET}"}}"#
            ),
            format!(
                r#"{{"value":"{SECRET}","id":"https://test.vault.azure.net/secrets/test/1","attributes":{{"enabled":true}}}}"#
            ),
        ];
        let mut mutator = mutator::Mutator::new(1);
        for _ in 0..3_000 {
            let body = mutator.spoiled(&valid);
            let status = 400 + u16::try_from(mutator.below(200)).unwrap_or_default();
            let fault = answered(status, &body, "test");
            assert_eq!((fault.status, fault.error.http_status()), (Some(status), Some(status)));
            let report = format!("{:?}", fault.error);
            assert!(report.len() < 16 << 10, "{report}");
            // Carried into a text that is there to be shown, it is shown.
            let text = String::from_utf8_lossy(&body);
            let is_in_its_place =
                text.matches(SECRET).count() == text.matches(&format!("\"value\":\"{SECRET}\"")).count();
            assert!(!is_in_its_place || !report.contains(SECRET), "{text}\n{report}");
        }
    }
}
