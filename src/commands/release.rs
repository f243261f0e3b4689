//! `release RUN -l HOST`: a host is given up, and the run's claim on it cleared where it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::{CommandError, Context, Ended, Question, Reach, drive, letter};
use crate::cli::{Contact, ReleaseArgs};
use crate::core::document::Outcome;
use crate::core::event::Input;
use crate::core::ids::{HostIx, HostName, PlaybookName, RunId};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::core::view::{Display, View};
use crate::engine::{EngineError, Run};
use crate::playbook::{Playbook, Rights};
use crate::ports::state::{Runs, StateError};
use crate::ports::{Listener, Privilege, Released, Reply, Transport, Wish};
use crate::ui::control::{Claim, GivenUp, Record};

/// Hosts that are asked at a time.
const AT_A_TIME: usize = 20;

pub(super) async fn release(context: &Context<'_>, args: ReleaseArgs) -> Ended {
    super::resume::keeps_its_change(&args.contact)?;
    let runs = context.runs()?;
    match (runs.find(&args.run), RunId::new(args.run.to_ascii_uppercase())) {
        (Ok(run), _) => known(context, runs.as_ref(), &run, args).await,
        (Err(StateError::NoSuchRun(_) | StateError::NoRuns), Ok(run)) => unknown(context, &run, args).await,
        (Err(error), _) => Err(error.into()),
    }
}

/// A host to be cleared.
struct Target {
    host: Host,
    record: Record,
    /// With whose rights the run worked there; none: that is not known.
    rights: Option<Privilege>,
}

async fn known(context: &Context<'_>, runs: &dyn Runs, run: &RunId, args: ReleaseArgs) -> Ended {
    let settings = runs.frozen(run)?.settings;
    let named = crate::input::among(&settings.hosts, context.global.limit.as_deref())?;
    let mut scribe = Scribe::of(context, runs, run)?;
    let mut records = Vec::new();
    for host in &named {
        records.push(scribe.give_up(context, *host, &settings.hosts[host.at()].name, &args.reason).await?);
    }
    let loaded = runs.load(run)?;
    let rights = rights(&loaded.frozen.playbooks)?;
    let of = |host: &HostIx| {
        let found = loaded.rollout.host(*host).resolution.as_deref();
        found.and_then(|found| rights.get(&found.playbook).copied())
    };
    // Where the run goes on and expects something of a host, that host is not ours to touch.
    let touched = |record: &Record| matches!(scribe, Scribe::Here(_)) || !matches!(record, Record::Refused(_));
    let hosts = named.iter().zip(&records).filter(|(_, record)| touched(record));
    let targets = hosts.map(|(host, record)| Target {
        host: settings.hosts[host.at()].clone(),
        record: record.clone(),
        rights: of(host),
    });
    let given_up = cleared(context, run, targets.collect(), args.contact).await;
    if let Scribe::Here(state) = &mut scribe {
        state.leave(context.wiring.clock().now())?;
    }
    // Held until here: nobody takes the run up while its claims go.
    drop(scribe);
    told(context, run, given_up, records)
}

/// A pattern may name many hosts, of which few have anything to be given up; where none has, that is an error.
fn told(context: &Context<'_>, run: &RunId, mut given_up: Vec<GivenUp>, records: Vec<Record>) -> Ended {
    given_up.retain(|done| !(matches!(done.record, Record::Refused(_)) && done.claim.is_nothing()));
    let why = records.into_iter().find_map(|record| if let Record::Refused(why) = record { Some(why) } else { None });
    match why {
        Some(why) if given_up.is_empty() => {
            Err(CommandError::invalid(why, format!("`patchctl status {run}` shows how its hosts stand")))
        }
        _ => print(context, run, &given_up, |claim| !claim.is_refused()),
    }
}

/// Where it is written down that hosts are given up.
enum Scribe<'a> {
    /// Here: the run is held.
    Here(Box<Run>),
    /// By the process that drives the run.
    There { runs: &'a dyn Runs, run: RunId, by: String },
}

impl<'a> Scribe<'a> {
    fn of(context: &Context<'_>, runs: &'a dyn Runs, run: &RunId) -> Result<Self, CommandError> {
        Ok(match letter::hold(runs, run)? {
            Ok(held) => Self::Here(Box::new(drive::taken_up(context, runs.load(run)?, held.store)?)),
            Err(by) => Self::There { runs, run: run.clone(), by },
        })
    }

    async fn give_up(
        &mut self,
        context: &Context<'_>,
        host: HostIx,
        name: &HostName,
        reason: &str,
    ) -> Result<Record, CommandError> {
        let (by, reason) = (context.wiring.person(), reason.to_owned());
        match self {
            Self::Here(state) if state.rollout.host(host).given_up.is_some() => Ok(Record::Before),
            Self::Here(state) => match state.take(Input::Release { host, by, reason }, context.wiring.clock().now()) {
                Ok(()) => Ok(Record::Now),
                Err(EngineError::Refused(refusal)) => Ok(Record::Refused(refusal.to_string())),
                Err(other) => Err(other.into()),
            },
            Self::There { runs, run, by: driver } => {
                if runs.load(run)?.rollout.host(host).given_up.is_some() {
                    return Ok(Record::Before);
                }
                match runs.send(run, &Wish::Release { host: name.clone(), by, reason }).await? {
                    Some(Reply::Refused(why)) => Ok(Record::Refused(why)),
                    Some(_) => Ok(Record::Now),
                    None => Err(letter::silent(run, driver)),
                }
            }
        }
    }
}

