//! The files that the emulator writes beside its ready file, and removes at the end.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Options, ready};

/// Every file of one emulator; all go when it stops, also when it is only dropped.
#[derive(Debug)]
pub(crate) struct Files {
    /// What the names of the files begin with.
    base: PathBuf,
    placed: Mutex<Placed>,
}

#[derive(Debug, Default)]
struct Placed {
    remove: Vec<PathBuf>,
    folder: Option<PathBuf>,
    /// Nothing may be written after the end.
    cleared: bool,
}

impl Files {
    /// Beside the ready file, or else beside the authority's certificate, or else in a temporary folder of its own.
    pub(crate) fn beside(options: &Options) -> Result<Self, Error> {
        let mut placed = Placed::default();
        let base = match (&options.ready_file, &options.ca_file) {
            (Some(path), _) | (None, Some(path)) => path.clone(),
            (None, None) => {
                let folder =
                    std::env::temp_dir().join(format!("partnersam-emulator-{}", uuid::Uuid::new_v4().simple()));
                std::fs::create_dir(&folder).map_err(|source| Error::File { path: folder.clone(), source })?;
                placed.folder = Some(folder.clone());
                folder.join("emulator")
            }
        };
        // Clients in other folders need it whole, whatever the working directory of this process is.
        let base = std::path::absolute(&base).unwrap_or(base);
        Ok(Self { base, placed: Mutex::new(placed) })
    }

    /// Writes one (mode 0600) with the ready file's name and another ending, as `ready.ca.pem`.
    pub(crate) fn write(&self, ending: &str, content: &[u8]) -> Result<PathBuf, Error> {
        self.write_at(&self.base.with_extension(ending), content)
    }

    /// The same at a place that somebody else chose.
    pub(crate) fn write_at(&self, path: &Path, content: &[u8]) -> Result<PathBuf, Error> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut placed = self.lock();
        let written = if placed.cleared {
            Err(io::Error::other("the emulator has stopped"))
        } else {
            ready::write_file(&path, content)
        };
        written.map_err(|source| Error::File { path: path.clone(), source })?;
        if !placed.remove.contains(&path) {
            placed.remove.push(path.clone());
        }
        Ok(path)
    }

    /// Removes all of them.
    pub(crate) fn clear(&self) {
        let mut placed = self.lock();
        placed.cleared = true;
        for path in placed.remove.drain(..) {
            // It may be gone already, and nobody is left to tell.
            drop(std::fs::remove_file(path));
        }
        if let Some(folder) = placed.folder.take() {
            drop(std::fs::remove_dir(folder));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Placed> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.clear();
    }
}
