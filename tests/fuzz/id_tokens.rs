//! Id tokens and the keys that they are signed with.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use partnersam::clock::UnixTime;
use partnersam::protocol::id_token::{Expected, LEEWAY, verify};
use partnersam::protocol::jwks::Jwks;
use partnersam::protocol::jwt;
use partnersam::{ClientId, TenantId};

use crate::corpus::{CLIENT, NOW, TENANT};
use crate::{CANARY, CASES, error_of, spoil};

const ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"test-key"}"#;

static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static APP: LazyLock<ClientId> = LazyLock::new(|| CLIENT.parse().unwrap());

fn claims() -> String {
    let issuer = ISSUER.replace("{tenantid}", TENANT);
    format!(
        r#"{{"aud":"{CLIENT}","iss":"{issuer}","iat":{NOW},"nbf":{NOW},"exp":1800003600,"tid":"{TENANT}","nonce":"{CANARY}","oid":"{CANARY}","sub":"{CANARY}","preferred_username":"{CANARY}@fabrikam.example","auth_time":{NOW},"amr":["pwd","mfa"]}}"#
    )
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let mut signature = vec![0; KEY.public_modulus_len()];
    KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", BASE64.encode(signature))
}

fn key_set() -> String {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(KEY.public_key());
    let (n, e) = (BASE64.encode(public.n), BASE64.encode(public.e));
    format!(
        r#"{{"keys":[{{"kty":"RSA","use":"sig","kid":"test-key","x5t":"test-key","n":"{n}","e":"{e}","x5c":["AAAA"],"issuer":"{ISSUER}"}}]}}"#
    )
}

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: &APP,
        nonce: Some(CANARY),
        tenant: Some(TENANT.parse::<TenantId>().unwrap()),
        now: UnixTime(NOW),
        leeway: LEEWAY,
    }
}

#[test]
fn tokens() {
    let keys = Jwks::parse(key_set().as_bytes()).unwrap();
    let good = signed(HEADER.as_bytes(), claims().as_bytes());
    verify(&good, &keys, &expected()).expect("the token that is spoiled is good");
    spoil("tokens", CASES, &[&good], |input, _| {
        let token = String::from_utf8_lossy(input);
        jwt::peek(&token);
        let verified = verify(&token, &keys, &expected());
        assert!(verified.is_err() || *token == good, "a forgery was accepted: {token}");
        error_of(verified).into_iter().collect()
    });
}

/// Signed by the right key, so that the claims are looked at.
#[test]
fn claims_that_are_signed() {
    let keys = Jwks::parse(key_set().as_bytes()).unwrap();
    let tenant = expected().tenant;
    spoil("claims", CASES / 10, &[claims()], |input, mutator| {
        let header = if mutator.below(4) == 0 { mutator.spoiled(&[HEADER]) } else { HEADER.as_bytes().to_vec() };
        let verified = verify(&signed(&header, input), &keys, &expected());
        if let Ok(claims) = &verified {
            assert_eq!(claims.tenant, tenant);
        }
        error_of(verified).into_iter().collect()
    });
}

#[test]
fn key_sets() {
    let good = signed(HEADER.as_bytes(), claims().as_bytes());
    spoil("key sets", CASES / 3, &[key_set()], |input, _| {
        let parsed = Jwks::parse(input);
        let refused = parsed.as_ref().ok().and_then(|keys| error_of(verify(&good, keys, &expected())));
        refused.into_iter().chain(error_of(parsed)).collect()
    });
}
