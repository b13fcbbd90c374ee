//! The file in which a store's grants travel to another host: lines of JSON, encrypted by age (<https://age-encryption.org/v1>) for a recipient or with a passphrase, so
//! that any program that knows age opens it. The only file that knows the `age` crate.
//!
//! The first line says what it is, each further one is a grant, the last one counts them.

use std::io::{self, Read as _, Write as _};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, scrypt, x25519};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Passphrase, RefreshToken};
use crate::store::{AppKey, Grant, GrantFacts};

/// The format of the lines. A new one gets a new number, and the old one goes on being read.
const FORMAT: u32 = 1;

/// What age's own program uses: 2^18 rounds, a quarter of a gigabyte, about a second.
const WORK: u8 = 18;
/// Another program may have asked for more; this much is waited for.
const MOST_WORK: u8 = 22;

/// For whom a parcel is packed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sealing {
    /// For whoever has one of the identities that belong to these recipients (`age1…`).
    Recipients(Vec<String>),
    /// For whoever knows the passphrase.
    Passphrase(Passphrase),
}

/// Who opens a parcel.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opening {
    /// The text of an identity file of age: lines with `AGE-SECRET-KEY-1…`, and comments.
    Identities(Zeroizing<String>),
    /// A passphrase.
    Passphrase(Passphrase),
}

impl Sealing {
    /// By what a caller names: recipients, or a passphrase.
    ///
    /// Errors: `InvalidArgument` where it is both or neither.
    pub fn by(recipients: Vec<String>, passphrase: Option<&str>) -> Result<Self> {
        match passphrase {
            Some(passphrase) if recipients.is_empty() => Ok(Self::Passphrase(Passphrase::new(passphrase))),
            None if !recipients.is_empty() => Ok(Self::Recipients(recipients)),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "export", "who opens the file is not clear")
                .with_hint("name recipients (age1…), or give a passphrase; not both")),
        }
    }
}

impl Opening {
    /// By what a caller gives: the text of an identity file, or a passphrase.
    ///
    /// Errors: `InvalidArgument` where it is both or neither.
    pub fn by(identities: Option<&str>, passphrase: Option<&str>) -> Result<Self> {
        match (identities, passphrase) {
            (Some(identities), None) => Ok(Self::Identities(Zeroizing::new(identities.to_owned()))),
            (None, Some(passphrase)) => Ok(Self::Passphrase(Passphrase::new(passphrase))),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "import", "what opens the file is not clear")
                .with_hint("give an identity of age, or a passphrase; not both")),
        }
    }
}

#[derive(Deserialize, Serialize)]
struct Head {
    partnersam_export: u32,
    exported_on: UnixTime,
    authority: String,
    client_id: String,
}

#[derive(Serialize)]
struct LineOut<'a> {
    tenant: crate::ids::TenantId,
    generation: u64,
    refresh_token: &'a str,
    facts: &'a GrantFacts,
}

#[derive(Deserialize)]
struct LineIn<'a> {
    tenant: crate::ids::TenantId,
    generation: u64,
    #[serde(borrow)]
    refresh_token: &'a str,
    facts: GrantFacts,
}

#[derive(Deserialize, Serialize)]
struct Tail {
    grants: u64,
}

/// A parcel that is being packed, in memory and encrypted.
pub(crate) struct Packing {
    stream: age::stream::StreamWriter<Vec<u8>>,
    grants: u64,
}

impl Packing {
    /// Begins one with the grants of `app`. With a passphrase it takes about a second, and 256 MiB.
    pub(crate) fn begin(sealing: &Sealing, app: &AppKey, now: UnixTime) -> Result<Self> {
        let recipients: Vec<Box<dyn Recipient>> = match sealing {
            Sealing::Recipients(named) => named.iter().map(|text| recipient(text)).collect::<Result<_>>()?,
            Sealing::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret(passphrase)?);
                recipient.set_work_factor(WORK);
                vec![Box::new(recipient)]
            }
        };
        let encryptor = Encryptor::with_recipients(recipients.iter().map(AsRef::as_ref)).map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "export", "nobody is named who could open the file")
                .with_hint("name a recipient (age1…) or give a passphrase")
        })?;
        let stream = encryptor.wrap_output(Vec::new()).map_err(unwritten)?;
        let mut packing = Self { stream, grants: 0 };
        let head = Head {
            partnersam_export: FORMAT,
            exported_on: now,
            authority: app.authority.clone(),
            client_id: app.client_id.to_string(),
        };
        packing.line(&head)?;
        Ok(packing)
    }

    /// Adds a grant.
    pub(crate) fn add(&mut self, grant: &Grant) -> Result<()> {
        self.grants += 1;
        // EXPOSE: into the encrypted file; the line is wiped.
        let refresh_token = grant.refresh_token.expose();
        self.line(&LineOut {
            tenant: grant.key.tenant,
            generation: grant.generation,
            refresh_token,
            facts: &grant.facts,
        })
    }

    /// The bytes of the file, and how many grants are in it.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, u64)> {
        let grants = self.grants;
        self.line(&Tail { grants })?;
        Ok((self.stream.finish().map_err(unwritten)?, grants))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        // Room from the start: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
        serde_json::to_writer(&mut *text, line)
            .map_err(|_| Error::new(ErrorKind::Internal, "export", "a grant cannot be written"))?;
        text.push(b'\n');
        self.stream.write_all(&text).map_err(unwritten)
    }
}

