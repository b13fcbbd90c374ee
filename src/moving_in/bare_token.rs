//! The token alone: with a line end, in quotes, after a byte order mark, as editors and shells leave it.

use super::names::{Meaning, meaning};
use super::source_text::SourceText;
use super::{Form, Found, Holder, token};
use crate::error::Result;

/// None where there is more than one word, or a field's name before it.
pub(super) fn found(text: &SourceText) -> Result<Option<Found>> {
    let whole = text.text();
    let word = unquoted(whole.trim());
    let is_field = word.split_once(['=', ':']).is_some_and(|(name, _)| !matches!(meaning(name), Meaning::Other));
    if word.contains(|c: char| !c.is_ascii_graphic()) || is_field {
        return Ok(None);
    }
    if word.is_empty() {
        return Ok(Some(nothing()));
    }
    let token = token(word, None)?;
    Ok(Some(Found {
        holder: Holder::Here { field: None, token },
        cut: vec![text.bytes_of(&(0..whole.len()))],
        ..nothing()
    }))
}

/// An empty source.
pub(super) fn nothing() -> Found {
    Found {
        form: Form::BareToken,
        app: None,
        tenants: Vec::new(),
        holder: Holder::Nowhere { field: None },
        secrets: Vec::new(),
        foreign: Vec::new(),
        passwords: Vec::new(),
        cut: Vec::new(),
    }
}

fn unquoted(word: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote)).map_or(word, str::trim)
}
