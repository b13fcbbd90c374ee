//! The error reply of the token endpoint (RFC 6749 section 5.2, and what Entra adds to it:
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application>).

use serde::Deserialize;
use serde_json::Value;

use super::{json_body, outside_text};
use crate::error::EntraDetails;
use crate::remedy;

const LARGEST_BODY: usize = 256 << 10;
const LONGEST_DESCRIPTION: usize = 4096;
const LONGEST_CLAIMS: usize = 16 << 10;
const MOST_CODES: usize = 16;

/// A refusal as the service worded it. Texts are cut, and fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorReply {
    /// The class of the error, for example `invalid_grant`.
    pub error: String,
    /// What happened, in the service's words, with its lines.
    pub description: String,
    /// All AADSTS numbers, the most specific first.
    pub codes: Vec<u32>,
    /// Whether the numbers were read out of the description because none were listed. Good for showing, not for deciding.
    pub codes_from_text: bool,
    /// Finer class of the error, for example `token_expired`.
    pub suberror: Option<String>,
    /// Id of the request at Entra.
    pub trace_id: Option<String>,
    /// Id that ties several requests together.
    pub correlation_id: Option<String>,
    /// When Entra answered, as it wrote it.
    pub timestamp: Option<String>,
    /// Claims that the next sign-in must satisfy, as JSON text.
    pub claims: Option<String>,
    /// Where the service explains the error.
    pub error_uri: Option<String>,
}

