//! `partnersam audit`: the record of what was done with whose grant.

use clap::Subcommand;
use partnersam::TenantRef;
use partnersam::app::audit::show::AuditQuery;
use partnersam::audit::Anchor;
use partnersam::audit::verify::{self, Finding};
use serde_json::{Map, Value};

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
  partnersam audit verify
  partnersam audit anchor >> /mnt/elsewhere/anchors
  partnersam audit verify --anchor \"$(tail -n 1 /mnt/elsewhere/anchors)\"
  partnersam audit show --since 2026-11-01 --partner fabrikam.com --outcome failed

Every line has a number, the check of the line before it and a check of its own, keyed by a key that the store's key seals. `verify` finds every edit, deletion, change of order \
and cut, and says where; an anchor that lies on another machine also finds a record that was put back to an older copy as a whole. What a crash leaves is told apart from what \
somebody did. The exit code of `verify` is 1 where something is wrong";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the record from its first line to its last
    #[command(after_help = "Example:\n  partnersam audit verify --json")]
    Verify(VerifyArguments),
    /// Show lines of the record
    #[command(after_help = "Example:\n  partnersam audit show --purpose 'nightly report' --operation token")]
    Show(ShowArguments),
    /// Check the record and print its end as one line, to be kept elsewhere
    #[command(after_help = "Example:\n  partnersam audit anchor >> /mnt/elsewhere/anchors")]
    Anchor,
}

#[derive(Debug, clap::Args)]
struct VerifyArguments {
    /// An end that was noted before: it must be in the record
    #[arg(long, value_name = "ANCHOR")]
    anchor: Option<Anchor>,

    /// The record begins with this line, because earlier files were put elsewhere
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    from: u64,

    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ShowArguments {
    /// From this time on: 2026-11-22T08:00:00Z, or the beginning of one
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// With this partner's grant
    #[arg(long, value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// In this customer's tenant
    #[arg(long, value_name = "CUSTOMER", value_parser = tenant)]
    customer: Option<TenantRef>,

    /// For this purpose
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// Of this service
    #[arg(long = "for", value_name = "AUDIENCE")]
    audience: Option<String>,

    /// token, renew, consent-begin, consent, import, revoke, customers, incident, audit, key-rotate, key-retire, export, import-store
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,

    /// begun, ok, refused, failed
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,

    /// The lines as they stand in the record, one JSON object each
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn speaks_json(&self) -> bool {
        match &self.what {
            What::Verify(arguments) => arguments.json,
            What::Show(arguments) => arguments.json,
            What::Anchor => false,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    match arguments.what {
        What::Verify(arguments) => check(arguments, session).await,
        What::Show(arguments) => show(arguments, session).await,
        What::Anchor => anchor(session).await,
    }
}

async fn check(arguments: VerifyArguments, session: &Session<'_>) -> Outcome {
    let (terminal, app) = (session.terminal, session.app().await?);
    let report = app.verify_audit(arguments.anchor.as_ref(), arguments.from).await?;
    let folder = app.audit_folder().map(|folder| folder.display().to_string()).unwrap_or_default();
    let whole = report.faults.is_empty();
    if arguments.json {
        output::print(terminal, &app.audit_report(&report))?;
    } else {
        for note in &report.notes {
            terminal.print(format_args!("{}{}", placed(note), note.text))?;
        }
        for fault in &report.faults {
            let mark = terminal.style_out(Style::Bad, fault.what);
            terminal.print(format_args!("{mark}: {}{}", placed(fault), fault.text))?;
        }
        let verdict = if whole { "whole" } else { "NOT as it was written" };
        terminal.print(format_args!("{folder}: {verdict}, {} lines", report.lines))?;
    }
    Ok(End::Code(if whole { exit::OK } else { exit::FAILED }))
}

fn placed(finding: &Finding) -> String {
    match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        _ => String::new(),
    }
}

async fn anchor(session: &Session<'_>) -> Outcome {
    let report = session.app().await?.verify_audit(None, 1).await?;
    verify::judge(&report)?;
    match report.anchor {
        Some(anchor) => session.terminal.print(anchor)?,
        None => return Err(Failure::usage("the record has no line yet", "ask again when something was done")),
    }
    Ok(End::OK)
}

async fn show(arguments: ShowArguments, session: &Session<'_>) -> Outcome {
    let (terminal, app) = (session.terminal, session.app().await?);
    let ShowArguments { since, until, partner, customer, purpose, audience, operation, outcome, json } = arguments;
    let query = AuditQuery { since, until, partner, customer, purpose, audience, operation, outcome };
    let filter = app.audit_filter(&query).await?;
    let mut failure = None;
    let unreadable = app
        .audit_lines(&filter, |line, fields| {
            let printed = if json { terminal.print(line) } else { terminal.print(in_words(fields, terminal)) };
            if failure.is_none() {
                failure = printed.err();
            }
            Ok(())
        })
        .await?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if unreadable > 0 {
        terminal.warn(format_args!("{unreadable} lines are no lines of a record; `partnersam audit verify` says more"));
    }
    Ok(End::OK)
}

fn in_words(fields: &Map<String, Value>, terminal: &Terminal) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let style = match text("outcome") {
        "ok" => Style::Good,
        "begun" => Style::Heading,
        _ => Style::Bad,
    };
    let mut words = format!(
        "{} {} {}",
        for_terminal(text("at")),
        for_terminal(text("operation")),
        terminal.style_out(style, &for_terminal(text("outcome")))
    );
    for (name, value) in fields {
        if matches!(name.as_str(), "v" | "seq" | "prev" | "pid" | "mac" | "at" | "operation" | "outcome") {
            continue;
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        };
        words.push_str(&format!(" {name}={}", for_terminal(&value)));
    }
    words
}
