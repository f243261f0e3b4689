//! The rules of a policy, read from its tables.

use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use toml::de::DeValue;

use super::limits::{LIMITS, Limits};
use super::{ALL, APPROVAL_RULE, AUTO_APPROVE, DRILL, EMERGENCY, EXCEPTION, POLICY_WINDOW};
use crate::core::calendar::{Freeze, Window};
use crate::core::drill::DrillRule;
use crate::core::policy::{ApprovalRule, AutoRule, Emergency, Passes, RequiredCheck};
use crate::core::risk::Severity;
use crate::input::stage::{check_quorum_of, read_by, read_people};
use crate::input::table::{At, Table, found};
use crate::input::window::{self, FREEZE, stage_globs};

/// Tables that widen what is allowed: only who owns the system may write them.
pub(super) const WIDENING: [&str; 3] = ["auto_approve", "emergency", "exception"];

/// What one file, or a plan's `[policy]`, says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(super) limits: Limits,
    pub(super) freezes: Vec<Freeze>,
    /// Each with globs on the stages that it is for.
    pub(super) windows: Vec<(Vec<String>, Window)>,
    pub(super) approvals: Vec<At<ApprovalRule>>,
    pub(super) checks: Vec<RequiredCheck>,
    pub(super) auto_approve: Vec<AutoRule>,
    pub(super) exceptions: Vec<RawException>,
    pub(super) emergency: Option<Emergency>,
    pub(super) drill: Option<DrillRule>,
}

/// An exception whose hosts are not looked up yet.
#[derive(Debug, Clone)]
pub(super) struct RawException {
    pub(super) at: String,
    pub(super) hosts: At<String>,
    pub(super) packages: Vec<String>,
    pub(super) until: Timestamp,
    pub(super) ticket: String,
    pub(super) reason: String,
}

/// Refuses the tables by which a file would widen what the system's policy allows.
pub(super) fn refuse_widening(table: &Table<'_>, system: &Path) {
    for name in WIDENING {
        if let Some((value, _)) = table.raw(name) {
            let message = format!("`{name}` cannot stand here: {} holds, and can only be narrowed", system.display());
            table.sink.error_hint(&value.span(), message, "have it put there");
        }
    }
}

/// Reads the tables of a file, or, without those that widen, of a plan.
pub(super) fn read(table: &Table<'_>, is_file: bool) -> Rules {
    let mut rules = Rules {
        limits: table.table("limits", &LIMITS).map(Limits::read).unwrap_or_default(),
        freezes: table.tables("freeze", &FREEZE).into_iter().filter_map(|t| window::freeze(t, &ALL)).collect(),
        windows: table.tables("window", &POLICY_WINDOW).into_iter().filter_map(read_window).collect(),
        approvals: table.tables("approval", &APPROVAL_RULE).into_iter().filter_map(read_approval).collect(),
        checks: read_checks(table),
        drill: table.table("drill", &DRILL).and_then(read_drill),
        ..Rules::default()
    };
    if is_file {
        rules.auto_approve = table.tables("auto_approve", &AUTO_APPROVE).into_iter().filter_map(read_auto).collect();
        rules.exceptions = table.tables("exception", &EXCEPTION).into_iter().filter_map(read_exception).collect();
        rules.emergency = table.table("emergency", &EMERGENCY).and_then(read_emergency);
    }
    rules
}

fn read_checks(table: &Table<'_>) -> Vec<RequiredCheck> {
    let list = table.texts("checks").map(|list| list.value).unwrap_or_default();
    list.into_iter().map(|at| RequiredCheck { at: table.sink.source.place(&at.span), name: at.value }).collect()
}

fn read_drill(table: Table<'_>) -> Option<DrillRule> {
    let within = table.duration("within");
    let at = place(&table);
    table.finish(&ALL);
    Some(DrillRule { at, within: within?.as_secs(), last: None })
}

fn read_window(table: Table<'_>) -> Option<(Vec<String>, Window)> {
    let stages = read_stages(&table);
    let window = window::window(&table);
    table.finish(&ALL);
    Some((stages, window?))
}

fn read_stages(table: &Table<'_>) -> Vec<String> {
    let Some(list) = table.texts("stages") else { return Vec::new() };
    refuse_empty(table, "stages", &list);
    stage_globs(table, &list.value)
}

fn refuse_empty(table: &Table<'_>, name: &str, list: &At<Vec<At<String>>>) {
    if list.value.is_empty() {
        table.sink.error_hint(&list.span, format!("`{name}` is empty: it would be for none"), "leave it out for all");
    }
}

/// Globs on the names of packages.
fn read_packages(table: &Table<'_>) -> Vec<String> {
    let Some(list) = table.texts("packages") else { return Vec::new() };
    refuse_empty(table, "packages", &list);
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-._~*?".contains(c);
    let check = |at: At<String>| {
        let good = !at.value.is_empty() && at.value.len() <= 200 && at.value.chars().all(fits);
        if !good {
            let hint = "a package's name without version or architecture, and `*` and `?`";
            table.sink.error_hint(&at.span, format!("{:?} is no glob on packages", at.value), hint);
        }
        good.then_some(at.value)
    };
    list.value.into_iter().filter_map(check).collect()
}

