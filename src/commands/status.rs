//! `status [RUN]`

use serde::Serialize;

use super::{Context, Ended};
use crate::cli::StatusArgs;
use crate::core::document::ResultDocument;
use crate::core::evidence::GateQuestion;
use crate::core::ids::StageIx;
use crate::core::report::{self, Driven};
use crate::ports::state::Loaded;

pub(super) fn status(context: &Context<'_>, args: &StatusArgs) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(args.run.as_deref().unwrap_or("last"))?;
    let loaded = runs.load(&run)?;
    let driven = if loaded.driven { Driven::Yes } else { Driven::No };
    let document = report::document(&loaded.rollout, loaded.head.digest, context.wiring.clock().now(), driven);
    let status = Status { document: &document, gates: gates(&loaded) };
    context.print(&status, |look| {
        let mut text = crate::ui::result::of_run(look, &document, &loaded.rollout);
        for gate in &status.gates {
            text.push_str(&format!("\n{}", crate::ui::evidence::details(look, gate)));
        }
        text
    })?;
    Ok(if args.exit_code { document.exit_code } else { 0 })
}

/// The result as it stands, and what is to be decided.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    document: &'a ResultDocument,
    /// The evidence of every gate that waits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<GateQuestion>,
}

/// The evidence of every gate that waits, whole: nobody should approve blindly.
fn gates(loaded: &Loaded) -> Vec<GateQuestion> {
    let stages = loaded.rollout.stages();
    let open = (0..).map(StageIx).zip(stages).filter(|(_, run)| run.open_gate().is_some());
    open.filter_map(|(ix, _)| report::question(&loaded.rollout, ix)).collect()
}
