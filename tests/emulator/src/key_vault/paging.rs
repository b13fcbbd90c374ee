//! Lists come in pages of at most 25, each with the address of the next.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Refusal, Work};
use crate::form::with_pairs;

/// The most rows on a page, and how many there are without `maxresults`.
const PAGE: usize = 25;

impl Work<'_> {
    /// The page of `rows` that the request asks for.
    pub(super) fn page(&self, rows: &[Value]) -> Answer {
        let request = self.request;
        let size = match request.query.get("maxresults").map(str::parse::<usize>) {
            None => PAGE,
            Some(Ok(size)) if (1..=PAGE).contains(&size) => size,
            Some(_) => return Err(Refusal::bad(format!("maxresults must be from 1 to {PAGE}."))),
        };
        let start = match request.query.get("$skiptoken").map(|token| token.strip_prefix("emulator-")) {
            None => 0,
            Some(token) => token
                .and_then(|token| token.parse::<usize>().ok())
                .ok_or_else(|| Refusal::bad("The skip token is not valid."))?,
        };
        let value: Vec<_> = rows.iter().skip(start).take(size).cloned().collect();
        let end = start.saturating_add(value.len());
        let next = (end < rows.len()).then(|| {
            let base = match &self.vault.settings.next_link_host {
                Some(host) => format!("https://{host}"),
                None => request.base.clone(),
            };
            let pairs = [
                ("api-version".to_owned(), request.query.get("api-version").unwrap_or_default().to_owned()),
                ("$skiptoken".to_owned(), format!("emulator-{end}")),
                ("maxresults".to_owned(), size.to_string()),
            ];
            with_pairs(&format!("{base}/{}", request.path.join("/")), &pairs, false)
        });
        Ok((StatusCode::OK, Some(json!({ "value": value, "nextLink": next }))))
    }
}
