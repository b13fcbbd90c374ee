//! How the app proves itself at the token endpoint: the trait [`ClientCredential`], and the client secret.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use fs_err as fs;
use futures_util::future::BoxFuture;
use url::Url;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::oauth::ClientAuthentication;
use crate::secret::ClientSecret;

/// Proves the app. A certificate, an external signer and a federated assertion are further implementations.
pub trait ClientCredential: Send + Sync + fmt::Debug {
    /// The proof for one request to `token_endpoint`.
    fn proof<'a>(&'a self, token_endpoint: &'a Url, now: UnixTime) -> BoxFuture<'a, Result<Proof>>;
}

/// What a [`ClientCredential`] brings.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The app's secret.
    Secret(Arc<ClientSecret>),
    /// A signed assertion (RFC 7523).
    Assertion(Arc<str>),
    /// Nothing: a public client.
    None,
}

impl Proof {
    /// The proof as a token request takes it.
    pub fn authentication(&self) -> ClientAuthentication<'_> {
        match self {
            Self::Secret(secret) => ClientAuthentication::Secret(secret),
            Self::Assertion(assertion) => ClientAuthentication::Assertion(assertion),
            Self::None => ClientAuthentication::None,
        }
    }
}

/// What the configuration says of the app's credential.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// A client secret.
    Secret(SecretSource),
    /// None, on purpose: a public client of a generic authority.
    Public,
    /// Nothing was configured. Fails when a request needs one, for a warm store needs none.
    Absent,
}

/// Where the client secret is.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// In memory.
    Value(Arc<ClientSecret>),
    /// In a file, read at each use so that a rotated secret is picked up. Surrounding white space does not count.
    File(PathBuf),
}

impl ClientCredential for CredentialSource {
    fn proof<'a>(&'a self, _token_endpoint: &'a Url, _now: UnixTime) -> BoxFuture<'a, Result<Proof>> {
        Box::pin(async move {
            match self {
                Self::Public => Ok(Proof::None),
                Self::Secret(SecretSource::Value(secret)) => Ok(Proof::Secret(secret.clone())),
                Self::Secret(SecretSource::File(path)) => {
                    let unreadable = |cause: String| {
                        Error::new(
                            ErrorKind::ConfigMissing,
                            "token",
                            "the file that client_secret_file names cannot be read",
                        )
                        .with_context("file", path.display())
                        .with_cause(cause)
                    };
                    let text = zeroize::Zeroizing::new(
                        fs::read_to_string(path).map_err(|error| unreadable(error.kind().to_string()))?,
                    );
                    if text.trim().is_empty() {
                        return Err(unreadable("it is empty".to_owned()));
                    }
                    Ok(Proof::Secret(Arc::new(ClientSecret::new(text.trim()))))
                }
                Self::Absent => Err(Error::new(ErrorKind::ConfigMissing, "token", "the app's credential is not set")
                    .with_hint("set PARTNERSAM_CLIENT_SECRET, or client_secret_file in the configuration file")),
            }
        })
    }
}
