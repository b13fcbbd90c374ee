//! The program `partnersam`: everything is in the library, which the Python package carries, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Codes are 0 to 255 by construction.
    ExitCode::from(u8::try_from(partnersam_cli::run(std::env::args_os())).unwrap_or(1))
}
