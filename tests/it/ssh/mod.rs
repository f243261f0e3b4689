//! The SSH adapter against servers in this process that run the real shell, and against hostile ones.

mod connections;
mod dead_man;
mod fixture;
mod hostile;
mod jobs;
mod lab;
mod memory;
mod patience;
mod release;
mod server;
mod steps;
