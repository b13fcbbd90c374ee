//! One file a verb.

pub(crate) mod audit;
pub(crate) mod completion;
pub(crate) mod consent;
pub(crate) mod customers;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod emulator;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod incident;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod renew;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod watch;

use std::process::Command;

use crate::arguments::Verb;
use crate::exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::Terminal;

/// How a verb ends when nothing is left to tell.
#[derive(Debug)]
pub(crate) enum End {
    /// With this exit code.
    Code(i32),
    /// By becoming this command, once everything of ours is saved.
    Become(Command),
}

/// What a verb returns.
pub(crate) type Outcome = Result<End, Failure>;

impl End {
    /// Everything was done.
    pub(crate) const OK: Self = Self::Code(exit::OK);

    /// The exit code; does not return where the process becomes another.
    pub(crate) fn come_to(self, terminal: &Terminal) -> Result<i32, Failure> {
        match self {
            Self::Code(code) => Ok(code),
            Self::Become(command) => run::become_command(command, terminal),
        }
    }
}

/// Does what was asked.
pub(crate) async fn run(verb: Verb, session: &Session<'_>) -> Outcome {
    match verb {
        Verb::Init(arguments) => init::run(arguments, session).await,
        Verb::Consent(arguments) => consent::run(arguments, session).await,
        Verb::Import(arguments) => import::run(arguments, session).await,
        Verb::Token(arguments) => token::run(arguments, session).await,
        Verb::Status(arguments) => status::run(arguments, session).await,
        Verb::Renew(arguments) => renew::run(arguments, session).await,
        Verb::Revoke(arguments) => revoke::run(arguments, session).await,
        Verb::Incident(arguments) => incident::run(arguments, session).await,
        Verb::Customers(arguments) => customers::run(arguments, session).await,
        Verb::Key(arguments) => key::run(arguments, session).await,
        Verb::Store(arguments) => store::run(arguments, session).await,
        Verb::Audit(arguments) => audit::run(arguments, session).await,
        Verb::Run(arguments) => run::run(arguments, session).await,
        Verb::Doctor(arguments) => doctor::run(arguments, session).await,
        Verb::Explain(arguments) => explain::run(arguments, session).await,
        Verb::Emulator(arguments) => emulator::run(arguments, session).await,
        Verb::Demo(arguments) => demo::run(arguments, session).await,
        Verb::Completion(arguments) => completion::run(&arguments, session),
    }
}
