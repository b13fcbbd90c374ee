//! Answers that are documents: one JSON object, the same in every language.

use std::ffi::c_char;
use std::ptr;

use partnersam::app::request;
use partnersam::blocking::App;
use partnersam::error::Result;
use serde::Serialize;
use serde_json::Value;

use crate::app::{AppObject, psam_app};
use crate::argument::{Out, text};
use crate::boundary::{call, free, read};
use crate::cancel::{Watch, psam_cancel};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::psam_status;
use crate::text::Text;

/// An answer as one JSON object: what the command `partnersam` prints with --json. Owned by the caller, who ends it with psam_document_free().
pub struct psam_document {
    _opaque: (),
}

#[derive(Debug)]
pub(crate) struct DocumentObject(Text);

impl Object for DocumentObject {
    type Handle = psam_document;
    const KIND: Kind = Kind::Document;
}

/// Ends a document. The text that was read from it ends with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_document_free(document: *mut psam_document) -> psam_status {
    free::<DocumentObject>(document)
}

/// The JSON text: times as RFC 3339 in UTC, durations in whole seconds, a field that is not known null or empty and never absent, and no secret. NULL
/// where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_document_json(document: *const psam_document) -> *const c_char {
    read(document, ptr::null(), |document: &DocumentObject| document.0.as_ptr())
}

/// Asked while an operation waits.
pub(crate) type Interrupt<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs `make` and hands its document over.
///
/// # Safety
///
/// As for the results in the header's preamble.
pub(crate) unsafe fn answer<T: Serialize>(
    operation: &'static str,
    app: *const psam_app,
    cancel: *const psam_cancel,
    out: *mut *mut psam_document,
    error: *mut *mut psam_error,
    make: impl FnOnce(&App, Interrupt<'_>) -> Result<T>,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        let app = handle::get::<AppObject>(app)?;
        let watch = Watch::over(cancel)?;
        watch.check()?;
        let document = make(&app.0, &mut || watch.check())?;
        out.set(handle::open(DocumentObject(Text::json(&document)))?);
        Ok(())
    };
    // SAFETY: the caller's promise, passed on.
    unsafe { call(operation, error, body) }
}

/// What [`answer`] is to run for an operation that is asked for by a document, too: reads the request at `request_json` and does `work` with it.
///
/// # Safety
///
/// As for the texts in the header's preamble, until the result was called.
pub(crate) unsafe fn asked<R, F>(
    request_json: *const c_char,
    read: impl FnOnce(&Value) -> Result<R>,
    work: impl FnOnce(partnersam::App, R) -> F,
) -> impl FnOnce(&App, Interrupt<'_>) -> Result<Value>
where
    F: Future<Output = Result<Value>>,
{
    move |app, interrupt| {
        // SAFETY: the caller's promise, passed on.
        let request = read(&request::document(unsafe { text(request_json, "request_json") }?)?)?;
        app.run(|app| work(app, request), interrupt)
    }
}
