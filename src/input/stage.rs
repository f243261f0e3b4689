//! The plan's stages and their gates.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::checks::{self, CHECK};
use super::hooks::{self, COMMAND, HOOKS, SNAPSHOT};
use super::keys::{Key, Kind, TableDef};
use super::nearest::did_you_mean;
use super::patch::read_globs;
use super::plan::ALL;
use super::source::Sink;
use super::table::{At, Table};
use super::window::{self, STAGE_WINDOW, read_span};
use crate::core::approval::{Approval, Who};
use crate::core::calendar::Window;
use crate::core::health::HealthRule;
use crate::core::ids::{GroupName, StageIx, StageName};
use crate::core::settings::{Amount, DeadMan, OnExceeded, Restart, Scope, Stage};
use crate::core::template::Template;

/// A stage with its places; it has no hosts yet.
#[derive(Debug, Clone)]
pub(crate) struct PlanStage {
    pub(crate) stage: Stage,
    /// Where its pattern stands.
    pub(crate) pattern: Range<usize>,
    /// Where the plan says itself what a policy may limit.
    pub(crate) stated: BTreeMap<&'static str, Range<usize>>,
    /// Where the rules of its gate stand; its pattern, where it has the rules of every gate.
    pub(crate) approval: Range<usize>,
    /// Where the variable stands that its hosts are kept apart by.
    pub(crate) spread: Option<Range<usize>>,
    /// Where each of the groups stands that come first.
    pub(crate) after: Vec<Range<usize>>,
    /// The texts with values of hosts in them.
    pub(crate) templates: Vec<At<Template>>,
}

const HOUR: u64 = 3600;

pub(crate) static STAGE: TableDef = TableDef {
    title: "[[stage]]",
    doc: "An environment, patched wave by wave up to its gate.",
    named: false,
    keys: &[
        Key::required("name", Kind::Text, "The stage's name, one word."),
        Key::required("hosts", Kind::Text, "A pattern: group, host, glob, `a:b`, `a:&b`, `a:!b`, `~regex`, `@file`."),
        Key::new(
            "needs",
            Kind::List(&Kind::Text),
            "The stages that must be SUCCESS before; default: the stage before.",
        ),
        Key::new("waves", WAVES, "Sizes of waves; the last repeats, the first is the canary. Default: one wave."),
        Key::or("parallel", Kind::Int { min: 1, max: 10_000 }, "10", "Hosts at a time."),
        Key::or("max_failed", Kind::Amount { min: 0 }, "0", "Above it no new host starts."),
        Key::or(
            "max_unreachable",
            Kind::Amount { min: 0 },
            "0",
            "Above it the stage does not start, or stops and asks.",
        ),
        Key::or(
            "on_exceeded",
            Kind::Word(&["rollback", "ask"], &[]),
            "\"rollback\"",
            "What happens above `max_failed`.",
        ),
        Key::or("rollback_scope", SCOPE, "\"stage\"", "What goes back beside the failed hosts."),
        Key::or("restart", RESTART, "\"needed\"", "Services that still run replaced code."),
        Key::or("restart_exclude", Kind::List(&Kind::Text), "[]", "Globs on units that are never restarted."),
        Key::or("reboot", REBOOT, "\"never\"", "Whether hosts are rebooted after the patch."),
        Key::or("reboot_parallel", Kind::Amount { min: 1 }, "1", "How many hosts reboot at a time."),
        Key::or("reboot_timeout", Kind::Duration, "\"10m\"", "How long a reboot may take."),
        Key::or("timeout", Kind::Duration, "\"30m\"", "The deadline of one host's whole way."),
        Key::or(
            "dead_man",
            DEAD_MAN,
            "\"auto\"",
            "How long a host waits to be confirmed over a new connection before it undoes the patch by itself.",
        ),
        Key::new("approval", Kind::Either(&[Kind::False, Kind::Table(&APPROVAL)]), "The gate; `false`: none."),
        Key::or("soak", Kind::Duration, "\"0s\"", "How long a wave is watched, its checks repeated, before its gate."),
        Key::or("prefetch", Kind::Bool, "false", "Download and verify ahead of the window."),
        Key::new("check", Kind::List(&ONE_CHECK), "Checks of each host, before and after."),
        Key::or(
            "health",
            Kind::Word(&["fail", "report", "off"], &[]),
            "\"fail\"",
            "What becomes of a host that is worse than before: failed units, services, ports, mounts, disks, its clock.",
        ),
        Key::or(
            "health_exclude",
            Kind::List(&Kind::Text),
            "[]",
            "Globs on what is no part of that: units, `tcp/8080`, paths of mounts.",
        ),
        Key::or("health_within", Kind::Duration, "\"60s\"", "Until when what is worse may become well again."),
        Key::new(
            "window",
            Kind::List(&ONE_WINDOW),
            "When the stage's hosts may begin; of several, one is enough. Default: at any time.",
        ),
        Key::new("hooks", Kind::Table(&HOOKS), "Commands around the stage and its hosts."),
        Key::new(
            "compensate",
            Kind::Table(&COMMAND),
            "What is done instead of going back, where a playbook says that going back is impossible.",
        ),
        Key::new("snapshot", Kind::Table(&SNAPSHOT), "A snapshot of each host beside its stash."),
        Key::new(
            "spread",
            Kind::Text,
            "A variable of the inventory, such as `rack`: no two hosts with the same value are worked on at once.",
        ),
        Key::new(
            "after",
            GROUPS,
            "A group, or groups in order, whose hosts are done before the stage's others begin, such as \"db\".",
        ),
    ],
};

