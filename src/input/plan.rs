//! The plan: what to patch, in which stages, and which gates stand between them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checks::CHECK;
use super::error::InputErrors;
use super::hooks::{HOOKS, SNAPSHOT};
use super::keys::{Key, Kind, TableDef};
use super::notify;
use super::patch;
use super::policy;
use super::source::{Sink, Source};
use super::stage::{self, PlanStage};
use super::table::{At, Table, parse as parse_toml};
use super::window::STAGE_WINDOW;
use crate::core::ids::{ChangeId, Digest, PlanName, PlaybookName};
use crate::core::notify::Notify;
use crate::core::settings::Patch;

/// A plan as its file says it; hosts are not looked up yet.
#[derive(Debug, Clone)]
pub struct LoadedPlan {
    pub(crate) source: Source,
    pub(crate) path: PathBuf,
    pub(crate) name: PlanName,
    pub(crate) change: Option<ChangeId>,
    pub(crate) inventory: Option<At<PathBuf>>,
    pub(crate) allowed_signers: Option<At<PathBuf>>,
    pub(crate) patch: Patch,
    pub(crate) playbook: Playbook,
    /// The keys of `packages_for`, with their places.
    pub(crate) managers: Vec<At<PlaybookName>>,
    /// Where `[patch]` says itself what a policy may limit.
    pub(crate) stated: BTreeMap<&'static str, Range<usize>>,
    pub(crate) stages: Vec<PlanStage>,
    pub(crate) notify: Vec<Notify>,
    /// The plan's own rules.
    pub(crate) policy: Option<policy::Rules>,
}

/// Which playbook a plan names.
#[derive(Debug, Clone)]
pub(crate) enum Playbook {
    Auto,
    Named(At<PlaybookName>),
    File(PathBuf),
}

impl LoadedPlan {
    /// The plan's name.
    pub fn name(&self) -> &PlanName {
        &self.name
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text, as it is frozen.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The digest of its text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text.as_bytes())
    }

    /// The change that it names.
    pub fn change(&self) -> Option<&ChangeId> {
        self.change.as_ref()
    }

    /// The inventory that it names, relative to it.
    pub fn inventory_path(&self) -> Option<&Path> {
        self.inventory.as_ref().map(|at| at.value.as_path())
    }

    /// The playbook's file, where the plan names one by its path. [`Settings`](crate::core::settings::Settings) then
    /// has no playbook yet: its name stands in the file.
    pub fn playbook_file(&self) -> Option<&Path> {
        match &self.playbook {
            Playbook::File(path) => Some(path),
            Playbook::Auto | Playbook::Named(_) => None,
        }
    }
}

pub(crate) static PLAN: TableDef = TableDef {
    title: "the plan",
    doc: "A plan for patchctl: what to patch, in which stages, and which gates stand between them.",
    named: false,
    keys: &[
        Key::or("schema", Kind::Int { min: 1, max: 1 }, "1", "The version of this format."),
        Key::required("name", Kind::Text, "The plan's name, one word."),
        Key::new("change", Kind::Text, "The change as the ticket system names it; made up when absent."),
        Key::new("inventory", Kind::Text, "The inventory's file, relative to the plan; -i overrides it."),
        Key::new(
            "allowed_signers",
            Kind::Text,
            "Whose signatures count: an allowed_signers file as of ssh-keygen, relative to the plan. Default: \
             /etc/patchctl/allowed_signers, where there is one.",
        ),
        Key::required("patch", Kind::Table(&patch::PATCH), "What to patch."),
        Key::required("stage", Kind::List(&Kind::Table(&stage::STAGE)), "The stages, in order."),
        Key::new(
            "notify",
            Kind::List(&Kind::Table(&notify::NOTIFY)),
            "Who is told of gates, the end, failures and rollbacks.",
        ),
        Key::new("policy", Kind::Table(&policy::PLAN_POLICY), "The plan's own rules, beside those of policies."),
    ],
};

/// The tables that a misplaced key may belong in.
/// What policies say, and plans do not.
const OF_POLICIES: [&str; 5] = ["auto_approve", "emergency", "exception", "freeze", "limits"];

pub(crate) static ALL: [&TableDef; 9] =
    [&PLAN, &patch::PATCH, &stage::STAGE, &STAGE_WINDOW, &stage::APPROVAL, &notify::NOTIFY, &CHECK, &HOOKS, &SNAPSHOT];

/// Reads a plan, and the approved list that it names.
///
/// # Errors
/// Every mistake in them.
pub fn load(path: &Path) -> Result<LoadedPlan, InputErrors> {
    read(Source::read(path)?, path)
}

/// Reads a plan from its text; files that it names are looked for beside `path`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(path: &Path, text: &str) -> Result<LoadedPlan, InputErrors> {
    read(Source::new(path.display().to_string(), text), path)
}

fn read(source: Source, path: &Path) -> Result<LoadedPlan, InputErrors> {
    let sink = Sink::new(source.clone());
    let text = Arc::clone(&source.text);
    let plan = parse_toml(&sink, &text).and_then(|document| {
        let mut root = Table::new(&sink, &PLAN, document.get_ref(), 0..0);
        root.elsewhere_known(&OF_POLICIES, "it belongs in a policy (`--policy`), or in the plan's [policy]");
        read_root(root, source, path)
    });
    sink.finish(plan)
}

fn read_root(root: Table<'_>, source: Source, path: &Path) -> Option<LoadedPlan> {
    let sink = root.sink;
    root.int("schema");
    let name = root.checked("name", |text| PlanName::new(text));
    let change = root.checked("change", |text| ChangeId::new(text));
    let inventory = root.checked("inventory", |text| beside(path, text));
    let allowed_signers = root.checked("allowed_signers", |text| beside(path, text));
    let patch = root.table("patch", &patch::PATCH).map(|table| patch::read_patch(table, path));
    let stages = stage::read_stages(sink, root.tables("stage", &stage::STAGE), path);
    let notify = notify::read_all(root.tables("notify", &notify::NOTIFY), path);
    let policy = root.table("policy", &policy::PLAN_POLICY).map(policy::read_plans_own);
    root.finish(&ALL);
    let patch = patch?;
    Some(LoadedPlan {
        source,
        path: path.to_owned(),
        name: name?.value,
        change: change.map(|c| c.value),
        inventory,
        allowed_signers,
        patch: patch.patch,
        playbook: patch.playbook,
        managers: patch.managers,
        stated: patch.stated,
        stages,
        notify,
        policy,
    })
}

/// A path that stands in a file, relative to that file's folder.
pub(crate) fn beside(file: &Path, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".into());
    }
    if text.contains(char::is_control) {
        return Err("the path has a control character in it".into());
    }
    if let Some(rest) = text.strip_prefix("~/") {
        return std::env::home_dir()
            .map(|home| home.join(rest))
            .ok_or_else(|| "there is no home folder for `~`".into());
    }
    Ok(file.parent().unwrap_or(Path::new("")).join(text))
}

/// `resume` may run in another folder.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A file that is there, named relative to the plan.
pub(super) fn existing(plan: &Path, text: &str) -> Result<PathBuf, String> {
    let path = beside(plan, text)?;
    match std::fs::metadata(&path) {
        Ok(file) if file.is_file() => Ok(absolute(&path)),
        Ok(_) => Err(format!("{} is not a file", path.display())),
        Err(_) => Err(format!("there is no file {}", path.display())),
    }
}
