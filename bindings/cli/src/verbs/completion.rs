//! `partnersam completion`: the script that lets a shell complete our words.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{End, Outcome};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  partnersam completion bash > ~/.local/share/bash-completion/completions/partnersam
  partnersam completion zsh > ~/.zfunc/_partnersam";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, session: &Session<'_>) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::arguments::Arguments::command(), "partnersam", &mut script);
    session.terminal.print_bytes(&script)?;
    Ok(End::OK)
}
