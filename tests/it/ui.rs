//! What a person sees.

mod samples;
mod show;
mod tables;