static ONE_WINDOW: Kind = Kind::Table(&STAGE_WINDOW);
static ONE_CHECK: Kind = Kind::Table(&CHECK);
const WAVES: Kind = Kind::Either(&[Kind::Amount { min: 1 }, Kind::List(&Kind::Amount { min: 1 })]);
const GROUPS: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);
const SCOPE: Kind = Kind::Word(&["host", "wave", "stage", "run"], &[]);
const REBOOT: Kind = Kind::Word(&["never", "needed", "always"], &[]);
const DEAD_MAN: Kind = Kind::Either(&[Kind::Word(&["auto", "off"], &[]), Kind::Duration]);
/// A shorter dead man would act while we are on our way.
const SHORTEST_DEAD_MAN: Duration = Duration::from_secs(10);
const RESTART: Kind = Kind::Word(&["needed", "report", "never"], &[]);

pub(crate) static APPROVAL: TableDef = TableDef {
    title: "approval",
    doc: "The gate of a stage.",
    named: false,
    keys: &[
        Key::or("when", Kind::Word(&["before", "after", "both"], &[]), "\"after\"", "Where the gate stands."),
        Key::or("wait", Kind::Duration, "\"7d\"", "How long it may stay undecided."),
        Key::or("on_timeout", Kind::Word(&["wait", "reject"], &[]), "\"wait\"", "What happens then."),
        Key::or("valid", Kind::Duration, "\"7d\"", "How long an approval may wait to be used."),
        Key::or("quorum", Kind::Int { min: 1, max: 100 }, "1", "How many people must approve."),
        Key::new(
            "by",
            Kind::List(&Kind::Text),
            "Who may decide: names, and `group:NAME` for a group of the system. Default: anybody who may use the state \
             folder.",
        ),
        Key::or("each_wave", Kind::Bool, "false", "Whether there is a gate after each wave, too."),
        Key::or(
            "signed",
            Kind::Bool,
            "false",
            "Whether only signed decisions count; one that was signed beforehand (--preapproval) is such a decision.",
        ),
        Key::or("four_eyes", Kind::Bool, "false", "Whether somebody else than who started the run must approve."),
    ],
};

