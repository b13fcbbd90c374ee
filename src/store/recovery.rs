//! The recovery journal: refresh tokens that were redeemed but could not be written to their place, sealed in files beside the store.
//!
//! A token is kept as a file of its own, named at random and never changed, so that removing one that was applied never removes a newer one.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::WipedBytes;
use crate::store::private_file::{self, Readers, UNFINISHED, beside, failure};
use crate::store::seal::{self, Identity, Record, Sealer};
use crate::store::{Expect, GrantKey, StoreCondition};

const KEPT: &str = "sealed";
const SET_ASIDE: &str = "unreadable";
const IN_DOUBT: &str = "in-doubt";

/// How long a store remembers, in seconds, when a grant was removed: longer than any token waits unused.
#[cfg(any(feature = "postgres", test))]
pub(crate) const REMOVALS_KEPT: i64 = 400 * 86_400;

/// What is this near each other, in seconds, may have been the other way round: clocks differ by at most five minutes, or no id token is good.
const NEAR: i64 = 600;

/// The journal of one store.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
}

/// The first line of a file, in clear: what is needed to find the record and to open the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heading {
    pub(crate) key: GrantKey,
    pub(crate) user_oid: String,
    /// The generation of the record that the token was redeemed from; 0 where there was none.
    pub(crate) replaces: u64,
}

/// One kept token, still sealed.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
    written: SystemTime,
    pub(crate) heading: Heading,
    sealed: Vec<u8>,
}

