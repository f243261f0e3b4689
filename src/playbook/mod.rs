//! Playbooks: how one kind of host is inspected, patched, verified and restored.
//!
//! A playbook is data (TOML) with POSIX sh steps. It is read and checked here, put together into the scripts that a
//! round trip carries, and what its steps print is parsed here, strictly.

mod embedded;
pub(crate) mod load;
mod probe;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::embedded::{NAMES as BUILT_IN, built_in};
pub use self::load::{LoadError, from_path, schema};
pub use self::probe::{Answered, Looked, btrfs, parse_look, probe};
pub use self::records::{Fits, Lock, RecordError, Records, parse};
use crate::core::ids::PlaybookName;

/// A step of a playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepName {
    /// Does this playbook fit this host?
    Detect,
    /// The package index, nothing else.
    Refresh,
    /// Who the host is, what stands in the way.
    Inspect,
    /// The exact transaction.
    Resolve,
    /// Room, locks, and where every old package would come from.
    Preflight,
    /// The state before, recorded.
    Baseline,
    /// Every old package, brought onto the host and checked.
    Stash,
    /// The transaction, no more.
    Apply,
    /// Is it installed, and in effect?
    Verify,
    /// Services that run replaced code.
    Restart,
    /// Back to the baseline.
    Rollback,
    /// Is the host what the baseline says?
    Compare,
    /// What is not needed any more goes.
    Forget,
    /// The host boots.
    Reboot,
}

impl StepName {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 14] = [
        Self::Detect,
        Self::Refresh,
        Self::Inspect,
        Self::Resolve,
        Self::Preflight,
        Self::Baseline,
        Self::Stash,
        Self::Apply,
        Self::Verify,
        Self::Restart,
        Self::Rollback,
        Self::Compare,
        Self::Forget,
        Self::Reboot,
    ];

    /// The word in playbooks and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Refresh => "refresh",
            Self::Inspect => "inspect",
            Self::Resolve => "resolve",
            Self::Preflight => "preflight",
            Self::Baseline => "baseline",
            Self::Stash => "stash",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Restart => "restart",
            Self::Rollback => "rollback",
            Self::Compare => "compare",
            Self::Forget => "forget",
            Self::Reboot => "reboot",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }
}

/// Whose rights a playbook's steps need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    /// root's.
    Root,
    /// The login user's.
    User,
}

/// A playbook, whole: it can be frozen into a run's folder and read back without its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Its name.
    pub name: PlaybookName,
    /// What it is for, in a line.
    pub description: String,
    /// Whose rights its steps need.
    pub rights: Rights,
    /// Whether `playbook = "auto"` may choose it.
    pub auto: bool,
    /// Globs on the names of packages that the way into the host depends on.
    #[serde(default)]
    pub way_in: Vec<String>,
    /// Why there is no way back, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// The text before every step: the prelude and the playbook's own library.
    pub library: Arc<str>,
    /// Its steps.
    pub steps: BTreeMap<StepName, StepScript>,
}

/// One step of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepScript {
    /// The file that it was read from, for people.
    pub file: String,
    /// Its text: it defines `step_NAME`.
    pub text: Arc<str>,
    /// Its deadline, in seconds.
    pub timeout_s: u64,
}

impl Playbook {
    /// The script that runs these steps in one go, up to the first that does not succeed. Steps that the playbook does
    /// not have are left out. Returns the text and the time that all of them may take together.
    pub fn script(&self, steps: &[StepName]) -> (Arc<str>, Duration) {
        let known = || steps.iter().filter_map(|step| self.steps.get(step).map(|script| (step, script)));
        let mut text = String::from(&*self.library);
        let mut run = String::from("run_steps");
        let mut seconds = 0;
        for (step, script) in known() {
            text.push('\n');
            text.push_str(&script.text);
            run.push(' ');
            run.push_str(step.as_str());
            seconds += script.timeout_s;
        }
        text.push('\n');
        text.push_str(&run);
        text.push('\n');
        (text.into(), Duration::from_secs(seconds))
    }
}
