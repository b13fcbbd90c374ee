//! `partnersam run`: a command with tokens in its environment, and nowhere else.

mod again;

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::Arc;

use partnersam::app::token::{Token, TokenRequest};
use partnersam::{App, Audience, Error, ErrorKind, TenantRef};

use super::token::{in_variable, same_variable, tell_warnings};
use super::{End, Outcome};
use crate::arguments::{audience, tenant};
use crate::escape::for_terminal;
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam run --for graph --customer contoso.com -- python report.py
  partnersam run --for graph --again-on-challenge -- sh -c 'curl -sSf -D \"$PARTNERSAM_CHALLENGE\" -H \"Authorization: Bearer $PARTNERSAM_ACCESS_TOKEN\" ...'
  partnersam run --for partner-center,graph --partner fabrikam.com -- sh -c 'curl -H \"Authorization: Bearer $PARTNERSAM_TOKEN_GRAPH\" ...'

The command finds PARTNERSAM_TOKEN_<AUDIENCE> for each audience, for example PARTNERSAM_TOKEN_PARTNER_CENTER, and where one audience was \
asked for also PARTNERSAM_ACCESS_TOKEN and PARTNERSAM_EXPIRES_ON. PARTNERSAM_CLIENT_SECRET is not handed on.

With --again-on-challenge it finds PARTNERSAM_CHALLENGE_<AUDIENCE>, and PARTNERSAM_CHALLENGE for one audience: files for the headers of a 401. Where \
it fails and has left a claims challenge there, it is run once more with a token that satisfies the claims. The exit code is the command's own; 127 where it is not found, 126 where it cannot be run";

/// The command is not there.
const NOT_FOUND: i32 = 127;
/// It is there and cannot be run.
const CANNOT_RUN: i32 = 126;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The services to get tokens for, with commas between them
    #[arg(long = "for", value_name = "AUDIENCES", value_delimiter = ',', required = true, value_parser = audience)]
    audiences: Vec<Audience>,

    /// Whose grant; may be left out where there is one grant
    #[arg(long, value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// The customer whose tenant the tokens are for
    #[arg(long, value_name = "CUSTOMER", value_parser = tenant)]
    customer: Option<TenantRef>,

    /// Why: a purpose that the configuration declares; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// Run the command once more when it fails and a service has challenged its token
    #[arg(long)]
    pub(crate) again_on_challenge: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let Some((program, rest)) = arguments.command.split_first() else {
        return Err(Failure::usage("there is no command to run", "put it after `--`"));
    };
    if arguments.again_on_challenge {
        return again::run(&arguments, session).await;
    }
    let (_, tokens) = arguments.tokens(session).await?;
    let mut command = Command::new(program);
    command.args(rest).envs(variables(&tokens)?).env_remove("PARTNERSAM_CLIENT_SECRET");
    Ok(End::Become(command))
}

impl Arguments {
    async fn tokens(&self, session: &Session<'_>) -> Result<(App, Vec<(Audience, Arc<Token>)>), Failure> {
        let app = session.app().await?;
        let mut tokens = Vec::with_capacity(self.audiences.len());
        for audience in &self.audiences {
            let token = self.token(&app, audience, None, session.terminal).await?;
            // A service that was named by its address has its own name here.
            tokens.push((token.audience.clone(), token));
        }
        Ok((app, tokens))
    }

    async fn token(
        &self,
        app: &App,
        audience: &Audience,
        claims: Option<String>,
        terminal: &Terminal,
    ) -> Result<Arc<Token>, Failure> {
        let request = TokenRequest {
            partner: self.partner.clone(),
            customer: self.customer.clone(),
            claims,
            purpose: self.purpose.clone(),
            ..TokenRequest::new(audience.clone())
        };
        let token = app.token(&request).await?;
        tell_warnings(&token, terminal);
        Ok(token)
    }
}

/// The variables that hold these tokens. One token has the general name, too, with its end as RFC 3339.
pub(crate) fn variables(tokens: &[(Audience, Arc<Token>)]) -> Result<Vec<(String, String)>, Error> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (audience, token) in tokens {
        let name = format!("PARTNERSAM_TOKEN_{}", in_variable(audience));
        if variables.iter().any(|(known, _)| *known == name) {
            return Err(same_variable(audience));
        }
        // EXPOSE: the child process or the shell that asked is to have it.
        variables.push((name, token.secret().expose().to_owned()));
    }
    if let [(_, token)] = tokens {
        // EXPOSE: as above.
        variables.push(("PARTNERSAM_ACCESS_TOKEN".to_owned(), token.secret().expose().to_owned()));
        variables.push(("PARTNERSAM_EXPIRES_ON".to_owned(), token.expires_on.to_string()));
    }
    Ok(variables)
}

/// Becomes the command: signals reach it and its exit code is ours without anything in between.
#[cfg(unix)]
pub(crate) fn become_command(mut command: Command, terminal: &Terminal) -> Result<i32, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    cannot_run(&command, &error, terminal)
}

/// Runs the command and waits. Ctrl-C reaches it as it reaches us.
#[cfg(not(unix))]
pub(crate) fn become_command(mut command: Command, terminal: &Terminal) -> Result<i32, Failure> {
    match command.status() {
        Ok(status) => Ok(status.code().unwrap_or(crate::exit::FAILED)),
        Err(error) => cannot_run(&command, &error, terminal),
    }
}

fn cannot_run<T>(command: &Command, error: &io::Error, terminal: &Terminal) -> Result<T, Failure> {
    let (code, kind) = if error.kind() == io::ErrorKind::NotFound {
        (NOT_FOUND, "is not found")
    } else {
        (CANNOT_RUN, "cannot be run")
    };
    let program = command.get_program().to_string_lossy();
    let error = Error::new(ErrorKind::InvalidArgument, "run", format!("the command {kind}: {program}"))
        .with_cause(error.kind());
    terminal.say(format_args!("{}: {}", terminal.style_err(Style::Bad, "error"), for_terminal(error.message())));
    Err(Failure::Told(code))
}
