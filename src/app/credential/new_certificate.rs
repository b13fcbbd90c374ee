//! A new self-signed certificate of the app, in the form of the one whose place it takes: PEM in one file or two, with an encrypted key or an open one, or
//! PKCS#12.

use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use p12_keystore::{KeyStore, KeyStoreEntry, LocalKeyId, PrivateKey, PrivateKeyChain};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::certificate::{CertificateFiles, PEM_LINES, is_pem, read, read_passphrase};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Passphrase;

/// What goes into which file.
pub(crate) struct NewCertificate {
    /// Into the certificate's file: with the key, where that is the only one.
    pub(crate) certificate: Zeroizing<Vec<u8>>,
    /// Into the key's file, where it has one of its own.
    pub(crate) key: Option<Zeroizing<Vec<u8>>>,
}

/// How a certificate's place is furnished.
pub(crate) enum Form {
    Pem { key_apart: bool, passphrase: Option<Passphrase> },
    Pfx { passphrase: Passphrase },
}

/// Seconds from its beginning on: a year.
const LIFETIME: i64 = 365 * 86_400;

/// Seconds by which it begins in the past: not every server's clock is ours.
const BACKDATED: i64 = 600;

/// Rounds of PBKDF2 that open an encrypted PEM key.
const ROUNDS: u32 = 100_000;

impl Form {
    /// The form of what is in these files. Their passphrase stays.
    ///
    /// Errors: `ConfigMissing` or `ConfigInvalid` where they cannot be read.
    pub(crate) fn of(files: &CertificateFiles) -> Result<Self> {
        let passphrase = files.passphrase.as_deref().map(read_passphrase).transpose()?;
        if is_pem(&read(&files.certificate)?) {
            return Ok(Self::Pem { key_apart: files.key.is_some(), passphrase });
        }
        Ok(Self::Pfx { passphrase: passphrase.unwrap_or_else(|| Passphrase::new("")) })
    }
}

impl NewCertificate {
    /// Makes a key of 2048 bits and signs a certificate of that name with it. Takes a tenth of a second of a core, or some.
    ///
    /// Errors: `Internal` where one of the libraries refuses.
    pub(crate) fn make(name: &str, form: &Form, now: UnixTime) -> Result<Self> {
        let key = Key(KeyPair::generate(KeySize::Rsa2048).map_err(|_| failed("no key was made"))?);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = moment(now.plus(-BACKDATED))?;
        params.not_after = moment(now.plus(LIFETIME))?;
        let certificate = params.self_signed(&key).map_err(|_| failed("it was not signed"))?;
        let der: Pkcs8V1Der<'_> = key.0.as_der().map_err(|_| failed("its key was not written"))?;
        match form {
            Form::Pfx { passphrase } => {
                let pfx = pfx(certificate.der(), der.as_ref(), passphrase).ok_or_else(|| failed("no PFX was made"))?;
                Ok(Self { certificate: pfx, key: None })
            }
            Form::Pem { key_apart, passphrase } => {
                let key = pem_key(der.as_ref(), passphrase.as_ref())?;
                let certificate = certificate.pem().into_bytes();
                if *key_apart {
                    return Ok(Self { certificate: Zeroizing::new(certificate), key: Some(key) });
                }
                // Of its size from the start: a growing buffer would leave a copy of the key behind.
                let mut both = Zeroizing::new(Vec::with_capacity(key.len() + certificate.len()));
                both.extend_from_slice(&key);
                both.extend_from_slice(&certificate);
                Ok(Self { certificate: both, key: None })
            }
        }
    }
}

impl CertificateFiles {
    /// Files of this ending beside these, with the same passphrase.
    pub(crate) fn beside(&self, beside: impl Fn(&std::path::Path) -> PathBuf) -> Self {
        Self {
            certificate: beside(&self.certificate),
            key: self.key.as_deref().map(beside),
            passphrase: self.passphrase.clone(),
        }
    }
}

/// A key that stays where it is wiped when it goes.
struct Key(KeyPair);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature)
    }
}

