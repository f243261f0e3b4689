//! Sends the messages of the outbox beside the run: nothing waits for them but the end of the process, and that not for
//! long. What is not sent then stays in the journal, and the next process sends it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Driver, EngineError, Run};
use crate::core::event::Input;
use crate::core::ids::Digest;
use crate::core::notify::{Delivery, Message, Notify, Queued};
use crate::core::report;
use crate::core::rollout::{Effect, Refusal};
use crate::core::view::{Display, Level, View};
use crate::ports::{Again, Clock, Notifier, SendError};

/// How long a process that leaves waits for messages that are under way.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between tries; the last one repeats.
const PAUSES: [u64; 6] = [1, 3, 10, 30, 120, 600];
/// The other side may ask for a longer pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// After so long nobody needs the message any more.
const TOO_OLD: Duration = Duration::from_secs(3 * 86_400);

/// The way of messages out of this process.
pub(super) struct Post {
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    display: Arc<dyn Display>,
    tasks: JoinSet<Came>,
    /// When the process will be gone, once it leaves.
    leaving: watch::Sender<Option<Instant>>,
    closed: bool,
}

/// What came of a message.
pub(super) struct Came {
    number: u32,
    channel: String,
    tries: u32,
    /// None: it was taken.
    error: Option<SendError>,
}

impl Post {
    pub(super) fn new(notifier: Arc<dyn Notifier>, clock: Arc<dyn Clock>, display: Arc<dyn Display>) -> Self {
        Self { notifier, clock, display, tasks: JoinSet::new(), leaving: watch::Sender::new(None), closed: false }
    }

    /// Says early what is missing to send anything at all.
    pub(super) fn warn(&self, all: &[Notify]) {
        for notify in all {
            if let Some(missing) = self.notifier.missing(notify) {
                let text = format!("messages to {} cannot be sent from here: {missing}", notify.name);
                self.display.show(&View::Message { level: Level::Warning, text });
            }
        }
    }

    /// Begins to send a message.
    pub(super) fn send(&mut self, run: &Run, queued: &Queued) {
        let rollout = &run.rollout;
        let Some(to) = rollout.settings().notify.get(usize::from(queued.channel)).filter(|_| !self.closed) else {
            return;
        };
        let now = self.clock.now();
        let age = Duration::try_from(now.duration_since(queued.since)).unwrap_or_default();
        let letter = Letter {
            notifier: Arc::clone(&self.notifier),
            clock: Arc::clone(&self.clock),
            to: to.clone(),
            message: report::message(rollout, queued, now),
            number: queued.number,
            too_old: Instant::now() + TOO_OLD.saturating_sub(age),
            leaving: self.leaving.subscribe(),
        };
        self.tasks.spawn(letter.carry());
    }

    /// Waits for the next message with which something came to pass; none: there are none.
    pub(super) async fn next(&mut self) -> Option<Came> {
        loop {
            match self.tasks.join_next().await? {
                Ok(came) => return Some(came),
                // It stays in the outbox.
                Err(_) => continue,
            }
        }
    }

    /// Nothing more is sent by this process.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.tasks.abort_all();
        self.tasks = JoinSet::new();
    }

    /// Whatever is to be sent before the process goes must be sent within this time.
    fn leave(&self) -> Instant {
        let until = Instant::now() + PATIENCE;
        self.leaving.send_replace(Some(until));
        until
    }

    /// The input that tells the run what became of a message; none: it stays in the outbox.
    pub(super) fn heard(&self, came: Came) -> Option<Input> {
        let Came { number, channel, tries, error } = came;
        let (outcome, detail) = match error {
            None => (Delivery::Sent, None),
            Some(SendError { text, again: Again::Never }) => {
                self.say(format!("a message to {channel} could not be delivered: {text}"));
                (Delivery::GaveUp, Some(text))
            }
            Some(SendError { text, .. }) => {
                self.say(format!(
                    "a message to {channel} is not sent yet: {text}; the next `patchctl resume` sends it"
                ));
                return None;
            }
        };
        Some(Input::Notified { message: number, outcome, tries, detail })
    }

    fn say(&self, text: String) {
        self.display.show(&View::Message { level: Level::Warning, text });
    }
}

