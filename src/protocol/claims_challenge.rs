//! Claims challenges: what a service's 401 asks a new token to satisfy, and the `claims` parameter that asks for it.
//!
//! A challenge stands in `WWW-Authenticate` (RFC 9110 section 11.6.1), as
//! <https://learn.microsoft.com/entra/identity-platform/claims-challenge> has it; `claims` is a claims request of OpenID Connect Core section 5.5.
//! All forms are read that the grammar allows, and some that it does not but services send: parameters without commas between them, unquoted base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};

/// The most bytes of decoded claims.
pub const LARGEST_CLAIMS: usize = 16 << 10;

/// What a service asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChallenge {
    /// The claims request, as JSON.
    pub claims: String,
    /// The error that the service names, `insufficient_claims` as a rule.
    pub error: Option<String>,
    /// What it says of it.
    pub error_description: Option<String>,
    /// Where it would have the client sign in. Not to be trusted: tokens come from the configured authority only.
    pub authorization_uri: Option<String>,
    /// The scope it wants.
    pub scope: Option<String>,
    /// Its realm.
    pub realm: Option<String>,
    /// Its client id.
    pub client_id: Option<String>,
}

/// One challenge of a `WWW-Authenticate` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, for example `bearer`.
    pub scheme: String,
    /// What stands in the place of parameters, as for Negotiate.
    pub token68: Option<String>,
    /// The parameters in their order, the names in lower case, the values without quotes and escapes.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of the first parameter of that name, which must be in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The claims challenge among the `WWW-Authenticate` headers of an answer. Of several the first that says `insufficient_claims`, else the first.
///
/// None where there is none, or where its claims are no base64 of a JSON object of at most [`LARGEST_CLAIMS`].
pub fn find<H: AsRef<[u8]>>(headers: impl IntoIterator<Item = H>) -> Option<ClaimsChallenge> {
    const MOST_HEADERS: usize = 32;
    let mut first = None;
    for header in headers.into_iter().take(MOST_HEADERS) {
        for challenge in challenges(header.as_ref()) {
            let Some(found) = ClaimsChallenge::of(&challenge) else { continue };
            if found.error.as_deref().is_some_and(|error| error.eq_ignore_ascii_case("insufficient_claims")) {
                return Some(found);
            }
            first.get_or_insert(found);
        }
    }
    first
}

/// The claims in a text that a person or a program has at hand: a claims request as JSON, the value of a `WWW-Authenticate` header, or the headers of
/// whole responses as `curl --dump-header` writes them, of which the last challenge counts.
pub fn claims_in(text: &str) -> Option<String> {
    const NAME: &str = "www-authenticate:";
    if let Ok(claims) = object(text.as_bytes()) {
        return Some(Value::Object(claims).to_string());
    }
    // The fields of one response belong together; an empty line or a status line begins the next one.
    let mut responses = vec![Vec::new()];
    for line in text.lines() {
        match line.split_at_checked(NAME.len()) {
            Some((name, value)) if name.eq_ignore_ascii_case(NAME) => {
                if let Some(fields) = responses.last_mut() {
                    fields.push(value);
                }
            }
            _ if line.trim().is_empty() || line.starts_with("HTTP/") => responses.push(Vec::new()),
            _ => {}
        }
    }
    let found = responses.iter().rev().find_map(find);
    found.or_else(|| find([text])).map(|challenge| challenge.claims)
}

impl ClaimsChallenge {
    fn of(challenge: &Challenge) -> Option<Self> {
        if !matches!(challenge.scheme.as_str(), "bearer" | "pop") {
            return None;
        }
        let text = |name: &str| challenge.parameter(name).filter(|value| !value.is_empty()).map(str::to_owned);
        Some(Self {
            claims: decoded(challenge.parameter("claims")?)?,
            error: text("error"),
            error_description: text("error_description"),
            authorization_uri: text("authorization_uri"),
            scope: text("scope"),
            realm: text("realm"),
            client_id: text("client_id"),
        })
    }
}

