//! The developer's verbs. `cargo run -p xtask -- gen` writes the generated files anew; with `--check` it fails, and shows the difference, when one of
//! them is not what its sources make.

mod explanations;
mod generated;
mod header;
mod numbers;
mod symbols;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- gen [--check] [--library FILE]

gen                 write the generated files: include/partnersam.h, and the tables and the golden file made from the core
gen --check         fail, and show the difference, when one of them is not what its sources make
--library FILE      compare the symbols that FILE exports with bindings/c/symbols.txt too
";

/// What a verb comes to: an error is one sentence.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["gen"] => generated::write(root()),
        ["gen", "--check"] => generated::check(root()),
        ["gen", "--check", "--library", library] => {
            generated::check(root()).and_then(|()| symbols::compare(root(), Path::new(library)))
        }
        _ => {
            tell(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tell(&format!("xtask: {message}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Says something to whoever runs this; a closed pipe is not our concern.
fn tell(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}
