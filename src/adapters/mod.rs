//! The outside world, port by port.

pub mod prompt;
