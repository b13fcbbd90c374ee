//! The app's own credential, replaced so that no moment is without one that works: add, store, prove, switch, remove.
//!
//! The new one lies beside the old one (`FILE.next`, private) until the service takes it, and only then takes its place. After a kill the next run
//! goes on with what is noted; one that was added and not stored is removed by the name that the incident gave it.

mod certificate;
mod secret;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Request, Response};
use uuid::Uuid;

use self::certificate::CertificateRotation;
use self::secret::SecretRotation;
use super::journal::Journal;
use super::{Action, Done};
use crate::app::Inner;
use crate::app::credential::{ClientCredential, KeptIn};
use crate::chance::request_id;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::applications::{self, Credential, Registration};
use crate::ids::TenantId;
use crate::secret::AccessToken;
use crate::store::private_file::{self, beside};
use crate::transport::retry_after;

/// A credential that was added and stored, and those that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The registration's own id.
    pub(super) registration: Uuid,
    pub(super) key_id: Uuid,
    pub(super) old: Vec<Uuid>,
}

/// What the app has, as far as a rotation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Certificate,
    /// Its key or text is not in a file of ours.
    Elsewhere,
}

/// How long a new credential takes to be known everywhere at the service; minutes, they say.
const SPREADS_WITHIN: Duration = Duration::from_secs(300);

/// The longest wait between two proofs.
const LONGEST_BETWEEN: Duration = Duration::from_secs(15);

pub(super) struct Rotation<'a> {
    inner: &'a Arc<Inner>,
    journal: &'a Journal,
}

impl Kind {
    pub(super) fn of(inner: &Inner) -> Self {
        match inner.config.credentials.all().first().map(|newest| newest.kept_in()) {
            Some(KeptIn::SecretFile(_)) => Self::Secret,
            Some(KeptIn::CertificateFiles(..)) => Self::Certificate,
            _ => Self::Elsewhere,
        }
    }
}

impl<'a> Rotation<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, journal: &'a Journal) -> Self {
        Self { inner, journal }
    }

    pub(super) async fn take(self, action: Action) -> Result<Done> {
        let inner = self.inner;
        let newest = inner.config.credentials.all().first();
        match newest.map(|newest| newest.kept_in()) {
            Some(KeptIn::SecretFile(file)) => SecretRotation::new(self, file)?.take(action).await,
            Some(KeptIn::CertificateFiles(files, how)) => {
                CertificateRotation::new(self, files, how)?.take(action).await
            }
            _ => {
                let what = newest.map_or_else(|| "none".to_owned(), |newest| newest.describe());
                Err(Error::new(
                    ErrorKind::NotSupported,
                    "incident",
                    format!("only a secret or a certificate in files is replaced here, and the app has: {what}"),
                )
                .with_hint(
                    "replace it by hand where it is kept, or name it with client_secret_file or certificate_file",
                ))
            }
        }
    }

    /// Asks for a token by the new credential.
    async fn prove(&self, new: &dyn ClientCredential) -> Result<Done> {
        let home = self.inner.home().await?;
        let reply = self.patiently(|| self.inner.prove_credential(new, home)).await?;
        let mut done = Done::new("the service takes the new one");
        done.correlation_ids.extend(reply.correlation_id);
        Ok(done)
    }

    /// Again where the new credential is refused as such: it takes a while until every server of theirs knows it, and the next request may meet another one.
    async fn patiently<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        let until = Instant::now() + SPREADS_WITHIN;
        let mut between = self.inner.retry.first_wait;
        loop {
            match work().await {
                Err(error) if error.kind() == ErrorKind::AppCredentialInvalid && Instant::now() < until => {
                    tokio::time::sleep(between).await;
                    between = (between * 2).min(LONGEST_BETWEEN);
                }
                ended => return ended,
            }
        }
    }

    /// What the first step has noted.
    fn added(&self) -> Result<Added> {
        self.journal
            .added()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "incident", "there is no new credential to go on with"))
    }

    async fn registration(&self, home: TenantId) -> Result<Registration> {
        let base = self.inner.graph()?;
        let id = request_id();
        let answer =
            self.ask(home, |token| applications::find_request(base, &self.inner.config.client_id, token, id)).await?;
        applications::read_found(&answer, wait(&answer))
    }

    async fn ask(
        &self,
        home: TenantId,
        build: impl Fn(&AccessToken) -> Result<Request<Vec<u8>>>,
    ) -> Result<Response<Vec<u8>>> {
        self.inner.call_as_app(home, build).await
    }

    fn name(&self) -> String {
        format!("partnersam incident {}", self.journal.id)
    }

    fn is_ours(&self, name: &str) -> bool {
        name == self.name()
    }

    /// Those that this incident has added.
    fn ours(&self, known: &[Credential]) -> Vec<Uuid> {
        known.iter().filter(|known| self.is_ours(&known.name)).map(|known| known.key_id).collect()
    }
}

fn removed(old: &[Uuid]) -> Result<Done> {
    if old.is_empty() {
        return Err(Error::new(
            ErrorKind::AppMisconfigured,
            "incident",
            "which credential of the registration was the old one could not be found out, so none was removed",
        ));
    }
    Ok(Done::new(format!("removed {}", in_words(old))))
}

/// What stands in the file that the configuration names; through a link, where that is one.
fn real(path: &Path, key: &str) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| {
        Error::new(ErrorKind::ConfigMissing, "incident", format!("the file that {key} names cannot be read"))
            .with_context("file", path.display())
            .with_cause(error.kind())
    })
}

/// Puts `next` in the place of `file`; nothing where an earlier run did.
fn take_place(next: &Path, file: &Path) -> Result<()> {
    if !is_there(next)? {
        return Ok(());
    }
    // Who could read the old one reads the new one.
    like(next, file).and_then(|()| std::fs::rename(next, file)).map_err(|error| private_file::failure(error, file))?;
    private_file::sync_folder(file.parent().unwrap_or(Path::new(".")))
}

/// Whether there is such a file. No check of who may read it: it may have got the readers of the one that it replaces already.
fn is_there(path: &Path) -> Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(facts) => Ok(facts.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(private_file::failure(error, path)),
    }
}

#[cfg(unix)]
fn like(next: &Path, file: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (old, new) = (std::fs::metadata(file)?, std::fs::metadata(next)?);
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::chown(next, Some(old.uid()), Some(old.gid()))?;
    }
    std::fs::set_permissions(next, old.permissions())
}

#[cfg(not(unix))]
fn like(next: &Path, file: &Path) -> io::Result<()> {
    std::fs::set_permissions(next, std::fs::metadata(file)?.permissions())
}

fn wait(answer: &Response<Vec<u8>>) -> Option<Duration> {
    retry_after(answer.headers(), SystemTime::now())
}

fn next_to(file: &Path) -> PathBuf {
    beside(file, ".next")
}

fn in_words(keys: &[Uuid]) -> String {
    match keys {
        [] => "none that could be told".to_owned(),
        keys => keys.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// What stays of the registration's credentials, for a person to look at.
fn staying(secrets: usize, certificates: usize) -> String {
    match (secrets, certificates) {
        (0, 0) => String::new(),
        (secrets, certificates) => format!(
            "; {secrets} other secrets and {certificates} other certificates of the registration stay: see that they are yours"
        ),
    }
}
