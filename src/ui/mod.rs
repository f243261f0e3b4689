//! What a person sees: tables, the gate's evidence, progress. Text that came from outside is escaped here, and nowhere
//! is anything decided.

pub mod audit;
pub mod control;
pub mod dossier;
pub mod drift;
pub mod evidence;
pub mod input_error;
pub mod json;
pub mod lists;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod result;
pub mod style;

mod changes;
mod grid;
pub mod problems;
mod recovery;
mod text;
