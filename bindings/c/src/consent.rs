//! Consent: a link to send, and what came of its reply.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use partnersam::app::consent::{ConsentLink, ConsentOptions, ConsentRequest, Consented, ResponseMode};
use partnersam::app::report::{ConsentReport, taint_words};
use partnersam::clock::{Clock as _, SystemClock};
use partnersam::{Error, ErrorKind, Result};
use url::Url;

use crate::app::{AppObject, psam_app};
use crate::argument::{Options, Out, audiences, flags, optional_text, options, tenant, text};
use crate::boundary::{call, free, read};
use crate::cancel::{Watch, psam_cancel};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::{PSAM_OK, psam_status};
use crate::text::{Text, pointer};
use crate::token::{PSAM_MFA_UNKNOWN, mfa, psam_mfa};

/// A flag of psam_consent_complete() and psam_grant_import(): store the grant even though MFA was not proved. Partner Center refuses its tokens.
pub const PSAM_CONSENT_ALLOW_WITHOUT_MFA: u32 = 1;

/// A flag of psam_consent_options: the reply comes in the redirect's query, for pasting it by hand, instead of a form that the browser posts, which
/// keeps the code out of addresses and logs.
pub const PSAM_CONSENT_REPLY_IN_QUERY: u32 = 1;

/// A link to send to a partner. Owned by the caller, who ends it with psam_consent_link_free(); the link itself stays good.
pub struct psam_consent_link {
    _opaque: (),
}

/// A consent that became a grant. Owned by the caller, who ends it with psam_consented_free(); the grant itself stays.
pub struct psam_consented {
    _opaque: (),
}

/// What may be said of a consent besides whom to ask and what for. Initialize it with struct_size alone:
/// psam_consent_options options = {.struct_size = sizeof options};
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psam_consent_options {
    /// sizeof(psam_consent_options).
    pub struct_size: usize,
    /// Where the reply goes; must be registered for the app. NULL for the configuration's own.
    pub redirect_uri: *const c_char,
    /// Why it is asked for; NULL for the configuration's own.
    pub purpose: *const c_char,
    /// The account to propose on the sign-in page; NULL for none.
    pub login_hint: *const c_char,
    /// What the sign-in must satisfy: a WWW-Authenticate header as for psam_token_options, or claims as JSON text, from psam_error_claims() for
    /// example; NULL for nothing.
    pub claims: *const c_char,
    /// Ends the wait when it is tripped; NULL for none.
    pub cancel: *const psam_cancel,
    /// Seconds that the link can be used; 0 for an hour.
    pub valid_for_seconds: u32,
    /// 0 or PSAM_CONSENT_REPLY_IN_QUERY.
    pub flags: u32,
}

impl Options for psam_consent_options {
    const FIRST_SIZE: usize = size_of::<Self>();

