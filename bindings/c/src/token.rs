//! Access tokens.

use std::ffi::c_char;
use std::ptr;
use std::sync::{Arc, OnceLock};

use partnersam::app::token::{Token, TokenRequest};
use partnersam::store::Mfa;
use partnersam::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::app::{AppObject, psam_app};
use crate::argument::{Options, Out, optional_tenant, optional_text, options, text};
use crate::boundary::{call, free, read};
use crate::cancel::{Watch, psam_cancel};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::psam_status;
use crate::text::{SecretText, Text};

/// Whether a sign-in used MFA: one of the PSAM_MFA_ constants.
pub type psam_mfa = i32;

/// It cannot be told.
pub const PSAM_MFA_UNKNOWN: psam_mfa = 0;

/// Proved that it did.
pub const PSAM_MFA_YES: psam_mfa = 1;

/// Proved that it did not.
pub const PSAM_MFA_NO: psam_mfa = 2;

/// An access token for one audience in one tenant, and what is known of it. Owned by the caller, who ends it with psam_token_free().
pub struct psam_token {
    _opaque: (),
}

/// What may be asked of a token besides whose and what for. Initialize it with struct_size alone:
/// psam_token_options options = {.struct_size = sizeof options};
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psam_token_options {
    /// sizeof(psam_token_options).
    pub struct_size: usize,
    /// What a service challenged the caller to satisfy: the value of its WWW-Authenticate header, several joined by commas, or the claims in it
    /// as JSON text; NULL for nothing. A new token is fetched then. A challenge is met once: a token that is challenged again has failed.
    pub claims: *const c_char,
    /// Ends the wait when it is tripped; NULL for none.
    pub cancel: *const psam_cancel,
    /// Not 0: fetch a new token even if a good one is at hand.
    pub fresh: i32,
    /// Why: a purpose that the configuration declares; NULL for the configuration's own.
    pub purpose: *const c_char,
    /// Not 0: a token of the app alone (client credentials) for its own tenant, without anybody's grant and without MFA; only with the profile "csp".
    pub app_only: i32,
}

impl Options for psam_token_options {
    const FIRST_SIZE: usize = size_of::<Self>();

    fn none() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            claims: ptr::null(),
            cancel: ptr::null(),
            fresh: 0,
            purpose: ptr::null(),
            app_only: 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct TokenObject {
    token: Arc<Token>,
    secret: SecretText,
    partner: OnceLock<Text>,
    tenant: OnceLock<Text>,
    audience: OnceLock<Text>,
    scopes: OnceLock<Text>,
    warnings: OnceLock<Vec<Text>>,
    json: OnceLock<Text>,
}

impl Object for TokenObject {
    type Handle = psam_token;
    const KIND: Kind = Kind::Token;
}

impl TokenObject {
    fn new(token: Arc<Token>) -> Result<Self> {
        // EXPOSE: C gets the token as a text of its own, which psam_token_free() wipes.
        let secret = SecretText::new(token.secret().expose()).ok_or_else(|| {
            Error::new(ErrorKind::ResponseMalformed, "token", "the service's token has a NUL character in it")
        })?;
        Ok(Self {
            token,
            secret,
            partner: OnceLock::new(),
            tenant: OnceLock::new(),
            audience: OnceLock::new(),
            scopes: OnceLock::new(),
            warnings: OnceLock::new(),
            json: OnceLock::new(),
        })
    }

    fn warnings(&self) -> &[Text] {
        self.warnings.get_or_init(|| self.token.warnings.iter().map(|warning| Text::new(warning.to_json())).collect())
    }
}

/// A token without its secret, as JSON. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct TokenDocument<'a> {
    schema_version: u32,
    partner: String,
    tenant: String,
    audience: &'a str,
    expires_on: String,
    refresh_after: String,
    scopes: &'a [String],
    mfa: &'static str,
    warnings: Vec<partnersam::error::ErrorDocument<'a>>,
}

impl<'a> From<&'a Token> for TokenDocument<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            schema_version: 1,
            partner: token.partner.to_string(),
            tenant: token.tenant.to_string(),
            audience: token.audience.name(),
            expires_on: token.expires_on.to_string(),
            refresh_after: token.refresh_after.to_string(),
            scopes: &token.scopes,
            mfa: token.mfa.as_str(),
            warnings: token.warnings.iter().map(Error::to_document).collect(),
        }
    }
}

