//! Certificates by which apps prove themselves: made here, or brought by a caller of Graph.

use aws_lc_rs::digest;
use p12_keystore::{KeyStore, KeyStoreEntry, LocalKeyId, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RsaKeySize};
use time::OffsetDateTime;
use x509_cert::der::Decode as _;

use crate::{Error, files::Files, ready};

/// What is registered of a certificate: the public part.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) sha1: Vec<u8>,
    /// PKCS#1.
    pub(crate) public_key: Vec<u8>,
    /// Unix seconds.
    pub(crate) starts: i64,
    /// Unix seconds.
    pub(crate) ends: i64,
}

impl Certificate {
    /// Reads an X.509 certificate in DER; nothing for anything else, or for a key that is not RSA.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        const RSA: &str = "1.2.840.113549.1.1.1";
        let parsed = x509_cert::Certificate::from_der(der).ok()?;
        let content = parsed.tbs_certificate();
        let key = content.subject_public_key_info();
        if key.algorithm.oid.to_string() != RSA {
            return None;
        }
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Some(Self {
            der: der.to_vec(),
            sha256: digest::digest(&digest::SHA256, der).as_ref().to_vec(),
            sha1: digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec(),
            public_key: key.subject_public_key.raw_bytes().to_vec(),
            starts: seconds(content.validity().not_before),
            ends: seconds(content.validity().not_after),
        })
    }
}

/// An RSA key for certificates. Takes a tenth of a second of a core.
pub(crate) fn generate_key() -> Result<KeyPair, String> {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(|error| error.to_string())
}

/// A certificate with its key, as an app's owner has it.
pub(crate) struct Made {
    pub(crate) certificate: Certificate,
    /// Certificate and key.
    pem: String,
    pfx: Vec<u8>,
    passphrase: String,
}

impl Made {
    /// A self-signed one for `name`; the passphrase is the PFX file's. Times are unix seconds.
    pub(crate) fn new(name: &str, key: &KeyPair, starts: i64, ends: i64, passphrase: String) -> Result<Self, String> {
        let time = |unix| OffsetDateTime::from_unix_timestamp(unix).map_err(|error| error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = time(starts)?;
        params.not_after = time(ends)?;
        let signed = params.self_signed(key).map_err(|error| error.to_string())?;
        let pfx = pfx(signed.der(), &key.serialize_der(), &passphrase).map_err(|error| error.to_string())?;
        Ok(Self {
            certificate: Certificate::parse(signed.der()).ok_or("the certificate cannot be read back")?,
            pem: format!("{}{}", key.serialize_pem(), signed.pem()),
            pfx,
            passphrase,
        })
    }

    /// Writes both files; their names end with `name` and `.pem` or `.pfx`.
    pub(crate) fn place(&self, files: &Files, name: &str) -> Result<ready::Certificate, Error> {
        Ok(ready::Certificate {
            pem_file: files.write(&format!("{name}.pem"), self.pem.as_bytes())?,
            pfx_file: files.write(&format!("{name}.pfx"), &self.pfx)?,
            pfx_passphrase: self.passphrase.clone(),
            thumbprint_sha256: hexadecimal(&self.certificate.sha256),
            thumbprint_sha1: hexadecimal(&self.certificate.sha1),
            expires_on: crate::state::rfc3339(self.certificate.ends),
        })
    }
}

fn pfx(certificate: &[u8], key: &[u8], passphrase: &str) -> p12_keystore::Result<Vec<u8>> {
    /// Few: the passphrase stands in the ready file beside it.
    const ROUNDS: u32 = 100;
    let certificate = p12_keystore::Certificate::from_der(certificate)?;
    let chain = PrivateKeyChain::new(LocalKeyId(vec![1]), PrivateKey::from_der(key)?, [certificate]);
    let mut store = KeyStore::new();
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(passphrase).encryption_iterations(ROUNDS).mac_iterations(ROUNDS).write()
}

/// Upper-case, as the portal shows thumbprints.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
