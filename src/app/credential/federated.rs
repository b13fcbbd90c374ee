//! A federated assertion: another identity provider vouches for the app (workload identity federation,
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use futures_util::future::BoxFuture;
use url::Url;
use zeroize::Zeroizing;

use super::{Assertion, ClientCredential, Proof};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::protocol::jwt;

/// What a caller brings to fetch an assertion with. May block.
pub type FetchAssertion = dyn Fn() -> Result<String> + Send + Sync;

/// An assertion that somebody else issues.
pub struct FederatedCredential(Source);

enum Source {
    /// Read at each use: whoever writes it replaces it before it ends.
    File(PathBuf),
    Callback(Arc<FetchAssertion>),
}

impl FederatedCredential {
    /// The assertion is in a file, as Kubernetes' workload identity writes it (`AZURE_FEDERATED_TOKEN_FILE`).
    pub fn from_file(path: PathBuf) -> Self {
        Self(Source::File(path))
    }

    /// The assertion is fetched by a callback.
    pub fn from_callback(fetch: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        Self::from_shared(Arc::new(fetch))
    }

    pub(crate) fn from_shared(fetch: Arc<FetchAssertion>) -> Self {
        Self(Source::Callback(fetch))
    }
}

impl fmt::Debug for FederatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl ClientCredential for FederatedCredential {
    fn proof<'a>(&'a self, _: &'a ClientId, _: &'a Url, _: UnixTime) -> BoxFuture<'a, Result<Proof>> {
        Box::pin(async move {
            let text = match &self.0 {
                Source::File(path) => read(path)?,
                Source::Callback(fetch) => {
                    let fetch = fetch.clone();
                    let fetched = tokio::task::spawn_blocking(move || fetch()).await;
                    let fetched = fetched.unwrap_or_else(|_| {
                        Err(Error::new(ErrorKind::Internal, "token", "fetching the assertion ended before its time"))
                    });
                    Zeroizing::new(fetched?)
                }
            };
            Ok(Proof::Assertion(Arc::new(Assertion::new(checked(&text)?.to_owned()))))
        })
    }

    /// That of what lies in the file now. A callback is not asked.
    fn expires_on(&self) -> Result<Option<UnixTime>> {
        let Source::File(path) = &self.0 else { return Ok(None) };
        let text = read(path)?;
        let assertion = checked(&text).map_err(|error| error.with_context("file", path.display()))?;
        Ok(jwt::peek(assertion).and_then(|claims| claims.expires_on))
    }

    fn describe(&self) -> String {
        match &self.0 {
            Source::File(path) => format!("federated assertion in {}", path.display()),
            Source::Callback(_) => "federated assertion by callback".to_owned(),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        Error::new(ErrorKind::ConfigMissing, "token", "the file that federated_token_file names cannot be read")
            .with_hint(
                "see that what writes the file, such as workload identity, runs, and that this account may read it",
            )
            .with_context("file", path.display())
            .with_cause(error.kind())
    })
}

/// The assertion without the white space around it, where it may be one.
fn checked(text: &str) -> Result<&str> {
    let assertion = text.trim();
    if assertion.split('.').count() == 3 {
        return Ok(assertion);
    }
    Err(Error::new(ErrorKind::AppCredentialInvalid, "token", "the federated assertion is not a signed JWT").with_hint(
        "look at what issues it, or writes the file of federated_token_file: that is to be a JWT and nothing else",
    ))
}
