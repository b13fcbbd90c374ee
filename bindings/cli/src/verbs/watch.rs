//! `partnersam renew --watch`: the long-running renewer.

use std::process::Stdio;
use std::time::Duration;

use partnersam::App;
use partnersam::app::credentials::CredentialReport;
use partnersam::app::grants::GrantStatus;
use partnersam::app::report::{GrantReport, RenewedReport};
use partnersam::app::watch::Watched;
use partnersam::schedule::Nearness;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::renew::Arguments;
use super::{End, Outcome};
use crate::escape::for_terminal;
use crate::output::{SCHEMA_VERSION, now};
use crate::signals;
use crate::terminal::{Style, Terminal};

/// One thing that happened, as a line of `--json`; an alert is also what the alert command reads.
#[derive(Debug, Serialize)]
struct Event<'a> {
    schema_version: u32,
    at: String,
    event: &'static str,
    renewed: Option<RenewedReport<'a>>,
    alert: Option<AlertReport<'a>>,
    credential: Option<CredentialReport>,
    error: Option<partnersam::error::ErrorDocument<'a>>,
}

/// A grant that a person must act on.
#[derive(Debug, Serialize)]
struct AlertReport<'a> {
    nearness: &'static str,
    days: Option<u32>,
    grant: GrantReport<'a>,
}

impl Event<'_> {
    fn new(event: &'static str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            at: now().to_string(),
            event,
            renewed: None,
            alert: None,
            credential: None,
            error: None,
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, app: &App, terminal: &Terminal) -> Outcome {
    let signalled = signals::signalled()?;
    let (alerts, alerted) = mpsc::unbounded_channel();
    let command = arguments.alert_command.clone();
    // A task of its own: a command that hangs holds up no renewal.
    let alerting = tokio::spawn(run_alerts(command, alerted));
    let mut broken = None;
    let told = |event: &Watched<'_>| {
        if let Some(document) = tell(event, terminal) {
            if let Watched::Alert { .. } | Watched::Credential(_) = event {
                drop(alerts.send(document.clone()));
            }
            if arguments.json
                && let Err(failure) = terminal.print(document)
            {
                broken.get_or_insert(failure);
            }
        }
    };
    tokio::select! {
        biased;
        _ = signalled => {}
        never = app.watch(told) => match never {},
    }
    alerting.abort();
    broken.map_or(Ok(End::OK), Err)
}

/// Says what happened, and gives the document of what a program would want to know.
fn tell(event: &Watched<'_>, terminal: &Terminal) -> Option<String> {
    let document = match event {
        Watched::Renewed(renewed) => {
            let (style, sign, text) = match &renewed.result {
                Ok(expires_on) => (Style::Good, "✔", format!("renewed; expires {expires_on}")),
                Err(error) => (Style::Bad, "✘", for_terminal(error.message())),
            };
            terminal.say(format_args!("{} {} {}: {text}", now(), terminal.style_err(style, sign), renewed.partner));
            let report = RenewedReport::new(renewed);
            serde_json::to_string(&Event { renewed: Some(report), ..Event::new("renewed") })
        }
        Watched::Alert { grant, nearness } => {
            terminal.say(format_args!(
                "{} {} {} {nearness}: run `partnersam consent {}`",
                now(),
                terminal.style_err(Style::Warning, "!"),
                for_terminal(&grant.name()),
                for_terminal(&grant.name()),
            ));
            serde_json::to_string(&Event { alert: Some(alert(grant, *nearness)), ..Event::new("alert") })
        }
        Watched::Credential(credential) => {
            let advice = if credential.has_expiry {
                "make a new one in Entra and name it in the configuration"
            } else {
                "see that what writes it runs"
            };
            terminal.say(format_args!(
                "{} {} the app's {} {}: {advice}",
                now(),
                terminal.style_err(Style::Warning, "!"),
                for_terminal(&credential.what),
                credential.standing,
            ));
            let report = CredentialReport::new(credential, now());
            serde_json::to_string(&Event { credential: Some(report), ..Event::new("credential") })
        }
        Watched::Trouble(error) => {
            terminal.say(format_args!(
                "{} {} {}; it goes on by itself",
                now(),
                terminal.style_err(Style::Bad, "✘"),
                for_terminal(error.message())
            ));
            serde_json::to_string(&Event { error: Some(error.to_document()), ..Event::new("trouble") })
        }
        Watched::Idle(wait) => {
            tracing::debug!(?wait, "everything that is due is done");
            return None;
        }
        _ => return None,
    };
    document.ok()
}

fn alert(grant: &GrantStatus, nearness: Nearness) -> AlertReport<'_> {
    AlertReport { nearness: nearness.as_str(), days: nearness.days(), grant: GrantReport::new(grant, now()) }
}

/// Runs the command for one alert after the other.
async fn run_alerts(command: Option<String>, mut alerted: mpsc::UnboundedReceiver<String>) {
    const PATIENCE: Duration = Duration::from_secs(30);
    while let Some(document) = alerted.recv().await {
        let Some(command) = &command else { continue };
        match tokio::time::timeout(PATIENCE, run_alert(command, &document)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::error!(%failure, "the alert command failed"),
            Err(_) => tracing::error!(seconds = PATIENCE.as_secs(), "the alert command took too long and was ended"),
        }
    }
}

async fn run_alert(command: &str, document: &str) -> Result<(), String> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("/bin/sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command);
    // Standard output is for what was asked of this command.
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read what there is to know has its reasons.
        let _ = input.write_all(format!("{document}\n").as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}
