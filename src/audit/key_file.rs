//! The record's key as it lies in the record's folder, sealed by the store's: whoever has the folder alone can neither make lines nor check them.

use std::fs;
use std::path::Path;

use super::record::{Held, unwritable};
use super::segments;
use crate::error::{Error, ErrorKind, Result};
use crate::store::private_file;

/// The sealed key; none where no record was begun.
///
/// Errors: `AuditTampered` where there is a record without its key.
pub(crate) fn read(folder: &Path) -> Result<Option<Vec<u8>>> {
    let path = folder.join(segments::KEY);
    if private_file::check(&path)? {
        return fs::read(&path).map(Some).map_err(|error| private_file::failure(error, &path));
    }
    if segments::all(folder)?.is_empty() {
        return Ok(None);
    }
    // A new key would begin a new record, and hide the old one.
    Err(Error::new(ErrorKind::AuditTampered, "audit", "the audit record is there and its key is gone")
        .with_hint("bring the file `key` back from a backup; to begin a new record put the folder aside and keep it")
        .with_context("path", folder.display()))
}

/// What is said of a sealed key that does not open.
pub(crate) fn damaged(folder: &Path) -> Error {
    Error::new(ErrorKind::AuditTampered, "audit", "the key of the audit record is damaged, or another record's")
        .with_hint("bring the file `key` back from a backup; to begin a new record put the folder aside and keep it")
        .with_context("path", folder.join(segments::KEY).display())
}

/// Puts the key as it is sealed now in the place of the one that was sealed before.
pub(crate) fn replace(folder: &Path, sealed: &[u8]) -> Result<()> {
    private_file::replace(&folder.join(segments::KEY), sealed).map_err(|error| unwritable(error, folder))
}

/// Keeps `sealed` as the key, unless another process was quicker: then theirs is given back.
///
/// Errors: `AuditUnwritable`, `AuditTampered`.
pub(crate) fn keep(folder: &Path, sealed: Vec<u8>) -> Result<Vec<u8>> {
    let keep = || {
        let folder = private_file::folder(folder)?;
        let lock = private_file::open_for_lock(&folder.join(segments::LOCK))?;
        let _held = Held::take(&lock, &folder)?;
        match read(&folder)? {
            Some(theirs) => Ok(theirs),
            None => private_file::create(&folder.join(segments::KEY), &sealed).map(|()| sealed),
        }
    };
    keep().map_err(|error| unwritable(error, folder))
}
