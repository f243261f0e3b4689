//! The built binary against real hosts: Debian with systemd, sshd and apt, booted by `tests/lab`.
//!
//! Where the lab cannot run, each test says SKIPPED and why; with `PATCHCTL_LAB=required` in the environment that is a
//! failure. Every test boots its own hosts and throws them away, so tests share nothing and run beside each other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, which is its way to say so")]

mod bench;
mod host;
mod terminal;

mod elsewhere;
mod exact;
mod failure;
mod prompt;
mod update;
