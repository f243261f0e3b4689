//! `[limits]`: what no plan may go beyond. What a plan does not say itself is lowered to the limit; what it says is refused.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Amount, Patch, Pin, Reboot, Stage};
use crate::core::stage::waves;
use crate::input::keys::{Key, Kind, TableDef};
use crate::input::plan::LoadedPlan;
use crate::input::source::Source;
use crate::input::stage::PlanStage;
use crate::input::table::{At, Table};

pub(crate) static LIMITS: TableDef = TableDef {
    title: "[limits]",
    doc: "What no plan may go beyond.",
    named: false,
    keys: &[
        Key::new("max_wave", Kind::Amount { min: 1 }, "The largest wave."),
        Key::new("max_parallel", Kind::Int { min: 1, max: 10_000 }, "The most hosts at a time."),
        Key::new("max_failed", Kind::Amount { min: 0 }, "The most that `max_failed` may be."),
        Key::new("max_unreachable", Kind::Amount { min: 0 }, "The most that `max_unreachable` may be."),
        Key::new("reboot", Kind::Word(&["never", "needed"], &[]), "The most that `reboot` may be."),
        Key::or(
            "rollback_proven",
            Kind::Bool,
            "false",
            "Whether hosts are refused whose way back is approximate: old packages rebuilt from what is installed.",
        ),
        Key::new("removals", Kind::False, "`false`: no plan may allow packages to be removed."),
        Key::new("install", Kind::False, "`false`: no plan may install packages that are not there."),
        Key::new("pin", Kind::Word(&["exact"], &[]), "\"exact\": later stages get what earlier ones proved."),
    ],
};

/// The limits of one file, each with its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    max_wave: Option<At<Amount>>,
    max_parallel: Option<At<u32>>,
    max_failed: Option<At<Amount>>,
    max_unreachable: Option<At<Amount>>,
    reboot: Option<At<Reboot>>,
    pub(super) rollback_proven: Option<Range<usize>>,
    removals: Option<Range<usize>>,
    install: Option<Range<usize>>,
    pin: Option<Range<usize>>,
}

impl Limits {
    pub(super) fn read(table: Table<'_>) -> Self {
        let spans = table.stated(&[
            "max_wave",
            "max_parallel",
            "max_failed",
            "max_unreachable",
            "reboot",
            "rollback_proven",
            "removals",
            "install",
            "pin",
        ]);
        let span = |name: &str| spans.get(name).cloned().unwrap_or_default();
        let amount = |name: &'static str| table.amount(name).map(|amount| At::new(amount, span(name)));
        let parallel = table.int("max_parallel").and_then(|n| u32::try_from(n).ok());
        let limits = Self {
            max_wave: amount("max_wave"),
            max_parallel: parallel.map(|most| At::new(most, span("max_parallel"))),
            max_failed: amount("max_failed"),
            max_unreachable: amount("max_unreachable"),
            reboot: table.word("reboot").map(|most| At::new(most, span("reboot"))),
            rollback_proven: table.bool("rollback_proven").filter(|on| *on).map(|_| span("rollback_proven")),
            removals: forbids(&table, "removals", &spans),
            install: forbids(&table, "install", &spans),
            pin: table.word::<Pin>("pin").map(|_| span("pin")),
        };
        table.finish(&super::ALL);
        limits
    }

    /// Holds the plan to the limits: what it does not say itself is lowered.
    pub(super) fn hold(
        &self,
        source: &Source,
        plan: &LoadedPlan,
        stages: &mut [Stage],
        patch: &Patch,
    ) -> Vec<LimitCheck> {
        let mut holder = Holder { source, plan, checks: Vec::new() };
        for (stage, read) in stages.iter_mut().zip(&plan.stages) {
            holder.waves(self.max_wave.as_ref(), stage, read);
            holder.parallel(self.max_parallel.as_ref(), stage, read);
            holder.budget("max_failed", self.max_failed.as_ref(), stage, read);
            holder.budget("max_unreachable", self.max_unreachable.as_ref(), stage, read);
            holder.reboot(self.reboot.as_ref(), stage, read);
        }
        let flags = [
            ("removals", &self.removals, "allow_removals", patch.allow_removals),
            ("install", &self.install, "install", patch.install),
        ];
        for (key, limit, of_plan, wanted) in flags {
            let said = if wanted { "true" } else { "false" };
            holder.plan_wide(key, limit.as_ref(), "false", (of_plan, said), wanted);
        }
        let pin = if patch.pin == Pin::Off { "\"off\"" } else { "\"exact\"" };
        holder.plan_wide("pin", self.pin.as_ref(), "\"exact\"", ("pin", pin), patch.pin == Pin::Off);
        if let Some(span) = &self.rollback_proven {
            holder.checks.push(LimitCheck {
                at: source.place(span),
                key: "rollback_proven",
                stage: None,
                allowed: "true".into(),
                wanted: "what its hosts answer".into(),
                wanted_at: None,
                verdict: Verdict::Depends,
            });
        }
        holder.checks
    }
}

/// Where a key stands that can only be `false`.
fn forbids(
    table: &Table<'_>,
    name: &'static str,
    spans: &BTreeMap<&'static str, Range<usize>>,
) -> Option<Range<usize>> {
    let span = spans.get(name)?.clone();
    if table.bool(name)? {
        table.sink.error_hint(
            &span,
            format!("`{name}` can only be `false`: limits forbid"),
            "leave it out to allow it",
        );
        return None;
    }
    Some(span)
}

