//! A certificate as the app's credential: an assertion is signed once and used until shortly before it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use url::Url;
use uuid::Uuid;

use super::certificate::{Certificate, CertificateFile, CertificateFiles};
use super::signer::Signer;
use super::{Assertion, ClientCredential, KeptIn, Proof};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::protocol::assertion::{self, Algorithm, CertificateName, Claims, LIFETIME};

/// Seconds before its end at which an assertion is no longer used.
const LEAST_LEFT: i64 = 60;

/// The most endpoints whose assertions are kept: one per tenant.
const MOST: usize = 65_536;

/// A certificate whose key a [`Signer`] holds.
#[derive(Debug)]
pub struct AssertionCredential {
    signer: Arc<dyn Signer>,
    algorithm: Algorithm,
    sends_chain: bool,
    is_reused: bool,
    made: Mutex<HashMap<Url, Made>>,
}

#[derive(Debug)]
struct Made {
    assertion: Arc<Assertion>,
    until: UnixTime,
    /// The certificate may have been replaced meanwhile.
    certificate: [u8; 32],
}

impl AssertionCredential {
    /// Signs by `signer` with PS256, and names the certificate by its SHA-256 thumbprint.
    pub fn new(signer: impl Signer + 'static) -> Self {
        Self {
            signer: Arc::new(signer),
            algorithm: Algorithm::Ps256,
            sends_chain: false,
            is_reused: true,
            made: Mutex::default(),
        }
    }

    /// Signs with another algorithm: RS256 only where a server demands it.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sends the certificates along (`x5c`), for servers that match by subject name and issuer.
    #[must_use]
    pub fn sending_chain(mut self, sends_chain: bool) -> Self {
        self.sends_chain = sends_chain;
        self
    }

    /// Signs anew for each request: a server may take an assertion once only (RFC 7523 section 3). Entra takes it again until it ends.
    #[must_use]
    pub fn for_one_use(mut self, one_use: bool) -> Self {
        self.is_reused = !one_use;
        self
    }

    /// The same with the certificate in other files.
    pub(crate) fn with_files(&self, files: CertificateFiles) -> Self {
        Self {
            signer: Arc::new(CertificateFile::new(files)),
            algorithm: self.algorithm,
            sends_chain: self.sends_chain,
            is_reused: self.is_reused,
            made: Mutex::default(),
        }
    }

    /// Who holds the key.
    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    async fn assertion(&self, client_id: &ClientId, endpoint: &Url, now: UnixTime) -> Result<Arc<Assertion>> {
        let certificate = self.signer.certificate()?;
        if let Some(kept) = self.kept(endpoint, &certificate, now) {
            return Ok(kept);
        }
        let name = CertificateName {
            sha256: Some(certificate.sha256),
            sha1: Some(certificate.sha1),
            chain: if self.sends_chain { &certificate.chain } else { &[] },
        };
        let claims = Claims { client_id, audience: endpoint.as_str(), now, id: &Uuid::new_v4().to_string() };
        let input = assertion::signing_input(self.algorithm, &name, &claims);
        let signature = self.signer.sign(self.algorithm, input.as_bytes()).await?;
        // The service says of a foreign key, of another padding and of junk only that it does not know the certificate.
        if !certificate.verifies(self.algorithm, input.as_bytes(), &signature) {
            return Err(Error::new(
                ErrorKind::AppCredentialInvalid,
                "token",
                "what signed for the app did not sign with the key of its certificate",
            )
            .with_hint(format!(
                "see that certificate_file is the certificate of the key that signs, and that it signs the text itself by {}",
                self.algorithm.name()
            ))
            .with_context("certificate", certificate.thumbprint())
            .with_context("signature_bytes", signature.len()));
        }
        let made = Arc::new(Assertion::new(assertion::compact(&input, &signature)));
        if !self.is_reused {
            return Ok(made);
        }
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, made| now < made.until);
        }
        if all.len() < MOST {
            all.insert(
                endpoint.clone(),
                Made {
                    assertion: made.clone(),
                    until: now.plus(LIFETIME - LEAST_LEFT),
                    certificate: certificate.sha256,
                },
            );
        }
        Ok(made)
    }

    fn kept(&self, endpoint: &Url, certificate: &Certificate, now: UnixTime) -> Option<Arc<Assertion>> {
        let all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = all.get(endpoint).filter(|made| made.certificate == certificate.sha256)?;
        // A clock that was set back must not keep an assertion for longer than it lives.
        (0..=LIFETIME).contains(&made.until.since(now)).then(|| made.assertion.clone())
    }
}

impl ClientCredential for AssertionCredential {
    fn proof<'a>(
        &'a self,
        client_id: &'a ClientId,
        token_endpoint: &'a Url,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Proof>> {
        Box::pin(async move { Ok(Proof::Assertion(self.assertion(client_id, token_endpoint, now).await?)) })
    }

    fn expires_on(&self) -> Result<Option<UnixTime>> {
        Ok(Some(self.signer.certificate()?.expires_on))
    }

    fn has_expiry(&self) -> bool {
        true
    }

    fn kept_in(&self) -> KeptIn<'_> {
        self.signer.files().map_or(KeptIn::Elsewhere, |files| KeptIn::CertificateFiles(files, self))
    }

    fn describe(&self) -> String {
        match self.signer.certificate() {
            Ok(certificate) => format!("certificate {}", certificate.thumbprint()),
            Err(_) => "certificate that cannot be read".to_owned(),
        }
    }
}