/// The claims of a challenge as JSON: from base64 of either alphabet, padded or not, or from JSON that was not encoded at all.
fn decoded(value: &str) -> Option<String> {
    const EITHER: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
    if value.trim_start().starts_with('{') {
        return object(value.as_bytes()).ok().map(|object| Value::Object(object).to_string());
    }
    // Four characters are three bytes; what is longer cannot fit.
    if value.len() > LARGEST_CLAIMS * 2 {
        return None;
    }
    let standard: Vec<u8> = value
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && *b != b'=')
        .map(|b| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    let bytes = ENGINE.decode(standard).ok()?;
    object(&bytes).ok().map(|object| Value::Object(object).to_string())
}

/// The `claims` parameter of a request: what was asked for, and what the client can do, for example `cp1` (it understands claims challenges, so it may be
/// given tokens that live long and can be withdrawn). None where there is neither.
///
/// Errors: `InvalidArgument` where `asked` is no JSON object of at most [`LARGEST_CLAIMS`].
pub fn merged(asked: Option<&str>, capabilities: &[String]) -> Result<Option<String>> {
    if asked.is_none() && capabilities.is_empty() {
        return Ok(None);
    }
    let mut claims = match asked {
        Some(text) => object(text.as_bytes())?,
        None => Map::new(),
    };
    if !capabilities.is_empty() {
        declare(&mut claims, capabilities);
    }
    Ok(Some(Value::Object(claims).to_string()))
}

/// Claims that a caller hands in, in any form that [`claims_in`] takes, as JSON in one form: the same claims are the same text.
///
/// Errors: `InvalidArgument` where there are none in it.
pub fn of_caller(text: &str) -> Result<String> {
    claims_in(text).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            "token",
            "claims must be a JSON object of 16 KiB at most, or a WWW-Authenticate header with one",
        )
        .with_hint("pass the header of the service's 401 as it stands, or its claims decoded from base64")
    })
}

/// `{"access_token": {"xms_cc": {"values": [...]}}}`, in what is there already.
fn declare(claims: &mut Map<String, Value>, capabilities: &[String]) {
    in_member(claims, "access_token", |access_token| {
        in_member(access_token, "xms_cc", |xms_cc| {
            let mut values = match xms_cc.remove("values") {
                Some(Value::Array(values)) => values,
                _ => Vec::new(),
            };
            for capability in capabilities {
                if !values.iter().any(|value| value == capability) {
                    values.push(json!(capability));
                }
            }
            xms_cc.insert("values".to_owned(), Value::Array(values));
        });
    });
}

/// Does `change` to the object at `name`, which takes the place of whatever else is there: `null` asks for nothing in particular.
fn in_member(object: &mut Map<String, Value>, name: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut inner = match object.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    change(&mut inner);
    object.insert(name.to_owned(), Value::Object(inner));
}

fn object(text: &[u8]) -> Result<Map<String, Value>> {
    let refused = |expected: &str| {
        Err(Error::new(ErrorKind::InvalidArgument, "token", format!("claims must be {expected}"))
            .with_hint("pass the claims of the challenge as JSON text, decoded from base64"))
    };
    if text.len() > LARGEST_CLAIMS {
        return refused("16 KiB at most");
    }
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        _ => refused("a JSON object"),
    }
}

