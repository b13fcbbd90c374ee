//! `partnersam import`: a refresh token from elsewhere, proved before it is stored; what the other tool kept is told of, and removed where that is asked for.

use std::path::PathBuf;

use clap::ValueHint;
use partnersam::app::config::VaultOpener;
use partnersam::app::import::{Fate, ImportOptions, MovePlan, MoveRequest, MovedIn, WHAT_REMAINS};
use partnersam::moving_in::Source;
use partnersam::{App, Audience, TenantRef};
use zeroize::Zeroizing;

use super::{End, Outcome};
use crate::arguments::{audience, tenant};
use crate::completed::{self, To};
use crate::escape::for_terminal;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, now};
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam import fabrikam.com --file old-token.txt
  partnersam import fabrikam.com --from keyvault://my-vault/secrets/RefreshToken --purge
  partnersam import fabrikam.com --file .env --purge --dry-run
  partnersam import fabrikam.com --for partner-center,graph < old-token.txt

The token is redeemed first, MFA is proved as at a consent, and only then is anything stored. It must have been given to this same app. \
The exit code is 0 when the grant was stored and every audience named with --for has a token, and with --purge when the old token is gone

What is understood: the token alone; fields in an environment file, .properties, TOML, JSON, a table, or a script's variables (CSP domain, account id, app id, app \
secret, MFA method manually or Key Vault); App.config, Web.config and web.xml of Microsoft's samples; what Partner Center PowerShell's result became by \
ConvertTo-Json, Export-Clixml or Format-List; a Key Vault's secret, by its name or by those that CIPP and the samples use; an entry of the keyring";

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

    /// The file that holds the token, in any form; without it, or with -, standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "from")]
    file: Option<PathBuf>,

    /// Why: a purpose that the configuration declares, or words for the record; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// Where the token is: keyvault://NAME, keyvault://NAME/secrets/SECRET, a secret's identifier, keyring:SERVICE/USER, or a file
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    from: Option<Source>,

    /// Who opens the vault: app, managed-identity, workload-identity or azure-cli; else whom the old settings or the configuration name
    #[arg(long, value_name = "IDENTITY", value_parser = opener)]
    vault_identity: Option<VaultOpener>,

    /// Write the new token into the vault's secret, too, for a tool that goes on reading it
    #[arg(long, conflicts_with = "purge")]
    write_back: bool,

    /// Remove the old token where it was, once the grant has proved itself; asks first
    #[arg(long)]
    purge: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Only say what was found and what would go; nothing is redeemed, stored or changed
    #[arg(long)]
    dry_run: bool,

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
    let named = arguments.file.filter(|path| path.as_os_str() != "-").map(Source::File);
    let source = match arguments.from.or(named) {
        Some(source) => source,
        None => Source::Given(given(terminal).await?),
    };
    let mut request = MoveRequest::new(arguments.partner, source);
    request.options = ImportOptions {
        audiences: arguments.audiences,
        purpose: arguments.purpose,
        allow_without_mfa: arguments.allow_without_mfa,
    };
    request.vault_identity = arguments.vault_identity.unwrap_or_default();
    request.write_back = arguments.write_back;
    request.purge = arguments.purge;
    if arguments.dry_run {
        return tell_plan(&app.plan_move_in(&request).await?, &request, arguments.json, terminal);
    }
    if request.purge && !arguments.yes {
        confirm(&app, &request, terminal).await?;
    }
    let moved = app.move_in(&request).await?;
    tell(&moved, &request, arguments.json, terminal)
}

/// What standard input holds.
async fn given(terminal: &Terminal) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut text = match terminal.can_ask() {
        true => terminal.ask_hidden("refresh token (not shown)").await?,
        false if terminal.in_is_terminal() => {
            return Err(Failure::usage("there is no refresh token", "give it by --file, or on standard input"));
        }
        false => terminal.read_to_end().await?,
    };
    Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

