//! `drill PLAN`: patch the first stage and take it back, as a run of its own; and the rule that asks for one.

use super::drive::Wishes;
use super::run::{self, Checked};
use super::{CommandError, Context, Ended, Reach};
use crate::cli::DrillArgs;
use crate::core::document::Outcome;
use crate::core::drill::{self, DrillRule, Proof};
use crate::core::emergency::Declared;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{RunKind, Settings};
use crate::ports::state::Runs;

pub(super) async fn drill(context: &Context<'_>, args: DrillArgs) -> Ended {
    let checked = run::checked(context, &args.plan, &args.contact, &args.policy)?;
    let Some(settings) = drill::settings_of(checked.settings) else {
        let message = "the plan's first stage has no hosts here: there is nothing to drill";
        return Err(CommandError::refused(message, "let --limit name hosts of it; nothing was begun"));
    };
    let checked = Checked { settings, ..checked };
    let drive = args.drive();
    let reach = Reach { contact: args.contact, non_interactive: drive.non_interactive, ..Reach::default() };
    let runs = context.runs()?;
    let wishes = Wishes { drive, reach, ..Wishes::default() };
    Box::pin(run::start(context, runs.as_ref(), checked, wishes)).await
}

/// The newest drill of the plan that proved its way back. A run that cannot be read proves nothing; `runs` shows it.
pub(super) fn last_proof(runs: &dyn Runs, settings: &Settings) -> Option<Proof> {
    // Without the rule nobody asks.
    settings.policy.drill.as_ref()?;
    let of_plan = |of: &Settings| of.plan == settings.plan && of.kind == RunKind::Drill;
    let list = runs.list().ok()?.into_iter();
    let mut drills = list.filter(|run| runs.frozen(run).is_ok_and(|frozen| of_plan(&frozen.settings)));
    drills.find_map(|run| Proof::of(&runs.load(&run).ok()?.rollout))
}

/// The settings of a run that may begin, with the drill that it builds on. An emergency needs none, and that is recorded.
pub(super) fn required(
    context: &Context<'_>,
    runs: &dyn Runs,
    mut settings: Settings,
    declared: &Declared,
) -> Result<Settings, CommandError> {
    let last = last_proof(runs, &settings);
    let Some(rule) = &mut settings.policy.drill else { return Ok(settings) };
    rule.last = last;
    let rule = rule.clone();
    if rule.is_met(context.wiring.clock().now()) {
        return Ok(settings);
    }
    if declared.rule(&settings).is_some() {
        context.say(&format!("the emergency passes {} ({}): {}", rule.words(), rule.at, rule.last_words()));
        return Ok(settings);
    }
    Err(CommandError::new(Outcome::Refused, refusal(&settings, &rule)))
}

/// Why a run is refused that needs a drill.
pub(super) fn refusal(settings: &Settings, rule: &DrillRule) -> Problem {
    let message =
        format!("{}: a run of plan {} needs {}, and {}", rule.at, settings.plan, rule.words(), rule.last_words());
    let hint = format!(
        "`patchctl drill {}` makes one: it patches the first stage and takes it back; nothing was begun",
        settings.plan_path.display()
    );
    Problem::new(ErrorKind::Refused, message).hint(hint)
}
