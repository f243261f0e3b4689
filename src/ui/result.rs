//! What a run did, as a table, with who decided, what waits and what went wrong.

use super::grid::{Cell, Grid, LAST_COLUMN};
use super::problems::{self, group};
use super::style::{Look, Tone};
use super::{changes, recovery, text};
use crate::core::document::{
    ActionPerformed, ActionState, DocumentKind, HostResult, How, Outcome, ResultDocument, Said, StageResult,
    StateReason, Summary, Verdict, WaitingFor,
};
use crate::core::ids::{PlanName, StageName};
use crate::core::rollout::Rollout;

/// The whole result for people.
pub fn result(look: &Look, document: &ResultDocument) -> String {
    drawn(look, document, "")
}

/// The same with what only the run itself knows: which hosts may still undo their change by themselves.
pub fn of_run(look: &Look, document: &ResultDocument, rollout: &Rollout) -> String {
    drawn(look, document, &recovery::dead_men(look, rollout))
}

fn drawn(look: &Look, document: &ResultDocument, dead_men: &str) -> String {
    let table = Table::fitting(look, document);
    let mut out = String::new();
    out.push_str(&headline(look, document));
    if document.stages.iter().any(|stage| !stage.hosts.is_empty()) {
        out.push_str(&table.draw(look, document));
    }
    section(&mut out, look, "Decisions", &decisions(look, document));
    if table.causes == Causes::Word {
        section(&mut out, look, "Reasons", &reasons(look, document));
    }
    section(&mut out, look, "Emergency", &emergency(look, document));
    section(&mut out, look, "Drill", &drill(document));
    section(&mut out, look, "Waiting", &waiting(look, document));
    section(&mut out, look, "Still due", &still_due(look, document));
    section(&mut out, look, "Not as before", &differences(look, document));
    let own = document.stages.iter().flat_map(|stage| &stage.hosts).filter_map(|host| host.error.as_ref());
    let all = problems::distinct(own.chain(&document.errors));
    section(&mut out, look, "Problems", &problems::draw(look, &all));
    section(&mut out, look, "To be taken care of", &recovery::to_recover(look, document));
    section(&mut out, look, "Dead man", dead_men);
    out.push_str(&head(look, document));
    out.push_str(&summary(look, document));
    out
}

/// The hash of the last record: whoever writes it down elsewhere can tell later that nothing was altered.
fn head(look: &Look, document: &ResultDocument) -> String {
    let Some((head, _)) = document.audit_head.as_ref().zip(document.run_id.as_ref()) else { return String::new() };
    format!("{}\n", look.paint(Tone::Dim, format!("records end with {head}")))
}

fn section(out: &mut String, look: &Look, title: &str, body: &str) {
    if !body.is_empty() {
        out.push_str(&format!("{}\n{body}\n", look.paint(Tone::Strong, title)));
    }
}

/// Which run this is.
fn headline(look: &Look, document: &ResultDocument) -> String {
    let Some(run) = &document.run_id else {
        return String::new();
    };
    let plan = document.plan.as_ref().map(PlanName::as_str).unwrap_or_default();
    let change = document.change_id.as_ref().map(|change| format!("  change {change}")).unwrap_or_default();
    format!(
        "{}  {}\n\n",
        look.paint(Tone::Strong, plan),
        look.paint(Tone::Dim, format!("{} {run}{change}", kind(document.kind)))
    )
}

pub(super) fn kind(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Drill => "drill",
        DocumentKind::Run | DocumentKind::Rollback => "run",
    }
}

/// What a drill that is over has proved.
fn drill(document: &ResultDocument) -> String {
    let Some(drill) = document.drill.filter(|_| document.finished_at.is_some()) else { return String::new() };
    let said = match drill.slowest_way_back_ms {
        Some(slowest) => format!(
            "{} patched and taken back exactly; the slowest way back took {}",
            text::count(drill.proved, "host"),
            text::duration(slowest)
        ),
        None if document.outcome == Outcome::Complete => {
            "nothing was proved: no host had anything to be patched".to_owned()
        }
        None => "nothing was proved: no host was patched and taken back exactly".to_owned(),
    };
    format!("  {said}\n")
}