/// Gets an access token: from memory, else from the store, else from the service, whose answer is saved before this returns. May wait; see
/// `cancel` in the options.
///
/// partner: whose grant, by tenant id or domain; NULL where there is one partner only. customer: the customer whose tenant the token is for, by id
/// or domain; NULL for the partner's own. audience: "graph", "partner-center", "arm", "exchange", "key-vault", "teams", or any resource or scope.
/// options: NULL for none.
///
/// Errors: PSAM_ERROR_CONSENT_REQUIRED, PSAM_ERROR_GRANT_EXPIRED and their kin when a person must act; PSAM_ERROR_RATE_LIMITED,
/// PSAM_ERROR_SERVER_UNAVAILABLE when waiting helps; PSAM_ERROR_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_token_get(
    app: *const psam_app,
    partner: *const c_char,
    customer: *const c_char,
    audience: *const c_char,
    options: *const psam_token_options,
    out: *mut *mut psam_token,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for structs of options in the header's preamble.
        let options = unsafe { self::options(options) }?;
        // SAFETY: the rules for texts in the header's preamble.
        let mut request = TokenRequest::new(unsafe { text(audience, "audience") }?.parse()?);
        // SAFETY: as above.
        request.partner = unsafe { optional_tenant(partner, "partner") }?;
        // SAFETY: as above.
        request.customer = unsafe { optional_tenant(customer, "customer") }?;
        // SAFETY: as above.
        request.claims = unsafe { optional_text(options.claims, "claims") }?.map(str::to_owned);
        // SAFETY: as above.
        request.purpose = unsafe { optional_text(options.purpose, "purpose") }?.map(str::to_owned);
        request.fresh = options.fresh != 0;
        request.app_only = options.app_only != 0;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(options.cancel)?;
        watch.check()?;
        let token = app.0.token(&request, &mut || watch.check())?;
        out.set(handle::open(TokenObject::new(token)?)?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("token", error, body) }
}

/// Ends a token and wipes it from memory. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_free(token: *mut psam_token) -> psam_status {
    free::<TokenObject>(token)
}

/// The token itself, for "Authorization: Bearer ...". This and every other text of a token is owned by the token and lives until
/// psam_token_free(); all getters return NULL or 0 where the handle is not valid. Keep copies out of logs and files.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_secret(token: *const psam_token) -> *const c_char {
    read(token, ptr::null(), |token: &TokenObject| token.secret.as_ptr())
}

/// Length of the token in bytes, without the final NUL.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_secret_length(token: *const psam_token) -> usize {
    read(token, 0, |token: &TokenObject| token.secret.len())
}

/// When the token ends, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_expires_on(token: *const psam_token) -> i64 {
    read(token, 0, |token: &TokenObject| token.token.expires_on.0)
}

/// From when a new one should be asked for, in seconds since 1970-01-01T00:00:00Z. Asking each time does that by itself, and costs little.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_refresh_after(token: *const psam_token) -> i64 {
    read(token, 0, |token: &TokenObject| token.token.refresh_after.0)
}

/// The id of the partner's tenant, whose grant it came from.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_partner(token: *const psam_token) -> *const c_char {
    text_of(token, |token| token.partner.get_or_init(|| Text::new(token.token.partner)))
}

/// The id of the tenant that the token is good in: the customer's, or the partner's own.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_tenant(token: *const psam_token) -> *const c_char {
    text_of(token, |token| token.tenant.get_or_init(|| Text::new(token.token.tenant)))
}

/// The service it is for, for example "graph".
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_audience(token: *const psam_token) -> *const c_char {
    text_of(token, |token| token.audience.get_or_init(|| Text::new(&token.token.audience)))
}

/// The scopes that it was issued with, separated by spaces.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_scopes(token: *const psam_token) -> *const c_char {
    text_of(token, |token| token.scopes.get_or_init(|| Text::new(token.token.scopes.join(" "))))
}

/// Whether MFA is in it.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_mfa(token: *const psam_token) -> psam_mfa {
    read(token, PSAM_MFA_UNKNOWN, |token: &TokenObject| mfa(token.token.mfa))
}

/// How many things went wrong that did not keep the token from the caller, such as a store that could not be written.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_warning_count(token: *const psam_token) -> usize {
    read(token, 0, |token: &TokenObject| token.token.warnings.len())
}

/// One of them, as the same JSON object that psam_error_json() gives of an error; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_warning_json(token: *const psam_token, index: usize) -> *const c_char {
    read(token, ptr::null(), |token: &TokenObject| crate::text::pointer(token.warnings().get(index)))
}

/// All that is known of the token, without the token itself, as one JSON object.
#[unsafe(no_mangle)]
pub extern "C" fn psam_token_json(token: *const psam_token) -> *const c_char {
    text_of(token, |token| token.json.get_or_init(|| Text::json(&TokenDocument::from(&*token.token))))
}

fn text_of(token: *const psam_token, field: impl FnOnce(&TokenObject) -> &Text) -> *const c_char {
    read(token, ptr::null(), |token: &TokenObject| field(token).as_ptr())
}

/// The constant for a verdict.
pub(crate) fn mfa(verdict: Mfa) -> psam_mfa {
    match verdict {
        Mfa::Yes => PSAM_MFA_YES,
        Mfa::No => PSAM_MFA_NO,
        Mfa::Unknown => PSAM_MFA_UNKNOWN,
    }
}