/// A message on its way.
struct Letter {
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    to: Notify,
    message: Message,
    number: u32,
    too_old: Instant,
    leaving: watch::Receiver<Option<Instant>>,
}

impl Letter {
    /// Tries until it is taken, will never be, or the process leaves before the next try.
    async fn carry(mut self) -> Came {
        let mut tries = 0;
        loop {
            self.message.sent_at = self.clock.now().into();
            let sent = self.notifier.send(&self.to, &self.message).await;
            tries += 1;
            let (number, channel) = (self.number, self.to.name.clone());
            let came = |error| Came { number, channel, tries, error };
            let Err(error) = sent else { return came(None) };
            let Again::After(asked) = error.again else { return came(Some(error)) };
            let next = Instant::now() + pause(&self.message.id, tries, asked);
            if next > self.too_old {
                return came(Some(SendError::never(error.text)));
            }
            if self.is_left_before(next).await {
                return came(Some(error));
            }
        }
    }

    /// Waits for the next try; true: the process will be gone by then.
    async fn is_left_before(&mut self, next: Instant) -> bool {
        let gone = |leaving: &Option<Instant>| leaving.is_some_and(|until| until < next);
        tokio::select! {
            () = tokio::time::sleep_until(next) => false,
            left = self.leaving.wait_for(gone) => { drop(left); true }
        }
    }
}

/// How long to wait before the next try: longer each time, and not for all messages equally. No chance is in it: the same
/// run, played again, waits as long.
fn pause(id: &str, tries: u32, asked: Option<Duration>) -> Duration {
    let at = usize::try_from(tries).unwrap_or(usize::MAX).saturating_sub(1).min(PAUSES.len() - 1);
    let ours = Duration::from_secs(PAUSES[at]);
    let lot = Digest::of(format!("{id} {tries}").as_bytes()).hex();
    let lot = u32::from_str_radix(&lot[..2], 16).unwrap_or(0);
    (ours + ours * lot / 1024).max(asked.unwrap_or_default().min(LONGEST_PAUSE))
}

impl Driver<'_> {
    /// What came of a message goes into the journal.
    pub(super) fn posted(&mut self, came: Came) -> Result<(), EngineError> {
        let Some(input) = self.post.heard(came) else { return Ok(()) };
        let now = self.world.clock.now();
        recorded(self.run, input, now)
    }

    /// Before the process goes: messages that are under way get a little time.
    pub(super) async fn say_goodbye(&mut self) -> Result<(), EngineError> {
        if self.options.ask_only {
            return Ok(());
        }
        while let Some(effect) = self.run.rollout.next_effect() {
            if let Effect::Notify(queued) = effect {
                self.post.send(self.run, &queued);
            }
        }
        let until = self.post.leave();
        loop {
            let came = tokio::select! {
                biased;
                // Whoever stops it once more has waited long enough.
                _ = self.world.signals.next() => None,
                came = self.post.next() => came,
                () = tokio::time::sleep_until(until) => None,
            };
            let Some(came) = came else { break };
            self.posted(came)?;
        }
        self.post.close();
        Ok(())
    }
}

fn recorded(run: &mut Run, input: Input, now: Timestamp) -> Result<(), EngineError> {
    match run.take(input, now) {
        // Somebody has said so before.
        Err(EngineError::Refused(Refusal::OutOfDate)) => Ok(()),
        other => other,
    }
}

/// Sends what is in the outbox of a run that nobody drives, and reminds of gates that have waited for long. Nothing else
/// happens to the run.
///
/// # Errors
/// When the journal cannot be written.
pub async fn deliver(
    run: &mut Run,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    display: Arc<dyn Display>,
) -> Result<(), EngineError> {
    let now = clock.now();
    let reminders = run.rollout.reminders_due(now);
    if !reminders.is_empty() {
        run.commit(&reminders, now)?;
    }
    let mut post = Post::new(notifier, Arc::clone(&clock), display);
    let open: Vec<Queued> = run.rollout.outbox().cloned().collect();
    open.iter().for_each(|queued| post.send(run, queued));
    let until = post.leave();
    while let Ok(Some(came)) = tokio::time::timeout_at(until, post.next()).await {
        if let Some(input) = post.heard(came) {
            recorded(run, input, clock.now())?;
        }
    }
    Ok(())
}
