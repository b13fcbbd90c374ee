//! `partnersam key`: the key that opens the store.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use partnersam::app::rotate_key::{KeyPlan, KeyRotated, KeyStatus};
use partnersam::store::{KeySource, create_key_file};

use super::{End, Outcome};
use crate::count::counted;
use crate::escape::for_terminal;
use crate::output;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam key show
  partnersam key rotate
  partnersam key retire

The store's key opens a key for each partner, and those open the records. `rotate` gives all of them new ones while everything else goes on";

const ROTATE: &str = "\
Examples:
  partnersam key rotate
  partnersam key rotate --dry-run
  partnersam key rotate --to file:/etc/partnersam/key
  partnersam key rotate --json

A new key is put beside the old one in its source, becomes the store's, and every grant and token is sealed anew with it; then the old one is removed. Others go on \
working meanwhile. After a kill, or any error, the same command goes on where it was cut short; until the last record is moved the old key is kept.

keyring and file: done by itself. passphrase: the same passphrase makes another key; for a new passphrase add it as a second line to `passphrase_file`, and remove the first \
line when this has ended. credentials-directory: add the line of a new key (`partnersam key make FILE`) to the credential first, and remove the old line afterwards

A postgres: or keyvault: store is used from many hosts. With the key in a vault that changes nothing. Otherwise the first `rotate` only makes the new key in this host's source: bring both keys to \
every other host, old line first, run `rotate` again here, and `partnersam key retire` on the others";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say where the store's key lives, and whether it is being changed
    #[command(after_help = "Example:\n  partnersam key show --json")]
    Show(Asked),
    /// Give the store a new key, or go on with a change that was cut short
    #[command(after_help = ROTATE)]
    Rotate(RotateArguments),
    /// Make a key in a new file, for a source that is written by somebody else
    #[command(after_help = "Example:\n  partnersam key make /etc/partnersam/next-key")]
    Make(MakeArguments),
    /// Remove from this host's source what is not the store's key any more
    #[command(after_help = "Example:\n  partnersam key retire")]
    Retire(Asked),
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RotateArguments {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Change to another source: keyring, file:PATH or keyvault://NAME. It must hold no key yet
    #[arg(long, value_name = "SOURCE")]
    to: Option<KeySource>,

    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, clap::Args)]
