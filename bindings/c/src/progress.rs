//! Progress: how an operation that takes long tells of each thing as it is done.

use std::ffi::{c_char, c_void};

use serde::Serialize;

use crate::text::Text;

/// Told of each thing that an operation has done, a customer, a step, a partner, in the order in which they end. `done`: how many that makes. `total`: how
/// many there are; 0 while that is not known. `item_json`: the thing itself, as it will stand in the operation's document; good during the call only.
///
/// It is called on the thread that called the operation, and within that call. It must return: a longjmp() or a C++ exception that leaves it is undefined
/// behaviour. It may trip a psam_cancel; a function that waits returns PSAM_ERROR_NOT_SUPPORTED there.
pub type psam_progress =
    Option<unsafe extern "C" fn(user_data: *mut c_void, done: usize, total: usize, item_json: *const c_char)>;

/// Whom to tell.
pub(crate) struct Progress {
    pub(crate) told: psam_progress,
    pub(crate) user_data: *mut c_void,
}

// SAFETY: an operation is driven by the thread that called it, so that the pointer does not leave that thread.
unsafe impl Send for Progress {}

impl Progress {
    /// Makes the text only where somebody hears it.
    pub(crate) fn tell<T: Serialize>(&self, done: usize, total: Option<usize>, item: impl FnOnce() -> T) {
        if let Some(told) = self.told {
            let json = Text::json(&item());
            // SAFETY: the function is the caller's own, and what it is given is valid during the call, as its type promises.
            unsafe { told(self.user_data, done, total.unwrap_or(0), json.as_ptr()) };
        }
    }
}
