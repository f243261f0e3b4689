//! `plan PLAN` and `check PLAN`

use std::path::Path;

use super::run::checked;
use super::{CommandError, Context, Ended, Reach, drive, earlier};
use crate::cli::{Contact, PlanArgs, PolicyArgs};
use crate::core::document::{Outcome, PlanDocument};
use crate::core::report;
use crate::core::settings::{Pin, Settings};
use crate::ui::json::write_document;

/// `run --check`
pub(super) async fn check_only(context: &Context<'_>, args: crate::cli::RunArgs) -> Ended {
    let checked = checked(context, &args.plan, &args.contact, &args.policy)?;
    let reach = Reach { contact: args.contact, non_interactive: args.drive.non_interactive, ..Reach::default() };
    shown(context, checked, &reach, true, None).await
}

pub(super) async fn plan(context: &Context<'_>, args: PlanArgs) -> Ended {
    let checked = checked(context, &args.plan, &args.contact, &args.policy)?;
    let reach = Reach { contact: args.contact, ..Reach::default() };
    shown(context, checked, &reach, !args.no_refresh, args.out.as_deref()).await
}

async fn shown(
    context: &Context<'_>,
    checked: super::run::Checked,
    reach: &Reach,
    refresh: bool,
    out: Option<&Path>,
) -> Ended {
    let needs: Vec<_> = checked.settings.stages.iter().map(|stage| stage.needs.clone()).collect();
    let rollout = drive::ask_only(context, all_at_once(checked.settings), checked.playbooks, reach, refresh).await?;
    let mut document = report::plan_document(&rollout);
    let earlier = earlier::if_kept(context, &rollout.settings().plan);
    report::add_forecasts(&mut document, &rollout, &needs, &earlier, context.wiring.clock().now());
    if let Some(path) = out {
        keep(path, &document)?;
        context.say(&format!("kept in {}", path.display()));
    }
    context.print(&document, |look| crate::ui::plan::plan(look, &document))?;
    Ok(exit_code(&document))
}

/// 7 where a host is not reachable, or would be refused.
pub(super) fn exit_code(document: &PlanDocument) -> u8 {
    let trouble = document.stages.iter().flat_map(|stage| &stage.hosts).any(|host| !host.problems.is_empty());
    if trouble { Outcome::Refused.exit_code() } else { 0 }
}

/// Nothing is changed, so no stage waits for another, and nothing is proved yet that could be pinned.
pub(super) fn all_at_once(mut settings: Settings) -> Settings {
    settings.patch.pin = Pin::Off;
    settings.policy.approvals.clear();
    for stage in &mut settings.stages {
        stage.needs.clear();
        stage.approval = None;
        stage.max_unreachable = crate::core::settings::Amount::Percent(100);
    }
    settings
}

fn keep(path: &Path, document: &PlanDocument) -> Result<(), CommandError> {
    let mut text = Vec::new();
    write_document(&mut text, document)?;
    std::fs::write(path, text).map_err(|error| {
        CommandError::invalid(format!("{}: cannot be written: {error}", path.display()), "name another file with -o")
    })
}

pub(super) fn check(context: &Context<'_>, path: &Path, policy: &PolicyArgs) -> Ended {
    let checked = checked(context, path, &Contact::default(), policy)?;
    let settings = &checked.settings;
    let document = serde_json::json!({
        "schema": 1,
        "outcome": "complete",
        "exit_code": 0,
        "plan": settings.plan,
        "plan_digest": settings.plan_digest,
        "stages": settings.stages.iter().map(|stage| serde_json::json!({
            "name": stage.name,
            "hosts": stage.hosts.iter().map(|host| &settings.hosts[host.at()].name).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "errors": [],
    });
    context.print(&document, |_| crate::ui::plan::valid(path, settings))?;
    Ok(0)
}
