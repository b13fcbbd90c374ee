//! How a completed consent or import is told: one line, the reasons for what did not come, and the exit code.

use partnersam::Audience;
use partnersam::app::consent::Consented;
use partnersam::app::loopback::Page;
use partnersam::app::report::ConsentReport;
use partnersam::store::{Mfa, Taint};

use crate::escape::for_terminal;
use crate::exit;
use crate::output::{self, from_now, now};
use crate::terminal::{Style, Terminal};
use crate::verbs::{End, Outcome};

/// Where the one line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    StandardOutput,
    /// Where standard output is taken by the link.
    StandardError,
    Json,
}

/// Tells it. The grant is stored: a failure of an audience changes the exit code only where the caller `named` the audiences.
pub(crate) fn tell(consented: &Consented, named: bool, to: To, terminal: &Terminal) -> Outcome {
    if to == To::Json {
        output::print(terminal, &ConsentReport::new(consented, now()))?;
    } else {
        let line = line(consented, terminal, to);
        match to {
            To::StandardOutput => terminal.print(line)?,
            _ => terminal.say(format_args!("{line}")),
        }
    }
    let failures = consented.failures();
    if to != To::Json {
        for (audiences, error) in &failures {
            terminal.warn(format_args!("no token for {}: {}", listed(audiences), for_terminal(error.message())));
            terminal.say(format_args!("  who must act: {}", error.actor().in_words()));
            terminal.say(format_args!("  hint: {}", for_terminal(error.advice())));
        }
        for taint in &consented.taints {
            terminal.warn(format_args!("{}", in_words(*taint)));
        }
    }
    if named { Ok(End::Code(exit::of_all(failures.into_iter().map(|(_, error)| error)))) } else { Ok(End::OK) }
}

fn listed(audiences: &[&Audience]) -> String {
    audiences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The page that the browser shows.
pub(crate) fn page(consented: &Consented) -> Page {
    let page = Page::new(format!("Consent stored for {}", consented.name))
        .line(format!("Signed in as {}; MFA {}.", consented.user_name, consented.mfa.verdict.as_str()))
        .line(format!("It lasts until {} and is renewed by use.", consented.expires_on));
    consented.failures().into_iter().fold(page, |page, (audiences, error)| {
        page.line(format!("No token for {}: {}.", listed(&audiences), error.message()))
    })
}

/// `✔ fabrikam.com  admin@fabrikam.com · MFA yes · expires in 90 days · partner-center ✔ graph ✔ arm ✘ (reason)`
fn line(consented: &Consented, terminal: &Terminal, to: To) -> String {
    let styled = |style, text| {
        if to == To::StandardOutput { terminal.style_out(style, text) } else { terminal.style_err(style, text) }
    };
    let mfa_style = if consented.mfa.verdict == Mfa::Yes { Style::Good } else { Style::Bad };
    let audiences: Vec<_> = consented
        .audiences
        .iter()
        .map(|(audience, token)| match token {
            Ok(_) => format!("{audience} {}", styled(Style::Good, "✔")),
            Err(error) => format!("{audience} {} ({})", styled(Style::Bad, "✘"), for_terminal(error.kind().sentence())),
        })
        .collect();
    format!(
        "{} {}  {} · MFA {} · expires {} · {}",
        styled(Style::Good, "✔"),
        for_terminal(&consented.name),
        for_terminal(&consented.user_name),
        styled(mfa_style, consented.mfa.verdict.as_str()),
        from_now(consented.expires_on, now()),
        audiences.join(" "),
    )
}

fn in_words(taint: Taint) -> &'static str {
    match taint {
        Taint::DeviceCode => "consented by device code: policies may end this grant at any time",
        Taint::WithoutMfa => "stored without proof of MFA because you insisted: Partner Center refuses its tokens",
        Taint::Imported => "imported: another copy of the token may exist, delete it where it came from",
        _ => "the grant has a weakness that this version has no words for",
    }
}
