//! `status [RUN]`

use super::{Context, Ended};
use crate::cli::StatusArgs;
use crate::core::ids::StageIx;
use crate::core::report::{self, Driven};
use crate::ports::state::Loaded;

pub(super) fn status(context: &Context<'_>, args: &StatusArgs) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(args.run.as_deref().unwrap_or("last"))?;
    let loaded = runs.load(&run)?;
    let driven = if loaded.driven { Driven::Yes } else { Driven::No };
    let document = report::document(&loaded.rollout, loaded.head.digest, context.wiring.clock().now(), driven);
    context.print(&document, |look| {
        format!("{}{}", crate::ui::result::of_run(look, &document, &loaded.rollout), evidence(context, &loaded))
    })?;
    Ok(if args.exit_code { document.exit_code } else { 0 })
}

/// The evidence of every gate that waits, as its prompt shows it: nobody should approve blindly.
pub(super) fn evidence(context: &Context<'_>, loaded: &Loaded) -> String {
    let stages = loaded.rollout.stages();
    let open = (0..).map(StageIx).zip(stages).filter(|(_, run)| run.open_gate().is_some());
    open.filter_map(|(ix, _)| report::question(&loaded.rollout, ix))
        .map(|question| {
            let overview = crate::ui::evidence::overview(&context.look, &question);
            if context.global.verbose == 0 {
                return format!("\n{overview}");
            }
            format!("\n{overview}\n{}", crate::ui::evidence::details(&context.look, &question))
        })
        .collect()
}
