//! The ports' implementations: each reaches one part of the world, and none knows the insides of another.

pub(crate) mod job;
pub mod ssh;
