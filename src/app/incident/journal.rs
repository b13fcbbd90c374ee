//! How far an incident is, in a private file beside the store, so that the next run goes on after a kill. It holds ids, names and times, and no secret.
//!
//! One line of JSON each: `{"incident":…}` first, then `{"withdrawn":CUSTOMER}`, `{"made":THUMBPRINT}`, `{"credential":…}` and, with its end, `{"step":…}`. A half line at the end
//! is what a kill leaves, and counts for nothing.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use etcetera::BaseStrategy as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rotation::Added;
use super::{Step, StepOutcome, Target};
use crate::app::Inner;
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::store::private_file;

/// A file of an incident, locked as long as this lives.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) id: Uuid,
    pub(super) began: UnixTime,
    pub(super) targets: Vec<Target>,
    path: PathBuf,
    file: Arc<File>,
    known: Mutex<Known>,
}

/// What earlier lines say.
#[derive(Debug, Default)]
struct Known {
    steps: HashMap<String, DoneStep>,
    withdrawn: HashSet<TenantId>,
    made: Option<String>,
    added: Option<Added>,
}

/// A step that was done.
#[derive(Clone, Debug)]
pub(super) struct DoneStep {
    on: UnixTime,
    note: String,
    correlation_ids: Vec<String>,
}

impl DoneStep {
    pub(super) fn outcome(self, step: Step) -> StepOutcome {
        StepOutcome::done(step, self.note, self.correlation_ids, self.on)
    }
}

/// A hundred thousand customers and more.
const LARGEST: u64 = 64 << 20;

/// The partners of an incident that was cut short, if there is one.
pub(super) fn peek(inner: &Arc<Inner>) -> Result<Option<Vec<Target>>> {
    let path = inner.incident_path()?;
    if !private_file::check(&path)? {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| private_file::failure(error, &path))?;
    let head = text.lines().next().and_then(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    Ok(head.as_ref().and_then(Head::read).map(|head| head.targets))
}

impl Journal {
    /// The one that was cut short, if there is one.
    ///
    /// Errors: `StoreConflict` where another process is at it; `InvalidArgument` where it has other choices.
    pub(super) fn resume(inner: &Arc<Inner>, choices: &Value) -> Result<Option<Self>> {
        let path = inner.incident_path()?;
        if !private_file::check(&path)? {
            return Ok(None);
        }
        let file = locked(&path)?;
        let mut text = String::new();
        let is_text = (&file).take(LARGEST).read_to_string(&mut text).is_ok();
        let head: Option<Map<String, Value>> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
        let Some(head) = head.as_ref().and_then(Head::read).filter(|_| is_text) else {
            // Killed before its first line was whole: nothing was done.
            drop(file);
            std::fs::remove_file(&path).map_err(|error| private_file::failure(error, &path))?;
            return Ok(None);
        };
        if head.choices != *choices {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "incident",
                "another incident was cut short and has other choices",
            )
            .with_context("path", path.display())
            .with_hint(format!(
                "run that one to its end: it was begun with {}; or remove the file if it is settled otherwise",
                head.choices
            )));
        }
        let known = Known::read(&text);
        let failed = |error| private_file::failure(error, &path);
        (&file).seek(SeekFrom::End(0)).map_err(failed)?;
        // After half a line.
        (&file).write_all(b"\n").map_err(failed)?;
        let Head { id, began, targets, .. } = head;
        Ok(Some(Self { id, began, targets, path, file: Arc::new(file), known: Mutex::new(known) }))
    }

    /// A new one. Durable when this returns.
    pub(super) fn begin(inner: &Arc<Inner>, choices: &Value, targets: &[Target]) -> Result<Self> {
        let path = inner.incident_path()?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private_file::folder(folder)?;
        }
        let file = locked(&path)?;
        let began = inner.clock.now();
        let id = Uuid::new_v4();
        let journal =
            Self { id, began, targets: targets.to_vec(), path, file: Arc::new(file), known: Mutex::default() };
        let targets: Vec<_> = targets.iter().map(Target::to_json).collect();
        journal.write(json!({ "incident": id, "began": began.0, "choices": choices, "targets": targets }), true)?;
        private_file::sync_folder(journal.path.parent().unwrap_or(Path::new(".")))?;
        Ok(journal)
    }

    /// The step of that id, if it was done.
    pub(super) fn done(&self, step: &str) -> Option<DoneStep> {
        self.known().steps.get(step).cloned()
    }

    /// Notes, durably, that a step was done.
    pub(super) fn note(&self, end: &StepOutcome) -> Result<()> {
        self.write(json!({ "step": end.step.id(), "on": end.on.0, "note": end.note, "ids": end.correlation_ids }), true)
    }

    pub(super) fn has_withdrawn(&self, customer: TenantId) -> bool {
        self.known().withdrawn.contains(&customer)
    }

    /// Notes that nothing stands at a customer any more. What gets lost is only asked for again.
    pub(super) fn withdrawn(&self, customer: TenantId) {
        self.known().withdrawn.insert(customer);
        if let Err(error) = self.write(json!({ "withdrawn": customer }), false) {
            tracing::warn!(error = error.kind().id(), "progress could not be noted");
        }
    }

    /// The thumbprint of the certificate that was made, by this run or an earlier one.
    pub(super) fn made(&self) -> Option<String> {
        self.known().made.clone()
    }

    /// Notes, durably, which certificate was made and stored, before it is added anywhere.
    pub(super) fn make(&self, thumbprint: &str) -> Result<()> {
        self.write(json!({ "made": thumbprint }), true)?;
        self.known().made = Some(thumbprint.to_owned());
        Ok(())
    }

    /// The credential that was added and stored, by this run or an earlier one.
    pub(super) fn added(&self) -> Option<Added> {
        self.known().added.clone()
    }

    /// Notes, durably, which credential was added and stored, and which are to go.
    pub(super) fn add(&self, added: Added) -> Result<()> {
        self.write(json!({ "credential": added.key_id, "registration": added.registration, "old": added.old }), true)?;
        self.known().added = Some(added);
        Ok(())
    }

    /// Beside the journal, and named for the incident.
    pub(super) fn evidence_path(&self) -> PathBuf {
        self.path.with_file_name(format!("incident-{}.json", self.id))
    }

    /// Everything had its turn: the next one begins anew.
    pub(super) fn finish(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(error = %error.kind(), "the state of the incident could not be removed");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In one piece, so that lines of several tasks do not mix.
    fn write(&self, line: Value, durably: bool) -> Result<()> {
        let failed = |error| private_file::failure(error, &self.path);
        (&*self.file).write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
        if durably { self.file.sync_data().map_err(failed) } else { Ok(()) }
    }
}

