//! `drift`: who differs from what the last approved run left. Hosts are asked what is installed, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::{CommandError, Context, Ended, Reach, drive};
use crate::cli::DriftArgs;
use crate::core::drift::{self, Key, Left, Search, Seen};
use crate::core::ids::{PlaybookName, RunId};
use crate::core::notify::secret_variables;
use crate::core::rollout::Rollout;
use crate::core::settings::{Host, Settings};
use crate::core::view::{Display, View};
use crate::engine::{self, Playbooks, StepContext};
use crate::playbook::Playbook;
use crate::ports::Transport;
use crate::ports::state::{Loaded, Runs, StateError};

/// Hosts that are asked at a time, unless `--forks` says otherwise.
const AT_A_TIME: usize = 20;

pub(super) async fn drift(context: &Context<'_>, args: DriftArgs) -> Ended {
    let runs = context.runs()?;
    let newest_first = runs.list()?;
    if newest_first.is_empty() {
        return Err(StateError::NoRuns.into());
    }
    let fleet = fleet(context, runs.as_ref(), &newest_first, &args)?;
    let mut search = Search::new(fleet.iter().map(|host| host.name.clone()));
    let references = references(context, runs.as_ref(), &newest_first, &mut search)?;
    let known: Vec<drift::Known> =
        fleet.iter().map(|host| search.known(&host.name).cloned().unwrap_or_default()).collect();
    let asking = Asking::of(context, args, references, &fleet, &known);
    if context.err_look.is_terminal() && fleet.len() > asking.at_a_time {
        context.say(&format!("asking {} hosts what is installed, {} at a time", fleet.len(), asking.at_a_time));
    }
    let answers = futures_util::stream::iter(fleet.iter().zip(known)).map(|(host, known)| asking.ask(host, known));
    // In the inventory's order, whoever answers first.
    let seen: Vec<Seen> = answers.buffered(asking.at_a_time).collect().await;
    asking.display.show(&View::RunDone);
    let document = drift::compare(seen);
    context.print(&document, |look| crate::ui::drift::drift(look, &document))?;
    Ok(document.exit_code)
}

/// The hosts that are asked for: of the inventory, or where there is none of all runs, as the newest has each.
fn fleet(
    context: &Context<'_>,
    runs: &dyn Runs,
    newest_first: &[RunId],
    args: &DriftArgs,
) -> Result<Vec<Host>, CommandError> {
    let pattern = args.pattern.as_deref();
    if super::inventory::is_there(context) {
        return super::inventory::hosts(context, pattern, &args.contact);
    }
    let (mut hosts, mut names) = (Vec::new(), BTreeSet::new());
    for run in newest_first {
        // What is wrong with a run is said when its journal is read.
        let Ok(frozen) = runs.frozen(run) else { continue };
        hosts.extend(frozen.settings.hosts.iter().filter(|host| names.insert(host.name.clone())).cloned());
    }
    let chosen = crate::input::among_both(&hosts, pattern, context.global.limit.as_deref())?;
    Ok(chosen.into_iter().map(|host| hosts[host.at()].clone()).collect())
}

/// The runs that hosts are held against.
fn references(
    context: &Context<'_>,
    runs: &dyn Runs,
    newest_first: &[RunId],
    search: &mut Search,
) -> Result<BTreeMap<RunId, Loaded>, CommandError> {
    let mut references = BTreeMap::new();
    for run in newest_first {
        if search.is_over() {
            break;
        }
        let loaded = match runs.frozen(run).map(|frozen| search.wants(&frozen.settings)) {
            Ok(false) => continue,
            Ok(true) => runs.load(run),
            Err(error) => Err(error),
        };
        match loaded {
            Ok(loaded) => {
                if search.see(&loaded.rollout) {
                    references.insert(run.clone(), loaded);
                }
            }
            Err(error) => {
                let why = super::with_causes(&error);
                context.say(&format!("run {run} cannot be read, and hosts are held against older ones: {why}"));
            }
        }
    }
    Ok(references)
}

/// What hosts are asked with.
struct Asking {
    transport: Arc<dyn Transport>,
    display: Arc<dyn Display>,
    at_a_time: usize,
    runs: BTreeMap<RunId, Asked>,
}

/// One of the runs: its hosts are asked as it asked them.
struct Asked {
    context: Arc<StepContext>,
    rollout: Rollout,
    wanted: BTreeSet<Key>,
}

impl Asking {
    fn of(
        context: &Context<'_>,
        args: DriftArgs,
        references: BTreeMap<RunId, Loaded>,
        fleet: &[Host],
        known: &[drift::Known],
    ) -> Self {
        let front = context.wiring.front(false);
        let at_a_time = args.contact.forks.map_or(AT_A_TIME, |forks| forks as usize).max(1);
        let hidden = references.values().flat_map(|run| secret_variables(&run.frozen.settings.notify)).collect();
        let reach = Reach { contact: args.contact, hidden, ..Reach::default() };
        let (transport, display) = (context.wiring.transport(&reach, &front), front.display);
        let mut wanted = drift::wanted(known.iter().filter_map(|known| known.left.as_ref()));
        let runs = references.into_iter().map(|(run, loaded)| {
            let lefts = fleet.iter().zip(known).filter_map(|(host, known)| Some((host, known.left.as_ref()?)));
            let settings = settings(&loaded.frozen.settings, lefts.filter(|(_, left)| left.run == run));
            let context = Arc::new(StepContext {
                settings: Arc::new(settings),
                transport: Arc::clone(&transport),
                control: context.wiring.control(&loaded.frozen.settings),
                display: Arc::clone(&display),
                playbooks: playbooks(&loaded),
                owner: context.wiring.person().name,
                refresh: false,
                force: false,
                resolve_tries: 1,
                room: None,
            });
            let wanted = wanted.remove(&run).unwrap_or_default();
            (run, Asked { context, rollout: loaded.rollout, wanted })
        });
        let runs = runs.collect();
        Self { transport, display, at_a_time, runs }
    }

    async fn ask(&self, host: &Host, known: drift::Known) -> Seen {
        let reference = known.left.as_ref().and_then(|left| Some((left, self.runs.get(&left.run)?)));
        let mut answer = None;
        if let Some((left, run)) = reference {
            answer = Some(engine::installed(&run.context, &run.rollout, left.host, &run.wanted).await);
            self.transport.close(host).await;
        }
        Seen { host: host.name.clone(), known, answer }
    }
}

/// The run's settings, with the hosts as the inventory has them now.
fn settings<'a>(frozen: &Settings, lefts: impl Iterator<Item = (&'a Host, &'a Left)>) -> Settings {
    let mut settings = frozen.clone();
    for (host, left) in lefts {
        if let Some(place) = settings.hosts.get_mut(left.host.at()) {
            place.clone_from(host);
        }
    }
    settings
}

/// The run's own playbooks, and the built-in ones as they are now: what only reads needs no older ones.
fn playbooks(loaded: &Loaded) -> Playbooks {
    let mut all: BTreeMap<PlaybookName, Playbook> = serde_json::from_str(&loaded.frozen.playbooks).unwrap_or_default();
    if let Ok((built_in, _)) = drive::playbooks(None) {
        all.extend(built_in);
    }
    Arc::new(all)
}
