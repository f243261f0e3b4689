//! What the hosts really are, held against what the run says of them.

use patchctl::core::document::{ActionPerformed, ActionState, HostResult, Outcome, ResultDocument, StateReason};
use patchctl::core::evidence::GateQuestion;
use patchctl::core::ids::HostIx;
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::{Pin, Reboot, RunKind};
use patchctl::ports::Job as Asked;

use crate::host::Versions;
use crate::looks::Seen;
use crate::world::World;

impl World {
    /// A job is about to begin on a host.
    pub(crate) fn begins(&mut self, host: HostIx, job: &Asked) {
        let (id, step) = (job.id.as_str(), job.script.name);
        let known = self.disk.ledger.jobs.get(id).copied();
        let intended = known.is_some_and(|(at, which)| at == host && which.as_str() == step);
        self.must(intended, 2, || format!("{id} begins on {host:?}; the disk knows {known:?} of it"));
        let target = &self.hosts[host.at()];
        let again = target.jobs.contains_key(id);
        // What takes a claim off changes no package, and may be late.
        let beside = target
            .alive_beside(id)
            .filter(|(_, job)| job.step != "forget")
            .map(|(id, job)| format!("{id} ({:?})", job.turn));
        let other = target.claim.clone().filter(|claim| *claim != job.claim.run.as_str());
        self.must(!again, 3, || format!("{id} runs a second time on {host:?}"));
        self.must(beside.is_none(), 12, || format!("{id} begins on {host:?} while {beside:?} may be alive"));
        self.must(other.is_none(), 5, || format!("{id} begins on {host:?}, which run {other:?} has"));
        if step == "apply" {
            self.only_proved(host, job);
        }
        if step == "stash" {
            self.on_what_was_approved(host);
            self.begun_by_its_hook(host);
        }
        if matches!(step, "stash" | "apply") {
            self.looked_at_before(host);
        }
        self.begun_in_order(host, step);
    }

    /// Invariant 17: a stage begins once its own hook before it went well.
    fn begun_by_its_hook(&mut self, host: HostIx) {
        let Some(stage) = self.stage_of(host) else { return };
        let due = stage.hooks.before_stage.is_some() && !self.stages_begun.contains(stage.name.as_str());
        self.must(!due, 17, || format!("{host:?} begins before the hook of {}", stage.name));
    }

    /// Invariant 17: nothing begins on a host whose look before its patch did not go well.
    fn looked_at_before(&mut self, host: HostIx) {
        let Some(stage) = self.stage_of(host).filter(|_| self.settings.kind.patches()) else { return };
        let seen = self.disk.ledger.looks.before(&stage, host);
        self.must(seen == Seen::Well, 17, || {
            format!("{host:?} is to be changed, and the look before it said {seen:?}")
        });
    }

    /// Invariant 1: a stage begins on hosts that are what was approved, as far as anybody could know.
    fn on_what_was_approved(&mut self, host: HostIx) {
        let settings = self.settings.clone();
        let Some(stage) = settings.stages.iter().find(|stage| stage.hosts.contains(&host)) else { return };
        let needed: Vec<HostIx> = stage
            .needs
            .iter()
            .flat_map(|need| self.disk.ledger.stages[need.at()].approved.iter().copied().collect::<Vec<_>>())
            .collect();
        for other in needed {
            let target = &self.hosts[other.at()];
            let since = target.replaced.filter(|at| target.inspected.is_some_and(|seen| *at <= seen));
            let known = since.is_none_or(|_| self.disk.ledger.replaced.contains(&other));
            self.must(known, 1, || {
                format!("{host:?} begins on {other:?}, which has been another machine since {since:?}")
            });
        }
    }

