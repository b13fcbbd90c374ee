//! Certificates and keys, in every form of file.

use p12_keystore::{KeyStore, KeyStoreEntry, LocalKeyId, PrivateKey, PrivateKeyChain};
use partnersam::app::credential::certificate::{Certificate, CertificateFile, CertificateFiles};
use partnersam::app::credential::signer::Signer;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;

use crate::{CANARY, CASES, error_of, spoil};

/// Lines of PEM, each of which would give away a part of the key.
fn secrets(pem: &str) -> Vec<String> {
    pem.lines().filter(|line| line.len() == 64).map(str::to_owned).collect()
}

#[test]
fn certificate_files() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = key.serialize_der();
    // Few iterations: a test, and thousands of them.
    let how = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(10, &[1; 16], [2; 16]).unwrap();
    let sealed = PrivateKeyInfoRef::try_from(der.as_slice()).unwrap().encrypt_with_params(how, CANARY).unwrap();
    let sealed = pem::encode(&pem::Pem::new("ENCRYPTED PRIVATE KEY", sealed.as_bytes()));
    let mut store = KeyStore::new();
    let chain = [p12_keystore::Certificate::from_der(certificate.der()).unwrap()];
    let chain = PrivateKeyChain::new(LocalKeyId(vec![1]), PrivateKey::from_der(&der).unwrap(), chain);
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    let pfx = store.writer(CANARY).encryption_iterations(10).mac_iterations(10).write().unwrap();
    let open = key.serialize_pem();
    let valid = [
        format!("{open}{}", certificate.pem()).into_bytes(),
        format!("{}{sealed}", certificate.pem()).into_bytes(),
        pfx,
    ];

    let folder = tempfile::tempdir().unwrap();
    let (file, passphrase) = (folder.path().join("certificate"), folder.path().join("passphrase"));
    std::fs::write(&passphrase, CANARY).unwrap();
    let read = |input: &[u8]| {
        std::fs::write(&file, input).unwrap();
        let files = CertificateFiles { certificate: file.clone(), key: None, passphrase: Some(passphrase.clone()) };
        CertificateFile::new(files).certificate()
    };
    for good in &valid {
        read(good).expect("what is spoiled is good");
    }
    let secrets = secrets(&open);
    assert!(secrets.len() > 10);
    spoil("certificate files", CASES / 3, &valid, |input, _| {
        let errors: Vec<_> =
            [error_of(read(input)), error_of(Certificate::from_pem_file(&file))].into_iter().flatten().collect();
        for error in &errors {
            let report = format!("{error:?}");
            assert!(!secrets.iter().any(|secret| report.contains(secret)), "{report}");
        }
        errors
    });
}
