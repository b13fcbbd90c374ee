//! The grammar of the command line.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueHint};
use partnersam::protocol::claims_challenge;
use partnersam::{Audience, Error, TenantRef};

use crate::exit;
use crate::failure::Failure;
use crate::verbs::{
    audit, completion, consent, customers, demo, doctor, emulator, explain, import, incident, init, key, renew, revoke,
    run, status, store, token,
};

const EXAMPLES: &str = "\
Examples:
  partnersam init --client-id 11111111-2222-3333-4444-555555555555
  partnersam consent fabrikam.com
  partnersam token fabrikam.com --for graph
  partnersam run --for graph --customer contoso.com -- python report.py

Environment: PARTNERSAM_CONFIG, _CLIENT_ID, _TENANT_ID, _CLIENT_SECRET, _PROFILE, _CLOUD, _STORE, _KEY_FILE, _PURPOSE, _EMULATOR, _LOG, then the \
AZURE_* names; BROWSER and NO_COLOR are honoured";

/// One consent with MFA, access tokens ever after, and no password anywhere
#[derive(Debug, Parser)]
#[command(
    name = "partnersam",
    bin_name = "partnersam",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Arguments {
    /// Configuration file instead of the user's own; also PARTNERSAM_CONFIG
    #[arg(long, global = true, help_heading = "Global options", value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Never ask: what is missing is an error
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_input: bool,

    /// Log to standard error: -v info, -vv debug, -vvv trace; also PARTNERSAM_LOG=LEVEL
    #[arg(short, long, global = true, help_heading = "Global options", action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a configuration file and make a place for the store's key
    Init(init::Arguments),
    /// Let a partner sign in once with MFA, and keep the grant
    Consent(consent::Arguments),
    /// Take over a refresh token that was obtained elsewhere for the same app
    Import(import::Arguments),
    /// Get an access token
    Token(token::Arguments),
    /// Show the grants and how they are
    Status(status::Arguments),
    /// Use grants before they end for want of use
    Renew(renew::Arguments),
    /// Remove a partner's grant from the store, and end it at the service where that is asked for
    Revoke(revoke::Arguments),
    /// Act on a theft: end sign-ins, replace the app's secret, remove grants; without --yes only print the steps
    Incident(incident::Arguments),
    /// List a partner's customers, and bring what the app is consented to there to what is wanted
    Customers(customers::Arguments),
    /// Show the store's key's place, and give the store a new key while it is in use
    Key(key::Arguments),
    /// Move a store's grants to another host, in an encrypted file
    Store(store::Arguments),
    /// Check and show the record of what was done with whose grant
    Audit(audit::Arguments),
    /// Run a command with tokens in its environment, and nowhere else
    Run(run::Arguments),
    /// Look at everything that has to be right for a token to come
    Doctor(doctor::Arguments),
    /// Say what a code or a pasted error text means, who must act and what to run
    Explain(explain::Arguments),
    /// Play Entra, Partner Center and Graph on this machine, to try everything against
    Emulator(emulator::Arguments),
    /// Play the whole story against an emulator in a temporary folder
    Demo(demo::Arguments),
    /// Print the completion script of a shell
    Completion(completion::Arguments),
}

impl Verb {
    /// Whether the answer, an error included, goes to standard output as JSON.
    pub(crate) fn speaks_json(&self) -> bool {
        match self {
            Self::Init(arguments) => arguments.json,
            Self::Consent(arguments) => arguments.json,
            Self::Import(arguments) => arguments.json,
            Self::Token(arguments) => arguments.speaks_json(),
            Self::Status(arguments) => arguments.json,
            Self::Renew(arguments) => arguments.json,
            Self::Revoke(arguments) => arguments.json,
            Self::Incident(arguments) => arguments.json,
            Self::Audit(arguments) => arguments.speaks_json(),
            Self::Key(arguments) => arguments.speaks_json(),
            Self::Store(arguments) => arguments.speaks_json(),
            Self::Doctor(arguments) => arguments.json,
            Self::Customers(arguments) => arguments.speaks_json(),
            Self::Explain(arguments) => arguments.json,
            Self::Run(_) | Self::Emulator(_) | Self::Demo(_) | Self::Completion(_) => false,
        }
    }

    /// Whether it ends by itself on a signal, with an orderly end of its own.
    pub(crate) fn minds_signals(&self) -> bool {
        match self {
            Self::Emulator(_) => true,
            Self::Run(arguments) => arguments.again_on_challenge,
            Self::Renew(arguments) => arguments.watch,
            _ => false,
        }
    }
}

/// Reads an audience; the refusal says what there is.
pub(crate) fn audience(text: &str) -> Result<Audience, String> {
    text.parse().map_err(in_one_line)
}

/// Reads a tenant's id or domain.
pub(crate) fn tenant(text: &str) -> Result<TenantRef, String> {
    text.parse().map_err(in_one_line)
}

/// Checks what `--claims` was given, before anything is opened.
pub(crate) fn claims(text: &str) -> Result<String, Failure> {
    claims_challenge::of_caller(text).map_err(|_| {
        Failure::usage(
            "--claims takes a JSON object, or a WWW-Authenticate header with claims",
            "pass the header of the service's 401 as it stands",
        )
    })
}

fn in_one_line(error: Error) -> String {
    format!("{}; {}", error.message(), error.advice())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example_of_itself() {
        for verb in Arguments::command().get_subcommands() {
            let help = verb.get_after_help().unwrap().to_string();
            assert!(
                help.contains("Example") && help.contains(&format!("partnersam {}", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
    }

    #[test]
    fn no_option_takes_a_secret() {
        let secrets = ["password", "client-secret", "refresh-token"];
        for verb in Arguments::command().get_subcommands() {
            for option in verb.get_arguments().filter(|option| !option.is_hide_set()) {
                assert!(!secrets.contains(&option.get_id().as_str()), "{} --{}", verb.get_name(), option.get_id());
            }
        }
    }
}
