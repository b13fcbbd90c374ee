//! The number that every function which can fail returns.

use std::ffi::{CStr, c_char};
use std::ptr;

pub mod numbers;

/// PSAM_OK, or the number of an error: one of the PSAM_ERROR_ constants. A library that is newer than this header may return others; their
/// block tells the family: 1xxx the call or the configuration, 2xxx consent and sign-in, 3xxx Partner Center, 4xxx network and services, 5xxx
/// the store, 9xxx a defect.
pub type psam_status = i32;

/// It went well.
pub const PSAM_OK: psam_status = 0;

/// The name of a status, the same in every language: "ConsentRequired" for PSAM_ERROR_CONSENT_REQUIRED, "Ok" for PSAM_OK; NULL for a number
/// that is none. The text lives as long as the library is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn psam_status_id(status: psam_status) -> *const c_char {
    entry(status).map_or(ptr::null(), |(id, _)| id.as_ptr())
}

/// One sentence that says what a status means, for callers that did not ask for a psam_error; NULL for a number that is none. The text lives as
/// long as the library is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn psam_status_sentence(status: psam_status) -> *const c_char {
    entry(status).map_or(ptr::null(), |(_, sentence)| sentence.as_ptr())
}

fn entry(status: psam_status) -> Option<(&'static CStr, &'static CStr)> {
    if status == PSAM_OK {
        return Some((c"Ok", c"it went well"));
    }
    numbers::TABLE.iter().find(|(number, ..)| *number == status).map(|(_, id, sentence)| (*id, *sentence))
}
