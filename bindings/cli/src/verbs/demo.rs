//! placeholder
use super::Outcome;
use crate::session::Session;
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  partnersam demo")]
pub(crate) struct Arguments {}
pub(crate) async fn run(_arguments: Arguments, _session: &Session<'_>) -> Outcome {
    Err(crate::failure::Failure::internal("the demo is not written yet", "see the history"))
}
