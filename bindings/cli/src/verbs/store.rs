//! `partnersam store`: a store moves to another host.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use fs_err as fs;
use partnersam::app::move_store::{Arrival, Arrived, ImportReport, Opening, Sealing};
use partnersam::secret::Passphrase;
use partnersam::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::{End, Outcome};
use crate::count::counted;
use crate::escape::for_terminal;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam store export --to grants.age --recipient age1…
  partnersam store import grants.age --identity key.txt

To move to another host: export here for the other host's recipient (`age-keygen -o key.txt` there prints it), bring the file there and import it, then remove the grants \
here with `partnersam revoke PARTNER --yes`, which tells the service nothing. Until then both hosts hold them, and both work";

const EXPORT: &str = "\
Examples:
  partnersam store export --to grants.age --recipient age1…
  partnersam store export --to grants.age --passphrase-file passphrase

The file holds every grant of this app with what is known of it, and no access token and no begun consent. It is a binary age file: any age program that has the identity \
decrypts it, and what it then shows are refresh tokens, so leave that to `partnersam store import`. Without --recipient and --passphrase-file a passphrase is asked for";

const IMPORT: &str = "\
Examples:
  partnersam store import grants.age --identity key.txt
  partnersam store import grants.age --passphrase-file passphrase --json

Each grant is sealed with this host's key. One that is here and newer is kept, and so is one that was proved with MFA where the file's was not. The same command \
can be run again; what came already is kept. The app, its client id and its cloud, must be the one that the file was exported from";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write all grants of this app into a file that one recipient or passphrase opens
    #[command(after_help = EXPORT)]
    Export(ExportArguments),
    /// Take the grants of such a file into this store
    #[command(after_help = IMPORT)]
    Import(ImportArguments),
}

#[derive(Debug, clap::Args)]
struct ExportArguments {
    /// The file; one that is there is never replaced
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    to: PathBuf,

    /// Whose identity opens it: a public key of age; may be given several times
    #[arg(long = "recipient", value_name = "age1…", conflicts_with = "passphrase_file")]
    recipients: Vec<String>,

    /// The file that holds the passphrase
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,

    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ImportArguments {
    /// The file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    from: PathBuf,

    /// A file with an identity of age (`age-keygen -o FILE` makes one)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,

    /// The file that holds the passphrase
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,

    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn speaks_json(&self) -> bool {
        match &self.what {
            What::Export(arguments) => arguments.json,
            What::Import(arguments) => arguments.json,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    match arguments.what {
        What::Export(arguments) => export(arguments, session).await,
        What::Import(arguments) => import(arguments, session).await,
    }
}

async fn export(arguments: ExportArguments, session: &Session<'_>) -> Outcome {
    let (terminal, app) = (session.terminal, session.app().await?);
    let sealing = match arguments.passphrase_file {
        None if !arguments.recipients.is_empty() => Sealing::Recipients(arguments.recipients),
        Some(path) => Sealing::Passphrase(Passphrase::new(read(&path)?.trim_end_matches(['\r', '\n']))),
        None if terminal.can_ask() => {
            let first = terminal.ask_hidden("passphrase of the file").await?;
            if *first != *terminal.ask_hidden("the same once more").await? {
                return Err(Failure::usage("the two passphrases differ", "run it again"));
            }
            Sealing::Passphrase(Passphrase::new(first.as_str()))
        }
        None => {
            return Err(Failure::usage(
                "nobody is named who could open the file",
                "name a --recipient, or give a --passphrase-file",
            ));
        }
    };
    if arguments.json {
        output::print(terminal, &app.export_document(&arguments.to, &sealing, |_, _| {}).await?)?;
    } else {
        let exported = app.export_store(&arguments.to, &sealing, |_, _| {}).await?;
        terminal.print(format_args!(
            "{} {} holds {} of {}",
            terminal.style_out(Style::Good, "✔"),
            for_terminal(&arguments.to.display().to_string()),
            counted(exported, "grant"),
            for_terminal(&app.store_location())
        ))?;
        terminal.say(format_args!(
            "they are also still here: once the other host has imported them and works, remove each with `partnersam revoke PARTNER --yes`"
        ));
    }
    Ok(End::OK)
}

async fn import(arguments: ImportArguments, session: &Session<'_>) -> Outcome {
    let (terminal, app) = (session.terminal, session.app().await?);
    let opening = match (arguments.identity, arguments.passphrase_file) {
        (Some(path), _) => Opening::Identities(read(&path)?),
        (None, Some(path)) => Opening::Passphrase(Passphrase::new(read(&path)?.trim_end_matches(['\r', '\n']))),
        (None, None) if terminal.can_ask() => {
            Opening::Passphrase(Passphrase::new(terminal.ask_hidden("passphrase of the file").await?.as_str()))
        }
        (None, None) => {
            return Err(Failure::usage(
                "nothing is named that opens the file",
                "give an --identity or a --passphrase-file",
            ));
        }
    };
    let mut broken = None;
    let all = app
        .import_store(&arguments.from, &opening, |_, _, arrived| {
            if !arguments.json
                && let Err(failure) = tell(arrived, terminal)
            {
                broken = Some(failure);
            }
        })
        .await?;
    if let Some(failure) = broken {
        return Err(failure);
    }
    let (report, store) = (ImportReport::new(all, app.store_location()), app.store_location());
    if arguments.json {
        output::print(terminal, &report)?;
    } else {
        let ImportReport { taken, kept, .. } = report;
        terminal.print(format_args!(
            "{}: {} taken, {kept} kept as before",
            for_terminal(&store),
            counted(taken, "grant")
        ))?;
        terminal.say(format_args!(
            "when they work here, remove them where they came from: partnersam revoke PARTNER --yes"
        ));
    }
    Ok(End::OK)
}

fn tell(arrived: &Arrived, terminal: &Terminal) -> Result<(), Failure> {
    let (style, sign, what) = match arrived.arrival {
        Arrival::Came => (Style::Good, "✔", "came"),
        Arrival::Replaced => (Style::Good, "✔", "took the place of an older one"),
        Arrival::KeptMfa => (Style::Warning, "=", "kept: the one here is proved with MFA"),
        _ => (Style::Warning, "=", "kept: the one here is the same or newer"),
    };
    terminal.print(format_args!("{} {} {what}", terminal.style_out(style, sign), for_terminal(&arrived.name)))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "store", "a named file cannot be read")
            .with_context("path", path.display())
            .with_cause(error.kind())
    })?;
    Ok(text)
}
