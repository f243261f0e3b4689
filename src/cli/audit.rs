//! `audit verify` and `audit export`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::values;

/// `audit`
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Prove that records are whole and unaltered
    #[command(after_help = super::help::AUDIT_VERIFY)]
    Verify(AuditVerifyArgs),
    /// Say that you have looked at an emergency, once its run is over
    #[command(after_help = super::help::AUDIT_REVIEW)]
    Review(AuditReviewArgs),
    /// Hand the records of runs to an auditor: one folder, with a report and everything that proves it
    #[command(after_help = super::help::AUDIT_EXPORT)]
    Export(AuditExportArgs),
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
    /// The records in a folder that `audit export` made, instead of those of this machine
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// `audit review`
#[derive(Debug, Clone, Args)]
pub struct AuditReviewArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
    /// What you say to it, for the record
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: String,
}

/// `audit export`
#[derive(Debug, Clone, Args)]
pub struct AuditExportArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(
        value_name = "RUN",
        value_parser = values::run_reference,
        required_unless_present_any = ["since", "until"],
        conflicts_with_all = ["since", "until"]
    )]
    pub run: Option<String>,
    /// All runs that started at this moment or later: RFC 3339, or a day in UTC (`2026-11-01`)
    #[arg(long, value_name = "WHEN", value_parser = values::since)]
    pub since: Option<Timestamp>,
    /// All runs that started before this moment; a day is included
    #[arg(long, value_name = "WHEN", value_parser = values::until)]
    pub until: Option<Timestamp>,
    /// The folder; it must not be there yet, or be empty
    #[arg(short, long = "out", value_name = "DIR")]
    pub out: PathBuf,
    /// Compare with what was left outside, too: lines of the system's log, or witness files of hosts (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
}
