//! The arguments of the commands that take a run in hand from outside: `pause`, `cancel`, `recover`, `release`.

use clap::Args;

use super::args::{Contact, Drive};
use super::values;

/// `pause`
#[derive(Debug, Clone, Args)]
pub struct PauseArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
}

/// `cancel`
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
    /// Why, for the record; asked for on a terminal
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: Option<String>,
    /// Do not ask whether you are sure
    #[arg(short, long)]
    pub yes: bool,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `recover`
#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
    /// The run.
    #[command(flatten)]
    pub drive: Drive,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `release`
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`; the whole ID of a run that the
    /// state folder does not know
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: String,
    /// Do not ask whether you are sure
    #[arg(short, long)]
    pub yes: bool,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}