/// Text that stands in one line of a message.
fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > 500 || text.contains(char::is_control) {
        return Err("it must be a line of text".into());
    }
    Ok(text.to_owned())
}

fn place(table: &Table<'_>) -> String {
    table.sink.source.place(&table.span)
}

fn count(table: &Table<'_>, name: &'static str) -> Option<u32> {
    table.int(name).and_then(|n| u32::try_from(n).ok())
}

fn read_approval(table: Table<'_>) -> Option<At<ApprovalRule>> {
    let name = table.checked("name", line);
    let rule = ApprovalRule {
        name: name.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        at: place(&table),
        stages: read_stages(&table),
        severity: table.word("severity"),
        kernel: table.bool("kernel"),
        hosts_over: count(&table, "hosts_over"),
        packages: read_packages(&table),
        by: read_by(&table),
        quorum: count(&table, "quorum"),
        signed: table.bool("signed").unwrap_or(false),
        four_eyes: table.bool("four_eyes").unwrap_or(false),
        when: table.word("when"),
    };
    if let (Some(list), Some(quorum)) = (&rule.by, rule.quorum) {
        check_quorum_of(&table, list, quorum);
    }
    let span = table.span.clone();
    table.finish(&ALL);
    name.map(|_| At::new(rule, span))
}

fn read_auto(table: Table<'_>) -> Option<AutoRule> {
    let name = table.checked("name", line);
    let origins = table.texts("origins");
    if let Some(list) = &origins {
        refuse_empty(&table, "origins", list);
    }
    let rule = AutoRule {
        name: name.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        at: place(&table),
        stages: read_stages(&table),
        max_severity: table.word("max_severity").unwrap_or(Severity::Low),
        kernel: table.bool("kernel").unwrap_or(false),
        removals: table.bool("removals").unwrap_or(false),
        hosts_max: count(&table, "hosts_max"),
        packages: read_packages(&table),
        origins: origins.map(|list| list.value.into_iter().map(|at| at.value).collect()).unwrap_or_default(),
        security_only: table.bool("security_only").unwrap_or(false),
        checks: table
            .texts("checks")
            .map(|list| list.value.into_iter().map(|at| at.value).collect())
            .unwrap_or_default(),
    };
    table.finish(&ALL);
    name.map(|_| rule)
}

fn read_exception(table: Table<'_>) -> Option<RawException> {
    let (hosts, until) = (table.text("hosts"), read_until(&table));
    let (ticket, reason) = (table.checked("ticket", line), table.checked("reason", line));
    let (packages, at) = (read_packages(&table), place(&table));
    table.finish(&ALL);
    Some(RawException { at, hosts: hosts?, packages, until: until?, ticket: ticket?.value, reason: reason?.value })
}

/// A date, through its end in UTC, or a moment with its offset; as a string or in TOML's own form.
fn read_until(table: &Table<'_>) -> Option<Timestamp> {
    let (value, _) = table.raw("until")?;
    let text = match (value.get_ref().as_str(), value.get_ref()) {
        (Some(text), _) => text.to_owned(),
        (None, DeValue::Datetime(at)) => at.to_string(),
        (None, _) => {
            let message = format!("`until` must be a date like \"2026-12-31\", not {}", found(value));
            table.sink.error(&value.span(), message);
            return None;
        }
    };
    let day = |date: Date| date.checked_add(1.day()).ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    // A time without an offset is a moment that nobody can tell, and no date either.
    let is_date = text.len() == "2026-12-31".len();
    let read = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().filter(|_| is_date).and_then(day));
    if read.is_none() {
        let hint = "write a date, \"2026-12-31\", or date, time and offset, \"2026-12-31T18:00:00+01:00\"";
        table.sink.error_hint(&value.span(), "`until` is no date and no moment that one can tell", hint);
    }
    read
}

fn read_emergency(table: Table<'_>) -> Option<Emergency> {
    const DAY: u64 = 86_400;
    let by = read_people(&table, "by");
    let quorum = count(&table, "quorum").unwrap_or(1);
    if let Some(list) = &by {
        if list.is_empty()
            && let Some((value, _)) = table.raw("by")
        {
            table.sink.error(&value.span(), "`by` is empty: nobody could declare an emergency");
        }
        check_quorum_of(&table, list, quorum);
    }
    let passes = read_passes(&table);
    let review = table.duration("review_within").map_or(3 * DAY, |wait| wait.as_secs());
    let at = place(&table);
    table.finish(&ALL);
    Some(Emergency { at, by: by?, quorum, passes: passes?, review_within: review })
}

fn read_passes(table: &Table<'_>) -> Option<Vec<Passes>> {
    let list = table.texts("passes")?;
    if list.value.is_empty() {
        table.sink.error(&list.span, "`passes` is empty: an emergency would be as any other run");
    }
    let one = |at: &At<String>| match at.value.as_str() {
        "window" => Some(Passes::Window),
        "freeze" => Some(Passes::Freeze),
        other => {
            let hint = "allowed: \"window\" or \"freeze\"";
            table.sink.error_hint(&at.span, format!("`passes` cannot have {other:?}"), hint);
            None
        }
    };
    Some(list.value.iter().filter_map(one).collect())
}

/// A place that is known: the mistake of a rule that only shows when plan and policy come together.
pub(super) type Span = Range<usize>;
