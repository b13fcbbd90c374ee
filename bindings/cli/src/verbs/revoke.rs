//! `partnersam revoke`: a partner's grant is removed from the store.

use partnersam::TenantRef;
use partnersam::app::incident::{RevokeOptions, Revoked, StepState};
use partnersam::app::report::RevokeReport;

use super::incident::{code_of, tell};
use super::{End, Outcome};
use crate::arguments::tenant;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  partnersam revoke fabrikam.com
  partnersam revoke fabrikam.com --yes --json
  partnersam revoke fabrikam.com --everywhere --customer-consents

The grant, its key and its access tokens are removed from the store. At the service they live on until they end or are revoked there. --everywhere does that, \
while the grant is still there to do it with: it ends the account's sign-ins. Else an administrator of the partner's tenant revokes the sign-in sessions of the \
account. Resetting its password does not do it: the refresh tokens of an app with a credential of its own live on, and so does every older one that a rotation \
left behind. Where a token may have been stolen, see `partnersam incident`";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose grant: tenant id or domain
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: TenantRef,

    /// At the service, too: end the sign-ins of the account that consented
    #[arg(long)]
    everywhere: bool,

    /// Withdraw what the app is consented to at every customer of the partner
    #[arg(long)]
    customer_consents: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    if !arguments.yes && !terminal.can_ask() {
        return Err(Failure::usage("revoke must be confirmed, and nobody can be asked", "add --yes"));
    }
    let app = session.app().await?;
    let store = app.store_location();
    if !arguments.yes {
        let answer = terminal.ask(&format!("remove the grant of {} from {store}? [y/N]", arguments.partner)).await?;
        if !matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
            terminal.say(format_args!("nothing was removed"));
            return Ok(End::Code(crate::exit::FAILED));
        }
    }
    let partner = app.tenant(&arguments.partner).await?;
    let options = RevokeOptions { everywhere: arguments.everywhere, customer_consents: arguments.customer_consents };
    let revoked = if options == RevokeOptions::default() {
        Revoked { partner, removed: app.revoke(&partner.into()).await?, steps: Vec::new() }
    } else {
        app.revoke_with(&partner.into(), options).await?
    };
    let code = code_of(&revoked.steps);
    if arguments.json {
        output::print(terminal, &RevokeReport::new(&revoked, &store))?;
        return Ok(End::Code(code));
    }
    let Revoked { removed, steps, .. } = revoked;
    for end in &steps {
        tell(end, terminal)?;
    }
    if removed {
        terminal.print(format_args!("removed the grant of {} from {store}", arguments.partner))?;
    } else {
        match steps.iter().any(|end| end.state == StepState::Postponed) {
            true => terminal.print(format_args!("the grant of {} is still in {store}", arguments.partner))?,
            false => terminal.print(format_args!("there was no grant of {} in {store}", arguments.partner))?,
        }
    }
    if removed && !arguments.everywhere {
        terminal.say(format_args!(
            "the service still honours its refresh token wherever a copy is; to end it there, an administrator of the partner's tenant revokes the account's sign-in sessions"
        ));
    }
    Ok(End::Code(code))
}