impl Journal {
    /// The journal of the store at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { folder: beside(path, ".recovery") }
    }

    /// Whether there may be something in it: costs one look at the folder, which is only there while it is needed.
    pub(crate) fn is_in_use(&self) -> bool {
        fs::symlink_metadata(&self.folder).is_ok()
    }

    /// How a store is whose journal this is.
    pub(crate) fn condition(&self) -> StoreCondition {
        let Ok(facts) = fs::symlink_metadata(&self.folder) else { return StoreCondition::Ok };
        let since = facts.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default();
        let aside = |path: &PathBuf| [SET_ASIDE, IN_DOUBT].map(OsStr::new).map(Some).contains(&path.extension());
        let files = self.files().unwrap_or_default();
        let error = if !files.is_empty() && files.iter().all(aside) {
            Error::new(ErrorKind::StoreUnwritable, "store", "a grant's token was set aside in the recovery journal")
                .with_hint(
                    "let the partner consent again where its grant is missing or has ended; then delete the file",
                )
                .with_context("folder", self.folder.display())
        } else {
            Error::new(ErrorKind::StoreUnwritable, "store", "a rotated grant waits in the recovery journal")
                .with_hint("nothing is lost: the next write that works brings it to its place")
        };
        StoreCondition::Degraded { since: UnixTime(since), error }
    }

    /// Keeps `plain` ([`seal::join`]). Durable when it returns.
    pub(crate) fn put(&self, sealer: &Sealer, heading: &Heading, plain: &[u8]) -> Result<()> {
        let mut bytes = serde_json::to_vec(heading).map_err(|error| {
            Error::new(ErrorKind::Internal, "store", "a heading cannot be written").with_cause(error)
        })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&sealer.seal(&heading.identity(), plain)?);
        let mut random = [0; 16];
        seal::random(&mut random)?;
        let name = format!("{:032x}.{KEPT}", u128::from_be_bytes(random));
        // Twice, for whoever empties the folder removes it, too.
        for is_last in [false, true] {
            let kept = private_file::folder(&self.folder)
                .and_then(|folder| private_file::replace(&folder.join(&name), &bytes));
            match kept {
                Err(_) if !is_last && !self.is_in_use() => {}
                other => return other,
            }
        }
        Ok(())
    }

    /// Everything that is kept, what was written last first. What cannot be read as an entry is set aside.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for path in self.files()? {
            if path.extension() == Some(OsStr::new(KEPT)) {
                match read(&path)? {
                    Reading::Entry(entry) => entries.push(*entry),
                    Reading::Gone => {}
                    Reading::Malformed => self.set_aside(&path),
                }
            }
        }
        entries.sort_by_key(|entry| Reverse((entry.heading.replaces, entry.written)));
        Ok(entries)
    }

    /// Removes an entry that was applied or is stale.
    pub(crate) fn remove(&self, entry: &Entry) -> Result<()> {
        remove(&entry.path)?;
        match private_file::sync_folder(&self.folder) {
            // Whoever else saw the last entry go has removed the folder: then that is what must last.
            Err(_) if !self.is_in_use() => self.folder.parent().map_or(Ok(()), private_file::sync_folder),
            synced => synced,
        }
    }

    /// Seals every entry anew that is under the key before the store's. The new one is there before the old one goes; of two that are left by a kill the second
    /// turns out stale.
    pub(crate) fn reseal(&self, sealer: &Sealer) -> Result<()> {
        for entry in self.entries()? {
            if sealer.is_current(&entry.heading.identity(), &entry.sealed) {
                continue;
            }
            // What does not open is set aside by whoever applies it.
            if let Ok(plain) = entry.open(sealer) {
                self.put(sealer, &entry.heading, &plain)?;
                self.remove(&entry)?;
            }
        }
        Ok(())
    }

    /// Keeps an entry that does not open out of the way, for a person to look at.
    pub(crate) fn put_aside(&self, entry: &Entry) {
        self.set_aside(&entry.path);
    }

    /// Keeps a consent of which nobody can tell whether it came before its grant was removed. Whoever removes the grant anew removes it, too.
    #[cfg(any(feature = "postgres", test))]
    pub(crate) fn put_in_doubt(&self, entry: &Entry) {
        let kept = entry.path.with_extension(IN_DOUBT);
        tracing::warn!(
            partner = %entry.heading.key.tenant,
            path = %kept.display(),
            "a rescued consent may be older than its grant's removal and is set aside: where the partner's grant is missing, let the partner consent again; then delete the file"
        );
        let _ = fs::rename(&entry.path, kept);
    }

    /// Removes everything of one grant. False where there was nothing.
    pub(crate) fn remove_grant(&self, key: &GrantKey) -> Result<bool> {
        if !self.is_in_use() {
            return Ok(false);
        }
        let mut entries = self.entries()?;
        entries.extend(self.in_doubt()?);
        entries.retain(|entry| entry.heading.key == *key);
        for entry in &entries {
            self.remove(entry)?;
        }
        self.tidy();
        Ok(!entries.is_empty())
    }

    /// Removes what died with its writer, and the folder when it is empty.
    pub(crate) fn tidy(&self) {
        for path in self.files().unwrap_or_default() {
            let is_unfinished = path.to_str().is_some_and(|name| name.ends_with(UNFINISHED));
            if is_unfinished && private_file::is_abandoned(&path) {
                let _ = fs::remove_file(&path);
            }
        }
        // Fails while there is something in it, as it should.
        let _ = fs::remove_dir(&self.folder);
    }

    fn in_doubt(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for path in self.files()? {
            if path.extension() == Some(OsStr::new(IN_DOUBT))
                && let Reading::Entry(entry) = read(&path)?
            {
                entries.push(*entry);
            }
        }
        Ok(entries)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let listed = match fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failure(error, &self.folder)),
        };
        listed.map(|file| file.map(|file| file.path()).map_err(|error| failure(error, &self.folder))).collect()
    }

    fn set_aside(&self, path: &Path) {
        tracing::warn!(path = %path.display(), "a file of the recovery journal cannot be opened and is set aside");
        let _ = fs::rename(path, path.with_extension(SET_ASIDE));
    }
}

impl Entry {
    /// Whether it is still there.
    pub(crate) fn is_kept(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }

    /// The token and facts of the entry, as [`Journal::put`] got them.
    pub(crate) fn open(&self, sealer: &Sealer) -> Result<WipedBytes> {
        sealer.open_left(&self.heading.identity(), &self.sealed)
    }
}

impl Heading {
    fn identity(&self) -> Identity<'_> {
        Identity::of_grant(Record::Recovery, &self.key, &self.user_oid, self.replaces)
    }
}

/// What is in the place of a kept token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) generation: u64,
    /// Whether its grant has ended.
    pub(crate) is_dead: bool,
    /// None where it does not open.
    pub(crate) consented_on: Option<UnixTime>,
}

