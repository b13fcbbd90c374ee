//! `partnersam renew`: grants are used before they end for want of use.

use indicatif::{ProgressBar, ProgressStyle};
use partnersam::TenantRef;
use partnersam::app::renew::Renewed;
use partnersam::app::report::RenewReport;

use super::{End, Outcome, watch};
use crate::arguments::tenant;
use crate::escape::for_terminal;
use crate::exit;
use crate::output::{self, from_now, now};
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam renew
  partnersam renew --within 30
  partnersam renew fabrikam.com
  partnersam renew --watch --alert-command 'mail -s partnersam ops@example.com'

A grant is due a week after its last use. Run it from a timer, once a day, or let --watch run as a service, on every host if you like: each grant is \
renewed once. One partner's failure does not stop the others; the exit code is 4 where a partner must sign in again. --watch goes on until SIGTERM or \
Ctrl-C and ends with 0; it tells of each step towards a grant's end (30, 14, 7, 1 days, expired, ended) once, on standard error and to --alert-command";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// One partner only, due or not: tenant id or domain
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// All grants that are due; this is what is done where no partner is named
    #[arg(long, conflicts_with = "partner")]
    all_due: bool,

    /// Also those that will be due within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=3650), conflicts_with = "partner")]
    within: u32,

    /// Go on: renew each grant when its turn comes
    #[arg(long, conflicts_with_all = ["partner", "within"])]
    pub(crate) watch: bool,

    /// What the shell runs when a grant nears its end and a person must act; what there is to know comes on standard input, as JSON
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    pub(crate) alert_command: Option<String>,

    /// One JSON object on standard output; with --watch one for each thing that happens
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    const DAY: i64 = 24 * 3600;
    let (app, terminal) = (session.app().await?, session.terminal);
    if arguments.watch {
        return watch::run(&arguments, &app, terminal).await;
    }
    let renewed = match &arguments.partner {
        Some(partner) => {
            let expires_on = app.renew(partner).await?;
            vec![Renewed { partner: app.tenant(partner).await?, result: Ok(expires_on) }]
        }
        None => {
            let bar = progress_bar(terminal);
            let renewed = app
                .renew_due(now().plus(i64::from(arguments.within) * DAY), |done, found, last| {
                    bar.set_length(u64::try_from(found).unwrap_or(u64::MAX));
                    bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
                    if let Err(error) = &last.result {
                        tracing::info!(partner = %last.partner, error = error.kind().id(), "a grant was not renewed");
                    }
                })
                .await;
            bar.finish_and_clear();
            renewed?
        }
    };
    tell(&renewed, arguments.partner.as_ref(), arguments.json, terminal)?;
    Ok(End::Code(exit::of_all(renewed.iter().filter_map(|renewed| renewed.result.as_ref().err()))))
}

fn tell(
    renewed: &[Renewed],
    named: Option<&TenantRef>,
    json: bool,
    terminal: &Terminal,
) -> Result<(), crate::failure::Failure> {
    let failed = renewed.iter().filter(|renewed| renewed.result.is_err()).count();
    if json {
        return output::print(terminal, &RenewReport::new(renewed));
    }
    for (partner, error) in
        renewed.iter().filter_map(|renewed| renewed.result.as_ref().err().map(|error| (renewed.partner, error)))
    {
        terminal.say(format_args!(
            "{} {partner}: {}",
            terminal.style_err(Style::Bad, "✘"),
            for_terminal(error.message())
        ));
        terminal.say(format_args!("  who must act: {}", error.actor().in_words()));
        terminal.say(format_args!("  hint: {}", for_terminal(error.advice())));
    }
    match renewed {
        [] => terminal.print("no grant is due"),
        [Renewed { partner, result: Ok(expires_on) }] => {
            let name = named.map_or_else(|| partner.to_string(), ToString::to_string);
            terminal.print(format_args!(
                "{} {name} expires {}",
                terminal.style_out(Style::Good, "✔"),
                from_now(*expires_on, now())
            ))
        }
        _ => terminal.print(format_args!("renewed {}, failed {failed}", renewed.len() - failed)),
    }
}

/// On standard error, and only where a person looks at it.
fn progress_bar(terminal: &Terminal) -> ProgressBar {
    if !terminal.err_is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("renewing {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