/// A stage as read, its needs still names.
struct Read {
    name: At<StageName>,
    needs: Option<At<Vec<At<String>>>>,
    stage: PlanStage,
}

/// Reads the stages and what they need of each other.
pub(crate) fn read_stages(sink: &Sink, tables: Vec<Table<'_>>, plan: &Path) -> Vec<PlanStage> {
    let mut stages: Vec<Read> = tables.into_iter().filter_map(|table| read_stage(table, plan)).collect();
    let mut seen: BTreeMap<&StageName, usize> = BTreeMap::new();
    for (ix, stage) in stages.iter().enumerate() {
        if seen.insert(&stage.name.value, ix).is_some() {
            sink.error(&stage.name.span, format!("there are two stages `{}`", stage.name.value));
        }
    }
    let needs: Vec<Vec<StageIx>> = (0..stages.len()).map(|ix| needs_of(sink, &stages, ix)).collect();
    if let Some(cycle) = find_cycle(&needs) {
        let names: Vec<&str> = cycle.iter().map(|ix| stages[*ix].name.value.as_str()).collect();
        let first = &stages[cycle[0]];
        let span = first.needs.as_ref().map_or(&first.name.span, |needs| &needs.span);
        sink.error(span, format!("stages need each other: {}", names.join(" → ")));
    }
    for (stage, needs) in stages.iter_mut().zip(needs) {
        stage.stage.stage.needs = needs;
    }
    stages.into_iter().map(|read| read.stage).collect()
}

fn read_stage(table: Table<'_>, plan: &Path) -> Option<Read> {
    let name = table.checked("name", |text| StageName::new(text));
    let hosts = table.text("hosts");
    let needs = table.texts("needs");
    let waves = table.amounts("waves");
    let spread = table.text("spread");
    let after = read_after(&table);
    let checks = checks::read(&table, plan);
    let (hooks, of_hosts) = hooks::hooks(&table);
    let (snapshot, of_snapshot) = hooks::snapshot(&table);
    let texts = checks.iter().flat_map(|at| at.value.templates().map(|text| At::new(text.clone(), at.span.clone())));
    let compensate = hooks::command(&table, "compensate");
    let commands =
        of_hosts.into_iter().chain(of_snapshot).chain(compensate.clone()).map(|at| At::new(at.value.command, at.span));
    let templates = texts.chain(commands).collect();
    let stage = Stage {
        name: name.as_ref().map_or_else(|| StageName::new("unnamed"), |name| Ok(name.value.clone())).ok()?,
        pattern: hosts.as_ref().map(|h| h.value.clone()).unwrap_or_default(),
        hosts: Vec::new(),
        needs: Vec::new(),
        waves: waves.unwrap_or_else(|| vec![Amount::Percent(100)]),
        parallel: table.int("parallel").and_then(|n| u32::try_from(n).ok()).unwrap_or(10),
        max_failed: table.amount("max_failed").unwrap_or(Amount::Count(0)),
        max_unreachable: table.amount("max_unreachable").unwrap_or(Amount::Count(0)),
        on_exceeded: table.word("on_exceeded").unwrap_or(OnExceeded::Rollback),
        rollback_scope: table.word("rollback_scope").unwrap_or(Scope::Stage),
        restart: table.word("restart").unwrap_or(Restart::Needed),
        restart_exclude: read_globs(&table, "restart_exclude"),
        reboot: table.word("reboot").unwrap_or_default(),
        reboot_parallel: table.amount("reboot_parallel").unwrap_or(Amount::Count(1)),
        reboot_timeout: table.duration("reboot_timeout").unwrap_or(Duration::from_secs(HOUR / 6)),
        dead_man: read_dead_man(&table),
        timeout: table.duration("timeout").unwrap_or(Duration::from_secs(HOUR / 2)),
        approval: read_approval(&table),
        windows: read_windows(&table),
        spread: spread.as_ref().map(|at| at.value.clone()),
        after: after.iter().map(|at| at.value.clone()).collect(),
        soak: read_span(&table, "soak").unwrap_or_default(),
        checks: checks.into_iter().map(|at| at.value).collect(),
        health: table.word("health").unwrap_or(HealthRule::Fail),
        health_exclude: read_globs(&table, "health_exclude"),
        health_within: read_span(&table, "health_within").unwrap_or(Duration::from_secs(60)),
        hooks,
        prefetch: table.bool("prefetch").unwrap_or(false),
        compensate: compensate.map(|at| at.value),
        snapshot,
    };
    let approval = table.raw("approval").map(|(value, _)| value.span());
    let stated = table.stated(&["waves", "parallel", "max_failed", "max_unreachable", "reboot"]);
    table.finish(&ALL);
    let pattern = hosts?.span;
    let approval = approval.unwrap_or_else(|| pattern.clone());
    let spread = spread.map(|at| at.span);
    let after = after.into_iter().map(|at| at.span).collect();
    Some(Read { name: name?, needs, stage: PlanStage { stage, pattern, stated, approval, spread, after, templates } })
}

