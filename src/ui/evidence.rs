//! The gate's evidence: what a person decides on. Hosts with the same evidence are shown once, so that three hundred of
//! them can be taken in as well as three.

use std::collections::HashSet;

use super::problems::{self, group};
use super::result::reason_words;
use super::style::{Look, Tone};
use super::{changes, plan, text};
use crate::core::document::{CheckWhen, PackageChange, Reboot, Services, StateReason};
use crate::core::evidence::{Beginning, GateKind, GateQuestion, HostEvidence, WayBack};
use crate::core::health;
use crate::core::view::Scribe;

/// The names of a group's hosts are cut to about this many lines.
const NAME_LINES: usize = 3;
/// Groups in which all is well, in the overview.
const GROUPS: usize = 8;
/// Packages of a group in the overview; the details have all.
const PACKAGES: usize = 8;
const LABEL: usize = 12;

/// Writes evidence in a look.
#[derive(Debug, Clone)]
pub struct Evidence {
    look: Look,
}

impl Evidence {
    /// In this look.
    pub fn new(look: Look) -> Self {
        Self { look }
    }
}

impl Scribe for Evidence {
    fn evidence(&self, gate: &GateQuestion) -> String {
        overview(&self.look, gate)
    }

    fn details(&self, gate: &GateQuestion) -> String {
        details(&self.look, gate)
    }

    fn beginning(&self, beginning: &Beginning) -> String {
        plan::beginning(&self.look, beginning)
    }
}

/// The evidence at a glance.
pub fn overview(look: &Look, gate: &GateQuestion) -> String {
    let mut out = headline(look, gate);
    let (shown, hidden) = at_a_glance(group(&gate.hosts, |host| Key::of(host)));
    for (key, hosts) in &shown {
        out.push('\n');
        Group { look, key, hosts, kind: gate.kind }.draw(&mut out, Some(PACKAGES));
    }
    if hidden > 0 {
        let hosts = text::count(hidden, "host");
        out.push_str(&format!("\n  and {hosts} in smaller groups, all well: the details have them\n"));
    }
    caveats(&mut out, look, gate);
    out.push_str(&consequences(look, gate));
    out
}

/// What went wrong, and what a person should know beside it.
fn caveats(out: &mut String, look: &Look, gate: &GateQuestion) {
    let problems: Vec<_> = gate.hosts.iter().filter_map(|host| host.problem.as_ref()).collect();
    if !problems.is_empty() {
        out.push('\n');
        out.push_str(&problems::draw(look, &problems));
    }
    if !gate.notes.is_empty() {
        out.push('\n');
    }
    for note in notes(gate) {
        field(out, look, &look.warn(), 2, &note);
    }
}

/// The notes; those that say the same of several hosts are one.
fn notes(gate: &GateQuestion) -> Vec<String> {
    let known: HashSet<&str> = gate.hosts.iter().map(|host| host.host.as_str()).collect();
    let split = |note: &'_ String| match note.split_once(": ") {
        Some((host, said)) if known.contains(host) => (Some(host.to_owned()), said.to_owned()),
        _ => (None, note.clone()),
    };
    let one = |(said, members): (String, Vec<(Option<String>, String)>)| {
        let mut hosts: Vec<&str> = members.iter().filter_map(|(host, _)| host.as_deref()).collect();
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(*host));
        let said = text::one_line(&said);
        match hosts.as_slice() {
            [] => said,
            hosts => format!("{}: {said}", text::names(hosts.iter().copied(), 60)),
        }
    };
    group(gate.notes.iter().map(split), |(_, said)| said.clone()).into_iter().map(one).collect()
}

/// Hosts with the same evidence, and that evidence.
type Together<'a> = (Key, Vec<&'a HostEvidence>);

/// The largest groups in which all is well, then every other one (nearest to the question), and how many hosts are in
/// none of these.
fn at_a_glance(groups: Vec<Together<'_>>) -> (Vec<Together<'_>>, usize) {
    let (mut well, rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(key, _)| key.is_well());
    well.sort_by_key(|(_, hosts)| std::cmp::Reverse(hosts.len()));
    let hidden = well.iter().skip(GROUPS).map(|(_, hosts)| hosts.len()).sum();
    well.truncate(GROUPS);
    well.extend(rest);
    (well, hidden)
}

/// Everything: all packages, every host's checks and time, and the last lines of its log.
pub fn details(look: &Look, gate: &GateQuestion) -> String {
    let mut out = headline(look, gate);
    for (key, hosts) in group(&gate.hosts, |host| Key::of(host)) {
        out.push('\n');
        Group { look, key: &key, hosts: &hosts, kind: gate.kind }.draw(&mut out, None);
    }
    for host in &gate.hosts {
        out.push('\n');
        one_host(&mut out, look, host, gate.kind);
    }
    caveats(&mut out, look, gate);
    out.push_str(&consequences(look, gate));
    out
}

