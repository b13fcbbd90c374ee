//! Revocation at the service, and what is done when something was stolen.

use std::ffi::{c_char, c_void};

use partnersam::app::incident::{IncidentRequest, RevokeOptions, StepOutcome, plan_document};
use partnersam::app::report::RevokeReport;
use partnersam::blocking::App;

use crate::app::psam_app;
use crate::argument::{flags, tenant};
use crate::cancel::psam_cancel;
use crate::document::{Interrupt, answer, asked, psam_document};
use crate::error::psam_error;
use crate::progress::{Progress, psam_progress};
use crate::status::psam_status;

/// A flag of psam_grant_revoke_with(): end the sign-ins of the account that consented, and with them every refresh token of it, wherever a copy is.
pub const PSAM_REVOKE_EVERYWHERE: u32 = 1;

/// A flag of psam_grant_revoke_with(): withdraw what the app is consented to at every customer of the partner.
pub const PSAM_REVOKE_CUSTOMER_CONSENTS: u32 = 2;

/// Removes a partner's grant as psam_grant_revoke() does, and before that, while there is a grant to do it with, does at the service what the flags say. What
/// cannot be done there now keeps the grant for the next attempt. May wait.
///
/// flags: PSAM_REVOKE_EVERYWHERE, PSAM_REVOKE_CUSTOMER_CONSENTS, both, or 0. cancel: ends the wait when it is tripped; NULL for none.
///
/// The document: partner, removed, store, and steps, each with step, outcome ("done", "by_hand", "postponed"), note, by_hand (what a person must do) and
/// error. Ending sign-ins needs the delegated permission User.RevokeSessions.All of graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_grant_revoke_with(
    app: *const psam_app,
    partner: *const c_char,
    flags: u32,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { tenant(partner, "partner") }?;
        let flags = self::flags(flags, PSAM_REVOKE_EVERYWHERE | PSAM_REVOKE_CUSTOMER_CONSENTS)?;
        let options = RevokeOptions {
            everywhere: flags & PSAM_REVOKE_EVERYWHERE != 0,
            customer_consents: flags & PSAM_REVOKE_CUSTOMER_CONSENTS != 0,
        };
        app.run(
            |app| async move {
                let revoked = app.revoke_with(&partner, options).await?;
                Ok(serde_json::to_value(RevokeReport::new(&revoked, &app.store_location())).unwrap_or_default())
            },
            interrupt,
        )
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("revoke", app, cancel, out, error, make) }
}

/// The steps that an incident would take, in their order. Sends nothing and changes nothing; may wait for the store.
///
/// request_json: one object with partners (a list) or all (true), and, where they are wanted, keep_credential (true: the app's credential stays),
/// customer_consents (true) and evidence (a path). cancel: ends the wait when it is tripped; NULL for none.
///
/// The document: dry_run, steps, each with number, step, partner, name and what, and know, what people get wrong about stolen tokens.
///
/// Errors: PSAM_ERROR_CONSENT_REQUIRED for a partner without a grant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_incident_plan(
    app: *const psam_app,
    request_json: *const c_char,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let work = |app: partnersam::App, request| async move { Ok(plan_document(&app.plan_incident(&request).await?)) };
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, IncidentRequest::from_document, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("incident", app, cancel, out, error, make) }
}

/// Takes those steps: ends sign-ins, withdraws consents, replaces the app's credential, removes grants; leaves a file of evidence. The same call goes on
/// where an earlier one was cut short, by a kill, too. May wait, and long; see psam_incident_plan() for the request.
///
/// progress: told of each step as it ends; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.
///
/// The document: incident, began, settled (false: some steps were postponed, and the same call does them later), steps, each with outcome ("done",
/// "done_before", "by_hand", "postponed"), note, by_hand and error, consents (how each partner consents anew: the links are for the partners only), know, and
/// evidence (its path).
///
/// Errors: PSAM_ERROR_AUDIT_UNWRITABLE before anything is done; PSAM_ERROR_STORE_CONFLICT where another process is at it; PSAM_ERROR_INVALID_ARGUMENT where
/// an unfinished one has other choices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_incident_run(
    app: *const psam_app,
    request_json: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let work = |app: partnersam::App, request| async move {
        let mut done = 0;
        let each = move |end: &StepOutcome| {
            done += 1;
            progress.tell(done, None, || end.to_document());
        };
        Ok(app.run_incident(&request, each).await?.to_document(true))
    };
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, IncidentRequest::from_document, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("incident", app, cancel, out, error, make) }
}
