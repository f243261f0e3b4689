//! What a person sees who takes a run in hand from outside: what cancelling it would take back, and what became of
//! hosts that are given up.

use super::problems;
use super::style::{Look, Tone};
use super::text;
use crate::core::event::Step;
use crate::core::host::Place;
use crate::core::ids::{HostIx, HostName, RunId};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::rollout::Rollout;
use crate::core::stage::Phase;

/// What cancelling the run comes to, host by host.
pub fn cancelling(look: &Look, rollout: &Rollout) -> String {
    let settings = rollout.settings();
    let title = format!("run {}  plan {}  change {}", settings.run, settings.plan, settings.change);
    let mut out = format!("{}\n", look.paint(Tone::Strong, title));
    let all = || settings.stages.iter().flat_map(|stage| &stage.hosts).copied();
    let lots = [
        (Lot::GoesBack, Tone::Warn, "back to what it was"),
        (Lot::Stays, Tone::Good, "approved, and stays patched"),
        (Lot::NotBegun, Tone::Dim, "not begun, and will not be"),
        (Lot::NotKnown, Tone::Bad, "in no known good state, and left as it is"),
    ];
    let mut told = false;
    for (lot, tone, what) in lots {
        let hosts: Vec<&str> = all()
            .filter(|host| lot_of(rollout, *host) == lot)
            .map(|host| settings.hosts[host.at()].name.as_str())
            .collect();
        if hosts.is_empty() {
            continue;
        }
        told |= lot == Lot::GoesBack;
        out.push_str(&format!("  {}: {}\n", text::count(hosts.len(), "host"), look.paint(tone, what)));
        out.push_str(&names(look, hosts.into_iter()));
    }
    if !told {
        out.push_str("  no host is changed and not approved: nothing goes back\n");
    }
    out
}

fn names<'a>(look: &Look, hosts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let room = look.width().map_or(160, |width| width.saturating_sub(6));
    format!("      {}\n", look.paint(Tone::Dim, text::names(hosts, room)))
}

/// What cancelling makes of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lot {
    GoesBack,
    Stays,
    NotBegun,
    NotKnown,
    Nothing,
}

fn lot_of(rollout: &Rollout, host: HostIx) -> Lot {
    let (run, stage) = (rollout.host(host), &rollout.stages()[rollout.stage_of(host).at()]);
    let decided = stage.phase == Phase::Gate && stage.open_gate().is_none();
    match run.place {
        Place::Patched if decided => Lot::Stays,
        Place::Applied | Place::Settled | Place::MustReboot | Place::InEffect | Place::Patched => Lot::GoesBack,
        Place::MustUndo | Place::MustRestore => Lot::GoesBack,
        Place::Stashed if run.step == Some(Step::Apply) => Lot::GoesBack,
        Place::Kept => Lot::Stays,
        Place::Waiting | Place::Ready | Place::Stashed => Lot::NotBegun,
        Place::Lost | Place::NotRestored => Lot::NotKnown,
        Place::Excepted | Place::Current | Place::Refused | Place::Restored => Lot::Nothing,
    }
}

/// Before claims of a run are cleared that nobody here knows.
pub fn clearing<'a>(look: &Look, run: &RunId, hosts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let what = format!("This state folder does not know run {run}.");
    let then = "What that run changed stays as it is, and nobody can take it back once another run begins there.";
    let count = text::count(hosts.len(), "host");
    format!(
        "{}{}  {count}\n{}",
        wrapped(look, Tone::Strong, &what),
        wrapped(look, Tone::Warn, then),
        names(look, hosts)
    )
}

/// A line, its further lines indented.
fn wrapped(look: &Look, tone: Tone, line: &str) -> String {
    let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(2));
    let lines = text::wrap(line, room).into_iter().enumerate();
    lines.map(|(at, line)| format!("{}{}\n", if at == 0 { "" } else { "  " }, look.paint(tone, line))).collect()
}

/// A host that is given up.
#[derive(Debug, Clone)]
pub struct GivenUp {
    /// Which.
    pub host: HostName,
    /// Whether that is in the run's journal.
    pub record: Record,
    /// What became of the run's claim on it.
    pub claim: Claim,
}

/// Whether it is in the run's journal that a host is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Since now.
    Now,
    /// It was before.
    Before,
    /// It is not, since there is nothing to give up.
    Refused(String),
    /// There is no such journal here.
    Nowhere,
}

/// What became of a run's claim on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is gone.
    Cleared,
    /// There was none.
    None,
    /// The host carries another run's; in words, whose.
    OtherRun(String),
    /// Nobody could look, or it could not be cleared.
    Unknown(Problem),
}

impl Claim {
    /// The word in documents.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::None => "none",
            Self::OtherRun(_) => "other_run",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why it is not known.
    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Unknown(problem) = self { Some(problem) } else { None }
    }

    /// Whether the host answered, and carries nothing of the run's.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::None | Self::OtherRun(_))
    }

    /// Whether the host did not answer as itself.
    pub fn is_silent(&self) -> bool {
        let silent = |kind: ErrorKind| kind.is_unreachable() && kind != ErrorKind::Auth || kind == ErrorKind::Timeout;
        self.problem().is_some_and(|why| silent(why.kind))
    }

    /// Whether the host answered, and did not let it go.
    pub fn is_refused(&self) -> bool {
        self.problem().is_some() && !self.is_silent()
    }
}

/// What became of hosts that are given up.
pub fn given_up(look: &Look, hosts: &[GivenUp]) -> String {
    let mut out = String::new();
    for done in hosts {
        let record = match done.record {
            Record::Now => "given up",
            Record::Before => "given up before",
            Record::Refused(_) => "nothing to give up",
            Record::Nowhere => "no record of it here",
        };
        let (tone, claim) = claim(&done.claim);
        out.push_str(&wrapped(look, tone, &format!("{}: {record}; {claim}", done.host)));
    }
    let problems: Vec<&Problem> = hosts.iter().filter_map(|done| done.claim.problem()).collect();
    if !problems.is_empty() {
        out.push_str(&format!("\n{}", problems::draw(look, &problems)));
    }
    out
}

fn claim(claim: &Claim) -> (Tone, String) {
    match claim {
        Claim::Cleared => (Tone::Good, "the run's claim on it is cleared".into()),
        Claim::None => (Tone::Good, "it carries no claim".into()),
        Claim::OtherRun(whose) => {
            (Tone::Warn, format!("it carries the claim of {}, which was left alone", text::one_line(whose)))
        }
        Claim::Unknown(why) if why.kind == ErrorKind::HostKey => {
            (Tone::Warn, "it does not answer as the machine that it was: a new machine carries no claim".into())
        }
        Claim::Unknown(why) if why.kind == ErrorKind::Auth => (
            Tone::Bad,
            "it did not let us in: its claim was not cleared; release it again with a login that it takes".into(),
        ),
        Claim::Unknown(_) if claim.is_silent() => (
            Tone::Warn,
            "it does not answer: nothing to clear if the hardware was replaced; if it comes back, release it again"
                .into(),
        ),
        Claim::Unknown(_) => (Tone::Bad, "its claim was not cleared".into()),
    }
}
