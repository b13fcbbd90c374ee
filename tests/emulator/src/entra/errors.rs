//! The error replies of Entra: one shape, with a number (AADSTS) by which people look it up.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use crate::state::{World, entra_time};

/// An error of Entra before it has ids and a time.
#[derive(Clone, Debug)]
pub(crate) struct EntraError {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) codes: Vec<u32>,
    pub(crate) text: String,
    pub(crate) suberror: Option<Box<str>>,
    pub(crate) claims: Option<Box<str>>,
}

/// The error with this AADSTS number; status, `error` and `suberror` follow from it.
pub(crate) fn aadsts(code: u32, text: impl Into<String>) -> EntraError {
    let (status, error, suberror) = match code {
        7_000_215 | 7_000_222 | 7_000_218 | 700_025 | 700_021 | 700_023 | 700_024 | 700_027 | 700_211 | 700_212
        | 700_213 | 50_013 => (401, "invalid_client", None),
        50_011 | 500_112 => (400, "invalid_client", None),
        700_016 | 7_000_229 => (400, "unauthorized_client", None),
        500_011 => (400, "invalid_resource", None),
        70_011 | 1_002_012 => (400, "invalid_scope", None),
        70_003 => (400, "unsupported_grant_type", None),
        700_054 | 70_007 => (400, "unsupported_response_type", None),
        50_173 => (400, "invalid_grant", Some("bad_token")),
        700_082 | 70_043 => (400, "invalid_grant", Some("token_expired")),
        65_001 => (400, "invalid_grant", Some("consent_required")),
        50_076 | 50_078 | 50_079 => (400, "invalid_grant", Some("basic_action")),
        53_003 => (400, "invalid_grant", Some("message_only")),
        700_007 => (400, "invalid_grant", Some("client_mismatch")),
        70_000 | 70_008 | 54_005 | 501_481 | 50_148 | 50_020 | 700_005 | 50_126 | 50_034 | 500_121 => {
            (400, "invalid_grant", None)
        }
        65_004 => (400, "access_denied", None),
        90_094 => (400, "consent_required", None),
        50_058 => (400, "login_required", None),
        70_016 => (400, "authorization_pending", None),
        70_018 => (400, "bad_verification_code", None),
        70_019 => (400, "expired_token", None),
        _ => (400, "invalid_request", None),
    };
    EntraError {
        status,
        error: error.to_owned(),
        codes: vec![code],
        text: format!("AADSTS{code}: {}", text.into()),
        suberror: suberror.map(Box::from),
        claims: None,
    }
}

/// A parameter that is not there.
pub(crate) fn missing(parameter: &str) -> EntraError {
    aadsts(900_144, format!("The request body must contain the following parameter: '{parameter}'."))
}

impl EntraError {
    pub(crate) fn named(mut self, error: &str) -> Self {
        error.clone_into(&mut self.error);
        self
    }

    /// What a sign-in has to bring.
    pub(crate) fn claims(mut self, claims: &str) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// As the endpoint of this version names it: v1 says `interaction_required` where v2 says `invalid_grant`.
    pub(crate) fn needing_person(self, v1: bool) -> Self {
        if v1 { self.named("interaction_required") } else { self }
    }

    pub(crate) fn suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.into());
        self
    }

    /// The description with its trailer of ids.
    pub(crate) fn description(&self, ids: &Ids, now: i64) -> String {
        format!(
            "{} Trace ID: {} Correlation ID: {} Timestamp: {}",
            self.text,
            ids.trace,
            ids.correlation,
            entra_time(now)
        )
    }

    /// The JSON reply.
    pub(crate) fn response(&self, world: &World, ids: &Ids, now: i64) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), json!(self.error));
        let lines = self.description(ids, now).replace(" Trace ID:", "\r\nTrace ID:");
        let lines = lines.replace(" Correlation ID:", "\r\nCorrelation ID:").replace(" Timestamp:", "\r\nTimestamp:");
        body.insert("error_description".to_owned(), json!(lines));
        body.insert("error_codes".to_owned(), json!(self.codes));
        body.insert("timestamp".to_owned(), json!(entra_time(now)));
        body.insert("trace_id".to_owned(), json!(ids.trace));
        body.insert("correlation_id".to_owned(), json!(ids.correlation));
        if let Some(code) = self.codes.first() {
            body.insert("error_uri".to_owned(), json!(format!("{}/error?code={code}", world.urls.authority)));
        }
        if let Some(suberror) = &self.suberror {
            body.insert("suberror".to_owned(), json!(suberror));
        }
        if let Some(claims) = &self.claims {
            body.insert("claims".to_owned(), json!(claims));
        }
        json_response(self.status, &Value::Object(body), ids)
    }
}

/// The ids of one request.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) trace: String,
    /// The client's own (`client-request-id`) where it is a GUID.
    pub(crate) correlation: String,
    echo: bool,
}

impl Ids {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let sent = text("client-request-id").and_then(|id| uuid::Uuid::try_parse(id.trim()).ok());
        Self {
            trace: uuid::Uuid::new_v4().to_string(),
            correlation: sent.unwrap_or_else(uuid::Uuid::new_v4).to_string(),
            echo: sent.is_some()
                && text("return-client-request-id").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(trace) = HeaderValue::try_from(&self.trace) {
            headers.insert("x-ms-request-id", trace);
        }
        if self.echo
            && let Ok(id) = HeaderValue::try_from(&self.correlation)
        {
            headers.insert("client-request-id", id);
        }
    }
}

/// A JSON reply that nobody may keep.
pub(crate) fn json_response(status: u16, body: &Value, ids: &Ids) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-cache"),
        (header::PRAGMA, "no-cache"),
    ];
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, headers, body.to_string()).into_response();
    ids.add_to(response.headers_mut());
    response
}
