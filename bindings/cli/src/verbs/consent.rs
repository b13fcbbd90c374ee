//! `partnersam consent`: a partner signs in once with MFA. By browser and loopback listener, by a link for somebody else, by a pasted address, by device code.

use std::time::Duration;

use partnersam::app::consent::{ConsentLink, ConsentOptions, ConsentRequest, ResponseMode};
use partnersam::app::loopback::Loopback;
use partnersam::{App, Audience, Error, ErrorKind, TenantRef};
use url::Url;

use super::{End, Outcome};
use crate::arguments::{audience, claims, tenant};
use crate::browser;
use crate::completed::{self, To};
use crate::escape::for_terminal;
use crate::failure::Failure;
use crate::output::{self, DeviceCodeReport, LinkReport, SCHEMA_VERSION};
use crate::session::Session;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  partnersam consent fabrikam.com
  partnersam consent fabrikam.com --for partner-center,graph --link
  partnersam consent fabrikam.com --no-browser

The reply comes to http://localhost on this machine, so the browser must run here (or its port be forwarded with --port N). With --link and a \
redirect_uri in the configuration the link is printed and nothing waits: whoever listens there completes the consent. With --no-browser the \
browser may run anywhere: its last page does not load, and the address of that page is pasted here.

The link goes to standard output alone; the result then goes to standard error. With --json there are two lines, one object each: first the \
link or the device code where there is one to pass on, then the result. The exit code is 0 when the grant was stored and every audience named \
with --for has a token";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The partner who is invited: tenant id or domain. Nobody else can use the link
    #[arg(value_name = "PARTNER", value_parser = tenant)]
    partner: TenantRef,

    /// The services to be granted, with commas between them [default: partner-center,graph,arm]
    #[arg(long = "for", value_name = "AUDIENCES", value_delimiter = ',', value_parser = audience)]
    audiences: Vec<Audience>,

    /// Print the link for somebody else to open, and wait
    #[arg(long, conflicts_with_all = ["no_browser", "device_code"])]
    link: bool,

    /// Print the link, and take the address of the page where the browser ends
    #[arg(long, conflicts_with = "device_code")]
    no_browser: bool,

    /// Print a code to type on another machine; policies often forbid it, and the grant is marked
    #[arg(long)]
    device_code: bool,

    /// Take the reply on this port; without it on a free one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "device_code")]
    port: Option<u16>,

    /// Why: a purpose that the configuration declares, or words for the record; also PARTNERSAM_PURPOSE
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,

    /// The account to propose on the sign-in page
    #[arg(long, value_name = "ACCOUNT")]
    login_hint: Option<String>,

    /// What the sign-in must satisfy: a service's WWW-Authenticate header, or the claims as JSON
    #[arg(long, value_name = "CHALLENGE")]
    claims: Option<String>,

    /// Store the grant even though MFA is not proved; Partner Center refuses its tokens
    #[arg(long)]
    allow_without_mfa: bool,

    /// How long to wait [default: 600, with a link to pass on 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,

    /// JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(mut arguments: Arguments, session: &Session<'_>) -> Outcome {
    arguments.claims = arguments.claims.as_deref().map(claims).transpose()?;
    let app = session.app().await?;
    if arguments.device_code {
        by_device_code(&arguments, &app, session.terminal).await
    } else if arguments.no_browser {
        by_pasted_address(&arguments, &app, session.terminal).await
    } else if arguments.link && app.config().redirect_uri.is_some() {
        by_somebody_else(&arguments, &app, session.terminal).await
    } else {
        by_listener(&arguments, &app, session.terminal).await
    }
}

impl Arguments {
    fn limit(&self) -> Duration {
        let passed_on = self.link || self.no_browser || self.device_code;
        Duration::from_secs(self.timeout.unwrap_or(if passed_on { 3600 } else { 600 }))
    }

    fn options(&self) -> ConsentOptions {
        ConsentOptions { allow_without_mfa: self.allow_without_mfa }
    }

    fn request(&self, redirect_uri: Option<Url>, response_mode: ResponseMode) -> ConsentRequest {
        ConsentRequest {
            audiences: self.audiences.clone(),
            redirect_uri,
            purpose: self.purpose.clone(),
            valid_for: self.limit(),
            login_hint: self.login_hint.clone(),
            claims: self.claims.clone(),
            response_mode,
            ..ConsentRequest::new(self.partner.clone())
        }
    }

    fn named(&self) -> bool {
        !self.audiences.is_empty()
    }

    /// Where the result goes when the link has standard output.
    fn beside_the_link(&self) -> To {
        if self.json { To::Json } else { To::StandardError }
    }
}

