//! Commands and flags that are promised and not built yet: known by name, hidden, and refused.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Subcommand};

use super::args::{InventoryCommand, Output, PlaybookCommand};
use super::{Cli, Command};

/// Whatever follows a command that is not built yet.
#[derive(Debug, Clone, Args)]
pub struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Commands of later versions; [`super::parse`] never returns one.
#[derive(Debug, Clone, Subcommand)]
pub enum Later {
    #[command(hide = true, disable_help_flag = true)]
    Updates(Rest),
}

impl Later {
    fn name(&self) -> &'static str {
        match self {
            Self::Updates(_) => "updates",
        }
    }
}

/// Flags of `run` and `resume`.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LaterRun {
    #[arg(long, hide = true)]
    planned: Option<PathBuf>,
    #[arg(long = "stage", hide = true)]
    start_at: Option<String>,
    #[arg(long, hide = true)]
    proof: Option<String>,
}

impl LaterRun {
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--planned", self.planned.is_some()),
            ("--stage", self.start_at.is_some()),
            ("--proof", self.proof.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// Why a command line is refused that is otherwise good.
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
}

/// The refusal, where the command line asks for what is not built.
pub(super) fn refusal(cli: &Cli) -> Option<Refusal> {
    let command = |name: &str| refused(ErrorKind::InvalidSubcommand, &format!("`patchctl {name}`"), "");
    let flag = |name: &str| refused(ErrorKind::UnknownArgument, &format!("`{name}`"), "; leave it out");
    let by_command = match &cli.command {
        Command::Later(later) => Some(command(later.name())),
        Command::Inventory(InventoryCommand::Graph(_)) => Some(command("inventory graph")),
        Command::Playbook(PlaybookCommand::New(_)) => Some(command("playbook new")),
        Command::Playbook(PlaybookCommand::Test(_)) => Some(command("playbook test")),
        Command::Run(args) => args.later.given().map(flag),
        Command::Resume(args) => args.later.given().map(flag),
        _ => None,
    };
    by_command.or_else(|| report_alone(cli)).or_else(|| output(cli)).or_else(|| no_reason(cli)).or_else(|| no_host(cli))
}

/// Forms that only a report has.
fn report_alone(cli: &Cli) -> Option<Refusal> {
    let name = match cli.global.output? {
        Output::Markdown => "markdown",
        Output::Html => "html",
        _ => return None,
    };
    (!matches!(cli.command, Command::Report { .. })).then(|| Refusal {
        kind: ErrorKind::InvalidValue,
        text: format!("`--output {name}` is for `patchctl report` alone; use table, json or jsonl"),
    })
}

fn output(cli: &Cli) -> Option<Refusal> {
    let name = match cli.global.output? {
        Output::Table | Output::Json | Output::Jsonl | Output::Markdown | Output::Html => return None,
        Output::Csv => "csv",
        Output::Junit => "junit",
    };
    Some(refused(ErrorKind::InvalidValue, &format!("`--output {name}`"), "; use table, json or jsonl"))
}

/// An approval by flag is a decision, and a decision has a reason.
fn no_reason(cli: &Cli) -> Option<Refusal> {
    let drive = match &cli.command {
        Command::Run(args) => &args.drive,
        Command::Resume(args) => &args.drive,
        Command::Rollback(args) => &args.drive,
        Command::Recover(args) => &args.drive,
        _ => return None,
    };
    if matches!(&cli.command, Command::Resume(args) if args.due && args.drive.emergency) {
        let text = "`--emergency` is for one run, and `--due` is for all: name the run".into();
        return Some(Refusal { kind: ErrorKind::ArgumentConflict, text });
    }
    let text = match drive.reason {
        None if !drive.approve.is_empty() => "`--approve` needs `--reason TEXT`: it is kept with the approval",
        None if drive.emergency => "`--emergency` needs `--reason TEXT`: it is kept, and reviewed",
        _ => return None,
    };
    Some(Refusal { kind: ErrorKind::MissingRequiredArgument, text: text.into() })
}

/// Whoever takes hosts in hand names them.
fn no_host(cli: &Cli) -> Option<Refusal> {
    let name = match &cli.command {
        Command::Recover(_) => "recover",
        Command::Release(_) => "release",
        _ => return None,
    };
    cli.global.limit.is_none().then(|| Refusal {
        kind: ErrorKind::MissingRequiredArgument,
        text: format!("`{name}` needs `-l HOST`: which host, or hosts, it is about"),
    })
}

fn refused(kind: ErrorKind, what: &str, instead: &str) -> Refusal {
    Refusal { kind, text: format!("{what} is not built yet in this version{instead}") }
}
