//! What an auditor does with the records of runs: the built binary, on the demo's fleet.

mod access;
mod beforehand;
mod bench;
mod checks;
mod drift;
mod export;
mod forecast;
mod policy;
mod team;
mod verify;