/// How much of each host the width allows to show.
#[derive(Debug, Clone, Copy)]
struct Table<'a> {
    /// What all names end in and the table leaves out.
    domain: &'a str,
    /// Whether packages show versions.
    versions: bool,
    /// How causes are shown beside the reason.
    causes: Causes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Causes {
    /// As long as they are; the last column wraps them.
    Wrapped,
    /// The reason's word only.
    Word,
}

/// With more causes than this in a table they are told below it only, grouped.
const MANY_CAUSES: usize = 10;

impl<'a> Table<'a> {
    /// The fullest form that fits.
    fn fitting(look: &Look, document: &'a ResultDocument) -> Self {
        let hosts = || document.stages.iter().flat_map(|stage| &stage.hosts);
        let many = hosts().filter(|host| cause(host).is_some()).take(MANY_CAUSES + 1).count() > MANY_CAUSES;
        let domain = common_domain(hosts());
        let full = Self { domain: "", versions: true, causes: if many { Causes::Word } else { Causes::Wrapped } };
        let Some(width) = look.width() else {
            return full;
        };
        let narrower = [
            full,
            Self { domain, ..full },
            Self { causes: Causes::Word, ..full },
            Self { domain, causes: Causes::Word, ..full },
            Self { domain, versions: false, ..full },
            Self { domain, versions: false, causes: Causes::Word },
        ];
        let fits = |table: &Self| {
            let grid = table.grid(look, document);
            grid.width() <= width || (table.causes == Causes::Wrapped && grid.before_last() + LAST_COLUMN <= width)
        };
        narrower.into_iter().find(fits).unwrap_or(narrower[narrower.len() - 1])
    }

    fn draw(self, look: &Look, document: &ResultDocument) -> String {
        let mut out = self.grid(look, document).draw();
        if !self.domain.is_empty() {
            out.push_str(&format!("{}\n", look.paint(Tone::Dim, format!("hosts are in {}", &self.domain[1..]))));
        }
        out.push('\n');
        out
    }

    fn grid(self, look: &Look, document: &ResultDocument) -> Grid {
        let mut grid = Grid::new(look, &["stage", "host", "action", "state", "packages", "time", "reason"]).right(5);
        for stage in &document.stages {
            for host in &stage.hosts {
                grid.row(self.row(look, stage, host));
            }
        }
        grid
    }

    fn row(self, look: &Look, stage: &StageResult, host: &HostResult) -> Vec<Cell> {
        let name = host.host.as_str();
        let action = match host.action_performed {
            ActionPerformed::Patch => Tone::Plain,
            ActionPerformed::Rollback => Tone::Warn,
            ActionPerformed::None => Tone::Dim,
        };
        let packages = if self.versions { changes::brief } else { changes::briefer };
        let time = if host.duration_ms == 0 { look.dash().to_owned() } else { text::duration(host.duration_ms) };
        let reason = match cause(host) {
            Some(cause) if self.causes == Causes::Wrapped => {
                format!("{}: {}", reason_words(host.state_reason), verdict(stage, host).unwrap_or(&cause))
            }
            _ => reason_words(host.state_reason),
        };
        vec![
            Cell::plain(stage.name.as_str()),
            Cell::plain(name.strip_suffix(self.domain).unwrap_or(name)),
            Cell::new(action, host.action_performed.as_str()),
            Cell::new(state_tone(host), host.action_state.as_str()),
            Cell::plain(packages(look, &host.packages)),
            Cell::new(Tone::Dim, time),
            Cell::plain(reason),
        ]
    }
}

fn state_tone(host: &HostResult) -> Tone {
    match host.action_state {
        ActionState::Success if host.state_reason == StateReason::Waiting => Tone::Accent,
        ActionState::Success => Tone::Good,
        ActionState::Failed | ActionState::Unknown => Tone::Bad,
        ActionState::Skipped => Tone::Dim,
    }
}

/// The reason in words.
pub(super) fn reason_words(reason: StateReason) -> String {
    reason.as_str().replace('_', " ")
}

