//! Takes a token out of a file that another tool wrote: the whole file where it held nothing else, else the value alone.
//!
//! What is overwritten may live on where the disk or the file system keeps old blocks (SSDs, copy on write, snapshots) and in backups; only the end of the
//! token at the service is certain.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use crate::moving_in::LARGEST;
use crate::store::private_file::{UNFINISHED, is_abandoned, unfinished};

/// What a file holds; one byte more than the most where it is larger.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Overwrites and removes the file, if it still holds `expected` or was overwritten before. The name of a link to it goes, too.
pub(super) fn remove(path: &Path, expected: &[u8]) -> io::Result<()> {
    let real = path.canonicalize()?;
    let mut file = open_to_change(&real)?;
    let found = content(&mut file)?;
    let is_overwritten = found.iter().all(|byte| *byte == 0);
    if !is_overwritten {
        unchanged(&found, expected)?;
        overwrite(&mut file, std::slice::from_ref(&(0..expected.len())))?;
    }
    fs::remove_file(&real)?;
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    sync_folder_of(&real)
}

/// Puts `blanked` in place of `expected`: the old or the new, never half; same owner, same mode. The token's bytes in the old file, `cut`, are overwritten after
/// that, and what an earlier attempt left unfinished is removed.
pub(super) fn blank(path: &Path, expected: &[u8], blanked: &[u8], cut: &[Range<usize>]) -> io::Result<()> {
    let real = path.canonicalize()?;
    let mut old = open_to_change(&real)?;
    unchanged(&content(&mut old)?, expected)?;
    let facts = old.metadata()?;
    if names_of(&facts) > 1 {
        return Err(io::Error::other("the file has several names (hard links), and the others would keep the value"));
    }
    sweep(&real)?;
    let unfinished = unfinished(&real)?;
    let written = write_like(&unfinished, blanked, &facts).and_then(|file| {
        fs::rename(&unfinished, &real)?;
        Ok(file)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_folder_of(&real)?;
    // Nobody reaches these blocks by a name any more; a disk's next reader should find nothing in them.
    overwrite(&mut old, cut)
}

fn open_to_change(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    Ok(file)
}

fn content(file: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What another tool has written meanwhile is not ours to remove.
fn unchanged(found: &[u8], expected: &[u8]) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other("the file was changed since it was read, so it was left as it is"))
}

fn overwrite(file: &mut File, ranges: &[Range<usize>]) -> io::Result<()> {
    for range in ranges {
        file.seek(SeekFrom::Start(range.start as u64))?;
        file.write_all(&vec![0; range.len()])?;
    }
    file.sync_all()
}

fn write_like(path: &Path, bytes: &[u8], facts: &Metadata) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // Held until the file has its name: so `sweep` tells whether its writer lives.
    let _ = file.try_lock();
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (facts.uid(), facts.gid()) {
            std::os::unix::fs::fchown(&file, Some(facts.uid()), Some(facts.gid()))?;
        }
    }
    file.set_permissions(facts.permissions())?;
    file.sync_all()?;
    Ok(file)
}

/// Removes what a killed attempt left beside the file: it holds the other fields.
pub(super) fn sweep(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    for entry in fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        let entry = entry?.path();
        let is_ours = entry.file_name().and_then(|name| name.to_str()).is_some_and(|found| {
            let middle = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(UNFINISHED));
            middle.is_some_and(|random| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
        });
        if is_ours && is_abandoned(&entry) {
            fs::remove_file(&entry)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn names_of(facts: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(facts)
}

#[cfg(not(unix))]
fn names_of(_: &Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::PathBuf;

    use super::*;

    const OLD: &[u8] = b"A=1\nREFRESH_TOKEN=not-a-real-token\nB=2\n";
    const NEW: &[u8] = b"A=1\nREFRESH_TOKEN=\nB=2\n";
    const CUT: Range<usize> = 18..34;

    fn file(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join(".env");
        fs::write(&path, OLD).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        path
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_value_goes_and_the_rest_stays_with_its_mode_and_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        // Only the superuser can give a file away.
        let _ = std::os::unix::fs::chown(&path, Some(12345), Some(12345));
        let before = fs::metadata(&path).unwrap();
        let mut held = File::open(&path).unwrap();
        blank(&path, OLD, NEW, std::slice::from_ref(&CUT)).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), NEW);
        assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
        assert_eq!(names(&folder), [".env"]);
        // The blocks that lost their name do not have it either.
        assert!(!content(&mut held).unwrap().windows(10).any(|window| window == b"not-a-real"));
    }

    #[test]
    fn what_was_changed_meanwhile_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        for error in [blank(&path, NEW, OLD, std::slice::from_ref(&CUT)), remove(&path, NEW)].map(Result::unwrap_err) {
            assert!(error.to_string().contains("changed"), "{error}");
        }
        assert_eq!((fs::read(&path).unwrap(), names(&folder).len()), (OLD.to_vec(), 1));
    }

    #[test]
    fn a_second_name_would_keep_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        assert!(blank(&path, OLD, NEW, std::slice::from_ref(&CUT)).unwrap_err().to_string().contains("hard links"));
        assert_eq!(fs::read(&path).unwrap(), OLD);
        // A whole file is overwritten first, under all its names.
        remove(&path, OLD).unwrap();
        assert!(fs::read(folder.path().join("other")).unwrap().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_link_goes_with_its_file_and_stays_with_a_blanked_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (file(&folder), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        blank(&link, OLD, NEW, std::slice::from_ref(&CUT)).unwrap();
        assert!(link.is_symlink() && fs::read(&path).unwrap() == NEW);
        remove(&link, NEW).unwrap();
        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn what_a_kill_left_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let (left, foreign) = (".env.0123456789abcdef.unfinished", ".env.mine.unfinished");
        fs::write(folder.path().join(left), NEW).unwrap();
        fs::write(folder.path().join(foreign), NEW).unwrap();
        blank(&path, OLD, NEW, std::slice::from_ref(&CUT)).unwrap();
        assert_eq!(names(&folder), [".env", foreign]);
        fs::write(&path, vec![0; OLD.len()]).unwrap();
        remove(&path, OLD).unwrap();
        assert_eq!(names(&folder), [foreign]);
    }
}
