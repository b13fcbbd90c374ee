//! `partnersam doctor`: looks at everything that has to be right for a token to come, and says what is not.

use partnersam::TenantRef;
use partnersam::app::doctor::{DoctorRequest, FindingReport, Level};

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
  partnersam doctor
  partnersam doctor fabrikam.com --customer contoso.com
  partnersam doctor fabrikam.com --json

Each line passes, warns or fails, with who must act and what to do. The answer is safe to paste: names of tenants and accounts give way to PARTNER, \
CUSTOMER and ACCOUNT, ids are cut short, and no secret is in it. New tokens are fetched, and the grant remembers what was found of MFA. The exit code is \
0 where nothing fails, else that of the failure";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The partner to look at: tenant id or domain; may be left out where there is one
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// One of the partner's customers to look at, too
    #[arg(long, value_name = "CUSTOMER", value_parser = tenant)]
    customer: Option<TenantRef>,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let (app, terminal) = (session.app().await?, session.terminal);
    let request = DoctorRequest { partner: arguments.partner, customer: arguments.customer };
    let checkup = app.doctor(&request).await;
    let report = checkup.report();
    if arguments.json {
        output::print(terminal, &report)?;
    } else {
        terminal.print(format_args!("partnersam {}, authority {}", report.version, report.authority))?;
        for finding in &report.findings {
            tell(finding, terminal)?;
        }
    }
    Ok(End::Code(match checkup.verdict() {
        Level::Fail => match exit::of_all(checkup.errors()) {
            exit::OK => exit::FAILED,
            code => code,
        },
        Level::Pass | Level::Warn => exit::OK,
    }))
}

fn tell(finding: &FindingReport, terminal: &Terminal) -> Result<(), Failure> {
    let (mark, style) = match finding.level {
        Level::Pass => ("pass", Style::Good),
        Level::Warn => ("warn", Style::Warning),
        Level::Fail => ("FAIL", Style::Bad),
    };
    let about = finding.about.as_deref().map(|about| format!(" {}", for_terminal(about))).unwrap_or_default();
    let message = for_terminal(&finding.message);
    terminal.print(format_args!("{}  {}{about}: {message}", terminal.style_out(style, mark), finding.check))?;
    if let Some(fix) = &finding.fix {
        terminal.print(format_args!("      {}", for_terminal(fix)))?;
    }
    if !finding.codes.is_empty() || finding.correlation_id.is_some() {
        let id = finding.correlation_id.as_deref().map(|id| format!(" correlation id {id}")).unwrap_or_default();
        terminal.print(format_args!("      {}{}", for_terminal(&finding.codes.join(" ")), for_terminal(&id)))?;
    }
    Ok(())
}
