//! The assertion by which an app with a certificate proves itself (RFC 7523), as Entra wants it
//! (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>): built here, signed elsewhere.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256 and a salt as long as the hash; the certificate is named by its SHA-256 thumbprint.
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; the certificate is named by its SHA-1 thumbprint. Only for servers that demand it.
    Rs256,
}

impl Algorithm {
    /// The name in the header (RFC 7518 section 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl std::str::FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "PS256" => Ok(Self::Ps256),
            "RS256" => Ok(Self::Rs256),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "parse", "not a signature algorithm")
                .with_hint("use PS256 or RS256")),
        }
    }
}

/// Seconds that an assertion is good for.
pub const LIFETIME: i64 = 600;

/// Seconds by which it begins in the past: a clock that is a little ahead must not make it one from the future.
const BACKDATED: i64 = 30;

/// What goes into an assertion.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The app: issuer and subject.
    pub client_id: &'a ClientId,
    /// The token endpoint that it is for.
    pub audience: &'a str,
    /// When it is made.
    pub now: UnixTime,
    /// Used once.
    pub id: &'a str,
}

/// How the header names the certificate whose key signs.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertificateName<'a> {
    /// SHA-256 of its DER form.
    pub sha256: Option<[u8; 32]>,
    /// SHA-1 of its DER form.
    pub sha1: Option<[u8; 20]>,
    /// The certificate and those above it, in DER, where the server matches by subject name and issuer.
    pub chain: &'a [Vec<u8>],
}

/// The text to be signed: header and claims, encoded.
pub fn signing_input(algorithm: Algorithm, certificate: &CertificateName<'_>, claims: &Claims<'_>) -> String {
    let mut header = Map::new();
    header.insert("alg".to_owned(), json!(algorithm.name()));
    header.insert("typ".to_owned(), json!("JWT"));
    match (algorithm, certificate.sha256, certificate.sha1) {
        (Algorithm::Ps256, Some(thumbprint), _) => {
            header.insert("x5t#S256".to_owned(), json!(URL_SAFE_NO_PAD.encode(thumbprint)))
        }
        (Algorithm::Rs256, _, Some(thumbprint)) => {
            header.insert("x5t".to_owned(), json!(URL_SAFE_NO_PAD.encode(thumbprint)))
        }
        _ => None,
    };
    if !certificate.chain.is_empty() {
        let chain: Vec<Value> = certificate.chain.iter().map(|der| json!(STANDARD.encode(der))).collect();
        header.insert("x5c".to_owned(), Value::Array(chain));
    }
    let begins = claims.now.plus(-BACKDATED);
    let claims = json!({
        "aud": claims.audience,
        "iss": claims.client_id.as_str(),
        "sub": claims.client_id.as_str(),
        "jti": claims.id,
        "iat": begins.0,
        "nbf": begins.0,
        "exp": begins.plus(LIFETIME).0,
    });
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(Value::Object(header).to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// The assertion: what was signed, and its signature.
pub fn compact(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::protocol::jwt;

    fn input(algorithm: Algorithm, chain: &[Vec<u8>]) -> (Value, Value) {
        let client_id: ClientId = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("an id");
        let certificate = CertificateName { sha256: Some([7; 32]), sha1: Some([9; 20]), chain };
        let claims = Claims {
            client_id: &client_id,
            audience: "https://login.example/t/oauth2/v2.0/token",
            now: UnixTime(1_000_000),
            id: "one",
        };
        let text = signing_input(algorithm, &certificate, &claims);
        let (header, claims) = text.split_once('.').expect("two parts");
        let read = |part| jwt::object(part).map(Value::Object).expect("JSON");
        (read(header), read(claims))
    }

    #[test]
    fn the_certificate_is_named_by_the_thumbprint_that_goes_with_the_algorithm() {
        let (header, claims) = input(Algorithm::Ps256, &[]);
        assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode([7; 32]) }));
        assert_eq!(
            (&claims["iss"], &claims["nbf"], &claims["exp"]),
            (&claims["sub"], &json!(999_970), &json!(1_000_570))
        );
        let (header, _) = input(Algorithm::Rs256, &[vec![1, 2, 3]]);
        assert_eq!(
            header,
            json!({ "alg": "RS256", "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode([9; 20]), "x5c": ["AQID"] })
        );
    }
}
