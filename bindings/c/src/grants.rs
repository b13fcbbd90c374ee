//! Grants: what there is, and its import, renewal and end.

use std::ffi::{c_char, c_void};
use std::ptr;

use partnersam::app::consent::ConsentOptions;
use partnersam::app::grants::GrantStatus;
use partnersam::app::import::ImportOptions;
use partnersam::app::renew::Renewed;
use partnersam::app::report::{GrantReport, RenewReport, RenewedReport, taint_words};
use partnersam::blocking::App;
use partnersam::clock::{Clock, SystemClock, UnixTime};
use partnersam::secret::RefreshToken;
use serde::Serialize;

use crate::app::{AppObject, psam_app};
use crate::argument::{Out, audiences, optional_text, tenant, text};
use crate::boundary::{call, free, read};
use crate::cancel::{Watch, psam_cancel};
use crate::consent::{ConsentedObject, consent_options, psam_consented};
use crate::document::{Interrupt, answer, psam_document};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::progress::{Progress, psam_progress};
use crate::status::psam_status;
use crate::text::{Text, pointer};
use crate::token::{PSAM_MFA_UNKNOWN, mfa, psam_mfa};

/// A list of grants as it was when it was asked for. Owned by the caller, who ends it with psam_grants_free().
pub struct psam_grants {
    _opaque: (),
}

#[derive(Debug)]
pub(crate) struct GrantsObject {
    rows: Vec<Row>,
    json: Text,
}

/// One grant as C reads it.
#[derive(Debug)]
struct Row {
    partner: Text,
    name: Text,
    user_name: Text,
    audiences: Text,
    purpose: Text,
    taints: Text,
    condition: Text,
    json: Text,
    status: GrantStatus,
}

impl Object for GrantsObject {
    type Handle = psam_grants;
    const KIND: Kind = Kind::Grants;
}

impl GrantsObject {
    fn new(grants: Vec<GrantStatus>) -> Self {
        let now = SystemClock.now();
        let documents = grants.iter().map(|grant| GrantReport::new(grant, now)).collect();
        let json = Text::json(&GrantsDocument { schema_version: 1, grants: documents });
        Self { rows: grants.into_iter().map(|grant| Row::new(grant, now)).collect(), json }
    }
}

impl Row {
    fn new(status: GrantStatus, now: UnixTime) -> Self {
        Self {
            partner: Text::new(status.partner),
            name: Text::new(status.name()),
            user_name: Text::new(&status.facts.user_name),
            audiences: Text::new(status.facts.audiences.join(",")),
            purpose: Text::new(&status.facts.purpose),
            taints: Text::new(taint_words(&status.facts.taints).join(",")),
            condition: Text::new(status.condition(now).as_str()),
            json: Text::json(&GrantReport::new(&status, now)),
            status,
        }
    }
}

#[derive(Serialize)]
struct GrantsDocument<'a> {
    schema_version: u32,
    grants: Vec<GrantReport<'a>>,
}

/// Lists every grant of this app, by tenant id. Sends nothing; may wait for the store.
///
/// cancel: ends the wait when it is tripped; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grants_list(
    app: *const psam_app,
    cancel: *const psam_cancel,
    out: *mut *mut psam_grants,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let grants = app.0.grants(&mut || watch.check())?;
        out.set(handle::open(GrantsObject::new(grants))?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("status", error, body) }
}

/// Ends a list of grants. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_free(grants: *mut psam_grants) -> psam_status {
    free::<GrantsObject>(grants)
}

/// How many grants are in the list. The texts of a list are owned by it and live until psam_grants_free(); getters with an index return NULL or 0
/// past the end, and all of them where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_count(grants: *const psam_grants) -> usize {
    read(grants, 0, |grants: &GrantsObject| grants.rows.len())
}

/// The whole list as one JSON object: schema_version and grants.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_json(grants: *const psam_grants) -> *const c_char {
    read(grants, ptr::null(), |grants: &GrantsObject| grants.json.as_ptr())
}

/// One grant with all its fields as one JSON object.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_item_json(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.json)
}

/// The id of the partner's tenant.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_partner(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.partner)
}

/// How people call the partner: by domain where one is known, else by id.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_name(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.name)
}

/// The sign-in name of the account that consented.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_user_name(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.user_name)
}

/// The audiences that were granted, separated by commas.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_audiences(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.audiences)
}

/// Why the consent was asked for.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_purpose(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.purpose)
}

/// What makes the grant weaker than it should be, separated by commas: "device_code", "without_mfa", "imported"; empty where nothing does.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_taints(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.taints)
}

/// Whether the sign-in was proved to have used MFA.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_mfa(grants: *const psam_grants, index: usize) -> psam_mfa {
    field_of(grants, index, PSAM_MFA_UNKNOWN, |row| mfa(row.status.facts.mfa.verdict))
}

/// How the grant was when the list was asked for: "active", "due" (to be renewed), "expired" by the calendar, or "ended" by the service.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_condition(grants: *const psam_grants, index: usize) -> *const c_char {
    text_of(grants, index, |row| &row.condition)
}

/// Counts every change of the grant; the first is 1.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_generation(grants: *const psam_grants, index: usize) -> u64 {
    field_of(grants, index, 0, |row| row.status.generation)
}

