//! patchctl patches fleets of hosts over SSH and never leaves one in a state that nobody knows or nobody approved.
//!
//! # How the data goes
//!
//! ```text
//! plan.toml, inventory ──input──▶ Settings      validated types; nothing unchecked goes further
//! Settings ──▶ core::rollout::Rollout           pure: no I/O, no clock, no randomness
//!    Input (a host answered, a timer rang, a person decided, a signal) ──decide──▶ Events
//!    Events ──append + fsync──▶ journal ──apply──▶ Rollout ──▶ Effects
//!    Effects ──engine──▶ adapters: ssh, prompt, clock, signals ──▶ Inputs
//! journal ──fold──▶ progress, result table, JSON, report, resume      all the same fold
//! ```
//!
//! The order never changes: something reaches the run, it is decided on, the events are in the journal and on the disk,
//! they are applied, shown, and only then are new effects carried out. What the journal cannot record is not done. So a
//! run that crashed is folded from its journal into the very state that it had, and its next effects are the same; a
//! job that may be in flight is asked about on its host, by its ID, and never blindly run again.
//!
//! On a host, a step that changes something never lives on the SSH connection: it runs there as a job in a folder of
//! its own, and the connection only watches ([`adapters`]`::job`). What a step does is data: a playbook, TOML with POSIX
//! sh, whose records [`playbook`] parses strictly.
//!
//! # The house
//!
//! | module | what it is | names |
//! | --- | --- | --- |
//! | [`core`] | IDs, events, effects, one host's way, stages and waves, gates, pins, the report | nothing of ours |
//! | [`ports`] | the traits through which the engine sees the world | core |
//! | [`playbook`] | loading playbooks, parsing what their steps print | core |
//! | [`input`] | plan, inventory, patterns, packages, and their mistakes with line and column | core |
//! | [`engine`] | the loop that drives a run, and the tasks that carry out its effects | core, ports, playbook |
//! | [`adapters`] | SSH, remote jobs, signatures, the prompt, the state folder, clock, signals | core, ports |
//! | [`demo`] | an embedded fleet of SSH servers | core |
//! | [`ui`] | progress, tables, JSON, how errors look | core, input, playbook |
//! | [`cli`] | arguments, completions, manual pages | core, input |
//! | [`commands`] | one thin file a command | all but adapters, demo and app |
//! | [`app`] | the composition root | everything |
//! | `fuzzing` | what the fuzz targets call; there for tests only | what it tests |
//!
//! A test (`tests/it/architecture.rs`) holds these arrows.
//!
//! # Where to begin
//!
//! [`app::run`] is what `main` calls. For what a run *is*, read [`core::event`], then [`core::rollout`]; for how it is
//! driven, [`engine`]; for what happens on a host, `playbooks/README.md` and then [`adapters`]`::job`.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod commands;
pub mod core;
pub mod demo;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod input;
pub mod playbook;
pub mod ports;
pub mod ui;
