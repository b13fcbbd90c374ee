//! What Partner Center's refusals mean, and who must act, by the service's own code
//! (<https://learn.microsoft.com/partner-center/developer/error-codes>).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::protocol::{json_body, outside_text};
use crate::remedy::{self, Remedy, Source, Step};

const LARGEST_BODY: usize = 256 << 10;

/// The row of that code; none where the table does not know it.
pub fn lookup(code: &str) -> Option<&'static Remedy> {
    remedy::lookup(Source::PartnerCenter, code)
}

/// Reads a refusal: HTTP status, the wait that its headers ask for, and its body.
///
/// 408, 429 and 5xx are passing, whatever the body says. Else the code decides where it is known, and the status where it is not.
pub fn refusal(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    worded(status, retry_after, body, |row| row.step)
}

/// [`refusal`] of a call about one customer: who must act and what to run are those of that customer's tenant where they differ.
pub fn refusal_for_customer(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    worded(status, retry_after, body, |row| row.in_customer_tenant.unwrap_or(row.step))
}

fn worded(status: u16, retry_after: Option<Duration>, body: &[u8], step: impl Fn(&Remedy) -> Step) -> Error {
    let said = Said::of(body);
    let passing = match status {
        408 => Some(ErrorKind::Timeout),
        429 => Some(ErrorKind::RateLimited),
        500.. => Some(ErrorKind::ServerUnavailable),
        _ => None,
    };
    let row = said.nested().or_else(|| lookup(&said.code()?)).filter(|_| passing.is_none());
    let kind = passing.or(row.map(|row| row.kind)).unwrap_or_else(|| by_status(status));
    let words = row.map_or_else(|| kind.sentence(), |row| row.words);
    let message = match said.text() {
        Some(text) => format!("{words}: {text}"),
        None => format!("{words}: http status {status}"),
    };
    let mut error = Error::new(kind, "partner-center", message).with_http_status(status);
    if let Some(code) = said.code() {
        error = error.with_service_code(code);
    }
    if let Some(row) = row {
        error = step(row).apply(error);
    }
    // Behind a gateway the wait stands in the text only: "Rate limit is exceeded. Try again in 52 seconds."
    match retry_after.or_else(|| said.wait().filter(|_| status == 429)) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        300..400 => ErrorKind::RedirectRefused,
        403 => ErrorKind::PartnerCenterForbidden,
        404 => ErrorKind::PartnerCenterNotFound,
        ..300 => ErrorKind::ResponseMalformed,
        _ => ErrorKind::PartnerCenterRefused,
    }
}

/// What a refusal says, in any of the shapes it comes in.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    code: Value,
    description: Value,
    message: Value,
}

impl Said {
    fn of(body: &[u8]) -> Self {
        json_body::parse(body, LARGEST_BODY).unwrap_or_default()
    }

    fn code(&self) -> Option<String> {
        let code = match &self.code {
            Value::String(text) => outside_text::name(text),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!code.is_empty()).then_some(code)
    }

    fn raw_text(&self) -> &str {
        [&self.description, &self.message]
            .into_iter()
            .filter_map(Value::as_str)
            .find(|text| !text.trim().is_empty())
            .unwrap_or_default()
    }

    fn text(&self) -> Option<String> {
        let text = outside_text::sentence(self.raw_text());
        (!text.is_empty()).then_some(text)
    }