struct MakeArguments {
    /// The file; one that is there is never replaced
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

impl Arguments {
    pub(crate) fn speaks_json(&self) -> bool {
        match &self.what {
            What::Show(arguments) | What::Retire(arguments) => arguments.json,
            What::Rotate(arguments) => arguments.asked.json,
            What::Make(_) => false,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    if let What::Make(MakeArguments { file }) = &arguments.what {
        create_key_file(file)?;
        terminal.print(format_args!("made a key in {}", for_terminal(&file.display().to_string())))?;
        return Ok(End::OK);
    }
    let app = session.app().await?;
    let store = app.store_location();
    match arguments.what {
        What::Make(_) => {}
        What::Show(arguments) => {
            let status = app.key_status().await?;
            if arguments.json {
                output::print(terminal, &app.key_document(&status))?;
            } else {
                show(terminal, &store, &status)?;
            }
        }
        What::Rotate(arguments) if arguments.dry_run => {
            let plan = app.plan_key_rotation(arguments.to.as_ref()).await?;
            if arguments.asked.json {
                output::print(terminal, &app.key_document(&plan))?;
            } else {
                tell_plan(terminal, &store, &plan)?;
            }
        }
        What::Rotate(arguments) => {
            let bar = progress_bar(terminal);
            let done = app
                .rotate_key(arguments.to.as_ref(), |done, of| {
                    bar.set_length(of);
                    bar.set_position(done);
                })
                .await;
            bar.finish_and_clear();
            let done = done?;
            if arguments.asked.json {
                output::print(terminal, &app.key_document(&done))?;
            } else {
                tell(terminal, &store, &app.config().key.to_string(), &done)?;
            }
        }
        What::Retire(arguments) => {
            let source = app.config().key.to_string();
            if arguments.json {
                output::print(terminal, &app.retire_key_document().await?)?;
            } else if app.retire_key().await? {
                terminal.print(format_args!("{} holds the store's key alone", for_terminal(&source)))?;
            } else {
                by_hand(terminal, &source);
            }
        }
    }
    Ok(End::OK)
}

fn show(terminal: &Terminal, store: &str, status: &KeyStatus) -> Result<(), crate::failure::Failure> {
    terminal.print(format_args!("the key of {} lives in {}", for_terminal(store), for_terminal(&status.source)))?;
    match status.rotation {
        "none" if status.held > 1 => terminal.print(
            "another key lies beside it: for a change that is to come (`partnersam key rotate`), or left by one (`partnersam key retire`)",
        ),
        "none" => Ok(()),
        _ => terminal.print(format_args!(
            "it is being changed, with {} to go under the old one; `partnersam key rotate` goes on",
            counted(status.left, "grant")
        )),
    }
}

fn tell_plan(terminal: &Terminal, store: &str, plan: &KeyPlan) -> Result<(), crate::failure::Failure> {
    let (store, source) = (for_terminal(store), for_terminal(&plan.source));
    if plan.first_by_hand {
        return terminal.print(format_args!(
            "first by hand: put the line of a new key (`partnersam key make FILE`) behind the old one in {source}"
        ));
    }
    match (plan.rotation, plan.makes_key) {
        ("moving", _) => terminal.print("would go on with the change that was cut short")?,
        ("retiring", _) => return terminal.print(format_args!("would remove the old key from {source}")),
        (_, true) => terminal.print(format_args!("would put a new key beside the old one in {source}"))?,
        (_, false) => {
            terminal.print(format_args!("would take the new key that lies beside the old one in {source}"))?
        }
    }
    if let Some(line) = &plan.config_line {
        terminal.print(format_args!("would put both into the new source ({})", for_terminal(line)))?;
    }
    if plan.prepares_only {
        return terminal.print(
            "and no more: both keys are to be brought to every other host that uses the store, before the next `partnersam key rotate`",
        );
    }
    terminal.print(format_args!(
        "would move {} of {store} to it, and then remove the old one",
        counted(plan.grants, "grant")
    ))?;
    match &plan.config_line {
        Some(line) => terminal.print(format_args!("then the configuration is to say {}", for_terminal(line))),
        None => Ok(()),
    }
}

fn tell(terminal: &Terminal, store: &str, source: &str, done: &KeyRotated) -> Result<(), crate::failure::Failure> {
    if done.prepared_only {
        terminal.print(format_args!(
            "a new key lies beside the old one in {}; {} is not changed yet",
            for_terminal(source),
            for_terminal(store)
        ))?;
        terminal.say(format_args!(
            "by hand: bring both keys, the old one first, to every other host that uses the store, then run `partnersam key rotate` again here"
        ));
        if let Some(line) = &done.config_line {
            terminal.say(format_args!(
                "both are in the new source, too: {} in the configuration of each host",
                for_terminal(line)
            ));
        }
        return Ok(());
    }
    let went_on = if done.resumed { " (a change that was cut short)" } else { "" };
    terminal.print(format_args!(
        "{} {} has a new key: {} moved{went_on}",
        terminal.style_out(Style::Good, "✔"),
        for_terminal(store),
        counted(done.moved, "grant")
    ))?;
    if done.unreadable > 0 {
        terminal.warn(format_args!(
            "neither key opens {}, left as found; `partnersam status PARTNER` says which",
            counted(done.unreadable, "grant")
        ));
    }
    if !done.old_key_removed {
        by_hand(terminal, source);
    }
    if done.other_hosts {
        terminal.say(format_args!("by hand: run `partnersam key retire` on every other host that uses the store"));
    }
    if let Some(line) = &done.config_line {
        terminal.say(format_args!("by hand: set {} in the configuration", for_terminal(line)));
        terminal.say(format_args!(
            "until then the store opens with {}, which has the new key, too: when nothing uses it any more, remove it there",
            for_terminal(source)
        ));
    }
    Ok(())
}

fn by_hand(terminal: &Terminal, source: &str) {
    terminal.say(format_args!(
        "by hand: remove the old line from {}; nothing is sealed with it any more",
        for_terminal(source)
    ));
}

/// On standard error, and only where a person looks at it.
fn progress_bar(terminal: &Terminal) -> ProgressBar {
    if !terminal.err_is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("moving {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
