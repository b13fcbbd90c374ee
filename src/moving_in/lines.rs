//! A name and a value a line: environment files, `application.properties`, INI and TOML, variables of a PowerShell script, what `Format-List` prints,
//! two columns of a spreadsheet.

use super::field_set::Field;
use super::names::{Meaning, meaning};

const COMMENTS: [&str; 6] = ["#", "//", "!", ";", "--", "REM "];

/// Whether the first line is `[a section]` and not an array.
pub(super) fn begins_with_section(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let inner = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()))
}

/// The fields whose names mean something; whatever else stands in a script is passed over.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    let mut section = String::new();
    let (mut at, mut goes_on) = (0, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let body = line.trim_end_matches(['\r', '\n']);
        let words = body.trim();
        if let Some(name) = words.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']).to_owned();
            goes_on = false;
            continue;
        }
        if words.is_empty() || COMMENTS.iter().any(|mark| words.starts_with(mark)) {
            goes_on &= !words.is_empty();
            continue;
        }
        if let Some(field) = field(body, start, &section) {
            goes_on = !body.contains(['"', '\'']);
            found.push(field);
        } else if goes_on
            && body.starts_with([' ', '\t'])
            && !words.contains(char::is_whitespace)
            && let Some(last) = found.last_mut()
        {
            // `Format-List` breaks a long value at the width of the window.
            last.value.push_str(words);
            last.span.end = start + body.trim_end().len();
        } else {
            goes_on = false;
        }
    }
    found
}

/// `NAME = VALUE` with any of the separators, where the name means something.
fn field(line: &str, start: usize, section: &str) -> Option<Field> {
    let separator = line.find(['=', ':', '\t', ',', ';'])?;
    // `$env:NAME` and `ida:NAME` have a colon in the name.
    let separator = match line.get(..separator).map(str::trim) {
        Some("$env" | "${env" | "ida" | "$script" | "$global") => {
            separator + 1 + line.get(separator + 1..)?.find(['=', ':', '\t', ',', ';'])?
        }
        _ => separator,
    };
    let name = line.get(..separator)?.trim().trim_matches(['"', '\'']);
    let full = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let is_name = name.len() <= 64 && name.chars().all(|c| c.is_alphanumeric() || " _-.$:{}()".contains(c));
    if !is_name || meaning(&full) == Meaning::Other {
        return None;
    }
    let value = line.get(separator + 1..)?;
    let lead = value.len() - value.trim_start_matches(|c: char| c.is_whitespace() || c == '=').len();
    let (from, value) = (start + separator + 1 + lead, value.get(lead..)?.trim_end());
    let quoted = |quote: char| {
        let rest = value.strip_prefix(quote)?;
        rest.find(quote).and_then(|end| rest.get(..end))
    };
    Some(match quoted('"').or_else(|| quoted('\'')) {
        Some(inner) => Field::new(&full, inner, from + 1..from + 1 + inner.len()),
        None => {
            let value = value.split(" #").next().unwrap_or(value).trim_end();
            let value = value.strip_suffix([',', ';']).unwrap_or(value);
            // As Java's properties escape what separates a name from a value.
            let plain = value.replace("\\:", ":").replace("\\=", "=");
            Field::new(&full, &plain, from..from + value.len())
        }
    })
}
