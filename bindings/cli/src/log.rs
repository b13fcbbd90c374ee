//! The log: events of our own crates, to standard error, only when asked for.
//!
//! Those of the libraries below stay out, whatever the level: what they write at `trace` is not ours to vouch for.

use std::io;

use partnersam::{Error, ErrorKind};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::terminal::Terminal;

const OURS: [&str; 3] = ["partnersam", "partnersam_cli", "partnersam_emulator"];

/// Starts the log at the level that `-v` or `PARTNERSAM_LOG` asks for; does nothing, and costs nothing, when neither does.
pub(crate) fn start(verbose: u8, terminal: &Terminal) -> Result<(), Error> {
    let Some(level) = level(verbose, std::env::var("PARTNERSAM_LOG").ok().as_deref())? else { return Ok(()) };
    let targets = OURS.into_iter().fold(Targets::new(), |targets, name| targets.with_target(name, level));
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(terminal.has_colour_err()).with_filter(targets);
    // Where the program around us has a log already, it stays.
    let _ = registry().with(layer).try_init();
    Ok(())
}

fn level(verbose: u8, variable: Option<&str>) -> Result<Option<LevelFilter>, Error> {
    let asked = match verbose {
        0 => None,
        1 => Some(LevelFilter::INFO),
        2 => Some(LevelFilter::DEBUG),
        _ => Some(LevelFilter::TRACE),
    };
    let named = match variable.map(str::trim).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(text.parse::<LevelFilter>().map_err(|_| {
            Error::new(
                ErrorKind::ConfigInvalid,
                "command line",
                "PARTNERSAM_LOG must be off, error, warn, info, debug or trace",
            )
        })?),
    };
    Ok(asked.or(named).filter(|level| *level != LevelFilter::OFF))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_variable() {
        assert_eq!(level(0, None).unwrap(), None);
        assert_eq!(level(0, Some("")).unwrap(), None);
        assert_eq!(level(0, Some("off")).unwrap(), None);
        assert_eq!(level(0, Some("debug")).unwrap(), Some(LevelFilter::DEBUG));
        assert_eq!(level(1, Some("trace")).unwrap(), Some(LevelFilter::INFO));
        assert_eq!(level(9, None).unwrap(), Some(LevelFilter::TRACE));
    }

    #[test]
    fn what_is_no_level_is_refused_and_not_repeated() {
        let error = level(0, Some("hunter2=trace")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(!error.to_json().contains("hunter2"));
    }
}
