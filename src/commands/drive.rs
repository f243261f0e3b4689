//! What `run`, `resume`, `approve --resume`, `rollback` and `demo` share: drive a run as far as it goes, then print
//! its result.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::preapproval::Brought;
use super::{CommandError, Context, Ended, Front, Reach};
use crate::cli::{Drive, OnGate as Wanted, Output};
use crate::core::document::ResultDocument;
use crate::core::emergency::Declared;
use crate::core::event::{Event, Input};
use crate::core::forecast::Earlier;
use crate::core::ids::{Digest, PlaybookName, StageIx};
use crate::core::notify::secret_variables;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::record::Head;
use crate::core::report::{self, Driven};
use crate::core::rollout::Rollout;
use crate::core::settings::Settings;
use crate::core::site;
use crate::engine::{self, OnGate, Options, Playbooks, Run, World};
use crate::playbook::{self, Playbook};
use crate::ports::Inbox;
use crate::ports::state::{Frozen, Held, Loaded, Texts};
use crate::ui::json::write_json;

/// What the caller of a run wants of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    /// `--yes`, `--approve` and the like.
    pub(super) drive: Drive,
    /// How to reach hosts.
    pub(super) reach: Reach,
    /// What is wanted of the run before it goes on.
    pub(super) first: Option<Input>,
    /// A decision has just been made here: nobody is asked again before the first change.
    pub(super) confirmed: bool,
    /// What somebody signed beforehand.
    pub(super) preapproval: Option<Brought>,
    /// How long hosts took in earlier runs of the plan.
    pub(super) earlier: Vec<Earlier>,
}

/// Whom these playbooks' steps are run for: all built-ins, and the file that a plan names.
pub(super) fn playbooks(
    extra: Option<&std::path::Path>,
) -> Result<(BTreeMap<PlaybookName, Playbook>, Option<PlaybookName>), CommandError> {
    let mut all = BTreeMap::new();
    for name in playbook::BUILT_IN {
        if let Some(loaded) = playbook::built_in(name) {
            let loaded = loaded?;
            all.insert(loaded.name.clone(), loaded);
        }
    }
    let Some(path) = extra else { return Ok((all, None)) };
    let loaded = playbook::from_path(path)?;
    let name = loaded.name.clone();
    if all.contains_key(&name) {
        let message = format!("{}: the name {name} belongs to a built-in playbook", path.display());
        return Err(CommandError::invalid(message, "give it a name of its own"));
    }
    all.insert(name.clone(), loaded);
    Ok((all, Some(name)))
}

/// A new run: its folder is made, and holds everything that is frozen.
pub(super) fn begin(
    context: &Context<'_>,
    runs: &dyn crate::ports::state::Runs,
    settings: Settings,
    playbooks: &BTreeMap<PlaybookName, Playbook>,
    texts: &Texts<'_>,
) -> Result<(Loaded, Held), CommandError> {
    let settings = Arc::new(settings);
    let as_json = |error: serde_json::Error| {
        CommandError::new(crate::core::document::Outcome::Error, Problem::new(ErrorKind::Internal, error.to_string()))
    };
    let frozen = Frozen {
        playbooks: serde_json::to_string(playbooks).map_err(as_json)?.into(),
        settings: Arc::clone(&settings),
    };
    let Held { store, inbox } = runs.create(&frozen, texts)?;
    let files = runs.frozen_files(&settings.run)?;
    let event = Event::RunStarted {
        settings: Digest::of_json(&*settings).map_err(as_json)?,
        frozen: files.into_iter().map(|(name, bytes)| (name, Digest::of(&bytes))).collect(),
        site: Some(runs.site_end()?),
    };
    let mut run = Run { rollout: Rollout::new(settings), head: Head::EMPTY, store, tap: None };
    run.commit(&[event], context.wiring.clock().now())?;
    let (rollout, head, held) = (run.rollout, run.head, Held { store: run.store, inbox });
    Ok((Loaded { frozen, rollout, head, torn: 0, driven: true, opened: BTreeMap::new() }, held))
}

/// Drives a run that we hold, and prints its result.
pub(super) async fn drive(context: &Context<'_>, loaded: Loaded, held: Held, wishes: Wishes) -> Ended {
    let (document, rollout) = drive_quietly(context, loaded, held, wishes).await?;
    context.print(&document, |look| crate::ui::result::of_run(look, &document, &rollout))?;
    Ok(document.exit_code)
}