/// Opens a parcel with grants of `app` and gives each to `each`: the grant, with the generation that it had where it came from. Nothing is given before
/// the whole file was read and found to be whole.
pub(crate) fn open(bytes: &[u8], opening: &Opening, app: &AppKey) -> Result<Vec<Grant>> {
    let text = decrypt(bytes, opening)?;
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let head: Head = lines.next().and_then(|line| serde_json::from_slice(line).ok()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "import", "the file is no export of a store")
            .with_hint("make one with `partnersam store export`")
    })?;
    if head.partnersam_export != FORMAT {
        return Err(Error::new(ErrorKind::StoreSchemaNewer, "import", "the file was written by a newer version"));
    }
    if (head.authority.as_str(), head.client_id.as_str()) != (app.authority.as_str(), app.client_id.as_str()) {
        return Err(Error::new(ErrorKind::InvalidArgument, "import", "the file has the grants of another app")
            .with_hint(
                "refresh tokens are bound to the app that they were given to: import with its client id and cloud",
            )
            .with_context("client_id", head.client_id)
            .with_context("authority", head.authority));
    }
    let lines: Vec<&[u8]> = lines.collect();
    let (last, grants) = lines.split_last().ok_or_else(cut)?;
    let tail: Tail = serde_json::from_slice(last).map_err(|_| cut())?;
    if tail.grants != grants.len() as u64 {
        return Err(cut());
    }
    grants
        .iter()
        .map(|line| {
            let line: LineIn<'_> =
                serde_json::from_slice(line).map_err(|_| damaged("a grant in the file is not what it should be"))?;
            Ok(Grant {
                key: app.grant(line.tenant),
                generation: line.generation,
                refresh_token: RefreshToken::new(line.refresh_token),
                facts: line.facts,
            })
        })
        .collect()
}

fn decrypt(bytes: &[u8], opening: &Opening) -> Result<Zeroizing<Vec<u8>>> {
    let identities: Vec<Box<dyn Identity>> = match opening {
        Opening::Identities(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines
                .map(|line| match line.parse::<x25519::Identity>() {
                    Ok(identity) => Ok(Box::new(identity) as Box<dyn Identity>),
                    // The line is not repeated: it may be a secret that is only spoilt.
                    Err(_) => Err(Error::new(
                        ErrorKind::InvalidArgument,
                        "import",
                        "the identity file has a line that is no identity",
                    )
                    .with_hint("it holds lines that begin with AGE-SECRET-KEY-1, as age-keygen makes them")),
                })
                .collect::<Result<_>>()?
        }
        Opening::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(secret(passphrase)?);
            identity.set_max_work_factor(MOST_WORK);
            vec![Box::new(identity)]
        }
    };
    let decryptor = Decryptor::new_buffered(bytes).map_err(refused)?;
    let mut stream = decryptor.decrypt(identities.iter().map(AsRef::as_ref)).map_err(refused)?;
    // What is inside is shorter than what it is inside of.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    stream.read_to_end(&mut text).map_err(|_| cut())?;
    Ok(text)
}

fn recipient(text: &str) -> Result<Box<dyn Recipient>> {
    match text.trim().parse::<x25519::Recipient>() {
        Ok(recipient) => Ok(Box::new(recipient)),
        // Not repeated: somebody may have pasted the identity instead.
        Err(_) => Err(Error::new(ErrorKind::InvalidArgument, "export", "the recipient is none of age's")
            .with_hint("it begins with age1; `age-keygen` prints it as the public key")),
    }
}

fn secret(passphrase: &Passphrase) -> Result<SecretString> {
    // EXPOSE: the passphrase is what the file is encrypted with; age wipes its copy.
    let text = passphrase.expose();
    if text.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "export", "the passphrase is empty"));
    }
    Ok(SecretString::from(text.to_owned()))
}

