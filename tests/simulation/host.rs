//! A host as it really is: its packages, its claim, its jobs. Time passes for it whether anybody looks or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::deadman::DeadMan;
use crate::rng::Rng;

pub(crate) type Versions = BTreeMap<String, u32>;

/// One operation as the step finds it in its input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) name: String,
    pub(crate) from: Option<u32>,
    pub(crate) to: Option<u32>,
}

/// What one job does beside, or instead of, what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    Well,
    /// It fails with this kind of problem before it changes anything.
    Before(&'static str),
    /// It fails with this kind of problem when half of it is done.
    Midway(&'static str),
    /// It says that it changed nothing, and has.
    Liar(&'static str),
    /// It says that all is well, and another version is there.
    Wrong,
    /// It does what it should and reports nonsense.
    Garbage,
    /// It is killed half-way, or its host boots.
    Dies,
    /// It ends without a word.
    Silent,
    /// It never ends.
    Hangs,
    /// It takes longer than anybody waits, and ends.
    Slow,
    /// It goes back, but not exactly.
    Inexact,
    /// It works; a service still runs the old code.
    Stale,
    /// It works; the host is worse than before.
    Sick,
    /// A boot that was asked for does not happen.
    NoBoot,
    /// The host goes down and stays down.
    StaysDown,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    Running,
    Done { records: String, code: i32 },
    Died { records: String, why: &'static str },
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) step: &'static str,
    pub(crate) nonce: String,
    /// The run whose stash it works with.
    pub(crate) stash: String,
    pub(crate) ops: Vec<Op>,
    pub(crate) want_installed: bool,
    pub(crate) turn: Turn,
    pub(crate) ends: u64,
    /// The boot in which it ended.
    pub(crate) boot: u32,
    pub(crate) state: State,
}

impl Job {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }
}

/// What lies on the host to go back to.
#[derive(Debug, Clone)]
pub(crate) struct Stash {
    pub(crate) baseline: Versions,
    pub(crate) ops: Vec<Op>,
    pub(crate) begun: bool,
}

/// Why and until when a host cannot be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) how: Net,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Net {
    Up,
    /// Packets vanish.
    Silent,
    /// Nobody listens.
    Refuses,
    /// It does not take our key any more.
    Auth,
    /// It is another host now.
    HostKey,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) platform: (&'static str, &'static str, &'static str),
    pub(crate) packages: Versions,
    /// dpkg was interrupted.
    pub(crate) half: bool,
    /// Something beside the versions differs from before.
    pub(crate) drift: bool,
    /// Since when another machine answers under its name.
    pub(crate) replaced: Option<u64>,
    /// When it was inspected last.
    pub(crate) inspected: Option<u64>,
    /// Its packages when the run began.
    pub(crate) at_start: Versions,
    /// Packages that somebody else has changed since the run began.
    pub(crate) foreign: BTreeSet<String>,
    /// A job of the present run has changed a package here.
    pub(crate) touched: bool,
    pub(crate) claim: Option<String>,
    pub(crate) stashes: BTreeMap<String, Stash>,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) boot: u32,
    /// When it booted last, as far as it did.
    pub(crate) up_since: u64,
    pub(crate) dead_man: Option<DeadMan>,
    /// Its dead man has undone the run's change.
    pub(crate) undid: bool,
    /// The highest epoch that it has seen of the run whose claim it carries.
    pub(crate) epoch: u64,
    /// What was installed wants a boot.
    pub(crate) wants_boot: bool,
    /// The boot in which the last change was made.
    pub(crate) changed_in: u32,
    /// When it was changed, where it is.
    pub(crate) changed_at: Option<u64>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) stale: bool,
    /// The patch made it worse than before.
    pub(crate) sick: bool,
    /// It was taken out of service.
    pub(crate) out: bool,
    /// The command before it went well, and none after it was tried since.
    pub(crate) prepared: bool,
    /// It is in service for certain: nobody has tried to take it out since.
    pub(crate) in_service: bool,
    /// Its packages when its snapshot was taken.
    pub(crate) snapshot: Option<Versions>,
    /// Somebody has tried to put that back.
    pub(crate) restore_tried: bool,
    pub(crate) asked: u32,
    pub(crate) rng: Rng,
}

impl Host {
    /// How the network to it is now.
    pub(crate) fn net(&self, now: u64) -> Net {
        self.outages.iter().find(|o| o.from <= now && now < o.to).map_or(Net::Up, |o| o.how)
    }

    /// When the network to it changes next.
    pub(crate) fn next_cut(&self, now: u64) -> Option<u64> {
        self.outages.iter().map(|o| o.from).filter(|from| *from > now).min()
    }

    /// What the kernel calls this boot.
    pub(crate) fn boot_id(&self) -> String {
        boot_id(self.boot)
    }

    /// Whether a job that is not `beside` runs here.
    pub(crate) fn alive_beside(&self, beside: &str) -> Option<(&String, &Job)> {
        self.jobs.iter().find(|(id, job)| id.as_str() != beside && job.is_running())
    }

