//! What goes around a patch: checks, soaking, hooks, snapshots and order, in plans and on hosts, and what must hold of
//! it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use patchctl::core::health::HealthRule;
use patchctl::core::hooks::{Command, Hooks, RestoreWhen, Snapshot, Taken, Where};
use patchctl::core::ids::{GroupName, HostIx};
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::{Settings, Stage};
use patchctl::core::template::{Dialect, Template};
use patchctl::ports::control::{Control, LocalCommand, LocalEnd, Page};
use patchctl::ports::{Output, Script};
use tokio::time::sleep;

use crate::rng::Rng;
use crate::world::{Shared, World};

/// What a part of the plans has around the patch.
pub(crate) fn around(plan: &mut Settings, rng: &mut Rng) {
    if !rng.chance(450) {
        return;
    }
    for (at, host) in plan.hosts.iter_mut().enumerate() {
        host.vars.insert("rack".into(), serde_json::json!(at % 3));
        if rng.chance(400) {
            host.groups.push(GroupName::new("db").expect("a word"));
        }
    }
    for stage in &mut plan.stages {
        around_stage(stage, rng);
        let hosts = &plan.hosts;
        let mut order = std::mem::take(&mut stage.hosts);
        order.sort_by_key(|host| stage.rank(&hosts[host.at()]));
        stage.hosts = order;
    }
}

fn around_stage(stage: &mut Stage, rng: &mut Rng) {
    if rng.chance(700) {
        stage.health = HealthRule::Fail;
    }
    if rng.chance(300) {
        stage.soak = Duration::from_secs(rng.pick(&[30, 600, 7_200, 36_000]));
    }
    stage.prefetch = rng.chance(300);
    if rng.chance(300) {
        stage.spread = Some("rack".into());
    }
    if rng.chance(250) {
        stage.after = vec![GroupName::new("db").expect("a word")];
    }
    let mut hook = |text: &str| rng.chance(500).then(|| command(text));
    stage.hooks = Hooks {
        before_stage: hook("before_stage {{ stage }}"),
        before_host: hook("before_host {{ host.name }}"),
        after_host: Some(command("after_host {{ host.name }}")),
        after_host_failed: Some(command("after_host_failed {{ host.name }}")),
        after_stage: hook("after_stage {{ stage }}"),
    };
    if rng.chance(400) {
        stage.hooks = Hooks::default();
    }
    if rng.chance(250) {
        let [take, restore, remove] =
            ["take", "restore", "remove"].map(|word| command(&format!("{word} {{{{ host.name }}}}")));
        let restore_when = rng.pick(&[RestoreWhen::NotExact, RestoreWhen::NotExact, RestoreWhen::Always]);
        stage.snapshot =
            Some(Snapshot { by: Taken::Commands { take, restore, remove: Some(remove) }, restore: restore_when });
    }
}

pub(crate) fn command(text: &str) -> Command {
    let command = Template::parse(text, Dialect::Shell).expect("a command");
    Command { on: Where::Local, command, timeout: Duration::from_secs(120) }
}

/// The machine that drives: its commands work on the simulated hosts.
#[derive(Clone)]
pub(crate) struct Here(pub(crate) Shared);

#[async_trait]
impl Control for Here {
    async fn run(&self, command: &LocalCommand) -> Result<LocalEnd, String> {
        if command.text.starts_with("look ") {
            return self.look(command).await;
        }
        let (wait, late, fails) = {
            let mut world = self.0.lock();
            let rate = world.faults.step;
            let (fails, late) = (world.chance(rate), world.chance(rate / 4));
            let takes = world.rng.range(50, 20_000);
            (if late { 120_000 } else { takes }, late, fails)
        };
        sleep(Duration::from_millis(wait)).await;
        let mut world = self.0.lock();
        let word = command.text.split(' ').next().unwrap_or_default().to_owned();
        let about = command.env.get("PATCHCTL_1").cloned().unwrap_or_default();
        if world.gone {
            return Err("the process is gone".into());
        }
        if fails || late {
            world.fault(format!("the command {word} {}", if late { "hangs" } else { "fails" }));
        }
        world.command(&word, &about, fails || late);
        let code = if late { None } else { Some(i32::from(fails)) };
        Ok(LocalEnd { code, late, out: format!("{word}\n").into_bytes(), err: Vec::new() })
    }

    async fn page(&self, _: &str, _: Option<&Path>, _: Duration) -> Result<Page, String> {
        Err("there is no web here".into())
    }

    async fn connect(&self, _: &str, _: Duration) -> Result<Duration, String> {
        Err("there is no network here".into())
    }
}