/// A group, or several in order.
fn read_after(stage: &Table<'_>) -> Vec<At<GroupName>> {
    let Some((value, _)) = stage.raw("after") else { return Vec::new() };
    let one = value.get_ref().as_str().map(|text| vec![At::new(text.to_owned(), value.span())]);
    let names = one.unwrap_or_else(|| stage.strings("after", value));
    let group = |at: At<String>| match GroupName::new(&at.value) {
        Ok(group) => Some(At::new(group, at.span)),
        Err(why) => {
            stage.sink.error(&at.span, why.to_string());
            None
        }
    };
    names.into_iter().filter_map(group).collect()
}

fn read_windows(stage: &Table<'_>) -> Vec<Vec<Window>> {
    let read = |table: Table<'_>| {
        let window = window::window(&table);
        table.finish(&ALL);
        window
    };
    let windows: Vec<Window> = stage.tables("window", &STAGE_WINDOW).into_iter().filter_map(read).collect();
    Vec::from_iter((!windows.is_empty()).then_some(windows))
}

fn read_dead_man(stage: &Table<'_>) -> DeadMan {
    match stage.raw("dead_man").and_then(|(value, _)| value.get_ref().as_str()) {
        Some("auto") => return DeadMan::Auto,
        Some("off") => return DeadMan::Off,
        None if stage.raw("dead_man").is_none() => return DeadMan::Auto,
        _ => {}
    }
    let Some(wait) = stage.duration("dead_man") else { return DeadMan::Auto };
    if let Some((value, _)) = stage.raw("dead_man").filter(|_| wait < SHORTEST_DEAD_MAN) {
        let hint = "a host must wait for longer than it takes to come back to it";
        stage.sink.error_hint(&value.span(), "`dead_man` must be at least 10s", hint);
    }
    DeadMan::After(wait)
}

fn read_approval(stage: &Table<'_>) -> Option<Approval> {
    let default = Approval::default();
    let Some((value, _)) = stage.raw("approval") else { return Some(default) };
    match value.get_ref().as_bool() {
        Some(false) => return None,
        Some(true) => {
            let hint = "leave it out for the gate that every stage has, or write a table";
            stage.sink.error_hint(&value.span(), "`approval` cannot be `true`", hint);
            return None;
        }
        None => {}
    }
    let table = stage.table("approval", &APPROVAL)?;
    let approval = Approval {
        when: table.word("when").unwrap_or(default.when),
        wait: table.duration("wait").unwrap_or(default.wait),
        on_timeout: table.word("on_timeout").unwrap_or(default.on_timeout),
        valid: table.duration("valid").unwrap_or(default.valid),
        by: read_by(&table).into_iter().collect(),
        quorum: table.int("quorum").and_then(|n| u32::try_from(n).ok()).unwrap_or(default.quorum),
        each_wave: table.bool("each_wave").unwrap_or(default.each_wave),
        signed: table.bool("signed").unwrap_or(default.signed),
        four_eyes: table.bool("four_eyes").unwrap_or(default.four_eyes),
    };
    check_quorum(&table, &approval);
    table.finish(&ALL);
    Some(approval)
}

