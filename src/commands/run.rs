//! `run PLAN`

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::drive::{self, Wishes};
use super::preapproval::Brought;
use super::{CommandError, Context, Ended, Reach, drill, earlier};
use crate::cli::{Contact, PolicyArgs, RunArgs};
use crate::core::calendar::State;
use crate::core::document::Outcome;
use crate::core::emergency::Declared;
use crate::core::ids::{ChangeId, PlaybookName, RunId, StageIx};
use crate::core::settings::{Settings, Unproven};
use crate::input::Overrides;
use crate::input::inventory::Inventory;
use crate::input::plan::LoadedPlan;
use crate::input::policy::{self, Applied, LoadedPolicy};
use crate::playbook::Playbook;
use crate::ports::state::{Runs, Texts};

/// A plan with its inventory and playbooks, checked.
pub(super) struct Checked {
    pub(super) plan: LoadedPlan,
    pub(super) settings: Settings,
    pub(super) playbooks: std::collections::BTreeMap<PlaybookName, Playbook>,
    /// What became of the policies.
    pub(super) applied: Applied,
}

pub(super) async fn run(context: &Context<'_>, args: RunArgs) -> Ended {
    let checked = checked(context, &args.plan, &args.contact, &args.policy)?;
    let reach = Reach { contact: args.contact, non_interactive: args.drive.non_interactive, ..Reach::default() };
    let runs = context.runs()?;
    let preapproval = Brought::new(args.preapproval, runs.as_ref());
    let wishes = Wishes { drive: args.drive, reach, preapproval, ..Wishes::default() };
    Box::pin(start(context, runs.as_ref(), checked, wishes)).await
}

/// Starts the run of a checked plan and drives it.
pub(super) async fn start(context: &Context<'_>, runs: &dyn Runs, checked: Checked, wishes: Wishes) -> Ended {
    let declared = drive::check(context, &checked.settings, &wishes)?;
    several_sign(context, &checked.settings)?;
    // Before anything of the run exists; it is read again when the run is driven.
    wishes.preapproval.as_ref().map(|brought| brought.read(context, &checked.settings)).transpose()?;
    opens_some_time(&checked.settings, &declared, context.wiring.clock().now())?;
    refuse_open_run(runs, &checked.settings)?;
    let settings = drill::required(context, runs, checked.settings, &declared)?;
    let checked = Checked { settings, ..checked };
    let texts = Texts { plan: checked.plan.text(), policies: &checked.applied.texts };
    let earlier = earlier::where_asked(context, runs, &checked.settings.plan, &wishes.drive);
    let wishes = Wishes { earlier, ..wishes };
    let (loaded, held) = drive::begin(context, runs, checked.settings, &checked.playbooks, &texts)?;
    drive::drive(context, loaded, held, wishes).await
}

/// Reads and checks everything that the plan names; no host is contacted. What a policy refuses, is refused.
pub(super) fn checked(
    context: &Context<'_>,
    path: &std::path::Path,
    contact: &Contact,
    policy: &PolicyArgs,
) -> Result<Checked, CommandError> {
    let checked = judged(context, path, contact, policy)?;
    for old in &checked.applied.expired {
        context.say(&old.to_string());
    }
    let problems = checked.applied.refusals();
    if problems.is_empty() {
        return Ok(checked);
    }
    Err(CommandError { outcome: Outcome::Refused, problems, input: None })
}

/// In a folder that all of a team may write, several people are several only where each of them signs.
fn several_sign(context: &Context<'_>, settings: &Settings) -> Result<(), CommandError> {
    if context.global.group.is_none() {
        return Ok(());
    }
    for stage in settings.stages.iter().filter(|stage| !stage.hosts.is_empty()) {
        let rules = settings.policy.approvals.iter().filter(|rule| rule.is_for(&stage.name));
        let plan = stage.approval.as_ref().map(|rules| (rules.quorum, rules.signed));
        let signs = plan.is_some_and(|(_, signed)| signed);
        // Each must ask for signatures itself: which of the others will hold, the hosts' answers decide.
        let all = plan.into_iter().chain(rules.map(|rule| (rule.quorum.unwrap_or(1), rule.signed)));
        let several = all.filter(|(quorum, signed)| *quorum > 1 && !signed && !signs).map(|(quorum, _)| quorum).max();
        if let Some(quorum) = several {
            let message = format!(
                "stage {}: its gate asks for {quorum} people, and in a team's state folder one could act for all of them",
                stage.name
            );
            let hint = "count signed decisions only: `approval = { quorum = …, signed = true }`";
            return Err(CommandError::invalid(message, hint));
        }
    }
    Ok(())
}

/// A run that could never begin is none: what is in the way of each stage ends some time.
pub(super) fn opens_some_time(settings: &Settings, declared: &Declared, now: Timestamp) -> Result<(), CommandError> {
    // Others must declare it, too, and may.
    if !declared.is_nothing() && settings.policy.emergency.as_ref().is_some_and(|rule| rule.quorum > 1) {
        return Ok(());
    }
    let stages = (0..).map(StageIx).zip(&settings.stages).filter(|(_, stage)| !stage.hosts.is_empty());
    for (ix, stage) in stages {
        if let State::Shut { by, opens: None } = declared.calendar(settings, ix).state(now) {
            return Err(CommandError::refused(
                format!("stage {}: no host may begin, and as far as can be seen none ever may: {by}", stage.name),
                "`patchctl policy test PLAN` shows the windows and freezes; the run was not begun",
            ));
        }
    }
    Ok(())
}

