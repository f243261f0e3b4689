//! `rollback RUN`: undo a finished run, or a part of it, as a run of its own.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::drive::{self, Wishes};
use super::{CommandError, Context, Ended, Reach};
use crate::cli::RollbackArgs;
use crate::core::host::Place;
use crate::core::ids::{ChangeId, HostIx, HostName, RunId};
use crate::core::packages::{OpKind, PackageOp};
use crate::core::policy::Policy;
use crate::core::report;
use crate::core::rollout::Rollout;
use crate::core::settings::{Amount, OnExceeded, RunKind, Scope, Settings};
use crate::ports::state::Texts;

pub(super) async fn rollback(context: &Context<'_>, args: RollbackArgs) -> Ended {
    let runs = context.runs()?;
    let of = runs.find(&args.run)?;
    let loaded = runs.load(&of)?;
    if !loaded.rollout.is_finished() {
        let hint = match loaded.frozen.settings.kind {
            RunKind::Rollback { .. } => format!("it is a rollback itself: `patchctl resume {of}` goes on with it"),
            RunKind::Drill => {
                format!("it is a drill, and takes back all by itself: `patchctl resume {of}` goes on with it")
            }
            RunKind::Run => {
                format!("`patchctl reject {of}` takes back what waits at its gate; `patchctl status {of}` shows it")
            }
        };
        return Err(CommandError::refused(format!("run {of} is not finished"), hint));
    }
    if matches!(loaded.frozen.settings.kind, RunKind::Rollback { .. }) {
        return Err(CommandError::refused(format!("run {of} is a rollback itself"), "run the plan again instead"));
    }
    if loaded.frozen.settings.kind == RunKind::Drill {
        let hint = format!("`patchctl report {of}` shows what became of its hosts");
        return Err(CommandError::refused(format!("run {of} is a drill: it took back what it patched"), hint));
    }
    let reason = match (&args.drive.reason, args.dry_run) {
        (Some(reason), _) => reason.clone(),
        (None, true) => "dry run".into(),
        (None, false) => return Err(CommandError::invalid("a rollback needs a reason", "add --reason TEXT")),
    };
    let settings = undo_settings(context, &loaded.rollout, &of, &args, reason)?;
    let playbooks: BTreeMap<_, _> = serde_json::from_str(&loaded.frozen.playbooks)
        .map_err(|error| anyhow::anyhow!("the playbooks of run {of} cannot be read: {error}"))?;
    let reach =
        Reach { contact: args.contact.clone(), non_interactive: args.drive.non_interactive, ..Reach::default() };
    if args.dry_run {
        let rollout = drive::ask_only(context, super::plan::all_at_once(settings), playbooks, &reach, false).await?;
        let document = report::plan_document(&rollout);
        context.print(&document, |look| crate::ui::plan::plan(look, &document))?;
        return Ok(super::plan::exit_code(&document));
    }
    let wishes = Wishes { drive: args.drive, reach, ..Wishes::default() };
    let declared = drive::check(context, &settings, &wishes)?;
    super::run::opens_some_time(&settings, &declared, context.wiring.clock().now())?;
    let plan = format!("# Undoes run {of}; see its own folder for the plan.\n");
    let (loaded, held) =
        drive::begin(context, runs.as_ref(), settings, &playbooks, &Texts { plan: &plan, policies: &[] })?;
    drive::drive(context, loaded, held, wishes).await
}

/// The settings of the run that undoes: the hosts that kept the patch, stage by stage, the last stage first.
fn undo_settings(
    context: &Context<'_>,
    rollout: &Rollout,
    of: &RunId,
    args: &RollbackArgs,
    reason: String,
) -> Result<Settings, CommandError> {
    let old = rollout.settings();
    for name in &args.stage {
        if old.stage(name).is_none() {
            let hint = format!("`patchctl status {of}` shows its stages");
            return Err(CommandError::invalid(format!("run {of} has no stage {name}"), hint));
        }
    }
    let globs = globs(&args.packages)?;
    let wanted = crate::input::among(&old.hosts, context.global.limit.as_deref())?;
    let mut settings = Settings::clone(old);
    settings.run = context.wiring.new_run();
    settings.requester = context.wiring.person();
    // The way back asks no rule: what a policy forbids is the way forward.
    settings.policy = Policy { emergency: old.policy.emergency.clone(), ..Policy::default() };
    if let Some(change) = &args.contact.change {
        settings.change = ChangeId::clone(change);
    }
    let (mut hosts, mut undo) = (Vec::new(), BTreeMap::<HostName, Vec<PackageOp>>::new());
    for stage in &mut settings.stages {
        let named = args.stage.is_empty() || args.stage.contains(&stage.name);
        let members = std::mem::take(&mut stage.hosts);
        for host in members.into_iter().filter(|host| named && wanted.contains(host)) {
            let ops = backwards(rollout, host, &globs);
            if rollout.host(host).place != Place::Kept || ops.is_empty() {
                continue;
            }
            let spec = old.hosts[host.at()].clone();
            stage.hosts.push(HostIx(u32::try_from(hosts.len()).unwrap_or(u32::MAX)));
            undo.insert(spec.name.clone(), ops);
            hosts.push(spec);
        }
        stage.approval = None;
        // Every rollback is tried, whatever the others do.
        stage.max_failed = Amount::Percent(100);
        stage.on_exceeded = OnExceeded::Rollback;
        stage.rollback_scope = Scope::Host;
        stage.max_unreachable = Amount::Percent(100);
    }
    if hosts.is_empty() {
        let message = format!("run {of} left nothing to undo on the hosts that are asked for");
        return Err(CommandError::refused(message, format!("`patchctl report {of}` shows what it kept")));
    }
    settings.hosts = hosts;
    settings.stages.retain(|stage| !stage.hosts.is_empty());
    settings.stages.reverse();
    // Every rollback is tried, whatever became of the others: no stage waits for another's success.
    settings.stages.iter_mut().for_each(|stage| stage.needs.clear());
    settings.kind = RunKind::Rollback { of: of.clone(), reason, packages: args.packages.clone(), undo };
    Ok(settings)
}

fn globs(patterns: &[String]) -> Result<Option<GlobSet>, CommandError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob =
            Glob::new(pattern).map_err(|e| CommandError::invalid(format!("--packages: {e}"), "such as 'libssl*'"))?;
        set.add(glob);
    }
    let set = set.build().map_err(|e| CommandError::invalid(format!("--packages: {e}"), "such as 'libssl*'"))?;
    Ok(Some(set))
}

/// What undoes the host's transaction, as far as the globs name it.
fn backwards(rollout: &Rollout, host: HostIx, globs: &Option<GlobSet>) -> Vec<PackageOp> {
    let named = |op: &&PackageOp| globs.as_ref().is_none_or(|set| set.is_match(op.name.as_str()));
    let ops = rollout.ops(host).iter().filter(named).map(|op| PackageOp {
        op: match op.op {
            OpKind::Upgrade => OpKind::Downgrade,
            OpKind::Install => OpKind::Remove,
            OpKind::Remove => OpKind::Install,
            OpKind::Downgrade => OpKind::Upgrade,
        },
        from: op.to.clone(),
        to: op.from.clone(),
        origin: "stash".into(),
        ..op.clone()
    });
    let mut ops: Vec<PackageOp> = ops.collect();
    ops.sort();
    ops
}
