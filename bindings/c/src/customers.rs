//! A partner's customers, and what the app is consented to at each.

use std::ffi::{c_char, c_void};

use partnersam::app::customers::report::{ListReport, OutcomeReport, Run};
use partnersam::app::customers::{self, CustomerOutcome, CustomersRequest};
use partnersam::blocking::App;
use partnersam::error::Result;
use serde_json::Value;

use crate::app::psam_app;
use crate::argument::{optional_tenant, optional_text};
use crate::cancel::psam_cancel;
use crate::document::{Interrupt, answer, asked, psam_document};
use crate::error::psam_error;
use crate::progress::{Progress, psam_progress};
use crate::status::psam_status;

/// Lists a partner's customers as Partner Center has them: schema_version, partner, count and customers, each with tenant, name and domain. May wait.
///
/// partner: tenant id or domain; NULL where there is one grant only. purpose: one that the configuration declares; NULL for the configuration's own.
/// cancel: ends the wait when it is tripped; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_customers_list(
    app: *const psam_app,
    partner: *const c_char,
    purpose: *const c_char,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { optional_tenant(partner, "partner") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let purpose = unsafe { optional_text(purpose, "purpose") }?.map(str::to_owned);
        app.run(
            |app| async move {
                let customers = app.customers(partner.as_ref(), purpose.as_deref()).await?;
                let partner = app.partner_of(partner.as_ref()).await?;
                Ok(serde_json::to_value(ListReport::new(partner, &customers)).unwrap_or_default())
            },
            interrupt,
        )
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("customers", app, cancel, out, error, make) }
}

/// Compares what the app is consented to at each customer with what is wanted, and changes nothing. What fails at one customer is in the document and does
/// not stop the others. May wait.
///
/// request_json: one object with grants (what stands in a grants file: display_name and grants) or grants_file (its path), and, where they are wanted,
/// partner, customers (a list; all when it is left out), and purpose. progress: told of each customer as it is done; NULL for none. user_data: handed to
/// progress as it is. cancel: ends the wait when it is tripped; NULL for none.
///
/// The document: operation, partner, display_name, count, as_desired, to_change, no_consent, applied, proved_before, failed, and customers, each with tenant,
/// name, domain, verdict, differences and error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_customers_plan(
    app: *const psam_app,
    request_json: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let work = |app, request| run(app, request, Run::Plan, progress);
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, CustomersRequest::from_document, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("customers", app, cancel, out, error, make) }
}

/// Brings what the app is consented to at each customer to what is wanted, and reads it back; see psam_customers_plan() for request and document. May wait,
/// and long: Partner Center takes 50 requests a second. What was cut short goes on with the same call; request_json may name a journal (a path), where its
/// progress is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_customers_apply(
    app: *const psam_app,
    request_json: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let work = |app, request| run(app, request, Run::Apply, progress);
    // SAFETY: the rules for texts in the header's preamble.
    let make = unsafe { asked(request_json, CustomersRequest::from_document, work) };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("customers", app, cancel, out, error, make) }
}

async fn run(app: partnersam::App, request: CustomersRequest, run: Run, progress: Progress) -> Result<Value> {
    let each = move |at: customers::Progress, outcome: &CustomerOutcome| {
        progress.tell(at.done, at.total, || OutcomeReport::new(outcome));
    };
    app.customers_document(run, &request, each).await
}
