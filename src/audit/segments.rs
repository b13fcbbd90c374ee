//! The files of a record: the current one, and those that were full, each named by the number of its first line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::store::private_file;

pub(super) const CURRENT: &str = "record.jsonl";
pub(super) const HEAD: &str = "head";
pub(super) const LOCK: &str = "lock";
pub(super) const KEY: &str = "key";

/// The name of a full file whose first line has number `first`.
pub(super) fn full(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("record.{first:012}.jsonl"))
}

/// The files in order, the current one last.
pub(super) fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(|error| private_file::failure(error, folder))?,
    };
    let mut files: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| first_line(path).is_some()).collect();
    files.sort();
    let current = folder.join(CURRENT);
    if private_file::check(&current)? {
        files.push(current);
    }
    Ok(files)
}

fn first_line(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("record.")?.strip_suffix(".jsonl")?.parse().ok()
}
