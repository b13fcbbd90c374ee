//! A key in a file: one line of text that only its owner can read.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::key::StoreKey;
use crate::store::private_file::{self, Readers};

/// Makes a key file at `path` with mode 0600, and its folder with mode 0700 where there is none. A file that is there already is never
/// replaced (`InvalidArgument`): it may be the only key to a store.
pub fn create_key_file(path: &Path) -> Result<()> {
    let key = StoreKey::generate()?;
    // EXPOSE: the key goes into the file that is to hold it.
    private_file::create(path, key.to_text().as_bytes())
}

/// The one key of a file that holds one.
pub(crate) fn read(path: &Path) -> Result<StoreKey> {
    read_all(path)?.pop().ok_or_else(no_key)
}

/// Every key of a file, the oldest first: two while the store's key is being changed.
pub(super) fn read_all(path: &Path) -> Result<Vec<StoreKey>> {
    read_for(path, Readers::Owner)
}

/// Replaces what is in the file: the old lines or the new ones, whatever happens.
pub(super) fn put(path: &Path, keys: &[&StoreKey]) -> Result<()> {
    private_file::replace(path, text_of(keys).as_bytes())
}

/// Makes a file of these keys, where there is none.
pub(super) fn make(path: &Path, keys: &[&StoreKey]) -> Result<()> {
    private_file::create(path, text_of(keys).as_bytes())
}

fn text_of(keys: &[&StoreKey]) -> Zeroizing<String> {
    // Exact: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * 64));
    for key in keys {
        text.push_str(&key.to_text());
    }
    text
}

pub(super) fn no_key() -> Error {
    Error::new(ErrorKind::StoreKeyMissing, "store", "the source holds no key")
}

pub(super) fn read_for(path: &Path, readers: Readers) -> Result<Vec<StoreKey>> {
    let Some(text) = private_file::read(path, readers)? else {
        return Err(Error::new(ErrorKind::StoreKeyMissing, "store", "there is no key file")
            .with_hint("`partnersam init --key-file PATH` makes one; to open an old store, bring back the file it was made with")
            .with_context("path", path.display()));
    };
    StoreKey::all_from_text(&text).ok_or_else(|| {
        Error::new(ErrorKind::StoreKeyWrong, "store", "the key file does not hold a key")
            .with_hint("a key file is one line, and two while the key is changed: partnersam-key-1: and 43 characters")
            .with_context("path", path.display())
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_file_reads_back_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("key");
        create_key_file(&path).unwrap();
        let key = read(&path).unwrap();
        assert_eq!(create_key_file(&path).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(read(&path).unwrap().expose(), key.expose());
    }

    #[test]
    fn absent_and_malformed_differ() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::StoreKeyMissing);
        private_file::create(&path, b"not-a-key\n").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreKeyWrong);
        assert!(!error.to_json().contains("not-a-key"), "{error:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_or_that_is_a_link_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_key_file(&path).unwrap();
        symlink(&path, folder.path().join("link")).unwrap();
        assert_eq!(read(&folder.path().join("link")).unwrap_err().kind(), ErrorKind::StoreInsecure);
        std::fs::hard_link(&path, folder.path().join("hard")).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::StoreInsecure);
        std::fs::remove_file(folder.path().join("hard")).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::StoreInsecure, "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
        assert_eq!(read(folder.path()).unwrap_err().kind(), ErrorKind::StoreInsecure);
    }
}
