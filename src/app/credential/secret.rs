//! The client secret: a text that the app registration shows once.

use std::path::PathBuf;
use std::sync::Arc;

use fs_err as fs;
use futures_util::future::BoxFuture;
use url::Url;

use super::{ClientCredential, KeptIn, Proof};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::secret::ClientSecret;

/// A client secret, in memory or in a file.
#[derive(Debug)]
pub struct SecretCredential {
    source: Source,
    expires_on: Option<UnixTime>,
}

#[derive(Debug)]
enum Source {
    Value(Arc<ClientSecret>),
    /// Read at each use, so that a rotated secret is picked up. Surrounding white space does not count.
    File(PathBuf),
}

impl SecretCredential {
    /// A secret that is in memory.
    pub fn new(secret: ClientSecret) -> Self {
        Self { source: Source::Value(Arc::new(secret)), expires_on: None }
    }

    /// A secret in a file.
    pub fn from_file(path: PathBuf) -> Self {
        Self { source: Source::File(path), expires_on: None }
    }

    fn read(&self) -> Result<Arc<ClientSecret>> {
        let path = match &self.source {
            Source::Value(secret) => return Ok(secret.clone()),
            Source::File(path) => path,
        };
        let unreadable = |cause: String| {
            Error::new(ErrorKind::ConfigMissing, "token", "the file that client_secret_file names cannot be read")
                .with_hint("see that the file is where the configuration says, holds the secret, and that this account may read it")
                .with_context("file", path.display())
                .with_cause(cause)
        };
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.kind().to_string()))?;
        let text = zeroize::Zeroizing::new(text);
        if text.trim().is_empty() {
            return Err(unreadable("it is empty".to_owned()));
        }
        Ok(Arc::new(ClientSecret::new(text.trim())))
    }

    /// Says when it ends: the secret itself does not tell.
    #[must_use]
    pub fn expiring(mut self, on: Option<UnixTime>) -> Self {
        self.expires_on = on;
        self
    }
}

impl ClientCredential for SecretCredential {
    fn proof<'a>(&'a self, _: &'a ClientId, _: &'a Url, _: UnixTime) -> BoxFuture<'a, Result<Proof>> {
        Box::pin(async move { self.read().map(Proof::Secret) })
    }

    fn expires_on(&self) -> Result<Option<UnixTime>> {
        self.read().map(|_| self.expires_on)
    }

    fn has_expiry(&self) -> bool {
        true
    }

    fn kept_in(&self) -> KeptIn<'_> {
        match &self.source {
            Source::Value(_) => KeptIn::Elsewhere,
            Source::File(path) => KeptIn::SecretFile(path),
        }
    }

    fn describe(&self) -> String {
        match &self.source {
            Source::Value(_) => "client secret".to_owned(),
            Source::File(path) => format!("client secret in {}", path.display()),
        }
    }
}
