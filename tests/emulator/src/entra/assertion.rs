//! Client assertions (RFC 7523 section 2.2): an app proves itself by a certificate's key, or by another identity provider's word.
//!
//! Microsoft, "Certificate credentials" and "Workload identity federation".

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};

use super::{
    client::Proof,
    errors::{EntraError, aadsts},
};
use crate::{
    certificates::hexadecimal,
    credentials::Key,
    directory::TenantPath,
    ready::App,
    state::{State, World, rfc3339},
};

/// The only kind of assertion that Entra takes.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds by which clocks may differ.
const SKEW: i64 = 300;
/// Seconds that an assertion may be good for at most.
const LONGEST: i64 = 24 * 3600;

/// Where an assertion is presented: it has to be made for this place.
pub(crate) struct Place<'a> {
    pub(crate) world: &'a World,
    pub(crate) path: &'a TenantPath,
    /// The tenant as the URL has it.
    pub(crate) written: &'a str,
    pub(crate) v1: bool,
}

/// A JWT taken apart, not believed yet.
pub(crate) struct Assertion {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: String,
    signature: Vec<u8>,
}

impl Assertion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            header: read(header)?,
            claims: read(claims)?,
            message: message.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    pub(crate) fn id(&self) -> Option<&str> {
        text(&self.claims, "jti")
    }

    pub(crate) fn algorithm(&self) -> Option<&str> {
        text(&self.header, "alg")
    }

    /// Whether somebody else than the app issued it.
    pub(crate) fn is_federated(&self, client_id: Option<&str>) -> bool {
        let issuer = text(&self.claims, "iss");
        issuer.is_some_and(|issuer| !client_id.is_some_and(|id| id.eq_ignore_ascii_case(issuer)))
    }

    /// Checks all of it.
    pub(crate) fn verify(&self, place: &Place<'_>, state: &mut State, app: &App) -> Result<Proof, EntraError> {
        for name in ["iss", "sub", "aud"] {
            if text(&self.claims, name).is_none() {
                return Err(malformed(&format!("The token does not contain the claim '{name}'.")));
            }
        }
        if self.is_federated(Some(&app.client_id)) {
            self.verify_federated(place, state, app)?;
            return Ok(Proof::Federated);
        }
        self.verify_own(place, state, app)?;
        Ok(Proof::Certificate)
    }

    /// Whether it proves to Graph that its sender has one of these keys (Microsoft Graph, "Generate proof of possession tokens").
    pub(crate) fn proves(&self, keys: &[Key], application: &str, now: i64) -> bool {
        const GRAPH: &str = "00000002-0000-0000-c000-000000000000";
        /// Seconds that a proof may be good for.
        const LONGEST: i64 = 600;
        let number = |name| self.claims.get(name).and_then(Value::as_i64);
        let is_short = number("nbf").zip(number("exp")).is_some_and(|(starts, ends)| ends - starts <= LONGEST);
        // As the documentation's sample signs it.
        self.algorithm() == Some("RS256")
            && text(&self.claims, "aud") == Some(GRAPH)
            && text(&self.claims, "iss") == Some(application)
            && is_short
            && self.check_times(now).is_ok()
            && keys.iter().any(|key| {
                now < key.certificate.ends
                    && self.key_name("x5t").is_none_or(|(kind, name)| names_key(kind, name, key))
                    && verifies(
                        &RSA_PKCS1_2048_8192_SHA256,
                        &key.certificate.public_key,
                        &self.message,
                        &self.signature,
                    )
            })
    }

    fn verify_own(&self, place: &Place<'_>, state: &mut State, app: &App) -> Result<(), EntraError> {
        if !text(&self.claims, "sub").is_some_and(|subject| subject.eq_ignore_ascii_case(&app.client_id)) {
            return Err(aadsts(
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            ));
        }
        let padding: &RsaParameters = match self.algorithm() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            other => {
                return Err(aadsts(
                    5_002_738,
                    format!(
                        "Invalid JWT token. '{}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256, PS256'.",
                        short(other.unwrap_or_default())
                    ),
                ));
            }
        };
        let mut names: Vec<_> = ["x5t#S256", "x5t"].into_iter().filter_map(|name| self.key_name(name)).collect();
        if names.is_empty() {
            names.extend(self.key_name("kid"));
        }
        if names.is_empty() {
            return Err(aadsts(
                5_002_730,
                "Invalid JWT token. No certificate SHA-1 thumbprint, certificate SHA-256 thumbprint, nor keyId specified in token header.",
            ));
        }
        let now = state.now();
        let shown = names.first().map(|(_, name)| short(name)).unwrap_or_default();
        let unknown = |reason: &str| {
            aadsts(
                700_027,
                format!(
                    "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{shown}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{}'.]",
                    app.client_id
                ),
            )
        };
        // Every thumbprint that is there has to be this key's.
        let is_named = |key: &Key| names.iter().all(|(kind, name)| names_key(kind, name, key));
        let key = state
            .credentials
            .of_mut(&app.client_id)
            .key_mut(is_named)
            .ok_or_else(|| unknown("The key was not found."))?;
        if key.unheard > 0 {
            key.unheard -= 1;
            return Err(unknown("The key was not found."));
        }
        if !verifies(padding, &key.certificate.public_key, &self.message, &self.signature) {
            return Err(aadsts(
                700_027,
                format!(
                    "Client assertion failed signature validation. [Reason - The signature is not valid., Thumbprint of key used by client: '{shown}']"
                ),
            ));
        }
        if let Some(chain) = self.header.get("x5c") {
            // MSAL Python leaves the line breaks of the PEM file in it.
            let leaf = chain.get(0).and_then(Value::as_str).map(|leaf| leaf.split_whitespace().collect::<String>());
            let leaf = leaf.and_then(|leaf| STANDARD.decode(leaf).ok());
            if leaf.as_deref() != Some(&key.certificate.der) {
                return Err(unknown("The certificate in 'x5c' is another one."));
            }
        }
        if now >= key.certificate.ends {
            return Err(unknown("The key used is expired."));
        }
        if now.saturating_add(SKEW) < key.certificate.starts {
            return Err(unknown("The key used is not valid yet."));
        }
        self.check_audience(place)?;
        self.check_times(now)
    }

    fn verify_federated(&self, place: &Place<'_>, state: &State, app: &App) -> Result<(), EntraError> {
        let claim = |name| text(&self.claims, name).unwrap_or_default();
        let mut trusted: Vec<_> =
            state.credentials.of(&app.client_id).map(|of_app| of_app.federated.iter().collect()).unwrap_or_default();
        // One after the other, so that the error tells what does not fit; to the letter, as Entra compares.
        let unmatched = |code, what: &str, value: &str| {
            aadsts(
                code,
                format!(
                    "No matching federated identity record found for presented assertion {what} '{}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
                    short(value)
                ),
            )
        };
        trusted.retain(|record| record.issuer == claim("iss"));
        if trusted.is_empty() {
            return Err(unmatched(700_211, "issuer", claim("iss")));
        }
        trusted.retain(|record| record.subject == claim("sub"));
        if trusted.is_empty() {
            return Err(unmatched(700_213, "subject", claim("sub")));
        }
        trusted.retain(|record| record.audience == claim("aud"));
        if trusted.is_empty() {
            return Err(unmatched(700_212, "audience", claim("aud")));
        }
        let kid = text(&self.header, "kid").unwrap_or_default();
        if self.algorithm() != Some("RS256")
            || !place.world.workload_identity.verifies(kid, self.message.as_bytes(), &self.signature)
        {
            return Err(aadsts(50_013, "Assertion failed signature validation. [Reason - The key was not found.]")
                .named("invalid_client"));
        }
        self.check_times(state.now())
    }

    /// The token endpoint it is sent to, or the tenant's issuer.
    fn check_audience(&self, place: &Place<'_>) -> Result<(), EntraError> {
        let audience = text(&self.claims, "aud").unwrap_or_default();
        let endpoint = if place.v1 { "oauth2/token" } else { "oauth2/v2.0/token" };
        let mut tenants = vec![place.written];
        if let TenantPath::One(id) = place.path {
            tenants.push(id);
        }
        let fits = place.world.urls.authorities().iter().any(|base| {
            tenants.iter().any(|tenant| {
                [endpoint, "v2.0", ""].iter().any(|end| audience == format!("{base}/{tenant}/{end}"))
                    || audience == format!("{base}/{tenant}")
            })
        });
        if fits {
            return Ok(());
        }
        Err(aadsts(
            700_023,
            format!(
                "Client assertion audience claim does not match Realm issuer. The audience was '{}'. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials.",
                short(audience)
            ),
        ))
    }

    fn check_times(&self, now: i64) -> Result<(), EntraError> {
        // MSAL Python writes fractions of a second, which RFC 7519 section 2 (NumericDate) allows. The cast saturates.
        let number = |name| self.claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
        let Some(ends) = number("exp") else { return Err(malformed("The token does not contain the claim 'exp'.")) };
        let starts = number("nbf").or(number("iat")).unwrap_or(now);
        if starts > now.saturating_add(SKEW)
            || ends.saturating_add(SKEW) <= now
            || ends <= starts
            || ends > now.saturating_add(LONGEST + SKEW)
        {
            return Err(aadsts(
                700_024,
                format!(
                    "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}.",
                    rfc3339(now),
                    rfc3339(starts),
                    rfc3339(ends)
                ),
            ));
        }
        Ok(())
    }

    fn key_name(&self, name: &'static str) -> Option<(&'static str, &str)> {
        Some((name, text(&self.header, name)?))
    }

    /// How the header names its key, whichever way.
    pub(crate) fn shown_key(&self) -> Option<&str> {
        ["x5t#S256", "x5t", "kid"].into_iter().find_map(|name| self.key_name(name)).map(|(_, name)| name)
    }
}

fn names_key(kind: &str, name: &str, key: &Key) -> bool {
    let is = |thumbprint: &[u8]| {
        URL_SAFE_NO_PAD.encode(thumbprint) == name.trim_end_matches('=')
            || hexadecimal(thumbprint).eq_ignore_ascii_case(name)
    };
    match kind {
        "x5t#S256" => is(&key.certificate.sha256),
        "x5t" => is(&key.certificate.sha1),
        _ => is(&key.certificate.sha256) || is(&key.certificate.sha1) || key.key_id.eq_ignore_ascii_case(name),
    }
}

/// Whether an RSA key (PKCS#1) signed this.
fn verifies(padding: &'static dyn VerificationAlgorithm, key: &[u8], message: &str, signature: &[u8]) -> bool {
    UnparsedPublicKey::new(padding, key).verify(message.as_bytes(), signature).is_ok()
}

fn malformed(text: &str) -> EntraError {
    aadsts(50_027, format!("JWT token is invalid or malformed. {text}"))
}

/// The refusal of what is no JWT at all.
pub(crate) fn unreadable() -> EntraError {
    malformed("It is not a signed JSON web token.")
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
