//! Who holds the key that signs assertions: a file, a callback into an HSM, a Key Vault, a smart card, or a command.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;

use super::certificate::{Certificate, CertificateFiles};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::assertion::Algorithm;

/// Signs assertions with a key that may be anywhere.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The certificate whose key signs; read anew where it may have changed.
    fn certificate(&self) -> Result<Arc<Certificate>>;

    /// The signature of `message` by `algorithm`.
    fn sign<'a>(&'a self, algorithm: Algorithm, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>>>;

    /// The files that certificate and key come from, where they do.
    fn files(&self) -> Option<&CertificateFiles> {
        None
    }
}

/// What a caller brings to sign with: gets the algorithm and the message, and returns the signature. May block.
pub type SignCallback = dyn Fn(Algorithm, &[u8]) -> Result<Vec<u8>> + Send + Sync;

/// A key that never comes here: a callback signs with it.
pub struct ExternalSigner {
    certificate: Arc<Certificate>,
    sign: Arc<SignCallback>,
}

impl ExternalSigner {
    /// Signs by `sign` with the key of `certificate`.
    pub fn new(
        certificate: Certificate,
        sign: impl Fn(Algorithm, &[u8]) -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::from_shared(certificate, Arc::new(sign))
    }

    pub(crate) fn from_shared(certificate: Certificate, sign: Arc<SignCallback>) -> Self {
        Self { certificate: Arc::new(certificate), sign }
    }
}

impl fmt::Debug for ExternalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalSigner").finish_non_exhaustive()
    }
}

impl Signer for ExternalSigner {
    fn certificate(&self) -> Result<Arc<Certificate>> {
        Ok(self.certificate.clone())
    }

    fn sign<'a>(&'a self, algorithm: Algorithm, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>>> {
        let (sign, message) = (self.sign.clone(), message.to_owned());
        Box::pin(async move { off_thread(move || sign(algorithm, &message)).await })
    }
}

/// A command that signs: it finds the text to sign on standard input, the algorithm in `PARTNERSAM_SIGN_ALGORITHM` and the text's SHA-256, in base64,
/// in `PARTNERSAM_SIGN_DIGEST`; it prints the signature in base64 or base64url and ends with 0.
#[derive(Debug)]
pub struct CommandSigner {
    certificate: Arc<Certificate>,
    command: Vec<String>,
}

impl CommandSigner {
    /// Signs by running `command`, a program and its arguments; no shell is involved.
    pub fn new(certificate: Certificate, command: Vec<String>) -> Result<Self> {
        if command.first().is_none_or(String::is_empty) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                "credential_command must be a list with a program first",
            ));
        }
        Ok(Self { certificate: Arc::new(certificate), command })
    }
}

impl Signer for CommandSigner {
    fn certificate(&self) -> Result<Arc<Certificate>> {
        Ok(self.certificate.clone())
    }

    fn sign<'a>(&'a self, algorithm: Algorithm, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>>> {
        let (command, message) = (self.command.clone(), message.to_owned());
        Box::pin(async move { off_thread(move || run(&command, algorithm, &message)).await })
    }
}

/// How long a signing command may take: long enough to touch a smart card.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// How long after its end what it printed may take to come: what it left running may hold the pipe open for ever.
const OUTPUT_LIMIT: Duration = Duration::from_secs(1);

/// The most that is read; a signature in base64 has one kilobyte, with everything around it.
const LARGEST_OUTPUT: u64 = 16 << 10;

fn run(command: &[String], algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>> {
    let failed = |message: &str| {
        Error::new(ErrorKind::AppCredentialInvalid, "token", message)
            .with_hint("run the command of credential_command by hand and see what it says")
    };
    let Some((program, arguments)) = command.split_first() else { return Err(failed("credential_command is empty")) };
    let mut child = Command::new(program)
        .args(arguments)
        .env("PARTNERSAM_SIGN_ALGORITHM", algorithm.name())
        .env("PARTNERSAM_SIGN_DIGEST", STANDARD.encode(digest::digest(&digest::SHA256, message)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed("the command that signs cannot be started").with_cause(error.kind()))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that needs the digest only may not read its input.
        let _ = input.write_all(message);
    }
    let (sent, received) = mpsc::sync_channel(1);
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut printed = Vec::new();
            // Who prints without end meets a closed pipe.
            let read = output.take(LARGEST_OUTPUT).read_to_end(&mut printed);
            let _ = sent.send(read.map(|_| printed));
        });
    }
    let begun = Instant::now();
    let status = loop {
        let ended = child
            .try_wait()
            .map_err(|error| failed("the command that signs cannot be waited for").with_cause(error.kind()))?;
        if let Some(status) = ended {
            break status;
        }
        if begun.elapsed() > COMMAND_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed("the command that signs took more than a minute"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let printed = received
        .recv_timeout(OUTPUT_LIMIT)
        .map_err(|_| failed("the command that signs has ended, and something that it started still holds its output"))?
        .map_err(|error| failed("the command that signs cannot be read").with_cause(error.kind()))?;
    if printed.len() as u64 == LARGEST_OUTPUT {
        return Err(failed("the command that signs printed more than a signature"));
    }
    if !status.success() {
        return Err(failed("the command that signs failed").with_context("status", status));
    }
    let text: Vec<u8> = printed.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect();
    let text: Vec<u8> = text
        .into_iter()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        })
        .collect();
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .filter(|signature| !signature.is_empty())
        .ok_or_else(|| failed("the command that signs printed no signature in base64"))
}

/// Signing may block: on a network, a card, a person.
async fn off_thread(sign: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    tokio::task::spawn_blocking(sign)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "token", "signing ended before its time")))
}
