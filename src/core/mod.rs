//! The pure heart: what a run is, and what follows from what happened. No I/O, no clock, no randomness.

pub mod document;
pub mod evidence;
pub mod ids;
pub mod packages;
pub mod problem;
pub mod settings;
pub mod untrusted;
pub mod view;
