//! bindings/c/src/status/numbers.rs: the core's table of errors as C constants.

use std::fmt::Write as _;
use std::path::Path;

use partnersam::ErrorKind;

use crate::Result;

pub(crate) const PATH: &str = "bindings/c/src/status/numbers.rs";

/// The source's text, formatted as rustfmt would.
pub(crate) fn make(_root: &Path) -> Result<String> {
    let mut text = String::from(
        "//! The numbers of errors. Made from the core's table by `make gen`; do not edit.\n\nuse std::ffi::CStr;\n\nuse partnersam::ErrorKind;\n\nuse super::psam_status;\n",
    );
    for kind in ErrorKind::ALL {
        let (name, number, sentence) = (constant(kind.id()), kind.number(), kind.sentence());
        write(&mut text, format_args!("\n/// {}.\npub const {name}: psam_status = {number};\n", capital(sentence)))?;
    }
    write(
        &mut text,
        format_args!(
            "\n/// Number, name and sentence of each.\n#[rustfmt::skip]\npub(crate) const TABLE: &[(psam_status, &CStr, &CStr)] = &[\n"
        ),
    )?;
    for kind in ErrorKind::ALL {
        write(&mut text, format_args!("    ({}, c{:?}, c{:?}),\n", constant(kind.id()), kind.id(), kind.sentence()))?;
    }
    text.push_str("];\n\n// Does not compile when a number is not the core's.\n#[rustfmt::skip]\nconst _: () = {\n");
    for kind in ErrorKind::ALL {
        write(
            &mut text,
            format_args!("    assert!({} == ErrorKind::{} as psam_status);\n", constant(kind.id()), kind.id()),
        )?;
    }
    text.push_str("};\n");
    Ok(text)
}

fn write(text: &mut String, part: std::fmt::Arguments<'_>) -> Result<()> {
    text.write_fmt(part).map_err(|error| error.to_string())
}

/// `ConsentRequired` as `PSAM_ERROR_CONSENT_REQUIRED`.
fn constant(id: &str) -> String {
    let mut name = String::from("PSAM_ERROR");
    for letter in id.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// With a capital letter at the start, as the header's other sentences.
fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
