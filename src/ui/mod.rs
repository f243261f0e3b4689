//! What a person sees: tables, the gate's evidence, progress. Text that came from outside is escaped here, and nowhere
//! is anything decided.

pub mod input_error;
