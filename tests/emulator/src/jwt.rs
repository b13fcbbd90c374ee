//! JSON web tokens, signed by RS256 and read back by the APIs.
//!
//! Signing here keeps the parsed key between calls; the usual libraries parse it anew for each signature, which costs more than the
//! rest of a token request.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::signing_keys::{SigningKey, SigningKeys};

/// A signed compact token of these claims.
pub(crate) fn sign(key: &SigningKey, claims: &Map<String, Value>) -> Result<String, String> {
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": key.kid(), "kid": key.kid() });
    let message = format!("{}.{}", encode(&header)?, encode(claims)?);
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The same without a signature (`alg: none`), which every client must refuse.
pub(crate) fn unsigned(claims: &Map<String, Value>) -> Result<String, String> {
    Ok(format!("{}.{}.", encode(&json!({ "typ": "JWT", "alg": "none" }))?, encode(claims)?))
}

/// The claims of a token that one of our keys signed; nothing for any other.
pub(crate) fn verified(keys: &SigningKeys, token: &str) -> Option<Map<String, Value>> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Map<String, Value> = decode(header)?;
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return None;
    }
    let kid = header.get("kid").and_then(Value::as_str)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    keys.verify(kid, message.as_bytes(), &signature).then(|| decode(claims)).flatten()
}

fn encode(value: &impl serde::Serialize) -> Result<String, String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).map_err(|error| error.to_string())?))
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
