//! `partnersam customers`: the partner's customers, and what the app is consented to at each.

mod tell;

use std::path::PathBuf;

use clap::ValueHint;
use partnersam::app::customers::report::{ListReport, Run, RunReport};
use partnersam::app::customers::{CustomerOutcome, CustomersRequest, Summary, read_grants};
use partnersam::{App, Error, TenantId, TenantRef};

use self::tell::{bar, tell_list, tell_outcome, tell_summary};
use super::{End, Outcome};
use crate::arguments::tenant;
use crate::exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  partnersam customers list fabrikam.com
  partnersam customers plan fabrikam.com --file grants.toml
  partnersam customers apply fabrikam.com --file grants.toml

A control panel vendor's app needs a consent at each customer before it gets a token there. What it should be consented to stands in a small file:
  display_name = \"Fabrikam Panel\"
  [grants]
  graph = [\"Directory.Read.All\", \"User.Read.All\"]
  arm = [\"user_impersonation\"]
A resource is named as an audience or by its app id. One scope of graph must allow to read grants, such as Directory.Read.All";

const LIST_EXAMPLES: &str = "\
Examples:
  partnersam customers list
  partnersam customers list fabrikam.com --json";

const PLAN_EXAMPLES: &str = "\
Examples:
  partnersam customers plan fabrikam.com --file grants.toml
  partnersam customers plan --file grants.toml --customer contoso.com --json

Changes nothing. `+` is missing, `-` is too much. The exit code is that of the customers that could not be looked at; a difference is no failure";

const APPLY_EXAMPLES: &str = "\
Examples:
  partnersam customers apply fabrikam.com --file grants.toml
  partnersam customers apply fabrikam.com --file grants.toml --customer contoso.com --yes --json

Without --yes it shows the plan first and asks. A consent cannot be widened, so what is there is withdrawn and given anew. A customer counts as done once it \
was read back. After a kill the same command goes on where it was cut short";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the customers
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show what is missing or too much at each customer, and change nothing
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(What),
    /// Bring each customer to what is wanted, and read it back
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Whose customers: tenant id or domain; may be left out where there is one grant
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// Why: a purpose that the configuration declares; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,

    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct What {
    /// Whose customers: tenant id or domain; may be left out where there is one grant
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// What the app should be consented to, in TOML or JSON
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// This customer only: tenant id or domain; may be given several times
    #[arg(long = "customer", value_name = "CUSTOMER", value_parser = tenant)]
    customers: Vec<TenantRef>,

    /// Why: a purpose that the configuration declares; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,

    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Apply {
    #[command(flatten)]
    what: What,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Where progress is kept instead of the user's data folder; removed at the end
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    journal: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn speaks_json(&self) -> bool {
        match &self.verb {
            Verb::List(list) => list.json,
            Verb::Plan(what) => what.json,
            Verb::Apply(apply) => apply.what.json,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    match arguments.verb {
        Verb::List(arguments) => list(arguments, session).await,
        Verb::Plan(what) => plan(what, session).await,
        Verb::Apply(arguments) => apply(arguments, session).await,
    }
}

async fn list(arguments: List, session: &Session<'_>) -> Outcome {
    let (app, terminal) = (session.app().await?, session.terminal);
    let customers = app.customers(arguments.partner.as_ref(), arguments.purpose.as_deref()).await?;
    if arguments.json {
        let partner = app.partner_of(arguments.partner.as_ref()).await?;
        output::print(terminal, &ListReport::new(partner, &customers))?;
    } else {
        tell_list(&customers, terminal)?;
    }
    Ok(End::OK)
}

async fn plan(what: What, session: &Session<'_>) -> Outcome {
    let request = what.request(None)?;
    let app = session.app().await?;
    Work { app: &app, request: &request, terminal: session.terminal }.run(Run::Plan, what.json).await
}

async fn apply(arguments: Apply, session: &Session<'_>) -> Outcome {
    let Apply { what, yes, journal } = arguments;
    let terminal = session.terminal;
    if !yes && (what.json || !terminal.can_ask()) {
        return Err(Failure::usage(
            "customers apply must be confirmed, and nobody can be asked",
            "look at `partnersam customers plan`, then add --yes",
        ));
    }
    let request = what.request(journal)?;
    let app = session.app().await?;
    let work = Work { app: &app, request: &request, terminal };
    if !yes {
        let (summary, failed) = work.told(Run::Plan).await?;
        let changes = summary.to_change + summary.no_consent;
        if changes == 0 {
            return Ok(End::Code(exit::of_all(&failed)));
        }
        let question = format!("change {changes} of {} customers? [y/N]", summary.customers);
        if !matches!(terminal.ask(&question).await?.to_ascii_lowercase().as_str(), "y" | "yes") {
            terminal.say(format_args!("nothing was changed"));
            return Ok(End::Code(exit::FAILED));
        }
    }
    work.run(Run::Apply, what.json).await
}

impl What {
    fn request(&self, journal: Option<PathBuf>) -> Result<CustomersRequest, Failure> {
        let mut request = CustomersRequest::new(read_grants(&self.file)?);
        request.partner = self.partner.clone();
        request.only = self.customers.clone();
        request.purpose = self.purpose.clone();
        request.journal = journal;
        Ok(request)
    }
}

/// What is run, and who is told.
struct Work<'a> {
    app: &'a App,
    request: &'a CustomersRequest,
    terminal: &'a Terminal,
}

impl Work<'_> {
    async fn run(&self, run: Run, json: bool) -> Outcome {
        if !json {
            let (_, failed) = self.told(run).await?;
            return Ok(End::Code(exit::of_all(&failed)));
        }
        let mut all = Vec::new();
        let summary = self.each(run, |outcome| all.push(outcome)).await?;
        let partner: TenantId = self.app.partner_of(self.request.partner.as_ref()).await?;
        output::print(self.terminal, &RunReport::new(run, partner, self.request, &summary, &all))?;
        Ok(End::Code(exit::of_all(all.iter().filter_map(|outcome| outcome.error.as_ref()))))
    }

    /// In words, each customer as it is done; nothing is kept but the errors.
    async fn told(&self, run: Run) -> Result<(Summary, Vec<Error>), Failure> {
        let mut failed = Vec::new();
        let mut broken = None;
        let summary = self
            .each(run, |outcome| {
                if let Err(failure) = tell_outcome(&outcome, self.terminal) {
                    broken.get_or_insert(failure);
                }
                failed.extend(outcome.error);
            })
            .await?;
        if let Some(failure) = broken {
            return Err(failure);
        }
        tell_summary(run, &summary, self.terminal)?;
        Ok((summary, failed))
    }

    async fn each(&self, run: Run, mut each: impl FnMut(CustomerOutcome) + Send) -> Result<Summary, Failure> {
        let bar = bar(run, self.terminal);
        let tell = |progress: partnersam::app::customers::Progress, outcome: CustomerOutcome| {
            if let Some(total) = progress.total {
                bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
            }
            bar.set_position(u64::try_from(progress.done).unwrap_or(u64::MAX));
            bar.suspend(|| each(outcome));
        };
        let summary = match run {
            Run::Plan => self.app.plan_customers(self.request, tell).await,
            Run::Apply => self.app.apply_customers(self.request, tell).await,
        };
        bar.finish_and_clear();
        Ok(summary?)
    }
}
