//! The wall between C and Rust: errors become a status and a handle, panics become errors, nothing unwinds into C.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once};

use partnersam::{Error, ErrorKind, Result};

use crate::error::{ErrorObject, psam_error};
use crate::handle::{self, Object};
use crate::status::{PSAM_OK, psam_status};
use crate::{argument::Out, fork};

/// Runs `body` for a function that can fail. What it returns as an error, and what it panics with, becomes the status and, where `error` is not null,
/// a new `psam_error`.
///
/// # Safety
///
/// `error` is null or valid for writing.
pub(crate) unsafe fn call(
    operation: &'static str,
    error: *mut *mut psam_error,
    body: impl FnOnce() -> Result<()>,
) -> psam_status {
    let failure = match contained(operation, body) {
        Ok(()) => return PSAM_OK,
        Err(failure) => failure.in_operation(operation),
    };
    let status = psam_status::from(failure.kind().number());
    // SAFETY: the caller's promise, passed on.
    if let Some(error) = unsafe { Out::optional(error) } {
        // A caller for whom there is no room gets the number alone.
        if let Ok(handle) = contained(operation, || handle::open(ErrorObject::new(&failure))) {
            error.set(handle);
        }
    }
    status
}

/// Runs `body` for a function that has no way to say more than a status.
pub(crate) fn status(body: impl FnOnce() -> Result<()>) -> psam_status {
    contained("call", body).map_or_else(|failure| psam_status::from(failure.kind().number()), |()| PSAM_OK)
}

/// Reads something of an object; `otherwise` where `handle` leads to none.
pub(crate) fn read<T: Object, R>(handle: *const T::Handle, otherwise: R, read: impl FnOnce(&T) -> R) -> R {
    contained("read", || handle::get::<T>(handle).map(|object| read(&object))).unwrap_or(otherwise)
}

/// Frees a handle.
pub(crate) fn free<T: Object>(handle: *mut T::Handle) -> psam_status {
    status(|| handle::close::<T>(handle))
}

fn contained<R>(operation: &'static str, body: impl FnOnce() -> Result<R>) -> Result<R> {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            // The message may repeat a value that must not be seen; the place cannot. Never waits: a panic may come at any moment.
            if let Ok(mut place) = LAST_PANIC.try_lock() {
                *place = panic.location().map(ToString::to_string);
            }
        }));
        fork::watch();
        #[cfg(windows)]
        pin_library();
    });
    // What a panic leaves behind is either of this one call, or behind locks that know it.
    panic::catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Panic, operation, "partnersam stopped at a defect and contained it"))
        })
        .map_err(
            |error| {
                if matches!(error.kind(), ErrorKind::Panic | ErrorKind::Internal) { with_place(error) } else { error }
            },
        )
}

/// Where the last panic was: in a call, or in a task that a call waits for.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

fn with_place(error: Error) -> Error {
    match LAST_PANIC.try_lock().ok().and_then(|mut place| place.take()) {
        Some(place) => error.with_context("panicked_at", place),
        None => error,
    }
}

/// Worker threads may still run when a program frees the library: its code must stay in memory.
#[cfg(windows)]
fn pin_library() {
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };
    let mut module = std::ptr::null_mut();
    let own: fn() = pin_library;
    // SAFETY: with FROM_ADDRESS the second argument is any address in the module, and `module` is a local that is written.
    unsafe {
        GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
            own as *const u16,
            &raw mut module,
        )
    };
}
