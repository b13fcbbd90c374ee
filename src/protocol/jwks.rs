//! The keys that an authority signs id tokens with (RFC 7517).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::json_body;
use crate::error::{Error, ErrorKind, Result};

const LARGEST_BODY: usize = 512 << 10;
const MOST_KEYS: usize = 64;
const LONGEST_TEXT: usize = 512;
/// Bytes of a modulus, without leading zeros: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// What stands in Entra's issuers for the tenant.
pub(super) const TENANT_PLACE: &str = "{tenantid}";

/// An authority's signing keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// One RSA key that may sign id tokens with RS256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`: the name by which tokens refer to it.
    pub kid: Option<String>,
    /// Entra's `issuer`: whose tokens it may sign, with `{tenantid}` for any tenant.
    pub issuer: Option<String>,
    pub(super) modulus: Vec<u8>,
    pub(super) exponent: Vec<u8>,
}

impl Jwks {
    /// Reads the document at `jwks_uri`. Keys of other kinds and uses are left out, and so is what follows the first 64 usable ones.
    ///
    /// Errors: `ResponseMalformed` where it is not such a document, or holds no key that could be used.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let malformed = |how: &str| {
            Error::new(ErrorKind::ResponseMalformed, "consent", format!("the document of signing keys {how}"))
        };
        let raw: Raw =
            json_body::parse(body, LARGEST_BODY).ok_or_else(|| malformed("is not the JSON that it should be"))?;
        let keys: Vec<Jwk> = raw.keys.iter().filter_map(Jwk::of).take(MOST_KEYS).collect();
        if keys.is_empty() {
            return Err(malformed("has no RSA key to sign with"));
        }
        Ok(Self { keys })
    }

    /// The key of that name, the first where several have it.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.named(kid).next()
    }

    /// Every key of that name: Entra lists one key once for each issuer that may use it.
    pub fn named<'k>(&'k self, kid: &str) -> impl Iterator<Item = &'k Jwk> {
        self.keys.iter().filter(move |key| key.kid.as_deref() == Some(kid))
    }

    /// The key, where there is exactly one.
    pub fn only(&self) -> Option<&Jwk> {
        match self.keys.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }
}

impl Jwk {
    /// Whether this key may sign for `issuer`: Entra names one for each key, with `{tenantid}` in the tenant's place; others do not and may.
    pub fn signs_for(&self, issuer: &str, tenant: Option<&str>) -> bool {
        match (&self.issuer, tenant) {
            (None, _) => true,
            (Some(template), Some(tenant)) => template.replace(TENANT_PLACE, tenant) == issuer,
            (Some(exact), None) => exact == issuer,
        }
    }

    fn of(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).filter(|text| text.len() <= LONGEST_TEXT);
        let is = |name: &str, wanted: &str| match key.get(name) {
            None | Some(Value::Null) => true,
            Some(value) => value.as_str() == Some(wanted),
        };
        if key.get("kty")?.as_str()? != "RSA" || !is("use", "sig") || !is("alg", "RS256") {
            return None;
        }
        let modulus = number(key.get("n")?)?;
        let exponent = number(key.get("e")?)?;
        // An exponent of 1 would make every signature valid; the verifier refuses such keys as well.
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !MODULUS.contains(&modulus.len()) || exponent.len() > 8 || !odd || exponent == [1] {
            return None;
        }
        Some(Self {
            kid: text("kid").map(str::to_owned),
            issuer: match key.get("issuer") {
                None | Some(Value::Null) => None,
                Some(_) => Some(text("issuer")?.to_owned()),
            },
            modulus,
            exponent,
        })
    }
}

/// A positive integer as RFC 7518 section 2 writes it (Base64urlUInt), without leading zeros.
fn number(value: &Value) -> Option<Vec<u8>> {
    const LONGEST: usize = 2048;
    let text = value.as_str().filter(|text| text.len() <= LONGEST)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
}

#[derive(Deserialize)]
struct Raw {
    keys: Vec<Value>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key(kid: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "kid": kid, "n": BASE64_URL_SAFE_NO_PAD.encode([0xc5; 256]), "e": "AQAB"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut key = key("other");
        key[name] = value;
        key
    }

    fn parse(keys: &[Value]) -> Result<Jwks> {
        Jwks::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_are_found_by_name() {
        let jwks = parse(&[key("a"), key("b")]).unwrap();
        assert_eq!(jwks.find("b").unwrap().kid.as_deref(), Some("b"));
        assert_eq!(jwks.find("c"), None);
        assert_eq!(jwks.only(), None);
        assert!(parse(&[key("a")]).unwrap().only().is_some());
    }

    #[test]
    fn keys_that_cannot_sign_id_tokens_are_left_out() {
        let encoded = |length: usize| json!(BASE64_URL_SAFE_NO_PAD.encode(vec![0xc5; length]));
        for other in [
            with("kty", json!("EC")),
            with("kty", json!("oct")),
            with("use", json!("enc")),
            with("alg", json!("RS1")),
            with("alg", json!("HS256")),
            with("n", encoded(128)),
            with("n", encoded(1025)),
            with("n", json!("")),
            with("n", json!("not base64!")),
            with("n", json!(7)),
            with("e", json!("AQ")),
            with("e", json!("AA")),
            with("e", json!("Ag")),
            with("issuer", json!(7)),
            json!({}),
            json!(null),
        ] {
            let jwks = parse(&[other.clone(), key("good")]).unwrap();
            assert_eq!(jwks.only().map(|key| key.kid.as_deref()), Some(Some("good")), "{other}");
            assert!(parse(&[other]).is_err());
        }
        for good in [
            with("alg", json!("RS256")),
            with("use", json!(null)),
            with("x5c", json!(["x"])),
            with("e", json!("AAEAAQ==")),
        ] {
            assert!(parse(&[good]).is_ok());
        }
    }

    #[test]
    fn a_key_signs_for_the_issuer_that_it_names() {
        let bound = parse(&[with("issuer", json!("https://login.example/{tenantid}/v2.0"))]).unwrap();
        let bound = bound.only().unwrap();
        assert!(bound.signs_for("https://login.example/t-1/v2.0", Some("t-1")));
        assert!(!bound.signs_for("https://login.example/t-1/v2.0", Some("t-2")));
        assert!(!bound.signs_for("https://login.example/t-1/v2.0", None));
        assert!(!bound.signs_for("https://evil.example/t-1/v2.0", Some("t-1")));
        assert!(parse(&[key("free")]).unwrap().only().unwrap().signs_for("https://anything.example", None));
    }

    #[test]
    fn size_and_number_are_bounded() {
        let many: Vec<Value> = (0..500).map(|n| key(&n.to_string())).collect();
        let jwks = parse(&many).unwrap();
        assert!(jwks.find("63").is_some() && jwks.find("64").is_none());
        assert!(Jwks::parse(&vec![b' '; LARGEST_BODY + 1]).is_err());
        for bad in ["", "{}", "[]", "{\"keys\":[]}", "{\"keys\":{}}", "<html>"] {
            assert_eq!(Jwks::parse(bad.as_bytes()).unwrap_err().kind(), ErrorKind::ResponseMalformed);
        }
        assert!(Jwks::parse(format!("\u{feff}{}", json!({"keys": [key("a")]})).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in proptest::collection::vec(any::<u8>(), 0..256), n in ".*", e in ".*") {
            let _ = Jwks::parse(&body);
            let _ = parse(&[json!({"kty": "RSA", "n": n, "e": e})]);
        }
    }
}
