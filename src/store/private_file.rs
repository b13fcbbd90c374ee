//! Files that only their owner may read: made so, and refused where they are not.
//!
//! On Windows the folder's access list decides, and files inherit it; there is no mode to check.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::seal;

/// Who may be able to read a file besides the superuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// This account, which owns it.
    Owner,
    /// This account through an access list, where the service manager owns it.
    OwnerOrService,
}

/// More than any file that is read here has.
const LONGEST: u64 = 1024 * 1024;

/// Makes the folder (mode 0700, and every missing one above it) or checks that nobody else can put files into it; gives its real path.
pub(crate) fn folder(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|error| failure(error, path))?;
        if let Some(above) = path.parent() {
            sync_folder(above)?;
        }
    }
    let real = path.canonicalize().map_err(|error| failure(error, path))?;
    check_folder(&real)?;
    Ok(real)
}

/// Whether there is such a file, after having checked that it is plain and private. Opens nothing.
pub(crate) fn check(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(facts) => check_facts(&facts, path, Readers::Owner).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failure(error, path)),
    }
}

/// Makes an empty private file unless there is one.
///
/// By mknod and not by open: closing any descriptor of a database file drops the locks that this process's SQLite holds on it
/// (<https://www.sqlite.org/howtocorrupt.html> section 2.2), and another thread may have just opened the file.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn make_empty(path: &Path) -> Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    match mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => sync_folder_of(path),
        Err(errno) => Err(failure(errno.into(), path)),
    }
}

/// Makes an empty private file unless there is one. Only the superuser may mknod here, so the first moment of a new store is not covered
/// against a second thread of this process that opens it, too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn make_empty(path: &Path) -> Result<()> {
    match open_new(path) {
        Ok(_) => sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failure(error, path)),
    }
}

/// Writes a new private file durably: all of it or none, whatever happens. One that is there already is never replaced: `InvalidArgument`.
pub fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    folder(parent(path))?;
    put(path, bytes, rename_new).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::InvalidArgument, "store", "there is a file of that name already")
                .with_hint("name another file, or use the one that is there")
                .with_context("path", path.display())
        }
        _ => failure(error, path),
    })?;
    sync_folder_of(path)
}

/// Puts `bytes` at `path`, replacing what is there: the old or the new, never half, whatever happens. Durable when it returns.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, bytes, |unfinished, path| fs::rename(unfinished, path)).map_err(|error| failure(error, path))?;
    sync_folder_of(path)
}

/// The file beside `path` that is named after it, with `ending`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// A name that nothing has yet, beside `path`, for what is to become it.
pub(crate) fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    seal::random(&mut random).map_err(io::Error::other)?;
    Ok(beside(path, &format!(".{:016x}{UNFINISHED}", u64::from_be_bytes(random))))
}

/// What the names of files end with that [`create`] or [`replace`] has not finished.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// Whether the writer of an unfinished file is gone.
pub(crate) fn is_abandoned(path: &Path) -> bool {
    open_existing(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// The content of a private file, or none where there is no file.
pub(crate) fn read(path: &Path, readers: Readers) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match open_existing(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(error, path)),
    };
    let facts = file.metadata().map_err(|error| failure(error, path))?;
    check_facts(&facts, path, readers)?;
    // One allocation of the right size: a growing buffer would leave copies behind.
    let length = usize::try_from(facts.len().min(LONGEST)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    (&file).take(LONGEST).read_to_end(&mut bytes).map_err(|error| failure(error, path))?;
    Ok(Some(bytes))
}

/// Makes the entries of a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| failure(error, path))
}

/// Windows has no such call; NTFS journals names itself.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// Opens or makes a private file whose content does not matter, for a lock on it.
pub(crate) fn open_for_lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(path).map_err(|error| failure(error, path))?;
    let facts = file.metadata().map_err(|error| failure(error, path))?;
    // Whoever can open it can hold the lock, too.
    check_facts(&facts, path, Readers::Owner)?;
    Ok(file)
}

/// Opens or makes a private file that is read and appended to.
pub(crate) fn open_for_append(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    private(&mut options);
    let file = options.open(path).map_err(|error| failure(error, path))?;
    let facts = file.metadata().map_err(|error| failure(error, path))?;
    check_facts(&facts, path, Readers::Owner)?;
    Ok(file)
}