/// Over which record a kept token of a consent on `consented_on` is to be written that `replaces` the one of that generation (0: of none), where `found` is what
/// is there. None: the token is stale, for somebody has written a newer one meanwhile or removed the grant.
pub(crate) fn over(replaces: u64, consented_on: UnixTime, found: Option<Found>) -> Option<Expect> {
    // A consent that never came into the store. One that was removed has taken its entries along.
    let Some(found) = found else { return (replaces == 0).then_some(Expect::Absent) };
    // Generations begin anew where a grant was removed and the partner consented again.
    let is_of_another_consent = found.consented_on.is_some_and(|on| consented_on.plus(NEAR) < on);
    // Lower is possible, too: a backup was put back, and the journal has the newer token. Over one that has ended: somebody was refused the token that this one
    // replaced, and took the grant for dead. Should this one be dead, too, that costs a request.
    let is_newer = found.generation <= replaces || found.is_dead;
    (is_newer && !is_of_another_consent).then_some(Expect::Generation(found.generation))
}

/// What a store knows of the removal of a grant.
#[cfg(any(feature = "postgres", test))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// When that was, by the store's clock; none where it knows of none.
    pub(crate) on: Option<UnixTime>,
    /// From when on it would know.
    pub(crate) known_since: UnixTime,
}

/// Whether a rescued consent came before the removal.
#[cfg(any(feature = "postgres", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Yes,
    No,
    /// The clocks do not tell.
    Unknown,
}

#[cfg(any(feature = "postgres", test))]
impl Removed {
    /// Whether a consent that was proved on `proved_on` came before.
    pub(crate) fn after(self, proved_on: UnixTime) -> Before {
        match self.on {
            Some(on) if proved_on.plus(NEAR) < on => Before::Yes,
            Some(on) if proved_on <= on.plus(NEAR) => Before::Unknown,
            None if proved_on < self.known_since => Before::Unknown,
            _ => Before::No,
        }
    }
}

enum Reading {
    Entry(Box<Entry>),
    Gone,
    Malformed,
}

