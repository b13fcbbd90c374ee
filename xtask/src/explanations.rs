//! tests/scenarios/explain.golden.json: what `explain` says of every code of the table, every kind of error, and a few pasted texts. Each language is
//! held against it.

use std::fmt::Write as _;
use std::path::Path;

use partnersam::{ErrorKind, explain, remedy};

use crate::Result;

pub(crate) const PATH: &str = "tests/scenarios/explain.golden.json";

/// Texts as people paste them. The ids are made up.
const PASTED: &[&str] = &[
    "",
    "nothing to see here",
    "AADSTS1234567",
    "1234567",
    "50001 50002 50003 50005 50006 50007 50008 50010 50012 50013 50015 50017 50020 50027 50029 50032 50033",
    "aadsts 50076",
    "TROUBLESHOOTING.md#consent-required",
    "{\"error\":\"interaction_required\",\"error_description\":\"AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.\\r\\nTrace ID: 00000000-0000-4000-8000-00000000000a\\r\\nCorrelation ID: 00000000-0000-4000-8000-00000000000b\\r\\nTimestamp: 2026-11-21 08:00:00Z\",\"error_codes\":[70043],\"timestamp\":\"2026-11-21 08:00:00Z\",\"trace_id\":\"00000000-0000-4000-8000-00000000000a\",\"correlation_id\":\"00000000-0000-4000-8000-00000000000b\",\"error_uri\":\"https://login.microsoftonline.com/error?code=70043\",\"suberror\":\"token_expired\"}",
    "invalid_client: AADSTS7000222: The provided client secret keys are expired. Trace ID: 00000000-0000-4000-8000-00000000000a Correlation ID: 00000000-0000-4000-8000-00000000000b Timestamp: 2026-11-21 08:00:00Z",
    "AADSTS65001: The user or administrator has not consented. AADSTS1234567: and more\nCorrelation Id: 00000000-0000-4000-8000-00000000000b",
    "{\"error\":\"invalid_grant\",\"suberror\":\"bad_token\",\"error_codes\":[1234567]}",
    "{\"code\":\"900421\",\"description\":\"MFA is required.\",\"data\":[],\"source\":\"PartnerAPI\"}",
    "{\"code\":\"90000\",\"description\":\"Entra refused: AADSTS65001: The user or administrator has not consented.\"}",
    "{\"error\":{\"code\":\"Forbidden\",\"message\":\"Caller is not authorized to perform action on resource.\",\"innererror\":{\"code\":\"ForbiddenByRbac\"}}}",
    "requests.exceptions.HTTPError: 401 Client Error; correlation-id: 00000000-0000-4000-8000-00000000000b",
    "error: the grant was revoked\n  entra codes: AADSTS50173\n  suberror: bad_token\n  correlation id: 00000000-0000-4000-8000-00000000000b\nsee: TROUBLESHOOTING.md#grant-revoked",
    "ü AADSTS50076: Grüße 株式会社 \u{202e}\u{1b}[31m",
];

/// The file's text: one case a line, so that a change shows as the lines it changes.
pub(crate) fn make(_root: &Path) -> Result<String> {
    let rows = remedy::all().map(remedy::Remedy::name);
    let kinds = ErrorKind::ALL.iter().flat_map(|kind| [kind.id().to_owned(), kind.number().to_string()]);
    let texts: Vec<String> = rows.chain(kinds).chain(PASTED.iter().map(|text| (*text).to_owned())).collect();
    let mut file = String::from("{\"schema_version\": 1, \"cases\": [\n");
    for (at, text) in texts.iter().enumerate() {
        let quoted = serde_json::to_string(text).map_err(|error| error.to_string())?;
        let end = if at + 1 == texts.len() { "" } else { "," };
        writeln!(file, "{{\"text\": {quoted}, \"document\": {}}}{end}", explain::to_json(text))
            .map_err(|error| error.to_string())?;
    }
    file.push_str("]}\n");
    Ok(file)
}
