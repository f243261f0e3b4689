//! Servers that mean harm, each kind of harm a test: for steps that read and for jobs, what comes of it is a clear error
//! in bounded time and memory, the other hosts are unaffected, and a job that may have begun is never taken for one that
//! did not.
//!
//! Memory, measured with both ends in one process: a host that sends 10 GB costs 7 MiB at most, one that sends as many
//! records as are taken (16 MiB) costs 18; the tests hold 24 ([`memory`]). The program on a fleet of 13 hostile hosts
//! peaks at 63 MiB ([`fleet`]).

mod fleet;
mod floods;
mod garbage;
mod memory;
mod server;
mod silence;
mod wire;
