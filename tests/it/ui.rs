//! What a person sees.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may fail")]

mod progress;
mod prompts;
mod samples;
mod script;
mod show;
mod tables;
mod wizard;
