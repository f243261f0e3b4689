//! The controller's disk: what is on it survives, everything else is lost with the process.

use std::io;
use std::sync::Arc;

use patchctl::core::event::Event;
use patchctl::core::ids::Digest;
use patchctl::core::record::{Head, Record};
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::Settings;
use patchctl::core::site::Seal;
use patchctl::ports::Store;

use crate::ledger::Ledger;
use crate::mutation::Mutation;
use crate::rng::Rng;
use crate::world::{Blow, Shared, World, state_of};

pub(crate) struct Disk {
    pub(crate) journal: Vec<u8>,
    /// How many of the bytes are whole lines that were read.
    read: usize,
    head: Head,
    /// The fold of what is on the disk, record by record.
    pub(crate) shadow: Rollout,
    pub(crate) ledger: Ledger,
    pub(crate) writes: u64,
    unsynced: Vec<u8>,
    owed_cut: bool,
}

impl Disk {
    pub(crate) fn new(given: Arc<Settings>, meant: Arc<Settings>) -> Self {
        Self {
            journal: Vec::new(),
            read: 0,
            head: Head::EMPTY,
            shadow: Rollout::new(given),
            ledger: Ledger::new(meant),
            writes: 0,
            unsynced: Vec::new(),
            owed_cut: false,
        }
    }

    /// What a process finds that takes the run up: the fold, the head, and how many bytes are torn.
    pub(crate) fn load(&self, given: Arc<Settings>, short: bool) -> Result<(Rollout, Head, u64), String> {
        let whole = self.journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = std::str::from_utf8(&self.journal[..whole]).map_err(|e| e.to_string())?;
        let (mut head, mut rollout) = (Head::EMPTY, Rollout::new(given));
        let skipped = usize::from(short && !text.is_empty());
        for line in text.lines().take(text.lines().count() - skipped) {
            let record = head.read(line).map_err(|e| e.to_string())?;
            rollout.apply(&record.event, record.at).map_err(|e| format!("{e}: {line}"))?;
        }
        rollout.hand_out_again();
        Ok((rollout, head, (self.journal.len() - whole) as u64))
    }

    /// The records that have become whole.
    fn news(&mut self) -> Result<Vec<Record>, String> {
        let mut records = Vec::new();
        while let Some(end) = self.journal[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = self.journal[self.read..self.read + end].to_vec();
            self.read += end + 1;
            let line = String::from_utf8(line).map_err(|e| e.to_string())?;
            let record = self.head.read(&line).map_err(|e| e.to_string())?;
            self.shadow.apply(&record.event, record.at).map_err(|e| format!("{e}: {line}"))?;
            self.ledger.read(&record);
            records.push(record);
        }
        Ok(records)
    }
}

impl World {
    /// Writes, and has everybody look at what came onto the disk.
    fn write(&mut self, bytes: &[u8]) {
        self.disk.journal.extend_from_slice(bytes);
        match self.disk.news() {
            Ok(records) => records.iter().for_each(|record| self.recorded(record)),
            Err(why) => self.violated(format!("invariant 9: the journal does not fold: {why}")),
        }
        let found: Vec<String> = std::mem::take(&mut self.disk.ledger.wrong);
        found.into_iter().for_each(|what| self.violated(what));
    }

    fn recorded(&mut self, record: &Record) {
        self.counters.events += 1;
        self.tell(|| shown(&record.event));
        let owed = std::mem::take(&mut self.disk.owed_cut);
        let told = matches!(record.event, Event::TailCut { .. });
        self.must(!owed || told, 9, || "a torn tail was cut off and nobody recorded it".into());
        let count = self.disk.ledger.count;
        self.must(count < 5_000, 14, || format!("{count} records, and no end"));
        if let Event::Decided { decision, digest, .. } = &record.event {
            let act = self.acts.get(&decision.reason).cloned();
            let real = act.is_some_and(|act| {
                let names_it = act.digest.as_ref().is_none_or(|given| digest.matches(given));
                act.verdict == decision.verdict && act.by == decision.by.name && names_it
            });
            self.must(real, 10, || format!("nobody decided {decision:?}"));
        }
        if let Event::GateOpened { stage, digest, .. } = &record.event {
            self.office(*stage, *digest);
        }
        self.mail_recorded(record);
        let state = state_of(&self.disk.shadow);
        self.counters.states.insert(state);
    }
}

