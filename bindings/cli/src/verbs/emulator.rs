//! `partnersam emulator`: Entra, Partner Center and Graph on loopback, until told to stop.

use std::path::PathBuf;

use clap::ValueHint;
use partnersam::{Error, ErrorKind};
use partnersam_emulator::{Cloud, Emulator, Options};

use super::{End, Outcome};
use crate::escape::for_shell;
use crate::failure::Failure;
use crate::session::Session;
use crate::signals;

const EXAMPLES: &str = "\
Examples:
  partnersam emulator
  partnersam emulator --ready-file /tmp/emulator.json &
  PARTNERSAM_EMULATOR=/tmp/emulator.json partnersam consent fabrikam.com

Once it listens, the ready file holds one JSON object: authority, partner_center, graph, control, ca_file, and the sample tenants, users, \
customers and apps with their made-up passwords and secrets. The line on standard output sets PARTNERSAM_EMULATOR, which points every face of \
partnersam at it. It runs until Ctrl-C or SIGTERM, and removes what it wrote";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where to write what listens where; without it in a temporary folder
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ready_file: Option<PathBuf>,

    /// The first of six ports in a row; without it random ones
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_531))]
    port_base: Option<u16>,

    /// The cloud to play: public, us-government or china
    #[arg(long, value_name = "CLOUD", default_value = "public", value_parser = cloud)]
    cloud: Cloud,
}

fn cloud(text: &str) -> Result<Cloud, String> {
    text.parse()
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let signalled = signals::signalled()?;
    let terminal = session.terminal;
    // Lives as long as the emulator, and goes with it.
    let folder = match arguments.ready_file {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("partnersam-emulator-")
                .tempdir()
                .map_err(|error| Failure::internal("no temporary folder can be made", error))?,
        ),
    };
    let ready_file = match (arguments.ready_file, &folder) {
        (Some(path), _) => path,
        (None, Some(folder)) => folder.path().join("ready.json"),
        (None, None) => return Err(Failure::internal("there is no place for the ready file", "no folder")),
    };
    // The variable must name it from anywhere.
    let ready_file = std::path::absolute(&ready_file).unwrap_or(ready_file);
    let options = Options {
        ready_file: Some(ready_file.clone()),
        port_base: arguments.port_base,
        cloud: arguments.cloud,
        ..Options::default()
    };
    let emulator = Emulator::start(options).await.map_err(|error| cannot_start(&error))?;
    terminal.print(format_args!("export PARTNERSAM_EMULATOR={}", for_shell(&ready_file.to_string_lossy())))?;
    terminal.note(format_args!(
        "the emulator plays Entra at {}; its users and their passwords are in the ready file; Ctrl-C ends it",
        emulator.ready().authority
    ));
    tokio::select! {
        _ = signalled => {}
        () = emulator.wait() => {}
    }
    emulator.stop().await;
    Ok(End::OK)
}

fn cannot_start(error: &partnersam_emulator::Error) -> Error {
    let hint = match error {
        partnersam_emulator::Error::Listen(_) => "name another --port-base, or leave it out and free ports are taken",
        partnersam_emulator::Error::File { .. } => "name a ready file in a folder that this account may write to",
        _ => "please report it",
    };
    Error::new(ErrorKind::InvalidArgument, "emulator", "the emulator cannot start").with_hint(hint).with_cause(error)
}