/// The challenges of one `WWW-Authenticate` header. What cannot be understood is passed over; nothing is refused.
pub fn challenges(header: &[u8]) -> Vec<Challenge> {
    const LONGEST_HEADER: usize = 64 << 10;
    const MOST: usize = 64;
    let header = header.get(..LONGEST_HEADER).unwrap_or(header);
    let mut reader = Reader { text: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        reader.skip(|b| b.is_ascii_whitespace() || b == b',');
        let name = reader.take(is_token);
        if name.is_empty() {
            // Neither a scheme nor a parameter: on to what follows.
            if reader.next().is_none() {
                return challenges;
            }
            continue;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some(value) = reader.parameter_value() {
            if let Some(challenge) = challenges.last_mut().filter(|challenge| challenge.parameters.len() < MOST) {
                challenge.parameters.push((name, value));
            }
            continue;
        }
        if challenges.len() == MOST {
            return challenges;
        }
        let token68 = reader.token68();
        challenges.push(Challenge { scheme: name, token68, parameters: Vec::new() });
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

struct Reader<'a> {
    text: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.text.split_first()?;
        self.text = rest;
        Some(*first)
    }

    fn take(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.text.iter().position(|b| !fits(*b)).unwrap_or(self.text.len());
        let (taken, rest) = self.text.split_at(end);
        self.text = rest;
        taken
    }

    fn skip(&mut self, fits: impl Fn(u8) -> bool) {
        self.take(fits);
    }

    fn skip_space(&mut self) {
        self.skip(|b| b.is_ascii_whitespace());
    }

    /// What follows a parameter's name: `=`, with space around it or not, and a value. None, and nothing read, where there is no `=`.
    fn parameter_value(&mut self) -> Option<String> {
        let before = self.text;
        self.skip_space();
        if self.text.first() != Some(&b'=') {
            self.text = before;
            return None;
        }
        self.next();
        self.skip_space();
        if self.text.first() == Some(&b'"') {
            self.next();
            return Some(self.quoted());
        }
        // More than a token, for base64 that was not quoted.
        let value = self.take(|b| !b.is_ascii_whitespace() && b != b',');
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The rest of a quoted string (RFC 9110 section 5.6.4). One that does not end is as good as empty: who knows what was cut off.
    fn quoted(&mut self) -> String {
        let mut value = Vec::new();
        loop {
            match self.next() {
                None => return String::new(),
                Some(b'"') => return String::from_utf8_lossy(&value).into_owned(),
                Some(b'\\') => value.extend(self.next()),
                Some(b) => value.push(b),
            }
        }
    }

    /// A token68 behind a scheme (RFC 9110 section 11.2), and nothing read where what follows is none.
    fn token68(&mut self) -> Option<String> {
        let before = self.text;
        self.skip_space();
        let start = self.text;
        self.skip(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
        let is_some = self.text.len() < start.len();
        self.skip(|b| b == b'=');
        let read = start.get(..start.len() - self.text.len()).unwrap_or_default();
        self.skip_space();
        if is_some && matches!(self.text.first(), None | Some(b',')) && before.len() > start.len() {
            return Some(String::from_utf8_lossy(read).into_owned());
        }
        self.text = before;
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;

    fn found_in(headers: &[&str]) -> Option<String> {
        find(headers).map(|challenge| challenge.claims)
    }

    fn read(header: &str) -> Vec<Challenge> {
        challenges(header.as_bytes())
    }

    #[test]
    fn what_entra_s_services_send_is_read() {
        let header = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error=\"insufficient_claims\", claims=\"{}\"",
            STANDARD.encode(CLAIMS)
        );
        let found = find([&header]).unwrap();
        assert_eq!(found.claims, CLAIMS);
        assert_eq!(found.error.as_deref(), Some("insufficient_claims"));
        assert_eq!(
            found.authorization_uri.as_deref(),
            Some("https://login.microsoftonline.com/common/oauth2/authorize")
        );
        assert_eq!(found.client_id.as_deref(), Some("00000003-0000-0000-c000-000000000000"));
        assert_eq!(found.realm, None);
    }

    #[test]
    fn every_legal_form_is_read() {
        let encoded = STANDARD.encode(CLAIMS);
        let escaped: String = encoded.chars().flat_map(|c| ['\\', c]).collect();
        for header in [
            format!("Bearer claims=\"{encoded}\""),
            format!("bEARER CLAIMS=\"{encoded}\""),
            format!("Bearer claims = \"{encoded}\""),
            format!("Bearer\tclaims\t=\t\"{encoded}\""),
            format!("Bearer claims=\"{encoded}\", error=\"insufficient_claims\""),
            format!("Bearer error=insufficient_claims,claims=\"{encoded}\""),
            format!("Bearer claims={encoded}"),
            format!("Bearer claims={}", URL_SAFE_NO_PAD.encode(CLAIMS)),
            format!("Bearer claims=\"{escaped}\""),
            format!("Bearer realm=\"a, Basic realm=\\\"b\\\", claims=\\\"x\\\"\", claims=\"{encoded}\""),
            format!("Negotiate, Bearer claims=\"{encoded}\""),
            format!("Negotiate YII=, Basic realm=\"x\", , Bearer error=\"insufficient_claims\", claims=\"{encoded}\","),
            format!("Bearer claims=\"{encoded}\", Basic realm=\"claims\""),
            format!("Bearer realm=\"x\" error=\"insufficient_claims\" claims=\"{encoded}\""),
            format!("PoP claims=\"{encoded}\""),
            format!(",, Bearer ,claims=\"{encoded}\""),
        ] {
            assert_eq!(found_in(&[&header]).as_deref(), Some(CLAIMS), "{header}");
            assert_eq!(found_in(&["Basic realm=\"x\"", &header, "Negotiate"]).as_deref(), Some(CLAIMS), "{header}");
        }
    }

    #[test]
    fn both_alphabets_with_and_without_padding() {
        // Texts of every length, with bytes that the alphabets write differently.
        for filler in ["", "~", "~~", "??>", "\u{fb}\u{ff}"] {
            let claims = json!({ "id_token": { "x": filler } }).to_string();
            for encoded in [
                STANDARD.encode(&claims),
                STANDARD_NO_PAD.encode(&claims),
                URL_SAFE.encode(&claims),
                URL_SAFE_NO_PAD.encode(&claims),
            ] {
                assert_eq!(found_in(&[&format!("Bearer claims=\"{encoded}\"")]), Some(claims.clone()), "{encoded}");
            }
        }
        assert_eq!(
            found_in(&["Bearer claims=\"{\\\"access_token\\\":{}}\""]).as_deref(),
            Some("{\"access_token\":{}}"),
            "JSON that was not encoded"
        );
    }

    #[test]
    fn the_one_that_says_insufficient_claims_comes_first() {
        let (one, two) = (STANDARD.encode("{\"one\":1}"), STANDARD.encode("{\"two\":2}"));
        let other = format!("Bearer claims=\"{one}\", error=\"invalid_token\"");
        let meant = format!("Bearer claims=\"{two}\", error=\"insufficient_claims\"");
        assert_eq!(found_in(&[&other, &meant]).as_deref(), Some("{\"two\":2}"));
        assert_eq!(found_in(&[&format!("{other}, {meant}")]).as_deref(), Some("{\"two\":2}"));
        assert_eq!(found_in(&[&other]).as_deref(), Some("{\"one\":1}"));
    }

    #[test]
    fn what_is_no_claims_challenge_is_none() {
        let good = STANDARD.encode(CLAIMS);
        let list = STANDARD.encode("[1]");
        let cut = STANDARD.encode("{\"access_token\":");
        let large = STANDARD.encode(json!({ "x": "y".repeat(LARGEST_CLAIMS) }).to_string());
        let deep = STANDARD.encode(format!("{}1{}", "{\"x\":".repeat(200), "}".repeat(200)));
        for header in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer claims".to_owned(),
            "Bearer claims=".to_owned(),
            "Bearer claims=\"\"".to_owned(),
            "Bearer claims=\"!!!\"".to_owned(),
            format!("Bearer claims=\"{list}\""),
            format!("Bearer claims=\"{cut}\""),
            format!("Bearer claims=\"{large}\""),
            format!("Bearer claims=\"{deep}\""),
            format!("Bearer claims=\"{good}"),
            format!("Basic claims=\"{good}\""),
            format!("claims=\"{good}\""),
            format!("Bearer xclaims=\"{good}\""),
        ] {
            assert_eq!(found_in(&[&header]), None, "{header}");
        }
        assert_eq!(find(Vec::<&str>::new()), None);
    }

    #[test]
    fn claims_are_found_in_what_is_at_hand() {
        let (one, two) = (STANDARD.encode(CLAIMS), STANDARD.encode("{\"two\":2}"));
        let header = format!("Bearer error=\"insufficient_claims\", claims=\"{one}\"");
        let dumped = format!(
            "HTTP/1.1 401 Unauthorized\r\nDate: x\r\nwww-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: {header}\r\n\r\n"
        );
        for text in [CLAIMS, &header, &dumped, &format!("HTTP/1.1 301 Moved\r\n\r\n{dumped}")] {
            assert_eq!(claims_in(text).as_deref(), Some(CLAIMS), "{text}");
        }
        let later = format!("{dumped}HTTP/2 401\r\nwww-authenticate: Bearer claims=\"{two}\"\r\n");
        assert_eq!(claims_in(&later).as_deref(), Some("{\"two\":2}"));
        for text in ["", "[]", "HTTP/1.1 200 OK\r\n\r\n", "Bearer realm=\"x\"", "www-authenticate"] {
            assert_eq!(claims_in(text), None, "{text}");
        }
    }

    #[test]
    fn challenges_are_told_apart() {
        let found = read(
            "Basic, Negotiate a+b/c==, Digest realm=\"r, s\", nonce=n , Bearer authorization=\"https://login.example/t\" resource=\"https://vault.example\"",
        );
        let schemes: Vec<&str> = found.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["basic", "negotiate", "digest", "bearer"]);
        let (negotiate, digest, bearer) = (found.get(1).unwrap(), found.get(2).unwrap(), found.get(3).unwrap());
        assert_eq!(negotiate.token68.as_deref(), Some("a+b/c=="));
        assert_eq!((digest.parameter("realm"), digest.parameter("nonce")), (Some("r, s"), Some("n")));
        assert_eq!(bearer.parameter("resource"), Some("https://vault.example"));
        assert_eq!(bearer.parameter("authorization"), Some("https://login.example/t"));
    }

    #[test]
    fn the_first_of_two_parameters_of_one_name_counts() {
        let found = read("Bearer error=\"one\", error=\"two\"");
        assert_eq!(found.first().unwrap().parameter("error"), Some("one"));
    }

    #[test]
    fn capabilities_are_declared_beside_what_was_asked_for() {
        let cp1 = ["cp1".to_owned()];
        let declared = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
        assert_eq!(merged(None, &[]).unwrap(), None);
        assert_eq!(merged(None, &cp1).unwrap().as_deref(), Some(declared));
        assert_eq!(merged(Some("{}"), &cp1).unwrap().as_deref(), Some(declared));
        assert_eq!(merged(Some(CLAIMS), &[]).unwrap().as_deref(), Some(CLAIMS));
        for (asked, expected) in [
            (
                CLAIMS,
                json!({"access_token": {"nbf": {"essential": true, "value": "1604106651"}, "xms_cc": {"values": ["cp1"]}}}),
            ),
            (
                r#"{"id_token":{"auth_time":{"essential":true}}}"#,
                json!({"id_token": {"auth_time": {"essential": true}}, "access_token": {"xms_cc": {"values": ["cp1"]}}}),
            ),
            (
                r#"{"access_token":{"xms_cc":{"values":["cp2","cp1"],"essential":true}}}"#,
                json!({"access_token": {"xms_cc": {"values": ["cp2", "cp1"], "essential": true}}}),
            ),
            (r#"{"access_token":null}"#, json!({"access_token": {"xms_cc": {"values": ["cp1"]}}})),
            (r#"{"access_token":{"xms_cc":7}}"#, json!({"access_token": {"xms_cc": {"values": ["cp1"]}}})),
        ] {
            let found: Value = serde_json::from_str(&merged(Some(asked), &cp1).unwrap().unwrap()).unwrap();
            assert_eq!(found, expected, "{asked}");
        }
    }

    #[test]
    fn claims_of_a_caller_are_checked() {
        for wrong in ["", "[]", "null", "{", "e30=", &format!("{{\"x\":\"{}\"}}", "y".repeat(LARGEST_CLAIMS))] {
            for error in [merged(Some(wrong), &[]).unwrap_err(), of_caller(wrong).unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                assert!(!error.to_string().contains("yyy"));
            }
        }
        assert_eq!(of_caller(" { \"b\" : 1, \"a\":2 } ").unwrap(), of_caller("{\"a\":2,\"b\":1}").unwrap());
    }

    /// A header as the grammar allows it, and what must be read out of it.
    fn any_header() -> impl Strategy<Value = (String, Vec<Challenge>)> {
        let space = proptest::sample::select(vec!["", " ", "  ", "\t"]);
        let parameter = ("[a-zA-Z!#$%&'*+.^_`|~-]{1,8}", "[ -~\t]{0,16}", any::<bool>(), space.clone(), space.clone());
        let scheme = "[A-Z][a-zA-Z]{0,8}";
        let challenge = prop_oneof![
            (scheme, proptest::collection::vec(parameter, 0..4)).prop_map(|(scheme, parameters)| {
                let mut text = scheme.clone();
                let mut known = Vec::new();
                for (at, (name, value, quoted, before, after)) in parameters.into_iter().enumerate() {
                    text.push_str(if at == 0 { " " } else { "," });
                    let is_token = !value.is_empty() && value.bytes().all(is_token);
                    let shown = if quoted || !is_token {
                        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                        format!("\"{escaped}\"")
                    } else {
                        value.clone()
                    };
                    text.push_str(&format!("{name}{before}={after}{shown}"));
                    known.push((name.to_ascii_lowercase(), value));
                }
                (text, Challenge { scheme: scheme.to_ascii_lowercase(), token68: None, parameters: known })
            }),
            (scheme, "[a-zA-Z0-9._~+/-]{1,12}={0,2}").prop_map(|(scheme, token68)| {
                let text = format!("{scheme} {token68}");
                let scheme = scheme.to_ascii_lowercase();
                (text, Challenge { scheme, token68: Some(token68), parameters: Vec::new() })
            }),
        ];
        let separator = proptest::sample::select(vec![",", ", ", " , ", ",,", "\t,"]);
        (proptest::collection::vec(challenge, 0..5), separator).prop_map(|(challenges, separator)| {
            let texts: Vec<String> = challenges.iter().map(|(text, _)| text.clone()).collect();
            (texts.join(separator), challenges.into_iter().map(|(_, challenge)| challenge).collect())
        })
    }

    proptest! {
        #[test]
        fn what_the_grammar_allows_is_read_as_it_was_written((header, expected) in any_header()) {
            prop_assert_eq!(read(&header), expected, "{}", header);
        }

        #[test]
        fn any_bytes_are_answered(header in proptest::collection::vec(any::<u8>(), 0..256), claims in "[ -~]{0,64}") {
            let _ = find([&header]);
            let mut quoted = header.clone();
            quoted.extend_from_slice(format!("Bearer claims=\"{claims}\"").as_bytes());
            let _ = find([&quoted, &header]);
        }

        #[test]
        fn claims_survive_the_way_through_a_header(key in "\\PC{0,8}", value in "\\PC{0,32}", realm in "[ -~]{0,16}") {
            let claims = json!({"access_token": {key: {"value": value}}}).to_string();
            let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{realm}\", claims=\"{}\"", URL_SAFE_NO_PAD.encode(&claims));
            prop_assert_eq!(found_in(&[&header]), Some(claims.clone()));
            let merged: Value = serde_json::from_str(&merged(Some(&claims), &["cp1".to_owned()]).unwrap().unwrap()).unwrap();
            prop_assert_eq!(merged.pointer("/access_token/xms_cc/values"), Some(&json!(["cp1"])));
        }
    }
}
