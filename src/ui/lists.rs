//! Lists: runs, the inventory, and who answered.

use std::time::Duration;

use super::grid::{Cell, Grid};
use super::problems;
use super::result::outcome_tone;
use super::style::{Look, Tone};
use super::text;
use crate::core::document::{DocumentKind, RunLine, RunsDocument};
use crate::core::ids::{GroupName, HostName};
use crate::core::problem::Problem;
use crate::core::settings::{Escalate, Host};

/// The runs, as the document has them.
pub fn runs(look: &Look, document: &RunsDocument) -> String {
    if document.runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let full = runs_grid(look, &document.runs, FULL_ID);
    let table = if look.width().is_none_or(|width| full.width() <= width) {
        full.draw()
    } else {
        runs_grid(look, &document.runs, short_id(&document.runs)).draw()
    };
    let due = document.runs.iter().filter_map(|run| run.review_by.map(|by| (run, by)));
    let due: String = due
        .map(|(run, by)| {
            let id = run.run_id.as_str();
            format!(
                "{id} was an emergency\n  {}\n",
                look.paint(Tone::Warn, format!("to be reviewed by {}", look.time(by.0)))
            )
        })
        .collect();
    match due.is_empty() {
        true => table,
        false => {
            format!("{table}\n{due}  with {}\n", look.paint(Tone::Accent, "patchctl audit review RUN --reason TEXT"))
        }
    }
}

/// A run ID's length.
const FULL_ID: usize = 26;

fn runs_grid(look: &Look, runs: &[RunLine], id: usize) -> Grid {
    let mut grid = Grid::new(look, &["run", "started", "took", "outcome", "change", "plan"]).right(2);
    for run in runs {
        let took = match run.finished_at {
            Some(end) => text::duration(u64::try_from(end.0.duration_since(run.started_at.0).as_millis()).unwrap_or(0)),
            None => look.dash().to_owned(),
        };
        let mut started = look.time(run.started_at.0);
        if id < FULL_ID {
            // The time zone goes first where there is no room.
            started.truncate(started.rfind(' ').unwrap_or(started.len()));
        }
        grid.row(vec![
            Cell::plain(run.run_id.as_str().get(..id).unwrap_or(run.run_id.as_str())),
            Cell::new(Tone::Dim, started),
            Cell::new(Tone::Dim, took),
            Cell::new(outcome_tone(run.outcome), run.outcome.as_str()),
            Cell::plain(run.change_id.as_str()),
            Cell::plain(plan(run)),
        ]);
    }
    grid
}

/// The plan, and what was done with it where that is not to patch.
fn plan(run: &RunLine) -> String {
    match run.kind {
        DocumentKind::Run => run.plan.to_string(),
        DocumentKind::Rollback => format!("{} (rollback)", run.plan),
        DocumentKind::Drill => format!("{} (drill)", run.plan),
    }
}

/// How much of the run IDs names each of these runs alone; at least their time.
fn short_id(runs: &[RunLine]) -> usize {
    let mut ids: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
    ids.sort_unstable();
    let shared = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    ids.windows(2).map(shared).max().map_or(10, |longest| (longest + 1).max(10)).min(FULL_ID)
}

/// The inventory's hosts.
pub fn inventory(look: &Look, hosts: &[&Host]) -> String {
    let mut grid = Grid::new(look, &["host", "address", "user", "become", "playbook", "groups"]);
    for host in hosts {
        let become_root = match host.escalate {
            Escalate::None => look.dash(),
            Escalate::Sudo => "sudo",
        };
        let groups: Vec<&str> = host.groups.iter().map(GroupName::as_str).collect();
        grid.row(vec![
            Cell::plain(host.name.as_str()),
            Cell::plain(text::safe(&address(host))),
            Cell::plain(host.user.as_deref().map_or_else(|| look.dash().to_owned(), text::safe)),
            Cell::plain(become_root),
            Cell::plain(host.playbook.as_ref().map_or("auto", |playbook| playbook.as_str())),
            Cell::new(Tone::Dim, groups.join(" ")),
        ]);
    }
    format!("{}\n{}\n", grid.draw(), text::count(hosts.len(), "host"))
}

/// Address and port, the port only where it is not 22.
fn address(host: &Host) -> String {
    match (host.port, host.address.contains(':')) {
        (22, _) => host.address.clone(),
        (port, true) => format!("[{}]:{port}", host.address),
        (port, false) => format!("{}:{port}", host.address),
    }
}

/// One host's answer to a ping.
#[derive(Debug, Clone)]
pub struct Pinged {
    /// The host.
    pub host: HostName,
    /// What came back.
    pub answer: Result<PingAnswer, Problem>,
}

/// A host that answered.
#[derive(Debug, Clone)]
pub struct PingAnswer {
    /// The user that we are there.
    pub user: String,
    /// The fingerprint of its key.
    pub host_key: String,
    /// From connect to a ready session.
    pub took: Duration,
}

/// Who answered; what the others said, grouped.
pub fn ping(look: &Look, pinged: &[Pinged]) -> String {
    let mut grid = Grid::new(look, &["host", "answer", "user", "time", "host key"]).right(3);
    for one in pinged {
        let name = Cell::plain(one.host.as_str());
        grid.row(match &one.answer {
            Ok(answer) => vec![
                name,
                Cell::new(Tone::Good, "ok"),
                Cell::plain(text::safe(&answer.user)),
                Cell::new(Tone::Dim, text::duration(u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX))),
                Cell::new(Tone::Dim, text::safe(&answer.host_key)),
            ],
            Err(problem) => {
                let none = || Cell::new(Tone::Dim, look.dash());
                vec![name, Cell::new(Tone::Bad, problem.kind.as_str()), none(), none(), none()]
            }
        });
    }
    let problems: Vec<&Problem> = pinged.iter().filter_map(|one| one.answer.as_ref().err()).collect();
    let mut out = format!("{}\n", grid.draw());
    if !problems.is_empty() {
        out.push_str(&format!("{}\n{}\n", look.paint(Tone::Strong, "Problems"), problems::draw(look, &problems)));
    }
    let answered = pinged.len() - problems.len();
    let tone = if problems.is_empty() { Tone::Good } else { Tone::Warn };
    out.push_str(&format!("{} of {} answered\n", look.paint(tone, answered), text::count(pinged.len(), "host")));
    out
}
