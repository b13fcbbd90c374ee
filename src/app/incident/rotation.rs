//! The app's own secret, replaced so that no moment is without one that works: add, store, prove, switch, remove
//! (<https://learn.microsoft.com/graph/api/application-addpassword>).
//!
//! The new secret lies beside the old one (`FILE.next`, private) until the service takes it, and only then takes its place. After a kill the next run
//! goes on with what is noted; a secret that was added and not stored is removed by the name that the incident gave it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Request, Response};
use uuid::Uuid;

use super::journal::Journal;
use super::{Action, Done};
use crate::app::Inner;
use crate::app::credential::{ClientCredential as _, Proof, SecretCredential};
use crate::app::exchange::Beside;
use crate::app::token_cache::CacheKey;
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::applications::{self, Registration};
use crate::ids::TenantId;
use crate::secret::AccessToken;
use crate::store::private_file;
use crate::transport::retry_after;

/// A secret that was added and stored, and those that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The registration's own id.
    pub(super) registration: Uuid,
    pub(super) key_id: Uuid,
    pub(super) old: Vec<Uuid>,
}

/// How long a new secret takes to be known everywhere at the service; minutes, they say.
const SPREADS_WITHIN: Duration = Duration::from_secs(300);

/// The longest wait between two proofs.
const LONGEST_BETWEEN: Duration = Duration::from_secs(15);

/// The characters of a password that Graph tells.
const HINT: usize = 3;

pub(super) struct Rotation<'a> {
    inner: &'a Arc<Inner>,
    journal: &'a Journal,
}