/// Drives a run that we hold; its result document, and how it stands.
pub(super) async fn drive_quietly(
    context: &Context<'_>,
    loaded: Loaded,
    held: Held,
    wishes: Wishes,
) -> Result<(ResultDocument, Rollout), CommandError> {
    let front = context.wiring.front(wishes.drive.non_interactive);
    let options = options(context, &loaded.rollout, &wishes)?;
    let playbooks = thawed(&loaded.frozen)?;
    let mut run = taken_up(context, loaded, held.store)?;
    run.tap = tap(context);
    let world = world(context, &Arc::clone(run.rollout.settings()), &wishes.reach, front, held.inbox)?;
    let transport = Arc::clone(&world.transport);
    let result = engine::drive(&mut run, world, playbooks, options).await;
    close(&transport, run.rollout.settings()).await;
    let now = context.wiring.clock().now();
    let left = run.leave(now);
    result?;
    left?;
    super::passed::tell(context, &run.rollout);
    Ok((report::document(&run.rollout, run.head.digest, now, Driven::No), run.rollout))
}

/// A run that we hold, ready to be written to: an incomplete last record is cut off first, and that is said.
pub(super) fn taken_up(
    context: &Context<'_>,
    loaded: Loaded,
    store: Box<dyn crate::ports::Store>,
) -> Result<Run, CommandError> {
    let mut run = Run { rollout: loaded.rollout, head: loaded.head, store, tap: None };
    if loaded.torn > 0 {
        run.store.cut(loaded.torn)?;
        run.commit(&[Event::TailCut { bytes: loaded.torn }], context.wiring.clock().now())?;
        context.say(&format!("the journal ended in an incomplete record ({} bytes): it was cut off", loaded.torn));
    }
    Ok(run)
}

/// Asks hosts and changes nothing; the run as it stands then. Nothing is kept.
pub(super) async fn ask_only(
    context: &Context<'_>,
    settings: Settings,
    playbooks: BTreeMap<PlaybookName, Playbook>,
    reach: &Reach,
    refresh: bool,
) -> Result<Rollout, CommandError> {
    let front = context.wiring.front(reach.non_interactive);
    let rollout = Rollout::new(Arc::new(settings));
    let mut run = Run { rollout, head: Head::EMPTY, store: Box::new(Nowhere), tap: None };
    let wishes = Wishes { reach: reach.clone(), ..Wishes::default() };
    let options = Options { ask_only: true, refresh, confirmed: false, ..options(context, &run.rollout, &wishes)? };
    let world = world(context, &Arc::clone(run.rollout.settings()), reach, front, Box::new(NoLetters))?;
    let transport = Arc::clone(&world.transport);
    let result = engine::drive(&mut run, world, Arc::new(playbooks), options).await;
    close(&transport, run.rollout.settings()).await;
    result?;
    Ok(run.rollout)
}

fn world(
    context: &Context<'_>,
    settings: &Settings,
    reach: &Reach,
    front: Front,
    inbox: Box<dyn Inbox>,
) -> Result<World, CommandError> {
    let reach = Reach { hidden: secret_variables(&settings.notify), ..reach.clone() };
    Ok(World {
        transport: context.wiring.transport(&reach, &front),
        signatures: context.wiring.signatures(&front),
        approver: front.approver,
        clock: context.wiring.clock(),
        people: context.wiring.people(),
        notifier: context.wiring.notifier(settings),
        control: context.wiring.control(settings),
        display: front.display,
        inbox,
        signals: context.wiring.signals()?,
    })
}

async fn close(transport: &Arc<dyn crate::ports::Transport>, settings: &Settings) {
    for host in &settings.hosts {
        transport.close(host).await;
    }
}

