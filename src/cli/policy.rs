//! `--policy`, and `policy test`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What commands take that begin from a plan.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyArgs {
    /// A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it
    #[arg(long = "policy", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// No policy holds, not even the system's: the hosts are the demo's own.
    #[arg(skip)]
    pub none: bool,
}

/// `policy …`
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// Which rules apply to a plan, and why; contacts no host
    #[command(after_help = super::help::POLICY_TEST)]
    Test(PolicyTestArgs),
}

/// `policy test`
#[derive(Debug, Clone, Args)]
pub struct PolicyTestArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}