/// What became of one limit in one stage, or in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitCheck {
    /// Where the limit stands, `FILE:LINE`.
    pub at: String,
    /// Its key.
    pub key: &'static str,
    /// The stage, where it is about one.
    pub stage: Option<String>,
    /// What it allows.
    pub allowed: String,
    /// What the plan wants.
    pub wanted: String,
    /// Where the plan says so itself; none: it does not.
    pub wanted_at: Option<String>,
    /// What comes of it.
    pub verdict: Verdict,
}

/// What comes of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The plan keeps within it.
    Within,
    /// The plan says nothing of it, and is lowered to it.
    Lowered,
    /// The plan wants more.
    Refused,
    /// The hosts' answers say.
    Depends,
}

impl LimitCheck {
    /// The plan's scope that it is about: `stage prod`, or `the plan`.
    fn scope(&self) -> String {
        self.stage.as_ref().map_or_else(|| "the plan".to_owned(), |stage| format!("stage {stage}"))
    }

    /// Why the run is refused, where it is.
    pub fn problem(&self) -> Option<Problem> {
        let at = self.wanted_at.as_deref().map(|at| format!(" ({at})")).unwrap_or_default();
        let message = format!(
            "{}: `{}` allows {}, and {} wants {}{at}",
            self.at,
            self.key,
            self.allowed,
            self.scope(),
            self.wanted
        );
        let hint = "lower it in the plan: a policy can be narrowed, and not widened";
        (self.verdict == Verdict::Refused).then(|| Problem::new(ErrorKind::Refused, message).hint(hint))
    }
}

struct Holder<'a> {
    source: &'a Source,
    plan: &'a LoadedPlan,
    checks: Vec<LimitCheck>,
}

impl Holder<'_> {
    /// Notes what became of a limit; whether the plan is to be lowered.
    fn note<T>(
        &mut self,
        key: &'static str,
        limit: &At<T>,
        stage: Option<&Stage>,
        stated: Option<&Range<usize>>,
        (allowed, wanted, over): (String, String, bool),
    ) -> bool {
        let verdict = match (over, stated) {
            (false, _) => Verdict::Within,
            (true, None) => Verdict::Lowered,
            (true, Some(_)) => Verdict::Refused,
        };
        self.checks.push(LimitCheck {
            at: self.source.place(&limit.span),
            key,
            stage: stage.map(|stage| stage.name.to_string()),
            allowed,
            wanted,
            wanted_at: stated.map(|span| self.plan.source.place(span)),
            verdict,
        });
        verdict == Verdict::Lowered
    }

    fn waves(&mut self, limit: Option<&At<Amount>>, stage: &mut Stage, read: &PlanStage) {
        let Some(limit) = limit else { return };
        let most = limit.value.of(stage.hosts.len()).max(1);
        let largest = waves(stage).iter().map(Vec::len).max().unwrap_or(0);
        let said = (shown(limit.value, most), hosts(largest), largest > most);
        if self.note("max_wave", limit, Some(stage), read.stated.get("waves"), said) {
            stage.waves = vec![limit.value];
        }
    }

    fn parallel(&mut self, limit: Option<&At<u32>>, stage: &mut Stage, read: &PlanStage) {
        let Some(limit) = limit else { return };
        // What the command line lowers is not what the plan wants.
        let stated = read.stated.get("parallel");
        let wanted = if stated.is_some() { read.stage.parallel } else { stage.parallel };
        let said = (limit.value.to_string(), wanted.to_string(), wanted > limit.value);
        if self.note("max_parallel", limit, Some(stage), stated, said) {
            stage.parallel = limit.value;
        }
    }

    fn budget(&mut self, key: &'static str, limit: Option<&At<Amount>>, stage: &mut Stage, read: &PlanStage) {
        let Some(limit) = limit else { return };
        let value = if key == "max_failed" { stage.max_failed } else { stage.max_unreachable };
        let total = stage.hosts.len();
        let (most, wanted) = (limit.value.of(total), value.of(total));
        // Neither asks for anything by default: there is nothing to lower.
        let said = (shown(limit.value, most), hosts(wanted), wanted > most);
        self.note(key, limit, Some(stage), read.stated.get(key), said);
    }

    fn reboot(&mut self, limit: Option<&At<Reboot>>, stage: &Stage, read: &PlanStage) {
        let Some(limit) = limit else { return };
        let rank = |reboot: Reboot| match reboot {
            Reboot::Never => (0, "\"never\""),
            Reboot::Needed => (1, "\"needed\""),
            Reboot::Always => (2, "\"always\""),
        };
        let ((most, allowed), (much, wanted)) = (rank(limit.value), rank(stage.reboot));
        let said = (allowed.to_owned(), wanted.to_owned(), much > most);
        self.note("reboot", limit, Some(stage), read.stated.get("reboot"), said);
    }

    fn plan_wide(
        &mut self,
        key: &'static str,
        limit: Option<&Range<usize>>,
        allowed: &str,
        (of_plan, wanted): (&'static str, &str),
        over: bool,
    ) {
        let Some(span) = limit else { return };
        let stated = self.plan.stated.get(of_plan).cloned();
        let wanted = if key == of_plan { wanted.to_owned() } else { format!("`{of_plan} = {wanted}`") };
        let said = (allowed.to_owned(), wanted, over);
        self.note(key, &At::new((), span.clone()), None, stated.as_ref(), said);
    }
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".into() } else { format!("{count} hosts") }
}

/// A limit as it is written and what it comes to: `25% (10 hosts)`.
fn shown(amount: Amount, count: usize) -> String {
    match amount {
        Amount::Count(_) => hosts(count),
        Amount::Percent(share) => format!("{share}% ({})", hosts(count)),
    }
}
