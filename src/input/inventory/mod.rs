//! The inventory: hosts, groups, and what each host inherits.
//!
//! What a host says holds over what its groups say, a deeper group holds over a shallower one (a child over its
//! parent), and everything holds over `[defaults]`. Between groups of the same depth, and between files, the later
//! one holds. Tags are groups. The hosts' order is that of their first mention.

mod build;
mod keys;
mod list;
mod native;
mod range;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use self::native::{Props, RawFile};
use super::error::{InputError, InputErrors};
use super::patterns::{Names, Pattern};
use super::source::{Sink, Source};
use super::table::At;
use crate::core::ids::{GroupName, HostName, PlaybookName};

pub(crate) use self::keys::INVENTORY;
pub(crate) use self::native::user_name;

/// One inventory, from one file or several.
#[derive(Debug, Clone)]
pub struct Inventory {
    hosts: Vec<InvHost>,
    groups: Vec<InvGroup>,
    names: Names,
}

/// A host with all that it inherits.
#[derive(Debug, Clone)]
pub(crate) struct InvHost {
    pub(crate) name: HostName,
    /// Its groups and theirs, `all` left out, sorted.
    pub(crate) groups: Vec<GroupName>,
    pub(crate) props: Props,
    /// Where its playbook is named.
    pub(crate) playbook: Option<(Source, At<Option<PlaybookName>>)>,
}

/// A group as it is written.
#[derive(Debug, Clone)]
struct InvGroup {
    name: GroupName,
    hosts: Vec<usize>,
    children: Vec<usize>,
    has_parent: bool,
}

impl Inventory {
    /// The names of groups and tags.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = &str> {
        let tags = self.hosts.iter().flat_map(|host| &host.groups).map(GroupName::as_str);
        self.groups.iter().map(|group| group.name.as_str()).chain(tags)
    }

    /// Reads what `-i` names: files, or `host1,host2,` lists; several are put together.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load<P: AsRef<Path>>(given: &[P]) -> Result<Self, InputErrors> {
        let mut files = Vec::new();
        let mut errors: Option<InputErrors> = None;
        for path in given {
            match read_one(path.as_ref()) {
                Ok(file) => files.push(file),
                Err(new) => {
                    errors = Some(match errors {
                        Some(old) => old.and(new),
                        None => new,
                    });
                }
            }
        }
        let built = build::build(files);
        match (errors, built) {
            (None, built) => built,
            (Some(errors), Ok(_)) => Err(errors),
            (Some(errors), Err(more)) => Err(errors.and(more)),
        }
    }

    /// Reads an inventory from its text; `path` is its name in messages, and where its paths begin.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputErrors> {
        let source = Source::new(path.display().to_string(), text);
        build::build(vec![native::read(Sink::new(source), path)])
    }

    /// The hosts' names, in order.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &HostName> {
        self.hosts.iter().map(|host| &host.name)
    }

    /// The hosts that a pattern from the command line means; none: all of them. `what` names the argument.
    ///
    /// # Errors
    /// When the pattern is broken, names what is not there, or means no host.
    pub fn select(&self, what: &str, pattern: Option<&str>) -> Result<Vec<&HostName>, InputErrors> {
        let Some(text) = pattern else { return Ok(self.hosts().collect()) };
        let chosen = self.chosen(what, text)?;
        if chosen.is_empty() {
            let source = Source::new(what, text);
            return Err(source.error(0..text.len(), format!("`{text}` matches no host")).into());
        }
        Ok(chosen.into_iter().filter_map(|ix| self.hosts.get(ix)).map(|host| &host.name).collect())
    }

    /// The hosts that an argument's pattern means, as places in the order.
    pub(crate) fn chosen(&self, what: &str, text: &str) -> Result<Vec<usize>, InputErrors> {
        let source = Source::new(what, text);
        self.pattern(&source, &(0..text.len()), text, Path::new(""))
    }

    /// The hosts that a pattern at a place in a text means.
    pub(crate) fn pattern(
        &self,
        source: &Source,
        span: &Range<usize>,
        text: &str,
        folder: &Path,
    ) -> Result<Vec<usize>, InputErrors> {
        Pattern::parse(source, span, text, folder)?.select(&self.names)
    }

    /// The same for a pattern that is for many inventories: what this one does not have means no host.
    pub(crate) fn known(
        &self,
        source: &Source,
        span: &Range<usize>,
        text: &str,
        folder: &Path,
    ) -> Result<Vec<usize>, InputErrors> {
        Ok(Pattern::parse(source, span, text, folder)?.select_known(&self.names))
    }

    pub(crate) fn host(&self, ix: usize) -> Option<&InvHost> {
        self.hosts.get(ix)
    }
}

/// Reads one `-i`.
fn read_one(path: &Path) -> Result<RawFile, InputErrors> {
    let shown = path.display().to_string();
    let fail = |message: &str, hint: &str| Err(InputErrors::from(InputError::whole(shown.clone(), message).hint(hint)));
    if shown.contains(',') && !path.exists() {
        return Ok(from_list(&shown));
    }
    let toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    if let Ok(file) = std::fs::metadata(path) {
        if file.is_dir() {
            return fail("a folder as inventory is not built yet in this version", "name its files, each with -i");
        }
        if !toml && is_program(&file) {
            let hint = "write its hosts into a TOML file, or clear the file's executable bit if it is one";
            return fail("an executable inventory is not built yet in this version", hint);
        }
    }
    let source = Source::read(path)?;
    let sink = Sink::new(source.clone());
    if !toml && super::table::parse(&sink, &source.text).is_none() {
        let hint = "Ansible's INI, YAML and JSON inventories are not built yet in this version";
        return fail("is not a TOML inventory", hint);
    }
    Ok(native::read(Sink::new(source), path))
}

#[cfg(unix)]
fn is_program(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.is_file() && file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_program(_: &std::fs::Metadata) -> bool {
    false
}

/// `host1,host2:2222,`: hosts of no group.
fn from_list(text: &str) -> RawFile {
    let sink = Sink::new(Source::new("--inventory", text));
    let mut hosts = Vec::new();
    let mut start = 0;
    for part in text.split(',') {
        let span = start..start + part.len();
        start += part.len() + 1;
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (host, port) = split_port(part);
        match (native::host_name(host), port.map(str::parse::<u16>).transpose()) {
            (Ok(name), Ok(port)) if port != Some(0) => {
                let props = Props { port, ..Props::default() };
                hosts.push(native::RawHost { name: At::new(name, span), tags: Vec::new(), props });
            }
            (Err(why), _) => sink.error(&span, why),
            _ => sink.error(&span, format!("\"{part}\" has no port from 1 to 65535 behind its colon")),
        }
    }
    RawFile { sink, defaults: Props::default(), groups: Vec::new(), hosts }
}

/// Parts `host:22` and `[::1]:22`; a bare IPv6 address has no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Members by group name, for patterns.
type Members = BTreeMap<String, Vec<usize>>;
