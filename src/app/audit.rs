//! What an app writes into its audit record, and what happens when it cannot.
//!
//! Consent, import, revocation and the other operations that change who can do what write a line before they act (`begun`) and one with their end; where the
//! first cannot be written they do not act. The issue of a token writes one line. Which of the two holds for an operation is decided here.

mod gathered;
pub mod show;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::gathered::Gathered;
use super::token::{Token, TokenRequest};
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audit::read::Filter;
use crate::audit::verify::{self, Report};
use crate::audit::{Anchor, AuditKey, Entry, Fsync, Outcome, Record, Settings, key_file, unwritable};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Mfa;
use crate::store::key::{self, create_key_file};
use crate::store::private_file;

/// What happens to the issue of a token when its line cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenUnwritable {
    /// The token is handed out; how many lines are missing stands in the next one, in [`App::audit_missed`] and in the log.
    #[default]
    GoOn,
    /// It is not handed out.
    Stop,
}

impl FromStr for WhenUnwritable {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "go-on" => Ok(Self::GoOn),
            "stop" => Ok(Self::Stop),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "parse", "not a policy").with_hint("use go-on or stop")),
        }
    }
}

/// How the audit record of an app is kept.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// Its folder; none: nothing is recorded.
    pub folder: Option<PathBuf>,
    /// Whether the configuration names the folder. One that is only the default is left out where the store has no key for it.
    pub is_named: bool,
    /// A key file of its own, instead of a key that the store's seals.
    pub key_file: Option<PathBuf>,
    /// When lines are made durable.
    pub fsync: Fsync,
    /// How large a file of the record becomes, in bytes.
    pub rotate_bytes: u64,
    /// What happens to the issue of a token when its line cannot be written.
    pub when_unwritable: WhenUnwritable,
    /// Whether an answer from memory has a line, too: a token that is found there, and a refusal that is repeated from there.
    pub memory_hits: bool,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            folder: None,
            is_named: false,
            key_file: None,
            fsync: Fsync::default(),
            rotate_bytes: 16 << 20,
            when_unwritable: WhenUnwritable::default(),
            memory_hits: false,
        }
    }
}

/// The record once it was needed.
#[derive(Default)]
pub(crate) struct Auditor {
    record: Mutex<Option<Arc<Record>>>,
    missed: AtomicU64,
    gathered: Gathered,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").field("missed", &self.missed).finish_non_exhaustive()
    }
}

const LABEL: &str = "audit-key-1";

impl App {
    /// How many lines of the audit record this process could not write: not 0 means that the record is not complete.
    pub fn audit_missed(&self) -> u64 {
        self.inner().auditor.missed.load(Ordering::Relaxed)
    }

    /// The folder of the audit record; none where nothing is recorded.
    pub fn audit_folder(&self) -> Option<&Path> {
        self.inner().config.audit.folder.as_deref()
    }

    /// Checks the audit record. `anchor`: an end of it that was noted before, elsewhere. `from`: the number of the line that it begins with, 1 unless earlier files were put elsewhere.
    ///
    /// Errors: those of the store's key; `InvalidArgument` where there is no record. What is wrong with the record is in the report.
    pub async fn verify_audit(&self, anchor: Option<&Anchor>, from: u64) -> Result<Report> {
        let (folder, key) = self.inner().audit_to_read(anchor).await.map_err(|error| error.in_operation("audit"))?;
        verify::verify(&folder, &key, anchor, from).map_err(|error| error.in_operation("audit"))
    }

    /// Hands each line of the audit record that `filter` wants to `each`, oldest first, as text and by field. Checks nothing. Gives back how many lines were no lines.
    pub async fn audit_lines(
        &self,
        filter: &Filter,
        each: impl FnMut(&str, &Map<String, Value>) -> Result<()> + Send,
    ) -> Result<u64> {
        let folder = self.inner().config.audit.folder.as_ref().ok_or_else(no_record)?;
        crate::audit::read::lines(folder, filter, each).map_err(|error| error.in_operation("audit"))
    }
}