    /// Behind 90000 stands what Entra said.
    fn nested(&self) -> Option<&'static Remedy> {
        match self.code()?.as_str() {
            "90000" => remedy::first_known(&remedy::numbers_in(self.raw_text())),
            _ => None,
        }
    }

    fn wait(&self) -> Option<Duration> {
        let (_, rest) = self.raw_text().split_once("Try again in ")?;
        let (seconds, _) = rest.split_once(" second")?;
        seconds.parse().ok().map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &Value) -> Error {
        refusal(status, None, body.to_string().as_bytes())
    }

    #[test]
    fn codes_say_who_must_act() {
        for (code, status, kind) in [
            ("900421", 401, ErrorKind::PartnerCenterMfaRequired),
            ("10001", 401, ErrorKind::PartnerCenterMfaRequired),
            ("900420", 401, ErrorKind::PartnerCenterRefused),
            ("900308", 403, ErrorKind::PartnerCenterForbidden),
            ("20002", 403, ErrorKind::PartnerCenterForbidden),
            ("900309", 403, ErrorKind::ConditionalAccessBlocked),
            ("900329", 403, ErrorKind::PartnerCenterRefused),
            ("60003", 404, ErrorKind::PartnerCenterNotFound),
            ("400", 401, ErrorKind::PartnerCenterForbidden),
            ("4711", 401, ErrorKind::PartnerCenterRefused),
            ("4711", 403, ErrorKind::PartnerCenterForbidden),
            ("4711", 404, ErrorKind::PartnerCenterNotFound),
            ("4711", 400, ErrorKind::PartnerCenterRefused),
        ] {
            for code_value in [json!(code), json!(code.parse::<u32>().unwrap_or_default())] {
                let error = read(
                    status,
                    &json!({"code": code_value, "description": "What happened.", "data": [], "source": "x"}),
                );
                assert_eq!((error.kind(), error.service_code(), error.http_status()), (kind, Some(code), Some(status)));
                assert!(error.message().ends_with(": What happened."), "{error}");
            }
        }
    }

    #[test]
    fn what_entra_said_stands_behind_90000() {
        let description = "Entra refused: AADSTS65001: The user or administrator has not consented.";
        let error = read(403, &json!({"code": "90000", "description": description}));
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::AudienceNotConsented, Some("90000")));
        let silent = read(403, &json!({"code": "90000", "description": "no number"}));
        assert_eq!(silent.kind(), ErrorKind::PartnerCenterForbidden);
    }

    #[test]
    fn what_passes_is_told_as_passing_whatever_the_body_says() {
        let mfa = json!({"code": "900421", "description": "x"});
        for (status, kind) in [
            (408, ErrorKind::Timeout),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::ServerUnavailable),
            (503, ErrorKind::ServerUnavailable),
        ] {
            assert_eq!(read(status, &mfa).kind(), kind);
        }
        assert_eq!(refusal(301, None, b"").kind(), ErrorKind::RedirectRefused);
    }

    #[test]
    fn the_wait_is_found_in_header_or_text() {
        let body = json!({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 52 seconds."});
        assert_eq!(read(429, &body).retry_after(), Some(Duration::from_secs(52)));
        let from_header = refusal(429, Some(Duration::from_secs(9)), body.to_string().as_bytes());
        assert_eq!(from_header.retry_after(), Some(Duration::from_secs(9)));
        assert_eq!(read(403, &body).retry_after(), None);
        assert_eq!(read(429, &json!({"message": "Try again in a while."})).retry_after(), None);
    }

    #[test]
    fn a_body_of_another_shape_is_no_trouble() {
        for body in ["", "<html>canary</html>", "[]", "null", "{\"code\":{},\"description\":[]}"] {
            let error = refusal(401, None, body.as_bytes());
            assert_eq!((error.kind(), error.service_code()), (ErrorKind::PartnerCenterRefused, None));
            assert!(error.message().ends_with(": http status 401"));
        }
        let marked = format!("\u{feff}{}", json!({"code": "900421"}));
        assert_eq!(refusal(401, None, marked.as_bytes()).kind(), ErrorKind::PartnerCenterMfaRequired);
    }

    #[test]
    fn a_known_code_says_who_acts_and_what_to_run() {
        let error = read(401, &json!({"code": "900421"})).with_context("partner", "fabrikam.com");
        assert_eq!(
            error.hint(),
            "the owner of the partner's service account: register MFA for the account, then run `partnersam consent fabrikam.com`"
        );
        assert_eq!(read(401, &json!({"code": "900316"})).actor(), crate::error::Actor::Caller);
    }

    proptest! {
        #[test]
        fn any_body_is_answered(status in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..256), text in ".*") {
            prop_assert!(!refusal(status, None, &body).message().is_empty());
            let error = read(status, &json!({"code": text, "description": text}));
            let is_plain = !error.message().contains(char::is_control);
            prop_assert!(is_plain);
        }
    }
}
