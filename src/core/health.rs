//! How a host is, beside its packages: what is compared before and after each patch without anybody asking for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::calendar::is_match;
use super::findings::Check;

/// What becomes of a host that is worse than before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthRule {
    /// It fails.
    Fail,
    /// The evidence says so.
    Report,
    /// Nobody looks. (What runs of an earlier version have frozen.)
    #[default]
    Off,
}

impl HealthRule {
    /// Whether nobody looks.
    pub(super) fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

/// The kinds of things that are compared, as their checks are called.
pub const KINDS: [&str; 6] = ["failed-units", "running", "ports", "mounts", "disk", "time"];

/// A disk that is as full as this is worse than one that is not.
const FULL_PERCENT: u8 = 95;
/// How many names a message has.
const MOST_NAMED: usize = 5;

/// What a look at a host found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Whether units could be looked at: systemd runs there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub units: bool,
    /// Units that have failed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub failed: BTreeSet<String>,
    /// Enabled services that run.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub running: BTreeSet<String>,
    /// Ports on which something listens (`tcp/22`), those below the range from which clients get theirs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<String>,
    /// Mounted file systems, and whether they can be written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<String, bool>,
    /// How full they are, in percent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub full: BTreeMap<String, u8>,
    /// Whether its clock is synchronised; none: it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<bool>,
}

impl Health {
    /// What is worse now than `before`, as checks: one for each kind of thing that was looked at. Of what the globs
    /// match (units, `tcp/8080`, paths of mounts) nothing is worse.
    pub fn compared(&self, before: &Self, ignored: &[String]) -> Vec<Check> {
        let ignores = |name: &str| ignored.iter().any(|glob| is_match(glob, name));
        let keeps = |name: &&String| !ignores(name);
        let mut checks = Vec::new();
        let mut check = |name: &str, worse: Vec<String>, well: String| {
            let detail = if worse.is_empty() { well } else { list(&worse) };
            checks.push(Check { name: name.into(), ok: worse.is_empty(), inconclusive: false, detail, answer: None });
        };
        if before.units && self.units {
            let failed = self.failed.difference(&before.failed).filter(keeps).cloned().collect();
            check("failed-units", failed, format!("{} as before", self.failed.len()));
            let gone = before.running.difference(&self.running).filter(keeps).cloned().collect();
            check("running", gone, format!("{} services as before", before.running.len()));
        }
        let gone = before.ports.difference(&self.ports).filter(keeps).cloned().collect();
        check("ports", gone, format!("{} listening as before", before.ports.len()));
        let mounts = before.mounts.iter().filter(|(path, _)| !ignores(path));
        let lost = mounts.filter_map(|(path, written)| match self.mounts.get(path) {
            None => Some(format!("{path} is not mounted any more")),
            Some(false) if *written => Some(format!("{path} cannot be written any more")),
            Some(_) => None,
        });
        check("mounts", lost.collect(), format!("{} as before", before.mounts.len()));
        let full = self.full.iter().filter(|(path, percent)| {
            let was = before.full.get(*path).copied().unwrap_or(0);
            **percent >= FULL_PERCENT && was < FULL_PERCENT && !ignores(path)
        });
        let full = full.map(|(path, percent)| format!("{path} is {percent} % full"));
        let fullest = self.full.values().max().copied().unwrap_or(0);
        check("disk", full.collect(), format!("at most {fullest} % full"));
        if let (Some(true), Some(now)) = (before.time, self.time) {
            let lost = Vec::from_iter((!now).then(|| "the clock is not synchronised any more".to_owned()));
            check("time", lost, "synchronised as before".into());
        }
        checks
    }
}

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let shown = names[..names.len() - more].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("not as before: {shown}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health {
            units: true,
            failed: ["old.service".to_owned()].into(),
            running: ["nginx.service".to_owned(), "ssh.service".to_owned()].into(),
            ports: ["tcp/22".to_owned(), "tcp/80".to_owned()].into(),
            mounts: [("/".to_owned(), true), ("/srv".to_owned(), true)].into(),
            full: [("/".to_owned(), 40), ("/srv".to_owned(), 97)].into(),
            time: Some(true),
        }
    }

    fn worse(change: impl FnOnce(&mut Health), ignored: &[&str]) -> Vec<String> {
        let mut now = health();
        change(&mut now);
        let ignored: Vec<String> = ignored.iter().map(|glob| (*glob).to_owned()).collect();
        let checks = now.compared(&health(), &ignored);
        checks.into_iter().filter(|check| !check.ok).map(|check| format!("{}: {}", check.name, check.detail)).collect()
    }

    #[test]
    fn only_what_is_worse_than_before_counts() {
        assert_eq!(worse(|_| {}, &[]), [""; 0]);
        let all = health().compared(&health(), &[]);
        assert_eq!(all.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), KINDS);
        let better = |now: &mut Health| {
            now.failed.clear();
            now.ports.insert("tcp/443".into());
            now.running.insert("new.service".into());
            now.full.insert("/srv".into(), 98);
        };
        assert_eq!(worse(better, &[]), [""; 0]);
        let bad = |now: &mut Health| {
            now.failed.insert("nginx.service".into());
            now.running.remove("nginx.service");
            now.ports.remove("tcp/80");
            now.mounts.remove("/srv");
            now.mounts.insert("/".into(), false);
            now.full.insert("/".into(), 95);
            now.time = Some(false);
        };
        assert_eq!(
            worse(bad, &[]),
            [
                "failed-units: not as before: nginx.service",
                "running: not as before: nginx.service",
                "ports: not as before: tcp/80",
                "mounts: not as before: / cannot be written any more, /srv is not mounted any more",
                "disk: not as before: / is 95 % full",
                "time: not as before: the clock is not synchronised any more",
            ]
        );
        assert_eq!(
            worse(bad, &["nginx*", "tcp/*", "/", "/srv"]),
            ["time: not as before: the clock is not synchronised any more"]
        );
    }

    #[test]
    fn what_could_not_be_looked_at_is_no_worse() {
        assert_eq!(worse(|now| (now.units, now.time) = (false, None), &[]), [""; 0]);
    }
}
