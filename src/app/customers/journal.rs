//! What a run has proved, in a private file, so that the next one goes on where it was cut short. It holds tenant ids and times, and no secret.
//!
//! One line of JSON each: `{"run":…}` first, then `{"begun":TENANT,"on":…}` before a customer's consents are withdrawn and `{"proved":TENANT,"on":…}`
//! after they were read back. A half line at the end is what a kill leaves, and counts for nothing.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy as _;
use serde_json::{Map, Value, json};

use super::CustomersRequest;
use crate::app::Inner;
use crate::clock::{Clock, UnixTime};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::store::private_file;

/// What was proved longer ago is looked at again.
const BELIEVED_FOR: i64 = 24 * 3600;

/// A file of a run, locked as long as this lives.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    proved: HashSet<TenantId>,
    begun: Vec<TenantId>,
    clock: Arc<dyn Clock>,
}

impl Inner {
    /// The journal of this request: of another one nothing is believed.
    pub(super) async fn open_journal(
        self: &Arc<Self>,
        request: &CustomersRequest,
        partner: TenantId,
    ) -> Result<Journal> {
        let run = format!("{} {} {partner}\n{}", self.key.authority, self.key.client_id, request.desired.canonical());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, run.as_bytes());
        let name: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let path = match &request.journal {
            Some(path) => path.clone(),
            None => default_folder()?.join(format!("{name}.jsonl")),
        };
        let clock = self.clock.clone();
        let open = move || Journal::open(path, &name, clock);
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| Error::new(ErrorKind::Internal, "customers", "the journal was not opened"))?
    }
}

impl Journal {
    fn open(path: PathBuf, run: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let in_folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        private_file::folder(in_folder)?;
        private_file::check(&path)?;
        let file = private_file::open_for_lock(&path)?;
        let failed = |error| private_file::failure(error, &path);
        if file.try_lock().is_err() {
            return Err(Error::new(
                ErrorKind::StoreConflict,
                "customers",
                "another process is applying the same grants",
            )
            .with_context("journal", path.display()));
        }
        let mut text = String::new();
        // Text of ours is ASCII; what is not was not written here.
        if (&file).take(LARGEST).read_to_string(&mut text).is_err() || !is_of_run(&text, run) {
            file.set_len(0).map_err(failed)?;
            text.clear();
        }
        (&file).seek(SeekFrom::End(0)).map_err(failed)?;
        let start = if text.is_empty() { format!("{}\n", json!({ "run": run })) } else { "\n".to_owned() };
        (&file).write_all(start.as_bytes()).map_err(failed)?;
        let (proved, begun) = read(&text, clock.now());
        Ok(Self { file: Arc::new(file), path, proved, begun, clock })
    }

    /// Whether an earlier run has read that customer back as wanted.
    pub(super) fn has_proved(&self, customer: TenantId) -> bool {
        self.proved.contains(&customer)
    }

    /// Customers whose consents an earlier run may have withdrawn without having given them anew.
    pub(super) fn unfinished(&self) -> Vec<TenantId> {
        self.begun.clone()
    }

    /// Notes, durably, that a customer's consents are about to be withdrawn.
    pub(super) async fn begin(&self, customer: TenantId) -> Result<()> {
        let (file, line) = (self.file.clone(), self.line("begun", customer));
        let written = tokio::task::spawn_blocking(move || {
            (&*file).write_all(line.as_bytes())?;
            file.sync_data()
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(private_file::failure(error, &self.path)),
            Err(_) => Err(Error::new(ErrorKind::Internal, "customers", "the journal was not written")),
        }
    }

    /// Notes that a customer was read back. What gets lost is only looked at again.
    pub(super) fn prove(&self, customer: TenantId) {
        if let Err(error) = (&*self.file).write_all(self.line("proved", customer).as_bytes()) {
            tracing::warn!(error = %error.kind(), "progress could not be noted in the journal");
        }
    }

    /// All customers had their turn: the next run begins anew.
    pub(super) fn finish(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(error = %error.kind(), "the journal could not be removed");
        }
    }

