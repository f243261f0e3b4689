//! patchctl patches fleets of hosts over SSH and never leaves one in a state that nobody knows or nobody approved.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod commands;
pub mod core;
pub mod demo;
pub mod engine;
pub mod input;
pub mod playbook;
pub mod ports;
pub mod ui;
