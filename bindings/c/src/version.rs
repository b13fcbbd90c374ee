//! Which library this is.

use std::ffi::{CStr, c_char};

/// The ABI that this header describes. It grows when a function is added; see psam_abi_version().
pub const PSAM_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The ABI of the library that is loaded. Numbers and signatures are added, never changed: a program runs with every library whose
/// number is at least the PSAM_ABI_VERSION that the program was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn psam_abi_version() -> u32 {
    PSAM_ABI_VERSION
}

/// The version of the library, for example "0.1.0". The text lives as long as the library is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn psam_version() -> *const c_char {
    VERSION.as_ptr()
}
