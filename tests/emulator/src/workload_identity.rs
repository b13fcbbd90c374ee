//! An identity provider beside Entra, as a cluster or a build service runs one: apps may trust it instead of holding a secret
//! (Microsoft, "Workload identity federation").

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::{jwt, signing_keys::SigningKey, state::Urls};

/// The path of the issuer, at the control port: it is none of Entra's.
pub(crate) const PATH: &str = "/workload-identity";

/// The issuer as its tokens name it.
pub(crate) fn issuer(urls: &Urls) -> String {
    format!("{}{PATH}", urls.control)
}

/// The identity provider; its key is made at the first use.
#[derive(Default)]
pub(crate) struct WorkloadIdentity(OnceLock<SigningKey>);

impl WorkloadIdentity {
    fn key(&self) -> Result<&SigningKey, String> {
        match self.0.get() {
            Some(key) => Ok(key),
            None => {
                let made = SigningKey::generate()?;
                Ok(self.0.get_or_init(|| made))
            }
        }
    }

    /// A signed token with these claims. The first takes a tenth of a second of a core.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, String> {
        jwt::sign(self.key()?, claims)
    }

    /// Whether this issuer signed that.
    pub(crate) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        self.0.get().is_some_and(|key| key.kid() == kid && key.verifies(message, signature))
    }

    /// The keys as a client of this issuer gets them.
    pub(crate) fn jwk_set(&self, urls: &Urls) -> Result<Value, String> {
        Ok(json!({ "keys": [self.key()?.jwk(&issuer(urls))] }))
    }
}

/// Its OpenID Connect metadata.
pub(crate) fn configuration(urls: &Urls) -> Value {
    let issuer = issuer(urls);
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}
