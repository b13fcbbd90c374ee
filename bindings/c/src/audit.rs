//! The audit record.

use std::ffi::c_char;

use partnersam::app::audit::show::AuditQuery;
use partnersam::app::request::document;
use partnersam::audit::Anchor;
use partnersam::blocking::App;

use crate::app::psam_app;
use crate::argument::optional_text;
use crate::cancel::psam_cancel;
use crate::document::{Interrupt, answer, psam_document};
use crate::error::psam_error;
use crate::status::psam_status;

/// Checks the audit record from its first line to its last. What is wrong with it is in the document, not an error: whole, faults and notes (each with what,
/// file, line, text), lines, first, last, folder, and anchor, its end, to be kept elsewhere. Sends nothing; may wait for the store's key.
///
/// anchor: an end that was noted before and must be in the record; NULL for none. from_line: the number of the line that the record begins with; 1 unless
/// earlier files were put elsewhere. cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: PSAM_ERROR_NOT_SUPPORTED where nothing is recorded, PSAM_ERROR_INVALID_ARGUMENT where there is no line yet or the anchor is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_audit_verify(
    app: *const psam_app,
    anchor: *const c_char,
    from_line: u64,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let anchor = unsafe { optional_text(anchor, "anchor") }?.map(str::parse::<Anchor>).transpose()?;
        app.run(
            |app| async move {
                let report = app.verify_audit(anchor.as_ref(), from_line).await?;
                Ok(serde_json::to_value(app.audit_report(&report)).unwrap_or_default())
            },
            interrupt,
        )
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("audit", app, cancel, out, error, make) }
}

/// Shows lines of the audit record, oldest first: lines, as they stand in the record, and unreadable, how many were no lines. Checks nothing. May wait.
///
/// query_json: one object with what is wanted of since, until (a time in UTC or its beginning: "2026-11"), partner, customer, purpose, audience, operation
/// and outcome; NULL for all lines. cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: as for psam_audit_verify().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_audit_show(
    app: *const psam_app,
    query_json: *const c_char,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let query = document(unsafe { optional_text(query_json, "query_json") }?.unwrap_or("{}"))?;
        let query = AuditQuery::from_document(&query)?;
        app.run(|app| async move { app.audit_show(&query).await }, interrupt)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("audit", app, cancel, out, error, make) }
}
