//! What a run does, checked and frozen: everything after the input has only these types.
//!
//! `Settings` is what the plan, the inventory and the command line come to. It holds no secrets (only the commands
//! and files that they come from), is written into the run's folder at its start, and is what `resume` reads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::Approval;
use super::calendar::{Calendar, Freeze, Window};
use super::check::CheckSpec;
use super::health::HealthRule;
use super::hooks::{Command, Hooks, Snapshot};
use super::ids::{ChangeId, Digest, GroupName, HostIx, HostName, PlanName, PlaybookName, RunId, StageIx, StageName};
use super::notify::Notify;
use super::packages::{PackageOp, PackageRequest};
use super::policy::Policy;
use super::risk::Severity;

/// The version of the frozen settings' format.
pub const SETTINGS_VERSION: u32 = 1;

/// Everything about one run that is fixed when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`SETTINGS_VERSION`].
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// What kind of run.
    pub kind: RunKind,
    /// The change it belongs to.
    pub change: ChangeId,
    /// The plan's name.
    pub plan: PlanName,
    /// Where the plan was read from, for messages; empty for the demo's.
    pub plan_path: PathBuf,
    /// The digest of the plan's text.
    pub plan_digest: Digest,
    /// Who started the run.
    pub requester: Person,
    /// What to patch.
    pub patch: Patch,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Every host of every stage; [`HostIx`] points here.
    pub hosts: Vec<Host>,
    /// The most connections at a time (`--forks`).
    pub forks: Option<u32>,
    /// Whose signatures count: the text of an allowed_signers file; none: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<String>,
    /// What policies say about the run.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// Who is told of what happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
    /// When no host may begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
}

/// What kind of run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Patches stage by stage.
    Run,
    /// Undoes what an earlier run did.
    Rollback {
        /// The run that is undone.
        of: RunId,
        /// Why.
        reason: String,
        /// Only the packages that these globs name; empty: all.
        packages: Vec<String>,
        /// What goes back on each host: the operations that undo what the run did.
        undo: BTreeMap<HostName, Vec<PackageOp>>,
    },
    /// Patches a stage, and takes all of it back: the proof that the way back works.
    Drill,
}

impl RunKind {
    /// Whether it goes forward on its hosts, whatever becomes of that later.
    pub fn patches(&self) -> bool {
        matches!(self, Self::Run | Self::Drill)
    }
}

/// Who did something, and how we know the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The login name; through sudo, the name of who called sudo.
    pub name: String,
    /// Where the name comes from: `login`, `sudo`.
    pub source: String,
}

/// What to patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Which playbook; none: by the host.
    pub playbook: Option<PlaybookName>,
    /// What is selected.
    pub select: Select,
    /// The packages, for `Select::Packages`.
    pub packages: Vec<PackageRequest>,
    /// Names for other playbooks, instead of `packages`.
    pub packages_for: BTreeMap<PlaybookName, Vec<PackageRequest>>,
    /// The only packages that may be asked for, where the plan names a list; its rows, checked.
    pub approved: Option<Vec<PackageRequest>>,
    /// Globs on package names that must not change.
    pub exclude: Vec<String>,
    /// Whether a package that is not installed is installed.
    pub install: bool,
    /// Whether the transaction may remove packages.
    pub allow_removals: bool,
    /// Whether later stages are held to what earlier ones proved.
    pub pin: Pin,
    /// What happens with what no earlier stage proved.
    pub unproven: Unproven,
    /// How bad the worst weakness is that the patch closes, where the plan says so; nobody's word counts as critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The playbook's own variables (`[patch.vars]`): lower-case names; a step sees them as `VAR_NAME`.
    pub vars: BTreeMap<String, String>,
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The named packages.
    Packages,
    /// Every pending security update.
    Security,
    /// Every pending update.
    All,
}

impl Select {
    /// The word in plans and for steps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Security => "security",
            Self::All => "all",
        }
    }
}

/// Whether later stages get exactly the versions that earlier ones proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// Exactly those.
    Exact,
    /// Whatever is current.
    Off,
}

/// What happens to a package, or a kind of host, that no earlier stage proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unproven {
    /// It is left out.
    Skip,
    /// The host is refused.
    Refuse,
    /// A person decides.
    Ask,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// The pattern that selected its hosts, for people.
    pub pattern: String,
    /// Its hosts in order: canaries first, then as the inventory lists them. Empty: `--limit` left none.
    pub hosts: Vec<HostIx>,
    /// The stages that must be SUCCESS before it.
    pub needs: Vec<StageIx>,
    /// Sizes of waves; the last repeats.
    pub waves: Vec<Amount>,
    /// Hosts at a time.
    pub parallel: u32,
    /// How many hosts may fail before no new host starts.
    pub max_failed: Amount,
    /// How many hosts may be unreachable.
    pub max_unreachable: Amount,
    /// What happens past `max_failed`.
    pub on_exceeded: OnExceeded,
    /// What goes back beside the failed hosts.
    pub rollback_scope: Scope,
    /// What happens to services that still run replaced code.
    pub restart: Restart,
    /// Globs on unit names that are never restarted.
    pub restart_exclude: Vec<String>,
    /// Whether hosts are rebooted after the change.
    #[serde(default)]
    pub reboot: Reboot,
    /// How many hosts reboot at a time; at least one.
    #[serde(default = "one_host")]
    pub reboot_parallel: Amount,
    /// How long a reboot may take.
    #[serde(with = "seconds", default = "ten_minutes")]
    pub reboot_timeout: Duration,
    /// Whether hosts undo the change by themselves unless it is confirmed.
    #[serde(default)]
    pub dead_man: DeadMan,
    /// The deadline of one host's whole way.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// The gate at its end (and its beginning); none: no gate.
    pub approval: Option<Approval>,
    /// When its hosts may begin: one window of each list must be open (the plan's list, the policy's). None: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Vec<Window>>,
    /// The variable of the inventory that hosts are kept apart by: no two with the same value are worked on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// Groups whose hosts come first, in this order: a host begins once those before it have come to rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GroupName>,
    /// How long a wave is watched before what comes next.
    #[serde(with = "seconds", default, skip_serializing_if = "Duration::is_zero")]
    pub soak: Duration,
    /// What is asked of each host, or about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSpec>,
    /// What becomes of hosts that are worse than before.
    #[serde(default, skip_serializing_if = "HealthRule::is_off")]
    pub health: HealthRule,
    /// Globs on what is no part of that comparison: units, `tcp/8080`, paths of mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_exclude: Vec<String>,
    /// For how long a host may be worse than before: services come up again, clocks are set.
    #[serde(with = "seconds", default = "one_minute")]
    pub health_within: Duration,
    /// Commands around the stage and its hosts.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What hosts will need is fetched before they may begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prefetch: bool,
    /// What is done instead where a playbook knows no way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Command>,
    /// A snapshot of each host beside its stash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

