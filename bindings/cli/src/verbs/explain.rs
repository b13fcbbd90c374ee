//! `partnersam explain`: what a code or a pasted error text means, who must act, and what is run next.

use partnersam::explain::{self, Explanation};

use super::{End, Outcome};
use crate::escape::for_terminal;
use crate::exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam explain 50076
  partnersam explain AADSTS65001 900421 SecretNotFound
  partnersam explain < error.log
  python report.py 2>&1 | partnersam explain --json

It knows the codes of Entra (AADSTS), Partner Center and Key Vault and partnersam's own, and finds them in any text, with the ids that a support \
ticket asks for. Of a text of more than 64 KiB it reads the beginning and the end, and of more than 16 codes it explains the first and says that there are more. Nothing is sent. The exit code is 1 where the text has neither a code nor an id";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Numbers, names, or a whole error text; without it standard input is read
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    let text = if !arguments.text.is_empty() {
        zeroize::Zeroizing::new(arguments.text.join(" "))
    } else if terminal.in_is_terminal() {
        return Err(Failure::usage("there is no text to explain", "name a code, or pipe the error text in"));
    } else {
        terminal.read_pasted().await?
    };
    let explained = explain::explain_counted(&text);
    let explanations = explained.explanations;
    if arguments.json {
        terminal.print(explain::to_json(&text))?;
    } else {
        for (at, explanation) in explanations.iter().enumerate() {
            if at > 0 {
                terminal.print("")?;
            }
            tell(explanation, terminal)?;
        }
        if explained.more {
            terminal.print(format_args!("\nthe text has more codes; these are the first {}", explain::MOST_CODES))?;
        }
    }
    if explanations.is_empty() {
        terminal.say(format_args!("the text has neither a code nor an id"));
        return Ok(End::Code(exit::FAILED));
    }
    Ok(End::OK)
}

fn tell(explanation: &Explanation, terminal: &Terminal) -> Result<(), Failure> {
    let Explanation { code, meaning, .. } = explanation;
    let service = match explanation.source {
        "partner_center" => "Partner Center ",
        "key_vault" => "Key Vault ",
        _ => "",
    };
    if code.is_empty() {
        terminal.print(for_terminal(meaning))?;
    } else {
        let name = format!("{service}{}", for_terminal(code));
        terminal.print(format_args!("{}: {}", terminal.style_out(Style::Heading, &name), for_terminal(meaning)))?;
    }
    let shown_as = explanation.kind.zip(explanation.number).map(|(kind, number)| format!("{kind} ({number})"));
    let there = explanation.in_customer_tenant.as_ref().map(|step| step.hint.as_str());
    let rows = [
        ("who must act", Some(explanation.who)),
        ("what to do", Some(explanation.advice.as_str())),
        ("in a customer's tenant", there),
        ("next command", explanation.command.as_deref()),
        ("shown as", shown_as.as_deref()),
        ("the service said", explanation.text.as_deref()),
        ("error", explanation.error.as_deref()),
        ("suberror", explanation.suberror.as_deref()),
        ("trace id", explanation.trace_id.as_deref()),
        ("correlation id", explanation.correlation_id.as_deref()),
        ("timestamp", explanation.timestamp.as_deref()),
        ("link", Some(explanation.link.as_str()).filter(|link| Some(*link) != explanation.help.as_deref())),
        ("see", explanation.help.as_deref()),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            terminal.print(format_args!("  {name}: {}", for_terminal(value)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn every_next_command_is_one_of_this_program() {
        for row in partnersam::remedy::all() {
            for step in [Some(row.step), row.in_customer_tenant].into_iter().flatten() {
                let words = step.command.split(' ').map(|word| match word {
                    "PARTNER" | "CUSTOMER" => "fabrikam.com".to_owned(),
                    word => word.replace("AUDIENCE", "graph"),
                });
                let parsed = crate::arguments::Arguments::try_parse_from(words);
                let refused = parsed.err().filter(|refusal| refusal.use_stderr());
                assert!(refused.is_none(), "{}: {refused:?}", step.command);
            }
        }
    }
}