    fn none() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            redirect_uri: ptr::null(),
            purpose: ptr::null(),
            login_hint: ptr::null(),
            claims: ptr::null(),
            cancel: ptr::null(),
            valid_for_seconds: 0,
            flags: 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct LinkObject {
    url: Text,
    state: Text,
    partner: Text,
    redirect_uri: Text,
    expires_on: i64,
}

impl Object for LinkObject {
    type Handle = psam_consent_link;
    const KIND: Kind = Kind::ConsentLink;
}

impl LinkObject {
    fn new(link: &ConsentLink) -> Self {
        Self {
            url: Text::new(&link.url),
            state: Text::new(&link.state),
            partner: Text::new(link.partner),
            redirect_uri: Text::new(&link.redirect_uri),
            expires_on: link.expires_on.0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct ConsentedObject {
    partner: Text,
    name: Text,
    user_name: Text,
    taints: Text,
    mfa: psam_mfa,
    expires_on: i64,
    audiences: Vec<Minted>,
    json: Text,
}

/// What came of one audience, as C reads it.
#[derive(Debug)]
struct Minted {
    name: Text,
    status: psam_status,
    error_json: Option<Text>,
}

impl Object for ConsentedObject {
    type Handle = psam_consented;
    const KIND: Kind = Kind::Consented;
}

impl ConsentedObject {
    pub(crate) fn new(consented: Consented) -> Self {
        let minted = consented.audiences.iter().map(|(audience, result)| Minted {
            name: Text::new(audience),
            status: result.as_ref().map_or_else(|error| error.kind().number().into(), |_| PSAM_OK),
            error_json: result.as_ref().err().map(|error| Text::new(error.to_json())),
        });
        Self {
            partner: Text::new(consented.partner),
            name: Text::new(&consented.name),
            user_name: Text::new(&consented.user_name),
            taints: Text::new(taint_words(&consented.taints).join(",")),
            mfa: mfa(consented.mfa.verdict),
            expires_on: consented.expires_on.0,
            audiences: minted.collect(),
            json: Text::json(&ConsentReport::new(&consented, SystemClock.now())),
        }
    }
}

/// Flags of a completion as the core reads them.
pub(crate) fn consent_options(given: u32) -> Result<ConsentOptions> {
    let given = flags(given, PSAM_CONSENT_ALLOW_WITHOUT_MFA)?;
    Ok(ConsentOptions { allow_without_mfa: given & PSAM_CONSENT_ALLOW_WITHOUT_MFA != 0 })
}

/// Makes a link that one partner can use once: open it in a browser, or send it. What its reply must match is kept, sealed, in the store, so that any
/// process which shares the store can complete it. May wait.
///
/// partner: who is invited, by tenant id or domain; nobody else can complete the link. audiences: what to ask for, separated by commas; NULL for
/// partner-center, graph and arm. options: NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_consent_begin(
    app: *const psam_app,
    partner: *const c_char,
    audiences: *const c_char,
    options: *const psam_consent_options,
    out: *mut *mut psam_consent_link,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for structs of options in the header's preamble.
        let options = unsafe { self::options(options) }?;
        // SAFETY: the rules for texts in the header's preamble.
        let mut request = ConsentRequest::new(unsafe { tenant(partner, "partner") }?);
        // SAFETY: as above.
        request.audiences = unsafe { self::audiences(audiences, "audiences") }?;
        // SAFETY: as above.
        let redirect_uri = unsafe { optional_text(options.redirect_uri, "redirect_uri") }?;
        request.redirect_uri = redirect_uri.map(Url::parse).transpose().map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "consent", "redirect_uri is not an absolute address")
        })?;
        // SAFETY: as above.
        request.purpose = unsafe { optional_text(options.purpose, "purpose") }?.map(str::to_owned);
        // SAFETY: as above.
        request.login_hint = unsafe { optional_text(options.login_hint, "login_hint") }?.map(str::to_owned);
        // SAFETY: as above.
        request.claims = unsafe { optional_text(options.claims, "claims") }?.map(str::to_owned);
        if options.valid_for_seconds != 0 {
            request.valid_for = Duration::from_secs(options.valid_for_seconds.into());
        }
        if flags(options.flags, PSAM_CONSENT_REPLY_IN_QUERY)? & PSAM_CONSENT_REPLY_IN_QUERY != 0 {
            request.response_mode = ResponseMode::Query;
        }
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(options.cancel)?;
        watch.check()?;
        let link = app.0.begin_consent(&request, &mut || watch.check())?;
        out.set(handle::open(LinkObject::new(&link))?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("consent", error, body) }
}

/// Ends a link's handle. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_free(link: *mut psam_consent_link) -> psam_status {
    free::<LinkObject>(link)
}

/// The address to open. Good once, for one partner, until psam_consent_link_expires_on(). Not secret, but nobody else's business. This and every
/// other text of a link is owned by it and lives until psam_consent_link_free(); all getters return NULL or 0 where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_url(link: *const psam_consent_link) -> *const c_char {
    link_text(link, |link| &link.url)
}

/// What the reply will repeat in its parameter "state": lets a listener tell the reply from junk.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_state(link: *const psam_consent_link) -> *const c_char {
    link_text(link, |link| &link.state)
}

/// The id of the invited partner's tenant.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_partner(link: *const psam_consent_link) -> *const c_char {
    link_text(link, |link| &link.partner)
}

/// Where the reply goes.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_redirect_uri(link: *const psam_consent_link) -> *const c_char {
    link_text(link, |link| &link.redirect_uri)
}

/// When the link ends, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consent_link_expires_on(link: *const psam_consent_link) -> i64 {
    read(link, 0, |link: &LinkObject| link.expires_on)
}

fn link_text(link: *const psam_consent_link, field: impl FnOnce(&LinkObject) -> &Text) -> *const c_char {
    read(link, ptr::null(), |link: &LinkObject| field(link).as_ptr())
}