/// What caused the host's state, where the reason alone does not say it.
fn cause(host: &HostResult) -> Option<String> {
    if matches!(host.state_reason, StateReason::Patched | StateReason::Waiting) {
        return None;
    }
    let cause = text::one_line(host.action_cause.as_deref()?);
    (!cause.is_empty()).then_some(cause)
}

/// The stage's verdict, where that is the host's cause: its reason stands below the table, once for all hosts.
fn verdict(stage: &StageResult, host: &HostResult) -> Option<&'static str> {
    let decision = stage.decision.as_ref()?;
    let said = decision.by.iter().any(|by| Some(by.reason.as_str()) == host.action_cause.as_deref());
    said.then(|| decision.verdict.as_str())
}

/// What all hosts' names have in common at their end, from a dot on; empty where there is nothing, or for one host.
fn common_domain<'a>(hosts: impl Iterator<Item = &'a HostResult>) -> &'a str {
    let mut common: Option<&str> = None;
    for host in hosts {
        let name = host.host.as_str();
        if name.contains(':') || name.ends_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let mut domain = name.find('.').map_or("", |dot| &name[dot..]);
        if let Some(so_far) = common {
            while !so_far.ends_with(domain) {
                domain = domain.get(1..).and_then(|rest| rest.find('.').map(|dot| &rest[dot..])).unwrap_or("");
            }
        }
        if domain.is_empty() {
            return "";
        }
        common = Some(domain);
    }
    common.unwrap_or("")
}

fn decisions(look: &Look, document: &ResultDocument) -> String {
    let mut out = String::new();
    let names = document.stages.iter().map(|stage| stage.name.as_str().len()).max().unwrap_or(0);
    for stage in &document.stages {
        let Some(decision) = &stage.decision else { continue };
        let (tone, verdict) = match decision.verdict {
            Verdict::Approved => (Tone::Good, "approved"),
            Verdict::Rejected => (Tone::Warn, "rejected"),
            Verdict::Expired => (Tone::Warn, "not decided in time"),
        };
        let name = format!("{:names$}", stage.name);
        if decision.by.is_empty() {
            out.push_str(&format!("  {name}  {}\n", look.paint(tone, verdict)));
        }
        for by in &decision.by {
            let sudo = if by.source.as_deref() == Some("sudo") { " (through sudo)" } else { "" };
            let who = format!("by {}{sudo}, {}, {}", text::one_line(&by.name), look.time(by.at.0), how(by.how));
            let key = by.key.as_deref().map(|key| format!(" {}", text::one_line(key))).unwrap_or_default();
            out.push_str(&format!("  {name}  {} {who}{key}\n", look.paint(tone, verdict)));
            indented(&mut out, look, names + 4, &text::one_line(&by.reason));
        }
    }
    if let Some(cancelled) = &document.cancelled {
        let who = format!("by {}, {}", text::one_line(&cancelled.by), look.time(cancelled.at.0));
        out.push_str(&format!("  {} {who}\n", look.paint(Tone::Warn, "cancelled")));
        indented(&mut out, look, 4, &text::one_line(&cancelled.reason));
    }
    out
}

fn how(how: How) -> &'static str {
    match how {
        How::Prompt => "at the prompt",
        How::Flag => "by a flag",
        How::Command => "by command",
        How::Signature => "signed with",
        How::Policy => "by policy",
    }
}

fn indented(out: &mut String, look: &Look, indent: usize, said: &str) {
    let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
    for line in text::wrap(said, room) {
        out.push_str(&format!("{}{line}\n", " ".repeat(indent)));
    }
}

