//! A line of names above a line of values, separated by commas, semicolons or tabs, as spreadsheets and vaults of passwords export them.

use super::field_set::Field;
use super::names::{Meaning, meaning};
use crate::error::{Error, ErrorKind, Result};

/// None where the first line is no line of names.
pub(super) fn fields(text: &str) -> Result<Option<Vec<Field>>> {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\r', '\n']);
        if !body.trim().is_empty() {
            lines.push((at, body));
        }
        at += line.len();
    }
    let [(_, header), rows @ ..] = lines.as_slice() else { return Ok(None) };
    let known = |separator: char| {
        let names = cells(header, separator);
        names.iter().filter(|(_, name)| !matches!(meaning(name), Meaning::Other)).count()
    };
    let Some(separator) = [',', ';', '\t'].into_iter().find(|separator| known(*separator) >= 2) else {
        return Ok(None);
    };
    let [(start, row)] = rows else {
        let how_many = if rows.is_empty() { "no line" } else { "several lines" };
        return Err(Error::new(ErrorKind::InvalidArgument, "import", format!("the table has {how_many} of values"))
            .with_hint("give a table with the line of names and the one line of this partner"));
    };
    let values = cells(row, separator);
    let fields = cells(header, separator)
        .into_iter()
        .zip(values)
        .map(|((_, name), (from, value))| Field::new(&name, &value, start + from..start + from + value.len()));
    Ok(Some(fields.filter(|field| meaning(&field.name) != Meaning::Other).collect()))
}

/// The cells of a line, each with where its text begins. A separator in quotes separates nothing.
fn cells(line: &str, separator: char) -> Vec<(usize, String)> {
    let mut cells = Vec::new();
    let (mut from, mut in_quotes) = (0, false);
    for (at, c) in line.char_indices().chain([(line.len(), separator)]) {
        match c {
            '"' => in_quotes = !in_quotes,
            _ if c == separator && (!in_quotes || at == line.len()) => {
                let cell = line.get(from..at).unwrap_or_default();
                let lead = cell.len() - cell.trim_start().len();
                let inner = cell.trim();
                let (lead, inner) = match inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                    Some(unquoted) => (lead + 1, unquoted),
                    None => (lead, inner),
                };
                cells.push((from + lead, inner.to_owned()));
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    cells
}
