//! The stage of the demo: a temporary folder that is everybody's home, an emulator, and our own command played in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use partnersam::{Error, ErrorKind};
use partnersam_emulator::{Emulator, Options, Ready};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::escape::for_terminal;
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

pub(super) struct Scene<'a> {
    terminal: &'a Terminal,
    itself: &'a [OsString],
    emulator: Emulator,
    /// Microsoft's side: what the emulator writes.
    folder: TempDir,
    /// The owner's side: below it, everybody's home and working directory.
    home: PathBuf,
    step: AtomicU32,
}

/// A command of ours that has printed its first line and goes on.
pub(super) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// What a command of ours came to.
pub(super) struct Answer {
    code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl<'a> Scene<'a> {
    pub(super) async fn open(session: &'a Session<'_>) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("partnersam-demo-")
            .tempdir()
            .map_err(|error| Failure::internal("no temporary folder can be made", error))?;
        let home = folder.path().join("home");
        fs_err::create_dir(&home).map_err(|error| Failure::internal("no temporary folder can be made", error))?;
        let options = Options { ready_file: Some(folder.path().join("emulator.json")), ..Options::default() };
        let emulator =
            Emulator::start(options).await.map_err(|error| Failure::internal("the emulator cannot start", error))?;
        session.terminal.print(
            "The whole story, from a password in a script to tokens without one. Everything in it is made up.",
        )?;
        Ok(Self {
            terminal: session.terminal,
            itself: session.itself(),
            emulator,
            folder,
            home,
            step: AtomicU32::new(0),
        })
    }

    /// Ends the emulator and removes the folder.
    pub(super) async fn close(self) -> Result<(), Failure> {
        self.emulator.stop().await;
        self.folder.close().map_err(|error| Failure::internal("the temporary folder could not be removed", error))
    }

    pub(super) fn ready(&self) -> &Ready {
        self.emulator.ready()
    }

    /// Where everything of the owner's is.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The number of the step that is being played.
    pub(super) fn step(&self) -> u32 {
        self.step.load(Ordering::Relaxed)
    }

    /// The next step.
    pub(super) fn begin(&self, heading: &str) -> Result<(), Failure> {
        let number = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        self.terminal.print("")?;
        self.terminal.print(self.terminal.style_out(Style::Heading, &format!("{number}. {heading}")))
    }

    /// A line of the story.
    pub(super) fn tell(&self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        self.terminal.print(format_args!("   {}", for_terminal(&line.to_string())))
    }

    /// A file of the story.
    pub(super) fn show(&self, name: &str, content: &str) -> Result<(), Failure> {
        self.tell(format_args!("{name}:"))?;
        content.lines().try_for_each(|line| self.tell(format_args!("  | {line}")))
    }

    /// What must be so at this point.
    pub(super) fn check(&self, holds: bool, what: &str) -> Result<(), Failure> {
        if holds { Ok(()) } else { Err(deviation(format!("this does not hold: {what}"))) }
    }

    /// The made-up password of a sample user.
    pub(super) fn password_of(&self, upn: &str) -> Result<String, Failure> {
        let user = self.ready().users.iter().find(|user| user.upn == upn);
        user.map(|user| user.password.clone()).ok_or_else(|| deviation(format!("the emulator does not know {upn}")))
    }

    /// Client id and made-up secret of the vendor's app.
    pub(super) fn app(&self) -> Result<(String, String), Failure> {
        let app = self.ready().apps.iter().find(|app| app.profile == "cpv");
        let known = app.and_then(|app| Some((app.client_id.clone(), app.client_secret.clone()?)));
        known.ok_or_else(|| deviation("the emulator has no vendor's app".to_owned()))
    }