/// Who may decide; none: everybody.
pub(super) fn read_by(table: &Table<'_>) -> Option<Vec<Who>> {
    let people = read_people(table, "by")?;
    if let Some((value, _)) =
        table.raw("by").filter(|(value, _)| value.get_ref().as_array().is_some_and(|l| l.is_empty()))
    {
        table.sink.error_hint(&value.span(), "`by` is empty: nobody could decide", "leave it out for everybody");
    }
    Some(people)
}

/// A list of people and groups.
pub(super) fn read_people(table: &Table<'_>, name: &'static str) -> Option<Vec<Who>> {
    let list = table.texts(name)?;
    let who = |at: &At<String>| Who::parse(&at.value).map_err(|why| table.sink.error(&at.span, why)).ok();
    Some(list.value.iter().filter_map(who).collect())
}

/// A quorum that cannot be reached is a mistake: the gate would never open.
fn check_quorum(table: &Table<'_>, approval: &Approval) {
    if let Some(list) = approval.by.first() {
        check_quorum_of(table, list, approval.quorum);
    }
}

/// The same for a list of people and the table's `quorum`.
pub(super) fn check_quorum_of(table: &Table<'_>, list: &[Who], quorum: u32) {
    let named = list.iter().all(|who| who.group().is_none());
    let Some((value, _)) = table.raw("quorum").filter(|_| named && (list.len() as u64) < u64::from(quorum)) else {
        return;
    };
    let people = if list.len() == 1 { "person" } else { "people" };
    let message = format!("`quorum` is {quorum}, and `by` names {} {people} only", list.len());
    table.sink.error_hint(&value.span(), message, "name more people, or a group");
}

/// The stages that this one needs; by default the one before.
fn needs_of(sink: &Sink, stages: &[Read], ix: usize) -> Vec<StageIx> {
    let at = |n: usize| u16::try_from(n).ok().map(StageIx);
    let Some(needs) = &stages[ix].needs else {
        return ix.checked_sub(1).and_then(at).into_iter().collect();
    };
    let mut found = Vec::new();
    for need in &needs.value {
        match stages.iter().position(|stage| stage.name.value.as_str() == need.value).and_then(at) {
            Some(other) if found.contains(&other) => {
                sink.error(&need.span, format!("`needs` has `{}` twice", need.value));
            }
            Some(other) => found.push(other),
            None => {
                let message = format!("`needs` names the stage `{}`, which the plan does not have", need.value);
                match did_you_mean(&need.value, stages.iter().map(|s| s.name.value.as_str())) {
                    Some(hint) => sink.error_hint(&need.span, message, hint),
                    None => sink.error(&need.span, message),
                }
            }
        }
    }
    found.sort_unstable();
    found
}

/// A way from a stage back to itself, its ends both named.
fn find_cycle(needs: &[Vec<StageIx>]) -> Option<Vec<usize>> {
    // A stage is done once all that it needs is; what is never done is in a cycle, or leads into one.
    let mut done = vec![false; needs.len()];
    while let Some(ready) = (0..needs.len()).find(|ix| !done[*ix] && needs[*ix].iter().all(|need| done[need.at()])) {
        done[ready] = true;
    }
    let mut way = vec![done.iter().position(|done| !done)?];
    loop {
        let last = *way.last()?;
        let next = needs[last].iter().map(|need| need.at()).find(|need| !done[*need])?;
        if let Some(begin) = way.iter().position(|ix| *ix == next) {
            let mut cycle = way.split_off(begin);
            cycle.push(next);
            return Some(cycle);
        }
        way.push(next);
    }
}
