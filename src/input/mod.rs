//! What people write (plans, inventories, host patterns), read into checked types.
//!
//! Every reader keeps the position of what it read and goes on after a mistake, so that one look at the output is
//! enough to mend a file. What comes out of here is [`Settings`](crate::core::settings::Settings): nothing
//! unchecked goes further.

mod amount;
pub(crate) mod approved;
mod assemble;
mod checks;
mod config;
mod direct;
mod error;
mod hooks;
pub mod inventory;
mod keys;
mod nearest;
mod notify;
pub(crate) mod packages;
mod patch;
pub mod patterns;
pub mod plan;
pub mod policy;
mod preapproval;
mod schema;
mod signers;
pub(crate) mod source;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod trusted;
pub(crate) mod window;

pub use assemble::{ConnectAs, Overrides, hosts, inventory_for, settings};
pub use config::Config;
pub use direct::{among, among_both};
pub use error::{InputError, InputErrors};
pub use inventory::Inventory;
pub use plan::{LoadedPlan, load as load_plan};
pub use preapproval::parse as preapproval;
pub use schema::{inventory_schema, plan_schema, policy_schema, preapproval_schema};

/// Whether the text is a glob on names; the error is the rest of a sentence that begins with it.
///
/// # Errors
/// When it is none.
pub fn check_glob(text: &str) -> Result<(), String> {
    patterns::Glob::new(text).map(|_| ())
}
