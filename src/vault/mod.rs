//! Secrets in an Azure Key Vault: which vault, who opens it, and what may be done with its secrets.
//!
//! The requests are the official crates' (`azure/`); they leave by our own [`Transport`](crate::transport::Transport), which knows the only hosts that may get them.

mod address;
mod azure;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::AccessToken;

pub use address::VaultAddress;
pub(crate) use azure::Vault;
pub use azure::{azure_cli, managed_identity};

/// Who opens a vault: brings tokens for it.
pub trait VaultIdentity: Send + Sync + fmt::Debug {
    /// A token for `scope`, and when it ends. It is kept until shortly before.
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<(AccessToken, UnixTime)>>;

    /// What it is, for people. Holds no secret.
    fn describe(&self) -> String;
}

/// Where a vault's tokens come from, as the vault itself may say: anything else in its challenge is refused.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The address of the cloud's sign-in.
    pub login: url::Url,
    /// The audience of the cloud's vaults.
    pub resource: url::Url,
}

/// What [`Vault::new`] needs.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) address: VaultAddress,
    pub(crate) trust: Trust,
    pub(crate) identity: Arc<dyn VaultIdentity>,
    pub(crate) transport: Arc<dyn crate::transport::Transport>,
    pub(crate) retry: crate::transport::RetryPolicy,
}

/// Makes what a vault is opened with, each time anew: its connections belong to the runtime that asks, and are not shared with a forked child.
pub(crate) type MakeOpening = Arc<dyn Fn() -> Result<Opening> + Send + Sync>;

/// Asks the vault and waits: for who runs on a thread that may, and has no runtime of its own.
pub(crate) fn wait<T>(opening: Opening, work: impl AsyncFnOnce(Vault) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Error::new(ErrorKind::Internal, "store", "no event loop can be started").with_cause(error))?;
    runtime.block_on(async { work(Vault::new(opening)?).await })
}

/// A version of a secret, with its value.
pub(crate) struct Found {
    pub(crate) version: String,
    pub(crate) value: zeroize::Zeroizing<String>,
    pub(crate) content_type: String,
    pub(crate) tags: std::collections::HashMap<String, String>,
}

/// A secret in a list, without its value.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) tags: std::collections::HashMap<String, String>,
    pub(crate) enabled: bool,
}

/// A version of a secret in a list, without its value.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// By the vault's clock, in whole seconds.
    pub(crate) created: UnixTime,
    pub(crate) tags: std::collections::HashMap<String, String>,
    pub(crate) enabled: bool,
}

impl Version {
    /// Seconds after which what another host wrote and nobody took into use is taken for something that came to nothing.
    const FORGOTTEN: i64 = 3600;

    /// Whether it is that old, where the newest version was made at `newest`.
    pub(crate) fn is_forgotten(&self, newest: UnixTime) -> bool {
        newest.since(self.created) > Self::FORGOTTEN
    }
}

/// A new version of a secret.
#[derive(Clone)]
pub(crate) struct New<'a> {
    pub(crate) value: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) tags: std::collections::HashMap<String, String>,
    /// What the vault's own near-expiry alerts look at.
    pub(crate) ends: Option<UnixTime>,
}

/// How a purge went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purged {
    /// It is gone.
    Yes,
    /// The vault keeps it until its time is over: no permission, or purge protection.
    NotAllowed,
    /// The vault was not done with deleting it.
    NotYet,
}