/// When the person consented, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_consented_on(grants: *const psam_grants, index: usize) -> i64 {
    field_of(grants, index, 0, |row| row.status.facts.consented_on.0)
}

/// When the grant was last used at the service, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_last_redeemed_on(grants: *const psam_grants, index: usize) -> i64 {
    field_of(grants, index, 0, |row| row.status.facts.last_redeemed_on.0)
}

/// From when it should be used to keep it alive, in seconds since 1970-01-01T00:00:00Z; see psam_grant_renew().
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_renew_after(grants: *const psam_grants, index: usize) -> i64 {
    field_of(grants, index, 0, |row| row.status.facts.renew_after.0)
}

/// When it ends if it is not used before, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn psam_grants_expires_on(grants: *const psam_grants, index: usize) -> i64 {
    field_of(grants, index, 0, |row| row.status.facts.expires_on.0)
}

fn field_of<R: Copy>(grants: *const psam_grants, index: usize, otherwise: R, field: impl FnOnce(&Row) -> R) -> R {
    read(grants, otherwise, |grants: &GrantsObject| grants.rows.get(index).map_or(otherwise, field))
}

fn text_of(grants: *const psam_grants, index: usize, field: impl FnOnce(&Row) -> &Text) -> *const c_char {
    read(grants, ptr::null(), |grants: &GrantsObject| pointer(grants.rows.get(index).map(field)))
}

/// Takes over a partner's refresh token that was obtained elsewhere for this same app. It is redeemed first, MFA is proved as at a consent, and only
/// then is anything stored. May wait.
///
/// refresh_token: not kept by this call beyond its end; the caller's copy is the caller's to wipe. audiences: to be proved, separated by commas;
/// NULL for those of the purpose, or partner-center, graph and arm. purpose: one that the configuration declares, or words for the record where none is
/// declared; NULL for the configuration's own. flags: 0 or PSAM_CONSENT_ALLOW_WITHOUT_MFA. cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: PSAM_ERROR_GRANT_EXPIRED, PSAM_ERROR_GRANT_REVOKED and their kin where it does not redeem; PSAM_ERROR_MFA_NOT_PROVED,
/// PSAM_ERROR_MFA_DOWNGRADE. After any of them nothing was stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_import(
    app: *const psam_app,
    partner: *const c_char,
    refresh_token: *const c_char,
    audiences: *const c_char,
    purpose: *const c_char,
    flags: u32,
    cancel: *const psam_cancel,
    out: *mut *mut psam_consented,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { tenant(partner, "partner") }?;
        // SAFETY: as above.
        let refresh_token = RefreshToken::new(unsafe { text(refresh_token, "refresh_token") }?.trim());
        // SAFETY: as above.
        let audiences = unsafe { self::audiences(audiences, "audiences") }?;
        // SAFETY: as above.
        let purpose = unsafe { optional_text(purpose, "purpose") }?.map(str::to_owned);
        let ConsentOptions { allow_without_mfa } = consent_options(flags)?;
        let options = ImportOptions { audiences, purpose, allow_without_mfa };
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let consented = app.0.import_grant(&partner, refresh_token, &options, &mut || watch.check())?;
        out.set(handle::open(ConsentedObject::new(consented))?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("import", error, body) }
}

/// Uses a partner's grant now, and so gives it its full life again. May wait.
///
/// cancel: ends the wait when it is tripped; NULL for none. expires_on: gets when the grant ends now if it is not used before, in seconds since
/// 1970-01-01T00:00:00Z; may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_renew(
    app: *const psam_app,
    partner: *const c_char,
    cancel: *const psam_cancel,
    expires_on: *mut i64,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::optional(expires_on) };
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { tenant(partner, "partner") }?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let expires_on = app.0.renew(&partner, &mut || watch.check())?;
        if let Some(out) = out {
            out.set(expires_on.0);
        }
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("renew", error, body) }
}

/// Renews every grant that is due within so many days; run it once a day. A partner's failure is in the document and does not stop the others: renewed,
/// failed, and partners, each with partner, expires_on and error. May wait, and long.
///
/// progress: told of each partner as it is done; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grants_renew_due(
    app: *const psam_app,
    within_days: u32,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let make = |app: &App, interrupt: Interrupt<'_>| {
        let by = SystemClock.now().plus(i64::from(within_days) * 24 * 3600);
        let each =
            move |done, found, renewed: &Renewed| progress.tell(done, Some(found), || RenewedReport::new(renewed));
        let renewed = app.renew_due(by, each, interrupt)?;
        Ok(serde_json::to_value(RenewReport::new(&renewed)).unwrap_or_default())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("renew", app, cancel, out, error, make) }
}

/// Removes a partner's grant from this store: its key, its tokens, everything. At the service it lives on until it is revoked there. May wait.
///
/// cancel: ends the wait when it is tripped; NULL for none. removed: gets 1, or 0 where there was none; may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_revoke(
    app: *const psam_app,
    partner: *const c_char,
    cancel: *const psam_cancel,
    removed: *mut i32,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::optional(removed) };
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { tenant(partner, "partner") }?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let was_there = app.0.revoke(&partner, &mut || watch.check())?;
        if let Some(out) = out {
            out.set(was_there.into());
        }
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("revoke", error, body) }
}
