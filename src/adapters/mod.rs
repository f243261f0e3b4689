//! What reaches the world: the state folder, the clock, signals, SSH, prompts.

pub mod clock;
pub mod person;
pub mod prompt;
pub mod signals;
pub mod state;
