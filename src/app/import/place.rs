//! The place that a token is moved in from: read, understood, and in the end without it.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::settings_file;
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::moving_in::{self, Found, Holder, Source};

/// Where a token stands, with what it takes to remove it there.
#[derive(Debug)]
pub(super) enum Place {
    File {
        path: PathBuf,
        bytes: Bytes,
    },
    /// In the caller's memory: nothing to remove.
    Given,
    #[cfg(feature = "keyring")]
    Keyring {
        service: String,
        user: String,
    },
    #[cfg(feature = "keyvault")]
    Vault(Box<super::vault_source::VaultPlace>),
}

/// What was read. Not shown.
pub(super) struct Bytes(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A source, read: what it is, and where the token itself stands.
#[derive(Debug)]
pub(super) struct Located {
    /// What the source turned out to be.
    pub(super) found: Found,
    /// Where its fields stand, for people.
    pub(super) source: String,
    /// Where the token stands; none where the source is gone.
    pub(super) place: Option<Place>,
    /// Where that is, for people.
    pub(super) at: String,
}

/// Reads a source that is a file, an entry of the keyring or in memory.
pub(super) async fn read(source: &Source) -> Result<Located> {
    // The whole path: evidence and advice are read elsewhere.
    let shown = match source {
        Source::File(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        other => other.to_string(),
    };
    let (place, bytes, name) = match source {
        Source::Given(bytes) => (Some(Place::Given), bytes.clone(), None),
        // Not repeated, for it may be a token in a place's place.
        Source::File(path) if path.file_name().is_some_and(|name| name.len() > 255) => {
            return Err(Error::new(ErrorKind::InvalidArgument, "import", "no file has a name as long as that")
                .with_hint("name the file that holds the token; a token must not stand on the command line"));
        }
        Source::File(path) => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            match file(path.clone()).await? {
                Some(bytes) => {
                    let place = Place::File { path: path.clone(), bytes: Bytes(bytes.clone()) };
                    (Some(place), bytes, name)
                }
                None => (None, Zeroizing::default(), None),
            }
        }
        Source::Keyring { service, user } => keyring_entry(service, user).await?,
        Source::Vault { .. } => return Err(Error::new(ErrorKind::Internal, "import", "a vault is read elsewhere")),
    };
    let found = moving_in::recognise(&bytes, name.as_deref()).map_err(|error| error.with_context("source", &shown))?;
    let at = match &found.holder {
        Holder::Here { field: Some(field), .. } | Holder::Nowhere { field: Some(field) } => {
            format!("{shown}, field {field}")
        }
        _ => shown.clone(),
    };
    Ok(Located { found, source: shown, place, at })
}

/// None where there is no such file.
async fn file(path: PathBuf) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let named = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || settings_file::read(&path)).await;
    match read.unwrap_or_else(|_| Err(std::io::Error::other("the reading ended before its time"))) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Error::new(ErrorKind::InvalidArgument, "import", "the file with the refresh token cannot be read")
                .with_context("file", named)
                .with_cause(error.kind()))
        }
    }
}

type Read = (Option<Place>, Zeroizing<Vec<u8>>, Option<String>);

#[cfg(feature = "keyring")]
async fn keyring_entry(service: &str, user: &str) -> Result<Read> {
    use crate::store::key::{KeySource, keyring};
    // Beside ours stands nobody's refresh token; to send a store's key to a service, or to remove it, would be the end of the store.
    if matches!(KeySource::default(), KeySource::Keyring { service: ours, .. } if ours == service) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "import",
            "this entry of the keyring is the key of a store",
        )
        .with_hint("name the entry that the other tool made"));
    }
    let (service, user) = (service.to_owned(), user.to_owned());
    let place = Place::Keyring { service: service.clone(), user: user.clone() };
    let read = tokio::task::spawn_blocking(move || keyring::foreign_entry(&service, &user)).await;
    let ended = |_| Err(Error::new(ErrorKind::Internal, "import", "the keyring's answer ended before its time"));
    Ok(match read.unwrap_or_else(ended)? {
        Some(bytes) => (Some(place), bytes, None),
        None => (None, Zeroizing::default(), None),
    })
}

#[cfg(not(feature = "keyring"))]
async fn keyring_entry(_: &str, _: &str) -> Result<Read> {
    Err(Error::new(ErrorKind::NotSupported, "import", "this build has no keyring"))
}

impl Place {
    /// Takes the token out, and says what became of it.
    pub(super) async fn purge(self, found: &Found) -> Result<&'static str> {
        match self {
            Self::Given => {
                Err(Error::new(ErrorKind::InvalidArgument, "import", "what was given is nowhere to be removed from"))
            }
            Self::File { path, bytes: Bytes(bytes) } => {
                let (is_whole, blanked, cut) = (found.is_alone(), found.blanked(&bytes), found.cut().to_vec());
                let named = path.display().to_string();
                let work = move || {
                    if is_whole {
                        settings_file::remove(&path, &bytes).map(|()| "overwritten and removed")
                    } else if cut.is_empty() {
                        settings_file::sweep(&path).map(|()| "was empty already")
                    } else {
                        settings_file::blank(&path, &bytes, &blanked, &cut).map(|()| "blanked")
                    }
                };
                let done = tokio::task::spawn_blocking(work).await;
                done.unwrap_or_else(|_| Err(std::io::Error::other("it ended before its time"))).map_err(|error| {
                    Error::new(ErrorKind::StoreUnwritable, "import", error.to_string()).with_context("file", named)
                })
            }
            #[cfg(feature = "keyring")]
            Self::Keyring { .. } if !found.is_alone() => {
                Err(Error::new(ErrorKind::NotSupported, "import", "the keyring's entry holds other fields, too"))
            }
            #[cfg(feature = "keyring")]
            Self::Keyring { service, user } => {
                use crate::store::key::keyring;
                let done = tokio::task::spawn_blocking(move || keyring::remove_foreign_entry(&service, &user)).await;
                let ended =
                    |_| Err(Error::new(ErrorKind::Internal, "import", "the keyring's answer ended before its time"));
                done.unwrap_or_else(ended).map(|()| "deleted")
            }
            #[cfg(feature = "keyvault")]
            Self::Vault(vault) => vault.purge().await,
        }
    }
}

impl App {
    /// Refuses a form that names another partner than the one that it is imported for.
    pub(super) async fn check_partner(&self, found: &Found, partner: &TenantRef, tenant: TenantId) -> Result<()> {
        for named in &found.tenants {
            if &named.value == partner {
                continue;
            }
            let theirs = self.tenant(&named.value).await.map_err(|error| error.with_context("field", &named.field))?;
            if theirs != tenant {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "import",
                    "the source is of another partner than the one that was named, so nothing was sent",
                )
                .with_hint("name the partner that the source is of, or the source of the partner")
                .with_context("field", &named.field)
                .with_context("source_partner", &named.value));
            }
        }
        Ok(())
    }
}
