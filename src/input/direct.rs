//! Patterns over the hosts of a run that exists.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::InputErrors;
use super::patterns::{Names, Pattern};
use super::source::Source;
use crate::core::ids::HostIx;
use crate::core::settings::Host;

/// The places of those of a run's frozen hosts that `--limit` means; none given: all.
///
/// # Errors
/// When the pattern is broken or names what is not there.
pub fn among(hosts: &[Host], limit: Option<&str>) -> Result<Vec<HostIx>, InputErrors> {
    chosen("--limit", hosts, limit)
}

/// The same for a pattern that is an argument of its own, with `--limit` beside it; at least one host.
///
/// # Errors
/// When a pattern is broken or names what is not there, or both together mean no host.
pub fn among_both(hosts: &[Host], pattern: Option<&str>, limit: Option<&str>) -> Result<Vec<HostIx>, InputErrors> {
    let limited = among(hosts, limit)?;
    let mut both = chosen("PATTERN", hosts, pattern)?;
    both.retain(|host| limited.contains(host));
    if both.is_empty() {
        let text = pattern.or(limit).unwrap_or("all");
        return Err(Source::new("PATTERN", text).error(0..text.len(), format!("`{text}` matches no host")).into());
    }
    Ok(both)
}

fn chosen(what: &str, hosts: &[Host], pattern: Option<&str>) -> Result<Vec<HostIx>, InputErrors> {
    let every = || (0..).map(HostIx).take(hosts.len());
    let Some(text) = pattern else { return Ok(every().collect()) };
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, host) in hosts.iter().enumerate() {
        groups.entry("all".into()).or_default().push(place);
        for group in &host.groups {
            groups.entry(group.to_string()).or_default().push(place);
        }
    }
    let names = Names::new(hosts.iter().map(|host| host.name.to_string()).collect(), groups);
    let source = Source::new(what, text);
    let chosen = Pattern::parse(&source, &(0..text.len()), text, Path::new(""))?.select(&names)?;
    Ok(every().filter(|host| chosen.contains(&host.at())).collect())
}