    /// Plays a command of ours: shows it and what it says, and returns that.
    pub(super) async fn play(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Answer, Failure> {
        self.play_with(arguments, environment, "").await
    }

    /// The same with something on standard input.
    pub(super) async fn play_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &Path)],
        stdin: &str,
    ) -> Result<Answer, Failure> {
        self.show_command(arguments)?;
        let answer = self.finish(self.spawn(arguments, environment, stdin).await?).await?;
        // JSON is for the caller, who tells what matters of it; a token is never shown.
        if !arguments.contains(&"--json") {
            self.show_answer(&answer)?;
        }
        Ok(answer)
    }

    /// Plays a command without a word.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Answer, Failure> {
        self.finish(self.spawn(arguments, &[], "").await?).await
    }

    /// Starts a command, and returns when it has printed its first line, with that line.
    pub(super) async fn start(
        &self,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<(String, Running), Failure> {
        self.show_command(arguments)?;
        let mut running = self.spawn(arguments, environment, "").await?;
        let mut line = String::new();
        running.stdout.read_line(&mut line).await.map_err(unreadable)?;
        if line.is_empty() {
            let answer = self.finish(running).await?;
            return Err(deviation(format!("the command printed no link: {}", answer.stderr)));
        }
        Ok((line.trim().to_owned(), running))
    }

    /// Waits for a command that was started, and shows what it said.
    pub(super) async fn end(&self, running: Running) -> Result<Answer, Failure> {
        let answer = self.finish(running).await?;
        self.show_answer(&answer)?;
        Ok(answer)
    }

    async fn spawn(&self, arguments: &[&str], environment: &[(&str, &Path)], stdin: &str) -> Result<Running, Failure> {
        let Some((program, before)) = self.itself.split_first() else {
            return Err(Failure::internal("this program does not know where it is", "no path"));
        };
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            // The owner's own configuration has no part in this.
            if ["PARTNERSAM_", "AZURE_", "XDG_", "SSL_CERT_"]
                .iter()
                .any(|prefix| name.to_string_lossy().starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        command
            .args(before)
            .args(arguments)
            .arg("--no-input")
            .envs(environment.iter().copied())
            .env("HOME", &self.home)
            .env("PARTNERSAM_CONFIG", self.home.join("config.toml"))
            .env("PARTNERSAM_EMULATOR", self.folder.path().join("emulator.json"))
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if !environment.iter().any(|(name, _)| *name == "PARTNERSAM_STORE") {
            command.env("PARTNERSAM_STORE", format!("sqlite:{}", self.home.join("grants.db").display()));
        }
        let mut child =
            command.spawn().map_err(|error| Failure::internal("our own command cannot be started", error))?;
        if let Some(mut pipe) = child.stdin.take() {
            // A command that does not want it is no failure here.
            let _ = pipe.write_all(stdin.as_bytes()).await;
        }
        let stdout =
            child.stdout.take().ok_or_else(|| Failure::internal("our own command has no output", "no pipe"))?;
        Ok(Running { child, stdout: BufReader::new(stdout) })
    }

    async fn finish(&self, mut running: Running) -> Result<Answer, Failure> {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut errors = running.child.stderr.take();
        let read_errors = async {
            match &mut errors {
                Some(errors) => errors.read_to_string(&mut stderr).await,
                None => Ok(0),
            }
        };
        let (out, err) = tokio::join!(running.stdout.read_to_string(&mut stdout), read_errors);
        out.and(err).map_err(unreadable)?;
        let status = running.child.wait().await.map_err(unreadable)?;
        Ok(Answer { code: status.code(), stdout, stderr })
    }

    fn show_command(&self, arguments: &[&str]) -> Result<(), Failure> {
        let words: Vec<_> = arguments
            .iter()
            .map(|word| if word.contains([' ', '$']) { format!("'{word}'") } else { (*word).to_owned() })
            .collect();
        self.tell(format_args!("$ partnersam {}", words.join(" ")))
    }

    fn show_answer(&self, answer: &Answer) -> Result<(), Failure> {
        answer.stdout.lines().chain(answer.stderr.lines()).try_for_each(|line| self.tell(format_args!("{line}")))
    }
}

impl Answer {
    /// This answer, if the command ended with that code.
    pub(super) fn expect(self, code: i32) -> Result<Self, Failure> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let ended = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        Err(deviation(format!("the command ended with {ended} and not with {code}: {}", self.stderr)))
    }

    /// Standard output as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.stdout).map_err(|error| Failure::internal("the command's output is not JSON", error))
    }
}

fn deviation(message: String) -> Failure {
    Failure::Error(
        Error::new(ErrorKind::Internal, "demo", message)
            .with_hint("please report it with everything that the demo printed"),
    )
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::internal("our own command's output cannot be read", error)
}
