//! `partnersam revoke`: a partner's grant is removed from the store.

use partnersam::TenantRef;

use super::{End, Outcome};
use crate::arguments::tenant;
use crate::failure::Failure;
use crate::output::{self, RevokeReport, SCHEMA_VERSION};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  partnersam revoke fabrikam.com
  partnersam revoke fabrikam.com --yes --json

The grant, its key and its access tokens are removed from the store. At the service they live on until they end or are revoked there: an \
administrator of the partner's tenant revokes the sign-in sessions of the account, or removes the app's consent";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose grant: tenant id or domain
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: TenantRef,

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
    let removed = app.revoke(&partner.into()).await?;
    if arguments.json {
        output::print(
            terminal,
            &RevokeReport { schema_version: SCHEMA_VERSION, partner: partner.to_string(), removed, store: &store },
        )?;
    } else if removed {
        terminal.print(format_args!("removed the grant of {} from {store}", arguments.partner))?;
    } else {
        terminal.print(format_args!("there was no grant of {} in {store}", arguments.partner))?;
    }
    if removed {
        terminal.say(format_args!(
            "the service still honours its refresh token wherever a copy is; to end it there, an administrator of the partner's tenant revokes the account's sign-in sessions"
        ));
    }
    Ok(End::OK)
}
