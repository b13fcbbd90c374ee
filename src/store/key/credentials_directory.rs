//! A key that the service manager hands to the service
//! (<https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Credentials>).

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{StoreKey, file};
use crate::store::private_file::Readers;

/// The credential's name where none is configured.
pub const DEFAULT_NAME: &str = "partnersam-key";

/// Whether `name` names a file in the folder and nothing outside it.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

pub(super) fn read(name: &str) -> Result<Vec<StoreKey>> {
    match std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        Some(folder) => read_in(&folder, name),
        None => Err(Error::new(ErrorKind::StoreKeyMissing, "store", "CREDENTIALS_DIRECTORY is not set")
            .with_hint(format!("start the service with LoadCredentialEncrypted={name}:PATH or LoadCredential={name}:PATH, or use a key file"))),
    }
}

/// The service manager may own the file, and lets the service in through an access list whose mask shows as group bits.
fn read_in(folder: &Path, name: &str) -> Result<Vec<StoreKey>> {
    if !is_name(name) {
        return Err(Error::new(ErrorKind::ConfigInvalid, "store", "not a credential's name").with_context("key", "key"));
    }
    file::read_for(&folder.join(name), Readers::OwnerOrService)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_credential_may_have_a_mask_but_not_be_open_to_all() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEFAULT_NAME);
        assert_eq!(read_in(folder.path(), DEFAULT_NAME).unwrap_err().kind(), ErrorKind::StoreKeyMissing);
        file::create_key_file(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert!(read_in(folder.path(), DEFAULT_NAME).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(read_in(folder.path(), DEFAULT_NAME).unwrap_err().kind(), ErrorKind::StoreInsecure);
    }

    #[test]
    fn names_stay_in_the_folder() {
        for bad in ["", ".", "..", "../key", "a/b", "/etc/passwd", ".hidden"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_name("store-key_1.txt"));
    }
}