impl<'a> Rotation<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, journal: &'a Journal) -> Self {
        Self { inner, journal }
    }

    pub(super) async fn take(self, action: Action) -> Result<Done> {
        match action {
            Action::CredentialAdd => self.add().await,
            Action::CredentialProve => self.prove().await,
            Action::CredentialSwitch => self.switch(),
            Action::CredentialRemove => self.remove().await,
            _ => Err(Error::new(ErrorKind::Internal, "incident", "not a step of the credential")),
        }
    }

    async fn add(&self) -> Result<Done> {
        let file = self.file()?;
        let next = next_to(&file);
        if self.journal.added().is_some() && private_file::check(&next)? {
            return Ok(Done::new("an earlier run had added and stored it"));
        }
        let home = self.inner.home().await?;
        let hint = self.hint_of(home).await?;
        let registration = self.registration(home).await?;
        self.remove_all(home, registration.id, &self.named(&registration)).await?;
        let id = Uuid::new_v4();
        let base = self.inner.graph()?;
        let answer = self
            .ask(home, |token| applications::add_password_request(base, registration.id, &self.name(), token, id))
            .await?;
        let added = applications::read_added_password(&answer, wait(&answer))?;
        let secret = added.secret;
        // EXPOSE: the file is where the app keeps it.
        private_file::replace(&next, secret.expose().as_bytes())?;
        let others: Vec<_> = registration.passwords.iter().filter(|known| !self.is_ours(&known.name)).collect();
        let fitting: Vec<_> = others
            .iter()
            .filter(|known| known.hint.as_deref().is_none_or(|known| known == hint))
            .map(|known| known.key_id)
            .collect();
        let stay = others.len() - fitting.len();
        let old = fitting;
        self.journal.add(Added { registration: registration.id, key_id: added.key_id, old: old.clone() })?;
        let mut note = format!("added secret {}, to replace {}", added.key_id, in_words(&old));
        if stay + registration.keys.len() > 0 {
            note.push_str(&format!(
                "; {stay} other secrets and {} certificates of the registration stay: see that they are yours",
                registration.keys.len()
            ));
        }
        Ok(Done::new(note).by(id))
    }

    async fn prove(&self) -> Result<Done> {
        let file = self.file()?;
        let home = self.inner.home().await?;
        let next = next_to(&file);
        // A kill between the switch and its line leaves the new one in its place.
        let new = SecretCredential::from_file(if private_file::check(&next)? { next } else { file });
        let until = Instant::now() + SPREADS_WITHIN;
        let mut between = self.inner.retry.first_wait;
        loop {
            match self.inner.prove_credential(&new, home).await {
                Ok(reply) => {
                    let mut done = Done::new("the service takes the new secret");
                    done.correlation_ids.extend(reply.correlation_id);
                    return Ok(done);
                }
                // It takes a while until every server of theirs knows it.
                Err(error) if error.kind() == ErrorKind::AppCredentialInvalid && Instant::now() < until => {
                    tokio::time::sleep(between).await;
                    between = (between * 2).min(LONGEST_BETWEEN);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn switch(&self) -> Result<Done> {
        let file = self.file()?;
        let next = next_to(&file);
        let done = Done::new(format!("the new secret is in {}", file.display()));
        // A kill between the switch and its line.
        if !private_file::check(&next)? {
            return Ok(done);
        }
        let failed = |error| private_file::failure(error, &file);
        // Who could read the old one reads the new one.
        let mode = std::fs::metadata(&file).map_err(failed)?.permissions();
        std::fs::set_permissions(&next, mode).map_err(failed)?;
        std::fs::rename(&next, &file).map_err(failed)?;
        private_file::sync_folder(file.parent().unwrap_or(Path::new(".")))?;
        Ok(done)
    }

    async fn remove(&self) -> Result<Done> {
        let added = self
            .journal
            .added()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "incident", "there is no new secret to go on with"))?;
        let home = self.inner.home().await?;
        self.remove_all(home, added.registration, &added.old).await?;
        let left = self.registration(home).await?;
        // Added by a run that was killed before it had noted that.
        let mut strays = self.named(&left);
        strays.retain(|key_id| *key_id != added.key_id);
        self.remove_all(home, added.registration, &strays).await?;
        if added.old.is_empty() {
            return Err(Error::new(
                ErrorKind::AppMisconfigured,
                "incident",
                "which secret of the registration was the old one could not be found out, so none was removed",
            ));
        }
        Ok(Done::new(format!("removed {}", in_words(&added.old))))
    }

    /// What stands in the file that the configuration names; through a link, where that is one.
    fn file(&self) -> Result<PathBuf> {
        let newest = self.inner.config.credentials.all().first();
        let path = newest.and_then(|credential| credential.secret_file()).ok_or_else(|| {
            let what = newest.map_or_else(|| "none".to_owned(), |credential| credential.describe());
            Error::new(
                ErrorKind::NotSupported,
                "incident",
                format!("only a secret in a file is replaced here, and the app has: {what}"),
            )
            .with_hint("replace it by hand, or name the secret with client_secret_file")
        })?;
        path.canonicalize().map_err(|error| {
            Error::new(ErrorKind::ConfigMissing, "incident", "the file that client_secret_file names cannot be read")
                .with_context("file", path.display())
                .with_cause(error.kind())
        })
    }

    /// The beginning of the secret in use, as Graph shows it.
    async fn hint_of(&self, home: TenantId) -> Result<String> {
        let file = self.file()?;
        let key = CacheKey::own(home, Audience::Graph);
        let endpoint = self.inner.ask(&key, Beside::Nothing, None).await?.endpoint;
        let proof = SecretCredential::from_file(file);
        let proof = proof.proof(&self.inner.config.client_id, &endpoint, self.inner.clock.now()).await?;
        Ok(match proof {
            // EXPOSE: three characters, which Graph shows, too, stay here.
            Proof::Secret(secret) => secret.expose().chars().take(HINT).collect(),
            _ => String::new(),
        })
    }

    async fn registration(&self, home: TenantId) -> Result<Registration> {
        let base = self.inner.graph()?;
        let id = Uuid::new_v4();
        let answer =
            self.ask(home, |token| applications::find_request(base, &self.inner.config.client_id, token, id)).await?;
        applications::read_found(&answer, wait(&answer))
    }

    async fn remove_all(&self, home: TenantId, registration: Uuid, keys: &[Uuid]) -> Result<()> {
        let base = self.inner.graph()?;
        for key_id in keys {
            let id = Uuid::new_v4();
            let answer = self
                .ask(home, |token| applications::remove_password_request(base, registration, *key_id, token, id))
                .await?;
            applications::read_removed(&answer, wait(&answer))
                .map_err(|error| error.with_context("correlation_id", id))?;
        }
        Ok(())
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

    fn named(&self, registration: &Registration) -> Vec<Uuid> {
        registration.passwords.iter().filter(|known| self.is_ours(&known.name)).map(|known| known.key_id).collect()
    }
}

fn wait(answer: &Response<Vec<u8>>) -> Option<Duration> {
    retry_after(answer.headers(), SystemTime::now())
}

fn next_to(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".next");
    file.with_file_name(name)
}

fn in_words(keys: &[Uuid]) -> String {
    match keys {
        [] => "none that could be told".to_owned(),
        keys => keys.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", "),
    }
}