    /// In one piece, so that lines of several tasks do not mix.
    fn line(&self, what: &str, customer: TenantId) -> String {
        format!("{}\n", json!({ what: customer, "on": self.clock.now().0 }))
    }
}

/// A million customers and more.
const LARGEST: u64 = 256 << 20;

fn is_of_run(text: &str, run: &str) -> bool {
    let head: Option<Map<String, Value>> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    head.is_some_and(|head| head.get("run").is_some_and(|named| named == run))
}

/// Which customers are proved, and which were begun with and not proved since.
fn read(text: &str, now: UnixTime) -> (HashSet<TenantId>, Vec<TenantId>) {
    let mut last: HashMap<TenantId, bool> = HashMap::new();
    for line in text.lines().skip(1) {
        let Ok(entry) = serde_json::from_str::<Map<String, Value>>(line) else { continue };
        let tenant = |what: &str| entry.get(what).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let on = entry.get("on").and_then(Value::as_i64).map(UnixTime);
        if let Some(customer) = tenant("begun") {
            last.insert(customer, false);
        } else if let Some(customer) = tenant("proved")
            && on.is_some_and(|on| (0..BELIEVED_FOR).contains(&now.since(on)))
        {
            last.insert(customer, true);
        } else if let Some(customer) = tenant("proved") {
            last.remove(&customer);
        }
    }
    let proved = last.iter().filter(|(_, is_proved)| **is_proved).map(|(customer, _)| *customer).collect();
    let begun = last.iter().filter(|(_, is_proved)| !**is_proved).map(|(customer, _)| *customer).collect();
    (proved, begun)
}

fn default_folder() -> Result<PathBuf> {
    etcetera::choose_base_strategy().map(|base| base.data_dir().join("partnersam").join("customers")).map_err(|_| {
        Error::new(ErrorKind::ConfigMissing, "customers", "there is no home folder to keep the journal in")
            .with_hint("name a file for the journal")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn tenant(n: u128) -> TenantId {
        TenantId::new(uuid::Uuid::from_u128(n))
    }

    fn open(path: &Path, run: &str, now: i64) -> Result<Journal> {
        Journal::open(path.to_owned(), run, Arc::new(ManualClock::at(UnixTime(now))))
    }

    #[tokio::test]
    async fn what_was_proved_is_known_again_and_what_was_begun_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private").join("test.jsonl");
        let journal = open(&path, "test-run", 1_000).unwrap();
        assert_eq!(open(&path, "test-run", 1_000).unwrap_err().kind(), ErrorKind::StoreConflict);
        for n in [1, 2] {
            journal.begin(tenant(n)).await.unwrap();
        }
        journal.prove(tenant(1));
        journal.prove(tenant(3));
        // Killed while it wrote.
        (&*journal.file).write_all(b"{\"proved\":\"00000000-0000-0000-0000-00").unwrap();
        drop(journal);

        let again = open(&path, "test-run", 2_000).unwrap();
        assert!(again.has_proved(tenant(1)) && again.has_proved(tenant(3)) && !again.has_proved(tenant(2)));
        assert_eq!(again.unfinished(), [tenant(2)]);
        again.prove(tenant(2));
        drop(again);
        let third = open(&path, "test-run", 2_000).unwrap();
        assert!(third.has_proved(tenant(2)) && third.unfinished().is_empty());
        drop(third);
        assert!(!open(&path, "test-run", 1_000 + BELIEVED_FOR).unwrap().has_proved(tenant(1)), "a day is over");
    }

    #[tokio::test]
    async fn another_run_s_journal_counts_for_nothing_and_an_ended_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private").join("test.jsonl");
        let journal = open(&path, "test-run", 1_000).unwrap();
        journal.prove(tenant(1));
        drop(journal);
        let other = open(&path, "another-run", 1_000).unwrap();
        assert!(!other.has_proved(tenant(1)));
        other.finish();
        assert!(!path.exists());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(open(&path, "test-run", 1_000).unwrap_err().kind(), ErrorKind::StoreInsecure);
        }
    }
}