impl Stage {
    /// Where a host comes in the order of the stage's groups: hosts of a lower place are done before.
    pub fn rank(&self, host: &Host) -> usize {
        let first = self.after.iter().position(|group| host.is_in(group.as_str()));
        first.unwrap_or(self.after.len())
    }

    /// What a host must not share with another that is worked on at the same time; none: it may share everything.
    pub fn kept_apart_by<'a>(&self, host: &'a Host) -> Option<&'a serde_json::Value> {
        host.vars.get(self.spread.as_ref()?)
    }
}

/// A number of hosts, or a share of the stage's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many in a hundred of the stage's selected hosts, rounded down.
    Percent(u8),
}

impl Amount {
    /// The number of hosts in a stage of `total`.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(n) => n as usize,
            Self::Percent(p) => total * usize::from(p) / 100,
        }
    }
}

/// What happens when more hosts failed than `max_failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExceeded {
    /// The scope goes back.
    Rollback,
    /// A person decides.
    Ask,
}

/// What goes back beside the failed hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing else.
    Host,
    /// Their wave.
    Wave,
    /// Their stage.
    Stage,
    /// Everything that the run changed.
    Run,
}

/// What happens to services that still run replaced code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restart {
    /// They are restarted.
    Needed,
    /// They are listed.
    Report,
    /// Nobody looks.
    Never,
}

impl Restart {
    /// The word in plans and for steps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Report => "report",
            Self::Never => "never",
        }
    }
}

/// Whether hosts are rebooted after the change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reboot {
    /// Never: what is due is listed.
    #[default]
    Never,
    /// Where the host needs it.
    Needed,
    /// Wherever something was changed.
    Always,
}

/// Whether a host undoes the change by itself unless a new connection confirms it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadMan {
    /// Never. (What runs of an earlier version have frozen.)
    #[default]
    Off,
    /// Five minutes, for transactions that touch what the way in depends on.
    Auto,
    /// For every transaction, so long after the change's end.
    #[serde(with = "seconds")]
    After(Duration),
}

fn one_host() -> Amount {
    Amount::Count(1)
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

/// One host, resolved from the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name in the inventory.
    pub name: HostName,
    /// Where to connect: a DNS name or an address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The login user; none: the local user's name.
    pub user: Option<String>,
    /// Key files to try, in order; empty: the agent and the usual files.
    pub private_keys: Vec<PathBuf>,
    /// How to become root.
    pub escalate: Escalate,
    /// A command whose first line of output is the login password.
    pub password_command: Option<String>,
    /// A command whose first line of output is the password for becoming root.
    pub become_password_command: Option<String>,
    /// Its playbook; none: the plan's.
    pub playbook: Option<PlaybookName>,
    /// The groups that it is in, its tags among them, sorted.
    pub groups: Vec<GroupName>,
    /// Variables of the inventory.
    pub vars: BTreeMap<String, serde_json::Value>,
}

impl Host {
    /// Whether the host carries this tag or is in this group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g.as_str() == group)
    }
}

/// How to become root (`become` in the inventory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escalate {
    /// Log in as root, or need no root.
    None,
    /// `sudo`.
    Sudo,
}

/// Durations as whole seconds in the frozen form.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::core) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }

    pub(in crate::core) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// A moment in the form that documents use: RFC 3339 in UTC, whole seconds.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Settings {
    /// The host with this name.
    pub fn host(&self, name: &HostName) -> Option<HostIx> {
        (0..).map(HostIx).zip(&self.hosts).find(|(_, host)| host.name == *name).map(|(ix, _)| ix)
    }

    /// When the stage's hosts may begin.
    pub fn calendar(&self, stage: StageIx) -> Calendar<'_> {
        let stage = &self.stages[stage.at()];
        Calendar::new(&stage.name, &stage.windows, &self.freezes)
    }

    /// The stage with this name.
    pub fn stage(&self, name: &StageName) -> Option<StageIx> {
        (0..).map(StageIx).zip(&self.stages).find(|(_, stage)| stage.name == *name).map(|(ix, _)| ix)
    }
}
