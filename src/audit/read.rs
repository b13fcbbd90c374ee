//! Finds lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::segments;
use crate::error::Result;
use crate::store::private_file;

/// Which lines are wanted. What is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// From then on, as RFC 3339 in UTC or its beginning: `2026-11`.
    pub since: Option<String>,
    /// Before then.
    pub until: Option<String>,
    /// Values that fields must have, by the fields' names; `audiences` matches where one of them does.
    pub fields: Vec<(&'static str, String)>,
}

impl Filter {
    fn wants(&self, line: &Map<String, Value>) -> bool {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        // Times of one form in one zone: their order is the texts'.
        let after = self.since.as_ref().is_none_or(|since| text("at") >= since.as_str());
        let before = self.until.as_ref().is_none_or(|until| text("at") < until.as_str());
        let fits = self.fields.iter().all(|(name, wanted)| match line.get(*name) {
            Some(Value::Array(list)) => list.iter().any(|value| value.as_str() == Some(wanted)),
            Some(Value::String(value)) => value == wanted,
            _ => false,
        });
        after && before && fits
    }
}

/// Hands each line that `filter` wants to `each`, oldest first. Checks nothing: lines that are none are passed over, and counted in what it gives back.
pub fn lines(
    folder: &Path,
    filter: &Filter,
    mut each: impl FnMut(&str, &Map<String, Value>) -> Result<()>,
) -> Result<u64> {
    let mut unreadable = 0;
    for path in segments::all(folder)? {
        let file = File::open(&path).map_err(|error| private_file::failure(error, &path))?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| private_file::failure(error, &path))?;
            let parsed =
                std::str::from_utf8(&line).ok().and_then(|text| Some((text, serde_json::from_str(text).ok()?)));
            match parsed {
                Some((text, fields)) if filter.wants(&fields) => each(text, &fields)?,
                Some(_) => {}
                None => unreadable += 1,
            }
        }
    }
    Ok(unreadable)
}
