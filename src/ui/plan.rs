//! What a run would do: each transaction once, with the hosts that would get it.

use std::path::Path;

use super::grid::{Cell, Grid};
use super::problems::{self, group};
use super::result::kind;
use super::style::{Look, Tone};
use super::text;
use crate::core::document::{
    Forecast, ForecastBy, PlanDocument, PlannedHost, PlannedRollback, PlannedStage, RebootForecast, Stamp,
};
use crate::core::evidence::Beginning;
use crate::core::packages::{OpKind, PackageOp, Version};
use crate::core::problem::Problem;
use crate::core::settings::Settings;

/// The resolved plan for people.
pub fn plan(look: &Look, document: &PlanDocument) -> String {
    let mut out = String::new();
    for stage in &document.stages {
        out.push_str(&stage_text(look, stage));
        out.push('\n');
    }
    let own = document.stages.iter().flat_map(|stage| &stage.hosts).flat_map(|host| &host.problems);
    let problems = problems::distinct(own.chain(&document.errors));
    if !problems.is_empty() {
        let title = look.paint(Tone::Strong, "Problems");
        out.push_str(&format!("{title}\n{}\n", problems::draw(look, &problems)));
    }
    out.push_str(&summary(look, document, &problems));
    out
}

/// That a plan is valid, and what is in it.
pub fn valid(path: &Path, settings: &Settings) -> String {
    let stages =
        settings.stages.iter().map(|stage| format!("{} ({})", stage.name, text::count(stage.hosts.len(), "host")));
    let stages: Vec<String> = stages.collect();
    format!("{} is valid: {}; no host was contacted\n", path.display(), stages.join(", "))
}

/// What a run is about to do, in the same form.
pub fn beginning(look: &Look, beginning: &Beginning) -> String {
    let about = format!("{}  {} {}  change {}", beginning.plan, kind(beginning.kind), beginning.run, beginning.change);
    let mut out = format!("{}\n\n", look.paint(Tone::Dim, about));
    for stage in &beginning.now.stages {
        out.push_str(&stage_text(look, stage));
    }
    let problems: Vec<&Problem> =
        beginning.now.stages.iter().flat_map(|stage| &stage.hosts).flat_map(|host| &host.problems).collect();
    if !problems.is_empty() {
        out.push_str(&format!("\n{}", problems::draw(look, &problems::distinct(problems))));
    }
    for said in beginning.shut.iter().chain(&beginning.tight) {
        out.push('\n');
        for line in text::wrap(&text::one_line(said), look.width().unwrap_or(usize::MAX)) {
            out.push_str(&format!("{}\n", look.paint(Tone::Warn, line)));
        }
    }
    let later: Vec<String> =
        beginning.later.iter().map(|(stage, hosts)| format!("{stage} ({})", text::count(*hosts, "host"))).collect();
    if !later.is_empty() {
        let later = format!("later, each resolved when its turn comes: {}", later.join(", "));
        out.push_str(&format!("\n{}\n", look.paint(Tone::Dim, later)));
    }
    out
}

fn stage_text(look: &Look, stage: &PlannedStage) -> String {
    let waves: Vec<String> = stage.waves.iter().map(|wave| wave.len().to_string()).collect();
    let waves = match waves.len() {
        0 | 1 => String::new(),
        _ => format!(" in waves of {}", text::names(waves.iter().map(String::as_str), 30)),
    };
    let hosts = format!("{}{waves}", text::count(stage.hosts.len(), "host"));
    let mut out = format!("{}  {}\n", look.paint(Tone::Strong, &stage.name), look.paint(Tone::Dim, hosts));
    if let Some(forecast) = &stage.forecast {
        let tone = if forecast.fits == Some(false) { Tone::Warn } else { Tone::Dim };
        let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(2));
        for line in text::wrap(&expected(look, forecast), room) {
            out.push_str(&format!("  {}\n", look.paint(tone, line)));
        }
    }
    type Key = (Vec<PackageOp>, PlannedRollback, RebootForecast, bool);
    let key = |host: &&PlannedHost| -> Key {
        (host.transaction.clone(), host.rollback.clone(), host.reboot, host.problems.is_empty())
    };
    for ((ops, rollback, reboot, clear), hosts) in group(&stage.hosts, key) {
        let room = look.width().map_or(160, |width| width.saturating_sub(2));
        let names = text::names(hosts.iter().map(|host| host.host.as_str()), room * 2 - 20);
        for line in text::wrap(&names, room) {
            out.push_str(&format!("  {line}\n"));
        }
        if ops.is_empty() {
            let said = if clear { "needs nothing" } else { "could not be resolved, see below" };
            out.push_str(&format!("    {}\n", look.paint(if clear { Tone::Dim } else { Tone::Bad }, said)));
            continue;
        }
        for line in op_lines(look, &ops) {
            out.push_str(&format!("    {line}\n"));
        }
        out.push_str(&prospects(look, &rollback, reboot));
    }
    out
}