impl World {
    fn command(&mut self, word: &str, about: &str, failed: bool) {
        self.tell(|| format!("  $ {word} {about} {}", if failed { "(failed)" } else { "" }));
        match word {
            "before_stage" if !failed => drop(self.stages_begun.insert(about.to_owned())),
            _ => {}
        }
        let Some(at) = self.hosts.iter().position(|host| host.name == about) else { return };
        let now = self.now();
        self.hosts[at].live_until(now);
        // What takes a claim off changes no package, and may be late.
        let running = self.hosts[at].jobs.values().any(|job| job.is_running() && job.step != "forget");
        let host = &mut self.hosts[at];
        match word {
            // It may have done a part of it.
            "before_host" => (host.out, host.prepared, host.in_service) = (true, !failed, false),
            "after_host" | "after_host_failed" => (host.out, host.prepared, host.in_service) = (false, false, !failed),
            "take" if !failed && host.snapshot.is_none() => {
                (host.snapshot, host.restore_tried) = (Some(host.packages.clone()), false);
            }
            "restore" => {
                host.restore_tried = true;
                let snapshot = host.snapshot.clone().filter(|_| !failed);
                if let Some(packages) = snapshot {
                    let foreign: Vec<_> = host.foreign.iter().cloned().collect();
                    let theirs: Vec<_> = foreign.iter().map(|n| (n.clone(), host.packages.get(n).copied())).collect();
                    host.packages = packages;
                    for (name, version) in theirs {
                        match version {
                            Some(version) => drop(host.packages.insert(name, version)),
                            None => drop(host.packages.remove(&name)),
                        }
                    }
                    (host.half, host.drift, host.stale, host.sick, host.wants_boot) =
                        (false, false, false, false, false);
                    host.changed_at = None;
                }
                let what = format!("the snapshot of {about} is put back while a job runs there");
                self.must(!running, 12, || what);
                self.restored_in_its_turn(at);
            }
            "remove" if !failed => host.snapshot = None,
            _ => {}
        }
    }

    /// Invariant 17: a snapshot is put back once the package manager's way back has failed, or before it.
    fn restored_in_its_turn(&mut self, at: usize) {
        let host = HostIx(u32::try_from(at).unwrap_or(u32::MAX));
        let snapshot = self.stage_of(host).and_then(|stage| stage.snapshot);
        let first = snapshot.is_some_and(|snapshot| snapshot.restore == RestoreWhen::Always);
        let tried = self.disk.ledger.tried_back.contains(&host);
        self.must(first || tried, 17, || format!("the snapshot of {host:?} is put back before anything else is tried"));
    }

    /// Invariant 17: what the plan has around a host's patch is there when a job of the patch, or of the way back, begins.
    pub(crate) fn begun_in_order(&mut self, ix: HostIx, step: &str) {
        let Some(stage) = self.stage_of(ix) else { return };
        let (patches, armed) = (self.settings.kind.patches(), self.disk.ledger.armed.contains(&ix));
        let host = &self.hosts[ix.at()];
        let (prepared, in_service) = (host.prepared, host.in_service);
        let (snapped, tried) = (host.snapshot.is_some(), host.restore_tried);
        let hook = stage.hooks.before_host.is_some();
        let wanted = stage.snapshot.filter(|_| patches);
        match step {
            "stash" | "apply" => {
                self.must(prepared || !hook, 17, || format!("{step} on {ix:?}, and its hook before it did not run"));
                let due = step == "apply" && wanted.is_some();
                self.must(snapped || !due, 17, || format!("{ix:?} is changed, and there is no snapshot of it"));
            }
            // What the host would do by itself meanwhile waits for nobody.
            "rollback" if !armed => {
                self.must(!(in_service && hook), 17, || format!("{ix:?} goes back and was not taken out of service"));
                let first = wanted.is_some_and(|snapshot| snapshot.restore == RestoreWhen::Always);
                let late = first && snapped && !tried;
                self.must(!late, 17, || format!("{ix:?} goes back, and its snapshot was to be put back first"));
            }
            _ => {}
        }
    }

    pub(crate) fn stage_of(&self, host: HostIx) -> Option<Stage> {
        self.settings.stages.iter().find(|stage| stage.hosts.contains(&host)).cloned()
    }

    /// What a look at a host prints.
    pub(crate) fn looked(&mut self, host: HostIx, script: &Script) -> Output {
        let now = self.now();
        let rate = self.faults.read / 3;
        let blip = script.name == "check" && self.chance(rate);
        if blip {
            self.fault("a host looks ill for a moment");
        }
        let target = &mut self.hosts[host.at()];
        target.live_until(now);
        let mut records = String::from("health\tport\ttcp/22\nhealth\tmount\t/\trw\n");
        if !target.sick && !blip {
            records.push_str("health\tport\ttcp/80\n");
        }
        let _ = writeln!(records, "end\tok");
        Output { records: records.into_bytes(), code: Some(0), boot_id: Some(target.boot_id()), ..Output::default() }
    }

    /// What must hold of all that once the run is over.
    pub(crate) fn judge_around(&mut self, rollout: &Rollout) {
        let settings = self.settings.clone();
        for (ix, spec) in (0..).map(HostIx).zip(&settings.hosts) {
            let stage = &settings.stages[rollout.stage_of(ix).at()];
            let (run, host) = (rollout.host(ix), &self.hosts[ix.at()]);
            let (out, sick, left) = (host.out, host.sick, host.snapshot.is_some());
            let (tried, foreign) = (host.restore_tried, !host.foreign.is_empty());
            let ended = run.given_up.is_none() && stage.hooks.before_host.is_some();
            self.must(!(out && ended), 17, || format!("{} was taken out of service and not put back", spec.name));
            let kept = matches!(run.place, patchctl::core::host::Place::Kept);
            let looks = stage.health == HealthRule::Fail && settings.kind.patches();
            self.must(!(kept && sick && looks), 17, || format!("{} keeps what made it ill", spec.name));
            let lost = run.place == patchctl::core::host::Place::NotRestored && run.given_up.is_none();
            let helps = left && settings.kind.patches() && !foreign;
            self.must(!(lost && helps) || tried, 17, || format!("the snapshot of {} was not put back", spec.name));
            let told = rollout.notes().iter().any(|note| note.host.as_ref() == Some(&spec.name));
            self.must(!(kept && left) || told, 17, || format!("the snapshot of {} stays", spec.name));
        }
    }
}
