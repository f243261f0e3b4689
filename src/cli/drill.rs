//! `drill`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::{Contact, Drive};
use super::policy::PolicyArgs;
use super::values;

/// `drill`
#[derive(Debug, Clone, Args)]
pub struct DrillArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Do not ask before the first change
    #[arg(short, long, help_heading = "Options for the run")]
    pub yes: bool,
    /// Never ask anything
    #[arg(long, help_heading = "Options for the run")]
    pub non_interactive: bool,
    /// How long to wait here for a window before pausing [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Options for the run")]
    pub wait: Option<Duration>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

impl DrillArgs {
    /// How it is driven: there is no gate that a flag could decide.
    pub fn drive(&self) -> Drive {
        Drive { yes: self.yes, non_interactive: self.non_interactive, wait: self.wait, ..Drive::default() }
    }
}
