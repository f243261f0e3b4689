//! Who differs from what the last approved run left.

use super::grid::{Cell, Grid};
use super::problems::{self, group};
use super::style::{Look, Tone};
use super::text;
use crate::core::document::{Against, DriftDocument, DriftState, HostDrift, PackageDrift};
use crate::core::ids::RunId;
use crate::core::packages::Version;

/// Each run with the hosts that are held against it, those that differ first.
pub fn drift(look: &Look, document: &DriftDocument) -> String {
    let mut out = String::new();
    let known = document.hosts.iter().filter(|host| host.run_id.is_some());
    for (run, hosts) in group(known, |host| host.run_id.clone()) {
        if let (Some(run), Some(first)) = (run, hosts.first()) {
            out.push_str(&title(look, &run, first));
            out.push_str(&of_run(look, &hosts));
            out.push('\n');
        }
    }
    let unknown: Vec<&HostDrift> = document.hosts.iter().filter(|host| host.state == DriftState::Unknown).collect();
    if !unknown.is_empty() {
        out.push_str(&format!("{}\n", look.paint(Tone::Strong, "No approved run")));
        out.push_str(&names(look, Tone::Plain, "", &unknown));
        out.push('\n');
    }
    if !document.errors.is_empty() {
        let problems = problems::distinct(&document.errors);
        out.push_str(&format!("{}\n{}\n", look.paint(Tone::Strong, "Problems"), problems::draw(look, &problems)));
    }
    out.push_str(&undecided(look, document));
    out.push_str(&summary(look, document));
    out
}

fn title(look: &Look, run: &RunId, host: &HostDrift) -> String {
    let plan = host.plan.as_ref().map(ToString::to_string).unwrap_or_default();
    let change = host.change_id.as_ref().map(|change| format!("  change {change}")).unwrap_or_default();
    format!("{}  {}\n", look.paint(Tone::Strong, plan), look.paint(Tone::Dim, format!("run {run}{change}")))
}

fn of_run(look: &Look, hosts: &[&HostDrift]) -> String {
    let in_state = |state| -> Vec<&HostDrift> { hosts.iter().filter(|host| host.state == state).copied().collect() };
    let mut out = String::new();
    // A fleet often differs as one: what is the same on many hosts is told once.
    let key = |host: &&HostDrift| (host.stage.clone(), host.differences.clone());
    for ((stage, differences), hosts) in group(in_state(DriftState::Drifted), key) {
        let verb = if hosts.len() == 1 { "differs" } else { "differ" };
        let stage = stage.map(|stage| format!(" of stage {stage}")).unwrap_or_default();
        out.push_str(&names(look, Tone::Bad, &format!("{stage} {verb}"), &hosts));
        for line in lines(look, &differences) {
            out.push_str(&format!("      {line}\n"));
        }
    }
    for (state, tone, what) in [
        (DriftState::Same, Tone::Good, " as the run left them"),
        (DriftState::Unreachable, Tone::Bad, " could not be asked"),
    ] {
        let hosts = in_state(state);
        if !hosts.is_empty() {
            let what = if hosts.len() == 1 { what.replace("them", "it") } else { what.to_owned() };
            out.push_str(&names(look, tone, &what, &hosts));
        }
    }
    out
}

/// A line a package, in columns: what should be there, as whom it says, and what is.
fn lines(look: &Look, differences: &[PackageDrift]) -> Vec<String> {
    let version = |version: &Option<Version>| version.as_ref().map_or("not installed", Version::as_str).to_owned();
    let mut grid = Grid::bare(look);
    for difference in differences {
        let who = match difference.against {
            Against::Run => "left",
            Against::Stage => "others",
        };
        grid.row(vec![
            Cell::plain(format!("{}:{}", difference.name, difference.arch)),
            Cell::plain(format!("{who} {}", version(&difference.expected))),
            Cell::new(Tone::Warn, format!("now {}", version(&difference.found))),
        ]);
    }
    grid.lines().collect()
}

/// How many hosts, what about them, and their names: all of them, but for those with which nothing is wrong.
fn names(look: &Look, tone: Tone, what: &str, hosts: &[&HostDrift]) -> String {
    let room = look.width().map_or(160, |width| width.saturating_sub(6));
    let all = hosts.iter().map(|host| host.host.as_str());
    let names = if tone == Tone::Good { text::names(all, room) } else { all.collect::<Vec<_>>().join(", ") };
    let mut out = format!("  {}\n", look.paint(tone, format!("{}{what}", text::count(hosts.len(), "host"))));
    let weight = if tone == Tone::Good { Tone::Dim } else { Tone::Plain };
    for line in text::wrap(&names, room) {
        out.push_str(&format!("      {}\n", look.paint(weight, line)));
    }
    out
}

/// Hosts that a newer run has changed: what they differ in may be its work.
fn undecided(look: &Look, document: &DriftDocument) -> String {
    let hosts = document.hosts.iter().filter(|host| host.undecided.is_some());
    let mut out = String::new();
    for (run, hosts) in group(hosts, |host| host.undecided.clone()) {
        let Some(run) = run else { continue };
        let room = look.width().map_or(160, |width| width.saturating_sub(2));
        let names = text::names(hosts.iter().map(|host| host.host.as_str()), 60);
        let said = format!("run {run} changed {names} since, and is not decided there: `patchctl status {run}`");
        for line in text::wrap(&said, room) {
            out.push_str(&format!("{}\n", look.paint(Tone::Warn, line)));
        }
    }
    out
}

fn summary(look: &Look, document: &DriftDocument) -> String {
    let count = |state| document.hosts.iter().filter(|host| host.state == state).count();
    let (drifted, silent, unknown) =
        (count(DriftState::Drifted), count(DriftState::Unreachable), count(DriftState::Unknown));
    let total = text::count(document.hosts.len(), "host");
    let mut out = match drifted {
        0 if count(DriftState::Same) == 0 => format!("none of {total} could be compared"),
        0 => format!("{} no host differs from what its last approved run left", look.good()),
        _ => format!("{} {drifted} of {total} {}", look.bad(), if drifted == 1 { "differs" } else { "differ" }),
    };
    if silent > 0 {
        out.push_str(&format!("; {silent} could not be asked"));
    }
    if unknown > 0 {
        out.push_str(&format!("; {unknown} in no approved run"));
    }
    out.push('\n');
    if drifted > 0 {
        for line in text::wrap(NEXT, look.width().unwrap_or(100)) {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

/// What to do about what differs.
const NEXT: &str = "`patchctl report RUN` shows what was approved, and by whom. Bring hosts back by hand, or run a plan for \
                    them: what is approved then is what they are held against.";
