//! The token endpoint's successful reply (RFC 6749 section 5.1), from v1, v2 and servers that are not Entra.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::json_body::{self, Text};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{AccessToken, RefreshToken};

const LARGEST_BODY: usize = 1 << 20;
const LONGEST_TOKEN: usize = 128 << 10;
const MOST_SCOPES: usize = 1024;
/// Nothing is trusted for longer, whatever the reply says: the longest that Entra gives is 28 hours.
const LONGEST_LIFETIME: i64 = 30 * 24 * 3600;
/// Where a reply does not say how long its token lives. Short of what any server gives, so that the token is used and the rotated refresh token
/// beside it is not lost.
const ASSUMED_LIFETIME: i64 = 300;

/// What the token endpoint issued.
pub struct TokenReply {
    /// The token that was asked for.
    pub access_token: AccessToken,
    /// The refresh token that replaces the one used; none: the one used stays the one to use.
    pub refresh_token: Option<RefreshToken>,
    /// The id token, where `openid` was asked for. Names a person, so it is not shown either.
    pub id_token: Option<String>,
    /// Seconds that the access token is good for, from now; never negative.
    pub expires_in: i64,
    /// Seconds after which a new one should be fetched, where the server says so; at most `expires_in`.
    pub refresh_in: Option<i64>,
    /// The scopes it was issued with, as they came: [`scopes`](Self::scopes).
    scope: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// The id that the request was sent with; it stands in the service's sign-in log.
    pub correlation_id: Option<String>,
}

impl TokenReply {
    /// Reads the body of a reply with status 200, received at `now`.
    ///
    /// Numbers may be numbers, strings (v1) or absent. Errors: `ResponseMalformed`, without a word of the body.
    pub fn parse(body: &[u8], now: UnixTime) -> Result<Self> {
        let raw: Raw =
            json_body::parse(body, LARGEST_BODY).ok_or_else(|| malformed("is not the JSON that it should be"))?;
        if !raw.token_type.is_some_and(|name| name.0.eq_ignore_ascii_case("bearer")) {
            return Err(malformed("lacks the token type Bearer"));
        }
        let access_token = raw.access_token.ok_or_else(|| malformed("lacks an access token"))?;
        // EXPOSE: looks at its characters, for it will stand in a header.
        if !fits(access_token.expose(), |b| b.is_ascii_graphic()) {
            return Err(malformed("has an access token that cannot be one"));
        }
        // EXPOSE: looks at its characters, for it will be stored and sent back.
        if raw.refresh_token.as_ref().is_some_and(|token| !fits(token.expose(), |b| matches!(b, b' '..=b'~'))) {
            return Err(malformed("has a refresh token that cannot be one"));
        }
        if raw.id_token.as_ref().is_some_and(|token| !fits(token, |b| b.is_ascii_graphic())) {
            return Err(malformed("has an id token that cannot be one"));
        }
        let expires_in = raw
            .expires_in
            .0
            .or_else(|| raw.expires_on.0.map(|on| UnixTime(on).since(now)))
            .unwrap_or(ASSUMED_LIFETIME)
            .clamp(0, LONGEST_LIFETIME);
        Ok(Self {
            access_token,
            refresh_token: raw.refresh_token,
            id_token: raw.id_token,
            expires_in,
            refresh_in: raw.refresh_in.0.map(|after| after.clamp(0, expires_in)),
            scope: raw.scope.unwrap_or_default().0.into_owned(),
            token_type: "Bearer",
            correlation_id: None,
        })
    }

