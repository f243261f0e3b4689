//! The report for an auditor: composed once, as blocks of plain text, and written as Markdown or HTML. Nothing in a block
//! is escaped: whoever writes it down does that, for all of it and in one place.

mod frameworks;
mod html;
mod markdown;
mod readme;
mod run;
mod tables;

pub use self::html::html;
pub use self::markdown::markdown;
pub use self::readme::{Signed, readme};
use super::text;
use crate::core::audit::{Audit, RunAudit};
use crate::core::dossier::{Period, Report};
use crate::core::settings::stamp;

/// A part of the report.
enum Block {
    /// What must be read before anything else.
    Alarm(String),
    /// The report's title.
    Title(String),
    /// The title of a part, of this depth from 2 on.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// Names and values.
    Facts(Vec<(&'static str, String)>),
    /// Items.
    List(Vec<String>),
    /// Rows with the same columns.
    Table(&'static [&'static str], Vec<Vec<String>>),
}

/// What stands for a value that is not there.
const NONE: &str = "–";

/// The whole report.
fn compose(report: &Report<'_>) -> Vec<Block> {
    let mut out = Vec::new();
    alarms(report, &mut out);
    let title = match report.runs {
        [only] => format!("Patch report: {}, change {}", only.settings.plan, only.settings.change),
        runs => format!("Patch report: {}", text::count(runs.len(), "run")),
    };
    out.push(Block::Title(title));
    out.push(Block::Facts(about(report)));
    if report.runs.len() > 1 {
        out.push(Block::Heading(2, "The runs".into()));
        out.push(tables::runs(report));
    }
    for dossier in report.runs {
        run::run(report, dossier, &mut out);
    }
    if !report.untold.is_empty() {
        out.push(Block::Heading(2, "Runs that cannot be told".into()));
        out.push(Block::List(report.untold.iter().map(|(run, why)| format!("{run}: {why}")).collect()));
    }
    integrity(report, &mut out);
    frameworks::frameworks(&mut out);
    out
}

/// What is wrong comes first, and loudly.
fn alarms(report: &Report<'_>, out: &mut Vec<Block>) {
    let found = report.audit.findings().count();
    if found > 0 {
        out.push(Block::Alarm(format!(
            "THESE RECORDS DO NOT VERIFY: {} found. What follows is what they say, and it may not be what happened; \
             \"Integrity of the records\" lists what is wrong.",
            text::count(found, "problem")
        )));
    }
    for dossier in report.runs {
        if let Some(why) = &dossier.cut_short {
            out.push(Block::Alarm(format!("RUN {} IS TOLD ONLY IN PART: {why}.", dossier.settings.run)));
        }
    }
}

fn about(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let maker = report.maker;
    let mut facts = vec![
        ("Made at", stamp(maker.at.0)),
        ("Made by", format!("{} ({})", maker.by.name, maker.by.source)),
        ("Made with", format!("patchctl {}", maker.version)),
    ];
    if let Some(period) = &maker.period {
        facts.push(("Runs that started", period_words(period)));
    }
    facts.push(("Times", "are in UTC".into()));
    let verdict = if report.audit.ok { "every record is as it was written" } else { "THE RECORDS DO NOT VERIFY" };
    facts.push(("Verification", verdict.into()));
    facts
}

fn period_words(period: &Period) -> String {
    match (period.since, period.until) {
        (Some(since), Some(until)) => format!("from {} on, before {}", stamp(since), stamp(until)),
        (Some(since), None) => format!("from {} on", stamp(since)),
        (None, Some(until)) => format!("before {}", stamp(until)),
        (None, None) => "at any time".into(),
    }
}

fn integrity(report: &Report<'_>, out: &mut Vec<Block>) {
    let audit = report.audit;
    out.push(Block::Heading(2, "Integrity of the records".into()));
    out.push(Block::Text(
        "Each record has the hash of the one before it. How far a journal had come when its run started, waited and ended \
         stands in the site's chain (sealed), in the system's log and on the hosts that were changed (anchored outside)."
            .into(),
    ));
    out.push(tables::integrity(audit));
    out.push(Block::List(site(audit)));
    let findings: Vec<String> = audit.findings().map(finding).collect();
    if findings.is_empty() {
        out.push(Block::Text("Nothing was found: every record is as it was written.".into()));
    } else {
        out.push(Block::Heading(3, "What is wrong".into()));
        out.push(Block::List(findings));
    }
}

fn site(audit: &Audit) -> Vec<String> {
    let chain = if audit.site.exists {
        let lines = usize::try_from(audit.site.lines).unwrap_or(usize::MAX);
        format!("The site's chain: {}, up to the last that names one of these runs.", text::count(lines, "line"))
    } else {
        "The site's chain: there is none, so that a missing run is not found.".into()
    };
    let outside = match audit.anchors {
        Some(lines) => format!("Anchors from outside: {lines} compared."),
        None => {
            "Anchors from outside: none were compared, so nothing here excludes that all of the records were written \
                 anew by somebody who could write the state folder."
                .into()
        }
    };
    vec![chain, outside]
}

fn finding(finding: &crate::core::audit::Finding) -> String {
    let place = match (&finding.run, finding.record) {
        (Some(run), Some(record)) => format!("run {run}, record {record}"),
        (Some(run), None) => format!("run {run}"),
        (None, _) => "the site's chain".to_owned(),
    };
    format!("{place}: {}: {}", finding.kind.as_str(), text::one_line(&finding.message))
}

/// Which of a run's records are held by what.
fn reach_words(run: &RunAudit, records: Option<u64>) -> String {
    match records {
        None | Some(0) => "none".into(),
        Some(records) if records >= run.records => "all".into(),
        Some(records) => format!("0 to {}; {} to {} not", records - 1, records, run.records.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests;