/// Whether the caller's wishes fit the run, before anything of it exists; the emergency that it would be.
pub(super) fn check(context: &Context<'_>, settings: &Settings, wishes: &Wishes) -> Result<Declared, CommandError> {
    let drive = &wishes.drive;
    if !drive.approve.is_empty() && drive.reason.is_none() {
        return Err(CommandError::invalid("--approve needs a reason", "add --reason TEXT; it goes into the record"));
    }
    let declared = declared(context, settings, wishes)?;
    for given in &drive.approve {
        if given.as_str() != "all" && settings.stage(given).is_none() {
            let names: Vec<&str> = settings.stages.iter().map(|stage| stage.name.as_str()).collect();
            let hint = format!("its stages are {}", names.join(", "));
            return Err(CommandError::invalid(format!("--approve: the plan has no stage {given}"), hint));
        }
    }
    Ok(declared)
}

/// The emergency that the caller declares, where it counts.
fn declared(context: &Context<'_>, settings: &Settings, wishes: &Wishes) -> Result<Declared, CommandError> {
    let drive = &wishes.drive;
    if !drive.emergency {
        return Ok(Declared::default());
    }
    let Some(reason) = drive.reason.clone() else {
        return Err(CommandError::invalid("--emergency needs a reason", "add --reason TEXT; it goes into the record"));
    };
    let now = context.wiring.clock().now();
    let declaration = engine::declaration(settings, &*context.wiring.people(), context.wiring.person(), reason);
    if let Some(why) = declaration.objection(settings, now) {
        let hint = "`patchctl policy test PLAN` shows who may, and what it passes; nothing was begun";
        return Err(CommandError::refused(format!("--emergency: {why}"), hint));
    }
    let several = settings.policy.emergency.as_ref().is_some_and(|rule| rule.quorum > 1);
    if several && context.global.group.is_some() {
        let message =
            "--emergency: several must declare it, and in a team's state folder one could act for all of them";
        return Err(CommandError::refused(message, "use a state folder that is its user's alone, or a quorum of one"));
    }
    Ok(Declared::only(declaration, now))
}

fn options(context: &Context<'_>, rollout: &Rollout, wishes: &Wishes) -> Result<Options, CommandError> {
    let (drive, settings) = (&wishes.drive, rollout.settings());
    check(context, settings, wishes)?;
    let stages = (0..).map(StageIx).zip(&settings.stages);
    let asks = context.wiring.is_interactive() && !drive.non_interactive;
    Ok(Options {
        person: context.wiring.person(),
        version: env!("CARGO_PKG_VERSION").into(),
        confirmed: wishes.confirmed || drive.yes || !asks,
        approve: stages.filter(|(_, stage)| drive.approves(&stage.name)).map(|(ix, _)| ix).collect(),
        reason: drive.reason.clone(),
        preapproval: wishes.preapproval.as_ref().map(|brought| brought.read(context, settings)).transpose()?,
        on_gate: match drive.on_gate() {
            Wanted::Pause => OnGate::Pause,
            Wanted::Reject => OnGate::Reject,
        },
        wait: drive.wait(),
        emergency: drive.reason.clone().filter(|_| drive.emergency),
        first: wishes.first.clone(),
        forks: wishes.reach.contact.forks,
        ask_only: false,
        earlier: wishes.earlier.clone(),
        refresh: true,
        force: false,
    })
}

fn thawed(frozen: &Frozen) -> Result<Playbooks, CommandError> {
    let all = serde_json::from_str(&frozen.playbooks).map_err(|error| {
        let problem = Problem::new(ErrorKind::Internal, format!("the run's playbooks cannot be read: {error}"));
        CommandError::new(crate::core::document::Outcome::Error, problem)
    })?;
    Ok(Arc::new(all))
}

/// For `--output jsonl`: each record goes to standard output once it is on the disk.
fn tap(context: &Context<'_>) -> Option<engine::Tap> {
    if context.global.output() != Output::Jsonl {
        return None;
    }
    Some(Box::new(|line: &str| {
        // A reader that went away does not stop the run.
        let _ = write_json(&mut io::stdout().lock(), line);
    }))
}

/// A journal that nobody reads again.
struct Nowhere;

impl crate::ports::Store for Nowhere {
    fn append(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn put_blob(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        Ok(Digest::of(bytes))
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn seal(&mut self, _: &site::Seal, _: jiff::Timestamp) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody writes to a run that is not kept.
struct NoLetters;

#[async_trait::async_trait]
impl Inbox for NoLetters {
    async fn next(&mut self) -> crate::ports::Letter {
        std::future::pending().await
    }

    fn answer(&mut self, _: &str, _: &crate::ports::Reply) {}
}