/// Translates an error of the file system.
pub(crate) fn failure(error: io::Error, path: &Path) -> Error {
    use io::ErrorKind as Io;
    let (kind, message) = match error.kind() {
        Io::NotFound => (ErrorKind::StoreUnavailable, "a file of the store is not there"),
        Io::PermissionDenied => (ErrorKind::StoreForbidden, "this account may not use a file of the store"),
        Io::ReadOnlyFilesystem => (ErrorKind::StoreUnwritable, "the store lies on a read-only file system"),
        Io::StorageFull | Io::QuotaExceeded => (ErrorKind::StoreUnwritable, "there is no space left for the store"),
        _ if is_link_refusal(&error) => (ErrorKind::StoreInsecure, "a file of the store is a link"),
        _ => (ErrorKind::StoreUnavailable, "a file of the store cannot be used"),
    };
    Error::new(kind, "store", message).with_context("path", path.display()).with_cause(error)
}

/// Writes an unfinished file beside `path`, and has it named once it is whole and on the disk.
fn put(path: &Path, bytes: &[u8], name: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    sweep(path);
    let unfinished = unfinished(path)?;
    let write = || -> io::Result<()> {
        let mut file = open_new(&unfinished)?;
        // Held until the file has its name: `is_abandoned` tells by this lock whether the writer lives. A file system without locks only
        // loses the sweeping.
        let _ = file.try_lock();
        file.write_all(bytes)?;
        file.sync_all()?;
        name(&unfinished, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    })
}

/// Removes what writers of `path` left unfinished that are gone: it may hold a secret, and nobody would look for it.
fn sweep(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
    let Ok(listed) = fs::read_dir(parent(path)) else { return };
    for file in listed.flatten().map(|file| file.path()) {
        let rest = file.file_name().and_then(|file| file.to_str()?.strip_prefix(name)?.strip_suffix(UNFINISHED));
        if rest.is_some_and(|rest| rest.len() == 17 && rest.starts_with('.')) && is_abandoned(&file) {
            let _ = fs::remove_file(&file);
        }
    }
}

/// Gives a file its name where nothing has it yet.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system or a kernel that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_new(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    link_new(from, to)
}

/// Likewise by a second name; a crash between the two steps leaves both, and that is refused when the file is read.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

fn sync_folder_of(path: &Path) -> Result<()> {
    sync_folder(parent(path))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    options.open(path)
}

fn open_existing(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    private(&mut options);
    options.open(path)
}

/// No link is followed, what is made has mode 0600, and a pipe in the file's place does not block.
#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

#[cfg(unix)]
fn is_link_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn is_link_refusal(_: &io::Error) -> bool {
    false
}

#[cfg(unix)]
fn check_facts(facts: &fs::Metadata, path: &Path, readers: Readers) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    let (owned, open_bits) = match readers {
        Readers::Owner => (facts.uid() == me, 0o077),
        Readers::OwnerOrService => (facts.uid() == me || facts.uid() == 0, 0o037),
    };
    let fault = if facts.file_type().is_symlink() {
        "a file of the store is a link"
    } else if !facts.is_file() {
        "a file of the store is not a plain file"
    } else if !owned {
        "a file of the store belongs to another account"
    } else if facts.mode() & open_bits != 0 {
        "a file of the store can be read by other accounts"
    } else if facts.nlink() > 1 {
        "a file of the store has a second name"
    } else {
        return Ok(());
    };
    Err(insecure(fault, path))
}

#[cfg(not(unix))]
fn check_facts(facts: &fs::Metadata, path: &Path, _: Readers) -> Result<()> {
    if facts.is_file() { Ok(()) } else { Err(insecure("a file of the store is not a plain file", path)) }
}

#[cfg(unix)]
fn check_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let facts = fs::symlink_metadata(path).map_err(|error| failure(error, path))?;
    let me = rustix::process::geteuid().as_raw();
    let fault = if !facts.is_dir() {
        "the store's folder is not a folder"
    } else if facts.uid() != me && facts.uid() != 0 {
        "the store's folder belongs to another account"
    } else if facts.mode() & 0o022 != 0 {
        // Sticky or not: whoever can add files can put one where SQLite expects its own.
        "other accounts can put files into the store's folder"
    } else {
        return Ok(());
    };
    Err(insecure(fault, path))
}

