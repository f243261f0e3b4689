//! A plan's checks: what this machine is answered when it asks about a host, and what the answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use patchctl::core::approval::When;
use patchctl::core::check::{Ask, CheckSpec};
use patchctl::core::event::Step;
use patchctl::core::ids::HostIx;
use patchctl::core::settings::{Settings, Stage};
use patchctl::core::template::{Dialect, Template};
use patchctl::ports::control::{LocalCommand, LocalEnd};
use tokio::time::sleep;

use crate::around::Here;
use crate::mutation::Mutation;
use crate::rng::Rng;
use crate::world::World;

/// The exit code of a check that could not tell.
const UNSURE: u8 = 75;

/// What a part of the plans asks about its hosts.
pub(crate) fn checks(plan: &mut Settings, rng: &mut Rng) {
    if !rng.chance(400) {
        return;
    }
    for stage in &mut plan.stages {
        let count = rng.pick(&[0, 1, 1, 2]);
        stage.checks = (0..count).map(|n| check(rng, n)).collect();
    }
}

fn check(rng: &mut Rng, n: u32) -> CheckSpec {
    let when = rng.pick(&[When::Before, When::After, When::After, When::Both, When::Both]);
    let command = Template::parse(&format!("look c{n} {{{{ host.name }}}}"), Dialect::Shell).expect("a command");
    CheckSpec {
        name: format!("c{n}"),
        ask: Ask::Local { command, unsure: vec![UNSURE] },
        when,
        compare: when == When::Both && rng.chance(400),
        within: Duration::from_secs(rng.pick(&[0, 5, 30])),
        timeout: Duration::from_secs(10),
    }
}

/// What a look at a host saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// All is well, and this was the answer.
    Well(String),
    Bad,
    Unsure,
}

/// How one thing about one host is, in one seed.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    /// Bad, or unclear, until it is patched, or until then.
    Before(Found, u64),
    /// Bad, or unclear, from so long after the patch until so long after it.
    After(Found, u64, u64),
    /// Now this, now that.
    Flickers,
    /// Well, but it answers something else when it is patched.
    Differs,
}

#[derive(Debug, Clone, Copy)]
enum Found {
    Bad,
    Unsure,
}

impl Mood {
    fn draw(rng: &mut Rng) -> Self {
        let found = rng.pick(&[Found::Bad, Found::Unsure]);
        let moment = rng.range(2_000, 60_000);
        match rng.below(20) {
            0 => Self::Before(found, u64::MAX),
            1 => Self::Before(found, rng.range(1_000, 600_000)),
            2 | 3 => Self::After(found, 0, u64::MAX),
            4 | 5 => Self::After(found, 0, moment),
            6 => Self::After(found, moment * 10, moment * 60),
            7 => Self::After(found, moment * 10, u64::MAX),
            8 => Self::Flickers,
            9 => Self::Differs,
            _ => Self::Well,
        }
    }

    fn answer(self, rng: &Rng, now: u64, changed_at: Option<u64>) -> Said {
        let since = changed_at.map(|at| now.saturating_sub(at));
        let found = match (self, since) {
            (Self::Before(found, until), None) if now < until => Some(found),
            (Self::After(found, from, to), Some(since)) if (from..to).contains(&since) => Some(found),
            (Self::Flickers, _) => match rng.fork(&format!("at {}", now / 20_000)).below(6) {
                0 => Some(Found::Bad),
                1 => Some(Found::Unsure),
                _ => None,
            },
            _ => None,
        };
        match found {
            Some(Found::Bad) => Said::Bad,
            Some(Found::Unsure) => Said::Unsure,
            None if matches!(self, Self::Differs) && since.is_some() => Said::Well("6 rows".into()),
            None => Said::Well("5 rows".into()),
        }
    }
}

impl Here {
    /// Answers a check. What it draws moves nothing else.
    pub(crate) async fn look(&self, command: &LocalCommand) -> Result<LocalEnd, String> {
        let name = command.text.split(' ').nth(1).unwrap_or_default().to_owned();
        let about = command.env.get("PATCHCTL_1").cloned().unwrap_or_default();
        let (wait, late) = {
            let mut world = self.0.lock();
            world.looks_made += 1;
            let mut rng = world.looks.fork(&format!("{about} {name} for the {}", world.looks_made));
            let late = !world.calm && rng.chance(15);
            (if late { command.timeout } else { Duration::from_millis(rng.range(20, 3_000)) }, late)
        };
        sleep(wait).await;
        let mut world = self.0.lock();
        if world.gone {
            return Err("the process is gone".into());
        }
        let said = world.says(&about, &name, late);
        let code = match world.lied(&about, &said) {
            _ if late && !world.has(Mutation::NoBadLook) => None,
            Said::Well(_) => Some(0),
            Said::Bad => Some(4),
            Said::Unsure => Some(i32::from(UNSURE)),
        };
        let out = if let Said::Well(answer) = said { answer.into_bytes() } else { Vec::new() };
        Ok(LocalEnd { code, late, out, err: Vec::new() })
    }
}

