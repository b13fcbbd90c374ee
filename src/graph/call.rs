//! What every request to Graph carries, and what its refusals mean here (<https://learn.microsoft.com/graph/errors>).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::error::{Actor, Error, ErrorKind, Result};
use crate::partner_center::call::bearer;
use crate::protocol::{json_body, outside_text};
use crate::secret::AccessToken;

/// As much as the transport reads.
pub(super) const LARGEST_BODY: usize = 1 << 20;

/// What to say where Graph answers 403: who lacks which permission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denied {
    pub(super) words: &'static str,
    pub(super) actor: Actor,
    pub(super) hint: &'static str,
}

/// A request for `path` under `base`. Graph writes `id` into its log.
pub(super) fn request(
    method: Method,
    base: &Url,
    path: &str,
    body: Option<&Value>,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query(query);
    let mut request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(AUTHORIZATION, bearer(token)?)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header("client-request-id", id.to_string())
        .body(Vec::new())
        .map_err(|_| Error::new(ErrorKind::Internal, "graph", "a request to Graph could not be built"))?;
    if let Some(body) = body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = body.to_string().into_bytes();
    }
    Ok(request)
}

/// Errors: what a status other than success means; `retry_after` is what the headers ask for.
pub(super) fn check<B: AsRef<[u8]>>(
    response: &Response<B>,
    retry_after: Option<Duration>,
    denied: Denied,
) -> Result<()> {
    let status = response.status().as_u16();
    if response.status().is_success() {
        return Ok(());
    }
    let kind = match status {
        408 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::ServerUnavailable,
        300..=399 => ErrorKind::RedirectRefused,
        401 => ErrorKind::InteractionRequired,
        403 => ErrorKind::AudienceNotConsented,
        ..300 => ErrorKind::ResponseMalformed,
        _ => ErrorKind::RequestRefused,
    };
    let (code, text) = said(response.body().as_ref());
    let words = if status == 403 { denied.words } else { kind.sentence() };
    let message = if text.is_empty() { format!("{words}: http status {status}") } else { format!("{words}: {text}") };
    let mut error = Error::new(kind, "graph", message).with_http_status(status);
    if !code.is_empty() {
        error = error.with_service_code(code);
    }
    if status == 403 {
        error = error.with_actor(denied.actor).with_hint(denied.hint);
    }
    Err(retry_after.into_iter().fold(error, Error::with_retry_after))
}

pub(super) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::ResponseMalformed, "graph", format!("Graph's answer {what}"))
}

/// Code and text of a refusal, fit to be shown.
fn said(body: &[u8]) -> (String, String) {
    let body: Value = json_body::parse(body, LARGEST_BODY).unwrap_or_default();
    let text = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str).unwrap_or_default();
    (outside_text::name(text("code")), outside_text::sentence(text("message")))
}