/// With whose rights each of the run's playbooks works.
fn rights(playbooks: &str) -> Result<BTreeMap<PlaybookName, Privilege>, CommandError> {
    let all: BTreeMap<PlaybookName, Playbook> = serde_json::from_str(playbooks)
        .map_err(|error| anyhow::anyhow!("the run's playbooks cannot be read: {error}"))?;
    let rights = all.into_iter().map(|(name, playbook)| match playbook.rights {
        Rights::Root => (name, Privilege::Root),
        Rights::User => (name, Privilege::User),
    });
    Ok(rights.collect())
}

/// The state folder does not know the run: its records are lost, and its claims are all that is left of it.
async fn unknown(context: &Context<'_>, run: &RunId, args: ReleaseArgs) -> Ended {
    let hosts = super::inventory::hosts(context, None, &args.contact)?;
    let asks = context.wiring.is_interactive() && !args.yes;
    if !asks && !args.yes {
        let message = format!("this state folder does not know run {run}; its claims are cleared with --yes only");
        return Err(CommandError::invalid(message, "is it the right one? --state-dir names another"));
    }
    if asks {
        let names = hosts.iter().map(|host| host.name.as_str());
        let about = crate::ui::control::clearing(&context.err_look, run, names);
        let sure = Question::Sure { about, question: "Clear the run's claim there?".into() };
        if context.wiring.question(&context.wiring.front(false), sure).await.is_none() {
            context.say("nothing was cleared");
            return Ok(Outcome::Paused.exit_code());
        }
    }
    let targets = hosts.into_iter().map(|host| Target { host, record: Record::Nowhere, rights: None });
    let given_up = cleared(context, run, targets.collect(), args.contact).await;
    print(context, run, &given_up, |claim| !matches!(claim, Claim::Unknown(_)))
}

/// Clears the run's claims, on some hosts at a time; what came of it, in their order.
async fn cleared(context: &Context<'_>, run: &RunId, targets: Vec<Target>, contact: Contact) -> Vec<GivenUp> {
    let front = context.wiring.front(false);
    let at_a_time = contact.forks.map_or(AT_A_TIME, |forks| forks as usize).max(1);
    let transport = context.wiring.transport(&Reach { contact, ..Reach::default() }, &front);
    let each = futures_util::stream::iter(targets.into_iter().map(|target| {
        let (transport, display) = (Arc::clone(&transport), Arc::clone(&front.display));
        async move {
            let claim = claim_off(transport.as_ref(), run, &target, display).await;
            transport.close(&target.host).await;
            GivenUp { host: target.host.name, record: target.record, claim }
        }
    }));
    let given_up = each.buffered(at_a_time).collect().await;
    front.display.show(&View::RunDone);
    given_up
}

async fn claim_off(transport: &dyn Transport, run: &RunId, target: &Target, display: Arc<dyn Display>) -> Claim {
    let teller = Teller { host: target.host.name.clone(), display };
    // The claim lies in root's folder or the user's, by the playbook.
    let both = [Privilege::Root, Privilege::User];
    let rights = both.into_iter().filter(|rights| target.rights.is_none_or(|known| known == *rights));
    let mut found = Claim::None;
    for rights in rights {
        let claim = match transport.release(&target.host, run, rights, &teller).await {
            Ok(Released::Cleared) => return Claim::Cleared,
            Ok(Released::NoClaim) => Claim::None,
            Ok(Released::OtherRun(of)) => Claim::OtherRun(format!("run {} (by {}, {})", of.run, of.owner, of.since)),
            Err(failure) => Claim::Unknown(failure.problem.on(&target.host.name).during("release")),
        };
        // Nor does it let us in with other rights.
        let silent = claim.is_silent() || claim.problem().is_some_and(|why| why.kind == ErrorKind::Auth);
        if found == Claim::None {
            found = claim;
        }
        if silent {
            break;
        }
    }
    found
}

/// What is worth knowing about the connection.
struct Teller {
    host: HostName,
    display: Arc<dyn Display>,
}

impl Listener for Teller {
    fn line(&self, _: &str) {}

    fn notice(&self, text: &str) {
        self.display.show(&View::Notice { host: self.host.clone(), text: text.to_owned() });
    }
}

/// Ends with 0 where every claim is as it should be, else with 7.
fn print(context: &Context<'_>, run: &RunId, given_up: &[GivenUp], well: impl Fn(&Claim) -> bool) -> Ended {
    let outcome = if given_up.iter().all(|done| well(&done.claim)) { Outcome::Complete } else { Outcome::Refused };
    let hosts = given_up.iter().map(|done| {
        serde_json::json!({
            "host": done.host,
            "recorded": matches!(done.record, Record::Now | Record::Before),
            "claim": done.claim.as_str(),
            "error": done.claim.problem(),
        })
    });
    let errors: Vec<&Problem> = given_up.iter().filter_map(|done| done.claim.problem()).collect();
    let document = serde_json::json!({
        "schema": 1, "run_id": run, "outcome": outcome, "exit_code": outcome.exit_code(),
        "hosts": hosts.collect::<Vec<_>>(), "errors": errors,
    });
    context.print(&document, |look| crate::ui::control::given_up(look, given_up))?;
    Ok(outcome.exit_code())
}
