//! The command line, parsed and nothing more.
//!
//! Every command and flag that is promised has its name here. What this version does not do yet is hidden from the
//! help and refused by name, so that no script relies on a flag that does nothing.

mod args;
mod audit;
mod control;
mod drift;
mod drill;
mod generate;
mod help;
mod later;
mod places;
mod policy;
mod settle;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use self::args::{
    ColorWhen, Contact, DecideArgs, DemoArgs, Drive, Global, InventoryCommand, InventoryListArgs, InventoryPingArgs,
    NewArgs, OnGate, Output, PlanArgs, PlaybookCommand, ResumeArgs, RollbackArgs, RunArgs, SchemaKind, StatusArgs,
};
pub use self::audit::{AuditCommand, AuditExportArgs, AuditReviewArgs, AuditVerifyArgs};
pub use self::control::{CancelArgs, PauseArgs, RecoverArgs, ReleaseArgs};
pub use self::drift::DriftArgs;
pub use self::drill::DrillArgs;
pub use self::generate::{Shell, completions, man_pages};
use self::later::Later;
pub use self::places::state_dir;
pub use self::policy::{PolicyArgs, PolicyCommand, PolicyTestArgs};

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "patchctl",
    version,
    about = "Patch fleets of hosts over SSH, stage by stage, with proven rollback and recorded approval",
    long_about = help::ABOUT,
    after_help = help::AFTER,
    after_long_help = help::AFTER_LONG,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Write a plan, asking for what it needs
    #[command(after_help = help::NEW)]
    New(NewArgs),
    /// Patch stage by stage, ask, promote or roll back
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Show each host's exact transaction, and change nothing
    #[command(after_help = help::PLAN)]
    Plan(PlanArgs),
    /// Validate plan, inventory, policy and playbooks without contacting a host
    #[command(after_help = help::CHECK)]
    Check {
        /// The plan
        #[arg(value_name = "PLAN")]
        plan: std::path::PathBuf,
        /// The policy.
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// List the runs, newest first
    Runs,
    /// Show a run, live or finished; by default the latest
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// Approve the gate that a run waits at
    #[command(after_help = help::APPROVE)]
    Approve(DecideArgs),
    /// Reject the gate that a run waits at: what it patched goes back
    #[command(after_help = help::REJECT)]
    Reject(DecideArgs),
    /// Go on with a paused, interrupted or crashed run
    #[command(after_help = help::RESUME)]
    Resume(ResumeArgs),
    /// Stop a run at the next safe point; `resume` goes on with it
    #[command(after_help = help::PAUSE)]
    Pause(PauseArgs),
    /// Stop a run, and roll back what nobody has approved yet
    #[command(after_help = help::CANCEL)]
    Cancel(CancelArgs),
    /// Undo a finished run, or a part of it
    #[command(after_help = help::ROLLBACK)]
    Rollback(RollbackArgs),
    /// Ask a lost host what became of it, and finish or restore it
    #[command(after_help = help::RECOVER)]
    Recover(RecoverArgs),
    /// Give a host up, and clear the run's claim on it (replaced hardware)
    #[command(after_help = help::RELEASE)]
    Release(ReleaseArgs),
    /// Show a finished run's result again
    Report {
        /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
        #[arg(value_name = "RUN", value_parser = values::run_reference)]
        run: String,
    },
    /// Prove that the records of runs are whole and unaltered, or hand them to an auditor
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at the inventory, and at who answers
    #[command(subcommand)]
    Inventory(InventoryCommand),
    /// Patch the first stage and take it back on purpose, to prove the way back
    #[command(after_help = help::DRILL)]
    Drill(DrillArgs),
    /// See who differs from what the last approved run left
    #[command(after_help = help::DRIFT)]
    Drift(DriftArgs),
    /// Look at the playbooks that are known here
    #[command(subcommand)]
    Playbook(PlaybookCommand),
    /// See which rules hold for a plan
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Try it all on an embedded fleet: no hosts, no root, no set-up
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Print the shell's completions
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    Man {
        /// The folder; it is made if it is not there
        #[arg(value_name = "DIR")]
        dir: std::path::PathBuf,
    },
    /// Print the JSON schema of a file or document
    #[command(after_help = help::SCHEMA)]
    Schema {
        /// Of what
        kind: SchemaKind,
    },
    /// The commands of later versions.
    #[command(flatten)]
    Later(Later),
}

/// Parses the arguments, the program's name first. `--help` and `--version` come back as errors with exit code 0, as
/// clap has it; everything else with 2.
///
/// # Errors
/// When the arguments are not a command line of patchctl, or ask for what this version does not do.
pub fn parse<I, T>(args: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(args)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    match later::refusal(&cli) {
        None => Ok(cli),
        Some(refused) => Err(command.error(refused.kind, refused.text)),
    }
}

/// Whether these arguments ask for a JSON document, judged without parsing them: also for a command line that is
/// wrong.
pub fn asks_for_json<T: AsRef<std::ffi::OsStr>>(args: &[T]) -> bool {
    let texts: Vec<&str> = args.iter().map_while(|arg| arg.as_ref().to_str()).take_while(|arg| *arg != "--").collect();
    let named = |word: &str| matches!(word, "json" | "jsonl");
    let spaced = texts.windows(2).any(|pair| pair[0] == "--output" && named(pair[1]));
    spaced || texts.iter().any(|arg| arg.strip_prefix("--output=").is_some_and(named))
}