fn emergency(look: &Look, document: &ResultDocument) -> String {
    let Some(emergency) = &document.emergency else { return String::new() };
    let mut out = String::new();
    let mut line = |tone, verb: &str, said: &Said| {
        let who = format!("by {}, {}", text::one_line(&said.by), look.time(said.at.0));
        out.push_str(&format!("  {} {who}\n", look.paint(tone, verb)));
        indented(&mut out, look, 4, &text::one_line(&said.reason));
    };
    emergency.declared.iter().for_each(|said| line(Tone::Warn, "declared", said));
    emergency.review.iter().for_each(|said| line(Tone::Good, "reviewed", said));
    for by in &emergency.passed {
        indented(&mut out, look, 2, &format!("passed, {}", text::one_line(by)));
    }
    if let (false, Some(have), Some(need)) = (emergency.in_force, emergency.have, emergency.need)
        && (1..need).contains(&have)
    {
        indented(&mut out, look, 2, &format!("not in force: {have} of {need} who must declare it have"));
    }
    match (&emergency.review, emergency.review_by, &document.run_id) {
        (None, Some(until), Some(run)) => {
            let due = format!("somebody else must review it by {}, with", look.time(until.0));
            indented(&mut out, look, 2, &due);
            let command = format!("patchctl audit review {run} --reason TEXT");
            out.push_str(&format!("    {}\n", look.paint(Tone::Accent, command)));
        }
        (None, None, _) => indented(&mut out, look, 2, "somebody else must review it once the run is over"),
        _ => {}
    }
    out
}

fn waiting(look: &Look, document: &ResultDocument) -> String {
    let Some(waiting) = &document.waiting else {
        return match (&document.run_id, document.outcome) {
            (Some(run), Outcome::Interrupted | Outcome::Terminated) => {
                format!("  stopped; go on with\n    {}\n", look.paint(Tone::Accent, format!("patchctl resume {run}")))
            }
            _ => String::new(),
        };
    };
    let stage = &waiting.stage;
    let mut line = match waiting.kind {
        WaitingFor::Approval if waiting.have.is_some() && waiting.have == waiting.need => {
            format!("stage {stage} is decided, and nobody drives the run")
        }
        WaitingFor::Approval => format!("stage {stage} waits for an approval"),
        WaitingFor::Window => match &waiting.by {
            Some(by) => format!("stage {stage} begins no host now: {}", text::one_line(by)),
            None => format!("stage {stage} waits for its window"),
        },
        WaitingFor::Soak => format!("stage {stage} is being watched"),
        WaitingFor::Person => resting(document, stage),
    };
    if let (Some(have), Some(need)) = (waiting.have, waiting.need)
        && need > 1
    {
        line.push_str(&format!(" ({have} of {need})"));
    }
    if let Some(opens) = waiting.opens_at {
        line.push_str(&format!("; hosts may begin from {}", look.time(opens.0)));
    } else if waiting.kind == WaitingFor::Window {
        line.push_str("; as far as can be seen, they never may: cancel the run");
    }
    if let Some(until) = waiting.until {
        let word = if waiting.kind == WaitingFor::Window { " until" } else { ", to be decided by" };
        line.push_str(&format!("{word} {}", look.time(until.0)));
    }
    let mut out = String::new();
    indented(&mut out, look, 2, &line);
    out.push_str("  go on with\n");
    out.push_str(&format!("    {}\n", look.paint(Tone::Accent, text::one_line(&waiting.command))));
    out
}

/// A run that somebody, or something, stopped on its way.
fn resting(document: &ResultDocument, stage: &StageName) -> String {
    let verb = match document.outcome {
        Outcome::Interrupted | Outcome::Terminated => "stopped",
        _ => "paused",
    };
    let hosts = document.stages.iter().flat_map(|stage| &stage.hosts);
    match hosts.filter(|host| host.state_reason == StateReason::Running).count() {
        0 => format!("{verb} at stage {stage}; it rests until somebody goes on with it"),
        1 => format!("{verb} at stage {stage}, 1 host on its way; what runs there goes on, and is asked about then"),
        many => {
            format!(
                "{verb} at stage {stage}, {many} hosts on their way; what runs there goes on, and is asked about then"
            )
        }
    }
}

/// Reboots and services that are still to be seen to, on hosts that keep the patch and on those that went back.
fn still_due(look: &Look, document: &ResultDocument) -> String {
    let mut due: Vec<(String, &str)> = Vec::new();
    for host in document.stages.iter().flat_map(|stage| &stage.hosts) {
        let name = host.host.as_str();
        if host.reboot.needed && !host.reboot.done {
            due.push(("reboot".to_owned(), name));
        }
        for unit in &host.services.stale {
            due.push((format!("restart {}", text::one_line(unit)), name));
        }
    }
    grouped(look, due, Tone::Warn)
}

