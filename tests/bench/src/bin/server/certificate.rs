//! The certificate authority of one run and the server's certificate for loopback.

use std::error::Error;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// A fresh authority and what it signed.
pub(crate) struct Certificate {
    /// The authority's certificate, for clients.
    pub(crate) ca_pem: String,
    leaf: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Certificate {
    /// For `localhost`, `127.0.0.1` and `::1`.
    pub(crate) fn for_loopback() -> Result<Self, Box<dyn Error>> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.distinguished_name.push(DnType::CommonName, "partnersam benchmarks");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let mut leaf = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?;
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let leaf_key = KeyPair::generate()?;
        let signed = leaf.signed_by(&leaf_key, &issuer)?;
        Ok(Self { ca_pem, leaf: signed.der().clone(), key: PrivatePkcs8KeyDer::from(leaf_key.serialize_der()) })
    }

    /// TLS as Entra offers it to these clients: 1.2 and 1.3, HTTP/2 where the client asks for it.
    pub(crate) fn server_config(self) -> Result<ServerConfig, Box<dyn Error>> {
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![self.leaf], self.key.into())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