    /// Lets everything happen that has happened by now, in its order.
    pub(crate) fn live_until(&mut self, now: u64) {
        loop {
            let due = self.jobs.iter().filter(|(_, job)| job.is_running() && job.ends <= now);
            let first = due.min_by_key(|(_, job)| job.ends).map(|(id, job)| (id.clone(), job.ends));
            let fires = self.fires_at().filter(|at| *at <= now);
            match (first, fires) {
                (None, None) => return,
                (Some((_, ends)), Some(at)) if at < ends => self.fire(at),
                (Some((id, _)), _) => self.finish(&id),
                (None, Some(at)) => self.fire(at),
            }
        }
    }

    fn finish(&mut self, id: &str) {
        let Some(mut job) = self.jobs.remove(id) else { return };
        if let Some(dead_man) = &mut self.dead_man {
            dead_man.counts_from = dead_man.counts_from.max(job.ends);
        }
        let (mut records, code) = match job.step {
            "stash" | "prefetch" => self.stash(&job),
            "apply" => self.apply(&job),
            "settle" => self.verify(&job),
            "rollback" => self.roll_back(&job),
            "reboot" => self.asks_to_boot(&job),
            _ => ("step\tforget\nend\tok\n".to_owned(), 0),
        };
        job.state = match job.turn {
            Turn::Dies => {
                if self.rng.chance(500) {
                    (self.boot, self.up_since) = (self.boot + 1, job.ends);
                }
                let keep = usize::try_from(self.rng.below(records.len() as u64 + 1)).unwrap_or(0);
                let keep = (0..=keep).rev().find(|end| records.is_char_boundary(*end)).unwrap_or(0);
                records.truncate(keep);
                State::Died { records, why: "killed" }
            }
            Turn::Garbage => State::Done { records: records + "\u{1b}[2Jpkg\tnonsense\n", code },
            Turn::Silent => State::Done { records: format!("step\t{}\n", first_step(job.step)), code: 70 },
            _ => State::Done { records, code },
        };
        job.boot = self.boot;
        let (boots, ends) = (job.step == "reboot" && self.boots(&job), job.ends);
        if let (true, true, State::Done { records, .. }) = (boots, self.rng.chance(500), &job.state) {
            job.state = State::Died { records: records.clone(), why: "rebooted" };
        }
        self.jobs.insert(id.to_owned(), job);
        if boots {
            self.goes_down(ends);
        }
    }

    fn stash(&mut self, job: &Job) -> (String, i32) {
        if let Turn::Before(kind) | Turn::Midway(kind) = job.turn {
            return (problem("baseline", kind), 1);
        }
        if job.turn != Turn::Dies && self.stashes.get(&job.stash).is_none_or(|stash| !stash.begun) {
            let stash = Stash { baseline: self.packages.clone(), ops: job.ops.clone(), begun: false };
            self.stashes.insert(job.stash.clone(), stash);
        }
        let mut text = "step\tbaseline\nend\tok\nstep\tstash\n".to_owned();
        for op in job.ops.iter().filter(|op| op.from.is_some()) {
            let (name, from) = (&op.name, op.from.unwrap_or(0));
            let _ = writeln!(text, "old\t{name}\tamd64\t{from}\tstashed\texact\t1000");
        }
        (text + "end\tok\n", 0)
    }

    fn apply(&mut self, job: &Job) -> (String, i32) {
        let here = |packages: &Versions, op: &Op| packages.get(&op.name).copied();
        let Some(stash) = self.stashes.get_mut(&job.stash).filter(|stash| stash.ops == job.ops) else {
            return (problem("apply", "refused") + &self.report(&job.ops), 1);
        };
        let before = match job.turn {
            Turn::Before(kind) => Some(kind),
            _ if job.ops.iter().any(|op| here(&self.packages, op) != op.from) => Some("stale"),
            _ => None,
        };
        if let Some(kind) = before {
            return ("step\tapply\n".to_owned() + &self.report(&job.ops) + &problem_only(kind), 1);
        }
        stash.begun = true;
        self.touched = true;
        let half_way = matches!(job.turn, Turn::Midway(_) | Turn::Dies);
        let count = if half_way { job.ops.len() / 2 } else { job.ops.len() };
        for op in &job.ops[..count] {
            let to = op.to.map(|to| if job.turn == Turn::Wrong { to + 7 } else { to });
            set(&mut self.packages, &op.name, to);
        }
        self.half = half_way;
        self.stale = job.turn == Turn::Stale;
        self.sick |= job.turn == Turn::Sick;
        (self.changed_in, self.changed_at) = (self.boot, Some(job.ends));
        self.wants_boot = job.ops.iter().any(|op| op.name == "libc" || op.to.is_some_and(|to| to % 5 == 0));
        let text = "step\tapply\nphase\tinstalls\n".to_owned() + &self.report(&job.ops);
        match job.turn {
            Turn::Midway(kind) | Turn::Liar(kind) => (text + &problem_only(kind), 1),
            _ => (text + "end\tok\n", 0),
        }
    }

