//! The SSH adapter against servers in this process that run the real shell, and against hostile ones.

mod connections;
mod fixture;
mod hostile;
mod jobs;
mod lab;
mod memory;
mod server;
mod steps;
