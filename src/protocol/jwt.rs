//! A look into a JWT (RFC 7519) without verification, best effort.
//!
//! For access tokens: they are addressed to the service, and opaque to us by contract. What is seen is good for reports and for the MFA verdict,
//! never for a decision about who somebody is; that is [`id_token`](super::id_token)'s.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::clock::UnixTime;

/// Longer ones are not looked into.
pub(super) const LONGEST_TOKEN: usize = 128 << 10;

/// The claims of a token that are of use here. A claim of another type than it should have is as good as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: who issued it.
    pub issuer: Option<String>,
    /// `aud`: for whom; one or several.
    pub audiences: Vec<String>,
    /// `tid`: the tenant it is good in.
    pub tenant: Option<String>,
    /// `oid`: object id of the account.
    pub object_id: Option<String>,
    /// `sub`: the account as this app knows it.
    pub subject: Option<String>,
    /// `upn`, `preferred_username` or `unique_name`: the account's sign-in name.
    pub user_name: Option<String>,
    /// `appid` (v1) or `azp` (v2): the app it was issued to.
    pub app_id: Option<String>,
    /// `appidacr` (v1) or `azpacr` (v2): how the app proved itself: 0 not at all, 1 secret, 2 certificate.
    pub app_strength: Option<String>,
    /// `scp`: delegated permissions.
    pub scopes: Vec<String>,
    /// `amr`: how the person signed in. None where it is absent or not a list of strings; v2 access tokens have none.
    pub amr: Option<Vec<String>>,
    /// `iat`: when it was issued.
    pub issued_at: Option<UnixTime>,
    /// `nbf`: from when it is good.
    pub not_before: Option<UnixTime>,
    /// `exp`: when it ends.
    pub expires_on: Option<UnixTime>,
}

/// The claims of `token`; none where it is not a JWT.
pub fn peek(token: &str) -> Option<Claims> {
    let claims = object(Parts::of(token)?.payload)?;
    let text = |name: &str| text(&claims, name);
    let time = |name: &str| time(claims.get(name)?);
    Some(Claims {
        issuer: text("iss"),
        audiences: match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(several) => strings(several).unwrap_or_default(),
            None => Vec::new(),
        },
        tenant: text("tid"),
        object_id: text("oid"),
        subject: text("sub"),
        user_name: text("upn").or_else(|| text("preferred_username")).or_else(|| text("unique_name")),
        app_id: text("appid").or_else(|| text("azp")),
        app_strength: text("appidacr").or_else(|| text("azpacr")),
        scopes: text("scp").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
        amr: claims.get("amr").and_then(strings),
        issued_at: time("iat"),
        not_before: time("nbf"),
        expires_on: time("exp"),
    })
}

/// The two claims of an access token that every redemption looks at, without the cost of reading all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// `tid`, as in [`Claims::tenant`].
    pub tenant: Option<String>,
    /// `amr`, as in [`Claims::amr`].
    pub amr: Option<Vec<String>>,
}

/// A glance at `token`; none where it is not a JWT.
pub fn glance(token: &str) -> Option<Glance> {
    /// Anything else is skipped where it stands. Of a claim that is there twice, nobody knows which one counts: then nothing is read.
    #[derive(serde::Deserialize)]
    struct Seen<'a> {
        #[serde(borrow)]
        tid: Option<&'a RawValue>,
        #[serde(borrow)]
        amr: Option<&'a RawValue>,
    }
    let bytes = decoded(Parts::of(token)?.payload)?;
    let Seen { tid, amr } = serde_json::from_slice(&bytes).ok()?;
    let tenant = tid.and_then(|tid| serde_json::from_str::<String>(tid.get()).ok());
    let amr = amr.and_then(|amr| serde_json::from_str(amr.get()).ok());
    Some(Glance { tenant: tenant.filter(|tenant| !tenant.is_empty()), amr })
}

/// The three parts of a JWS in compact form, still encoded.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    /// Header and payload as they were signed.
    pub(super) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        (!payload.contains('.')).then_some(Self { header, payload, signature, signed })
    }
}

/// The JSON object in an encoded part.
pub(super) fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decoded(part)?).ok()
}

/// The bytes of an encoded part.
fn decoded(part: &str) -> Option<Vec<u8>> {
    // Padding is against RFC 7515 and yet seen.
    const TOLERANT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    TOLERANT.decode(part).ok()
}

pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of strings and nothing else.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A NumericDate: whole seconds or a fraction.
pub(super) fn time(value: &Value) -> Option<UnixTime> {
    // The cast stops at the ends of i64; JSON knows no infinity.
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)).map(UnixTime)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn token(claims: &Value) -> String {
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.test-signature", encode(&json!({"alg": "none"})), encode(claims))
    }

    #[test]
    fn claims_of_both_versions_are_read() {
        let v1 = peek(&token(&json!({
            "aud": "https://api.partnercenter.microsoft.com", "iss": "https://sts.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee/",
            "iat": 1, "nbf": 2, "exp": 3.7, "amr": ["pwd", "mfa"], "appid": "app", "appidacr": "1", "oid": "o", "scp": "a b",
            "tid": "aaaabbbb-0000-cccc-1111-dddd2222eeee", "upn": "admin@fabrikam.example", "sub": "s"
        })))
        .unwrap();
        assert_eq!(v1.audiences, ["https://api.partnercenter.microsoft.com"]);
        assert_eq!(v1.amr.unwrap(), ["pwd", "mfa"]);
        assert_eq!(v1.scopes, ["a", "b"]);
        assert_eq!(
            (v1.issued_at, v1.not_before, v1.expires_on),
            (Some(UnixTime(1)), Some(UnixTime(2)), Some(UnixTime(3)))
        );
        assert_eq!((v1.app_id.as_deref(), v1.app_strength.as_deref()), (Some("app"), Some("1")));
        assert_eq!(v1.user_name.as_deref(), Some("admin@fabrikam.example"));
        let v2 =
            peek(&token(&json!({"aud": ["x", "y"], "azp": "app", "azpacr": "2", "preferred_username": "p"}))).unwrap();
        assert_eq!(v2.audiences, ["x", "y"]);
        assert_eq!((v2.app_id.as_deref(), v2.app_strength.as_deref()), (Some("app"), Some("2")));
        assert_eq!((v2.user_name.as_deref(), v2.amr), (Some("p"), None));
    }

    #[test]
    fn claims_of_the_wrong_type_are_absent() {
        let odd = peek(&token(
            &json!({"aud": 1, "iss": [], "tid": {}, "exp": "soon", "amr": "mfa", "scp": ["a"], "oid": ""}),
        ));
        assert_eq!(odd, Some(Claims::default()));
        for amr in [json!(["mfa", 1]), json!({"mfa": true}), json!(null)] {
            assert_eq!(peek(&token(&json!({"amr": amr}))).unwrap().amr, None);
        }
    }

    #[test]
    fn a_glance_sees_what_a_look_sees() {
        for claims in [
            json!({"tid": "aaaabbbb-0000-cccc-1111-dddd2222eeee", "amr": ["pwd", "mfa"], "oid": "o", "exp": 3.7}),
            json!({"tid": "", "amr": "mfa"}),
            json!({"tid": {}, "amr": ["mfa", 1]}),
            json!({"tid": null, "amr": null}),
            json!({}),
        ] {
            let token = token(&claims);
            let (look, glance) = (peek(&token).unwrap(), glance(&token).unwrap());
            assert_eq!((look.tenant, look.amr), (glance.tenant, glance.amr), "{claims}");
        }
        for other in ["", "opaque", "a.b", "e30.!.x", "e30.W10.x", "a.b.c.d.e"] {
            assert_eq!((peek(other), glance(other)), (None, None), "{other}");
        }
        let twice = BASE64_URL_SAFE_NO_PAD.encode(r#"{"tid":"a","tid":"b"}"#);
        assert_eq!(glance(&format!("e30.{twice}.x")), None);
    }

    #[test]
    fn padding_does_no_harm() {
        let payload = BASE64_URL_SAFE.encode(json!({"oid": "test"}).to_string());
        assert!(payload.ends_with('='));
        assert_eq!(peek(&format!("e30.{payload}.x")).unwrap().object_id.as_deref(), Some("test"));
    }

    #[test]
    fn what_is_no_jwt_is_none() {
        let long = format!("e30.{}.x", "A".repeat(LONGEST_TOKEN));
        for other in
            ["", "opaque", "a.b", "e30.e30", "e30.!.x", "e30.W10.x", "a.b.c.d.e", "e30.e30.e30.e30", long.as_str()]
        {
            assert_eq!(peek(other), None, "{other:.40}");
        }
        assert_eq!(peek("e30.e30.x"), Some(Claims::default()));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*", parts in proptest::collection::vec("[A-Za-z0-9_=-]*", 0..5)) {
            let _ = peek(&text);
            let _ = peek(&parts.join("."));
        }

        #[test]
        fn any_payload_is_answered(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = peek(&format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(payload)));
        }
    }
}
