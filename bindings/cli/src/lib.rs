//! The command `partnersam`, as a library: [`run`] takes the arguments and returns the exit code. `main.rs` calls it, and so does the Python package.
//!
//! It decides how things are said and nothing else: what is done is the core's business ([`partnersam::App`]).

mod arguments;
mod browser;
mod completed;
mod count;
mod escape;
mod exit;
mod failure;
mod log;
mod output;
mod pasted;
mod session;
mod signals;
mod terminal;
mod verbs;

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::Terminal;

/// Runs the command with these arguments, the first being the program's name, and returns its exit code.
///
/// It writes to this process's standard output and standard error, takes over SIGINT and SIGTERM while it runs, and never ends the process itself,
/// except that `run` on Unix becomes the command it was given.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let itself = std::env::current_exe().map(OsString::from).into_iter().collect();
    run_as(itself, arguments)
}

/// [`run`] for a program that is something else, too: `itself` is how to start this command in a process of its own, for example `python -m partnersam`.
pub fn run_as(itself: Vec<OsString>, arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            // Nobody is left to tell when even that cannot be written.
            drop(refusal.print());
            return if refusal.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    let terminal = Terminal::of_this_process(arguments.no_input);
    let json = arguments.verb.speaks_json();
    let outcome = log::start(arguments.verbose, &terminal)
        .map_err(Failure::from)
        .and_then(|()| in_runtime(arguments, &terminal, itself));
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.tell(&terminal, json),
    }
}

fn in_runtime(arguments: Arguments, terminal: &Terminal, itself: Vec<OsString>) -> Result<i32, Failure> {
    /// A redemption that was sent gets this long to be saved.
    const LAST_SAVES: Duration = Duration::from_secs(2);

    // One thread does: a token from a warm store takes less time than the start of a second one.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal("no event loop can be started", error))?;
    let session = Session::new(terminal, arguments.config, itself);
    let minds_signals = arguments.verb.minds_signals();
    let outcome = runtime.block_on(async {
        let signalled = signals::signalled()?;
        let outcome = tokio::select! {
            biased;
            outcome = verbs::run(arguments.verb, &session) => outcome,
            signal = signalled, if !minds_signals => Err(Failure::Signalled(signal)),
        };
        if let Some(app) = session.opened() {
            app.settle(LAST_SAVES).await;
        }
        outcome
    });
    // A thread that reads from a terminal or runs a text browser may never come back.
    runtime.shutdown_background();
    outcome.and_then(|end| end.come_to(terminal))
}