    /// The scopes that the access token was issued with; empty where the server did not say.
    pub fn scopes(&self) -> Vec<String> {
        self.scope.split_ascii_whitespace().take(MOST_SCOPES).map(str::to_owned).collect()
    }
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReply")
            .field("refresh_token", &self.refresh_token.is_some())
            .field("id_token", &self.id_token.is_some())
            .field("expires_in", &self.expires_in)
            .field("refresh_in", &self.refresh_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

fn malformed(how: &str) -> Error {
    Error::new(ErrorKind::ResponseMalformed, "token", format!("the token endpoint's reply {how}"))
}

fn fits(token: &str, allows: impl Fn(u8) -> bool) -> bool {
    // To the end in any case: without a way out in between, many bytes are looked at in one step.
    !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().fold(true, |so_far, byte| so_far & allows(byte))
}

/// Tokens go straight into types that wipe themselves, so that a reply that fails half way leaves none behind.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(default, deserialize_with = "access_token")]
    access_token: Option<AccessToken>,
    #[serde(default, deserialize_with = "refresh_token")]
    refresh_token: Option<RefreshToken>,
    id_token: Option<String>,
    // What is no secret is read where it stands.
    #[serde(borrow)]
    token_type: Option<Text<'a>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    #[serde(default)]
    expires_in: Number,
    #[serde(default)]
    expires_on: Number,
    #[serde(default)]
    refresh_in: Number,
}

fn access_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AccessToken>, D::Error> {
    Ok(Option::<Box<str>>::deserialize(deserializer)?.map(AccessToken::new))
}

fn refresh_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RefreshToken>, D::Error> {
    Ok(Option::<Box<str>>::deserialize(deserializer)?.map(RefreshToken::new))
}

/// A count of seconds as an integer, a fraction or a string; anything else is as good as absent.
#[derive(Default)]
struct Number(Option<i64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a string that holds one")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(Some(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(Some(i64::try_from(value).unwrap_or(i64::MAX))))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                // The cast stops at the ends of i64.
                Ok(Number(value.is_finite().then_some(value as i64)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Number, E> {
                Ok(Number(value.trim().parse().ok()))
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Number, E> {
                Ok(Number(None))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn parse(value: &Value) -> Result<TokenReply> {
        TokenReply::parse(value.to_string().as_bytes(), NOW)
    }

    fn reply() -> Value {
        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "test-access", "refresh_token": "test-refresh"})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut reply = reply();
        reply[key] = value;
        reply
    }

    #[test]
    fn a_reply_of_v2_is_read() {
        let reply = parse(&json!({
            "token_type": "Bearer", "scope": "https://graph.microsoft.com/User.Read https://graph.microsoft.com/.default",
            "expires_in": 3599, "ext_expires_in": 3599, "refresh_in": 1800, "access_token": "test-access",
            "refresh_token": "test-refresh", "id_token": "test.id.token", "client_info": "e30", "foci": "1"
        }))
        .unwrap();
        assert_eq!(reply.access_token.expose(), "test-access");
        assert_eq!(reply.refresh_token.as_ref().unwrap().expose(), "test-refresh");
        assert_eq!(reply.id_token.as_deref(), Some("test.id.token"));
        assert_eq!((reply.expires_in, reply.refresh_in, reply.token_type), (3599, Some(1800), "Bearer"));
        assert_eq!(reply.scopes(), ["https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/.default"]);
    }

    #[test]
    fn texts_with_escapes_are_read() {
        let body = br#"{"token_type":"Be\u0061rer","scope":"https:\/\/graph.microsoft.com\/.default","access_token":"test-access"}"#;
        let reply = TokenReply::parse(body, NOW).unwrap();
        assert_eq!(reply.scopes(), ["https://graph.microsoft.com/.default"]);
    }

    #[test]
    fn a_reply_of_v1_has_its_numbers_in_strings() {
        let reply = parse(&json!({
            "token_type": "Bearer", "scope": "user_impersonation", "expires_in": "3599", "ext_expires_in": "3599",
            "expires_on": "1547579127", "not_before": "1547575227", "resource": "https://api.partnercenter.microsoft.com",
            "access_token": "test-access", "refresh_token": "test-refresh", "id_token": "test.id.token"
        }))
        .unwrap();
        assert_eq!((reply.expires_in, reply.refresh_in), (3599, None));
        assert_eq!(reply.scopes(), ["user_impersonation"]);
    }

    #[test]
    fn every_shape_of_a_number_is_understood() {
        for (given, seconds) in [
            (json!(60), 60),
            (json!("60"), 60),
            (json!(" 60 "), 60),
            (json!(60.9), 60),
            (json!(-5), 0),
            (json!("-5"), 0),
            (json!(u64::MAX), LONGEST_LIFETIME),
            (json!(1e300), LONGEST_LIFETIME),
            (json!(null), ASSUMED_LIFETIME),
            (json!(true), ASSUMED_LIFETIME),
            (json!(""), ASSUMED_LIFETIME),
        ] {
            assert_eq!(parse(&with("expires_in", given.clone())).unwrap().expires_in, seconds, "{given}");
        }
        for (given, seconds) in [(json!(null), None), (json!("1800"), Some(1800)), (json!(99_999), Some(3599))] {
            assert_eq!(parse(&with("refresh_in", given.clone())).unwrap().refresh_in, seconds, "{given}");
        }
    }

    #[test]
    fn a_moment_stands_in_for_a_lifetime() {
        let mut reply = with("expires_on", json!((NOW.0 + 1200).to_string()));
        assert_eq!(parse(&reply).unwrap().expires_in, 3599, "expires_in goes first");
        reply.as_object_mut().unwrap().remove("expires_in");
        assert_eq!(parse(&reply).unwrap().expires_in, 1200);
        reply["expires_on"] = json!(NOW.0 - 1);
        assert_eq!(parse(&reply).unwrap().expires_in, 0);
        reply["expires_on"] = json!(i64::MIN);
        assert_eq!(parse(&reply).unwrap().expires_in, 0);
    }

    #[test]
    fn no_refresh_token_keeps_the_old_one() {
        for absent in [json!({"token_type": "Bearer", "access_token": "a"}), with("refresh_token", Value::Null)] {
            assert!(parse(&absent).unwrap().refresh_token.is_none());
        }
    }

    #[test]
    fn a_mark_before_the_json_does_no_harm() {
        let body = format!("\u{feff}{}", reply());
        assert!(TokenReply::parse(body.as_bytes(), NOW).is_ok());
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        for bad in [
            json!({}),
            json!([]),
            json!("x"),
            with("access_token", json!("")),
            with("access_token", json!(7)),
            with("access_token", json!("canary\r\nx-forged: 1")),
            with("access_token", json!("canary canary")),
            with("access_token", json!("c".repeat(LONGEST_TOKEN + 1))),
            with("refresh_token", json!("")),
            with("refresh_token", json!("canary\u{0}")),
            with("refresh_token", json!(["canary"])),
            with("id_token", json!("")),
            with("token_type", json!("canary")),
            with("token_type", json!("mac")),
            with("token_type", json!(null)),
        ] {
            let error = parse(&bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResponseMalformed, "{bad}");
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
        for text in ["", "<html>canary</html>", "{\"access_token\":\"canary\",\"access_token\":\"b\"", "\u{feff}"] {
            assert!(TokenReply::parse(text.as_bytes(), NOW).is_err());
        }
        let twice = r#"{"token_type":"Bearer","access_token":"a","access_token":"b"}"#;
        assert!(TokenReply::parse(twice.as_bytes(), NOW).is_err(), "which of the two would it be?");
    }

    #[test]
    fn the_token_type_is_known_in_any_case() {
        assert!(parse(&with("token_type", json!("bearer"))).is_ok());
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", parse(&with("id_token", json!("test.id.token"))).unwrap());
        assert!(!shown.contains("test"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = TokenReply::parse(&body, NOW);
        }

        #[test]
        fn any_lifetime_is_within_bounds(text in "\\PC*", number in any::<i64>(), fraction in any::<f64>(), now in any::<i64>()) {
            for value in [json!(text), json!(number), json!(fraction), json!(number.to_string())] {
                for key in ["expires_in", "expires_on", "refresh_in"] {
                    let reply = json!({"token_type": "Bearer", "access_token": "a", key: value});
                    let reply = TokenReply::parse(reply.to_string().as_bytes(), UnixTime(now)).unwrap();
                    prop_assert!((0..=LONGEST_LIFETIME).contains(&reply.expires_in));
                    prop_assert!(reply.refresh_in.is_none_or(|after| (0..=reply.expires_in).contains(&after)));
                }
            }
        }
    }
}
