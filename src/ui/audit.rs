//! What an audit found.

use std::path::Path;

use super::grid::{Cell, Grid};
use super::style::{Look, Tone};
use super::text;
use crate::core::audit::{Audit, Finding, FindingKind, RunAudit};
use crate::core::dossier::Report;

/// What to do about what was found.
const NEXT: &str = "Leave the state folder as it is and copy it away; compare it with a backup, and with the system's log and \
                    the hosts'\nwitnesses (--anchors). The hosts themselves were not looked at, and are as they were.\n";

/// What an audit found, for people.
pub fn audit(look: &Look, audit: &Audit) -> String {
    let mut out = String::new();
    if !audit.runs.is_empty() {
        out.push_str(&runs(look, audit));
        out.push('\n');
    }
    if let Some(export) = &audit.export {
        let files = text::count(usize::try_from(export.files).unwrap_or(usize::MAX), "file");
        out.push_str(&format!("The export: {files} compared with the lists of them\n"));
    }
    out.push_str(&site(audit));
    out.push_str(&outside(audit));
    let findings: Vec<&Finding> = audit.findings().collect();
    if findings.is_empty() {
        let what = text::count(audit.runs.len(), "run");
        out.push_str(&format!("{} {what}: every record is as it was written\n", look.good()));
        return out;
    }
    out.push_str(&format!("\n{} {} found\n", look.bad(), text::count(findings.len(), "problem")));
    for finding in findings {
        out.push_str(&line(look, finding));
    }
    out.push_str(NEXT);
    out
}

fn runs(look: &Look, audit: &Audit) -> String {
    let mut grid = Grid::new(look, &["run", "change", "records", "sealed", "anchored", "signed", "blobs", "found"]);
    let number = |number: Option<u64>| number.map_or_else(|| look.dash().to_owned(), |number| number.to_string());
    for run in &audit.runs {
        let anchored = run.anchored.as_ref().and_then(|reach| reach.records);
        let (tone, found) = match run.findings.len() {
            0 => (Tone::Good, note(run)),
            several => (Tone::Bad, text::count(several, "problem")),
        };
        grid.row(vec![
            Cell::plain(run.run_id.as_str()),
            Cell::plain(run.change_id.as_ref().map_or(look.dash(), |change| change.as_str())),
            Cell::plain(run.records.to_string()),
            Cell::plain(number(run.sealed.records)),
            Cell::plain(number(anchored)),
            Cell::plain(run.signed.to_string()),
            Cell::plain(run.blobs.to_string()),
            Cell::new(tone, found),
        ]);
    }
    grid.draw()
}

/// What is to be known of a run with which nothing is wrong.
fn note(run: &RunAudit) -> String {
    let sealed = run.sealed.records.unwrap_or(0);
    if run.driven {
        return "whole; being driven".into();
    }
    if run.older {
        return "whole; older than the site's chain".into();
    }
    if run.torn > 0 {
        return format!("whole up to an incomplete last record ({} bytes)", run.torn);
    }
    if sealed < run.records {
        return match sealed {
            0 => "whole; never sealed".into(),
            sealed => format!("whole; unsealed after its record {}", sealed - 1),
        };
    }
    "whole".into()
}

fn site(audit: &Audit) -> String {
    let site = &audit.site;
    if !site.exists {
        return "The site's chain: there is none (no run of this version was started here), so a missing run is not found\n"
            .into();
    }
    let torn =
        if site.torn > 0 { format!(", and {} bytes of one that is not whole", site.torn) } else { String::new() };
    format!("The site's chain: {}{torn}\n", text::count(usize::try_from(site.lines).unwrap_or(usize::MAX), "line"))
}

/// What is anchored outside.
fn outside(audit: &Audit) -> String {
    let Some(lines) = audit.anchors else {
        return "Outside: nothing was compared; --anchors FILE takes lines of the system's log and witnesses of hosts\n"
            .into();
    };
    let mut out = format!("Outside: {} compared\n", text::count(usize::try_from(lines).unwrap_or(usize::MAX), "line"));
    for run in &audit.runs {
        let reach = run.anchored.as_ref().and_then(|reach| reach.records);
        let said = match reach {
            Some(0) | None => "nothing outside vouches for it".to_owned(),
            Some(records) if records >= run.records => format!("records 0 to {} are anchored: all", records - 1),
            Some(records) => {
                let last = run.records.saturating_sub(1);
                format!("records 0 to {} are anchored; {records} to {last} are not", records - 1)
            }
        };
        out.push_str(&format!("  {}: {said}\n", run.run_id));
    }
    out
}

fn line(look: &Look, finding: &Finding) -> String {
    let place = match (&finding.run, finding.record) {
        (Some(run), Some(record)) => format!("run {run}, record {record}"),
        (Some(run), None) => format!("run {run}"),
        (None, _) if finding.kind == FindingKind::Exported => "the export".to_owned(),
        (None, Some(line)) => format!("chain.jsonl, line {line}"),
        (None, None) => "chain.jsonl".to_owned(),
    };
    let kind = look.paint(Tone::Bad, finding.kind.as_str());
    format!("  {place}: {kind}: {}\n", text::safe(&finding.message))
}

/// What an export came to, for people.
pub fn exported(look: &Look, folder: &Path, files: usize, report: &Report<'_>) -> String {
    let runs = text::count(report.audit.runs.len(), "run");
    let folder = text::safe(&folder.display().to_string());
    let mut out = format!("{}\n", audit(look, report.audit));
    out.push_str(&format!("{runs} exported: {}, {}\n", look.paint(Tone::Strong, &folder), text::count(files, "file")));
    out.push_str(&format!(
        "  read    {folder}/report.html\n  verify  patchctl audit verify --export {folder}, or as {folder}/README.md says\n"
    ));
    out
}
