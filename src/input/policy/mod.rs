//! Policies: what a plan may do, and who decides on what. The system's file, the one that `--policy` names and the plan's
//! own `[policy]` hold together: whatever any of them forbids is forbidden.

mod apply;
mod limits;
mod read;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::apply::{Applied, Expired, apply};
use self::limits::LIMITS;
pub use self::limits::{LimitCheck, Verdict};
pub(crate) use self::read::Rules;
use super::error::InputErrors;
use super::keys::{Key, Kind, TableDef};
use super::source::{Sink, Source};
use super::table::{Table, parse as parse_toml};
use super::trusted;
use super::window::{FREEZE, WINDOW_KEYS};

/// The system's policy: it holds for every plan, and can only be narrowed.
const SYSTEM: &str = "/etc/patchctl/policy.toml";

const TEXTS: Kind = Kind::List(&Kind::Text);
const STAGES: Key = Key::new("stages", TEXTS, "Globs (`*`, `?`) on the stages that it is for; default: all.");
const SEVERITY: Kind = Kind::Word(&["low", "medium", "high", "critical"], &[]);

static ONE_FREEZE: Kind = Kind::Table(&FREEZE);
static ONE_POLICY_WINDOW: Kind = Kind::Table(&POLICY_WINDOW);
static ONE_APPROVAL_RULE: Kind = Kind::Table(&APPROVAL_RULE);

const LIMITS_KEY: Key = Key::new("limits", Kind::Table(&LIMITS), "What no plan may go beyond.");
const FREEZE_KEY: Key = Key::new("freeze", Kind::List(&ONE_FREEZE), "Times in which no host begins.");
const WINDOW_KEY: Key = Key::new(
    "window",
    Kind::List(&ONE_POLICY_WINDOW),
    "When hosts may begin, beside the stage's own windows; of several for one stage, one is enough.",
);
const APPROVAL_KEY: Key =
    Key::new("approval", Kind::List(&ONE_APPROVAL_RULE), "What gates must have, by what is at stake.");
const CHECKS_KEY: Key = Key::new(
    "checks",
    TEXTS,
    "Checks, by their names in the evidence, that must have held on each host that changed before its gate is approved.",
);
const DRILL_KEY: Key = Key::new("drill", Kind::Table(&DRILL), "The drill that a run of the plan needs.");

pub(crate) static POLICY: TableDef = TableDef {
    title: "the policy",
    doc: "A policy of patchctl: what plans may do, and who decides on what.",
    named: false,
    keys: &[
        Key::or("schema", Kind::Int { min: 1, max: 1 }, "1", "The version of this format."),
        Key::new(
            "allowed_signers",
            Kind::Text,
            "Whose signatures count, whatever a plan says: an allowed_signers file as of ssh-keygen, relative to the \
             policy.",
        ),
        LIMITS_KEY,
        FREEZE_KEY,
        WINDOW_KEY,
        APPROVAL_KEY,
        Key::new("auto_approve", Kind::List(&Kind::Table(&AUTO_APPROVE)), "What opens a gate without a person."),
        Key::new(
            "exception",
            Kind::List(&Kind::Table(&EXCEPTION)),
            "Hosts, or packages on them, that are left as they are.",
        ),
        Key::new("emergency", Kind::Table(&EMERGENCY), "The way that is open in an emergency (`run --emergency`)."),
        CHECKS_KEY,
        DRILL_KEY,
    ],
};

pub(crate) static PLAN_POLICY: TableDef = TableDef {
    title: "[policy]",
    doc: "The plan's own rules: they narrow what policies allow.",
    named: false,
    keys: &[LIMITS_KEY, FREEZE_KEY, WINDOW_KEY, APPROVAL_KEY, CHECKS_KEY, DRILL_KEY],
};

pub(crate) static POLICY_WINDOW: TableDef = TableDef {
    title: "[[window]]",
    doc: "When hosts of some stages may begin.",
    named: false,
    keys: &[
        STAGES,
        WINDOW_KEYS[0],
        WINDOW_KEYS[1],
        WINDOW_KEYS[2],
        WINDOW_KEYS[3],
        WINDOW_KEYS[4],
        WINDOW_KEYS[5],
        WINDOW_KEYS[6],
    ],
};

pub(crate) static APPROVAL_RULE: TableDef = TableDef {
    title: "[[approval]]",
    doc: "What a gate must have, where all of the conditions hold.",
    named: false,
    keys: &[
        Key::required("name", Kind::Text, "What people call the rule."),
        STAGES,
        Key::new("severity", SEVERITY, "Only from this severity on; a plan that declares none counts as critical."),
        Key::new("kernel", Kind::Bool, "Only where a kernel changes (or, with `false`, none)."),
        Key::new("hosts_over", Kind::Int { min: 0, max: 1_000_000 }, "Only where more hosts of the stage change."),
        Key::new("packages", TEXTS, "Only where a package changes that one of these globs (`*`, `?`) names."),
        Key::new("by", TEXTS, "Who may decide: names, and `group:NAME`."),
        Key::new("quorum", Kind::Int { min: 1, max: 100 }, "How many people must approve."),
        Key::or("signed", Kind::Bool, "false", "Whether only signed decisions count."),
        Key::or("four_eyes", Kind::Bool, "false", "Whether somebody else than who started the run must approve."),
        Key::new(
            "when",
            Kind::Word(&["before", "after", "both"], &[]),
            "Where a gate must stand, beside the plan's; default: where the plan has it, else after the stage.",
        ),
    ],
};

