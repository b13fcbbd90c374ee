//! The RS256 keys that sign tokens: made at start, replaced on request, published as a JWK set.

use std::sync::Arc;

use aws_lc_rs::{
    digest,
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// One RSA key with its self-signed certificate, whose thumbprint names it (as Entra does).
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
    modulus: String,
    exponent: String,
    certificate: String,
}

impl SigningKey {
    /// Takes some ten milliseconds of a core.
    pub(crate) fn generate() -> Result<Self, String> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| error.to_string())?;
        let certificate = certificate(&pair)?;
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
        let public = pair.public_key();
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            modulus: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            exponent: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            certificate: STANDARD.encode(certificate),
            pair,
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|error| error.to_string())?;
        Ok(signature)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }

    pub(crate) fn jwk(&self, issuer: &str) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": self.modulus, "e": self.exponent, "x5c": [self.certificate], "issuer": issuer,
        })
    }
}

fn certificate(pair: &RsaKeyPair) -> Result<Vec<u8>, String> {
    let der = pair.as_der().map_err(|error| error.to_string())?;
    let make = || {
        let der = PrivatePkcs8KeyDer::from(der.as_ref());
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256)?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "emulator token signing");
        params.self_signed(&key)
    };
    Ok(make().map_err(|error: rcgen::Error| error.to_string())?.der().to_vec())
}

/// The key in use and those before it, which still verify what they signed.
pub(crate) struct SigningKeys {
    current: Arc<SigningKey>,
    former: Vec<Arc<SigningKey>>,
}

/// Former keys that stay published after a roll-over.
const FORMER_KEPT: usize = 2;

impl SigningKeys {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self { current: Arc::new(key), former: Vec::new() }
    }

    pub(crate) fn current(&self) -> Arc<SigningKey> {
        Arc::clone(&self.current)
    }

    pub(crate) fn roll_over(&mut self, key: SigningKey) {
        let old = std::mem::replace(&mut self.current, Arc::new(key));
        self.former.insert(0, old);
        self.former.truncate(FORMER_KEPT);
    }

    pub(crate) fn verify(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        self.all().any(|key| key.kid == kid && key.verifies(message, signature))
    }

    pub(crate) fn jwk_set(&self, issuer: &str) -> Value {
        json!({ "keys": self.all().map(|key| key.jwk(issuer)).collect::<Vec<_>>() })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        std::iter::once(&self.current).chain(&self.former)
    }
}
