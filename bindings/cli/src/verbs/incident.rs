//! `partnersam incident`: what is done when a grant or the app's credential may have been stolen.

use std::path::PathBuf;

use clap::ValueHint;
use partnersam::TenantRef;
use partnersam::app::incident::{IncidentRequest, StepOutcome, StepState, WHAT_TO_KNOW, plan_document};

use super::{End, Outcome};
use crate::arguments::tenant;
use crate::escape::for_terminal;
use crate::exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam incident fabrikam.com
  partnersam incident --all --customer-consents --yes --evidence incident.json

Without --yes it prints the steps, and sends and changes nothing. With it: takes tokens while there are any, withdraws the consents at the customers \
(--customer-consents), ends the sign-ins of the account, replaces the secret or certificate of the app (unless --keep-credential), removes the grants from the store, and \
prints how each partner consents anew. After a kill the same command goes on where it was cut short. What cannot be done here is told with what a person must do.

Resetting the password of the account is no remedy: the refresh tokens of an app with a credential of its own live on, and so does every older one that a \
rotation left behind, until the account's sign-in sessions are revoked";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose grants: tenant id or domain; may be given several times
    #[arg(value_name = "PARTNER", value_parser = tenant, required_unless_present = "all", conflicts_with = "all")]
    partners: Vec<TenantRef>,

    /// Every grant of this app
    #[arg(long)]
    all: bool,

    /// Act; without it the steps are only printed
    #[arg(short, long)]
    yes: bool,

    /// Leave the app's credential as it is
    #[arg(long)]
    keep_credential: bool,

    /// Withdraw what the app is consented to at every customer, too
    #[arg(long)]
    customer_consents: bool,

    /// Where the evidence goes instead of beside the store; what is there is replaced
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    evidence: Option<PathBuf>,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let Arguments { partners, all: _, yes, keep_credential, customer_consents, evidence, json } = arguments;
    let request = IncidentRequest { partners, keep_credential, customer_consents, evidence };
    let terminal = session.terminal;
    let app = session.app().await?;
    if !yes {
        let steps = app.plan_incident(&request).await?;
        if json {
            output::print(terminal, &plan_document(&steps))?;
            return Ok(End::OK);
        }
        for step in &steps {
            terminal.print(format_args!("{:>2}. {}", step.number, for_terminal(&step.what())))?;
        }
        for fact in WHAT_TO_KNOW {
            terminal.say(format_args!("know: {fact}"));
        }
        terminal.say(format_args!("nothing was sent or changed; add --yes to act"));
        return Ok(End::OK);
    }
    let mut broken = None;
    let incident = app
        .run_incident(&request, |end| {
            if !json && let Err(failure) = tell(end, terminal) {
                broken = Some(failure);
            }
        })
        .await?;
    // Whether anybody still reads does not matter to what is to be done; only to the end.
    if let Some(failure) = broken {
        return Err(failure);
    }
    let code = code_of(&incident.steps);
    if json {
        output::print(terminal, &incident.to_document(true))?;
        return Ok(End::Code(code));
    }
    for again in &incident.consents {
        let name = for_terminal(&again.name);
        match &again.link {
            Some(link) => terminal.print(format_args!("{name} consents anew, within an hour: {link}"))?,
            None => terminal.print(format_args!("{name} consents anew: partnersam consent {name}"))?,
        }
    }
    for fact in WHAT_TO_KNOW {
        terminal.say(format_args!("know: {fact}"));
    }
    terminal.print(format_args!("evidence: {}", incident.evidence.display()))?;
    if !incident.is_settled() {
        terminal.say(format_args!("some steps were postponed; run the same command again"));
    }
    Ok(End::Code(code))
}

/// One line a step, and what is left to a person.
pub(super) fn tell(end: &StepOutcome, terminal: &Terminal) -> Result<(), Failure> {
    let (style, sign) = match end.state {
        StepState::Done | StepState::DoneBefore => (Style::Good, "✔"),
        StepState::Postponed => (Style::Warning, "…"),
        _ => (Style::Bad, "✘"),
    };
    let before = if end.state == StepState::DoneBefore { " (by an earlier run)" } else { "" };
    terminal.print(format_args!(
        "{} {:>2}. {}: {}{before}",
        terminal.style_out(style, sign),
        end.step.number,
        for_terminal(&end.step.what()),
        for_terminal(&end.note)
    ))?;
    match &end.by_hand {
        Some(text) => terminal.print(format_args!("      by hand: {}", for_terminal(text))),
        None => Ok(()),
    }
}

/// That of the errors; what is left to a person is no success either.
pub(super) fn code_of(steps: &[StepOutcome]) -> i32 {
    let is_open = |end: &&StepOutcome| matches!(end.state, StepState::ByHand | StepState::Postponed);
    let open: Vec<_> = steps.iter().filter(is_open).collect();
    match exit::of_all(open.iter().filter_map(|end| end.error.as_ref())) {
        exit::OK if !open.is_empty() => exit::FAILED,
        code => code,
    }
}