fn one_host(out: &mut String, look: &Look, host: &HostEvidence, kind: GateKind) {
    let state = look.paint(tone(host.state), reason_words(state_at(kind, host.state)));
    let about = format!("wave {}, {}", host.wave, text::duration(host.took_ms));
    out.push_str(&format!("  {}  {state}  {}\n", look.paint(Tone::Strong, &host.host), look.paint(Tone::Dim, about)));
    for check in &host.checks {
        let mark = if check.ok { look.good() } else { look.bad() };
        let when = when_words(check.when);
        let said = format!("{} {when}: {}", text::one_line(&check.name), text::one_line(&check.detail));
        out.push_str(&format!("    {mark} {said}\n"));
    }
    if let Some(problem) = &host.problem {
        field(out, look, &format!("  {}", look.bad()), 4, &text::one_line(&problem.message));
    }
    for line in &host.log {
        out.push_str(&format!(
            "    {} {}\n",
            look.paint(Tone::Dim, look.symbol("│", "|")),
            text::safe(line.trim_end())
        ));
    }
}

/// What must be the same for hosts to be shown together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    state: StateReason,
    packages: Vec<PackageChange>,
    checks: Vec<(String, CheckWhen, bool)>,
    services: Services,
    reboot: Reboot,
    rollback: WayBack,
}

impl Key {
    /// Nothing about these hosts needs a closer look.
    fn is_well(&self) -> bool {
        let back = match &self.rollback {
            WayBack::NotNeeded => true,
            WayBack::Proven { approximate } => approximate.is_empty(),
            WayBack::Unproven { .. } | WayBack::Impossible { .. } => false,
        };
        let due = !self.services.stale.is_empty() || (self.reboot.needed && !self.reboot.done);
        back && !due && self.checks.iter().all(|(_, _, ok)| *ok) && tone(self.state) == Tone::Good
    }

    fn of(host: &HostEvidence) -> Self {
        Self {
            state: host.state,
            packages: host.packages.clone(),
            checks: host.checks.iter().map(|check| (check.name.clone(), check.when, check.ok)).collect(),
            services: host.services.clone(),
            reboot: host.reboot.clone(),
            rollback: host.rollback.clone(),
        }
    }
}

fn tone(state: StateReason) -> Tone {
    match state {
        StateReason::Patched | StateReason::Waiting | StateReason::Current => Tone::Good,
        StateReason::Running | StateReason::Skipped | StateReason::NotBegun => Tone::Dim,
        StateReason::Restored
        | StateReason::Unreachable
        | StateReason::Refused
        | StateReason::Unproven
        | StateReason::Claimed
        | StateReason::Excepted => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// At its own gate a host that waits is one that was patched.
fn state_at(kind: GateKind, state: StateReason) -> StateReason {
    match (kind, state) {
        (GateKind::Before, state) => state,
        (_, StateReason::Waiting) => StateReason::Patched,
        (_, state) => state,
    }
}

fn when_words(when: CheckWhen) -> &'static str {
    match when {
        CheckWhen::Before => "before",
        CheckWhen::After => "after",
    }
}

/// What and where, and how it went in one line.
fn headline(look: &Look, gate: &GateQuestion) -> String {
    let title = match gate.kind {
        GateKind::Before => format!("May stage {} begin?", gate.stage),
        GateKind::After => format!("Keep the patch on stage {}?", gate.stage),
        GateKind::Wave => {
            let wave = gate.hosts.iter().map(|host| host.wave).max().unwrap_or(1);
            format!("Keep the patch on stage {} up to wave {wave}, and go on with the next?", gate.stage)
        }
        GateKind::Exceeded => format!("Too many hosts of stage {} failed: keep the patch on the others?", gate.stage),
        GateKind::Unreached => {
            format!("Too many hosts of stage {} do not answer: keep the patch on the others?", gate.stage)
        }
    };
    let about = format!("{}  run {}  change {}", gate.plan, gate.run, gate.change);
    format!("{}\n{}\n", look.paint(Tone::Strong, title), look.paint(Tone::Dim, about))
}

/// Hosts with the same evidence.
struct Group<'a> {
    look: &'a Look,
    key: &'a Key,
    hosts: &'a [&'a HostEvidence],
    kind: GateKind,
}

