//! `partnersam run --again-on-challenge`: the command is waited for, and run once more when a service has challenged its token.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use fs_err as fs;
use partnersam::app::token::Token;
use partnersam::protocol::claims_challenge;
use partnersam::{Audience, Error, ErrorKind};
use tokio::process::{Child, Command};

use super::{Arguments, cannot_run, variables};
use crate::failure::Failure;
use crate::session::Session;
use crate::signals;
use crate::terminal::Terminal;
use crate::verbs::token::in_variable;
use crate::verbs::{End, Outcome};

/// Runs the command, and after a failure with a challenge once more.
pub(super) async fn run(arguments: &Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    let (app, mut tokens) = unless_signalled(arguments.tokens(session)).await?;
    // Readable by us only, and gone with everything in it at the end.
    let folder = private_folder().map_err(no_place)?;
    let files: Vec<PathBuf> = tokens.iter().map(|(audience, _)| folder.path().join(in_variable(audience))).collect();
    let mut is_second = false;
    loop {
        for file in &files {
            fs::write(file, "").map_err(no_place)?;
        }
        let status = wait_for(start(arguments, &tokens, &files, terminal)?).await?;
        if status.success() || is_second {
            return Ok(End::Code(code(status)));
        }
        is_second = true;
        let mut was_challenged = false;
        for ((audience, token), file) in tokens.iter_mut().zip(&files) {
            // What is no text holds no header.
            let headers = fs::read_to_string(file).unwrap_or_default();
            if let Some(claims) = claims_challenge::claims_in(&headers) {
                *token = unless_signalled(arguments.token(&app, audience, Some(claims), terminal)).await?;
                was_challenged = true;
            }
        }
        if !was_challenged {
            return Ok(End::Code(code(status)));
        }
        terminal.note(format_args!("the token was challenged; the command runs once more with a new one"));
    }
}

/// What goes on before and between the runs ends with a signal; while the command runs, signals are the command's.
async fn unless_signalled<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let signalled = signals::signalled()?;
    tokio::select! {
        biased;
        done = work => done,
        signal = signalled => Err(Failure::Signalled(signal)),
    }
}

fn start(
    arguments: &Arguments,
    tokens: &[(Audience, Arc<Token>)],
    files: &[PathBuf],
    terminal: &Terminal,
) -> Result<Child, Failure> {
    let mut words = arguments.command.iter();
    let program = words.next().map(AsRef::as_ref).unwrap_or_default();
    let mut command = std::process::Command::new::<&std::ffi::OsStr>(program);
    command.args(words).envs(variables(tokens)?).env_remove("PARTNERSAM_CLIENT_SECRET");
    for ((audience, _), file) in tokens.iter().zip(files) {
        command.env(format!("PARTNERSAM_CHALLENGE_{}", in_variable(audience)), file);
    }
    if let [file] = files {
        command.env("PARTNERSAM_CHALLENGE", file);
    }
    let mut command = Command::from(command);
    match command.spawn() {
        Ok(child) => Ok(child),
        Err(error) => cannot_run(command.as_std(), &error, terminal),
    }
}

/// Waits for the command. Ctrl-C reaches it by the terminal; a request to end that reaches us only is passed on.
#[cfg(unix)]
async fn wait_for(mut child: Child) -> Result<ExitStatus, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::internal("signals cannot be received", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(cannot)?;
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status.map_err(|error| Failure::internal("the command cannot be waited for", error)),
            _ = terminate.recv() => rustix::process::Signal::TERM,
            _ = hang_up.recv() => rustix::process::Signal::HUP,
        };
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // It may have ended this very moment.
            let _ = rustix::process::kill_process(id, signal);
        }
    }
}

#[cfg(not(unix))]
async fn wait_for(mut child: Child) -> Result<ExitStatus, Failure> {
    child.wait().await.map_err(|error| Failure::internal("the command cannot be waited for", error))
}

/// The command's own code; as a shell tells it where a signal ended it.
fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(crate::exit::FAILED)
}

fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("partnersam-run-");
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.tempdir()
}

fn no_place(error: std::io::Error) -> Failure {
    Error::new(ErrorKind::InvalidArgument, "run", "there is no place for the files that take a challenge")
        .with_hint("name a folder that can be written in TMPDIR")
        .with_cause(error)
        .into()
}