fn read(path: &Path) -> Result<Reading> {
    let Some(bytes) = private_file::read(path, Readers::Owner)? else { return Ok(Reading::Gone) };
    let written = match fs::symlink_metadata(path).and_then(|facts| facts.modified()) {
        Ok(written) => written,
        Err(_) => return Ok(Reading::Gone),
    };
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let heading = parts.next().and_then(|line| serde_json::from_slice(line).ok());
    Ok(match (heading, parts.next()) {
        (Some(heading), Some(sealed)) => {
            Reading::Entry(Box::new(Entry { path: path.to_owned(), written, heading, sealed: sealed.to_vec() }))
        }
        _ => Reading::Malformed,
    })
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(error, path)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::fixtures::grant_key;

    fn heading(number: u128, replaces: u64) -> Heading {
        Heading { key: grant_key(number), user_oid: "user-1".to_owned(), replaces }
    }

    fn sealer() -> Sealer {
        Sealer::new(&zeroize::Zeroizing::new([1; 32]))
    }

    #[test]
    fn what_is_kept_comes_back_newest_first_and_goes_when_it_was_used() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        assert!(!journal.is_in_use());
        journal.put(&sealer(), &heading(1, 4), b"older").unwrap();
        journal.put(&sealer(), &heading(1, 5), b"newer").unwrap();
        let entries = journal.entries().unwrap();
        let opened: Vec<_> = entries.iter().map(|entry| entry.open(&sealer()).unwrap().to_vec()).collect();
        assert_eq!(opened, [b"newer", b"older"]);
        for entry in &entries {
            journal.remove(entry).unwrap();
        }
        journal.tidy();
        assert!(!journal.is_in_use());
    }

    #[test]
    fn an_entry_is_sealed_anew_once_and_then_opens_with_the_new_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        journal.put(&sealer(), &heading(1, 4), b"not-a-real-token").unwrap();
        let new = || Sealer::new(&zeroize::Zeroizing::new([2; 32]));
        journal.reseal(&new().with_previous(sealer())).unwrap();
        let names = || journal.files().unwrap();
        let after = names();
        journal.reseal(&new().with_previous(sealer())).unwrap();
        assert_eq!(names(), after);
        let entries = journal.entries().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(*entries[0].open(&new()).unwrap(), b"not-a-real-token");
        assert!(entries[0].open(&sealer()).is_err());
    }

    #[test]
    fn an_entry_that_another_one_removed_with_the_folder_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        journal.put(&sealer(), &heading(1, 4), b"not-a-real-token").unwrap();
        let seen = journal.entries().unwrap();
        journal.remove(&seen[0]).unwrap();
        journal.tidy();
        assert!(!journal.is_in_use());
        journal.remove(&seen[0]).unwrap();
        journal.remove_grant(&grant_key(1)).unwrap();
    }

    #[test]
    fn a_heading_that_was_changed_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        journal.put(&sealer(), &heading(1, 4), b"not-a-real-token").unwrap();
        let mut entry = journal.entries().unwrap().remove(0);
        for bent in [heading(2, 4), heading(1, 5)] {
            entry.heading = bent;
            assert!(entry.open(&sealer()).is_err());
        }
    }

    #[test]
    fn a_kept_token_goes_over_an_older_record_of_its_own_consent_and_over_none_of_a_later_one() {
        let on = UnixTime(1_800_000_000);
        let found =
            |generation, is_dead, later| Some(Found { generation, is_dead, consented_on: Some(on.plus(later)) });
        assert_eq!(over(0, on, None), Some(Expect::Absent));
        assert_eq!(over(5, on, None), None);
        for later in [-86_400, 0, NEAR] {
            assert_eq!(over(5, on, found(3, false, later)), Some(Expect::Generation(3)));
            assert_eq!(over(5, on, found(6, false, later)), None);
            assert_eq!(over(5, on, found(6, true, later)), Some(Expect::Generation(6)));
        }
        for is_dead in [false, true] {
            assert_eq!(over(5, on, found(1, is_dead, NEAR + 1)), None, "the token of a removed grant came back");
        }
        let damaged = Some(Found { generation: 3, is_dead: false, consented_on: None });
        assert_eq!(over(5, on, damaged), Some(Expect::Generation(3)));
    }

    #[test]
    fn a_consent_and_a_removal_are_told_apart_as_far_as_clocks_can() {
        let on = UnixTime(1_800_000_000);
        let removed = Removed { on: Some(on), known_since: on.plus(-REMOVALS_KEPT) };
        for (proved, before) in [
            (-NEAR - 1, Before::Yes),
            (-NEAR, Before::Unknown),
            (0, Before::Unknown),
            (NEAR, Before::Unknown),
            (NEAR + 1, Before::No),
        ] {
            assert_eq!(removed.after(on.plus(proved)), before, "{proved}");
        }
        let never = Removed { on: None, ..removed };
        assert_eq!(never.after(on), Before::No);
        // Of what is older than its memory the store knows nothing.
        assert_eq!(never.after(never.known_since.plus(-1)), Before::Unknown);
    }

    #[test]
    fn what_was_set_aside_does_not_pass_for_something_that_waits() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        let message = || journal.condition().error().unwrap().message().to_owned();
        journal.put(&sealer(), &heading(1, 0), b"x").unwrap();
        journal.put(&sealer(), &heading(2, 0), b"x").unwrap();
        journal.put_in_doubt(&journal.entries().unwrap()[0]);
        assert!(message().contains("waits"));
        journal.put_aside(&journal.entries().unwrap()[0]);
        assert!(journal.entries().unwrap().is_empty());
        assert!(message().contains("set aside"));
    }

    #[test]
    fn junk_is_set_aside_and_a_dead_writers_rest_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        private_file::create(&journal.folder.join("junk.sealed"), b"junk").unwrap();
        private_file::create(&journal.folder.join("x.sealed.00.unfinished"), b"half").unwrap();
        assert!(journal.entries().unwrap().is_empty());
        journal.tidy();
        let left: Vec<_> = journal.files().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].extension(), Some(OsStr::new(SET_ASIDE)));
    }

    #[test]
    fn removing_a_grant_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("grants.db"));
        journal.put(&sealer(), &heading(1, 1), b"x").unwrap();
        journal.put(&sealer(), &heading(2, 1), b"y").unwrap();
        journal.remove_grant(&grant_key(1)).unwrap();
        let left = journal.entries().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].heading.key, grant_key(2));
    }
}
