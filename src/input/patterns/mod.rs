//! Ansible's host patterns: which hosts `hosts =` and `--limit` mean.
//!
//! A pattern is a list of terms, separated by `,` or `:`. A term is a host, a group, a glob, `~` and a regular
//! expression, or `@` and a file of patterns; `[0]`, `[-1]` or `[0:2]` behind it takes some of its hosts. The terms
//! without a sign are united, then cut down to those with `&`, then those with `!` are taken away, in whatever order
//! they are written. The hosts come in the order of the inventory.

mod glob;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use regex::Regex;

pub(crate) use self::glob::Glob;
use super::error::InputErrors;
use super::nearest::did_you_mean;
use super::source::{Sink, Source};
use crate::core::ids::HostName;

/// The names that patterns can mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    hosts: Vec<String>,
    index: HashMap<String, usize>,
    /// Each group's hosts, its children's after its own.
    groups: BTreeMap<String, Vec<usize>>,
}

impl Names {
    /// The hosts in their order, and the groups' members as places in it.
    pub(crate) fn new(hosts: Vec<String>, groups: BTreeMap<String, Vec<usize>>) -> Self {
        let index = hosts.iter().enumerate().map(|(ix, host)| (host.clone(), ix)).collect();
        Self { hosts, index, groups }
    }

    fn near(&self, name: &str, sink: &Sink) -> Option<String> {
        if sink.is_full() {
            return None;
        }
        let words = self.groups.keys().chain(&self.hosts);
        did_you_mean(name, words.map(String::as_str))
    }
}

/// A pattern, parsed.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: Source,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    sign: Sign,
    what: What,
    take: Option<Take>,
    span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    And,
    Not,
}

#[derive(Debug)]
enum What {
    Name(String),
    Match(Regex),
    File(Pattern),
}

/// A subscript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// One host, from the end where it is negative.
    One(i64),
    /// From here, up to and with there (none: to the end).
    Range(usize, Option<usize>),
}

impl Pattern {
    /// Parses `text`, which stands at `span` of `source`; files are looked for in `folder`.
    pub(crate) fn parse(source: &Source, span: &Range<usize>, text: &str, folder: &Path) -> Result<Self, InputErrors> {
        parse::pattern(source, span, text, folder, true)
    }

    /// The hosts that the pattern means, as places in the inventory's order. Not an error: that there are none.
    pub(crate) fn select(&self, names: &Names) -> Result<Vec<usize>, InputErrors> {
        let sink = Sink::new(self.source.clone());
        let hosts = self.evaluate(names, &sink);
        sink.finish(Some(hosts.into_iter().collect()))
    }

    /// The same, where what the names do not have means no host.
    pub(crate) fn select_known(&self, names: &Names) -> Vec<usize> {
        self.evaluate(names, &Sink::new(self.source.clone())).into_iter().collect()
    }

    fn evaluate(&self, names: &Names, sink: &Sink) -> BTreeSet<usize> {
        let of = |sign: Sign| self.terms.iter().filter(move |term| term.sign == sign);
        let mut hosts: BTreeSet<usize> = if of(Sign::Plus).next().is_none() {
            (0..names.hosts.len()).collect()
        } else {
            of(Sign::Plus).flat_map(|term| term.hosts(names, sink)).collect()
        };
        for term in of(Sign::And) {
            let these: BTreeSet<usize> = term.hosts(names, sink).into_iter().collect();
            hosts.retain(|host| these.contains(host));
        }
        for term in of(Sign::Not) {
            for host in term.hosts(names, sink) {
                hosts.remove(&host);
            }
        }
        hosts
    }
}

impl Term {
    /// The term's hosts in its own order, its subscript applied; what it names and is not there is reported.
    fn hosts(&self, names: &Names, sink: &Sink) -> Vec<usize> {
        let hosts = match &self.what {
            What::Name(name) => self.named(name, names, sink),
            What::Match(regex) => matching(regex, names),
            What::File(pattern) => match pattern.select(names) {
                Ok(hosts) => hosts,
                Err(errors) => {
                    sink.extend(&errors);
                    Vec::new()
                }
            },
        };
        match self.take {
            None => hosts,
            Some(Take::Range(from, to)) => {
                let count = to.map_or(usize::MAX, |to| to.saturating_add(1).saturating_sub(from));
                hosts.into_iter().skip(from).take(count).collect()
            }
            Some(Take::One(at)) => {
                let from_end = |n: i64| usize::try_from(n.unsigned_abs()).ok().and_then(|n| hosts.len().checked_sub(n));
                let place = if at < 0 { from_end(at) } else { usize::try_from(at).ok() };
                let host = place.and_then(|place| hosts.get(place)).copied();
                if host.is_none() && !hosts.is_empty() {
                    sink.error(&self.span, format!("there is no host [{at}]: it has {} hosts", hosts.len()));
                }
                host.into_iter().collect()
            }
        }
    }

    fn named(&self, name: &str, names: &Names, sink: &Sink) -> Vec<usize> {
        if let Some(host) = names.index.get(name) {
            return vec![*host];
        }
        if let Some(members) = names.groups.get(name) {
            return members.clone();
        }
        if let Err(error) = HostName::new(name) {
            sink.error(&self.span, error.to_string());
            return Vec::new();
        }
        let message = format!("the inventory has no host or group `{name}`");
        match names.near(name, sink) {
            Some(hint) => sink.error_hint(&self.span, message, hint),
            None => sink.error(&self.span, message),
        }
        Vec::new()
    }
}

/// The hosts whose name matches, and those of the groups whose name does.
fn matching(regex: &Regex, names: &Names) -> Vec<usize> {
    let groups = names.groups.iter().filter(|(name, _)| regex.is_match(name)).flat_map(|(_, members)| members.clone());
    let hosts = (0..names.hosts.len()).filter(|ix| regex.is_match(&names.hosts[*ix]));
    groups.chain(hosts).collect::<BTreeSet<usize>>().into_iter().collect()
}