    fn verify(&mut self, job: &Job) -> (String, i32) {
        let mut text = "step\trestart\nend\tok\nstep\tverify\n".to_owned() + &self.report(&job.ops);
        if self.stale {
            text += "service\tstale\tdb.service\texcluded\n";
        }
        if self.wants_boot {
            text += "reboot\tyes\tlibc is older in PID 1\n";
        }
        if job.want_installed {
            for (name, version) in &self.packages {
                let _ = writeln!(text, "installed\t{name}\tamd64\t{version}");
            }
        }
        let wrong = self.half || job.ops.iter().any(|op| self.packages.get(&op.name).copied() != op.to);
        match job.turn {
            Turn::Before(kind) | Turn::Midway(kind) | Turn::Liar(kind) => (text + &problem_only(kind), 1),
            _ if wrong => (text + &problem_only("apply"), 1),
            _ => (text + "end\tok\n", 0),
        }
    }

    fn roll_back(&mut self, job: &Job) -> (String, i32) {
        if let Turn::Before(kind) = job.turn {
            return (problem("rollback", kind), 1);
        }
        let Some(stash) = self.stashes.get_mut(&job.stash) else {
            return ("step\trollback\nend\tok\n".to_owned() + &problem("compare", "rollback"), 1);
        };
        let (ops, baseline) = (stash.ops.clone(), stash.baseline.clone());
        if stash.begun {
            let theirs = |op: &&Op| {
                let now = self.packages.get(&op.name).copied();
                now != op.from && now != op.to && self.foreign.contains(&op.name)
            };
            if let Some(op) = ops.iter().find(theirs) {
                let (name, found) = (&op.name, self.packages.get(&op.name).copied().unwrap_or(0));
                let text = format!("step\trollback\nconflict\t{name}\tamd64\t{}\t{found}\n", op.from.unwrap_or(0));
                return (text + &problem_only("conflict"), 1);
            }
            let half_way = matches!(job.turn, Turn::Midway(_) | Turn::Dies);
            let count = if half_way { ops.len() / 2 } else { ops.len() };
            for op in &ops[..count] {
                set(&mut self.packages, &op.name, baseline.get(&op.name).copied());
            }
            self.half = half_way;
            self.touched = true;
            if let Turn::Midway(kind) = job.turn {
                return ("step\trollback\n".to_owned() + &self.report(&ops) + &problem_only(kind), 1);
            }
            (self.stale, self.wants_boot, self.sick) = (false, false, false);
            self.drift |= job.turn == Turn::Inexact;
            if let Some(stash) = self.stashes.get_mut(&job.stash).filter(|_| !half_way) {
                stash.begun = false;
                self.changed_at = None;
            }
        }
        let mut text = "step\trollback\n".to_owned() + &self.report(&ops) + "end\tok\nstep\tcompare\n";
        if self.drift {
            text += "diff\tconffile\t/etc/x\told\tnew\n";
        }
        for op in ops.iter().filter(|op| self.packages.get(&op.name) != baseline.get(&op.name)) {
            let _ = writeln!(text, "diff\tpackage\t{}\tbefore\tnow", op.name);
        }
        (text + &self.report(&ops) + "end\tok\n", 0)
    }

    /// How it differs from the run's baseline.
    pub(crate) fn compared(&self, run: &str) -> String {
        let Some(stash) = self.stashes.get(run) else { return "diff\tpackage\tall\tbefore\tnow\n".into() };
        let mut text = String::new();
        if self.drift {
            text += "diff\tconffile\t/etc/x\told\tnew\n";
        }
        for op in stash.ops.iter().filter(|op| self.packages.get(&op.name) != stash.baseline.get(&op.name)) {
            let _ = writeln!(text, "diff\tpackage\t{}\tbefore\tnow", op.name);
        }
        text + &self.report(&stash.ops)
    }

    fn report(&self, ops: &[Op]) -> String {
        ops.iter().fold(String::new(), |mut text, op| {
            let version = self.packages.get(&op.name).map(u32::to_string).unwrap_or_default();
            let _ = writeln!(text, "pkg\t{}\tamd64\t{version}", op.name);
            text
        })
    }
}

pub(crate) fn boot_id(boot: u32) -> String {
    format!("{boot:08x}-0000-4000-8000-000000000000")
}

fn set(packages: &mut Versions, name: &str, to: Option<u32>) {
    match to {
        Some(to) => packages.insert(name.to_owned(), to),
        None => packages.remove(name),
    };
}

fn first_step(step: &str) -> &str {
    match step {
        "stash" | "prefetch" => "baseline",
        "settle" => "restart",
        other => other,
    }
}

pub(crate) fn problem_only(kind: &str) -> String {
    format!("problem\t{kind}\tes ging schief – {kind}\tlook there\n")
}

pub(crate) fn problem(step: &str, kind: &str) -> String {
    format!("step\t{step}\n{}", problem_only(kind))
}
