//! TLS to the database: rustls with the one crypto provider and the operating system's trust, as everywhere else.
//!
//! Not tokio-postgres-rustls: it brings a second x509-cert and der into the build, for what is one screen here.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_lc_rs::digest;
use fs_err as fs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

use crate::error::{Error, ErrorKind, Result};

/// Makes connections that trust `root` (PEM) and nothing else, or without it what this machine trusts. SSL_CERT_FILE counts as everywhere.
pub(super) fn connector(root: Option<&Path>) -> Result<Tls> {
    let unusable = |message: &str, cause: &dyn std::fmt::Display| {
        Error::new(ErrorKind::StoreUnavailable, "store", message).with_cause(cause)
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("no secure connection can be set up on this machine", &error))?;
    let config = match root {
        None => builder
            .with_platform_verifier()
            .map_err(|error| unusable("no secure connection can be set up on this machine", &error))?,
        Some(path) => {
            let pem =
                fs::read(path).map_err(|error| unusable("the file that sslrootcert names cannot be read", &error))?;
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let added = certificate.map_err(|error| error.to_string());
                added
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
                    .map_err(|error| unusable("the file that sslrootcert names is not PEM", &error))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(Tls(TlsConnector::from(Arc::new(config.with_no_client_auth()))))
}

/// See [`connector`].
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// [`Tls`] for one server's name.
pub(super) struct TlsTo {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = TlsTo;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> std::result::Result<TlsTo, Self::Error> {
        Ok(TlsTo { connector: self.0.clone(), name: ServerName::try_from(domain)?.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for TlsTo {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { self.connector.connect(self.name, stream).await.map(|stream| Stream(Box::new(stream))) })
    }
}

/// A protected connection.
pub(super) struct Stream<S>(Box<TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Stream<S> {
    /// So that the password's proof is worth nothing to a server in between (RFC 5929 section 4).
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let hash = session.peer_certificates().and_then(|certificates| certificates.first()).and_then(hash);
        hash.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// The certificate's hash by the function of its signature, where that is one of those that RFC 5929 leaves as they are. MD5 and SHA-1 become SHA-256.
fn hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    const SHA384: [ObjectIdentifier; 2] =
        [ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3")];
    const SHA512: [ObjectIdentifier; 2] =
        [ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4")];
    const SHA256: [ObjectIdentifier; 3] = [
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ];
    let signature = Certificate::from_der(certificate).ok()?.signature_algorithm().oid;
    let algorithm = if SHA256.contains(&signature) {
        &digest::SHA256
    } else if SHA384.contains(&signature) {
        &digest::SHA384
    } else if SHA512.contains(&signature) {
        &digest::SHA512
    } else {
        return None;
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
