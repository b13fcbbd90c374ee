//! `partnersam token`: an access token on standard output.

use clap::ValueEnum;
use partnersam::app::token::{Token, TokenRequest};
use partnersam::{Audience, Error, ErrorKind, TenantRef};

use super::{End, Outcome};
use crate::arguments::{audience, claims, tenant};
use crate::escape::{for_shell, for_terminal};
use crate::failure::Failure;
use crate::output::{self, TokenReport, from_now, now};
use crate::session::Session;
use crate::terminal::{Style, Terminal};
use crate::verbs::run::variables;

const EXAMPLES: &str = "\
Examples:
  partnersam token fabrikam.com --for graph
  partnersam token --for graph --customer contoso.com --format header | curl -H @- https://graph.microsoft.com/v1.0/organization
  eval \"$(partnersam token --for partner-center --format env)\"

On a terminal a token is masked unless --show is given; elsewhere it is written as it is. --format env sets PARTNERSAM_TOKEN_<AUDIENCE>, \
PARTNERSAM_ACCESS_TOKEN and PARTNERSAM_EXPIRES_ON";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose grant: tenant id or domain; may be left out where there is one grant
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: Option<TenantRef>,

    /// The service the token is for: partner-center, graph, arm, exchange, key-vault, teams, or a resource's address
    #[arg(long = "for", value_name = "AUDIENCE", value_parser = audience)]
    audience: Audience,

    /// The customer whose tenant the token is for; without it the partner's own
    #[arg(long, value_name = "CUSTOMER", value_parser = tenant)]
    customer: Option<TenantRef>,

    /// Why: a purpose that the configuration declares; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// How to write it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Raw)]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Show the whole token on a terminal, too
    #[arg(long)]
    show: bool,

    /// A token of the app alone, without anybody's grant: profile csp, its own tenant
    #[arg(long, conflicts_with_all = ["customer", "claims"])]
    app_only: bool,

    /// Redeem the grant even if a good token is at hand
    #[arg(long)]
    fresh: bool,

    /// What a service's challenge asks for: its WWW-Authenticate header, or the claims as JSON
    #[arg(long, value_name = "CHALLENGE")]
    claims: Option<String>,
}

/// How to write a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The token and a line end
    Raw,
    /// One object with the token and what is known of it
    Json,
    /// The Authorization header
    Header,
    /// Lines for a POSIX shell's eval
    Env,
}

impl Arguments {
    pub(crate) fn speaks_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    let format = if arguments.speaks_json() { Format::Json } else { arguments.format };
    let request = TokenRequest {
        partner: arguments.partner,
        customer: arguments.customer,
        audience: arguments.audience,
        claims: arguments.claims.as_deref().map(claims).transpose()?,
        fresh: arguments.fresh,
        purpose: arguments.purpose,
        app_only: arguments.app_only,
    };
    let token = session.app().await?.token(&request).await?;
    if format != Format::Json {
        tell_warnings(&token, terminal);
    }
    let masked = terminal.out_is_terminal() && !arguments.show;
    // EXPOSE: the token is what was asked for; on a terminal only with --show.
    let secret = token.secret().expose();
    let beginning = mask(secret);
    let shown = if masked { beginning.as_str() } else { secret };
    match format {
        Format::Raw if masked => print_masked(&token, shown, terminal)?,
        Format::Raw => terminal.print(shown)?,
        Format::Json => output::print(terminal, &TokenReport::new(&token, shown, masked))?,
        Format::Header => terminal.print(format_args!("Authorization: Bearer {shown}"))?,
        Format::Env => {
            let values = [(token.audience.clone(), token.clone())];
            for (name, value) in variables(&values)? {
                let value = if masked && value == secret { shown } else { &value };
                terminal.print(format_args!("export {name}={}", for_shell(value)))?;
            }
        }
    }
    if masked {
        terminal.note(format_args!("the token is masked on a terminal; --show shows it"));
    }
    Ok(End::OK)
}

/// A rotated grant that could not be written to the store is no reason to keep the token from the caller, and must not go unnoticed.
pub(crate) fn tell_warnings(token: &Token, terminal: &Terminal) {
    for warning in &token.warnings {
        terminal.warn(format_args!("{}", for_terminal(&warning.to_string())));
        terminal.say(format_args!("  hint: {}", for_terminal(warning.hint())));
    }
}

fn print_masked(token: &Token, shown: &str, terminal: &Terminal) -> Result<(), Failure> {
    let place = if token.tenant == token.partner {
        token.partner.to_string()
    } else {
        format!("{} with the grant of {}", token.tenant, token.partner)
    };
    terminal.print(format_args!(
        "{} for {} in {place}",
        shown,
        terminal.style_out(Style::Heading, token.audience.name())
    ))?;
    terminal.print(format_args!("expires {} · MFA {}", from_now(token.expires_on, now()), token.mfa.as_str()))
}

/// The beginning, which is the same for all tokens of a kind, and dots.
fn mask(secret: &str) -> String {
    const BEGINNING: usize = 3;
    let beginning: String = secret.chars().take(BEGINNING).collect();
    format!("{beginning}…")
}

/// The name of an audience as a part of a variable's name: `partner-center` is `PARTNER_CENTER`.
pub(crate) fn in_variable(audience: &Audience) -> String {
    audience.name().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Two audiences whose variables would have one name.
pub(crate) fn same_variable(audience: &Audience) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "command line",
        format!("two audiences share the name of a variable: {}", in_variable(audience)),
    )
    .with_hint("ask for them in two commands")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_what_every_token_begins_with() {
        assert_eq!(mask("eyJ0not-a-real-token"), "eyJ…");
        assert_eq!(mask("x"), "x…");
    }

    #[test]
    fn a_variable_s_name_is_one_that_every_shell_takes() {
        assert_eq!(in_variable(&"partner-center".parse().unwrap()), "PARTNER_CENTER");
        assert_eq!(
            in_variable(&"https://contoso.crm.dynamics.com".parse().unwrap()),
            "HTTPS___CONTOSO_CRM_DYNAMICS_COM"
        );
    }
}