fn pem_key(der: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<Vec<u8>>> {
    let block = match passphrase {
        None => pem::Pem::new("PRIVATE KEY", der),
        Some(passphrase) => {
            let (mut salt, mut iv) = ([0; 16], [0; 16]);
            getrandom::fill(&mut salt)
                .and_then(|()| getrandom::fill(&mut iv))
                .map_err(|_| failed("no random bytes"))?;
            let how = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv);
            let sealed = how.and_then(|how| {
                let key = PrivateKeyInfoRef::try_from(der).map_err(|_| pkcs8::pkcs5::Error::EncryptFailed)?;
                // EXPOSE: the passphrase seals the key, as it opened the one before.
                key.encrypt_with_params(how, passphrase.expose()).map_err(|_| pkcs8::pkcs5::Error::EncryptFailed)
            });
            let sealed = sealed.map_err(|_| failed("its key was not encrypted"))?;
            pem::Pem::new("ENCRYPTED PRIVATE KEY", sealed.as_bytes())
        }
    };
    let text = Zeroizing::new(pem::encode_config(&block, PEM_LINES).into_bytes());
    let _wiped = Zeroizing::new(block.into_contents());
    Ok(text)
}

fn pfx(certificate: &[u8], key: &[u8], passphrase: &Passphrase) -> Option<Zeroizing<Vec<u8>>> {
    let certificate = p12_keystore::Certificate::from_der(certificate).ok()?;
    let chain = PrivateKeyChain::new(LocalKeyId(vec![1]), PrivateKey::from_der(key).ok()?, [certificate]);
    let mut store = KeyStore::new();
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    // EXPOSE: the passphrase seals the file, as it opened the one before.
    store.writer(passphrase.expose()).write().ok().map(Zeroizing::new)
}

fn moment(time: UnixTime) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.0).map_err(|_| failed("the clock is out of range"))
}

fn failed(why: &str) -> Error {
    Error::new(ErrorKind::Internal, "incident", "a new certificate could not be made").with_cause(why)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::app::credential::certificate::CertificateFile;
    use crate::app::credential::signer::Signer as _;
    use crate::protocol::assertion::Algorithm;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn written(folder: &Path, new: &NewCertificate, passphrase: Option<&str>) -> CertificateFiles {
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).expect("a file");
            path
        };
        CertificateFiles {
            certificate: file("certificate", &new.certificate),
            key: new.key.as_ref().map(|key| file("key", key)),
            passphrase: passphrase.map(|text| file("passphrase", text.as_bytes())),
        }
    }

    #[tokio::test]
    async fn a_new_certificate_has_the_form_of_the_old_one_and_signs() {
        let folder = tempfile::tempdir().expect("a folder");
        let passphrase = || Passphrase::new("not-a-real-passphrase");
        let forms = [
            (Form::Pem { key_apart: false, passphrase: None }, None),
            (Form::Pem { key_apart: true, passphrase: Some(passphrase()) }, Some("not-a-real-passphrase")),
            (Form::Pfx { passphrase: passphrase() }, Some("not-a-real-passphrase")),
            (Form::Pfx { passphrase: Passphrase::new("") }, None),
        ];
        for (form, text) in &forms {
            let new = NewCertificate::make("test", form, NOW).expect("a certificate");
            let files = written(folder.path(), &new, *text);
            let file = CertificateFile::new(files.clone());
            let certificate = file.certificate().expect("a certificate");
            assert_eq!(certificate.expires_on, NOW.plus(LIFETIME));
            file.sign(Algorithm::Ps256, b"text").await.expect("a signature");
            // And the one after it has the same form again.
            match (form, Form::of(&files).expect("a form")) {
                (Form::Pem { key_apart, passphrase }, Form::Pem { key_apart: again, passphrase: same }) => {
                    assert_eq!((key_apart, passphrase.is_some()), (&again, same.is_some()));
                    let key = new.key.as_ref().unwrap_or(&new.certificate);
                    let is_open = key.windows(15).any(|window| window == b"BEGIN PRIVATE K");
                    assert_eq!(is_open, passphrase.is_none());
                }
                (Form::Pfx { .. }, Form::Pfx { .. }) => {}
                _ => unreachable!("another form"),
            }
        }
    }
}
