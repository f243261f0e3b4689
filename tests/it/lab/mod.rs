//! The built binary against real hosts: Debian with systemd, sshd and apt, booted by `tests/lab`.
//!
//! Where the lab cannot run, each test says SKIPPED and why; with `PATCHCTL_LAB=required` in the environment that is a
//! failure. Every test boots its own hosts and throws them away, so tests share nothing and run beside each other.

mod bench;
mod host;
mod terminal;

mod ahead;
mod approvals;
mod around;
mod audit;
mod boot;
mod checks;
mod control;
mod crash;
mod dead_man;
mod drift;
mod drill;
mod economy;
mod elsewhere;
mod emergency;
mod exact;
mod export;
mod failure;
mod faults;
mod fleet;
mod gates;
mod host_keys;
mod hostile;
mod locks;
mod notify;
mod pins;
mod plans;
mod policy;
mod preapproval;
mod prompt;
mod retry;
mod rights;
mod secrets;
mod select;
mod snapshots;
mod undo;
mod update;
mod windows;
