//! What went wrong, told once: the same message from many hosts is one entry with their names.

use std::collections::HashMap;
use std::hash::Hash;

use super::style::{Look, Tone};
use super::text;
use crate::core::ids::HostName;
use crate::core::problem::Problem;

/// Items with the same key, in the order in which each key came first.
pub(super) fn group<T, K: Eq + Hash + Clone>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for item in items {
        let key = key(&item);
        let at = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, members)) = groups.get_mut(at) {
            members.push(item);
        }
    }
    groups
}

/// The problems' entries, grouped; empty where there are none.
pub(super) fn draw(look: &Look, problems: &[&Problem]) -> String {
    let mut out = String::new();
    for (mut same, members) in group(problems.iter().copied(), |problem| key(problem, true)) {
        let mut hosts: Vec<&HostName> = members.iter().filter_map(|problem| problem.host.as_ref()).collect();
        hosts.sort();
        hosts.dedup();
        if let ([_], [problem, ..]) = (hosts.as_slice(), members.as_slice()) {
            same = key(problem, false);
        }
        let (kind, said, hint) = same;
        let kind = look.paint(Tone::Bad, kind);
        match hosts.as_slice() {
            [] => out.push_str(&format!("  {} {kind}\n", look.bad())),
            [host] => out.push_str(&format!("  {} {kind} on {host}\n", look.bad())),
            many => {
                let hosts = text::count(many.len(), "host");
                out.push_str(&format!("  {} {kind} on {hosts}\n", look.bad()));
                let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(6)).min(160);
                let names = text::names(many.iter().map(|host| host.as_str()), room);
                out.push_str(&format!("      {}\n", look.paint(Tone::Dim, names)));
            }
        }
        paragraph(&mut out, look, "", &said);
        if let Some(hint) = hint {
            paragraph(&mut out, look, "hint: ", &hint);
        }
    }
    out
}

/// What makes problems the same: all but the host, whose own name in the message does not make a difference where it
/// is `generic`.
fn key(problem: &Problem, generic: bool) -> (&'static str, String, Option<String>) {
    let told = |said: &str| {
        let said = text::one_line(said);
        match &problem.host {
            Some(host) if generic && host.as_str().len() > 3 => said.replace(host.as_str(), "HOST"),
            _ => said,
        }
    };
    let kind = problem.kind.as_str();
    let step = problem.step.as_deref().filter(|step| *step != kind);
    let step = step.map(|step| format!("{}: ", text::one_line(step))).unwrap_or_default();
    (kind, step + &told(&problem.message), problem.hint.as_deref().map(told))
}

/// Text under an entry, wrapped and indented.
fn paragraph(out: &mut String, look: &Look, label: &str, said: &str) {
    let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(6 + label.len()).max(20));
    for (at, line) in text::wrap(said, room).into_iter().enumerate() {
        let label = if at == 0 { look.paint(Tone::Accent, label) } else { " ".repeat(label.len()) };
        out.push_str(&format!("      {label}{line}\n"));
    }
}

/// The problems without repetitions: a host's own is often in the whole's list too.
pub(super) fn distinct<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<&'a Problem> {
    let mut seen = std::collections::HashSet::new();
    let same = |problem: &Problem| (problem.kind, problem.host.clone(), problem.step.clone(), problem.message.clone());
    problems.into_iter().filter(|problem| seen.insert(same(problem))).collect()
}

/// Problems alone: what is shown where there is no run to show.
pub fn errors(look: &Look, problems: &[Problem]) -> String {
    draw(look, &distinct(problems))
}
