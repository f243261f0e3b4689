//! People: at the terminal, in other terminals, at the keyboard's Ctrl-C.

use std::time::Duration;

use async_trait::async_trait;
use patchctl::core::approval::Decision;
use patchctl::core::document::{How, Verdict};
use patchctl::core::evidence::{Beginning, Confirmation, GateAnswer, GateQuestion};
use patchctl::core::ids::{Digest, StageIx, StageName};
use patchctl::ports::{Approver, Inbox, Letter, Reply, Signals, Wish};
use tokio::time::sleep;

use crate::mutation::Mutation;
use crate::plan::{DAY, person};
use crate::world::{Act, Shared, World};

impl World {
    /// Somebody decides, for a reason that names the deed.
    fn act(&mut self, verdict: Verdict, by: &str, digest: Option<String>) -> String {
        let reason = format!("deed {} – gründlich geprüft", self.acts.len());
        self.acts.insert(reason.clone(), Act { verdict, by: by.to_owned(), digest });
        reason
    }

    /// People elsewhere hear that a gate is open.
    pub(crate) fn office(&mut self, stage: StageIx, digest: Digest) {
        let rate = self.faults.people;
        let mut count = u64::from(self.chance(rate));
        count += u64::from(count > 0 && self.chance(400));
        let now = self.now();
        let soon = self.rng.range(1_000, 900_000);
        for _ in 0..count {
            // Two at once, now and then.
            let at = now + if self.chance(500) { soon } else { self.rng.range(1_000, 3_000_000) };
            let letter = self.letter(stage, digest);
            self.letters.push((at, letter));
        }
        if self.chance(self.faults.others) {
            let hosts = self.settings.stages[stage.at()].hosts.clone();
            let host = self.rng.pick(&hosts);
            let at = now + self.rng.range(1_000, 2_000_000);
            self.hosts[host.at()].replaced.get_or_insert(at);
            self.fault("another machine under a host's name");
        }
        self.bell.notify_one();
    }

    /// In calm times everybody decides who can: a gate may need several of them.
    pub(crate) fn patient_office(&mut self) {
        let open = |book: &crate::ledger::StageBook| book.gate.as_ref().is_some_and(|gate| gate.decided.is_none());
        if !self.calm || self.has(Mutation::NoEnd) {
            return;
        }
        let open: Vec<bool> = self.disk.ledger.stages.iter().map(open).collect();
        for (stage, _) in (0..).map(StageIx).zip(open).filter(|(_, open)| *open) {
            for by in ["ann", "bob", "cleo"] {
                let verdict = if self.rng.chance(900) { Verdict::Approved } else { Verdict::Rejected };
                let reason = self.act(verdict, by, None);
                let id = format!("letter-{}", self.acts.len());
                self.letter_reasons.insert(id.clone(), reason.clone());
                let decision = Decision::new(verdict, person(by), reason, How::Command);
                let name = self.settings.stages[stage.at()].name.clone();
                let wish = Wish::Decide { stage: Some(name), digest: None, decision };
                self.letters.push((self.now(), Letter { id, wish }));
            }
        }
    }

    fn letter(&mut self, stage: StageIx, digest: Digest) -> Letter {
        let verdict = if self.rng.chance(650) { Verdict::Approved } else { Verdict::Rejected };
        let digest = match self.rng.below(6) {
            0 => Some("0123456789abcdef".to_owned()),
            1 | 2 => None,
            3 => Some(digest.to_string()),
            _ => Some(digest.hex()[..12].to_owned()),
        };
        let name = self.settings.stages[stage.at()].name.clone();
        let stage = match self.rng.below(6) {
            0 => StageName::new("elsewhere").ok(),
            1 | 2 => None,
            _ => Some(name),
        };
        let by = self.rng.pick(&["ann", "bob", "cleo"]);
        let mut reason = self.act(verdict, by, digest.clone());
        if self.rng.chance(50) {
            reason = "  ".into();
        }
        let id = format!("letter-{}", self.acts.len());
        self.letter_reasons.insert(id.clone(), reason.clone());
        let decision = Decision::new(verdict, person(by), reason, How::Command);
        Letter { id, wish: Wish::Decide { stage, digest, decision } }
    }

    /// Somebody wants the whole run to stop, or to go back.
    pub(crate) fn order(&mut self) -> Letter {
        let id = format!("order-{}", self.acts.len());
        let by = person(self.rng.pick(&["ann", "bob"]));
        let wish = if self.rng.chance(500) {
            Wish::Pause { by }
        } else {
            let reason = self.act(Verdict::Rejected, &by.name, None);
            Wish::Cancel { by, reason }
        };
        Letter { id, wish }
    }

