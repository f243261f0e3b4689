//! Messages on their way, and the other end that takes them, refuses them, answers late or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use patchctl::core::event::Event;
use patchctl::core::notify::{Channel, Delivery, Message, Notify, Topic};
use patchctl::core::record::Record;
use patchctl::core::report::{self, Driven};
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::Settings;
use patchctl::core::view::NoDisplay;
use patchctl::engine::{self, Run};
use patchctl::ports::{Notifier, SendError};
use tokio::time::{Instant, sleep};

use crate::mutation::Mutation;
use crate::rng::Rng;
use crate::world::{Shared, World};

/// A process that leaves may wait so long for its messages, and a little for its disk.
const LONGEST_GOODBYE: u64 = 10_500;

/// The plan's `[[notify]]`.
pub(crate) fn channels(rng: &mut Rng) -> Vec<Notify> {
    let count = rng.below(3);
    let channel = |n: u64| {
        let mut on: Vec<Topic> = Topic::ALL.into_iter().filter(|_| rng.chance(600)).collect();
        if on.is_empty() {
            on.push(Topic::Gate);
        }
        Notify { name: format!("m{n}"), on, to: Channel::Command { run: "true".into() } }
    };
    (0..count).map(channel).collect()
}

/// What the journal says of messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    /// How many must have been queued.
    pub(crate) expected: u32,
    closed: BTreeSet<u32>,
    rests: bool,
}

impl Mail {
    /// Takes a record in. Failures are told by rules of their own, so of them only the least is expected.
    pub(crate) fn read(&mut self, settings: &Settings, event: &Event) {
        let wants = |topic: Topic| settings.notify.iter().filter(|notify| notify.on.contains(&topic)).count();
        let more = match event {
            Event::GateOpened { .. } | Event::Reminded { .. } | Event::ApprovalLapsed { .. } => wants(Topic::Gate),
            Event::UndoStarted { .. } => wants(Topic::Rollback),
            Event::Exceeded { .. } | Event::Unreached { .. } => wants(Topic::Failed),
            Event::Finished => wants(Topic::Finished),
            _ => 0,
        };
        self.expected += u32::try_from(more).unwrap_or(0);
        match event {
            Event::Notified { message, .. } => {
                self.closed.insert(*message);
            }
            Event::Finished | Event::Paused { .. } => self.rests = true,
            Event::Reminded { .. } | Event::TailCut { .. } => {}
            _ => self.rests = false,
        }
    }
}

impl World {
    /// What the journal says of a message must be so.
    pub(crate) fn mail_recorded(&mut self, record: &Record) {
        let now = self.now();
        if let Event::Notified { message, outcome, .. } = &record.event {
            let id = format!("{}-{message}", self.settings.run);
            let delivered = self.delivered.contains(&id);
            let refused = self.refused.contains(&id);
            self.must(*outcome == Delivery::GaveUp || delivered, 16, || format!("{id} is said to be sent, and is not"));
            self.must(*outcome == Delivery::Sent || refused, 16, || format!("{id} was given up too soon"));
        }
        let was_at_rest = self.disk.ledger.mail.rests;
        let settings = Arc::clone(&self.settings);
        self.disk.ledger.mail.read(&settings, &record.event);
        if self.disk.ledger.mail.rests && !was_at_rest {
            self.rested_at = Some(now);
        }
        if !self.disk.ledger.mail.rests {
            self.rested_at = None;
        }
    }

    /// After days without success.
    fn may_be_given_up(&mut self, id: String, message: &Message) {
        if self.wall().duration_since(message.at.0) > SignedDuration::from_hours(48) {
            self.refused.insert(id);
        }
    }

    /// Messages hold up no process, and none of them is lost.
    pub(crate) fn mail_at_the_end(&mut self, rollout: &Rollout) {
        let (now, mail) = (self.now(), self.disk.ledger.mail.clone());
        let waited = self.rested_at.map_or(0, |at| now - at);
        self.must(waited <= LONGEST_GOODBYE, 16, || format!("the process waited {waited} ms for its messages"));
        let open: BTreeSet<u32> = rollout.outbox().map(|queued| queued.number).collect();
        let all: BTreeSet<u32> = (1..=rollout.messages()).collect();
        let known: BTreeSet<u32> = open.union(&mail.closed).copied().collect();
        self.must(known == all, 16, || format!("messages {all:?}, of which open {open:?}, closed {:?}", mail.closed));
        let count = rollout.messages();
        self.must(count >= mail.expected, 16, || format!("{count} messages, where {} were due", mail.expected));
    }
}

/// `resume --due` of a run whose time has not come: messages go out, and nothing else happens.
pub(crate) async fn cron(shared: &Shared, run: &mut Run) {
    if !shared.lock().rng.chance(300) {
        return;
    }
    let (before, at) = (report::outcome(&run.rollout, Driven::No), Instant::now());
    deliver(shared, run).await;
    let after = report::outcome(&run.rollout, Driven::No);
    let mut world = shared.lock();
    world.must(before == after, 16, || format!("sending messages turns {before} into {after}"));
    world.must(at.elapsed().as_millis() <= 10_500, 16, || "sending messages takes too long".into());
}

/// When all is calm, what is left of the messages of a run that is over goes out.
pub(crate) async fn last_post(shared: &Shared, run: &mut Run) {
    let calm = std::mem::replace(&mut shared.lock().calm, true);
    deliver(shared, run).await;
    let mut world = shared.lock();
    world.calm = calm;
    let left = run.rollout.outbox().count();
    world.must(left == 0, 16, || format!("{left} messages are still not sent when all is calm"));
    world.mail_at_the_end(&run.rollout);
}

async fn deliver(shared: &Shared, run: &mut Run) {
    let (notifier, clock) = (Arc::new(shared.clone()), Arc::new(shared.clone()));
    let sent = engine::deliver(run, notifier, clock, Arc::new(NoDisplay)).await;
    let mut world = shared.lock();
    world.must(sent.is_ok(), 16, || format!("messages cannot be sent: {sent:?}"));
    run.rollout.hand_out_again();
}

#[async_trait]
impl Notifier for Shared {
    async fn send(&self, _: &Notify, message: &Message) -> Result<(), SendError> {
        let (pause, fate) = {
            let mut world = self.lock();
            let gone = world.gone;
            world.must(!gone, 16, || "a process sends messages after it could not write".into());
            let rate = world.faults.net;
            let pause = if world.chance(rate) { world.rng.range(1_000, 40_000) } else { world.rng.range(1, 900) };
            let fate = if world.chance(rate * 2) { world.rng.below(5) } else { 9 };
            (pause, fate)
        };
        sleep(Duration::from_millis(pause)).await;
        let mut world = self.lock();
        let id = message.id.clone();
        match fate {
            0 => {
                world.fault("a message is refused");
                world.refused.insert(id);
                Err(SendError::never("400"))
            }
            1 => {
                world.fault("a message arrives and nobody says so");
                world.delivered.insert(id.clone());
                world.may_be_given_up(id, message);
                Err(SendError::soon("reset"))
            }
            2 => {
                world.fault("a message lacks its secret");
                Err(SendError::missing("no variable"))
            }
            3 | 4 => {
                world.fault("a message does not arrive");
                world.may_be_given_up(id, message);
                Err(SendError::soon("503"))
            }
            _ => {
                if !world.has(Mutation::LostMail) {
                    world.delivered.insert(id);
                }
                Ok(())
            }
        }
    }

    fn missing(&self, _: &Notify) -> Option<String> {
        None
    }
}