#[cfg(not(unix))]
fn check_folder(path: &Path) -> Result<()> {
    if path.is_dir() { Ok(()) } else { Err(insecure("the store's folder is not a folder", path)) }
}

fn insecure(fault: &str, path: &Path) -> Error {
    Error::new(ErrorKind::StoreInsecure, "store", fault).with_context("path", path.display())
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private_and_what_is_not_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let made = folder(&root.path().join("a/b")).unwrap();
        assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
        let path = made.join("file");
        assert!(!check(&path).unwrap());
        make_empty(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(check(&path).unwrap());
        for bad in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bad)).unwrap();
            assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::StoreInsecure, "{bad:o}");
        }
        for bad in [0o770, 0o707, 0o1777] {
            fs::set_permissions(&made, fs::Permissions::from_mode(bad)).unwrap();
            assert_eq!(folder(&made).unwrap_err().kind(), ErrorKind::StoreInsecure, "{bad:o}");
        }
    }

    #[test]
    fn links_pipes_and_second_names_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        create(&path, b"x").unwrap();
        symlink(&path, root.path().join("link")).unwrap();
        for refused in [check(&root.path().join("link")).err(), read(&root.path().join("link"), Readers::Owner).err()] {
            assert_eq!(refused.unwrap().kind(), ErrorKind::StoreInsecure);
        }
        assert_eq!(open_for_lock(&root.path().join("link")).unwrap_err().kind(), ErrorKind::StoreInsecure);
        let lock = root.path().join("lock");
        open_for_lock(&lock).unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open_for_lock(&lock).unwrap_err().kind(), ErrorKind::StoreInsecure);
        fs::hard_link(&path, root.path().join("hard")).unwrap();
        assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::StoreInsecure);
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert_eq!(read(&pipe, Readers::Owner).unwrap_err().kind(), ErrorKind::StoreInsecure);
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        create(&path, b"x").unwrap();
        if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
            return; // Only the superuser can give a file away.
        }
        assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::StoreInsecure);
        assert_eq!(read(&path, Readers::OwnerOrService).unwrap_err().kind(), ErrorKind::StoreInsecure);
    }

    #[test]
    fn replacing_leaves_nothing_beside() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(read(&path, Readers::Owner).unwrap().unwrap().as_slice(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_made_anew_is_whole_and_never_in_anothers_place() {
        let root = tempfile::tempdir().unwrap();
        for (name, way) in [("renamed", rename_new as fn(&Path, &Path) -> io::Result<()>), ("linked", link_new)] {
            let path = root.path().join(name);
            put(&path, b"first", way).unwrap();
            assert_eq!(put(&path, b"second", way).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(read(&path, Readers::Owner).unwrap().unwrap().as_slice(), b"first");
        }
        assert_eq!(create(&root.path().join("renamed"), b"second").unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_rest_of_a_dead_writer_is_swept_by_the_next_and_nothing_else_is() {
        let root = tempfile::tempdir().unwrap();
        let others =
            ["key.unfinished", "key.0123.unfinished", "keys.0123456789abcdef.unfinished", "key.0123456789abcdef"];
        for name in others.into_iter().chain(["key.0123456789abcdef.unfinished"]) {
            open_new(&root.path().join(name)).unwrap();
        }
        let living = root.path().join("key.fedcba9876543210.unfinished");
        let file = open_new(&living).unwrap();
        file.try_lock().unwrap();
        create(&root.path().join("key"), b"x").unwrap();
        assert!(!root.path().join("key.0123456789abcdef.unfinished").exists());
        assert!(living.exists());
        assert!(others.iter().all(|name| root.path().join(name).exists()));
    }

    #[test]
    fn only_the_files_of_the_dead_are_abandoned() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file.unfinished");
        let file = open_new(&path).unwrap();
        file.try_lock().unwrap();
        assert!(!is_abandoned(&path));
        drop(file);
        assert!(is_abandoned(&path));
    }
}
