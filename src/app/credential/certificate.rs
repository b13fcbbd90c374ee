//! A certificate and its key, out of PEM or PKCS#12 (PFX) files, encrypted ones too.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    UnparsedPublicKey,
};
use fs_err as fs;
use futures_util::future::BoxFuture;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use super::signer::Signer;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::assertion::Algorithm;
use crate::secret::Passphrase;

/// A certificate: the public part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER form.
    pub sha256: [u8; 32],
    /// SHA-1 of its DER form, for servers that know nothing newer.
    pub sha1: [u8; 20],
    /// When it ends.
    pub expires_on: UnixTime,
    /// It and those above it, in DER.
    pub chain: Vec<Vec<u8>>,
    /// Its RSA public key (PKCS#1), to tell whether a key is its.
    public_key: Vec<u8>,
}

/// The most bytes that a certificate file may have.
const LARGEST_FILE: u64 = 1 << 20;

impl Certificate {
    /// Reads the first certificate of a PEM file that holds no key: for keys that are elsewhere.
    ///
    /// Errors: `ConfigMissing` where the file cannot be read, `ConfigInvalid` where it is not what it should be.
    pub fn from_pem_file(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let blocks = pem::parse_many(bytes.as_slice()).map_err(|_| invalid("is not PEM", path))?;
        let certificates =
            blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE").map(pem::Pem::into_contents).collect();
        Self::from_chain(certificates).map_err(|problem| invalid(problem, path))
    }

    fn from_chain(chain: Vec<Vec<u8>>) -> Result<Self, &'static str> {
        let der = chain.first().ok_or("holds no certificate")?;
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| "holds a certificate that cannot be read")?;
        let content = parsed.tbs_certificate();
        let public_key = content.subject_public_key_info().subject_public_key.raw_bytes().to_vec();
        let ends = content.validity().not_after.to_unix_duration().as_secs();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        let mut sha1 = [0; 20];
        sha1.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        Ok(Self { sha256, sha1, expires_on: UnixTime(i64::try_from(ends).unwrap_or(i64::MAX)), public_key, chain })
    }

    /// Whether the certificate's key made this signature of `message`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let how = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(how, &self.public_key).verify(message, signature).is_ok()
    }

    /// The SHA-256 thumbprint as people compare it: upper-case hexadecimal.
    pub fn thumbprint(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, Default)]
pub struct CertificateFiles {
    /// PEM or PFX, told apart by its content.
    pub certificate: PathBuf,
    /// The key's PEM file, where it is not in the certificate's.
    pub key: Option<PathBuf>,
    /// A file with the passphrase of an encrypted key.
    pub passphrase: Option<PathBuf>,
}

/// A certificate whose key is in a file. Read at the first use, and again when a file has changed.
#[derive(Debug)]
pub struct CertificateFile {
    files: CertificateFiles,
    loaded: Mutex<Option<(Vec<SystemTime>, Arc<Loaded>)>>,
}

struct Loaded {
    certificate: Arc<Certificate>,
    key: KeyPair,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("certificate", &self.certificate.thumbprint()).finish_non_exhaustive()
    }
}

impl CertificateFile {
    /// Nothing is read yet.
    pub fn new(files: CertificateFiles) -> Self {
        Self { files, loaded: Mutex::new(None) }
    }

    fn load(&self) -> Result<Arc<Loaded>> {
        let mut changed = self.changed_on();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, same)) = loaded.as_ref()
            && *known == changed
        {
            return Ok(same.clone());
        }
        loop {
            let read = Loaded::read(&self.files);
            // Certificate and key in two files may be replaced between two reads.
            let before = std::mem::replace(&mut changed, self.changed_on());
            match read {
                Err(_) if before != changed => {}
                read => {
                    let new = Arc::new(read?);
                    *loaded = Some((before, new.clone()));
                    return Ok(new);
                }
            }
        }
    }

    fn changed_on(&self) -> Vec<SystemTime> {
        let files = [Some(&self.files.certificate), self.files.key.as_ref(), self.files.passphrase.as_ref()];
        files
            .into_iter()
            .flatten()
            .filter_map(|path| fs::metadata(path).and_then(|facts| facts.modified()).ok())
            .collect()
    }
}

impl Signer for CertificateFile {
    fn certificate(&self) -> Result<Arc<Certificate>> {
        Ok(self.load()?.certificate.clone())
    }