impl World {
    /// The truth about a host, which is written down before anybody is told.
    fn says(&mut self, about: &str, check: &str, late: bool) -> Said {
        let now = self.now();
        let Some(at) = self.hosts.iter().position(|host| host.name == about) else { return Said::Bad };
        self.hosts[at].live_until(now);
        let mood = Mood::draw(&mut self.looks.fork(&format!("{about} {check}")));
        let said = match late {
            true => Said::Bad,
            false => mood.answer(&self.looks.fork(about), now, self.hosts[at].changed_at),
        };
        match &said {
            Said::Well(_) => self.tell(|| format!("  $ look {check} at {about}: {said:?}")),
            _ => self.fault(format!("a look at a host says {said:?}")),
        }
        let host = HostIx(u32::try_from(at).unwrap_or(u32::MAX));
        let known = self.disk.ledger.looks.said(host, check, said.clone());
        self.must(known, 2, || format!("{about} is looked at, and no step of its way is that"));
        said
    }

    /// What the core hears instead of the truth.
    fn lied(&self, about: &str, said: &Said) -> Said {
        let patched = self.hosts.iter().any(|host| host.name == about && host.changed_at.is_some());
        let lies = match said {
            Said::Well(_) => false,
            Said::Bad => self.has(if patched { Mutation::NoBadLook } else { Mutation::NoBadProbe }),
            Said::Unsure => self.has(if patched { Mutation::NoUnsureLook } else { Mutation::NoBadProbe }),
        };
        if lies { Said::Well("5 rows".into()) } else { said.clone() }
    }
}

/// What the looks at a host came to, as they were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Well,
    /// Of this check.
    Bad(String),
    Unsure(String),
    /// Nobody has looked.
    Nothing(String),
}

/// Each host's last look before its patch, and after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looks {
    under_way: BTreeMap<HostIx, BTreeMap<String, Said>>,
    before: BTreeMap<HostIx, BTreeMap<String, Said>>,
    after: BTreeMap<HostIx, BTreeMap<String, Said>>,
}

impl Looks {
    pub(crate) fn started(&mut self, host: HostIx, step: Step) {
        match step {
            Step::Probe | Step::Check => drop(self.under_way.insert(host, BTreeMap::new())),
            // It is asked anew what is to be done: it may be another host by now.
            Step::Resolve => {
                self.before.remove(&host);
                self.after.remove(&host);
            }
            // What was seen before that says nothing of it.
            Step::Apply | Step::Settle | Step::Reboot => drop(self.after.remove(&host)),
            _ => {}
        }
    }

    pub(crate) fn ended(&mut self, host: HostIx, step: Step) {
        let list = match step {
            Step::Probe => &mut self.before,
            Step::Check => &mut self.after,
            _ => return,
        };
        list.extend(self.under_way.remove(&host).map(|look| (host, look)));
    }

    /// Takes an answer in, the last one of each check in a look. Whether there is a look.
    fn said(&mut self, host: HostIx, check: &str, said: Said) -> bool {
        let look = self.under_way.get_mut(&host);
        look.map(|look| look.insert(check.to_owned(), said)).is_some()
    }

    /// The last look before the patch.
    pub(crate) fn before(&self, stage: &Stage, host: HostIx) -> Seen {
        seen(stage.checks.iter().filter(|check| check.is_before()), |check| {
            self.before.get(&host)?.get(&check.name).cloned()
        })
    }

    /// The last look since the host was changed, or booted.
    pub(crate) fn after(&self, stage: &Stage, host: HostIx) -> Seen {
        let earlier = |check: &CheckSpec| self.before.get(&host)?.get(&check.name).cloned();
        seen(stage.checks.iter().filter(|check| check.is_after()), |check| {
            let said = self.after.get(&host)?.get(&check.name).cloned()?;
            Some(match (&said, earlier(check)) {
                (Said::Well(now), Some(Said::Well(was))) if check.compare && *now != was => Said::Bad,
                (Said::Well(_), None | Some(Said::Bad | Said::Unsure)) if check.compare => Said::Unsure,
                _ => said,
            })
        })
    }
}

/// The worst of them.
fn seen<'a>(checks: impl Iterator<Item = &'a CheckSpec>, said: impl Fn(&CheckSpec) -> Option<Said>) -> Seen {
    let mut worst = Seen::Well;
    for check in checks {
        let name = || check.name.clone();
        match said(check) {
            Some(Said::Bad) => return Seen::Bad(name()),
            None => worst = Seen::Nothing(name()),
            Some(Said::Unsure) if worst == Seen::Well => worst = Seen::Unsure(name()),
            _ => {}
        }
    }
    worst
}
