//! JSON: `appsettings.json`, a field set, or what PowerShell's `ConvertTo-Json` wrote.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::field_set::Field;
use crate::error::{Error, ErrorKind, Result};

/// Deeper than any settings file.
const DEEPEST: usize = 16;

/// Every text and number in it, named by the way to it, with dots between.
pub(super) fn fields(text: &str) -> Result<Vec<Field>> {
    let mut found = Vec::new();
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    walk(text, "", whole, 0, &mut found)?;
    Ok(found)
}

fn walk(text: &str, name: &str, value: &RawValue, depth: usize, found: &mut Vec<Field>) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "import",
            "the JSON is nested deeper than any settings file",
        ));
    }
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'{') => {
            for (key, member) in members(raw)? {
                let way = if name.is_empty() { key } else { format!("{name}.{key}") };
                walk(text, &way, member, depth + 1, found)?;
            }
        }
        Some(b'[') => {
            for element in elements(raw)? {
                walk(text, name, element, depth + 1, found)?;
            }
        }
        Some(b'"') => {
            let inner: Zeroizing<String> =
                Zeroizing::new(serde_json::from_str(raw).map_err(|error| malformed(&error))?);
            let start = offset(text, raw);
            found.push(Field::new(name, &inner, start + 1..start + raw.len() - 1));
        }
        Some(b'0'..=b'9' | b'-') => {
            let Range { start, end } = offset(text, raw)..offset(text, raw) + raw.len();
            found.push(Field::new(name, raw, start..end));
        }
        _ => {}
    }
    Ok(())
}

/// Where a borrowed piece stands in the text that it was borrowed from.
fn offset(text: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The members in order, the same name as often as it is there: a map would let the last one win unseen.
fn members(raw: &str) -> Result<Vec<(String, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(raw).deserialize_map(Members).map_err(|error| malformed(&error))
}

fn elements(raw: &str) -> Result<Vec<&RawValue>> {
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = array.next_element()? {
                elements.push(element);
            }
            Ok(elements)
        }
    }
    serde_json::Deserializer::from_str(raw).deserialize_seq(Elements).map_err(|error| malformed(&error))
}

/// The parser's own words may quote a value: only the place is passed on.
fn malformed(error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "import",
        format!("it begins as JSON and is none at line {}, column {}", error.line(), error.column()),
    )
}
