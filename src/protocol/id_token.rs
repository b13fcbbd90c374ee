//! Verification of id tokens (OpenID Connect Core section 3.1.3.7): who signed in, at which tenant, for us and in this very flow.
//!
//! Checks are made in this order, and the first that fails names itself: shape and size; header (RS256 and nothing else, no `crit`); key, by `kid`;
//! signature; then, of what is now known to be the authority's own words: issuer, the key's right to sign for it, audience, times, nonce,
//! tenant, account.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::jwks::{Jwk, Jwks, TENANT_PLACE};
use super::jwt;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantId};

/// Seconds by which the authority's clock and ours may differ.
pub const LEEWAY: i64 = 300;

const LONGEST_NAME: usize = 512;

/// What an id token must be to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer of the metadata: exact, or with `{tenantid}` where the tenant goes.
    pub issuer: &'a str,
    /// The app it must be issued to.
    pub client_id: &'a ClientId,
    /// The value that the flow was begun with; none in flows that send none (device code, redemption).
    pub nonce: Option<&'a str>,
    /// The invited partner; none at an authority without tenants.
    pub tenant: Option<TenantId>,
    /// Now.
    pub now: UnixTime,
    /// Seconds by which clocks may differ, usually [`LEEWAY`].
    pub leeway: i64,
}

/// What a verified id token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenClaims {
    /// The tenant signed in to; none at an authority without tenants.
    pub tenant: Option<TenantId>,
    /// The account: `oid`, or `sub` at an authority that has no `oid`.
    pub oid: String,
    /// The account's name for people: `preferred_username`, `upn`, `email` or `sub`, the first there is.
    pub name: String,
    /// Who issued it.
    pub issuer: String,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// When the person signed in, where the authority says so.
    pub auth_time: Option<UnixTime>,
    /// How the person signed in, where the authority says so.
    pub amr: Option<Vec<String>>,
}

/// Why an id token was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdTokenProblem {
    /// It is signed with a key that is not in the set. Keys change: fetch them again, once, and verify again.
    UnknownKey(Error),
    /// It fails a check: `IdTokenInvalid`, or `TenantMismatch` where it is good but for another tenant.
    Refused(Error),
}

impl From<IdTokenProblem> for Error {
    fn from(problem: IdTokenProblem) -> Self {
        match problem {
            IdTokenProblem::UnknownKey(error) | IdTokenProblem::Refused(error) => error,
        }
    }
}

/// Verifies `token` with the authority's keys. Errors name the check that failed and never quote the token.
pub fn verify(token: &str, keys: &Jwks, expected: &Expected<'_>) -> Result<IdTokenClaims, IdTokenProblem> {
    let parts = jwt::Parts::of(token).ok_or_else(|| refused("shape", "it is not a signed JWT"))?;
    let header = jwt::object(parts.header).ok_or_else(|| refused("header", "its header is not JSON"))?;
    check_header(&header)?;
    let candidates = candidates(&header, keys, expected)?;
    let mut signed_by = candidates.iter().filter(|key| is_signed(&parts, key)).peekable();
    if signed_by.peek().is_none() {
        return Err(refused("signature", "its signature does not fit its key").into());
    }
    let claims = jwt::object(parts.payload).ok_or_else(|| refused("claims", "its claims are not JSON"))?;
    let issuer = check_issuer(&claims, expected)?;
    let tid = jwt::text(&claims, "tid");
    if !signed_by.any(|key| key.signs_for(&issuer, tid.as_deref())) {
        return Err(refused("key issuer", "its key may not sign for that issuer").into());
    }
    check_audience(&claims, expected)?;
    let issued_at = check_times(&claims, expected)?;
    check_nonce(&claims, expected)?;
    let tenant = check_tenant(tid.as_deref(), expected)?;
    account(&claims, tenant, issuer, issued_at).map_err(Into::into)
}

/// An algorithm chosen by the token is how forgeries get in (RFC 8725 section 3.1), and a `crit` header names rules that nobody here knows.
fn check_header(header: &Map<String, Value>) -> Result<()> {
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(refused("algorithm", "it is not signed with RS256"));
    }
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(refused("header", "its header asks for rules that are not known here"));
    }
    match header.get("typ") {
        None => Ok(()),
        Some(typ) if typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt")) => Ok(()),
        Some(_) => Err(refused("type", "it is another kind of JWT")),
    }
}