/// Translates age's error: who lacks the identity, and whose file is damaged, need different things.
fn refused(error: DecryptError) -> Error {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed | DecryptError::DecryptionFailed => {
            Error::new(ErrorKind::StoreKeyWrong, "import", "this identity or passphrase does not open the file")
                .with_hint(
                    "use the identity that belongs to the recipient, or the passphrase, that the file was made for",
                )
        }
        DecryptError::ExcessiveWork { .. } => {
            Error::new(ErrorKind::InvalidArgument, "import", "the file asks for more work than is sensible")
        }
        DecryptError::UnknownFormat | DecryptError::InvalidHeader => {
            Error::new(ErrorKind::InvalidArgument, "import", "the file is not one that age encrypted")
                .with_hint("an armored file is made binary with `age --decrypt` and `age --encrypt`")
        }
        _ => cut(),
    }
}

fn cut() -> Error {
    damaged("the file is damaged or not whole")
}

fn damaged(message: &str) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "import", message)
        .with_hint("copy it again from where it was made, or export again; nothing was imported")
}

fn unwritten(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "export", "the file cannot be encrypted").with_cause(error.kind())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::fixtures::{NOW, app, grant_facts, grant_key};

    fn grant(number: u128) -> Grant {
        Grant {
            key: grant_key(number),
            generation: 4,
            refresh_token: RefreshToken::new("not-a-real-\"quoted\"-token"),
            facts: grant_facts(),
        }
    }

    fn packed(identity: &x25519::Identity) -> Vec<u8> {
        let sealing = Sealing::Recipients(vec![identity.to_public().to_string()]);
        let mut packing = Packing::begin(&sealing, &app(), NOW).unwrap();
        for number in [1, 2] {
            packing.add(&Grant { refresh_token: RefreshToken::new("not-a-real-token"), ..grant(number) }).unwrap();
        }
        let (bytes, grants) = packing.finish().unwrap();
        assert_eq!(grants, 2);
        bytes
    }

    fn opening(identity: &x25519::Identity) -> Opening {
        use age::secrecy::ExposeSecret as _;
        // EXPOSE: a test's own identity.
        Opening::Identities(Zeroizing::new(format!("# made by a test\n{}\n", identity.to_string().expose_secret())))
    }

    #[test]
    fn grants_come_back_as_they_were() {
        let identity = x25519::Identity::generate();
        let grants = open(&packed(&identity), &opening(&identity), &app()).unwrap();
        assert_eq!(grants.len(), 2);
        // EXPOSE: compared with what was put in.
        assert_eq!(grants[1].refresh_token.expose(), "not-a-real-token");
        assert_eq!((&grants[1].key, grants[1].generation, &grants[1].facts), (&grant_key(2), 4, &grant_facts()));
    }

    #[test]
    fn another_identity_another_app_and_a_cut_file_have_answers_of_their_own() {
        let identity = x25519::Identity::generate();
        let bytes = packed(&identity);
        let kind = |bytes: &[u8], opening: &Opening, app: &AppKey| open(bytes, opening, app).unwrap_err().kind();
        assert_eq!(kind(&bytes, &opening(&x25519::Identity::generate()), &app()), ErrorKind::StoreKeyWrong);
        let other = AppKey { authority: "china".to_owned(), ..app() };
        assert_eq!(kind(&bytes, &opening(&identity), &other), ErrorKind::InvalidArgument);
        let spoilt = Opening::Identities(Zeroizing::new("not-an-identity".to_owned()));
        assert_eq!(kind(&bytes, &spoilt, &app()), ErrorKind::InvalidArgument);
        for length in (0..bytes.len()).step_by(7) {
            let refused = kind(&bytes[..length], &opening(&identity), &app());
            assert!(matches!(refused, ErrorKind::StoreCorrupt | ErrorKind::InvalidArgument), "{length}: {refused:?}");
        }
        for position in (0..bytes.len()).step_by(11) {
            let mut bent = bytes.clone();
            bent[position] ^= 1;
            assert!(open(&bent, &opening(&identity), &app()).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_file_that_does_not_have_what_it_counts_is_refused() {
        let identity = x25519::Identity::generate();
        let sealing = Sealing::Recipients(vec![identity.to_public().to_string()]);
        let mut packing = Packing::begin(&sealing, &app(), NOW).unwrap();
        packing.grants = 1;
        let (bytes, _) = packing.finish().unwrap();
        assert_eq!(open(&bytes, &opening(&identity), &app()).unwrap_err().kind(), ErrorKind::StoreCorrupt);
    }

    #[test]
    fn what_is_no_recipient_is_refused_and_not_repeated() {
        for bad in ["", "hunter2", "AGE-SECRET-KEY-1NOTONE", "ssh-ed25519 AAAA"] {
            let refused = Packing::begin(&Sealing::Recipients(vec![bad.to_owned()]), &app(), NOW).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
            assert!(bad.is_empty() || !refused.to_json().contains(bad));
        }
        let nobody = Packing::begin(&Sealing::Recipients(Vec::new()), &app(), NOW).err().unwrap();
        assert_eq!(nobody.kind(), ErrorKind::InvalidArgument);
    }
}