/// Completes a consent with its reply: the body of the posted form, the redirect's query, or the whole redirect address that a person pasted. The
/// sign-in is verified, MFA is proved, the grant is stored, and each audience is minted once. May wait.
///
/// reply: not kept. flags: 0 or PSAM_CONSENT_ALLOW_WITHOUT_MFA. cancel: ends the wait when it is tripped; NULL for none. Who gives up must look at
/// psam_grants_list() for whether it was too late.
///
/// Errors: PSAM_ERROR_CONSENT_STATE_UNKNOWN, PSAM_ERROR_CONSENT_LINK_EXPIRED, PSAM_ERROR_CONSENT_DECLINED, PSAM_ERROR_ID_TOKEN_INVALID,
/// PSAM_ERROR_TENANT_MISMATCH, PSAM_ERROR_MFA_NOT_PROVED, PSAM_ERROR_MFA_DOWNGRADE, and those of psam_token_get(). After any of them nothing
/// was stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_consent_complete(
    app: *const psam_app,
    reply: *const c_char,
    flags: u32,
    cancel: *const psam_cancel,
    out: *mut *mut psam_consented,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let reply = unsafe { text(reply, "reply") }?;
        let options = consent_options(flags)?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let consented = app.0.complete_consent(reply, options, &mut || watch.check())?;
        out.set(handle::open(ConsentedObject::new(consented))?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("consent", error, body) }
}

/// Ends the handle of a completed consent. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_free(consented: *mut psam_consented) -> psam_status {
    free::<ConsentedObject>(consented)
}

/// All that came of it as one JSON object. This and every other text of a completed consent is owned by it and lives until psam_consented_free();
/// all getters return NULL or 0 where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_json(consented: *const psam_consented) -> *const c_char {
    consented_text(consented, |consented| Some(&consented.json))
}

/// The id of the partner's tenant.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_partner(consented: *const psam_consented) -> *const c_char {
    consented_text(consented, |consented| Some(&consented.partner))
}

/// How the partner was named.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_name(consented: *const psam_consented) -> *const c_char {
    consented_text(consented, |consented| Some(&consented.name))
}

/// Who signed in.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_user_name(consented: *const psam_consented) -> *const c_char {
    consented_text(consented, |consented| Some(&consented.user_name))
}

/// What makes the grant weaker than it should be, separated by commas: "device_code", "without_mfa", "imported"; empty where nothing does.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_taints(consented: *const psam_consented) -> *const c_char {
    consented_text(consented, |consented| Some(&consented.taints))
}

/// Whether the sign-in was proved to have used MFA.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_mfa(consented: *const psam_consented) -> psam_mfa {
    read(consented, PSAM_MFA_UNKNOWN, |consented: &ConsentedObject| consented.mfa)
}

/// When the grant ends if it is not used before, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_expires_on(consented: *const psam_consented) -> i64 {
    read(consented, 0, |consented: &ConsentedObject| consented.expires_on)
}

/// How many audiences were asked for.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_audience_count(consented: *const psam_consented) -> usize {
    read(consented, 0, |consented: &ConsentedObject| consented.audiences.len())
}

/// The name of an audience that was asked for; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_audience(consented: *const psam_consented, index: usize) -> *const c_char {
    consented_text(consented, |consented| consented.audiences.get(index).map(|minted| &minted.name))
}

/// PSAM_OK where the audience came, else why it did not; PSAM_ERROR_INVALID_ARGUMENT past the end, PSAM_ERROR_HANDLE_INVALID where the
/// handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_audience_status(consented: *const psam_consented, index: usize) -> psam_status {
    read(consented, ErrorKind::HandleInvalid.number().into(), |consented: &ConsentedObject| {
        consented.audiences.get(index).map_or(ErrorKind::InvalidArgument.number().into(), |minted| minted.status)
    })
}

/// Why the audience did not come, as the same JSON object that psam_error_json() gives of an error; NULL where it came, and past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_consented_audience_error_json(consented: *const psam_consented, index: usize) -> *const c_char {
    consented_text(consented, |consented| consented.audiences.get(index)?.error_json.as_ref())
}

fn consented_text(
    consented: *const psam_consented,
    field: impl FnOnce(&ConsentedObject) -> Option<&Text>,
) -> *const c_char {
    read(consented, ptr::null(), |consented: &ConsentedObject| pointer(field(consented)))
}