/// How long a stage takes, and whether that fits.
fn expected(look: &Look, forecast: &Forecast) -> String {
    let why = forecast.why.as_deref().unwrap_or_default();
    let (Some(takes), Some(begins)) = (forecast.takes_ms, forecast.begins_at) else {
        return format!("no forecast: {why}");
    };
    let (hosts, runs) = (text::count(forecast.hosts, "host"), text::count(forecast.runs, "earlier run"));
    let waves = if forecast.waves > 1 { format!(" in {} waves", forecast.waves) } else { String::new() };
    let of = if forecast.by == Some(ForecastBy::Plan) { " of other stages" } else { "" };
    let begins = look.time(begins.0);
    // On the same day the time says it all.
    let (day, _) = begins.split_once(' ').unwrap_or_default();
    let short = |at: Stamp| {
        let text = look.time(at.0);
        text.strip_prefix(day).map(|time| time.trim_start().to_owned()).unwrap_or(text)
    };
    let ends = forecast
        .ends_at
        .map_or("it would not end, as far as can be seen".to_owned(), |at| format!("it would end about {}", short(at)));
    let mut said = format!("{hosts}{waves}, about {} by {runs}{of}; from {begins} {ends}", about(takes));
    let bounds = [
        forecast.until.map(|at| format!("until {}", short(at))),
        forecast
            .none_after
            .filter(|at| Some(*at) != forecast.until)
            .map(|at| format!("no host begins after {}", short(at))),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if !bounds.is_empty() {
        let fits = if forecast.fits == Some(false) { "does not fit" } else { "fits" };
        said.push_str(&format!("; {fits} its window ({})", bounds.join(", ")));
    }
    if !why.is_empty() {
        said.push_str(&format!(": {why}"));
    }
    said
}

/// A span that nobody knows to the second: in whole minutes where it is long.
fn about(ms: u64) -> String {
    const MINUTE: u64 = 60_000;
    let whole = text::duration(if ms < 10 * MINUTE { ms } else { ms.next_multiple_of(MINUTE) });
    if ms < 10 * MINUTE { whole } else { whole.trim_end_matches("00s").to_owned() }
}

/// The operations in columns; where they come from stands behind each, or where that is too wide below all.
fn op_lines(look: &Look, ops: &[PackageOp]) -> Vec<String> {
    let mut wide = ops_grid(look, ops, true);
    if look.width().is_none_or(|width| INDENT + wide.width() <= width) {
        return wide.lines().collect();
    }
    let mut lines: Vec<String> = ops_grid(look, ops, false).lines().collect();
    for (from, members) in group(ops, |op| origin(op)).into_iter().filter(|(from, _)| !from.is_empty()) {
        let some = if members.len() < ops.len() { format!("{} ", members.len()) } else { String::new() };
        lines.push(look.paint(Tone::Dim, format!("{some}from {from}")));
    }
    lines
}

fn ops_grid(look: &Look, ops: &[PackageOp], origins: bool) -> Grid {
    let mut grid = Grid::bare(look);
    for op in ops {
        let tone = match op.op {
            OpKind::Upgrade => Tone::Plain,
            OpKind::Install => Tone::Good,
            OpKind::Remove | OpKind::Downgrade => Tone::Warn,
        };
        let mut cells = vec![
            Cell::new(tone, op.op.as_str()),
            Cell::plain(format!("{}:{}", op.name, op.arch)),
            Cell::plain(shift(look, op)),
        ];
        if origins {
            cells.push(Cell::new(Tone::Dim, origin(op)));
        }
        grid.row(cells);
    }
    grid
}

const INDENT: usize = 4;

fn origin(op: &PackageOp) -> String {
    let origin = text::one_line(&op.origin);
    match (op.security, origin.is_empty()) {
        (true, true) => "security".to_owned(),
        (true, false) => format!("{origin} (security)"),
        (false, _) => origin,
    }
}

fn shift(look: &Look, op: &PackageOp) -> String {
    let (from, to) = (op.from.as_ref().map(Version::as_str), op.to.as_ref().map(Version::as_str));
    match (from, to) {
        (Some(from), Some(to)) => format!("{from} {} {to}", look.arrow()),
        (None, Some(only)) | (Some(only), None) => only.to_owned(),
        (None, None) => String::new(),
    }
}

fn prospects(look: &Look, rollback: &PlannedRollback, reboot: RebootForecast) -> String {
    let back = if rollback.guaranteed {
        look.paint(Tone::Good, "rollback guaranteed")
    } else {
        let missing = rollback.missing.iter().map(|item| text::one_line(item)).collect::<Vec<_>>().join(", ");
        look.paint(Tone::Bad, format!("rollback not guaranteed, missing: {missing}"))
    };
    let reboot = match reboot {
        RebootForecast::NotNeeded => "reboot not needed".to_owned(),
        RebootForecast::Needed => look.paint(Tone::Warn, "reboot needed"),
        RebootForecast::Unknown => "reboot: cannot be told beforehand".to_owned(),
    };
    if rollback.guaranteed {
        format!("    {back} {} {reboot}\n", look.bullet())
    } else {
        format!("    {back}\n    {reboot}\n")
    }
}

fn summary(look: &Look, document: &PlanDocument, problems: &[&Problem]) -> String {
    let hosts = || document.stages.iter().flat_map(|stage| &stage.hosts);
    let changed = hosts().filter(|host| !host.transaction.is_empty()).count();
    let total = text::count(hosts().count(), "host");
    let mut out = String::new();
    if let Some(digest) = &document.digest {
        out = format!("{}\n", look.paint(Tone::Dim, format!("digest {digest}")));
    }
    out.push_str(&format!("{changed} of {total} would change; nothing was changed"));
    if !problems.is_empty() {
        out.push_str(&format!("; {}", look.paint(Tone::Bad, text::count(problems.len(), "problem"))));
    }
    out.push('\n');
    out
}
