//! Hosts without a plan: for commands that take a pattern.

use std::collections::BTreeMap;
use std::path::Path;

use super::assemble::{Overrides, resolve};
use super::error::InputErrors;
use super::inventory::Inventory;
use super::patterns::{Names, Pattern};
use super::source::Source;
use crate::core::ids::HostIx;
use crate::core::settings::Host;

/// The hosts that a pattern from the command line means, with what the inventory says of them; no pattern: all.
///
/// # Errors
/// When the pattern is broken, names what is not there, or means no host.
pub fn hosts(inventory: &Inventory, pattern: Option<&str>, given: &Overrides) -> Result<Vec<Host>, InputErrors> {
    let chosen = match pattern {
        None => (0..inventory.hosts().len()).collect(),
        Some(text) => {
            let chosen = inventory.chosen("the pattern", text)?;
            if chosen.is_empty() {
                let source = Source::new("the pattern", text);
                return Err(source.error(0..text.len(), format!("`{text}` matches no host")).into());
            }
            chosen
        }
    };
    Ok(chosen.into_iter().filter_map(|ix| inventory.host(ix)).map(|host| resolve(host, given)).collect())
}

/// The places of those of a run's frozen hosts that `--limit` means; none given: all.
///
/// # Errors
/// When the pattern is broken or names what is not there.
pub fn among(hosts: &[Host], limit: Option<&str>) -> Result<Vec<HostIx>, InputErrors> {
    let every = || (0..).map(HostIx).take(hosts.len());
    let Some(text) = limit else { return Ok(every().collect()) };
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, host) in hosts.iter().enumerate() {
        groups.entry("all".into()).or_default().push(place);
        for group in &host.groups {
            groups.entry(group.to_string()).or_default().push(place);
        }
    }
    let names = Names::new(hosts.iter().map(|host| host.name.to_string()).collect(), groups);
    let source = Source::new("--limit", text);
    let chosen = Pattern::parse(&source, &(0..text.len()), text, Path::new(""))?.select(&names)?;
    Ok(every().filter(|host| chosen.contains(&host.at())).collect())
}
