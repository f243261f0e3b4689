//! patchctl patches fleets of hosts over SSH and never leaves one in a state that nobody knows or nobody approved.

pub mod core;
pub mod demo;
pub mod ports;
