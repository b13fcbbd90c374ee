//! Functions of the caller's by which an app proves itself: a key in an HSM, a smart card or a vault, or another identity provider's word.

use std::ffi::{c_char, c_void};

use partnersam::app::credential::Callbacks;
use partnersam::{Config, Error, ErrorKind, Result};

use crate::app::{open, psam_app};
use crate::argument::{Out, optional_text};
use crate::boundary::call;
use crate::error::psam_error;
use crate::status::psam_status;

/// Signs `message` and writes the signature to `signature`, which has room for `*signature_length` bytes (at least 1024), and its length to
/// `*signature_length`. `algorithm` is "PS256" (RSASSA-PSS with SHA-256 and a salt of 32 bytes) or "RS256" (RSASSA-PKCS1-v1_5 with SHA-256); the
/// message is not hashed yet. Returns 0 when it did, and any other number when it did not. The texts and places are good during the call only.
///
/// It is called on a thread of the library's, perhaps on several at once, and may block. It must return: a longjmp() or a C++ exception that leaves it
/// is undefined behaviour. It must not call a function that waits (psam_token_get and its kin) on the same app.
pub type psam_sign = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        algorithm: *const c_char,
        message: *const u8,
        message_length: usize,
        signature: *mut u8,
        signature_length: *mut usize,
    ) -> i32,
>;

/// Writes an assertion, a signed JWT in its compact form, to `assertion`, which has room for `*assertion_length` bytes (at least 16384), and its length
/// without a NUL to `*assertion_length`. Returns 0 when it did, and any other number when it did not. The rules are those of psam_sign.
pub type psam_fetch_assertion =
    Option<unsafe extern "C" fn(user_data: *mut c_void, assertion: *mut u8, assertion_length: *mut usize) -> i32>;

/// Ends what `user_data` points to. Called once, on any thread, when no function can be called with it any more: after psam_app_free() and the last
/// operation that was under way, or before the opening function returns, where that fails. In a forked child it may not be called at all.
pub type psam_free_user_data = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Room for a signature: enough for an RSA key of 8192 bits.
const SIGNATURE_ROOM: usize = 1024;

/// Room for an assertion.
const ASSERTION_ROOM: usize = 16 << 10;

/// Opens an app whose key is elsewhere: `sign` signs for it. The configuration names the key's certificate, in PEM and without a key, with
/// certificate_file. One signature serves all tokens of a tenant for nine minutes.
///
/// config_json: as for psam_app_open(). user_data: handed to `sign` as it is; may be NULL. free_user_data: may be NULL.
///
/// Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_app_open_with_signer(
    config_json: *const c_char,
    sign: psam_sign,
    user_data: *mut c_void,
    free_user_data: psam_free_user_data,
    out: *mut *mut psam_app,
    error: *mut *mut psam_error,
) -> psam_status {
    let user_data = UserData { pointer: user_data, free: free_user_data };
    let body = || {
        let sign = sign.ok_or_else(|| missing("sign"))?;
        let callbacks = Callbacks::default().signer(move |algorithm, message| {
            let mut signature = vec![0; SIGNATURE_ROOM];
            let mut length = signature.len();
            let name = match algorithm {
                partnersam::protocol::assertion::Algorithm::Ps256 => c"PS256",
                partnersam::protocol::assertion::Algorithm::Rs256 => c"RS256",
            };
            let pointer = user_data.pointer();
            // SAFETY: the function is the caller's own, and what it is given is valid during the call, as its type promises.
            let failed = unsafe {
                sign(pointer, name.as_ptr(), message.as_ptr(), message.len(), signature.as_mut_ptr(), &raw mut length)
            };
            written("sign", failed, length, signature)
        });
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let json = unsafe { optional_text(config_json, "config_json") }?;
        open(configured(json, callbacks)?, out)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("open", error, body) }
}

/// Opens an app that proves itself by another identity provider's word: `fetch` brings an assertion for each use.
///
/// config_json: as for psam_app_open(). user_data: handed to `fetch` as it is; may be NULL. free_user_data: may be NULL.
///
/// Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_app_open_with_assertion(
    config_json: *const c_char,
    fetch: psam_fetch_assertion,
    user_data: *mut c_void,
    free_user_data: psam_free_user_data,
    out: *mut *mut psam_app,
    error: *mut *mut psam_error,
) -> psam_status {
    let user_data = UserData { pointer: user_data, free: free_user_data };
    let body = || {
        let fetch = fetch.ok_or_else(|| missing("fetch"))?;
        let callbacks = Callbacks::default().assertion(move || {
            let mut assertion = vec![0; ASSERTION_ROOM];
            let mut length = assertion.len();
            let pointer = user_data.pointer();
            // SAFETY: the function is the caller's own, and what it is given is valid during the call, as its type promises.
            let failed = unsafe { fetch(pointer, assertion.as_mut_ptr(), &raw mut length) };
            let text = written("fetch", failed, length, assertion)?;
            String::from_utf8(text).map_err(|_| useless("fetch", "brought what is not UTF-8"))
        });
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let json = unsafe { optional_text(config_json, "config_json") }?;
        open(configured(json, callbacks)?, out)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("open", error, body) }
}

fn configured(json: Option<&str>, callbacks: Callbacks) -> Result<Config> {
    match json {
        Some(json) => Config::from_json_with(json, callbacks),
        None => Config::from_env_with(callbacks),
    }
}

/// What a function wrote, if it says that it did and kept within its room.
fn written(name: &str, failed: i32, length: usize, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    if failed != 0 {
        return Err(useless(name, &format!("returned {failed}")));
    }
    if length == 0 || length > bytes.len() {
        return Err(useless(name, "gave a length that cannot be"));
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn useless(name: &str, how: &str) -> Error {
    Error::new(ErrorKind::AppCredentialInvalid, "token", format!("the function {name} of the caller {how}"))
        .with_hint("see what the function says of it")
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "open", format!("{name} is null"))
}

/// The caller's pointer, freed with the last one who may use it.
struct UserData {
    pointer: *mut c_void,
    free: psam_free_user_data,
}

// SAFETY: the pointer is only handed back to the caller's functions, which by their contract are called from any thread.
unsafe impl Send for UserData {}
// SAFETY: as above; they may be called from several at once.
unsafe impl Sync for UserData {}

impl UserData {
    fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the function is the caller's own, and this is the last use of the pointer.
            unsafe { free(self.pointer) };
        }
    }
}
