//! `drift`

use clap::Args;

use super::args::Contact;

/// `drift`
#[derive(Debug, Clone, Args)]
pub struct DriftArgs {
    /// Which hosts [default: all]
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// The connection.
    #[command(flatten)]
    pub contact: Contact,
}
