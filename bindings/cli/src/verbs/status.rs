//! `partnersam status`: the grants and how they are.

use partnersam::TenantRef;
use partnersam::app::credentials::CredentialReport;
use partnersam::app::grants::{Condition, GrantStatus};
use partnersam::app::report::GrantReport;
use partnersam::clock::UnixTime;
use partnersam::store::Standing;

use super::{End, Outcome};
use crate::arguments::tenant;
use crate::escape::for_terminal;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, SCHEMA_VERSION, StatusReport, from_now, now};
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam status
  partnersam status fabrikam.com --json
  partnersam status --check

Conditions: active; due, to be renewed with `partnersam renew`; expired, by the calendar; ended, by the service. The exit code is 4 where a \
grant is expired or has ended, so that a monitor needs no more than that";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// One partner only: tenant id or domain
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// Ask Partner Center anew whether it takes each grant's tokens for ones with MFA; the grant remembers the answer
    #[arg(long)]
    check: bool,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let (app, terminal) = (session.app().await?, session.terminal);
    let list = async || -> Result<_, Failure> {
        Ok(match &arguments.partner {
            Some(partner) => vec![app.grant(partner).await?],
            None => app.grants().await?,
        })
    };
    let mut grants = list().await?;
    let mut refusals = Vec::new();
    if arguments.check {
        for grant in &grants {
            match app.check_mfa(&grant.partner.into()).await {
                Ok(answer) => refusals.extend(answer.refusal),
                Err(error) => refusals.push(error),
            }
        }
        grants = list().await?;
        for refusal in &refusals {
            terminal.warn(format_args!("{}; {}", for_terminal(refusal.message()), for_terminal(refusal.hint())));
        }
    }
    let now = now();
    let store = app.store_location();
    let condition = app.store_condition();
    if let Some(error) = condition.error() {
        terminal.say(format_args!("the store is degraded: {}", for_terminal(error.message())));
        terminal.say(format_args!("  hint: {}", for_terminal(error.advice())));
    }
    if let Some(advice) = app.store_advice() {
        terminal.warn(format_args!("{advice}"));
    }
    let rotation = app.key_rotation_standing().await?;
    if rotation.is_some() {
        terminal.warn(format_args!(
            "a change of the store's key was not brought to its end; `partnersam key rotate` goes on"
        ));
    }
    let credentials = app.credentials();
    if arguments.json {
        let report = StatusReport {
            schema_version: SCHEMA_VERSION,
            authority: app.config().authority.name(),
            client_id: app.config().client_id.as_str(),
            store: &store,
            store_condition: condition.as_str(),
            key_rotation: rotation.map(Standing::as_str),
            store_error: condition.error().map(partnersam::Error::to_document),
            app_credentials: credentials.iter().map(|status| CredentialReport::new(status, now)).collect(),
            mfa_refusals: refusals.iter().map(partnersam::Error::to_document).collect(),
            grants: grants.iter().map(|grant| GrantReport::new(grant, now)).collect(),
        };
        output::print(terminal, &report)?;
    } else if grants.is_empty() {
        terminal.say(format_args!("no partner has consented yet; run `partnersam consent PARTNER`"));
    } else {
        for line in table(&grants, now, terminal) {
            terminal.print(line)?;
        }
    }
    for status in &credentials {
        let (Some(days), Some(ends)) = (status.standing.notice(), status.expires_on) else { continue };
        let what = for_terminal(&status.what);
        let when = if days == 0 { "has ended" } else { "ends soon" };
        terminal.warn(format_args!("the app's {what} {when}: {ends} ({})", from_now(ends, now)));
    }
    let needs_sign_in =
        grants.iter().any(|grant| matches!(grant.condition(now), Condition::Expired | Condition::Ended));
    let refused = exit::of_all(&refusals);
    Ok(End::Code(if needs_sign_in { exit::SIGN_IN } else { refused }))
}

/// One line a grant, in columns.
fn table(grants: &[GrantStatus], now: UnixTime, terminal: &Terminal) -> Vec<String> {
    const HEADINGS: [&str; 6] = ["PARTNER", "ACCOUNT", "MFA", "CONDITION", "EXPIRES", "AUDIENCES"];
    let rows: Vec<[String; 6]> = grants.iter().map(|grant| cells(grant, now)).collect();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(HEADINGS.get(column).map(|heading| heading.len()))
            .max()
            .unwrap_or_default()
    });
    let line = |cells: &[String; 6]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heading = line(&HEADINGS.map(str::to_owned));
    let mut lines = vec![terminal.style_out(Style::Heading, &heading).to_string()];
    for (row, grant) in rows.iter().zip(grants) {
        let text = line(row);
        lines.push(match grant.condition(now) {
            Condition::Expired | Condition::Ended => terminal.style_out(Style::Bad, &text).to_string(),
            Condition::Due => terminal.style_out(Style::Warning, &text).to_string(),
            _ => text,
        });
    }
    lines
}

fn cells(grant: &GrantStatus, now: UnixTime) -> [String; 6] {
    let facts = &grant.facts;
    let condition = match &facts.state {
        partnersam::store::GrantState::Dead { reason, .. } => format!("{} ({reason})", grant.condition(now).as_str()),
        partnersam::store::GrantState::Active => grant.condition(now).as_str().to_owned(),
    };
    [
        grant.name(),
        facts.user_name.clone(),
        facts.mfa.verdict.as_str().to_owned(),
        condition,
        from_now(grant.expires_on(now), now),
        facts.audiences.join(" "),
    ]
    .map(|cell| for_terminal(&cell))
}
