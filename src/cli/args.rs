//! The flags and arguments of each command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::later::LaterRun;
use super::policy::PolicyArgs;
use super::values;
use crate::core::ids::{ChangeId, HostName, StageName};
use crate::input::ConnectAs;

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// An inventory: a TOML file, or `host1,host2,` (repeatable)
    #[arg(short, long, value_name = "PATH", global = true)]
    pub inventory: Vec<PathBuf>,
    /// The configuration's inventory, where neither a flag nor the plan names one.
    #[arg(skip)]
    pub default_inventory: Vec<PathBuf>,
    /// Only these hosts: a pattern as in Ansible
    #[arg(short, long, value_name = "PATTERN", global = true)]
    pub limit: Option<String>,
    /// How results are printed [default: table]
    #[arg(long, value_name = "FORM", global = true)]
    pub output: Option<Output>,
    /// Colours [default: auto]
    #[arg(long, value_name = "WHEN", global = true)]
    pub color: Option<ColorWhen>,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more (repeatable)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Where runs are kept
    #[arg(long, value_name = "DIR", global = true, env = "PATCHCTL_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// The configuration's group, whose members share the state folder.
    #[arg(skip)]
    pub group: Option<String>,
    /// The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

impl Global {
    /// How results are printed.
    pub fn output(&self) -> Output {
        self.output.unwrap_or_default()
    }

    /// When there are colours.
    pub fn color(&self) -> ColorWhen {
        self.color.unwrap_or_default()
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One event a line, the document last
    Jsonl,
    /// A report for auditors, as Markdown (`report` alone)
    Markdown,
    /// The same as HTML
    Html,
    /// A later version's.
    #[value(hide = true)]
    Csv,
    /// A later version's.
    #[value(hide = true)]
    Junit,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What commands take that contact hosts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options for the connection")]
pub struct Contact {
    /// Log in as this user
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,
    /// Log in with this key
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Ask for the password for becoming root
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// At most so many hosts at a time; never raises a stage's `parallel`
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub forks: Option<u32>,
    /// The change, over the plan's
    #[arg(long, value_name = "ID", value_parser = values::change)]
    pub change: Option<ChangeId>,
    /// The configuration's user, for hosts whose inventory names none.
    #[arg(skip)]
    pub default_user: Option<String>,
    /// The configuration's key, for hosts whose inventory names none.
    #[arg(skip)]
    pub default_private_key: Option<PathBuf>,
}

impl Contact {
    /// How to log in.
    pub fn connect_as(&self) -> ConnectAs {
        ConnectAs {
            user: self.user.clone(),
            default_user: self.default_user.clone(),
            private_key: self.private_key.clone(),
            default_private_key: self.default_private_key.clone(),
        }
    }
}

/// What commands take that drive a run to its gates.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options for the run")]
pub struct Drive {
    /// Do not ask before the first change
    #[arg(short, long)]
    pub yes: bool,
    /// Never ask anything; a gate that nobody decided pauses
    #[arg(long)]
    pub non_interactive: bool,
    /// Approve this stage's gate, or `all` (repeatable; needs --reason)
    #[arg(long, value_name = "STAGE", value_parser = values::stage)]
    pub approve: Vec<StageName>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: Option<String>,
    /// What an undecided gate does without a terminal [default: pause]
    #[arg(long, value_name = "WHAT")]
    pub on_gate: Option<OnGate>,
    /// An emergency: passes what the policy lets it pass, is recorded, and somebody must review it (needs --reason)
    #[arg(long)]
    pub emergency: bool,
    /// How long to wait here for a window before pausing [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub wait: Option<Duration>,
}

impl Drive {
    /// Whether the flags approve this stage's gate.
    pub fn approves(&self, stage: &StageName) -> bool {
        self.approve.iter().any(|given| given == stage || given.as_str() == "all")
    }

    /// What an undecided gate does without a terminal.
    pub fn on_gate(&self) -> OnGate {
        self.on_gate.unwrap_or_default()
    }

    /// How long the process waits by itself.
    pub fn wait(&self) -> Duration {
        self.wait.unwrap_or(Duration::from_secs(3600))
    }
}

/// What a gate does that nobody decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnGate {
    /// The run pauses, with exit code 3
    #[default]
    Pause,
    /// The gate rejects
    Reject,
}

/// `new`
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Where the plan is written [default: plan.toml]
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// The hosts to patch first; with --prod and --packages nothing is asked
    #[arg(long, value_name = "PATTERN", requires_all = ["prod", "packages"])]
    pub uat: Option<String>,
    /// The hosts to patch after the approval
    #[arg(long, value_name = "PATTERN", requires = "uat")]
    pub prod: Option<String>,
    /// What to patch: `a,b=1.2` or lines of `apt list --upgradable` (repeatable)
    #[arg(long, value_name = "LIST", requires = "uat")]
    pub packages: Vec<String>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

impl NewArgs {
    /// The packages one by one: lists are parted at their commas, lines of `apt list` are not.
    pub fn package_list(&self) -> Vec<String> {
        let parts = |text: &String| -> Vec<String> {
            if text.contains(char::is_whitespace) && text.contains('/') {
                return text.lines().map(|line| line.trim().to_owned()).collect();
            }
            text.split(|c: char| c == ',' || c.is_whitespace()).map(str::to_owned).collect()
        };
        self.packages.iter().flat_map(parts).filter(|part| !part.is_empty()).collect()
    }
}

/// `run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Change nothing: the same as `patchctl plan`
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Gates that this file covers are approved by who signed it, in FILE.sig
    #[arg(long, value_name = "FILE", conflicts_with = "check", help_heading = "Options for the run")]
    pub preapproval: Option<PathBuf>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The run.
    #[command(flatten)]
    pub drive: Drive,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
    /// What is not built yet.
    #[command(flatten)]
    pub(super) later: LaterRun,
}

