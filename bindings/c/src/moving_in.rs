//! Moving in: a grant comes from where another tool keeps it.

use std::ffi::c_char;

use partnersam::app::import::MoveRequest;
use partnersam::clock::{Clock as _, SystemClock};
use partnersam::error::Result;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::app::psam_app;
use crate::argument::optional_bytes;
use crate::cancel::psam_cancel;
use crate::document::{answer, asked, psam_document};
use crate::error::psam_error;
use crate::status::psam_status;

/// Reads where another tool keeps a partner's grant, in whatever form, and says what is there. Redeems, stores and changes nothing. May wait.
///
/// request_json: one object with partner and source (a file, "keyvault://NAME", "keyvault://NAME/secrets/SECRET", a secret's identifier, or
/// "keyring:SERVICE/USER"), and, where they are wanted, audiences (a list), purpose, allow_without_mfa (true), vault_identity ("app", "managed-identity",
/// "workload-identity" or "azure-cli"), write_back (true: the new token goes into the vault's secret, too) and purge (true: the old token is removed where it
/// was, once the grant has proved itself). given: what was in a source, as its bytes, instead of a source; NULL where the source is named. It may be the
/// refresh token alone, and is not part of the request, because that is not wiped. given_length: its length. cancel: ends the wait when it is tripped; NULL
/// for none.
///
/// The document: form, token_at (where the token stands), is_empty (whether there is none any more), and leftovers, each with kind ("password", "secret",
/// "other-refresh-token") and place: what else may be deleted.
///
/// Errors: PSAM_ERROR_INVALID_ARGUMENT for what is in no form that is known, contradicts itself, or is of another partner;
/// PSAM_ERROR_GRANT_OF_ANOTHER_APP; PSAM_ERROR_NOT_SUPPORTED for a SecureString; those of the vault or keyring that is read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_import_plan(
    app: *const psam_app,
    request_json: *const c_char,
    given: *const u8,
    given_length: usize,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    // SAFETY: as many bytes are readable as the caller says.
    let read = |document: &Value| unsafe { request(document, given, given_length) };
    let work = |app: partnersam::App, request| async move { Ok(app.plan_move_in(&request).await?.to_document()) };
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, read, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("import", app, cancel, out, error, make) }
}

/// Moves a partner's grant in: finds the refresh token, checks that it was given to this app and for this partner, redeems it, proves MFA as at a consent, and
/// only then stores it, and writes back or purges where that is asked for. See psam_grant_import_plan() for the request. May wait.
///
/// The document: that of a consent where one was stored, and moved_in, what was found, with stored_before (true: an earlier call had stored it and the purge
/// alone was left), written_back and purged, each null where it was not asked for, else with done, words and error. With purge the same call may be made again
/// until the old token is gone.
///
/// Errors: as for psam_grant_import_plan() and psam_grant_import(); after any of them nothing was stored and the source is as it was. What fails after the
/// grant is stored is in the document.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_import_from(
    app: *const psam_app,
    request_json: *const c_char,
    given: *const u8,
    given_length: usize,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    // SAFETY: as many bytes are readable as the caller says.
    let read = |document: &Value| unsafe { request(document, given, given_length) };
    let work =
        |app: partnersam::App, request| async move { Ok(app.move_in(&request).await?.to_document(SystemClock.now())) };
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, read, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("import", app, cancel, out, error, make) }
}

/// # Safety
///
/// `given` is null or points to `length` readable bytes.
unsafe fn request(document: &Value, given: *const u8, length: usize) -> Result<MoveRequest> {
    // SAFETY: the caller's promise, passed on.
    let given = unsafe { optional_bytes(given, length, "given") }?.map(|bytes| Zeroizing::new(bytes.to_vec()));
    MoveRequest::from_document(document, given)
}
