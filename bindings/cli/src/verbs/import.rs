//! `partnersam import`: a refresh token from elsewhere, proved before it is stored.

use std::path::PathBuf;

use clap::ValueHint;
use fs_err as fs;
use partnersam::app::import::ImportOptions;
use partnersam::secret::RefreshToken;
use partnersam::{Audience, Error, ErrorKind, TenantRef};
use zeroize::Zeroizing;

use super::Outcome;
use crate::arguments::{audience, tenant};
use crate::completed::{self, To};
use crate::failure::Failure;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  partnersam import fabrikam.com --file old-token.txt
  partnersam import fabrikam.com --for partner-center,graph < old-token.txt

The token is redeemed first, MFA is proved as at a consent, and only then is anything stored. It must have been given to this same app. \
The exit code is 0 when the grant was stored and every audience named with --for has a token";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose grant it is: tenant id or domain
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: TenantRef,

    /// A token in an argument can be read by every process of this machine, so it is refused
    #[arg(hide = true)]
    token_in_argument: Option<String>,

    /// The services it is to be used for, with commas between them
    #[arg(long = "for", value_name = "AUDIENCES", value_delimiter = ',', value_parser = audience)]
    audiences: Vec<Audience>,

    /// The file that holds the token; without it, or with -, standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// Why: a purpose that the configuration declares, or words for the record; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// Store it even though MFA is not proved; Partner Center refuses its tokens
    #[arg(long)]
    allow_without_mfa: bool,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    if arguments.token_in_argument.is_some() {
        return Err(Failure::usage(
            "a refresh token must not stand on the command line",
            "give it by --file, or on standard input",
        ));
    }
    let app = session.app().await?;
    let text = match arguments.file.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => Zeroizing::new(fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "import", "the file with the refresh token cannot be read")
                .with_context("file", path.display())
                .with_cause(error.kind())
        })?),
        None if terminal.can_ask() => terminal.ask_hidden("refresh token (not shown)").await?,
        None if terminal.in_is_terminal() => {
            return Err(Failure::usage("there is no refresh token", "give it by --file, or on standard input"));
        }
        None => terminal.read_to_end().await?,
    };
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(
            "there is no refresh token: the input is empty",
            "give it by --file, or on standard input",
        ));
    }
    if token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(Failure::usage(
            "the input is more than a refresh token",
            "give the token alone, one word without spaces or quotes around it",
        ));
    }
    let names_audiences = !arguments.audiences.is_empty();
    let options = ImportOptions {
        audiences: arguments.audiences,
        purpose: arguments.purpose,
        allow_without_mfa: arguments.allow_without_mfa,
    };
    let imported = app.import_grant(&arguments.partner, RefreshToken::new(token), &options).await?;
    completed::tell(&imported, names_audiences, if arguments.json { To::Json } else { To::StandardOutput }, terminal)
}
