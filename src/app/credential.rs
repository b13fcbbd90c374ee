//! How the app proves itself at the token endpoint: the trait [`ClientCredential`], and what the configuration may name as one.

pub mod assertion;
mod callbacks;
pub mod certificate;
pub mod expiry;
pub mod federated;
pub(crate) mod new_certificate;
pub mod secret;
pub mod signer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::Url;

use self::certificate::CertificateFiles;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::protocol::oauth::ClientAuthentication;
use crate::secret::ClientSecret;

pub use assertion::AssertionCredential;
pub use callbacks::Callbacks;
pub use federated::FederatedCredential;
pub use secret::SecretCredential;

/// Proves the app. Implementations keep what they made for as long as it is good, and read files anew when they have changed.
pub trait ClientCredential: Send + Sync + fmt::Debug {
    /// The proof for one request to `token_endpoint`.
    fn proof<'a>(
        &'a self,
        client_id: &'a ClientId,
        token_endpoint: &'a Url,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Proof>>;

    /// When the credential itself ends, where that is known.
    ///
    /// Errors: those of reading it.
    fn expires_on(&self) -> Result<Option<UnixTime>> {
        Ok(None)
    }

    /// Whether it ends one day, known or not: a secret and a certificate do; a federated assertion is made anew for each use.
    fn has_expiry(&self) -> bool {
        false
    }

    /// Where it is kept: what a rotation writes.
    fn kept_in(&self) -> KeptIn<'_> {
        KeptIn::Elsewhere
    }

    /// What it is, for people: `client secret`, `certificate ab12…`. Holds no secret.
    fn describe(&self) -> String;
}

/// Where a [`ClientCredential`] is kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KeptIn<'a> {
    /// A secret, the content of this file.
    SecretFile(&'a Path),
    /// A certificate with its key, in files; and how it signs with them.
    CertificateFiles(&'a CertificateFiles, &'a AssertionCredential),
    /// In memory, in hardware, with an identity provider.
    Elsewhere,
}

/// What a [`ClientCredential`] brings.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The app's secret.
    Secret(Arc<ClientSecret>),
    /// A signed assertion (RFC 7523).
    Assertion(Arc<Assertion>),
    /// Nothing: a public client.
    None,
}

/// A signed assertion. Whoever has it is the app for ten minutes, so it is kept as secrets are.
pub struct Assertion(zeroize::Zeroizing<String>);

impl Assertion {
    /// Takes the compact form over.
    pub fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion(..)")
    }
}

impl Proof {
    /// The proof as a token request takes it.
    pub fn authentication(&self) -> ClientAuthentication<'_> {
        match self {
            Self::Secret(secret) => ClientAuthentication::Secret(secret),
            Self::Assertion(assertion) => ClientAuthentication::Assertion(&assertion.0),
            Self::None => ClientAuthentication::None,
        }
    }
}

/// The app's credentials, the newer first: while a new one spreads through the service, the older one goes on.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Vec<Arc<dyn ClientCredential>>);

impl Credentials {
    /// One credential.
    pub fn one(credential: impl ClientCredential + 'static) -> Self {
        Self(vec![Arc::new(credential)])
    }

    /// Adds one to fall back to.
    #[must_use]
    pub fn or(mut self, older: impl ClientCredential + 'static) -> Self {
        self.0.push(Arc::new(older));
        self
    }

    /// All of them, the newer first. Empty where nothing was configured: a token from a warm store needs none.
    pub fn all(&self) -> &[Arc<dyn ClientCredential>] {
        &self.0
    }

    /// Appends the credentials of `older`.
    #[must_use]
    pub fn chain(mut self, older: Self) -> Self {
        self.0.extend(older.0);
        self
    }
}

/// What a request is told that needs a credential where none was configured.
pub(crate) fn absent() -> Error {
    Error::new(ErrorKind::ConfigMissing, "token", "the app's credential is not set")
        .with_hint("set certificate_file or client_secret_file in the configuration file, or PARTNERSAM_CLIENT_SECRET")
}

/// A public client, on purpose: it proves nothing.
#[derive(Clone, Copy, Debug)]
pub struct PublicClient;

impl ClientCredential for PublicClient {
    fn proof<'a>(&'a self, _: &'a ClientId, _: &'a Url, _: UnixTime) -> BoxFuture<'a, Result<Proof>> {
        Box::pin(async { Ok(Proof::None) })
    }

    fn describe(&self) -> String {
        "none: a public client".to_owned()
    }
}
