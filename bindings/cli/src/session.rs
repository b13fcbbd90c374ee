//! What every verb needs: the terminal, the configuration, and the app once it is opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use partnersam::app::Parts;
use partnersam::secret::Passphrase;
use partnersam::store::KeySource;
use partnersam::{App, Config};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// One run of the command.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) terminal: &'a Terminal,
    config: Option<PathBuf>,
    itself: Vec<OsString>,
    opened: OnceLock<App>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(terminal: &'a Terminal, config: Option<PathBuf>, itself: Vec<OsString>) -> Self {
        Self { terminal, config, itself, opened: OnceLock::new() }
    }

    /// The file that `--config` names, or `PARTNERSAM_CONFIG`.
    pub(crate) fn named_config(&self) -> Option<PathBuf> {
        self.config
            .clone()
            .or_else(|| std::env::var_os("PARTNERSAM_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    /// How to start this command again in another process.
    pub(crate) fn itself(&self) -> &[OsString] {
        &self.itself
    }

    /// Opens the app of the configuration that holds here.
    pub(crate) async fn app(&self) -> Result<App, Failure> {
        let config = match &self.config {
            Some(path) => Config::from_file(path)?,
            None => Config::from_env()?,
        };
        self.open(config).await
    }

    /// Opens the app of this configuration file.
    pub(crate) async fn app_of(&self, path: &Path) -> Result<App, Failure> {
        self.open(Config::from_file(path)?).await
    }

    /// The app, if one was opened.
    pub(crate) fn opened(&self) -> Option<&App> {
        self.opened.get()
    }

    async fn open(&self, config: Config) -> Result<App, Failure> {
        let mut parts = Parts::default();
        if config.key == KeySource::Passphrase && config.passphrase_file.is_none() && self.terminal.can_ask() {
            // Asked before anything else: once inside the store, Ctrl-C would have to wait for the answer.
            let passphrase = self.terminal.ask_hidden("passphrase of the store").await?;
            parts.ask_passphrase = Some(Box::new(move || Ok(Passphrase::new(Zeroizing::clone(&passphrase).as_str()))));
        }
        let app = App::open_with(config, parts).await?;
        Ok(self.opened.get_or_init(|| app).clone())
    }
}
