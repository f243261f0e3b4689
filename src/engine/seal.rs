//! How far a run's journal has come, written down outside of it.

use jiff::Timestamp;

use super::{EngineError, Run};
use crate::core::site::{Moment, Seal};

impl Run {
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
