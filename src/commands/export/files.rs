//! What an export has beside the records themselves.

use std::collections::BTreeSet;

use serde::Serialize;

use super::draft::Draft;
use crate::commands::CommandError;
use crate::core::audit::anchors::Anchor;
use crate::core::dossier::{Decided, Dossier, GateStory, Report};
use crate::core::ids::RunId;
use crate::core::site::Line;
use crate::ui::dossier::{Signed, html, markdown, readme};
use crate::ui::style::Look;

/// The part of the site's chain that verifying these runs takes: from its beginning (each line hangs on the one before) to
/// the last line that names one of them. A line that cannot be read may be that one, and is kept.
pub(super) fn part_of<'a>(chain: &'a [u8], runs: &BTreeSet<RunId>) -> &'a [u8] {
    let (mut end, mut at) = (0, 0);
    for line in chain.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let is_other = serde_json::from_slice::<Line>(line).is_ok_and(|line| !runs.contains(&line.seal.run));
        if !is_other {
            end = at;
        }
    }
    &chain[..end]
}

/// What was compared from outside, of these runs.
pub(super) fn anchors(anchors: &[Anchor], runs: &BTreeSet<RunId>) -> String {
    let ours = anchors.iter().filter(|anchor| runs.contains(&anchor.run));
    ours.map(|anchor| format!("run={} records={} head={}\n", anchor.run, anchor.records, anchor.head)).collect()
}

/// The report, and what was found.
pub(super) fn of_all(draft: &mut Draft, report: &Report<'_>, signed: &[Signed]) -> Result<(), CommandError> {
    draft.write("report.html", html(report).as_bytes())?;
    draft.write("report.md", markdown(report).as_bytes())?;
    draft.write("verify.json", &pretty(report.audit)?)?;
    for run in &report.audit.runs {
        draft.write(&format!("runs/{}/verify.json", run.run_id), &pretty(run)?)?;
    }
    draft.write("README.md", readme(report, signed).as_bytes())
}

/// How a run ended, what was shown at its gates, and the signatures.
pub(super) fn of_run(draft: &mut Draft, dossier: &Dossier) -> Result<Vec<Signed>, CommandError> {
    let folder = format!("runs/{}", dossier.settings.run);
    draft.write(&format!("{folder}/result.json"), &pretty(&dossier.result)?)?;
    let plain = Look::plain(None);
    for gate in &dossier.gates {
        let (overview, details) = (
            crate::ui::evidence::overview(&plain, &gate.question),
            crate::ui::evidence::details(&plain, &gate.question),
        );
        draft.write(&format!("{folder}/evidence-{}.txt", gate.name), format!("{overview}\n{details}").as_bytes())?;
        if let Some(text) = &gate.text {
            draft.write(&format!("{folder}/evidence-{}.json", gate.name), text.as_bytes())?;
        }
    }
    let made: Vec<(&GateStory, &Decided)> =
        dossier.gates.iter().flat_map(|gate| gate.decisions.iter().map(move |made| (gate, made))).collect();
    let mut signed = Vec::new();
    for (gate, made) in made {
        signed.extend(signature(draft, dossier, gate, made)?);
    }
    if !signed.is_empty() {
        let signers = dossier.settings.signers.as_deref().unwrap_or_default();
        draft.write(&format!("{folder}/decisions/allowed_signers"), signers.as_bytes())?;
    }
    Ok(signed)
}

/// A signed decision's text and signature, as `ssh-keygen -Y verify` takes them.
fn signature(
    draft: &mut Draft,
    dossier: &Dossier,
    gate: &GateStory,
    made: &Decided,
) -> Result<Option<Signed>, CommandError> {
    let Some(signed) = &made.decision.signed else { return Ok(None) };
    let run = dossier.settings.run.clone();
    let name = format!("{:02}-{}-{}", made.number, gate.question.stage, file_name(&signed.principal));
    let path = format!("runs/{run}/decisions/{name}");
    draft.write(&format!("{path}.statement"), signed.statement.as_bytes())?;
    draft.write(&format!("{path}.sig"), signed.signature.as_bytes())?;
    Ok(Some(Signed { run, name, principal: signed.principal.clone(), at: made.at.0 }))
}

/// A person's name as a part of a file's.
fn file_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "@-_".contains(c) || c == '.';
    name.chars().take(64).map(|c| if fits(c) { c } else { '_' }).collect()
}

/// JSON for machines that a person may look at.
pub(super) fn pretty(value: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(std::io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}
