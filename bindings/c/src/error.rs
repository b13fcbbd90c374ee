//! Errors: every field of the error document, one getter each.

use std::ffi::c_char;
use std::ptr;

use partnersam::Error;
use partnersam::error::ErrorDocument;

use crate::boundary::{free, read};
use crate::handle::{Kind, Object};
use crate::status::{PSAM_OK, psam_status};
use crate::text::{Text, pointer};

/// What went wrong, who must act, and what to do next. Never holds a secret. Made by a function that fails, where the caller gave a place for
/// it; owned by the caller, who ends it with psam_error_free().
pub struct psam_error {
    _opaque: (),
}

/// The fields as C reads them.
#[derive(Debug)]
pub(crate) struct ErrorObject {
    schema_version: u32,
    number: psam_status,
    id: Text,
    category: Text,
    retry: Text,
    actor: Text,
    operation: Text,
    message: Text,
    hint: Text,
    help: Text,
    retry_after: Option<u64>,
    http_status: Option<u16>,
    service_code: Option<Text>,
    entra_error: Option<Text>,
    entra_codes: Vec<u32>,
    suberror: Option<Text>,
    trace_id: Option<Text>,
    correlation_id: Option<Text>,
    timestamp: Option<Text>,
    claims: Option<Text>,
    context: Vec<(Text, Text)>,
    causes: Vec<Text>,
    json: Text,
}

impl Object for ErrorObject {
    type Handle = psam_error;
    const KIND: Kind = Kind::Error;
}

impl ErrorObject {
    pub(crate) fn new(error: &Error) -> Self {
        // Taken apart without `..`: a field that the document gains does not get lost here.
        let ErrorDocument {
            schema_version,
            number,
            id,
            category,
            retry,
            actor,
            operation,
            message,
            hint,
            help,
            retry_after,
            http_status,
            service_code,
            entra_error,
            entra_codes,
            suberror,
            trace_id,
            correlation_id,
            timestamp,
            claims,
            context,
            causes,
        } = error.to_document();
        Self {
            schema_version,
            number: number.into(),
            id: Text::new(id),
            category: Text::new(category),
            retry: Text::new(retry),
            actor: Text::new(actor),
            operation: Text::new(operation),
            message: Text::new(message),
            hint: Text::new(hint),
            help: Text::new(help),
            retry_after,
            http_status,
            service_code: service_code.map(Text::new),
            entra_error: entra_error.map(Text::new),
            entra_codes: entra_codes.to_vec(),
            suberror: suberror.map(Text::new),
            trace_id: trace_id.map(Text::new),
            correlation_id: correlation_id.map(Text::new),
            timestamp: timestamp.map(Text::new),
            claims: claims.map(Text::new),
            context: context.into_iter().map(|(key, value)| (Text::new(key), Text::new(value))).collect(),
            causes: causes.iter().map(Text::new).collect(),
            json: Text::new(error.to_json()),
        }
    }
}

/// Ends an error. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_free(error: *mut psam_error) -> psam_status {
    free::<ErrorObject>(error)
}

/// The whole error as one JSON object, with the same keys in every language. This and every other text of an error is owned by the error and
/// lives until psam_error_free(); all getters return NULL, 0 or -1 where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_json(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.json))
}

/// The version of the shape of an error: which fields there are. 1 at present.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_schema_version(error: *const psam_error) -> u32 {
    read(error, 0, |error: &ErrorObject| error.schema_version)
}

/// The error's number: the same that the failed function returned.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_status(error: *const psam_error) -> psam_status {
    read(error, PSAM_OK, |error: &ErrorObject| error.number)
}

/// The error's name, for example "ConsentRequired".
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_id(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.id))
}

/// Its family: "caller", "identity", "partner_center", "transport", "store" or "internal".
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_category(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.category))
}

/// Whether the same call can succeed later: "never", "after" (a while; see psam_error_retry_after) or "user_action".
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_retry(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.retry))
}

/// Who must act: "caller", "service_account_owner", "partner_administrator", "customer_administrator", "app_developer",
/// "host_administrator", "wait" or "maintainers".
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_actor(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.actor))
}

/// What was being done, for example "token".
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_operation(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.operation))
}

/// What happened, in one sentence.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_message(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.message))
}

/// What to do about it.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_hint(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.hint))
}

/// Where it is explained at length.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_help(error: *const psam_error) -> *const c_char {
    text(error, |error| Some(&error.help))
}

/// Seconds to wait before trying again; -1 where the service did not say.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_retry_after(error: *const psam_error) -> i64 {
    read(error, -1, |error: &ErrorObject| {
        error.retry_after.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX))
    })
}

/// The HTTP status of the service's answer; 0 where there was none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_http_status(error: *const psam_error) -> u16 {
    read(error, 0, |error: &ErrorObject| error.http_status.unwrap_or(0))
}

/// The service's own code, for example "900421" of Partner Center; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_service_code(error: *const psam_error) -> *const c_char {
    text(error, |error| error.service_code.as_ref())
}

/// The OAuth error that the authorization server named, for example "invalid_grant"; NULL where it was not asked or named none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_entra_error(error: *const psam_error) -> *const c_char {
    text(error, |error| error.entra_error.as_ref())
}

/// How many AADSTS numbers there are.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_entra_code_count(error: *const psam_error) -> usize {
    read(error, 0, |error: &ErrorObject| error.entra_codes.len())
}

/// An AADSTS number, for example 50076, the most specific at index 0; 0 past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_entra_code(error: *const psam_error, index: usize) -> u32 {
    read(error, 0, |error: &ErrorObject| error.entra_codes.get(index).copied().unwrap_or(0))
}

/// The finer class of the authorization server's error, for example "token_expired"; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_suberror(error: *const psam_error) -> *const c_char {
    text(error, |error| error.suberror.as_ref())
}

/// The id of the request at the service, which a support ticket asks for; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_trace_id(error: *const psam_error) -> *const c_char {
    text(error, |error| error.trace_id.as_ref())
}

/// The id that ties several requests together; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_correlation_id(error: *const psam_error) -> *const c_char {
    text(error, |error| error.correlation_id.as_ref())
}

/// When the service answered, as it wrote it; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_timestamp(error: *const psam_error) -> *const c_char {
    text(error, |error| error.timestamp.as_ref())
}

/// Claims that the next sign-in must satisfy, as JSON text; NULL where there are none.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_claims(error: *const psam_error) -> *const c_char {
    text(error, |error| error.claims.as_ref())
}

/// How many facts there are around the error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_context_count(error: *const psam_error) -> usize {
    read(error, 0, |error: &ErrorObject| error.context.len())
}

/// The name of a fact, for example "partner"; sorted; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_context_key(error: *const psam_error, index: usize) -> *const c_char {
    text(error, |error| error.context.get(index).map(|(key, _)| key))
}

/// The fact itself, for example "fabrikam.com"; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_context_value(error: *const psam_error, index: usize) -> *const c_char {
    text(error, |error| error.context.get(index).map(|(_, value)| value))
}

/// How many underlying causes there are.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_cause_count(error: *const psam_error) -> usize {
    read(error, 0, |error: &ErrorObject| error.causes.len())
}

/// An underlying cause, the outermost at index 0; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_error_cause(error: *const psam_error, index: usize) -> *const c_char {
    text(error, |error| error.causes.get(index))
}

fn text(error: *const psam_error, field: impl FnOnce(&ErrorObject) -> Option<&Text>) -> *const c_char {
    read(error, ptr::null(), |error: &ErrorObject| pointer(field(error)))
}
