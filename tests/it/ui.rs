//! What a person sees.

mod samples;
mod script;
mod show;
mod tables;
