//! The app: one registration with its store and its connections.

use std::ffi::c_char;
use std::path::Path;

use partnersam::app::report::StoreReport;
use partnersam::blocking::App;
use partnersam::{Config, Result};

use crate::argument::{Out, optional_text, text};
use crate::boundary::{call, free};
use crate::document::{Interrupt, answer, psam_document};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::psam_status;

/// An app registration with its store, its connections and its cache of tokens. Open it once and use it from any number of threads; owned by the
/// caller, who ends it with psam_app_free().
pub struct psam_app {
    _opaque: (),
}

/// What the handle stands for.
#[derive(Debug)]
pub(crate) struct AppObject(pub(crate) App);

impl Object for AppObject {
    type Handle = psam_app;
    const KIND: Kind = Kind::App;
}

/// Opens an app. Nothing is sent, and the store and its key are opened when they are first needed.
///
/// config_json: one JSON object with the keys of the configuration file (client_id, tenant, cloud, profile, client_secret_file, store, key, ...) and,
/// here only, client_secret. PARTNERSAM_ variables come before it, AZURE_ variables after it. NULL: the environment and the user's own
/// configuration file alone. The text is not kept.
///
/// Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_app_open(
    config_json: *const c_char,
    out: *mut *mut psam_app,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let config = match unsafe { optional_text(config_json, "config_json") }? {
            Some(json) => Config::from_json(json)?,
            None => Config::from_env()?,
        };
        open(config, out)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("open", error, body) }
}

/// Opens the app that a TOML configuration file describes; `partnersam init` writes one. Relative paths in it are relative to its folder.
///
/// Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_app_open_file(
    path: *const c_char,
    out: *mut *mut psam_app,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        // SAFETY: the rules for texts in the header's preamble.
        let path = unsafe { text(path, "path") }?;
        open(Config::from_file(Path::new(path))?, out)
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("open", error, body) }
}

/// How the app's store is, as far as is known without asking it: store, condition ("ok" or "degraded": cached tokens are served, and nothing is redeemed that
/// could not be saved) and error. Sends nothing and does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_app_store_condition(
    app: *const psam_app,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
) -> psam_status {
    let make = |app: &App, _: Interrupt<'_>| {
        let app = app.app()?;
        Ok(serde_json::to_value(StoreReport::new(&app.store_condition(), &app.store_location())).unwrap_or_default())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { answer("status", app, std::ptr::null(), out, error, make) }
}

/// Closes an app. Operations on other threads end as usual, and tokens, links and lists that came from it stay good. What was sent gets up to two
/// seconds to be saved. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_app_free(app: *mut psam_app) -> psam_status {
    free::<AppObject>(app)
}

pub(crate) fn open(config: Config, out: Out<*mut psam_app>) -> Result<()> {
    out.set(handle::open(AppObject(App::open(config)?))?);
    Ok(())
}
