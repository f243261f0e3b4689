//! The pure heart: what a run is, and what follows from what happened. No I/O, no clock, no randomness.

pub mod approval;
mod arrival;
pub mod audit;
pub mod calendar;
pub mod document;
pub mod dossier;
pub mod duration;
pub mod event;
pub mod evidence;
pub mod findings;
pub mod host;
pub mod ids;
pub mod notify;
pub mod packages;
pub mod pins;
pub mod problem;
pub mod record;
pub mod report;
pub mod rollout;
pub mod settings;
pub mod signers;
pub mod site;
pub mod stage;
pub mod statement;
mod step;
pub mod untrusted;
pub mod view;