impl Inner {
    /// Does `work`, which must not happen unrecorded: a line before it, and one with its end. `finish` adds what is known only then.
    pub(super) async fn recorded<T>(
        &self,
        entry: Entry,
        work: impl Future<Output = Result<T>> + Send,
        finish: impl FnOnce(&mut Entry, &T) + Send,
    ) -> Result<T> {
        let began = self.write_line(Entry { outcome: Outcome::Begun, ..entry.clone() }, true).await?;
        let result = work.await;
        let mut entry = Entry { at: self.clock.now(), began, ..entry };
        match &result {
            Ok(done) => {
                entry.outcome = Outcome::Ok;
                finish(&mut entry, done);
            }
            Err(error) => {
                entry.outcome = Outcome::Failed;
                entry = entry.error(error);
            }
        }
        // What is done is done: that it began is on record, and that this line is missing will be.
        if let Err(error) = self.write_line(entry, true).await {
            self.miss(&error);
        }
        result
    }

    /// The line of a token's issue, or of its refusal: by the policy, an issue without its line is none.
    pub(super) async fn record_issue(
        &self,
        key: &CacheKey,
        source: &'static str,
        issued: std::result::Result<&Token, &Error>,
    ) -> Result<()> {
        if self.config.audit.folder.is_none() {
            return Ok(());
        }
        let is_issue = issued.is_ok();
        let issued = issued.map(|token| (token.mfa, token.correlation_id.clone()));
        self.record_or_go_on(self.issue_entry("token", key, source, issued), is_issue).await
    }

    /// The line of a renewal, of whose token nothing is kept but whether MFA was in it.
    pub(super) async fn record_renewal(
        &self,
        key: &CacheKey,
        renewed: std::result::Result<(Mfa, Option<String>), &Error>,
    ) -> Result<()> {
        if self.config.audit.folder.is_none() {
            return Ok(());
        }
        let written = self.write_gathered(self.issue_entry("renew", key, "service", renewed)).await;
        // Nothing is handed out that the policy could stop.
        self.stop_or_go_on(written, false)
    }

    fn issue_entry(
        &self,
        operation: &'static str,
        key: &CacheKey,
        source: &'static str,
        issued: std::result::Result<(Mfa, Option<String>), &Error>,
    ) -> Entry {
        let mut entry = Entry::new(operation, Outcome::Ok, self.clock.now()).partner(key.partner);
        entry.customer = (key.tenant != key.partner).then(|| key.tenant.to_string());
        entry.audiences = vec![key.audience.name().to_owned()];
        let purpose = key.purpose.as_ref().map_or(self.config.purpose.as_str(), |purpose| purpose.name());
        entry.purpose = Some(purpose.to_owned());
        entry.source = Some(source);
        match issued {
            Ok((mfa, correlation_id)) => {
                entry.mfa = Some(mfa.as_str());
                entry.correlation_id = correlation_id;
            }
            Err(error) => {
                entry.outcome = Outcome::Failed;
                entry = entry.error(error);
            }
        }
        entry
    }

    /// The line of an answer from memory, where that is asked for: of a token, or of a refusal, which has a line of the time when the service gave it and
    /// may be repeated as often as a loop turns.
    pub(super) fn record_hit(&self, key: &CacheKey, answer: std::result::Result<&Token, &Error>) -> Result<()> {
        if !self.config.audit.memory_hits {
            return Ok(());
        }
        let record = self.auditor.record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // What is in memory was issued in this process, and that was recorded, unless nothing is.
        let Some(record) = record else { return Ok(()) };
        let is_issue = answer.is_ok();
        let issued = answer.map(|token| (token.mfa, token.correlation_id.clone()));
        let mut entry = self.issue_entry("token", key, "memory", issued);
        entry.missed = self.auditor.missed.load(Ordering::Relaxed);
        self.stop_or_go_on(record.append(&entry, false).map(drop), is_issue)
    }