    fn sign<'a>(&'a self, algorithm: Algorithm, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let loaded = self.load()?;
            let padding = match algorithm {
                // Its salt is as long as the hash, as RFC 7518 section 3.5 wants it.
                Algorithm::Ps256 => &RSA_PSS_SHA256,
                Algorithm::Rs256 => &RSA_PKCS1_SHA256,
            };
            let mut signature = vec![0; loaded.key.public_modulus_len()];
            loaded
                .key
                .sign(padding, &SystemRandom::new(), message, &mut signature)
                .map_err(|_| Error::new(ErrorKind::Internal, "token", "the certificate's key did not sign"))?;
            Ok(signature)
        })
    }

    fn files(&self) -> Option<&CertificateFiles> {
        Some(&self.files)
    }
}

impl Loaded {
    fn read(files: &CertificateFiles) -> Result<Self> {
        let bytes = read(&files.certificate)?;
        let passphrase = files.passphrase.as_deref().map(read_passphrase).transpose()?;
        let key_file = files.key.as_deref().unwrap_or(&files.certificate);
        let (mut certificates, key) = if is_pem(&bytes) {
            let key_bytes = files.key.as_deref().map(read).transpose()?;
            let mut parts =
                from_pem(&bytes, passphrase.as_ref()).map_err(|problem| invalid(problem, &files.certificate))?;
            if let Some(key_bytes) = key_bytes {
                let beside = from_pem(&key_bytes, passphrase.as_ref()).map_err(|problem| invalid(problem, key_file))?;
                parts.0.extend(beside.0);
                parts.1 = beside.1.or(parts.1);
            }
            let key = parts.1.ok_or_else(|| invalid("holds no private key", key_file))?;
            (parts.0, key)
        } else {
            from_pfx(&bytes, passphrase.as_ref()).map_err(|problem| invalid(problem, &files.certificate))?
        };
        let key = KeyPair::from_pkcs8(&key)
            .or_else(|_| KeyPair::from_der(&key))
            .map_err(|_| invalid("holds a key that is not RSA of 2048 bits or more", key_file))?;
        // The leaf is the one whose key this is, wherever it stands in the file.
        let of_key = |der: &Vec<u8>| {
            Certificate::from_chain(vec![der.clone()])
                .is_ok_and(|certificate| certificate.public_key == key.public_key().as_ref())
        };
        let leaf = certificates.iter().position(of_key).ok_or_else(|| {
            let problem = "holds no certificate of its key: certificate and key do not belong together";
            let error = invalid(problem, &files.certificate);
            if files.key.is_some() { error.with_context("key_file", key_file.display()) } else { error }
        })?;
        certificates.swap(0, leaf);
        let certificate =
            Certificate::from_chain(certificates).map_err(|problem| invalid(problem, &files.certificate))?;
        Ok(Self { certificate: Arc::new(certificate), key })
    }
}

/// As OpenSSL writes them.
pub(super) const PEM_LINES: pem::EncodeConfig = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);

/// The certificates of these PEM files, and no key, as one PEM text.
///
/// Errors: `ConfigMissing` where one cannot be read, `ConfigInvalid` where it is not PEM.
pub(crate) fn certificates_of(paths: &[&Path]) -> Result<String> {
    let mut all = Vec::new();
    for path in paths {
        let blocks = pem::parse_many(read(path)?.as_slice()).map_err(|_| invalid("is not PEM", path))?;
        all.extend(blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE"));
    }
    Ok(pem::encode_many_config(&all, PEM_LINES))
}

pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(10).any(|window| window == b"-----BEGIN")
}

/// In PKCS#8 or PKCS#1, in DER.
type Key = Zeroizing<Vec<u8>>;
type Parts = (Vec<Vec<u8>>, Key);

/// The certificates of a PEM text, and the key where it has one.
fn from_pem(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<(Vec<Vec<u8>>, Option<Key>), &'static str> {
    let mut certificates = Vec::new();
    let mut key = None;
    for block in pem::parse_many(bytes).map_err(|_| "is not PEM")? {
        match block.tag() {
            "CERTIFICATE" => certificates.push(block.into_contents()),
            "PRIVATE KEY" => key = Some(Zeroizing::new(block.into_contents())),
            "RSA PRIVATE KEY" if block.headers().get("Proc-Type").is_some() => {
                return Err(
                    "holds a key in OpenSSL's old encrypted form, which is weak: convert it with `openssl pkcs8 -topk8`",
                );
            }
            "RSA PRIVATE KEY" => key = Some(Zeroizing::new(block.into_contents())),
            "ENCRYPTED PRIVATE KEY" => key = Some(decrypt(block.contents(), passphrase)?),
            "EC PRIVATE KEY" => return Err("holds a key that is not RSA, and Entra takes no other"),
            _ => {}
        }
    }
    Ok((certificates, key))
}