impl Group<'_> {
    fn draw(&self, out: &mut String, packages: Option<usize>) {
        let look = self.look;
        self.names(out);
        self.packages(out, packages.unwrap_or(usize::MAX));
        if self.kind != GateKind::Before || !self.key.checks.is_empty() {
            self.checks(out);
        }
        let services = &self.key.services;
        if !services.restarted.is_empty() {
            self.field(out, "services", Tone::Plain, &format!("restarted {}", list(&services.restarted)));
        }
        if !services.stale.is_empty() {
            self.field(out, "still old", Tone::Warn, &format!("{} (replaced code still runs)", list(&services.stale)));
        }
        let reboot = match self.key.reboot {
            Reboot { done: true, .. } => (Tone::Plain, "done"),
            Reboot { needed: true, .. } => (Tone::Warn, "needed for the patch to be in effect"),
            Reboot { needed: false, .. } => (Tone::Plain, "not needed"),
        };
        if self.key.packages.iter().any(|change| change.shift().is_some()) {
            self.field(out, "reboot", reboot.0, reboot.1);
        }
        self.rollback(out);
        if self.kind != GateKind::Before {
            self.field(out, "took", Tone::Dim, &took(look, self.hosts));
        }
    }

    fn field(&self, out: &mut String, label: &str, tone: Tone, said: &str) {
        let room = self.look.width().map_or(usize::MAX, |width| width.saturating_sub(4 + LABEL).max(20));
        for (at, line) in text::wrap(said, room).into_iter().enumerate() {
            let label = self.look.paint(Tone::Dim, text::pad(if at == 0 { label } else { "" }, LABEL));
            out.push_str(&format!("    {label}{}\n", self.look.paint(tone, line)));
        }
    }

    fn names(&self, out: &mut String) {
        let (tone, state) = match (self.kind, self.key.state, self.key.packages.is_empty()) {
            (GateKind::Before, StateReason::NotBegun | StateReason::Running | StateReason::Waiting, true) => {
                (Tone::Dim, "would need nothing".to_owned())
            }
            (GateKind::Before, StateReason::NotBegun | StateReason::Running | StateReason::Waiting, false) => {
                (Tone::Accent, "would be patched".to_owned())
            }
            (kind, state, _) => (tone(state), reason_words(state_at(kind, state))),
        };
        let state = self.look.paint(tone, state);
        let hosts = text::count(self.hosts.len(), "host");
        let mut waves: Vec<u32> = self.hosts.iter().map(|host| host.wave).collect();
        waves.sort_unstable();
        waves.dedup();
        let waves = match waves.as_slice() {
            [1] | [] => String::new(),
            [one] => format!(", wave {one}"),
            [first, .., last] => format!(", waves {first}{}{last}", self.look.dash()),
        };
        out.push_str(&format!("  {}{waves}: {state}\n", self.look.paint(Tone::Strong, hosts)));
        let room = self.look.width().map_or(160, |width| width.saturating_sub(4));
        let names = text::names(self.hosts.iter().map(|host| host.host.as_str()), room * NAME_LINES - 20);
        for line in text::wrap(&names, room) {
            out.push_str(&format!("    {line}\n"));
        }
    }

    fn packages(&self, out: &mut String, most: usize) {
        let all = changes::lines(self.look, &self.key.packages);
        let more = all.len().saturating_sub(most);
        for (at, line) in all.iter().take(most).enumerate() {
            let label = self.look.paint(Tone::Dim, text::pad(if at == 0 { "packages" } else { "" }, LABEL));
            out.push_str(&format!("    {label}{line}\n"));
        }
        if more > 0 {
            self.field(out, "", Tone::Dim, &format!("and {more} more"));
        }
    }

    /// What needs no second look of the built-in comparison is one line: every host has it.
    fn checks(&self, out: &mut String) {
        let checks = || self.key.checks.iter().enumerate();
        let as_before = |(name, when, ok): &(String, CheckWhen, bool)| {
            *ok && *when == CheckWhen::After && health::KINDS.contains(&name.as_str())
        };
        let two_times = self.key.checks.iter().any(|(_, when, _)| *when == CheckWhen::Before);
        let mut lines = Vec::new();
        for (at, (name, when, ok)) in checks().filter(|(_, check)| !as_before(check)) {
            let detail = self.detail(at).map(|detail| format!(": {detail}")).unwrap_or_default();
            let when = if two_times { format!(" {}", when_words(*when)) } else { String::new() };
            lines.push((*ok, format!("{}{when}{detail}", text::one_line(name))));
        }
        let same: Vec<&str> =
            checks().filter(|(_, check)| as_before(check)).map(|(_, (name, ..))| name.as_str()).collect();
        if !same.is_empty() {
            lines.push((true, format!("as before the patch: {}", same.join(", "))));
        }
        let room = self.look.width().map_or(usize::MAX, |width| width.saturating_sub(6 + LABEL));
        for (at, (ok, said)) in lines.into_iter().enumerate() {
            let label = self.look.paint(Tone::Dim, text::pad(if at == 0 { "checks" } else { "" }, LABEL));
            let mark = if ok { self.look.good() } else { self.look.bad() };
            out.push_str(&format!("    {label}{mark} {}\n", text::cut(&said, room, self.look.ellipsis())));
        }
    }

    /// What the check saw, where it is the same everywhere or said by one host only.
    fn detail(&self, at: usize) -> Option<String> {
        let mut details = self.hosts.iter().filter_map(|host| host.checks.get(at)).map(|check| check.detail.as_str());
        let first = details.next()?;
        (!first.is_empty() && details.all(|detail| detail == first)).then(|| text::one_line(first))
    }

    fn rollback(&self, out: &mut String) {
        match &self.key.rollback {
            WayBack::NotNeeded => {}
            WayBack::Proven { approximate } if approximate.is_empty() => {
                self.field(out, "rollback", Tone::Good, "proven: every old package is on the host");
            }
            WayBack::Proven { approximate } => {
                self.field(out, "rollback", Tone::Warn, &format!("proven, not to the byte: {}", list(approximate)));
            }
            WayBack::Impossible { why, instead } => {
                let said = format!("CANNOT BE UNDONE: {}; instead: {}", text::one_line(why), text::one_line(instead));
                self.field(out, "rollback", Tone::Bad, &said);
            }
            WayBack::Unproven { missing } => {
                self.field(out, "rollback", Tone::Bad, &format!("NOT proven, missing: {}", list(missing)));
            }
        }
    }
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| text::one_line(item)).collect::<Vec<_>>().join(", ")
}