    fn next_letter(&mut self) -> Result<Letter, Option<u64>> {
        let now = self.now();
        let first = self.letters.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(ix, (at, _))| (ix, *at));
        match first {
            Some((ix, at)) if at <= now => Ok(self.letters.remove(ix).1),
            other => Err(other.map(|(_, at)| at - now)),
        }
    }

    /// What became of a letter must be what the journal says.
    pub(crate) fn replied(&mut self, id: &str, reply: &Reply) {
        let Some(reason) = self.letter_reasons.get(id).cloned() else { return };
        self.tell(|| format!("  @ {id}: {reply:?}"));
        let last = self.disk.ledger.decisions.iter().rev().find(|(_, decision)| decision.reason == reason);
        let stage = last.map(|(ix, _)| self.settings.stages[ix.at()].name.clone());
        let right = match reply {
            Reply::Recorded { stage: told } => stage.as_ref() == Some(told),
            Reply::Refused(_) => stage.is_none(),
            Reply::Done => false,
        };
        self.must(right, 10, || format!("{id} is told {reply:?}, and the journal says {stage:?}"));
    }

    /// What the person at the terminal does at this question, and after how long.
    fn answer_at_gate(&mut self, gate: &GateQuestion) -> (Option<GateAnswer>, u64) {
        self.counters.questions += 1;
        let question = format!("{} {}", gate.digest, self.counters.sessions);
        let asked = self.questions.entry(question.clone()).or_default();
        *asked += 1;
        // Whoever is asked the same again is not always as slow: the approval would grow old each time.
        let again = if *asked > 1 { format!(" for the {asked}") } else { String::new() };
        let mut rng = self.rng.fork(&(question + &again));
        if self.has(Mutation::NoEnd) {
            return (Some(GateAnswer::Wait), 1_000);
        }
        if self.calm {
            let yes = rng.chance(700);
            let reason = self.act(if yes { Verdict::Approved } else { Verdict::Rejected }, "ops", None);
            let answer = if yes { GateAnswer::Approve { reason } } else { GateAnswer::Reject { reason } };
            return (Some(answer), rng.range(1_000, 60_000));
        }
        let wait = match rng.below(10) {
            0 => rng.range(DAY, 9 * DAY),
            1 | 2 => rng.range(600_000, 9_000_000),
            _ => rng.range(1_000, 600_000),
        };
        let answer = match rng.below(20) {
            0..=9 => Some(GateAnswer::Approve { reason: self.act(Verdict::Approved, "ops", None) }),
            10..=13 => Some(GateAnswer::Reject { reason: self.act(Verdict::Rejected, "ops", None) }),
            14 | 15 => Some(GateAnswer::Wait),
            16 | 17 => Some(GateAnswer::Unavailable),
            _ => None,
        };
        (answer, wait)
    }
}

#[async_trait]
impl Approver for Shared {
    async fn ask(&self, gate: &GateQuestion) -> GateAnswer {
        let (answer, wait) = {
            let mut world = self.lock();
            let gone = world.gone;
            world.must(!gone, 2, || "a person is asked after the journal failed".into());
            world.evidence(gate);
            let (answer, wait) = world.answer_at_gate(gate);
            world.tell(|| format!("  ? gate of {}: {answer:?} after {wait} ms", gate.stage));
            if answer.is_none() {
                // Nobody answers; in the end somebody presses Ctrl-C.
                let at = world.now() + 7_200_000;
                world.signals.push((at, "SIGINT"));
                world.bell.notify_one();
                world.counters.fault("nobody answers the prompt");
            }
            (answer, wait)
        };
        let Some(answer) = answer else { return std::future::pending().await };
        sleep(Duration::from_millis(if answer == GateAnswer::Unavailable { 0 } else { wait })).await;
        match answer {
            GateAnswer::Reject { reason } if self.lock().has(Mutation::Forge) => GateAnswer::Approve { reason },
            other => other,
        }
    }

    async fn sure(&self, _: &GateQuestion, _: Verdict) -> Confirmation {
        Confirmation::Unavailable
    }

    async fn begin(&self, _: &Beginning) -> Confirmation {
        let (answer, wait) = {
            let mut world = self.lock();
            let wait = world.rng.range(500, 60_000);
            let answer = world.rng.pick(&[
                Confirmation::Yes,
                Confirmation::Yes,
                Confirmation::Yes,
                Confirmation::No,
                Confirmation::Later,
                Confirmation::Unavailable,
            ]);
            world.tell(|| format!("  ? begin: {answer:?}"));
            (answer, wait)
        };
        sleep(Duration::from_millis(wait)).await;
        answer
    }
}

/// Letters, as the process gets them.
pub(crate) struct Post(pub(crate) Shared);

#[async_trait]
impl Inbox for Post {
    async fn next(&mut self) -> Letter {
        loop {
            let (next, bell) = {
                let mut world = self.0.lock();
                (world.next_letter(), world.bell.clone())
            };
            match next {
                Ok(letter) => {
                    self.0.lock().tell(|| format!("  @ {letter:?}"));
                    return letter;
                }
                Err(wait) => {
                    let wait = Duration::from_millis(wait.unwrap_or(10 * DAY));
                    let _ = tokio::time::timeout(wait, bell.notified()).await;
                }
            }
        }
    }

    fn answer(&mut self, id: &str, reply: &Reply) {
        self.0.lock().replied(id, reply);
    }
}

/// Signals, as the process gets them.
pub(crate) struct Keyboard(pub(crate) Shared);

#[async_trait]
impl Signals for Keyboard {
    async fn next(&mut self) -> &'static str {
        loop {
            let wait = {
                let mut world = self.0.lock();
                let now = world.now();
                let first = world.signals.iter().enumerate().min_by_key(|(_, (at, _))| *at);
                match first.map(|(ix, (at, _))| (ix, *at)) {
                    Some((ix, at)) if at <= now => {
                        let (_, signal) = world.signals.remove(ix);
                        world.fault(signal);
                        return signal;
                    }
                    Some((_, at)) => at - now,
                    None => 60_000,
                }
            };
            // Short, since a signal may be planned while we wait.
            sleep(Duration::from_millis(wait.min(60_000))).await;
        }
    }
}
