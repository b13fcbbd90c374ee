//! What a code or a pasted error text means.

use std::ffi::c_char;
use std::ptr;

use partnersam::explain;

use crate::argument::{Out, text};
use crate::boundary::{call, free, read};
use crate::error::psam_error;
use crate::handle::{self, Kind, Object};
use crate::status::psam_status;
use crate::text::{Text, pointer};

/// What the codes in a text mean. Owned by the caller, who ends it with psam_explanation_free().
pub struct psam_explanation {
    _opaque: (),
}

#[derive(Debug)]
pub(crate) struct ExplanationObject {
    rows: Vec<Row>,
    json: Text,
}

/// One code as C reads it.
#[derive(Debug)]
struct Row {
    code: Text,
    meaning: Text,
    hint: Text,
    command: Option<Text>,
    link: Text,
}

impl Object for ExplanationObject {
    type Handle = psam_explanation;
    const KIND: Kind = Kind::Explanation;
}

/// Explains a number ("50076", "AADSTS50076", "900421", "2001"), a name ("SecretNotFound", "ConsentRequired", "invalid_grant"), or a whole error
/// text, JSON or not: one row for each code in it, and none where there is neither a code nor the id of a request. Needs no app and sends nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_explain(
    text: *const c_char,
    out: *mut *mut psam_explanation,
    error: *mut *mut psam_error,
) -> psam_status {
    let body = || {
        // SAFETY: the rules for texts in the header's preamble.
        let text = unsafe { self::text(text, "text") }?;
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        let rows = explain::explain(text).into_iter().map(|row| Row {
            code: Text::new(row.code),
            meaning: Text::new(row.meaning),
            hint: Text::new(row.hint),
            command: row.command.map(Text::new),
            link: Text::new(row.link),
        });
        out.set(handle::open(ExplanationObject { rows: rows.collect(), json: Text::new(explain::to_json(text)) })?);
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("explain", error, body) }
}

/// Ends an explanation. All texts that were read from it end with it. NULL is no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_free(explanation: *mut psam_explanation) -> psam_status {
    free::<ExplanationObject>(explanation)
}

/// All of it as one JSON object, with the fields of `partnersam explain --json`: who must act, the class, the ids in the text and more. This and every
/// other text of an explanation is owned by it and lives until psam_explanation_free(); all getters return NULL or 0 where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_json(explanation: *const psam_explanation) -> *const c_char {
    read(explanation, ptr::null(), |explanation: &ExplanationObject| pointer(Some(&explanation.json)))
}

/// How many rows there are: 16 at the most. Of a text with more codes the first are explained, and psam_explanation_json() has more: true.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_count(explanation: *const psam_explanation) -> usize {
    read(explanation, 0, |explanation: &ExplanationObject| explanation.rows.len())
}

/// A row's code, for example "AADSTS50076"; empty where the text has ids but no code; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_code(explanation: *const psam_explanation, index: usize) -> *const c_char {
    text_of(explanation, index, |row| Some(&row.code))
}

/// What it means, in one sentence; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_meaning(explanation: *const psam_explanation, index: usize) -> *const c_char {
    text_of(explanation, index, |row| Some(&row.meaning))
}

/// Who must act and what to do, in one sentence; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_hint(explanation: *const psam_explanation, index: usize) -> *const c_char {
    text_of(explanation, index, |row| Some(&row.hint))
}

/// The next command, with PARTNER, CUSTOMER and AUDIENCE for what the failed call was about; NULL where there is none, and past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_command(explanation: *const psam_explanation, index: usize) -> *const c_char {
    text_of(explanation, index, |row| row.command.as_ref())
}

/// Where it is explained at length; NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn psam_explanation_link(explanation: *const psam_explanation, index: usize) -> *const c_char {
    text_of(explanation, index, |row| Some(&row.link))
}

fn text_of(
    explanation: *const psam_explanation,
    index: usize,
    field: impl FnOnce(&Row) -> Option<&Text>,
) -> *const c_char {
    read(explanation, ptr::null(), |explanation: &ExplanationObject| {
        pointer(explanation.rows.get(index).and_then(field))
    })
}
