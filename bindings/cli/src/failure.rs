//! How a command ends when it does not end well: one kind of failure, told in words or as JSON.

use std::io;

use partnersam::error::EntraDetails;
use partnersam::{Error, ErrorKind};

use crate::escape::for_terminal;
use crate::exit;
use crate::output;
use crate::signals::Signal;
use crate::terminal::{Style, Terminal};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the table.
    Error(Error),
    /// What was asked for could not be written to standard output.
    Output(io::Error),
    /// Somebody ended the command.
    Signalled(Signal),
    /// Everything was told already; only the code is left.
    Told(i32),
}

impl Failure {
    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Error(Error::new(ErrorKind::InvalidArgument, "command line", message).with_hint(hint))
    }

    /// Something that this machine always gives was refused.
    pub(crate) fn internal(message: &str, cause: impl std::fmt::Display) -> Self {
        Self::Error(Error::new(ErrorKind::Internal, "command line", message).with_cause(cause))
    }

    /// Tells it, on standard output as JSON or on standard error in words, and returns the exit code.
    pub(crate) fn tell(self, terminal: &Terminal, json: bool) -> i32 {
        let error = match self {
            Self::Told(code) => return code,
            // Whoever reads has all that was wanted, as with `| head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return exit::OK,
            Self::Output(error) => {
                terminal.say(format_args!(
                    "{}: standard output cannot be written: {error}",
                    terminal.style_err(Style::Bad, "error")
                ));
                return exit::FAILED;
            }
            Self::Signalled(signal) => {
                let error = Error::new(ErrorKind::Cancelled, "command line", "cancelled");
                tell(&error, terminal, json);
                return signal.exit_code();
            }
            Self::Error(error) => error,
        };
        tell(&error, terminal, json);
        exit::of(&error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn tell(error: &Error, terminal: &Terminal, json: bool) {
    if json {
        // The code tells it where standard output is gone.
        let _ = output::print(terminal, &output::ErrorReport::new(error));
    } else {
        in_words(error, terminal);
    }
}

/// The message, what it is about, who must act, what to do, and where to read on.
fn in_words(error: &Error, terminal: &Terminal) {
    terminal.say(format_args!("{}: {}", terminal.style_err(Style::Bad, "error"), for_terminal(error.message())));
    if error.kind() == ErrorKind::Cancelled {
        return;
    }
    for (key, value) in error.context() {
        terminal.say(format_args!("  {key}: {}", for_terminal(value)));
    }
    for cause in error.causes() {
        terminal.say(format_args!("  cause: {}", for_terminal(cause)));
    }
    if let Some(status) = error.http_status() {
        terminal.say(format_args!("  http status: {status}"));
    }
    if let Some(code) = error.service_code() {
        terminal.say(format_args!("  service code: {}", for_terminal(code)));
    }
    if let Some(entra) = error.entra() {
        tell_entra(entra, terminal);
    }
    if let Some(wait) = error.retry_after() {
        terminal.say(format_args!("  try again in: {} s", wait.as_secs_f64().ceil()));
    }
    terminal.say(format_args!("who must act: {}", error.actor().in_words()));
    terminal.say(format_args!("hint: {}", for_terminal(error.advice())));
    terminal.say(format_args!("see: {}", error.help()));
}

/// The ids that a support ticket asks for, and the numbers that a search engine knows.
fn tell_entra(entra: &EntraDetails, terminal: &Terminal) {
    let codes: Vec<_> = entra.codes.iter().map(|code| format!("AADSTS{code}")).collect();
    let rows = [
        ("entra error", Some(entra.error.as_str()).filter(|error| !error.is_empty())),
        ("entra codes", Some(codes.join(" ")).as_deref().filter(|codes| !codes.is_empty())),
        ("suberror", entra.suberror.as_deref()),
        ("trace id", entra.trace_id.as_deref()),
        ("correlation id", entra.correlation_id.as_deref()),
        ("timestamp", entra.timestamp.as_deref()),
        ("claims", entra.claims.as_deref()),
    ]
    .map(|(name, value)| value.map(|value| format!("  {name}: {}", for_terminal(value))));
    for row in rows.into_iter().flatten() {
        terminal.say(format_args!("{row}"));
    }
}
