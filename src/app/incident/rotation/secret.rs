//! A secret in a file (<https://learn.microsoft.com/graph/api/application-addpassword>).

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Added, Rotation, in_words, is_there, next_to, real, removed, staying, take_place, wait};
use crate::app::credential::{ClientCredential as _, Proof, SecretCredential};
use crate::app::exchange::Beside;
use crate::app::incident::{Action, Done};
use crate::app::token_cache::CacheKey;
use crate::audience::Audience;
use crate::chance::request_id;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::applications;
use crate::ids::TenantId;
use crate::store::private_file;

/// The characters of a password that Graph tells.
const HINT: usize = 3;

pub(super) struct SecretRotation<'a> {
    all: Rotation<'a>,
    file: PathBuf,
    next: PathBuf,
}

impl<'a> SecretRotation<'a> {
    pub(super) fn new(all: Rotation<'a>, file: &Path) -> Result<Self> {
        let file = real(file, "client_secret_file")?;
        Ok(Self { all, next: next_to(&file), file })
    }

    pub(super) async fn take(self, action: Action) -> Result<Done> {
        match action {
            Action::CredentialAdd => self.add().await,
            Action::CredentialProve => {
                // A kill between the switch and its line leaves the new one in its place.
                let file = if is_there(&self.next)? { &self.next } else { &self.file };
                self.all.prove(&SecretCredential::from_file(file.clone())).await
            }
            Action::CredentialSwitch => {
                take_place(&self.next, &self.file)?;
                Ok(Done::new(format!("the new secret is in {}", self.file.display())))
            }
            Action::CredentialRemove => self.all.patiently(|| self.remove()).await,
            _ => Err(Error::new(ErrorKind::Internal, "incident", "not a step of the credential")),
        }
    }

    async fn add(&self) -> Result<Done> {
        if self.all.journal.added().is_some() && private_file::check(&self.next)? {
            return Ok(Done::new("an earlier run had added and stored it"));
        }
        let home = self.all.inner.home().await?;
        let hint = self.hint_in_use(home).await?;
        let registration = self.all.registration(home).await?;
        self.remove_all(home, registration.id, &self.all.ours(&registration.passwords)).await?;
        let id = request_id();
        let base = self.all.inner.graph()?;
        let name = self.all.name();
        let answer = self
            .all
            .ask(home, |token| applications::add_password_request(base, registration.id, &name, token, id))
            .await?;
        let added = applications::read_added_password(&answer, wait(&answer))?;
        let secret = added.secret;
        // EXPOSE: the file is where the app keeps it.
        private_file::replace(&self.next, secret.expose().as_bytes())?;
        let others: Vec<_> = registration.passwords.iter().filter(|known| !self.all.is_ours(&known.name)).collect();
        let old: Vec<_> = others
            .iter()
            .filter(|known| known.hint.as_deref().is_none_or(|known| known == hint))
            .map(|known| known.key_id)
            .collect();
        self.all.journal.add(Added { registration: registration.id, key_id: added.key_id, old: old.clone() })?;
        let mut note = format!("added secret {}, to replace {}", added.key_id, in_words(&old));
        note.push_str(&staying(others.len() - old.len(), registration.keys.len()));
        Ok(Done::new(note).by(id))
    }

    async fn remove(&self) -> Result<Done> {
        let added = self.all.added()?;
        let home = self.all.inner.home().await?;
        self.remove_all(home, added.registration, &added.old).await?;
        let left = self.all.registration(home).await?;
        // Added by a run that was killed before it had noted that.
        let mut strays = self.all.ours(&left.passwords);
        strays.retain(|key_id| *key_id != added.key_id);
        self.remove_all(home, added.registration, &strays).await?;
        removed(&added.old)
    }

    /// The beginning of the secret in use, as Graph shows it.
    async fn hint_in_use(&self, home: TenantId) -> Result<String> {
        let inner = self.all.inner;
        let key = CacheKey::own(home, Audience::Graph);
        let endpoint = inner.ask(&key, Beside::Nothing, None).await?.endpoint;
        let proof = SecretCredential::from_file(self.file.clone());
        Ok(match proof.proof(&inner.config.client_id, &endpoint, inner.clock.now()).await? {
            // EXPOSE: three characters, which Graph shows, too, stay here.
            Proof::Secret(secret) => secret.expose().chars().take(HINT).collect(),
            _ => String::new(),
        })
    }

    async fn remove_all(&self, home: TenantId, registration: Uuid, keys: &[Uuid]) -> Result<()> {
        let base = self.all.inner.graph()?;
        for key_id in keys {
            let id = request_id();
            let answer = self
                .all
                .ask(home, |token| applications::remove_password_request(base, registration, *key_id, token, id))
                .await?;
            applications::read_removed(&answer, wait(&answer))
                .map_err(|error| error.with_context("correlation_id", id))?;
        }
        Ok(())
    }
}