/// The reply comes to a listener of ours.
async fn by_listener(arguments: &Arguments, app: &App, terminal: &Terminal) -> Outcome {
    let listener = Loopback::bind(arguments.port).await?;
    let request = arguments.request(Some(listener.redirect_uri().clone()), ResponseMode::FormPost);
    let link = app.begin_consent(&request).await?;
    let to = if arguments.link {
        print_link(&link, arguments, terminal)?;
        terminal.note(format_args!("waiting for the sign-in until {}; Ctrl-C ends it", link.expires_on));
        arguments.beside_the_link()
    } else {
        show(&link, terminal).await;
        if arguments.json { To::Json } else { To::StandardOutput }
    };
    let consented = listener
        .serve(&link.state, arguments.limit(), async |reply| {
            let consented = app.complete_consent(&reply, arguments.options()).await?;
            let page = completed::page(&consented);
            Ok((consented, page))
        })
        .await?;
    completed::tell(&consented, arguments.named(), to, terminal)
}

/// Opens the person's browser, or says what to open.
async fn show(link: &ConsentLink, terminal: &Terminal) {
    if browser::open(&link.url).await {
        terminal.note(format_args!(
            "sign in with MFA in the browser; where none has opened, open this address on this machine:"
        ));
        terminal.note(format_args!("{}", link.url));
    } else {
        terminal
            .say(format_args!("no browser could be started; open this address on this machine and sign in with MFA:"));
        terminal.say(format_args!("{}", link.url));
    }
}

/// The reply goes to the configured address, where a service with the same store completes it.
async fn by_somebody_else(arguments: &Arguments, app: &App, terminal: &Terminal) -> Outcome {
    let link = app.begin_consent(&arguments.request(None, ResponseMode::FormPost)).await?;
    print_link(&link, arguments, terminal)?;
    terminal.note(format_args!("the reply goes to {}; the link ends at {}", link.redirect_uri, link.expires_on));
    Ok(End::OK)
}

/// The person brings the reply back by hand.
async fn by_pasted_address(arguments: &Arguments, app: &App, terminal: &Terminal) -> Outcome {
    if terminal.in_is_terminal() && !terminal.can_ask() {
        return Err(Failure::usage(
            "--no-browser asks for the address of the last page, and --no-input forbids to ask",
            "give the address on standard input",
        ));
    }
    let link =
        app.begin_consent(&arguments.request(Some(nobody_listens(arguments.port)?), ResponseMode::Query)).await?;
    print_link(&link, arguments, terminal)?;
    terminal.note(format_args!(
        "open this link in any browser and sign in with MFA; the last page does not load, and that is right"
    ));
    let answer = async {
        // Not shown: it holds a code, and a terminal shows no more than a few thousand characters of a line anyway.
        if terminal.can_ask() {
            terminal.ask_hidden("address of the last page (not shown)").await
        } else {
            terminal.read_line().await
        }
    };
    let address = tokio::time::timeout(arguments.limit(), answer).await.map_err(|_| too_late(arguments))??;
    if address.trim().is_empty() {
        return Err(Failure::usage(
            "there is no address: standard input is empty",
            "paste the address of the page where the browser ended",
        ));
    }
    let consented = app.complete_consent(address.trim(), arguments.options()).await?;
    completed::tell(&consented, arguments.named(), arguments.beside_the_link(), terminal)
}

/// An address on the person's own machine at which, as a rule, nothing answers.
fn nobody_listens(port: Option<u16>) -> Result<Url, Failure> {
    let text = port.map_or_else(|| "http://localhost/".to_owned(), |port| format!("http://localhost:{port}/"));
    Url::parse(&text).map_err(|error| Failure::internal("the redirect address could not be made", error))
}

/// The person types a code on another machine.
async fn by_device_code(arguments: &Arguments, app: &App, terminal: &Terminal) -> Outcome {
    let device = app.begin_device_consent(&arguments.request(None, ResponseMode::FormPost)).await?;
    if arguments.json {
        let report = DeviceCodeReport {
            schema_version: SCHEMA_VERSION,
            user_code: &device.user_code,
            verification_uri: &device.verification_uri,
            expires_on: device.expires_on.to_string(),
        };
        output::print(terminal, &report)?;
    } else {
        terminal.say(format_args!(
            "open {} and enter the code {}",
            for_terminal(&device.verification_uri),
            for_terminal(&device.user_code)
        ));
        terminal.note(format_args!("waiting for the sign-in until {}; Ctrl-C ends it", device.expires_on));
    }
    let completing = app.complete_device_consent(device, arguments.options());
    let consented = tokio::time::timeout(arguments.limit(), completing).await.map_err(|_| too_late(arguments))??;
    completed::tell(&consented, arguments.named(), if arguments.json { To::Json } else { To::StandardOutput }, terminal)
}

fn print_link(link: &ConsentLink, arguments: &Arguments, terminal: &Terminal) -> Result<(), Failure> {
    if !arguments.json {
        return terminal.print(&link.url);
    }
    let report = LinkReport {
        schema_version: SCHEMA_VERSION,
        link: link.url.as_str(),
        partner: link.partner.to_string(),
        redirect_uri: link.redirect_uri.as_str(),
        expires_on: link.expires_on.to_string(),
    };
    output::print(terminal, &report)
}

fn too_late(arguments: &Arguments) -> Error {
    Error::new(
        ErrorKind::ConsentLinkExpired,
        "consent",
        format!("nobody signed in within the time limit: {} s", arguments.limit().as_secs()),
    )
    .with_hint("start again, or allow more time with `--timeout`")
}
