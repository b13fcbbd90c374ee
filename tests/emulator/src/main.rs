//! The emulator as a program of its own: starts, writes the ready file, and runs until it is told to stop.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use partnersam_emulator::{Emulator, Options};

const USAGE: &str = "usage: partnersam-emulator [--ready-file FILE] [--ca-file FILE] [--port-base PORT]
                           [--cloud public|us-government|china]

Plays Entra ID, Partner Center, Graph and Azure Resource Manager on loopback until SIGINT or SIGTERM.
With --ready-file, FILE holds one JSON object once everything listens, and is removed at the end; without it the
object is printed.
";

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            drop(std::io::stdout().write_all(USAGE.as_bytes()));
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            drop(write!(std::io::stderr(), "partnersam-emulator: {message}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "partnersam-emulator: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before the start, so that a signal during it is not lost.
    let signalled = signalled()?;
    let prints = options.ready_file.is_none();
    let emulator = Emulator::start(options).await?;
    if prints {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(emulator.ready())?)?;
    }
    tokio::select! {
        () = signalled => {}
        () = emulator.wait() => {}
    }
    emulator.stop().await;
    Ok(())
}

#[cfg(unix)]
fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        drop(tokio::signal::ctrl_c().await);
    })
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("a value is missing after {arg}"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--ready-file" => options.ready_file = Some(PathBuf::from(value()?)),
            "--ca-file" => options.ca_file = Some(PathBuf::from(value()?)),
            "--cloud" => options.cloud = value()?.parse()?,
            "--port-base" => {
                let text = value()?;
                options.port_base = Some(text.parse().map_err(|_| format!("not a port: {text}"))?);
            }
            _ => return Err(format!("not an option: {arg}")),
        }
    }
    Ok(Some(options))
}