/// What caused hosts' states, where neither a decision nor a problem says it already.
fn reasons(look: &Look, document: &ResultDocument) -> String {
    let mut found: Vec<(String, &str)> = Vec::new();
    for stage in &document.stages {
        let said: Vec<&str> =
            stage.decision.iter().flat_map(|decision| &decision.by).map(|by| by.reason.as_str()).collect();
        for host in stage.hosts.iter().filter(|host| host.error.is_none()) {
            let known = host.action_cause.as_deref().is_some_and(|cause| said.contains(&cause));
            if let Some(cause) = cause(host).filter(|_| !known) {
                found.push((format!("{}: {cause}", reason_words(host.state_reason)), host.host.as_str()));
            }
        }
    }
    grouped(look, found, Tone::Plain)
}

/// Where a rollback did not bring back what was there.
fn differences(look: &Look, document: &ResultDocument) -> String {
    let mut found: Vec<(String, &str)> = Vec::new();
    for host in document.stages.iter().flat_map(|stage| &stage.hosts) {
        for difference in host.rollback.iter().flat_map(|rollback| &rollback.differences) {
            found.push((text::one_line(difference), host.host.as_str()));
        }
    }
    grouped(look, found, Tone::Bad)
}

/// Statements, each with the hosts that it is about.
fn grouped(look: &Look, items: Vec<(String, &str)>, tone: Tone) -> String {
    let mut out = String::new();
    for (what, members) in group(items, |(what, _)| what.clone()) {
        let room = look.width().map_or(160, |width| width.saturating_sub(6));
        let hosts = members.iter().map(|(_, host)| *host);
        let total =
            if members.len() > 1 { format!(" ({})", text::count(members.len(), "host")) } else { String::new() };
        out.push_str(&format!("  {}{total}\n", look.paint(tone, what)));
        out.push_str(&format!("      {}\n", look.paint(Tone::Dim, text::names(hosts, room))));
    }
    out
}

/// The last line.
fn summary(look: &Look, document: &ResultDocument) -> String {
    let tone = outcome_tone(document.outcome);
    let took = if document.duration_ms == 0 {
        String::new()
    } else {
        format!(", in {}", text::duration(document.duration_ms))
    };
    let exit = if document.exit_code == 0 { String::new() } else { format!(" (exit {})", document.exit_code) };
    let hosts = || document.stages.iter().flat_map(|stage| &stage.hosts);
    let running =
        |host: &&HostResult| (host.action_state, host.state_reason) == (ActionState::Skipped, StateReason::Running);
    let counts = counts(&document.summary, hosts().filter(running).count());
    let counts = if document.run_id.is_none() && document.summary.hosts == 0 {
        "no host was touched".to_owned()
    } else {
        counts
    };
    format!("{}: {counts}{took}{}\n", look.paint(tone, document.outcome), look.paint(Tone::Dim, exit))
}

pub(super) fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Complete => Tone::Good,
        Outcome::Paused | Outcome::Running => Tone::Accent,
        Outcome::Rejected | Outcome::Partial | Outcome::Refused | Outcome::Interrupted | Outcome::Terminated => {
            Tone::Warn
        }
        Outcome::Error | Outcome::Invalid | Outcome::Failed | Outcome::Degraded => Tone::Bad,
    }
}

/// `41 hosts, 39 patched, 2 current`.
fn counts(summary: &Summary, under_way: usize) -> String {
    let parts = [
        (summary.patched, "patched"),
        (summary.current, "current"),
        (summary.rolled_back, "rolled back"),
        (summary.failed, "failed"),
        (summary.unreachable, "unreachable"),
        (summary.skipped - under_way, "not begun"),
        (under_way, "under way"),
        (summary.unknown, "unknown"),
    ];
    let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}"));
    text::count(summary.hosts, "host") + &parts.collect::<String>()
}