pub(crate) static AUTO_APPROVE: TableDef = TableDef {
    title: "[[auto_approve]]",
    doc: "What opens the gate after a stage without a person, where all of it holds, no host failed, every check holds, \
          the way back is proven and nobody in particular must decide.",
    named: false,
    keys: &[
        Key::required("name", Kind::Text, "What people call the rule."),
        STAGES,
        Key::or("max_severity", SEVERITY, "\"low\"", "Up to this severity."),
        Key::or("kernel", Kind::Bool, "false", "Whether a kernel may have changed."),
        Key::or("removals", Kind::Bool, "false", "Whether packages may have gone away."),
        Key::new("hosts_max", Kind::Int { min: 1, max: 1_000_000 }, "At most so many hosts of the stage changed."),
        Key::new("packages", TEXTS, "Every package that changed is named by one of these globs (`*`, `?`)."),
        Key::new("origins", TEXTS, "Every new version comes from one of these, as the package manager names them."),
        Key::or("security_only", Kind::Bool, "false", "Whether all of it must be security updates."),
        Key::new(
            "checks",
            TEXTS,
            "Checks, by their names in the evidence, that must have held on each host that changed.",
        ),
    ],
};

pub(crate) static EXCEPTION: TableDef = TableDef {
    title: "[[exception]]",
    doc: "Hosts, or packages on them, that are left as they are for a time.",
    named: false,
    keys: &[
        Key::required(
            "hosts",
            Kind::Text,
            "A pattern, as in a stage; names that an inventory does not have mean nobody.",
        ),
        Key::new("packages", TEXTS, "Globs (`*`, `?`) on packages; default: the whole host."),
        Key::required("until", Kind::Any, "A date (through its end, UTC), or a moment with its offset."),
        Key::required("ticket", Kind::Text, "Where somebody agreed to it."),
        Key::required("reason", Kind::Text, "Why."),
    ],
};

pub(crate) static EMERGENCY: TableDef = TableDef {
    title: "[emergency]",
    doc: "The way that is open in an emergency.",
    named: false,
    keys: &[
        Key::required("by", TEXTS, "Who may go it: names, and `group:NAME`."),
        Key::or("quorum", Kind::Int { min: 1, max: 100 }, "1", "How many people must."),
        Key::required("passes", Kind::List(&Kind::Word(&["window", "freeze"], &[])), "What it passes."),
        Key::or("review_within", Kind::Duration, "\"72h\"", "How long afterwards somebody must have looked at it."),
    ],
};

pub(crate) static DRILL: TableDef = TableDef {
    title: "[drill]",
    doc: "The drill (`patchctl drill`) that a run of the plan needs.",
    named: false,
    keys: &[Key::required(
        "within",
        Kind::Duration,
        "How old the last drill of the plan may be that proved its way back; without one a run is refused.",
    )],
};

/// The tables that a misplaced key may belong in.
static ALL: [&TableDef; 9] =
    [&POLICY, &LIMITS, &FREEZE, &POLICY_WINDOW, &APPROVAL_RULE, &AUTO_APPROVE, &EXCEPTION, &EMERGENCY, &DRILL];

/// A policy's file, read and checked; hosts are not looked up yet.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    pub(crate) source: Source,
    pub(crate) path: PathBuf,
    pub(crate) allowed_signers: Option<PathBuf>,
    pub(crate) rules: Rules,
}

impl LoadedPolicy {
    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Its text, as it is frozen.
    pub fn text(&self) -> &Arc<str> {
        &self.source.text
    }

    /// Whose signatures count, where it says so.
    pub fn allowed_signers(&self) -> Option<&Path> {
        self.allowed_signers.as_deref()
    }
}

/// Reads the policies that hold on this machine: the system's, where there is one, and the one that is given.
///
/// # Errors
/// Every mistake in them; a file that somebody else could have written; a given one that widens what the system's allows.
pub fn load(given: Option<&Path>) -> Result<Vec<LoadedPolicy>, InputErrors> {
    load_from(Path::new(SYSTEM), given)
}

fn load_from(system: &Path, given: Option<&Path>) -> Result<Vec<LoadedPolicy>, InputErrors> {
    let has_system = system.symlink_metadata().is_ok();
    let mut all = Vec::new();
    if has_system {
        all.push(read_file(system, None)?);
    }
    // The same file twice narrows nothing, and what it allows is allowed.
    let same =
        |path: &Path| has_system && path.canonicalize().ok().is_some_and(|p| system.canonicalize().ok() == Some(p));
    if let Some(path) = given.filter(|path| !same(path)) {
        all.push(read_file(path, has_system.then_some(system))?);
    }
    Ok(all)
}

fn read_file(path: &Path, beside: Option<&Path>) -> Result<LoadedPolicy, InputErrors> {
    read_source(trusted::read(path, "could allow anything")?, path, beside)
}

/// `beside`: the system's policy, which this one can only narrow.
fn read_source(source: Source, path: &Path, beside: Option<&Path>) -> Result<LoadedPolicy, InputErrors> {
    let sink = Sink::new(source.clone());
    let text = Arc::clone(&source.text);
    let policy = parse_toml(&sink, &text).map(|document| {
        let table = Table::new(&sink, &POLICY, document.get_ref(), 0..0);
        table.int("schema");
        if let Some(system) = beside {
            read::refuse_widening(&table, system);
        }
        let signers = table.checked("allowed_signers", |text| super::plan::beside(path, text));
        let rules = read::read(&table, true);
        table.finish(&ALL);
        LoadedPolicy { source, path: path.to_owned(), allowed_signers: signers.map(|at| at.value), rules }
    });
    sink.finish(policy)
}

/// Reads the plan's own rules.
pub(crate) fn read_plans_own(mut table: Table<'_>) -> Rules {
    table.elsewhere_known(
        &read::WIDENING,
        "a plan can only narrow: it belongs in /etc/patchctl/policy.toml, or in the file of --policy",
    );
    let rules = read::read(&table, false);
    table.finish(&ALL);
    rules
}
