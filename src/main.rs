//! Hands the arguments to the library and ends the process with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(patchctl::app::run(std::env::args_os().collect()))
}