/// The same, and what policies refuse is only told.
pub(super) fn judged(
    context: &Context<'_>,
    path: &std::path::Path,
    contact: &Contact,
    policy: &PolicyArgs,
) -> Result<Checked, CommandError> {
    let plan = crate::input::plan::load(path)?;
    let policies = if policy.none { Vec::new() } else { policy::load(policy.file.as_deref())? };
    let (playbooks, own) = drive::playbooks(plan.playbook_file())?;
    let inventory =
        crate::input::inventory_for(Some(&plan), &context.global.inventory, &context.global.default_inventory)?;
    let mut given = overrides(context, contact, playbooks.keys().cloned().chain(own.clone()).collect());
    given.signers = policies.iter().find_map(LoadedPolicy::allowed_signers).map(std::path::Path::to_owned);
    let mut settings = crate::input::settings(&plan, &inventory, &given)?;
    let gateless = |stage: &crate::core::settings::Stage| stage.approval.is_none() && !stage.needs.is_empty();
    if settings.patch.unproven == Unproven::Ask
        && let Some(stage) = settings.stages.iter().find(|stage| gateless(stage))
    {
        let message = format!("unproven = \"ask\" asks at a stage's gate, and stage {} has none", stage.name);
        return Err(CommandError::invalid(message, "give it an `approval`, or set `unproven` to skip or refuse"));
    }
    if own.is_some() {
        settings.patch.playbook = own;
    }
    says_what_instead(&settings, &playbooks)?;
    let now = context.wiring.clock().now();
    let applied = policy::apply(&plan, &policies, &inventory, &mut settings, now)?;
    Ok(Checked { plan, settings, playbooks, applied })
}

/// Where a playbook that is named knows no way back, the plan says what is done instead.
fn says_what_instead(settings: &Settings, playbooks: &BTreeMap<PlaybookName, Playbook>) -> Result<(), CommandError> {
    for stage in settings.stages.iter().filter(|stage| stage.compensate.is_none()) {
        let named = stage.hosts.iter().find_map(|host| {
            let host = &settings.hosts[host.at()];
            let playbook = playbooks.get(host.playbook.as_ref().or(settings.patch.playbook.as_ref())?)?;
            Some((&playbook.name, playbook.irreversible.as_ref()?))
        });
        if let Some((name, why)) = named {
            let message = format!(
                "what playbook {name} does cannot be undone ({why}), and stage {} does not say what is done instead",
                stage.name
            );
            return Err(CommandError::invalid(message, "add compensate = { run = \"…\" } or { local = \"…\" } to it"));
        }
    }
    Ok(())
}

/// Plan, inventory and command line as settings of a new run.
pub(super) fn put_together(
    context: &Context<'_>,
    plan: &LoadedPlan,
    inventory: &Inventory,
    contact: &Contact,
) -> Result<Settings, CommandError> {
    let (playbooks, own) = drive::playbooks(plan.playbook_file())?;
    let given = overrides(context, contact, playbooks.into_keys().chain(own).collect());
    Ok(crate::input::settings(plan, inventory, &given)?)
}

/// What the command line adds to plan and inventory.
pub(super) fn overrides(context: &Context<'_>, contact: &Contact, playbooks: Vec<PlaybookName>) -> Overrides {
    let run = context.wiring.new_run();
    Overrides {
        made_up_change: made_up_change(&run),
        run,
        change: contact.change.clone(),
        requester: context.wiring.person(),
        limit: context.global.limit.clone(),
        user: contact.user.clone(),
        default_user: contact.default_user.clone(),
        private_key: contact.private_key.clone(),
        default_private_key: contact.default_private_key.clone(),
        forks: contact.forks,
        playbooks,
        signers: None,
    }
}

/// A change ID for a plan that names none: `PC-` and the end of the run ID.
fn made_up_change(run: &RunId) -> ChangeId {
    let tail = &run.as_str()[run.as_str().len() - 10..];
    // Letters and digits behind a word are a change ID.
    ChangeId::new(format!("PC-{tail}")).unwrap_or_else(|_| unreachable_change())
}

#[expect(clippy::expect_used, reason = "a constant that a test makes")]
fn unreachable_change() -> ChangeId {
    ChangeId::new("PC").expect("two letters are a change ID")
}

/// A plan that has an open run is not run again: somebody must decide that one first.
fn refuse_open_run(runs: &dyn Runs, settings: &Settings) -> Result<(), CommandError> {
    for run in runs.list()? {
        // A run that cannot be read does not stand in the way of others; `runs` shows it.
        let Ok(frozen) = runs.frozen(&run) else { continue };
        if frozen.settings.plan != settings.plan {
            continue;
        }
        // What became of a run that cannot be read, nobody knows: it counts as open.
        let loaded = runs.load(&run).map_err(|error| {
            let message =
                format!("plan {} has a run that cannot be read: {}", settings.plan, super::with_causes(&error));
            CommandError::refused(message, "its hosts may be changed: look at them, and move the run's folder away")
        })?;
        if !loaded.rollout.is_finished() {
            let state = if loaded.driven { "is being driven by another process" } else { "is not finished" };
            return Err(CommandError::refused(
                format!("plan {} has an open run: {run} {state}", settings.plan),
                format!("`patchctl status {run}` shows it; `patchctl resume {run}` goes on with it"),
            ));
        }
    }
    Ok(())
}
