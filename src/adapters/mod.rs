//! What reaches the world: the state folder, the clock, signals, SSH, signatures, prompts, messages. None knows the insides
//! of another.

pub mod clock;
pub mod control;
pub(crate) mod job;
pub mod notify;
pub mod person;
pub mod prompt;
mod secret_command;
pub mod signals;
pub mod signing;
pub mod ssh;
pub mod state;
mod tls;
