//! A certificate and its key in files (<https://learn.microsoft.com/graph/api/application-addkey>): a key that is registered signs for the one that is added,
//! and the new one for the removal of the old.
//!
//! The key is made here, so what is added is known before it is: a kill after the request costs nothing but a look. Where certificate and key have a file
//! each, no reader finds a key without its certificate: the certificate's file has both certificates while the key's is replaced.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Added, Rotation, in_words, is_there, next_to, real, removed, staying, take_place, wait};
use crate::app::credential::AssertionCredential;
use crate::app::credential::certificate::{Certificate, CertificateFiles, certificates_of};
use crate::app::credential::new_certificate::{Form, NewCertificate};
use crate::app::incident::{Action, Done};
use crate::chance::request_id;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::applications;
use crate::ids::TenantId;
use crate::protocol::assertion;
use crate::store::private_file::{self, beside};

pub(super) struct CertificateRotation<'a> {
    all: Rotation<'a>,
    files: CertificateFiles,
    next: CertificateFiles,
    /// What the configuration has, and the same with the new certificate.
    in_place: AssertionCredential,
    new: AssertionCredential,
}

impl<'a> CertificateRotation<'a> {
    pub(super) fn new(all: Rotation<'a>, files: &CertificateFiles, how: &AssertionCredential) -> Result<Self> {
        let files = CertificateFiles {
            certificate: real(&files.certificate, "certificate_file")?,
            key: files.key.as_deref().map(|key| real(key, "certificate_key_file")).transpose()?,
            passphrase: files.passphrase.clone(),
        };
        let next = files.beside(next_to);
        Ok(Self { all, in_place: how.with_files(files.clone()), new: how.with_files(next.clone()), files, next })
    }

    pub(super) async fn take(self, action: Action) -> Result<Done> {
        match action {
            Action::CredentialAdd => self.add().await,
            Action::CredentialProve => {
                // A kill between the switch and its line leaves the new one in its place.
                let new = if is_there(&self.next.certificate)? { &self.new } else { &self.in_place };
                self.all.prove(new).await
            }
            Action::CredentialSwitch => self.switch(),
            Action::CredentialRemove => self.all.patiently(|| self.remove()).await,
            _ => Err(Error::new(ErrorKind::Internal, "incident", "not a step of the credential")),
        }
    }

    async fn add(&self) -> Result<Done> {
        let old = self.in_place.signer().certificate()?;
        let new = match self.made_before()? {
            Some(new) => new,
            None => self.make().await?,
        };
        let home = self.all.inner.home().await?;
        let registration = self.all.registration(home).await?;
        let is = |known: &applications::Credential, other: &Certificate| known.certificate_sha1 == Some(other.sha1);
        let is_stray = |known: &&applications::Credential| self.all.is_ours(&known.name) && !is(known, &new);
        let strays: Vec<_> = registration.keys.iter().filter(is_stray).map(|known| known.key_id).collect();
        self.remove_all(home, registration.id, &strays, &old).await?;
        let before = registration.keys.iter().find(|known| is(known, &new)).map(|known| known.key_id);
        let (key_id, done) = match before {
            Some(key_id) => (key_id, Done::default()),
            None => {
                let id = request_id();
                (self.register(home, registration.id, &old, &new, id).await?, Done::default().by(id))
            }
        };
        let replaced: Vec<_> =
            registration.keys.iter().filter(|known| is(known, &old)).map(|known| known.key_id).collect();
        self.all.journal.add(Added { registration: registration.id, key_id, old: replaced.clone() })?;
        let others =
            registration.keys.iter().filter(|known| !self.all.is_ours(&known.name) && !is(known, &old)).count();
        let mut note =
            format!("added certificate {} as {key_id}, to replace {}", new.thumbprint(), in_words(&replaced));
        note.push_str(&staying(registration.passwords.len(), others));
        Ok(Done { note, ..done })
    }

    /// The new certificate of this incident, where an earlier run made it. Another one that lies there may have been stolen, too.
    fn made_before(&self) -> Result<Option<Arc<Certificate>>> {
        let Some(made) = self.all.journal.made() else { return Ok(None) };
        let key_is_there = self.next.key.as_deref().map_or(Ok(true), private_file::check)?;
        if !key_is_there || !private_file::check(&self.next.certificate)? {
            return Ok(None);
        }
        Ok(self.new.signer().certificate().ok().filter(|certificate| certificate.thumbprint() == made))
    }

    async fn make(&self) -> Result<Arc<Certificate>> {
        let form = Form::of(&self.files)?;
        let (name, now) = (self.all.name(), self.all.inner.clock.now());
        let made = tokio::task::spawn_blocking(move || NewCertificate::make(&name, &form, now)).await;
        let made = made.map_err(|_| Error::new(ErrorKind::Internal, "incident", "no certificate was made"))??;
        if let (Some(path), Some(key)) = (&self.next.key, &made.key) {
            private_file::replace(path, key)?;
        }
        private_file::replace(&self.next.certificate, &made.certificate)?;
        let new = self.new.signer().certificate()?;
        self.all.journal.make(&new.thumbprint())?;
        Ok(new)
    }

    fn switch(&self) -> Result<Done> {
        if let (Some(next), Some(key)) = (&self.next.key, &self.files.key)
            && is_there(next)?
        {
            let both = beside(&self.files.certificate, ".both");
            let text = certificates_of(&[&self.next.certificate, &self.files.certificate])?;
            private_file::replace(&both, text.as_bytes())?;
            take_place(&both, &self.files.certificate)?;
            take_place(next, key)?;
        }
        take_place(&self.next.certificate, &self.files.certificate)?;
        Ok(Done::new(format!("the new certificate is in {}", self.files.certificate.display())))
    }

    async fn remove(&self) -> Result<Done> {
        let added = self.all.added()?;
        let home = self.all.inner.home().await?;
        let new = self.in_place.signer().certificate()?;
        self.remove_all(home, added.registration, &added.old, &new).await?;
        removed(&added.old)
    }

    async fn register(
        &self,
        home: TenantId,
        registration: Uuid,
        old: &Certificate,
        new: &Certificate,
        id: Uuid,
    ) -> Result<Uuid> {
        let base = self.all.inner.graph()?;
        let (name, proof) = (self.all.name(), self.proof(registration, old).await?);
        let der = new.chain.first().map(Vec::as_slice).unwrap_or_default();
        let answer = self
            .all
            .ask(home, |token| applications::add_key_request(base, registration, &name, der, &proof, token, id))
            .await?;
        applications::read_added_key(&answer, wait(&answer)).map_err(|error| error.with_context("correlation_id", id))
    }

    async fn remove_all(&self, home: TenantId, registration: Uuid, keys: &[Uuid], by: &Certificate) -> Result<()> {
        let base = self.all.inner.graph()?;
        for key_id in keys {
            let id = request_id();
            let proof = self.proof(registration, by).await?;
            let answer = self
                .all
                .ask(home, |token| applications::remove_key_request(base, registration, *key_id, &proof, token, id))
                .await?;
            applications::read_removed(&answer, wait(&answer))
                .map_err(|error| error.with_context("correlation_id", id))?;
        }
        Ok(())
    }

    /// That we have the key of this certificate, the one that is in place.
    async fn proof(&self, registration: Uuid, certificate: &Certificate) -> Result<Zeroizing<String>> {
        let input = applications::proof_input(registration, certificate.sha1, self.all.inner.clock.now());
        let signature = self.in_place.signer().sign(applications::PROOF_ALGORITHM, input.as_bytes()).await?;
        Ok(Zeroizing::new(assertion::compact(&input, &signature)))
    }
}
