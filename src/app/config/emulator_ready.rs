//! The ready file of the emulator: where it listens, and its sample apps.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use super::document::invalid;
use crate::error::{Error, ErrorKind, Result};

/// What of the emulator's ready file matters here.
#[derive(Deserialize)]
pub(super) struct EmulatorReady {
    /// The cloud that it plays; a ready file of before says nothing and means the public one.
    #[serde(default)]
    pub(super) cloud: Option<String>,
    pub(super) authority: String,
    pub(super) partner_center: String,
    pub(super) graph: String,
    #[serde(default)]
    pub(super) arm: Option<String>,
    #[cfg(feature = "keyvault")]
    #[serde(default)]
    pub(super) key_vault: Option<String>,
    pub(super) ca_file: PathBuf,
    #[serde(default)]
    pub(super) apps: Vec<EmulatorApp>,
}

#[derive(Deserialize)]
pub(super) struct EmulatorApp {
    #[serde(default)]
    pub(super) profile: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    #[serde(default)]
    pub(super) tenant: String,
}

impl EmulatorReady {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "open", "the emulator's ready file cannot be read")
                .with_context("PARTNERSAM_EMULATOR", path.display())
                .with_cause(error.kind())
                .with_hint("start it with `partnersam emulator --ready-file FILE`, or unset PARTNERSAM_EMULATOR")
        })?;
        serde_json::from_str(&text).map_err(|_| invalid("PARTNERSAM_EMULATOR", "a ready file of the emulator"))
    }
}