fn decrypt(der: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let passphrase = passphrase.ok_or("holds an encrypted key, and certificate_passphrase_file is not set")?;
    let encrypted =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| "holds an encrypted key that cannot be read")?;
    // EXPOSE: the passphrase opens the key.
    let key = encrypted
        .decrypt(passphrase.expose())
        .map_err(|_| "holds an encrypted key that this passphrase does not open")?;
    Ok(Zeroizing::new(key.as_bytes().to_vec()))
}

fn from_pfx(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Parts, &'static str> {
    const SEQUENCE: u8 = 0x30;
    if bytes.first() != Some(&SEQUENCE) {
        return Err("is neither PEM nor PFX");
    }
    let unopened = match passphrase {
        Some(_) => "is a PFX file that this passphrase does not open, or is damaged",
        None => "is a damaged PFX file, or one with a passphrase, and certificate_passphrase_file is not set",
    };
    // EXPOSE: the passphrase opens the file. One without has the empty passphrase.
    let passphrase = passphrase.map_or("", Passphrase::expose);
    let store = KeyStore::from_pkcs12(bytes, passphrase, Pkcs12ImportPolicy::Relaxed).map_err(|_| unopened)?;
    let (_, chain) = store.private_key_chain().ok_or("holds no private key")?;
    let certificates = chain.certs().iter().map(|certificate| certificate.as_der().to_vec()).collect();
    Ok((certificates, Zeroizing::new(chain.key().as_der().to_vec())))
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let unreadable = |cause: &dyn fmt::Display| {
        Error::new(ErrorKind::ConfigMissing, "token", "a file of the app's certificate cannot be read")
            .with_hint("see that the file is where the configuration says, and that this account may read it")
            .with_context("file", path.display())
            .with_cause(cause)
    };
    let size = fs::metadata(path).map_err(|error| unreadable(&error.kind()))?.len();
    if size > LARGEST_FILE {
        return Err(unreadable(&"it is too large"));
    }
    fs::read(path).map(Zeroizing::new).map_err(|error| unreadable(&error.kind()))
}

pub(super) fn read_passphrase(path: &Path) -> Result<Passphrase> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("is not text", path))?;
    Ok(Passphrase::new(text.trim_end_matches(['\r', '\n'])))
}

