//! A check-up.

use std::ffi::c_char;
use std::ptr;

use partnersam::app::doctor::{DoctorRequest, Level};

use crate::app::{AppObject, psam_app};
use crate::argument::{Out, optional_tenant};
use crate::boundary::{call, free, read};
use crate::cancel::{Watch, psam_cancel};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::psam_status;
use crate::text::Text;

/// What a check-up found. Owned by the caller, who ends it with psam_checkup_free().
pub struct psam_checkup {
    _opaque: (),
}

#[derive(Debug)]
pub(crate) struct CheckupObject {
    verdict: psam_level,
    json: Text,
}

impl Object for CheckupObject {
    type Handle = psam_checkup;
    const KIND: Kind = Kind::Checkup;
}

/// How a check went: one of the PSAM_LEVEL_ constants.
pub type psam_level = i32;

/// As it should be.
pub const PSAM_LEVEL_PASS: psam_level = 0;
/// It works, or could not be told; somebody should look.
pub const PSAM_LEVEL_WARN: psam_level = 1;
/// It does not work.
pub const PSAM_LEVEL_FAIL: psam_level = 2;

/// Looks at everything that has to be right for a token to come: the app's credentials, the store and its key, the way to the service, the clock, the
/// redirect address; and for a partner the grant, a new token for each audience, MFA, the role in Partner Center, and one customer. May wait for store and
/// network. What does not work is a finding, not an error.
///
/// partner: tenant id or domain; NULL where there is one grant only. customer: one of the partner's customers; NULL for none. cancel: ends the wait when it
/// is tripped; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_doctor(
    app: *const psam_app,
    partner: *const c_char,
    customer: *const c_char,
    cancel: *const psam_cancel,
    out: *mut *mut psam_checkup,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let partner = unsafe { optional_tenant(partner, "partner") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let customer = unsafe { optional_tenant(customer, "customer") }?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let checkup = app.0.doctor(&DoctorRequest { partner, customer }, &mut || watch.check())?;
        let verdict = match checkup.verdict() {
            Level::Pass => PSAM_LEVEL_PASS,
            Level::Warn => PSAM_LEVEL_WARN,
            Level::Fail => PSAM_LEVEL_FAIL,
        };
        out.set(handle::open(CheckupObject { verdict, json: Text::json(&checkup.report()) })?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("doctor", error, body) }
}

/// Ends a check-up. The text that was read from it ends with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_checkup_free(checkup: *mut psam_checkup) -> psam_status {
    free::<CheckupObject>(checkup)
}

/// The worst of the findings: one of the PSAM_LEVEL_ constants; PSAM_LEVEL_FAIL where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_checkup_verdict(checkup: *const psam_checkup) -> psam_level {
    read(checkup, PSAM_LEVEL_FAIL, |checkup: &CheckupObject| checkup.verdict)
}

/// The whole check-up as one JSON object: schema_version, version, authority, verdict, and findings, each with check, about, level, message, fix,
/// error_number, error_id, codes and correlation_id. Safe to paste: names of tenants and accounts give way to what they stand for, ids are cut short, and
/// no secret is in it. NULL where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_checkup_json(checkup: *const psam_checkup) -> *const c_char {
    read(checkup, ptr::null(), |checkup: &CheckupObject| checkup.json.as_ptr())
}