fn locked(path: &Path) -> Result<File> {
    let file = private_file::open_for_lock(path)?;
    if file.try_lock().is_err() {
        return Err(Error::new(ErrorKind::StoreConflict, "incident", "another process is at this incident")
            .with_context("path", path.display()));
    }
    Ok(file)
}

struct Head {
    id: Uuid,
    began: UnixTime,
    choices: Value,
    targets: Vec<Target>,
}

impl Head {
    fn read(line: &Map<String, Value>) -> Option<Self> {
        let targets = line.get("targets")?.as_array()?.iter().filter_map(Target::from_json).collect();
        Some(Self {
            id: line.get("incident")?.as_str()?.parse().ok()?,
            began: UnixTime(line.get("began")?.as_i64()?),
            choices: line.get("choices")?.clone(),
            targets,
        })
    }
}

impl Known {
    fn read(text: &str) -> Self {
        let mut known = Self::default();
        for line in text.lines().skip(1) {
            let Ok(line) = serde_json::from_str::<Map<String, Value>>(line) else { continue };
            let text = |name: &str| line.get(name).and_then(Value::as_str);
            if let Some(step) = text("step") {
                let done = DoneStep {
                    on: UnixTime(line.get("on").and_then(Value::as_i64).unwrap_or_default()),
                    note: text("note").unwrap_or_default().to_owned(),
                    correlation_ids: texts(line.get("ids")),
                };
                known.steps.insert(step.to_owned(), done);
            } else if let Some(customer) = text("withdrawn").and_then(|text| text.parse().ok()) {
                known.withdrawn.insert(customer);
            } else if let Some(made) = text("made") {
                known.made = Some(made.to_owned());
            } else if let (Some(key_id), Some(registration)) = (text("credential"), text("registration"))
                && let (Ok(key_id), Ok(registration)) = (key_id.parse(), registration.parse())
            {
                let old = texts(line.get("old")).iter().filter_map(|id| id.parse().ok()).collect();
                known.added = Some(Added { registration, key_id, old });
            }
        }
        known
    }
}

impl Target {
    fn to_json(&self) -> Value {
        let audiences: Vec<_> = self.audiences.iter().map(|audience| audience.name()).collect();
        json!({
            "partner": self.partner, "name": self.name, "user_oid": self.user_oid, "user_name": self.user_name,
            "audiences": audiences, "purpose": self.purpose,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            partner: text("partner").parse().ok()?,
            name: text("name"),
            user_oid: text("user_oid"),
            user_name: text("user_name"),
            audiences: Audience::of_names(&texts(value.get("audiences"))),
            purpose: text("purpose"),
        })
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let rows = value.and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Inner {
    /// Beside a store that is a file, else in the user's data folder.
    fn incident_path(&self) -> Result<PathBuf> {
        let app = format!("{} {}", self.key.authority, self.key.client_id);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, app.as_bytes());
        let app: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        if let Some(store) = self.config.store.strip_prefix("sqlite:") {
            return Ok(PathBuf::from(format!("{store}.incident-{app}")));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| {
            Error::new(
                ErrorKind::ConfigMissing,
                "incident",
                "there is no home folder to keep the state of the incident in",
            )
            .with_hint("set HOME")
        })?;
        Ok(base.data_dir().join("partnersam").join("incidents").join(app))
    }
}