/// The keys by that name. A token without `kid` is accepted where the authority has no tenants and one key only: then there is nothing to confuse.
fn candidates<'k>(
    header: &Map<String, Value>,
    keys: &'k Jwks,
    expected: &Expected<'_>,
) -> Result<Vec<&'k Jwk>, IdTokenProblem> {
    let found: Vec<&Jwk> = match header.get("kid") {
        Some(Value::String(kid)) => keys.named(kid).collect(),
        Some(_) => return Err(refused("key", "its key has a name that is none").into()),
        None if expected.tenant.is_some() || expected.issuer.contains(TENANT_PLACE) => {
            return Err(refused("key", "it does not name its key").into());
        }
        None => match keys.only() {
            Some(key) => vec![key],
            None => return Err(refused("key", "it does not name its key, and there is more than one").into()),
        },
    };
    if found.is_empty() {
        return Err(IdTokenProblem::UnknownKey(refused("key", "its key is not among the authority's")));
    }
    Ok(found)
}

fn is_signed(parts: &jwt::Parts<'_>, key: &Jwk) -> bool {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    // The strict decoder: one signature has one spelling. The provider is named, for the process-wide default is the embedding program's to choose.
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(parts.signature) else { return false };
    let key = DecodingKey::from_rsa_raw_components(&key.modulus, &key.exponent);
    (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, &key)
        .is_ok_and(|verifier| verifier.verify(parts.signed.as_bytes(), &signature).is_ok())
}