    /// The line of a request for a token that came to nothing before it was known whose.
    pub(super) async fn record_refusal(&self, request: &TokenRequest, error: &Error) {
        if self.config.audit.folder.is_none() {
            return;
        }
        let is_refusal = matches!(
            error.kind(),
            ErrorKind::PurposeRequired
                | ErrorKind::PurposeUnknown
                | ErrorKind::PurposeForbidden
                | ErrorKind::PurposeExpired
                | ErrorKind::InvalidArgument
                | ErrorKind::GrantAmbiguous
        );
        let outcome = if is_refusal { Outcome::Refused } else { Outcome::Failed };
        let mut entry = Entry::new("token", outcome, self.clock.now()).error(error);
        entry.partner = request.partner.as_ref().map(ToString::to_string);
        entry.customer = request.customer.as_ref().map(ToString::to_string);
        entry.audiences = vec![request.audience.name().to_owned()];
        entry.purpose = request.purpose.clone().or_else(|| Some(self.config.purpose.clone()));
        // It is refused in any case.
        let _ = self.record_or_go_on(entry, false).await;
    }

    /// Writes a line that tells of something. An issue is stopped by the policy where the line cannot be written; whatever failed already has failed.
    pub(super) async fn record_or_go_on(&self, entry: Entry, is_issue: bool) -> Result<()> {
        self.stop_or_go_on(self.write_line(entry, false).await.map(drop), is_issue)
    }

    fn stop_or_go_on(&self, written: Result<()>, is_issue: bool) -> Result<()> {
        match written {
            Ok(()) => Ok(()),
            Err(error) if is_issue && self.config.audit.when_unwritable == WhenUnwritable::Stop => Err(error),
            Err(error) => {
                self.miss(&error);
                Ok(())
            }
        }
    }