/// The time of one host, or the range of many.
fn took(look: &Look, hosts: &[&HostEvidence]) -> String {
    let times = || hosts.iter().map(|host| host.took_ms);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let (low, high) = (text::duration(low), text::duration(high));
    if low == high { low } else { format!("{low} {} {high}", look.dash()) }
}

fn field(out: &mut String, look: &Look, mark: &str, indent: usize, said: &str) {
    let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(indent + 2).max(20));
    for (at, line) in text::wrap(said, room).into_iter().enumerate() {
        let mark = if at == 0 { mark } else { " " };
        out.push_str(&format!("  {mark} {line}\n"));
    }
}

/// What each answer leads to.
fn consequences(look: &Look, gate: &GateQuestion) -> String {
    let opens: Vec<String> =
        gate.opens.iter().map(|(stage, hosts)| format!("{stage} ({})", text::count(*hosts, "host"))).collect();
    let approve = match (gate.kind, opens.is_empty()) {
        (GateKind::Before, _) => "changes begin".to_owned(),
        (GateKind::Wave, _) => "the patch is kept, and the next wave begins".to_owned(),
        (_, true) => "the patch is kept".to_owned(),
        (_, false) => format!("the patch is kept, {} may begin", opens.join(", ")),
    };
    let reject = match gate.takes_back {
        0 => "nothing is changed".to_owned(),
        hosts => format!("{} back to what they were", text::count(hosts, "host"))
            .replace("host back to what they were", "host back to what it was"),
    };
    let lasting = gate.hosts.iter().filter(|host| matches!(host.rollback, WayBack::Impossible { .. })).count();
    let reject = match lasting {
        0 => reject,
        hosts => format!(
            "{} CANNOT BE UNDONE: the plan's compensating action runs there instead; {reject}",
            text::count(hosts, "host")
        ),
    };
    let mut out = format!("\n  approve: {approve}\n  reject:  {reject}\n");
    let mut about = format!("digest {}", &gate.digest.to_string()[..19]);
    if gate.need > 1 {
        about = format!("approvals {} of {}, {about}", gate.have, gate.need);
    }
    if let Some(until) = gate.until {
        let by = if gate.rejects_then { "rejects by itself at" } else { "decide by" };
        about = format!("{about}, {by} {}", look.time(until.0));
    }
    out.push_str(&format!("  {}\n", look.paint(Tone::Dim, about)));
    for line in who_decides(gate) {
        out.push_str(&format!("  {}\n", look.paint(Tone::Dim, line)));
    }
    out
}

/// Who may decide, and who has, where not just anybody may.
fn who_decides(gate: &GateQuestion) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(allowed) = &gate.may_decide {
        lines.push(format!("may decide: {allowed}"));
    }
    lines.extend(gate.policy.iter().map(|rule| format!("policy: {}", text::one_line(rule))));
    if !gate.approved_by.is_empty() {
        lines.push(format!("approved by {}", gate.approved_by.join(", ")));
    }
    lines
}