fn shown(event: &Event) -> String {
    let text = serde_json::to_string(event).unwrap_or_default();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The disk as a process has it.
pub(crate) struct DiskPort(pub(crate) Shared);

impl Store for DiskPort {
    fn append(&mut self, lines: &[String]) -> io::Result<()> {
        let mut world = self.0.lock();
        let gone = world.gone;
        world.must(!gone, 9, || "a process writes after it could not".into());
        world.disk.writes += 1;
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let blow = world.blow.filter(|(at, _)| *at <= world.disk.writes).map(|(_, blow)| blow);
        let Some(blow) = blow else {
            let now = if world.has(Mutation::LateSync) {
                std::mem::replace(&mut world.disk.unsynced, text.into_bytes())
            } else {
                text.into_bytes()
            };
            world.write(&now);
            return Ok(());
        };
        world.gone = true;
        world.blow = None;
        world.fault(format!("{blow:?} a write of the journal"));
        let keep = match blow {
            Blow::Before => 0,
            Blow::After => text.len(),
            Blow::Torn | Blow::Full => {
                let most = text.len() as u64 - 1;
                usize::try_from(world.rng.below(most + 1)).unwrap_or(0)
            }
        };
        world.write(&text.as_bytes()[..keep]);
        Err(io::Error::from(if blow == Blow::Full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other }))
    }

    fn put_blob(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        let mut world = self.0.lock();
        let rate = world.faults.disk / 10;
        if world.chance(rate) {
            world.gone = true;
            world.fault("disk full at a blob");
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(Digest::of(bytes))
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let mut world = self.0.lock();
        let keep = world.disk.journal.len().saturating_sub(usize::try_from(bytes).unwrap_or(0));
        let whole = keep == world.disk.read;
        world.must(whole, 9, || "more or less than the torn tail is cut off".into());
        world.disk.journal.truncate(keep);
        world.disk.owed_cut = true;
        Ok(())
    }

    fn seal(&mut self, seal: &Seal, _: jiff::Timestamp) -> io::Result<()> {
        let mut world = self.0.lock();
        // What is written down elsewhere is what the disk has: no record more, and none less.
        let lines = world.disk.journal.iter().filter(|byte| **byte == b'\n').count() as u64;
        let late = world.has(Mutation::LateSync);
        world.must(late || seal.records == lines, 15, || format!("sealed {} records of {lines}", seal.records));
        Ok(())
    }
}

impl Disk {
    pub(crate) fn lose_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// Somebody with time and skill alters a record and makes all that follows fit: the sealed head must tell.
    pub(crate) fn finds_alteration(&self, rng: &mut Rng, given: &Arc<Settings>, sealed: Digest, blind: bool) -> bool {
        let text = String::from_utf8_lossy(&self.journal).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let at = usize::try_from(rng.below(lines.len() as u64)).unwrap_or(0);
        let (mut reader, mut writer) = (Head::EMPTY, Head::EMPTY);
        let mut forged = Vec::new();
        for (ix, line) in lines.iter().enumerate() {
            let Ok(record) = reader.read(line) else { return false };
            if ix == at && rng.chance(300) {
                continue;
            }
            let moved = if ix == at { jiff::SignedDuration::from_millis(1) } else { jiff::SignedDuration::ZERO };
            let Ok(line) = writer.write(record.at + moved, &record.event) else { return false };
            forged.extend_from_slice(line.as_bytes());
            forged.push(b'\n');
        }
        let mut altered = self.journal.clone();
        let place = usize::try_from(rng.below(altered.len() as u64)).unwrap_or(0);
        altered[place] ^= 1 << rng.below(7);
        [forged, altered].iter().all(|bytes| {
            let other = Self { journal: bytes.clone(), ..Self::new(Arc::clone(given), Arc::clone(given)) };
            match other.load(Arc::clone(given), false) {
                Ok((_, head, torn)) => torn > 0 || (!blind && head.digest != sealed),
                Err(_) => true,
            }
        })
    }

    /// Invariant 9: any torn tail is a valid, shorter run.
    pub(crate) fn folds_at_any_length(&self, rng: &mut Rng, given: &Arc<Settings>) -> bool {
        let keep = usize::try_from(rng.below(self.journal.len() as u64 + 1)).unwrap_or(0);
        let other = Self { journal: self.journal[..keep].to_vec(), ..Self::new(Arc::clone(given), Arc::clone(given)) };
        other.load(Arc::clone(given), false).is_ok()
    }
}