async fn confirm(app: &App, request: &MoveRequest, terminal: &Terminal) -> Result<(), Failure> {
    if !terminal.can_ask() {
        return Err(Failure::usage("import --purge must be confirmed, and nobody can be asked", "add --yes"));
    }
    let plan = app.plan_move_in(request).await?;
    let question = format!(
        "once the grant is proved and stored, remove the refresh token at {}? [y/N]",
        for_terminal(&plan.token_at)
    );
    match terminal.ask(&question).await?.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => {
            terminal.say(format_args!("nothing was imported or removed"));
            Err(Failure::Told(exit::FAILED))
        }
    }
}

fn tell_plan(plan: &MovePlan, request: &MoveRequest, json: bool, terminal: &Terminal) -> Outcome {
    if json {
        output::print(terminal, &plan.to_document())?;
        return Ok(End::OK);
    }
    terminal.print(format_args!("found: {}", plan.form.in_words()))?;
    if plan.is_empty {
        terminal.print(format_args!("there is no refresh token: {}", for_terminal(&plan.token_at)))?;
    } else {
        let fate = if request.purge { "would be removed after the proof" } else { "would stay" };
        terminal.print(format_args!("refresh token: {} ({fate})", for_terminal(&plan.token_at)))?;
    }
    tell_leftovers(plan, terminal)?;
    terminal.say(format_args!("nothing was redeemed, stored or changed"));
    Ok(End::OK)
}

fn tell(moved: &MovedIn, request: &MoveRequest, json: bool, terminal: &Terminal) -> Outcome {
    let named = !request.options.audiences.is_empty();
    let mut end = End::OK;
    if json {
        output::print(terminal, &moved.to_document(now()))?;
        if let Some(consented) = moved.consented.as_ref().filter(|_| named) {
            let failures = consented.audiences.iter().filter_map(|(_, token)| token.as_ref().err());
            end = End::Code(exit::of_all(failures));
        }
    } else {
        match &moved.consented {
            Some(consented) => end = completed::tell(consented, named, To::StandardOutput, terminal)?,
            None => terminal.print(format_args!(
                "{} {}  was moved in before",
                terminal.style_out(Style::Good, "✔"),
                for_terminal(&request.partner.to_string())
            ))?,
        }
        tell_fates(moved, request, terminal)?;
    }
    let failed: Vec<_> =
        [&moved.written_back, &moved.purged].into_iter().flatten().filter_map(|fate| fate.as_ref().err()).collect();
    match end {
        End::Code(exit::OK) => Ok(End::Code(exit::of_all(failed))),
        other => Ok(other),
    }
}

fn tell_fates(moved: &MovedIn, request: &MoveRequest, terminal: &Terminal) -> Result<(), Failure> {
    let at = for_terminal(&moved.plan.token_at).to_string();
    let fate = |what: &str, fate: &Fate| -> Result<(), Failure> {
        match fate {
            Ok(words) => terminal.print(format_args!("{what}: {at}: {words}")),
            Err(error) => {
                terminal.warn(format_args!("{}: {at}", for_terminal(error.message())));
                terminal.say(format_args!("  who must act: {}", error.actor().in_words()));
                terminal.say(format_args!("  hint: {}", for_terminal(error.advice())));
                Ok(())
            }
        }
    };
    if let Some(back) = &moved.written_back {
        fate("written back", back)?;
    }
    match &moved.purged {
        Some(purged) => fate("purged", purged)?,
        None if matches!(request.source, Source::Given(_)) || request.write_back => {}
        None => terminal.print(format_args!("may be deleted now: {at}: the old refresh token (--purge does it)"))?,
    }
    tell_leftovers(&moved.plan, terminal)?;
    terminal.say(format_args!("know: {WHAT_REMAINS}"));
    Ok(())
}

fn tell_leftovers(plan: &MovePlan, terminal: &Terminal) -> Result<(), Failure> {
    for left in &plan.leftovers {
        terminal.print(format_args!("left over: {}: {}", for_terminal(&left.place), left.kind.advice()))?;
    }
    Ok(())
}

fn source(text: &str) -> Result<Source, String> {
    text.parse().map_err(in_one_line)
}

fn opener(text: &str) -> Result<VaultOpener, String> {
    text.parse().map_err(in_one_line)
}

fn in_one_line(error: partnersam::Error) -> String {
    format!("{}; {}", error.message(), error.advice())
}
