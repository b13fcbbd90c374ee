//! The store's key, and a store that moves to another host.

use std::ffi::{c_char, c_void};
use std::path::Path;

use partnersam::app::move_store::{Arrived, Opening, Packed, Sealing};
use partnersam::app::request::document as read;
use partnersam::app::rotate_key::RotationRequest;
use partnersam::blocking::App;

use crate::app::psam_app;
use crate::argument::{optional_text, text};
use crate::cancel::psam_cancel;
use crate::document::{Interrupt, answer, psam_document};
use crate::error::psam_error;
use crate::progress::{Progress, psam_progress};
use crate::status::psam_status;

/// What is known of the store's key: store, source (where it lives), held (how many keys are there: 1, and 2 while the key changes), rotation ("none", "moving",
/// "retiring") and left (grants still under the old key). Asks the key's source; may wait.
///
/// cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: PSAM_ERROR_NOT_SUPPORTED where the store's key cannot be changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_key_status(
    app: *const psam_app,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, interrupt: Interrupt<'_>| {
        app.run(|app| async move { Ok(app.key_document(&app.key_status().await?)) }, interrupt)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("key", app, cancel, out, error, make) }
}

/// Gives the store a new key while others go on working with it, or brings a change that was cut short to its end: the same call goes on after any error and after
/// a kill. May wait, and long.
///
/// request_json: one object with what is wanted of dry_run (true: says what would be done, and does nothing) and to (a source that the store changes to:
/// "keyring", "file:PATH" or "keyvault://NAME", which holds no key yet); NULL for none. progress: told how many grants are moved, some at a time, with "null" as
/// item_json; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.
///
/// The document: store, resumed (a change that was cut short was brought to its end), moved and unreadable (grants), old_key_removed (false: somebody else
/// removes it from its source), prepared_only (true: the new key was made and no more; bring both keys to every other host, and call again), and other_hosts
/// (true: call psam_key_retire() on every other one), and config_line (the line of the configuration to change, where the store changes to another source;
/// until then the old one opens it as well). With dry_run: source, held, rotation, grants (that would be moved), makes_key, first_by_hand (true: the
/// new key is put into its source by a person, first), prepares_only, other_hosts and config_line.
///
/// Errors: PSAM_ERROR_NOT_SUPPORTED where the store or the source cannot; PSAM_ERROR_STORE_CONFLICT where another process is at it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_key_rotate(
    app: *const psam_app,
    request_json: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let request = read(unsafe { optional_text(request_json, "request_json") }?.unwrap_or("{}"))?;
        let request = RotationRequest::from_document(&request)?;
        let count = |grants| usize::try_from(grants).unwrap_or(usize::MAX);
        let tell = move |done, all| progress.tell(count(done), Some(count(all)), || ());
        app.run(|app| async move { app.rotate_key_document(&request, tell).await }, interrupt)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("key", app, cancel, out, error, make) }
}

/// Removes from this host's source every key that is not the store's: on the other hosts after a change, and where one was made that is not wanted. The
/// document: store, and old_key_removed (false: somebody else removes it). May wait.
///
/// cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: PSAM_ERROR_INVALID_ARGUMENT while records are still under the old key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_key_retire(
    app: *const psam_app,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make =
        |app: &App, interrupt: Interrupt<'_>| app.run(|app| async move { app.retire_key_document().await }, interrupt);
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("key", app, cancel, out, error, make) }
}

/// Writes every grant of this app into a new file, encrypted by age (<https://age-encryption.org>), that travels to another host. The grants stay here. The
/// document: store, file, and grants (how many). May wait; with a passphrase it takes about a second, and 256 MiB.
///
/// path: the file; one that is there is never replaced. recipients: whose identities open it (age1...), separated by commas; NULL where there is a passphrase.
/// passphrase: what opens it; NULL where there are recipients. Not kept by this call beyond its end; the caller's copy is the caller's to wipe. progress: told of
/// each grant as it is packed, its partner and name, with 0 as total; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is
/// tripped; NULL for none.
///
/// Errors: PSAM_ERROR_INVALID_ARGUMENT where the file is there already, or nobody or both are named who could open it; PSAM_ERROR_AUDIT_UNWRITABLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_store_export(
    app: *const psam_app,
    path: *const c_char,
    recipients: *const c_char,
    passphrase: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let path = Path::new(unsafe { text(path, "path") }?);
        // SAFETY: the rules for texts in the header's preamble.
        let recipients = unsafe { optional_text(recipients, "recipients") }?.map(|list| list.split(','));
        // SAFETY: the rules for texts in the header's preamble.
        let passphrase = unsafe { optional_text(passphrase, "passphrase") }?;
        let sealing = Sealing::by(recipients.into_iter().flatten().map(str::to_owned).collect(), passphrase)?;
        let each = move |done, packed: &Packed| progress.tell(done, None, || packed.clone());
        app.run(|app| async move { app.export_document(path, &sealing, each).await }, interrupt)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("export", app, cancel, out, error, make) }
}

/// Takes the grants of such a file into this store. One that is here and newer is kept, and so is one that was proved with MFA where the file's was not; the same
/// call can be made again. The document: store, taken, kept, and grants, each with partner, name and arrival ("came", "replaced", "kept_newer", "kept_mfa"). May
/// wait.
///
/// path: the file. identity: the text of an identity file of age (AGE-SECRET-KEY-1...); NULL where there is a passphrase. passphrase: what opens it; NULL where
/// there is an identity. Neither is kept by this call beyond its end. progress: told of each grant as it is taken or kept; NULL for none. user_data: handed to
/// progress as it is. cancel: ends the wait when it is tripped; NULL for none.
///
/// Errors: PSAM_ERROR_STORE_KEY_WRONG where the file does not open; PSAM_ERROR_STORE_CORRUPT where it is damaged, before anything is taken;
/// PSAM_ERROR_INVALID_ARGUMENT for another app's; PSAM_ERROR_AUDIT_UNWRITABLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_store_import(
    app: *const psam_app,
    path: *const c_char,
    identity: *const c_char,
    passphrase: *const c_char,
    progress: psam_progress,
    user_data: *mut c_void,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let progress = Progress { told: progress, user_data };
    let make = |app: &App, interrupt: Interrupt<'_>| {
        // SAFETY: the rules for texts in the header's preamble.
        let path = Path::new(unsafe { text(path, "path") }?);
        // SAFETY: the rules for texts in the header's preamble.
        let identity = unsafe { optional_text(identity, "identity") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let opening = Opening::by(identity, unsafe { optional_text(passphrase, "passphrase") }?)?;
        let each = move |done, total, arrived: &Arrived| progress.tell(done, Some(total), || arrived.clone());
        app.run(|app| async move { app.import_document(path, &opening, each).await }, interrupt)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("import", app, cancel, out, error, make) }
}