impl ErrorReply {
    /// Reads the body of a refusal; none where it is not one that names its error.
    ///
    /// Tolerant: a field of another type than it should have is as good as absent, and where `error_codes` is, the numbers are read out of the
    /// description. Servers that are not Entra send `error` and `error_description` only.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let raw: Raw = json_body::parse(body, LARGEST_BODY)?;
        let error = text(&raw.error)?;
        let description = text(&raw.error_description).unwrap_or_default();
        let codes = match &raw.error_codes {
            Value::Array(codes) => codes.iter().filter_map(number).take(MOST_CODES).collect(),
            one => number(one).into_iter().collect(),
        };
        let name_of = |value: &Value| text(value).map(outside_text::name);
        Some(
            Self {
                suberror: name_of(&raw.suberror),
                trace_id: name_of(&raw.trace_id),
                correlation_id: name_of(&raw.correlation_id),
                timestamp: name_of(&raw.timestamp),
                claims: match &raw.claims {
                    Value::Object(_) => Some(raw.claims.to_string()),
                    other => text(other).map(str::to_owned),
                }
                .filter(|claims| claims.len() <= LONGEST_CLAIMS),
                error_uri: name_of(&raw.error_uri),
                ..Self::of(error, description)
            }
            .with_codes(codes),
        )
    }

    /// A refusal that came as parameters of a redirect (RFC 6749 section 4.1.2.1); its numbers are read out of the description.
    pub fn of(error: &str, description: &str) -> Self {
        let description: String = description.chars().take(LONGEST_DESCRIPTION).collect();
        let codes = remedy::numbers_in(&description);
        Self {
            error: outside_text::name(error),
            codes_from_text: !codes.is_empty(),
            codes,
            description,
            ..Self::default()
        }
    }

    /// The first line of the description, fit to be shown: Entra's next lines repeat the ids.
    pub fn summary(&self) -> String {
        outside_text::sentence(&self.description)
    }

    /// The part of it that an [`Error`](crate::error::Error) keeps.
    pub fn to_details(&self) -> EntraDetails {
        EntraDetails {
            error: self.error.clone(),
            codes: self.codes.clone(),
            suberror: self.suberror.clone(),
            trace_id: self.trace_id.clone(),
            correlation_id: self.correlation_id.clone(),
            timestamp: self.timestamp.clone(),
            claims: self.claims.clone(),
        }
    }

    fn with_codes(mut self, codes: Vec<u32>) -> Self {
        if !codes.is_empty() {
            self.codes = codes;
            self.codes_from_text = false;
        }
        self
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Raw {
    error: Value,
    error_description: Value,
    error_codes: Value,
    suberror: Value,
    trace_id: Value,
    correlation_id: Value,
    timestamp: Value,
    claims: Value,
    error_uri: Value,
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Option<ErrorReply> {
        ErrorReply::parse(value.to_string().as_bytes())
    }

    #[test]
    fn all_that_entra_says_is_kept() {
        let reply = parse(&json!({
            "error": "interaction_required",
            "error_description": "AADSTS70043: The refresh token has expired.\r\nTrace ID: t\r\nCorrelation ID: c\r\nTimestamp: s",
            "error_codes": [70043, 50076], "timestamp": "2022-09-08 06:24:42Z", "trace_id": "t", "correlation_id": "c",
            "error_uri": "https://login.microsoftonline.com/error?code=70043", "suberror": "token_expired",
            "claims": "{\"access_token\":{\"polids\":{\"essential\":true}}}"
        }))
        .unwrap();
        assert_eq!(reply.summary(), "AADSTS70043: The refresh token has expired.");
        let details = reply.to_details();
        assert_eq!(
            (details.error.as_str(), details.codes.as_slice()),
            ("interaction_required", [70043, 50076].as_slice())
        );
        assert_eq!(details.suberror.as_deref(), Some("token_expired"));
        assert_eq!(details.trace_id.as_deref(), Some("t"));
        assert_eq!(details.correlation_id.as_deref(), Some("c"));
        assert_eq!(details.timestamp.as_deref(), Some("2022-09-08 06:24:42Z"));
        assert_eq!(details.claims.as_deref(), Some("{\"access_token\":{\"polids\":{\"essential\":true}}}"));
        assert_eq!(reply.error_uri.as_deref(), Some("https://login.microsoftonline.com/error?code=70043"));
    }

    #[test]
    fn servers_that_say_less_are_understood() {
        let reply = parse(&json!({"error": "invalid_grant", "error_description": "grant request is invalid"})).unwrap();
        assert_eq!((reply.error.as_str(), reply.summary().as_str()), ("invalid_grant", "grant request is invalid"));
        assert!(reply.codes.is_empty());
        assert!(parse(&json!({"error": "invalid_grant"})).is_some());
    }

    #[test]
    fn numbers_are_found_where_they_are() {
        let described = json!({"error": "x", "error_description": "AADSTS50076: a AADSTS700082: b"});
        assert_eq!(parse(&described).unwrap().codes, [50076, 700_082]);
        assert!(parse(&described).unwrap().codes_from_text);
        let listed = json!({"error": "x", "error_description": "AADSTS50076: a", "error_codes": [50076]});
        assert!(!parse(&listed).unwrap().codes_from_text);
        for (given, codes) in [
            (json!(["70043"]), vec![70043]),
            (json!(70043), vec![70043]),
            (json!([70043, "x", null, -1, 5e12]), vec![70043]),
            (json!([]), vec![50076]),
            (json!("none"), vec![50076]),
        ] {
            let reply = json!({"error": "x", "error_description": "AADSTS50076: a", "error_codes": given});
            assert_eq!(parse(&reply).unwrap().codes, codes, "{given}");
        }
        let many = json!({"error": "x", "error_codes": (1..1000).collect::<Vec<u32>>()});
        assert_eq!(parse(&many).unwrap().codes.len(), MOST_CODES);
    }

    #[test]
    fn what_names_no_error_is_none() {
        for other in [
            json!({}),
            json!([]),
            json!("invalid_grant"),
            json!({"error": ""}),
            json!({"error": null}),
            json!({"error": {"code": "InvalidAuthenticationToken"}}),
        ] {
            assert_eq!(parse(&other), None, "{other}");
        }
        assert_eq!(ErrorReply::parse(b"<html>invalid_grant</html>"), None);
        assert!(ErrorReply::parse(format!("\u{feff}{}", json!({"error": "x"})).as_bytes()).is_some());
    }

    #[test]
    fn texts_are_bounded_and_quote_no_token() {
        let reply = parse(&json!({
            "error": "x".repeat(5000), "error_description": "y ".repeat(50_000), "suberror": "z\u{1b}",
            "trace_id": "Canary0".repeat(30), "claims": "c".repeat(LONGEST_CLAIMS + 1),
        }))
        .unwrap();
        assert!(reply.error.len() < 200 && reply.description.len() <= LONGEST_DESCRIPTION);
        assert_eq!(reply.suberror.as_deref(), Some("z"));
        assert_eq!(reply.trace_id.as_deref(), Some("(..)"));
        assert_eq!(reply.claims, None, "half of a JSON text is no use");
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = ErrorReply::parse(&body);
        }

        #[test]
        fn any_text_is_answered(error in "\\PC+", description in ".*") {
            let reply = json!({"error": error, "error_description": description});
            if let Some(reply) = parse(&reply) {
                let is_plain = !reply.summary().contains(char::is_control);
                prop_assert!(is_plain);
            }
        }
    }
}
