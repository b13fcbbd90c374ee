//! What tests need and no program: compiled only with the feature `test-hooks`.

use crate::boundary::call;
use crate::error::psam_error;
use crate::status::psam_status;

/// Panics inside of the boundary.
#[unsafe(no_mangle)]
#[expect(clippy::panic, reason = "that is what it is for")]
pub unsafe extern "C" fn psam_test_panic(error: *mut *mut psam_error) -> psam_status {
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("test", error, || panic!("a message that nobody must see")) }
}
