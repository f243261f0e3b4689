//! A run with its journal: what happened is on the disk before anything follows from it.

use jiff::Timestamp;

use super::EngineError;
use crate::core::event::{Event, Input};
use crate::core::record::Head;
use crate::core::rollout::Rollout;
use crate::core::site::{Moment, Seal};
use crate::ports::Store;

/// Gets records as they are written.
pub type Tap = Box<dyn FnMut(&str) + Send>;

/// A run with its journal.
pub struct Run {
    /// Its state.
    pub rollout: Rollout,
    /// Its journal's head.
    pub head: Head,
    /// Its folder.
    pub store: Box<dyn Store>,
    /// Gets each record once it is on the disk.
    pub tap: Option<Tap>,
}

impl Run {
    /// Journals events (they are on the disk then) and applies them.
    ///
    /// # Errors
    /// When the journal cannot be written, or an event does not fit.
    pub fn commit(&mut self, events: &[Event], now: Timestamp) -> Result<(), EngineError> {
        if events.is_empty() {
            return Ok(());
        }
        let lines = events.iter().map(|event| self.head.write(now, event)).collect::<Result<Vec<_>, _>>()?;
        self.store.append(&lines).map_err(EngineError::Journal)?;
        if let Some(moment) = Moment::of(events) {
            self.seal(moment, now)?;
        }
        if let Some(tap) = &mut self.tap {
            lines.iter().for_each(|line| tap(line));
        }
        for event in events {
            self.rollout.apply(event, now)?;
        }
        Ok(())
    }

    /// Decides an input and commits what follows at once.
    ///
    /// # Errors
    /// As `commit`; `Refused` when the input is not acceptable, and then nothing has happened.
    pub fn take(&mut self, input: Input, now: Timestamp) -> Result<(), EngineError> {
        let events = self.rollout.decide(input, now)?;
        self.commit(&events, now)
    }

    /// Writes down how far the journal has come at this moment.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub(super) fn seal(&mut self, moment: Moment, now: Timestamp) -> Result<(), EngineError> {
        let settings = self.rollout.settings();
        let seal = Seal::new(&settings.run, &settings.change, moment, self.head);
        self.store.seal(&seal, now).map_err(EngineError::Journal)
    }

    /// The same, for whoever held the run and leaves it now; nothing where nothing came since the last time.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub fn leave(&mut self, now: Timestamp) -> Result<(), EngineError> {
        self.seal(Moment::leaving(&self.rollout), now)
    }
}
