//! `audit verify` and `audit export`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values;

/// `audit`
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Prove that records are whole and unaltered
    #[command(after_help = super::help::AUDIT_VERIFY)]
    Verify(AuditVerifyArgs),
    /// A later version's.
    #[command(hide = true, disable_help_flag = true)]
    Export(super::later::Rest),
}

/// `audit verify`
#[derive(Debug, Clone, Args)]
pub struct AuditVerifyArgs {
    /// The run [default: all of them]
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: Option<String>,
    /// Compare with what was left outside: lines of the system's log, or witness files of hosts (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
}
