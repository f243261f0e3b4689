//! What a person sees.

mod progress;
mod prompts;
mod samples;
mod script;
mod show;
mod tables;
mod wizard;