impl RunArgs {
    /// As if they had been given on the command line.
    pub fn of(plan: PathBuf, policy: PolicyArgs, drive: Drive, contact: Contact) -> Self {
        Self { plan, check: false, preapproval: None, policy, drive, contact, later: LaterRun::default() }
    }
}

/// `plan`
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Do not refresh the package indexes either
    #[arg(long)]
    pub no_refresh: bool,
    /// Keep the result in this file
    #[arg(short, long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `status`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: Option<String>,
    /// End with the run's exit code
    #[arg(long)]
    pub exit_code: bool,
}

/// `approve` and `reject`
#[derive(Debug, Clone, Args)]
pub struct DecideArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_or_file)]
    pub run: String,
    /// Why, for the record; asked for on a terminal
    #[arg(long, value_name = "TEXT", value_parser = values::reason)]
    pub reason: Option<String>,
    /// The stage, where several gates wait
    #[arg(long, value_name = "STAGE", value_parser = values::stage)]
    pub stage: Option<StageName>,
    /// The digest that is decided on, or its first 8 digits or more; `approve` needs it without a terminal
    #[arg(long, value_name = "PREFIX", value_parser = values::digest)]
    pub digest: Option<String>,
    /// Drive the run on from here
    #[arg(long)]
    pub resume: bool,
    /// Do not ask whether you are sure
    #[arg(short, long)]
    pub yes: bool,
    /// Sign the decision: a key file, or the .pub of a key in the SSH agent. With an exported FILE in place of RUN, only
    /// FILE.sig is made, for --import on the run's machine
    #[arg(long, value_name = "KEY", conflicts_with_all = ["export", "import"])]
    pub sign: Option<PathBuf>,
    /// Record nothing, and write what is to be signed into this file, for somebody who has no access to the run:
    /// `ssh-keygen -Y sign -n approval.patchctl -f KEY FILE` signs it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["import", "resume"])]
    pub export: Option<PathBuf>,
    /// Record the decision in this exported file, as signed in FILE.sig
    #[arg(long, value_name = "FILE", conflicts_with = "reason")]
    pub import: Option<PathBuf>,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `resume`
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference, required_unless_present = "due", conflicts_with = "due")]
    pub run: Option<String>,
    /// Every run whose time has come (for cron: nothing due prints nothing and ends 0)
    #[arg(long)]
    pub due: bool,
    /// Try the hosts again that failed or were not reached
    #[arg(long)]
    pub failed: bool,
    /// Gates that this file covers are approved by who signed it, in FILE.sig
    #[arg(long, value_name = "FILE", help_heading = "Options for the run")]
    pub preapproval: Option<PathBuf>,
    /// The run.
    #[command(flatten)]
    pub drive: Drive,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
    /// What is not built yet.
    #[command(flatten)]
    pub(super) later: LaterRun,
}

/// `rollback`
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The run: its ID or the beginning of it, its change, its plan's name, or `last`
    #[arg(value_name = "RUN", value_parser = values::run_reference)]
    pub run: String,
    /// Only this stage (repeatable)
    #[arg(long, value_name = "STAGE", value_parser = values::stage)]
    pub stage: Vec<StageName>,
    /// Only the packages that this glob names (repeatable)
    #[arg(long, value_name = "GLOB", value_parser = values::glob)]
    pub packages: Vec<String>,
    /// Show what would go back, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The run.
    #[command(flatten)]
    pub drive: Drive,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `inventory …`
#[derive(Debug, Clone, Subcommand)]
pub enum InventoryCommand {
    /// What is in the inventory; `--output json` prints what `ansible-inventory --list` prints
    List(InventoryListArgs),
    /// Who answers over SSH
    #[command(after_help = super::help::PING)]
    Ping(InventoryPingArgs),
    /// A later version's.
    #[command(hide = true, disable_help_flag = true)]
    Graph(super::later::Rest),
}

/// `inventory list`
#[derive(Debug, Clone, Args)]
pub struct InventoryListArgs {
    /// Which hosts [default: all]
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
}

/// `inventory ping`
#[derive(Debug, Clone, Args)]
pub struct InventoryPingArgs {
    /// Which hosts [default: all]
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Write the keys of hosts that are not known yet into known_hosts
    #[arg(long)]
    pub accept_new_host_keys: bool,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}

/// `playbook …`
#[derive(Debug, Clone, Subcommand)]
pub enum PlaybookCommand {
    /// The playbooks that are known here
    List,
    /// One playbook: its steps and what it needs
    Show {
        /// A built-in's name, or a path
        #[arg(value_name = "PLAYBOOK")]
        name: String,
    },
    /// A later version's.
    #[command(hide = true, disable_help_flag = true)]
    New(super::later::Rest),
    /// A later version's.
    #[command(hide = true, disable_help_flag = true)]
    Test(super::later::Rest),
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Reject at the gate, to see the rollback
    #[arg(long)]
    pub reject: bool,
    /// Let this host's patch fail, to see the rollback
    #[arg(long, value_name = "HOST", value_parser = values::host)]
    pub fail: Option<HostName>,
    /// Approve every gate without asking
    #[arg(long, conflicts_with = "reject")]
    pub approve: bool,
}

/// What `schema` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Plans
    Plan,
    /// Inventories
    Inventory,
    /// Policies
    Policy,
    /// Pre-approvals
    Preapproval,
    /// Playbooks
    Playbook,
    /// The result document
    Result,
    /// The events of `--output jsonl`
    Event,
}
