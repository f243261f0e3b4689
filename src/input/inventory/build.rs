//! Puts the files together: who is in which group, and what everybody inherits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::native::{Props, RawFile};
use super::{InvGroup, InvHost, Inventory, Members};
use crate::core::ids::{GroupName, HostName, PlaybookName};
use crate::input::error::InputErrors;
use crate::input::nearest::did_you_mean;
use crate::input::patterns::Names;
use crate::input::source::{Sink, Source};
use crate::input::table::At;

#[derive(Default)]
struct Builder {
    hosts: Vec<HostName>,
    host_ix: HashMap<HostName, usize>,
    groups: Vec<InvGroup>,
    group_ix: BTreeMap<String, usize>,
    /// What was said of each, in the order of the files.
    group_props: Vec<Layer>,
    host_props: Vec<Layer>,
    defaults: Layer,
}

/// What several tables say of one thing; the later holds.
#[derive(Debug, Clone, Default)]
struct Layer {
    props: Props,
    playbook: Option<(Source, At<Option<PlaybookName>>)>,
}

impl Layer {
    fn add(&mut self, source: &Source, props: Props) {
        if let Some(playbook) = &props.playbook {
            self.playbook = Some((source.clone(), playbook.clone()));
        }
        self.props.add(props);
    }

    fn over(&mut self, other: &Self) {
        if other.playbook.is_some() {
            self.playbook.clone_from(&other.playbook);
        }
        self.props.add(other.props.clone());
    }
}

impl Props {
    /// Lets the other's values hold over these.
    fn add(&mut self, other: Self) {
        let Self { user, port, address, private_keys, escalate, playbook, password_command, .. } = other;
        self.user = user.or(self.user.take());
        self.port = port.or(self.port);
        self.address = address.or(self.address.take());
        self.private_keys = private_keys.or(self.private_keys.take());
        self.escalate = escalate.or(self.escalate);
        self.playbook = playbook.or(self.playbook.take());
        self.password_command = password_command.or(self.password_command.take());
        self.become_password_command = other.become_password_command.or(self.become_password_command.take());
        self.vars.extend(other.vars);
    }
}

/// Builds the inventory, or reports every mistake of every file.
pub(super) fn build(files: Vec<RawFile>) -> Result<Inventory, InputErrors> {
    let mut builder = Builder::default();
    let mut errors: Option<InputErrors> = None;
    let mut read = Vec::new();
    for file in files {
        builder.name_hosts(&file);
        read.push(file);
    }
    for file in &read {
        builder.name_groups(file);
    }
    for file in read {
        builder.fill(&file);
        if let Err(new) = file.sink.finish(Some(())) {
            errors = Some(match errors {
                Some(old) => old.and(new),
                None => new,
            });
        }
    }
    match errors {
        Some(errors) => Err(errors),
        None => Ok(builder.finish()),
    }
}

impl Builder {
    fn host(&mut self, name: &HostName) -> usize {
        if let Some(ix) = self.host_ix.get(name) {
            return *ix;
        }
        let ix = self.hosts.len();
        self.hosts.push(name.clone());
        self.host_props.push(Layer::default());
        self.host_ix.insert(name.clone(), ix);
        ix
    }

    fn group(&mut self, name: &GroupName) -> usize {
        if let Some(ix) = self.group_ix.get(name.as_str()) {
            return *ix;
        }
        let ix = self.groups.len();
        self.groups.push(InvGroup { name: name.clone(), hosts: Vec::new(), children: Vec::new(), has_parent: false });
        self.group_props.push(Layer::default());
        self.group_ix.insert(name.as_str().to_owned(), ix);
        ix
    }

    /// Gives the hosts their order: that of their first mention.
    fn name_hosts(&mut self, file: &RawFile) {
        let in_groups = file.groups.iter().flat_map(|group| &group.hosts);
        let mut mentions: Vec<&At<HostName>> = in_groups.chain(file.hosts.iter().map(|host| &host.name)).collect();
        mentions.sort_by_key(|mention| mention.span.start);
        for mention in mentions {
            self.host(&mention.value);
        }
    }

    fn name_groups(&mut self, file: &RawFile) {
        let tags = file.hosts.iter().flat_map(|host| &host.tags);
        for name in file.groups.iter().map(|group| &group.name).chain(tags) {
            self.group(&name.value);
            // A pattern could not tell them apart.
            let same = HostName::new(name.value.as_str()).is_ok_and(|host| self.host_ix.contains_key(&host));
            if same {
                file.sink.error(&name.span, format!("`{}` is a host, and cannot be a group or tag too", name.value));
            }
        }
    }

    fn fill(&mut self, file: &RawFile) {
        let source = &file.sink.source;
        self.defaults.add(source, file.defaults.clone());
        for group in &file.groups {
            let ix = self.group(&group.name.value);
            for host in &group.hosts {
                let host = self.host(&host.value);
                self.groups[ix].hosts.push(host);
            }
            for child in &group.children {
                self.add_child(&file.sink, ix, child);
            }
            self.group_props[ix].add(source, group.props.clone());
        }
        for host in &file.hosts {
            let ix = self.host(&host.name.value);
            for tag in &host.tags {
                let group = self.group(&tag.value);
                self.groups[group].hosts.push(ix);
            }
            self.host_props[ix].add(source, host.props.clone());
        }
    }