    fn miss(&self, error: &Error) {
        self.auditor.missed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            error = error.kind().id(),
            text = error.message(),
            "a line of the audit record could not be written"
        );
    }

    /// Writes a line. `must`: where there is no record yet one is begun, and the line is durable when this returns. None: nothing is recorded here.
    async fn write_line(&self, entry: Entry, must: bool) -> Result<Option<u64>> {
        self.write_lines(vec![entry], must).await
    }

    /// Writes lines that come together; the number is that of the last.
    async fn write_lines(&self, mut entries: Vec<Entry>, must: bool) -> Result<Option<u64>> {
        let Some(record) = self.record(must).await? else { return Ok(None) };
        let missed = self.auditor.missed.load(Ordering::Relaxed);
        entries.iter_mut().for_each(|entry| entry.missed = missed);
        let fsyncs = must || self.config.audit.fsync == Fsync::Always;
        match tokio::runtime::Handle::try_current() {
            // A line into the system's memory takes less time than the way to another thread; a disk does not.
            Ok(runtime) if fsyncs => runtime
                .spawn_blocking(move || record.append_all(&entries, must))
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "audit", "a line ended before its time"))),
            _ => record.append_all(&entries, must),
        }
        .map(Some)
    }

    /// The record, begun where there is none yet and `begin` says so.
    async fn record(&self, begin: bool) -> Result<Option<Arc<Record>>> {
        let Some(folder) = &self.config.audit.folder else { return Ok(None) };
        let known = self.auditor.record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(record) = known {
            return Ok(Some(record));
        }
        let key = Box::pin(self.audit_key(folder, begin)).await.map_err(|error| match error.kind() {
            // These say better what to do.
            ErrorKind::StoreKeyMissing
            | ErrorKind::StoreKeyWrong
            | ErrorKind::StoreKeyLocked
            | ErrorKind::StoreSchemaNewer => error,
            _ => unwritable(error, folder),
        })?;
        let Some(key) = key else { return Ok(None) };
        let AuditConfig { fsync, rotate_bytes, .. } = self.config.audit;
        let record = Arc::new(Record::new(Settings { folder: folder.clone(), fsync, rotate_bytes }, key));
        let mut slot = self.auditor.record.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(slot.get_or_insert(record).clone()))
    }

    /// Seals the record's key with the store's new key.
    pub(super) async fn reseal_audit_key(&self) -> Result<()> {
        let Some(folder) = self.config.audit.folder.as_ref().filter(|_| self.config.audit.key_file.is_none()) else {
            return Ok(());
        };
        let Some(sealed) = key_file::read(folder)? else { return Ok(()) };
        if let Some(key) = self.store.open_beside(LABEL, &sealed).await?
            && let Some(sealed) = self.store.seal_beside(LABEL, &key).await?
        {
            key_file::replace(folder, &sealed)?;
        }
        Ok(())
    }

    /// Errors: `AuditTampered` where there is no record and an anchor says that there was one.
    async fn audit_to_read(&self, anchor: Option<&Anchor>) -> Result<(PathBuf, AuditKey)> {
        let folder = self.config.audit.folder.clone().ok_or_else(no_record)?;
        match (self.audit_key(&folder, false).await?, anchor) {
            (Some(key), _) => Ok((folder, key)),
            (None, Some(anchor)) => Err(Error::new(
                ErrorKind::AuditTampered,
                "audit",
                format!("the audit record is gone, and had {} lines", anchor.seq),
            )
            .with_hint("bring the folder back from a backup, and find out who removed it")
            .with_context("path", folder.display())),
            (None, None) => Err(Error::new(ErrorKind::InvalidArgument, "audit", "there is no audit record yet")
                .with_context("path", folder.display())),
        }
    }

    /// The record's key: of its own file, or as the store's key sealed it.
    async fn audit_key(&self, folder: &Path, begin: bool) -> Result<Option<AuditKey>> {
        if let Some(path) = &self.config.audit.key_file {
            if !private_file::check(path)? {
                if !begin {
                    return Ok(None);
                }
                create_key_file(path)?;
            }
            // EXPOSE: the key of the record, to make its checks with.
            return Ok(Some(AuditKey::new(key::file::read(path)?.expose())));
        }
        let sealed = match key_file::read(folder)? {
            Some(sealed) => sealed,
            None if !begin => return Ok(None),
            None => {
                let key = key::StoreKey::generate()?;
                // EXPOSE: to seal it under the store's key.
                match self.store.seal_beside(LABEL, key.expose().as_slice()).await? {
                    Some(sealed) => key_file::keep(folder, sealed)?,
                    None if !self.config.audit.is_named => return Ok(None),
                    None => {
                        return Err(Error::new(
                            ErrorKind::AuditUnwritable,
                            "audit",
                            "this store has no key for an audit record",
                        )
                        .with_hint("set `audit_key_file` to a path; the file is made when it is first needed"));
                    }
                }
            }
        };
        let opened = self.store.open_beside(LABEL, &sealed).await.map_err(|error| match error.kind() {
            ErrorKind::StoreCorrupt => key_file::damaged(folder),
            _ => error,
        })?;
        // Another host changed the store's key, and could not reach this file.
        if !self.store.is_current_beside(LABEL, &sealed).await?
            && let Err(error) = self.reseal_audit_key().await
        {
            tracing::warn!(%error, "the key of the audit record is still sealed with a former key of the store");
        }
        let bytes = opened.as_ref().and_then(|opened| <[u8; 32]>::try_from(opened.as_slice()).ok()).map(Zeroizing::new);
        bytes.map(|bytes| Some(AuditKey::new(&bytes))).ok_or_else(|| {
            Error::new(ErrorKind::AuditTampered, "audit", "the key of the audit record does not belong to this store")
                .with_context("path", folder.display())
        })
    }
}

fn no_record() -> Error {
    Error::new(ErrorKind::NotSupported, "audit", "nothing is recorded: the audit record is off")
        .with_hint("set `audit` in the configuration file to a folder; a sqlite: store has a record beside it unless `audit` is \"off\"")
}
