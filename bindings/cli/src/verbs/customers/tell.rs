//! Customers in words.

use indicatif::{ProgressBar, ProgressStyle};
use partnersam::app::customers::report::Run;
use partnersam::app::customers::{Customer, CustomerOutcome, Summary, Verdict};

use crate::count::counted;
use crate::escape::for_terminal;
use crate::failure::Failure;
use crate::terminal::{Style, Terminal};

/// One line a customer.
pub(super) fn tell_list(customers: &[Customer], terminal: &Terminal) -> Result<(), Failure> {
    if customers.is_empty() {
        terminal.say(format_args!("the partner has no customers"));
    }
    for customer in customers {
        let domain = customer.domain.as_deref().unwrap_or("-");
        terminal.print(format_args!(
            "{}  {}  {}",
            customer.tenant,
            for_terminal(domain),
            for_terminal(&customer.name)
        ))?;
    }
    Ok(())
}

/// A customer that differs, was changed or failed; of the others the numbers tell enough.
pub(super) fn tell_outcome(outcome: &CustomerOutcome, terminal: &Terminal) -> Result<(), Failure> {
    let name = name_of(&outcome.customer);
    match (outcome.verdict, &outcome.error) {
        (_, Some(error)) => {
            terminal.say(format_args!(
                "{} {name}: {}",
                terminal.style_err(Style::Bad, "✘"),
                for_terminal(error.message())
            ));
            if outcome.withdrew {
                terminal.say(format_args!("  what the app was consented to there before is withdrawn"));
            }
            terminal.say(format_args!("  who must act: {}", error.actor().in_words()));
            terminal.say(format_args!("  hint: {}", for_terminal(error.advice())));
            if let Some(id) = error.correlation_id() {
                terminal.say(format_args!("  correlation id: {}", for_terminal(id)));
            }
            Ok(())
        }
        (Verdict::ToChange, None) => {
            terminal.print(format_args!("{} {name}{}", terminal.style_out(Style::Warning, "±"), in_words(outcome)))
        }
        (Verdict::NoConsent, None) => {
            let why = match outcome.service_principal {
                Some(false) => "the tenant does not know the app yet",
                _ => "no consent yet",
            };
            terminal.print(format_args!(
                "{} {name}: {why}{}",
                terminal.style_out(Style::Warning, "±"),
                in_words(outcome)
            ))
        }
        (Verdict::Applied, None) => terminal.print(format_args!(
            "{} {name}: consented to {}",
            terminal.style_out(Style::Good, "✔"),
            for_terminal(&outcome.consented.join(", "))
        )),
        _ => Ok(()),
    }
}

/// What the whole run came to.
pub(super) fn tell_summary(run: Run, summary: &Summary, terminal: &Terminal) -> Result<(), Failure> {
    let Summary { customers, as_desired, to_change, no_consent, applied, proved_before, failed } = summary;
    let customers = counted(*customers, "customer");
    match run {
        Run::Plan => terminal.print(format_args!(
            "{customers}: {as_desired} as wanted, {to_change} to change, {no_consent} without consent, {failed} failed"
        )),
        Run::Apply => terminal.print(format_args!(
            "{customers}: {as_desired} as wanted, {applied} changed and read back, {proved_before} done before, {failed} failed"
        )),
    }
}

/// On standard error, and only where a person looks at it.
pub(super) fn bar(run: Run, terminal: &Terminal) -> ProgressBar {
    if !terminal.err_is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let what = if run == Run::Plan { "looking" } else { "applying" };
    if let Ok(style) = ProgressStyle::with_template(&format!("{what} {{wide_bar}} {{pos}}/{{len}} {{eta}}")) {
        bar.set_style(style);
    }
    bar
}

fn name_of(customer: &Customer) -> String {
    let id = customer.tenant.to_string();
    let named = [customer.domain.as_deref().unwrap_or_default(), &customer.name, &id];
    for_terminal(named.into_iter().find(|name| !name.is_empty()).unwrap_or_default())
}

fn in_words(outcome: &CustomerOutcome) -> String {
    let mut lines = String::new();
    for row in outcome.differences.iter().filter(|row| !row.is_none()) {
        let scopes = row.missing.iter().map(|scope| format!("+{scope}"));
        let scopes: Vec<_> = scopes.chain(row.extra.iter().map(|scope| format!("-{scope}"))).collect();
        let is_absent = outcome.service_principal.is_some() && !row.is_known;
        let absent = if is_absent { " (the customer does not have this service)" } else { "" };
        lines.push_str(&format!("\n    {}: {}{absent}", for_terminal(&row.name), for_terminal(&scopes.join(" "))));
    }
    lines
}