    fn add_child(&mut self, sink: &Sink, parent: usize, child: &At<String>) {
        let Some(ix) = self.group_ix.get(&child.value).copied() else {
            let message = format!("`children` names the group `{}`, which is not defined", child.value);
            let known = self.group_ix.keys().map(String::as_str);
            match did_you_mean(&child.value, known.filter(|_| !sink.is_full())) {
                Some(hint) => sink.error_hint(&child.span, message, hint),
                None => sink.error(&child.span, message),
            }
            return;
        };
        if let Some(way) = self.way(ix, parent) {
            self.cycle(sink, &child.span, parent, &way);
            return;
        }
        self.groups[ix].has_parent = true;
        if !self.groups[parent].children.contains(&ix) {
            self.groups[parent].children.push(ix);
        }
    }

    fn cycle(&self, sink: &Sink, span: &Range<usize>, parent: usize, way: &[usize]) {
        let names: Vec<&str> = std::iter::once(&parent)
            .chain(way)
            .filter_map(|ix| self.groups.get(*ix))
            .map(|g| g.name.as_str())
            .collect();
        sink.error(span, format!("groups contain each other: {}", names.join(" → ")));
    }

    /// The groups from one down to another, both named.
    fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut next = vec![from];
        while let Some(group) = next.pop() {
            if group == to {
                let mut way = vec![to];
                while let Some(before) = way.last().filter(|last| **last != from).and_then(|last| came_from.get(last)) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            for child in &self.groups[group].children {
                if !came_from.contains_key(child) && *child != from {
                    came_from.insert(*child, group);
                    next.push(*child);
                }
            }
        }
        None
    }

    fn finish(mut self) -> Inventory {
        for group in &mut self.groups {
            let mut seen = BTreeSet::new();
            group.hosts.retain(|host| seen.insert(*host));
        }
        let members: Vec<Vec<usize>> = (0..self.groups.len()).map(|ix| self.members(ix)).collect();
        let depths = self.depths();
        let mut of_host: Vec<Vec<usize>> = vec![Vec::new(); self.hosts.len()];
        for (group, hosts) in members.iter().enumerate() {
            hosts.iter().for_each(|host| of_host[*host].push(group));
        }
        let mut by_name: Members =
            self.groups.iter().zip(members).map(|(group, hosts)| (group.name.as_str().to_owned(), hosts)).collect();
        let loose = (0..self.hosts.len()).filter(|host| of_host[*host].is_empty()).collect();
        by_name.insert("ungrouped".into(), loose);
        by_name.insert("all".into(), (0..self.hosts.len()).collect());
        let hosts = of_host.iter().enumerate().map(|(ix, groups)| self.inherit(ix, groups, &depths)).collect();
        let names = Names::new(self.hosts.iter().map(|host| host.as_str().to_owned()).collect(), by_name);
        Inventory { hosts, groups: self.groups, names }
    }

    /// A group's hosts, then its children's, level by level, each once.
    fn members(&self, group: usize) -> Vec<usize> {
        let mut order = vec![group];
        let mut seen: BTreeSet<usize> = order.iter().copied().collect();
        let mut at = 0;
        while let Some(group) = order.get(at).copied() {
            let children = self.groups[group].children.iter().copied();
            order.extend(children.filter(|child| seen.insert(*child)));
            at += 1;
        }
        let mut seen = BTreeSet::new();
        order.iter().flat_map(|group| &self.groups[*group].hosts).copied().filter(|host| seen.insert(*host)).collect()
    }

    /// Each group's depth: the longest way down to it.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![1; self.groups.len()];
        let mut parents = vec![0_usize; self.groups.len()];
        self.groups.iter().flat_map(|group| &group.children).for_each(|child| parents[*child] += 1);
        let mut ready: Vec<usize> = (0..self.groups.len()).filter(|ix| parents[*ix] == 0).collect();
        while let Some(group) = ready.pop() {
            for child in &self.groups[group].children {
                depths[*child] = depths[*child].max(depths[group] + 1);
                parents[*child] -= 1;
                if parents[*child] == 0 {
                    ready.push(*child);
                }
            }
        }
        depths
    }

    fn inherit(&self, host: usize, groups: &[usize], depths: &[usize]) -> InvHost {
        let mut all = self.defaults.clone();
        let mut ordered = groups.to_vec();
        // Groups stand in the order of the files, so the later of one depth holds.
        ordered.sort_by_key(|group| (depths[*group], *group));
        ordered.iter().for_each(|group| all.over(&self.group_props[*group]));
        all.over(&self.host_props[host]);
        let mut names: Vec<GroupName> = groups.iter().map(|group| self.groups[*group].name.clone()).collect();
        names.extend(groups.is_empty().then(|| GroupName::new("ungrouped").ok()).flatten());
        names.sort();
        InvHost { name: self.hosts[host].clone(), groups: names, props: all.props, playbook: all.playbook }
    }
}