    /// Invariant 4: what is installed here runs on a host of a stage that succeeded.
    fn only_proved(&mut self, host: HostIx, job: &Asked) {
        let settings = self.settings.clone();
        let Some(stage) = settings.stages.iter().find(|stage| stage.hosts.contains(&host)) else { return };
        if settings.patch.pin == Pin::Off || stage.needs.is_empty() || settings.kind != RunKind::Run {
            return;
        }
        let platform = self.hosts[host.at()].platform;
        let text = job.script.files.get("transaction").cloned().unwrap_or_default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let (name, Some(to)) = (fields[1], fields[4].parse::<u32>().ok()) else { continue };
            let succeeded = settings.stages.iter().zip(&self.disk.ledger.stages).filter(|(_, book)| book.proves);
            let proves = |at: &&HostIx| {
                let other = &self.hosts[at.at()];
                let there = other.packages.get(name) == Some(&to) || other.foreign.contains(name);
                other.platform == platform && there
            };
            let proved = succeeded.flat_map(|(stage, _)| &stage.hosts).any(|at| proves(&at));
            self.must(proved, 4, || format!("{host:?} gets {name} {to}, which no host of an earlier stage runs"));
        }
    }

    /// The claim goes from a host.
    pub(crate) fn released(&mut self, host: HostIx, job: &Asked) {
        // What takes a claim off changes no package, and may be late: the next one takes it off as well.
        let beside = self.hosts[host.at()].alive_beside(job.id.as_str()).filter(|(_, job)| job.step != "forget");
        let beside = beside.map(|(id, _)| id.clone());
        self.must(beside.is_none(), 5, || format!("the claim on {host:?} goes while {beside:?} runs"));
    }

    /// What a person is shown is what is there.
    pub(crate) fn evidence(&mut self, gate: &GateQuestion) {
        self.everybody_lives();
        for shown in gate.hosts.iter().filter(|host| host.state == StateReason::Waiting) {
            let Some(host) = self.hosts.iter().find(|host| host.name == shown.host.as_str()) else { continue };
            let wrong = shown.packages.iter().find(|change| {
                let version = change.after.as_ref().and_then(|v| v.as_str().parse().ok());
                !host.foreign.contains(change.name.as_str())
                    && host.packages.get(change.name.as_str()).copied() != version
            });
            let wrong = wrong.map(|change| format!("{change:?}"));
            self.must(wrong.is_none(), 1, || format!("the evidence of {} says {wrong:?}", gate.stage));
        }
    }

    /// Holds a result document against the hosts.
    pub(crate) fn judge(&mut self, document: &ResultDocument, rollout: &Rollout) {
        self.everybody_lives();
        let results: Vec<&HostResult> = document.stages.iter().flat_map(|stage| &stage.hosts).collect();
        for (ix, result) in (0..).map(HostIx).zip(sorted(&results, rollout)) {
            if let Some(result) = result {
                self.judge_host(ix, result, rollout);
            }
        }
        self.judge_code(document, &results);
        if rollout.is_finished() {
            self.judge_claims(&results, rollout);
            self.judge_around(rollout);
        }
    }

    fn judge_host(&mut self, ix: HostIx, result: &HostResult, rollout: &Rollout) {
        use ActionPerformed as Did;
        use ActionState as State;
        let host = &self.hosts[ix.at()];
        let own = |packages: &Versions| -> Versions {
            let mine = packages.iter().filter(|(name, _)| !host.foreign.contains(*name));
            mine.map(|(name, version)| (name.clone(), *version)).collect()
        };
        let as_before = own(&host.packages) == own(&host.at_start) && !host.half;
        let as_wanted = rollout.ops(ix).iter().all(|op| {
            let to = op.to.as_ref().and_then(|v| v.as_str().parse().ok());
            host.foreign.contains(op.name.as_str()) || host.packages.get(op.name.as_str()).copied() == to
        }) && !host.half;
        let undo_run = matches!(rollout.settings().kind, RunKind::Rollback { .. });
        let drill = rollout.is_drill();
        let (drift, running) = (host.drift, result.state_reason == StateReason::Running);
        let armed = host.dead_man.as_ref().is_some_and(|man| !man.acted && man.run == rollout.settings().run.as_str());
        let (boots, undid) = (host.boot > host.changed_in, host.undid);
        let says = (result.action_performed, result.action_state);
        let fits = match says {
            _ if running && !rollout.is_finished() => true,
            (Did::None, _) => as_before,
            (Did::Patch, State::Success) if drill && rollout.is_finished() => false,
            (Did::Patch, State::Success) => as_wanted,
            (Did::Rollback, State::Success) if undo_run => as_wanted && !drift,
            (Did::Rollback, State::Success) => as_before && !drift,
            (Did::Patch, State::Failed | State::Skipped) => !rollout.is_finished(),
            (Did::Rollback, _) | (_, State::Unknown) => true,
        };
        let well = says == (Did::Patch, State::Success) && !running;
        let by_itself = result.rollback.as_ref().is_some_and(|back| back.by_itself);
        let packages = host.packages.clone();
        let start = host.at_start.clone();
        let number =
            if result.action_state == State::Success && result.action_performed != Did::Rollback { 8 } else { 7 };
        self.must(fits, number, || {
            format!("{ix:?} is said to be {says:?} ({:?}); it had {start:?} and has {packages:?}", result.state_reason)
        });
        self.must(!(well && armed), 8, || format!("{ix:?} is said to be well, and its dead man may still act"));
        self.must(!by_itself || undid, 8, || format!("{ix:?} is said to have restored itself, and has not"));
        self.must(!(well && undid), 8, || format!("{ix:?} is said to be well, and has restored itself"));
        let told = boots || result.reboot.needed || !self.hosts[ix.at()].wants_boot;
        self.must(!well || told, 8, || format!("{ix:?} wants a boot, and nobody says so"));
        let policy = rollout.settings().stages[rollout.stage_of(ix).at()].reboot;
        // Past max_failed nobody boots any more: then it is listed.
        let listed = result.reboot.needed && !result.reboot.done;
        let booted = match policy {
            _ if listed => true,
            Reboot::Never => true,
            Reboot::Needed => boots || !self.hosts[ix.at()].wants_boot,
            Reboot::Always => boots,
        };
        self.must(!well || booted || undo_run, 8, || format!("{ix:?} is said to be well, and has not booted"));
        let lists = running
            || !host_is_stale(self, ix)
            || !result.services.stale.is_empty()
            || says != (Did::Patch, State::Success);
        self.must(lists, 8, || format!("{ix:?} runs old code, and nobody says so"));
        let pending = matches!(result.state_reason, StateReason::Running | StateReason::Waiting);
        let known = !rollout.is_finished() || !pending;
        self.must(known, 7, || format!("the run is over, and {ix:?} is still {:?}", result.state_reason));
    }

    fn judge_code(&mut self, document: &ResultDocument, results: &[&HostResult]) {
        use ActionPerformed as Did;
        use ActionState as State;
        let code = document.exit_code;
        let is = |did, state| results.iter().any(|r| (r.action_performed, r.action_state) == (did, state));
        let lost = is(Did::Rollback, State::Failed) || results.iter().any(|r| r.action_state == State::Unknown);
        self.must(lost == (code == 6), 7, || format!("exit {code}, hosts in no known good state: {lost}"));
        let good = results.iter().all(|r| r.action_state == State::Success && r.action_performed != Did::Rollback);
        // Both end well where hosts have gone back.
        let undo_run = document.kind != patchctl::core::document::DocumentKind::Run;
        let empty = results.iter().all(|r| r.action_state == State::Skipped) && !results.is_empty();
        self.must(code != 0 || good || undo_run, 8, || {
            format!("exit 0, and not every host is well (all skipped: {empty})")
        });
        let changed = self.hosts.iter().any(|host| host.touched && (host.half || host.drift));
        self.must(code != 7 || !changed || undo_run, 8, || "exit 7, and a host was changed".into());
        let kept = is(Did::Patch, State::Success);
        self.must(code != 8 || kept || undo_run, 8, || "exit 8, and no host keeps the patch".into());
        let finished = document.finished_at.is_some();
        let open = matches!(document.outcome, Outcome::Paused | Outcome::Interrupted | Outcome::Terminated);
        self.must(open != finished || code == 6, 8, || format!("{:?}, finished: {finished}", document.outcome));
        let waits = matches!(code, 3) && document.waiting.is_none();
        self.must(!waits, 8, || "exit 3, and it does not say what it waits for".into());
    }

    /// Invariant 5: what is decided carries no claim; what is not carries ours.
    fn judge_claims(&mut self, results: &[&HostResult], rollout: &Rollout) {
        let run = rollout.settings().run.as_str().to_owned();
        for (ix, result) in (0..).map(HostIx).zip(sorted(results, rollout)) {
            let Some(result) = result else { continue };
            let claim = self.hosts[ix.at()].claim.clone();
            let ours = claim.as_deref() == Some(run.as_str());
            let told = rollout.notes().iter().any(|note| note.host.as_ref() == Some(&result.host));
            let not_back = result.action_state == ActionState::Unknown
                || (result.action_performed, result.action_state) == (ActionPerformed::Rollback, ActionState::Failed);
            self.must(!ours || not_back || told, 5, || format!("{ix:?} ({result:?}) still carries our claim"));
            // A host that was kept is free; one that cannot be reached to be taken back stays so.
            let reached =
                self.hosts[ix.at()].jobs.iter().any(|(id, job)| id.starts_with(&run) && job.step == "rollback");
            let kept = claim.is_some() || !not_back || !reached;
            self.must(kept, 5, || format!("{ix:?} is in no known good state and carries no claim"));
        }
    }
}

fn host_is_stale(world: &World, ix: HostIx) -> bool {
    world.hosts[ix.at()].stale
}

/// The hosts' results in the order of the settings; a refused run's document leaves some out.
fn sorted<'a>(results: &[&'a HostResult], rollout: &Rollout) -> Vec<Option<&'a HostResult>> {
    let find = |host: &patchctl::core::settings::Host| results.iter().find(|r| r.host == host.name).copied();
    rollout.settings().hosts.iter().map(find).collect()
}