/// The issuer, with the tenant that the token itself names in the tenant's place: whether that is the invited one is a question of its own, with an
/// answer that a person can act on.
fn check_issuer(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<String> {
    let issuer = jwt::text(claims, "iss").ok_or_else(|| refused("issuer", "it names no issuer"))?;
    let template = match expected.tenant {
        Some(tenant) => expected.issuer.replace(&tenant.to_string(), TENANT_PLACE),
        None => expected.issuer.to_owned(),
    };
    let wanted = match jwt::text(claims, "tid") {
        Some(tid) if template.contains(TENANT_PLACE) => template.replace(TENANT_PLACE, &tid),
        _ => template,
    };
    if issuer != wanted {
        return Err(refused("issuer", "it is another issuer's"));
    }
    Ok(issuer)
}

fn check_audience(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<()> {
    let is_ours = |value: &Value| value.as_str() == Some(expected.client_id.as_str());
    let audience_is_ours = match claims.get("aud") {
        Some(Value::Array(several)) => matches!(several.as_slice(), [one] if is_ours(one)),
        Some(one) => is_ours(one),
        None => false,
    };
    if !audience_is_ours || claims.get("azp").is_some_and(|party| !is_ours(party)) {
        return Err(refused("audience", "it was issued to another app"));
    }
    Ok(())
}

fn check_times(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<UnixTime> {
    let time = |name: &str| claims.get(name).and_then(jwt::time);
    let clock = "; check this machine's clock";
    let ends = time("exp").ok_or_else(|| refused("exp", "it does not say when it ends"))?;
    if ends.plus(expected.leeway) <= expected.now {
        return Err(refused("exp", &format!("it ended at {ends}")).with_hint(format!("sign in again{clock}")));
    }
    let issued_at = time("iat").ok_or_else(|| refused("iat", "it does not say when it was issued"))?;
    let starts = match claims.get("nbf") {
        Some(value) => jwt::time(value).ok_or_else(|| refused("nbf", "it does not say from when it is good"))?,
        None => issued_at,
    };
    for (check, from) in [("nbf", starts), ("iat", issued_at)] {
        if from > expected.now.plus(expected.leeway) {
            return Err(
                refused(check, &format!("it is good from {from} only")).with_hint(format!("sign in again{clock}"))
            );
        }
    }
    Ok(issued_at)
}

fn check_nonce(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<()> {
    let Some(wanted) = expected.nonce else { return Ok(()) };
    let given = jwt::text(claims, "nonce").unwrap_or_default();
    if wanted.is_empty() || verify_slices_are_equal(given.as_bytes(), wanted.as_bytes()).is_err() {
        return Err(refused("nonce", "it was not made for this sign-in"));
    }
    Ok(())
}

fn check_tenant(tid: Option<&str>, expected: &Expected<'_>) -> Result<Option<TenantId>> {
    let given = tid.and_then(|tid| tid.parse::<TenantId>().ok());
    match (expected.tenant, given) {
        (Some(invited), Some(given)) if invited == given => Ok(Some(given)),
        (Some(invited), Some(given)) => Err(Error::new(
            ErrorKind::TenantMismatch,
            "consent",
            format!("the sign-in was to another tenant than the invited {invited}: {given}"),
        )
        .with_context("check", "tenant")),
        (Some(_), None) => Err(refused("tenant", "it names no tenant")),
        (None, given) => Ok(given.filter(|_| expected.issuer.contains(TENANT_PLACE))),
    }
}

fn account(
    claims: &Map<String, Value>,
    tenant: Option<TenantId>,
    issuer: String,
    issued_at: UnixTime,
) -> Result<IdTokenClaims> {
    let text = |name: &str| jwt::text(claims, name).filter(|text| text.len() <= LONGEST_NAME);
    let subject = text("sub").ok_or_else(|| refused("account", "it names no account"))?;
    // Names come from outside and will be shown and stored.
    let name = ["preferred_username", "upn", "email"].into_iter().find_map(text).unwrap_or_else(|| subject.clone());
    Ok(IdTokenClaims {
        tenant,
        oid: text("oid").unwrap_or(subject),
        name: name.chars().filter(|c| !c.is_control()).collect(),
        issuer,
        issued_at,
        auth_time: claims.get("auth_time").and_then(jwt::time),
        amr: claims.get("amr").and_then(jwt::strings),
    })
}

impl From<Error> for IdTokenProblem {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

fn refused(check: &'static str, why: &str) -> Error {
    Error::new(ErrorKind::IdTokenInvalid, "consent", format!("the id token was refused: {why}"))
        .with_context("check", check)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    };
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const INVITED: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    const OTHER: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
    const NOW: i64 = 1_800_000_000;
    const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

    static KEYS: LazyLock<[RsaKeyPair; 2]> =
        LazyLock::new(|| [0, 1].map(|_| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));
    static CLIENT: LazyLock<ClientId> = LazyLock::new(|| "11112222-aaaa-3333-bbbb-4444cccc5555".parse().unwrap());

    fn issuer(tenant: &str) -> String {
        TEMPLATE.replace("{tenantid}", tenant)
    }

    fn jwk(key: &RsaKeyPair, kid: Option<&str>, issuer: Option<&str>) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        json!({"kty": "RSA", "use": "sig", "kid": kid, "issuer": issuer, "n": BASE64.encode(public.n), "e": BASE64.encode(public.e)})
    }

    fn keys(listed: &[Value]) -> Jwks {
        Jwks::parse(json!({ "keys": listed }).to_string().as_bytes()).unwrap()
    }

    fn entra_keys() -> Jwks {
        keys(&[jwk(&KEYS[0], Some("key-0"), Some(TEMPLATE)), jwk(&KEYS[1], Some("key-1"), Some(TEMPLATE))])
    }

    fn header() -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": "key-0"})
    }

    fn claims() -> Value {
        json!({
            "iss": issuer(INVITED), "tid": INVITED, "aud": CLIENT.as_str(), "nonce": "test-nonce", "iat": NOW - 10,
            "nbf": NOW - 10, "exp": NOW + 3600, "sub": "test-subject", "oid": "test-oid",
            "preferred_username": "admin@fabrikam.example", "auth_time": NOW - 30, "amr": ["pwd", "mfa"],
        })
    }

    fn expected() -> Expected<'static> {
        Expected {
            issuer: TEMPLATE,
            client_id: &CLIENT,
            nonce: Some("test-nonce"),
            tenant: Some(INVITED.parse().unwrap()),
            now: UnixTime(NOW),
            leeway: LEEWAY,
        }
    }

    fn sign_with(key: &RsaKeyPair, how: &'static dyn RsaEncoding, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(how, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }

    fn sign(header: &Value, claims: &Value) -> String {
        sign_with(&KEYS[0], &RSA_PKCS1_SHA256, header, claims)
    }

    static GOOD: LazyLock<String> = LazyLock::new(|| sign(&header(), &claims()));

    fn with(mut value: Value, name: &str, to: Value) -> Value {
        value[name] = to;
        value
    }

    fn without(mut value: Value, name: &str) -> Value {
        value.as_object_mut().unwrap().remove(name);
        value
    }

    fn check_of(token: &str, keys: &Jwks, expected: &Expected<'_>) -> String {
        let error = Error::from(verify(token, keys, expected).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::IdTokenInvalid, "{error:?}");
        assert!(
            !format!("{error:?}").contains(token.split('.').next_back().filter(|s| s.len() > 8).unwrap_or("no token"))
        );
        error.to_document().context["check"].to_owned()
    }

    fn refused_for(header: &Value, claims: &Value) -> String {
        check_of(&sign(header, claims), &entra_keys(), &expected())
    }

    #[test]
    fn a_good_token_is_accepted_and_read() {
        for issuer in [TEMPLATE, &issuer(INVITED)] {
            let read = verify(&sign(&header(), &claims()), &entra_keys(), &Expected { issuer, ..expected() }).unwrap();
            assert_eq!(
                read,
                IdTokenClaims {
                    tenant: Some(INVITED.parse().unwrap()),
                    oid: "test-oid".to_owned(),
                    name: "admin@fabrikam.example".to_owned(),
                    issuer: super::tests::issuer(INVITED),
                    issued_at: UnixTime(NOW - 10),
                    auth_time: Some(UnixTime(NOW - 30)),
                    amr: Some(vec!["pwd".to_owned(), "mfa".to_owned()]),
                }
            );
        }
    }

    #[test]
    fn every_variation_that_is_good_is_accepted() {
        let accepts =
            |header: Value, claims: Value| verify(&sign(&header, &claims), &entra_keys(), &expected()).unwrap();
        accepts(without(header(), "typ"), claims());
        accepts(with(header(), "typ", json!("jwt")), claims());
        accepts(header(), with(claims(), "aud", json!([CLIENT.as_str()])));
        accepts(header(), with(claims(), "azp", json!(CLIENT.as_str())));
        accepts(header(), without(claims(), "nbf"));
        accepts(header(), with(claims(), "exp", json!(NOW as f64 + 0.5)));
        accepts(header(), with(claims(), "exp", json!(NOW - LEEWAY + 1)));
        accepts(header(), with(with(claims(), "nbf", json!(NOW + LEEWAY)), "iat", json!(NOW + LEEWAY)));
        let second = sign_with(&KEYS[1], &RSA_PKCS1_SHA256, &with(header(), "kid", json!("key-1")), &claims());
        verify(&second, &entra_keys(), &expected()).unwrap();
        for (names, wanted) in [
            (json!({"preferred_username": null, "upn": "u@fabrikam.example"}), "u@fabrikam.example"),
            (json!({"preferred_username": null, "email": "e@fabrikam.example"}), "e@fabrikam.example"),
            (json!({"preferred_username": null}), "test-subject"),
            (json!({"preferred_username": "a\u{1b}[31mb"}), "a[31mb"),
        ] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
            assert_eq!(accepts(header(), claims).name, wanted);
        }
        let no_nonce = Expected { nonce: None, ..expected() };
        verify(&sign(&header(), &without(claims(), "nonce")), &entra_keys(), &no_nonce).unwrap();
    }

    #[test]
    fn another_tenant_s_sign_in_is_told_as_that() {
        let claims = with(with(claims(), "tid", json!(OTHER)), "iss", json!(issuer(OTHER)));
        for issuer in [TEMPLATE, &issuer(INVITED)] {
            let problem =
                verify(&sign(&header(), &claims), &entra_keys(), &Expected { issuer, ..expected() }).unwrap_err();
            let error = Error::from(problem);
            assert_eq!(error.kind(), ErrorKind::TenantMismatch);
            assert!(error.message().contains(INVITED) && error.message().ends_with(OTHER));
        }
    }

    #[test]
    fn an_unknown_key_is_told_apart() {
        let rolled = sign(&with(header(), "kid", json!("key-9")), &claims());
        assert!(matches!(verify(&rolled, &entra_keys(), &expected()), Err(IdTokenProblem::UnknownKey(_))));
        // A known name with another key behind it is a forgery, not a roll-over.
        let forged = sign_with(&KEYS[1], &RSA_PKCS1_SHA256, &header(), &claims());
        assert!(matches!(verify(&forged, &entra_keys(), &expected()), Err(IdTokenProblem::Refused(_))));
    }

    #[test]
    fn the_token_does_not_choose_the_algorithm() {
        for alg in ["none", "None", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "", "rs256"] {
            assert_eq!(refused_for(&with(header(), "alg", json!(alg)), &claims()), "algorithm", "{alg}");
        }
        assert_eq!(refused_for(&without(header(), "alg"), &claims()), "algorithm");
        let unsigned = format!(
            "{}.{}.",
            BASE64.encode(with(header(), "alg", json!("none")).to_string()),
            BASE64.encode(claims().to_string())
        );
        assert_eq!(check_of(&unsigned, &entra_keys(), &expected()), "algorithm");
        // Right header, other signature scheme.
        for scheme in [&RSA_PSS_SHA256 as &'static dyn RsaEncoding, &RSA_PKCS1_SHA384] {
            assert_eq!(
                check_of(&sign_with(&KEYS[0], scheme, &header(), &claims()), &entra_keys(), &expected()),
                "signature"
            );
        }
        // The classic: an HMAC under the public key.
        let public = KEYS[0].public_key().as_der().unwrap();
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_ref());
        let signed = format!("{}.{}", BASE64.encode(header().to_string()), BASE64.encode(claims().to_string()));
        let tag = aws_lc_rs::hmac::sign(&hmac, signed.as_bytes());
        let confused = format!("{signed}.{}", BASE64.encode(tag.as_ref()));
        assert_eq!(check_of(&confused, &entra_keys(), &expected()), "signature");
    }

    #[test]
    fn each_check_names_itself() {
        for (check, claims) in [
            ("issuer", with(claims(), "iss", json!("https://login.microsoftonline.us/x/v2.0"))),
            ("issuer", with(claims(), "iss", json!(issuer(OTHER)))),
            ("issuer", with(claims(), "iss", json!([issuer(INVITED)]))),
            ("issuer", with(claims(), "iss", json!(format!("{}/", issuer(INVITED))))),
            ("issuer", without(claims(), "iss")),
            ("issuer", with(claims(), "tid", json!(OTHER))),
            ("issuer", without(claims(), "tid")),
            ("tenant", with(with(claims(), "tid", json!("x")), "iss", json!(issuer("x")))),
            ("audience", with(claims(), "aud", json!("00000003-0000-0000-c000-000000000000"))),
            ("audience", with(claims(), "aud", json!([CLIENT.as_str(), "another"]))),
            ("audience", with(claims(), "aud", json!([]))),
            ("audience", without(claims(), "aud")),
            ("audience", with(claims(), "azp", json!("another"))),
            ("exp", with(claims(), "exp", json!(NOW - LEEWAY))),
            ("exp", with(claims(), "exp", json!((NOW + 60).to_string()))),
            ("exp", without(claims(), "exp")),
            ("nbf", with(claims(), "nbf", json!(NOW + LEEWAY + 1))),
            ("nbf", with(claims(), "nbf", json!("x"))),
            ("iat", with(claims(), "iat", json!(NOW + LEEWAY + 1))),
            ("iat", without(claims(), "iat")),
            ("nonce", with(claims(), "nonce", json!("test-nonc"))),
            ("nonce", with(claims(), "nonce", json!("test-nonce2"))),
            ("nonce", with(claims(), "nonce", json!(["test-nonce"]))),
            ("nonce", without(claims(), "nonce")),
            ("account", without(claims(), "sub")),
        ] {
            assert_eq!(refused_for(&header(), &claims), check, "{claims}");
        }
        for (check, header) in [
            ("header", with(header(), "crit", json!(["exp"]))),
            ("header", with(header(), "b64", json!(false))),
            ("type", with(header(), "typ", json!("at+jwt"))),
            ("key", with(header(), "kid", json!(7))),
            ("key", without(header(), "kid")),
        ] {
            assert_eq!(refused_for(&header, &claims()), check, "{header}");
        }
        let one = keys(&[jwk(&KEYS[0], Some("key-0"), Some(TEMPLATE))]);
        let nameless = sign(&without(header(), "kid"), &claims());
        for expected in [expected(), Expected { tenant: None, ..expected() }] {
            assert_eq!(check_of(&nameless, &one, &expected), "key", "at Entra a token names its key");
        }
        let no_nonce_was_made = Expected { nonce: Some(""), ..expected() };
        assert_eq!(check_of(&sign(&header(), &without(claims(), "nonce")), &entra_keys(), &no_nonce_was_made), "nonce");
        let listed = keys(&[jwk(&KEYS[0], Some("key-0"), Some("https://login.microsoftonline.us/{tenantid}/v2.0"))]);
        assert_eq!(check_of(&sign(&header(), &claims()), &listed, &expected()), "key issuer");
        for text in ["", "a.b", "a.b.c.d", "..", &"a".repeat(200_000)] {
            assert!(matches!(check_of(text, &entra_keys(), &expected()).as_str(), "shape" | "header"));
        }
    }

    #[test]
    fn one_key_listed_for_two_issuers_signs_for_both() {
        let elsewhere = "https://login.microsoftonline.us/{tenantid}/v2.0";
        let listed =
            keys(&[jwk(&KEYS[0], Some("key-0"), Some(elsewhere)), jwk(&KEYS[0], Some("key-0"), Some(TEMPLATE))]);
        verify(&sign(&header(), &claims()), &listed, &expected()).unwrap();
    }

    #[test]
    fn an_authority_without_tenants_is_verified_as_strictly() {
        let client_id: ClientId = "test-client".parse().unwrap();
        let expected = Expected { issuer: "https://op.example", client_id: &client_id, tenant: None, ..expected() };
        let claims = json!({"iss": "https://op.example", "aud": "test-client", "nonce": "test-nonce", "iat": NOW, "exp": NOW + 60, "sub": "alice"});
        let one = keys(&[jwk(&KEYS[0], None, None)]);
        let no_kid = json!({"alg": "RS256"});
        let read = verify(&sign(&no_kid, &claims), &one, &expected).unwrap();
        assert_eq!((read.tenant, read.oid.as_str(), read.name.as_str()), (None, "alice", "alice"));
        let two = keys(&[jwk(&KEYS[0], None, None), jwk(&KEYS[1], None, None)]);
        assert_eq!(check_of(&sign(&no_kid, &claims), &two, &expected), "key");
        let other = with(claims, "iss", json!("https://op.example/"));
        assert_eq!(check_of(&sign(&no_kid, &other), &one, &expected), "issuer");
    }

    /// Every single character of a token, changed, cut or doubled.
    #[test]
    fn no_mutant_of_one_character_is_accepted() {
        let good = sign(&header(), &claims());
        let (keys, expected) = (entra_keys(), expected());
        verify(&good, &keys, &expected).unwrap();
        for at in 0..good.len() {
            let (before, rest) = good.split_at(at);
            let (this, after) = rest.split_at(1);
            let next = if this == "A" { "B" } else { "A" };
            for mutant in [
                format!("{before}{next}{after}"),
                format!("{before}{after}"),
                format!("{before}{this}{this}{after}"),
                before.to_owned(),
            ] {
                assert!(mutant == good || verify(&mutant, &keys, &expected).is_err(), "a mutant at {at} was accepted");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_mutant_is_accepted(at in any::<proptest::sample::Index>(), until in any::<proptest::sample::Index>(), with in "[A-Za-z0-9_.=-]{0,6}") {
            let good = &*GOOD;
            let (from, to) = (at.index(good.len()), until.index(good.len()));
            let (from, to) = (from.min(to), from.max(to));
            let mutant = format!("{}{with}{}", &good[..from], &good[to..]);
            prop_assume!(mutant != *good);
            prop_assert!(verify(&mutant, &entra_keys(), &expected()).is_err());
        }

        #[test]
        fn parts_of_two_good_tokens_do_not_mix(which in 1_usize..7) {
            let one = sign(&header(), &claims());
            let two = sign(&header(), &with(claims(), "oid", json!("another")));
            let (one, two): (Vec<_>, Vec<_>) = (one.split('.').collect(), two.split('.').collect());
            let mixed: Vec<&str> = (0..3).map(|part| if which >> part & 1 == 1 { one[part] } else { two[part] }).collect();
            let mixed = mixed.join(".");
            let is_whole = mixed == one.join(".") || mixed == two.join(".");
            prop_assert_eq!(verify(&mixed, &entra_keys(), &expected()).is_ok(), is_whole);
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            prop_assert!(verify(&text, &entra_keys(), &expected()).is_err());
        }

        #[test]
        fn any_signed_claims_are_answered(iss in ".*", tid in ".*", time in any::<f64>(), aud in ".*") {
            let odd = json!({"iss": iss, "tid": tid, "aud": aud, "exp": time, "iat": time, "nbf": time});
            prop_assert!(verify(&sign(&header(), &odd), &entra_keys(), &expected()).is_err());
        }
    }
}