fn invalid(problem: &str, path: &Path) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "token", format!("the app's certificate file {problem}"))
        .with_hint("see that certificate_file, certificate_key_file and certificate_passphrase_file name what belongs together")
        .with_context("file", path.display())
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use p12_keystore::{KeyStoreEntry, LocalKeyId, PrivateKey, PrivateKeyChain};
    use pkcs8::PrivateKeyInfoRef;
    use pkcs8::pkcs5::pbes2;

    use super::*;

    const PASSPHRASE: &str = "not-a-real-passphrase";

    struct Made {
        folder: tempfile::TempDir,
        certificate: rcgen::Certificate,
        key: rcgen::KeyPair,
    }

    fn made() -> Made {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
        let mut asked = rcgen::CertificateParams::new(vec!["app.test".to_owned()]).expect("parameters");
        asked.not_after = rcgen::date_time_ymd(2030, 1, 2);
        let certificate = asked.self_signed(&key).expect("a certificate");
        Made { folder: tempfile::tempdir().expect("a folder"), certificate, key }
    }

    impl Made {
        fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, content).expect("a file");
            path
        }

        fn encrypted_key(&self) -> String {
            let der = self.key.serialize_der();
            let how =
                pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1_000, &[1; 16], [2; 16]).expect("parameters");
            let key = PrivateKeyInfoRef::try_from(der.as_slice()).expect("PKCS#8");
            let sealed = key.encrypt_with_params(how, PASSPHRASE).expect("encrypted");
            pem::encode(&pem::Pem::new("ENCRYPTED PRIVATE KEY", sealed.as_bytes()))
        }

        fn pfx(&self, passphrase: &str) -> Vec<u8> {
            let certificate = p12_keystore::Certificate::from_der(self.certificate.der()).expect("a certificate");
            let key = PrivateKey::from_der(&self.key.serialize_der()).expect("a key");
            let mut store = KeyStore::new();
            store.add_entry(
                "app",
                KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(LocalKeyId(vec![1]), key, [certificate])),
            );
            store.writer(passphrase).write().expect("a PFX file")
        }

        fn passphrase(&self, text: &str) -> Option<PathBuf> {
            Some(self.write("passphrase", format!("{text}\n")))
        }

        async fn signs(&self, files: CertificateFiles) {
            let file = CertificateFile::new(files);
            let certificate = file.certificate().expect("a certificate");
            assert_eq!(certificate.expires_on.to_string(), "2030-01-02T00:00:00Z");
            assert_eq!(certificate.sha256, digest::digest(&digest::SHA256, self.certificate.der()).as_ref());
            let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &certificate.public_key);
            public.verify(b"text", &file.sign(Algorithm::Ps256, b"text").await.expect("a signature")).expect("PS256");
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.public_key);
            public.verify(b"text", &file.sign(Algorithm::Rs256, b"text").await.expect("a signature")).expect("RS256");
        }

        fn refused(&self, files: CertificateFiles) -> String {
            let error = CertificateFile::new(files).certificate().expect_err("a refusal");
            let text = format!("{error:?}");
            assert!(!text.contains(PASSPHRASE), "{text}");
            error.message().to_owned()
        }
    }

    #[tokio::test]
    async fn every_form_that_people_have_signs() {
        let made = made();
        let both = made.write("both.pem", format!("{}{}", made.key.serialize_pem(), made.certificate.pem()));
        made.signs(CertificateFiles { certificate: both, ..Default::default() }).await;

        let certificate = made.write("certificate.pem", made.certificate.pem());
        let key = Some(made.write("key.pem", made.encrypted_key()));
        let passphrase = made.passphrase(PASSPHRASE);
        made.signs(CertificateFiles { certificate, key, passphrase: passphrase.clone() }).await;

        let certificate = made.write("app.pfx", made.pfx(PASSPHRASE));
        made.signs(CertificateFiles { certificate, key: None, passphrase }).await;
        let certificate = made.write("open.pfx", made.pfx(""));
        made.signs(CertificateFiles { certificate, ..Default::default() }).await;
    }

    #[test]
    fn what_does_not_fit_is_told_apart() {
        let (one, two) = (made(), made());
        let files = |path| CertificateFiles { certificate: path, ..Default::default() };
        let both = |made: &Made, other: &Made| format!("{}{}", made.key.serialize_pem(), other.certificate.pem());
        assert!(one.refused(files(one.write("a", both(&one, &two)))).contains("no certificate of its key"));
        assert!(one.refused(files(one.write("b", one.certificate.pem()))).contains("no private key"));
        assert!(
            one.refused(files(one.write("c", format!("{}{}", one.certificate.pem(), one.encrypted_key()))))
                .contains("certificate_passphrase_file")
        );
        let wrong = CertificateFiles {
            certificate: one.write("d", one.pfx(PASSPHRASE)),
            key: None,
            passphrase: one.passphrase("another"),
        };
        assert!(one.refused(wrong).contains("this passphrase does not open"));
        assert!(one.refused(files(one.write("e", [0x30, 0x82, 0xff, 0xff, 0]))).contains("a damaged PFX"));
        assert!(one.refused(files(one.write("g", "none of both"))).contains("neither PEM nor PFX"));
        assert!(one.refused(files(one.folder.path().join("absent"))).contains("cannot be read"));
        let weak = rcgen::KeyPair::generate().expect("an elliptic key");
        assert!(
            one.refused(files(one.write("f", format!("{}{}", weak.serialize_pem(), one.certificate.pem()))))
                .contains("not RSA")
        );
    }

    #[test]
    fn a_replaced_certificate_is_picked_up() {
        let (old, new) = (made(), made());
        let path = old.write("both.pem", format!("{}{}", old.key.serialize_pem(), old.certificate.pem()));
        let file = CertificateFile::new(CertificateFiles { certificate: path.clone(), ..Default::default() });
        let before = file.certificate().expect("a certificate").thumbprint();
        old.write("both.pem", format!("{}{}", new.key.serialize_pem(), new.certificate.pem()));
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.file().set_modified(later))
            .expect("a later time");
        assert_ne!(file.certificate().expect("a certificate").thumbprint(), before);
    }
}
