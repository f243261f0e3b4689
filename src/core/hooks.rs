//! Commands around stages and hosts, and snapshots: what a plan has run beside the patch itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::seconds;
use super::template::Template;

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Where {
    /// On the host.
    Run,
    /// On the machine that drives the run.
    Local,
}

/// A command of the plan's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Where it runs.
    pub on: Where,
    /// For `sh`.
    pub command: Template,
    /// Its deadline.
    #[serde(with = "seconds")]
    pub timeout: Duration,
}

/// `[stage.hooks]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Before the stage's first change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_stage: Option<Command>,
    /// Before anything is done to a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_host: Option<Command>,
    /// Where a host is known good: patched, or as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_host: Option<Command>,
    /// Where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_host_failed: Option<Command>,
    /// Once the stage's hosts have come to rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_stage: Option<Command>,
}

impl Hooks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A stage's own hook.
    pub fn of_stage(&self, hook: StageHook) -> Option<&Command> {
        match hook {
            StageHook::Before => self.before_stage.as_ref(),
            StageHook::After => self.after_stage.as_ref(),
        }
    }
}

/// A hook that is a whole stage's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageHook {
    /// `before_stage`
    Before,
    /// `after_stage`
    After,
}

impl StageHook {
    /// The word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before_stage",
            Self::After => "after_stage",
        }
    }
}

/// `[stage.snapshot]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// How it is taken and used.
    pub by: Taken,
    /// When it is used to go back.
    pub restore: RestoreWhen,
}

/// How a snapshot is taken and used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Taken {
    /// With commands of the plan's.
    Commands {
        /// Takes it.
        take: Command,
        /// Puts it back.
        restore: Command,
        /// Removes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remove: Option<Command>,
    },
    /// Of these btrfs subvolumes on the host.
    Btrfs(Vec<PathBuf>),
}

/// When a snapshot is used to go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreWhen {
    /// Where the package manager's way back has failed, or the host is not exactly what it was.
    #[default]
    NotExact,
    /// Always, and first: the package manager's way back follows where the host is not exactly what it was then.
    Always,
}
