//! The plan: what to patch, in which stages, and which gates stand between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::approved::read_approved;
use super::error::InputErrors;
use super::keys::{Key, Kind, TableDef};
use super::nearest::alternatives;
use super::packages::{covers, parse_request, show};
use super::patterns::Glob;
use super::source::{Sink, Source};
use super::stage::{self, PlanStage};
use super::table::{At, Table, found, parse as parse_toml};
use crate::core::ids::{ChangeId, Digest, PlanName, PlaybookName};
use crate::core::packages::PackageRequest;
use crate::core::settings::{Patch, Pin, Select, Unproven};

/// A plan as its file says it; hosts are not looked up yet.
#[derive(Debug, Clone)]
pub struct LoadedPlan {
    pub(crate) source: Source,
    pub(crate) path: PathBuf,
    pub(crate) name: PlanName,
    pub(crate) change: Option<ChangeId>,
    pub(crate) inventory: Option<PathBuf>,
    pub(crate) patch: Patch,
    pub(crate) playbook: Playbook,
    /// The keys of `packages_for`, with their places.
    pub(crate) managers: Vec<At<PlaybookName>>,
    pub(crate) stages: Vec<PlanStage>,
}

/// Which playbook a plan names.
#[derive(Debug, Clone)]
pub(crate) enum Playbook {
    Auto,
    Named(At<PlaybookName>),
    File(PathBuf),
}

impl LoadedPlan {
    /// The plan's name.
    pub fn name(&self) -> &PlanName {
        &self.name
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text, as it is frozen.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The digest of its text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text.as_bytes())
    }

    /// The change that it names.
    pub fn change(&self) -> Option<&ChangeId> {
        self.change.as_ref()
    }

    /// The inventory that it names, relative to it.
    pub fn inventory_path(&self) -> Option<&Path> {
        self.inventory.as_deref()
    }

    /// The playbook's file, where the plan names one by its path. [`Settings`](crate::core::settings::Settings) then
    /// has no playbook yet: its name stands in the file.
    pub fn playbook_file(&self) -> Option<&Path> {
        match &self.playbook {
            Playbook::File(path) => Some(path),
            Playbook::Auto | Playbook::Named(_) => None,
        }
    }
}

pub(crate) static PLAN: TableDef = TableDef {
    title: "the plan",
    doc: "A plan for patchctl: what to patch, in which stages, and which gates stand between them.",
    named: false,
    keys: &[
        Key::or("schema", Kind::Int { min: 1, max: 1 }, "1", "The version of this format."),
        Key::required("name", Kind::Text, "The plan's name, one word."),
        Key::new("change", Kind::Text, "The change as the ticket system names it; made up when absent."),
        Key::new("inventory", Kind::Text, "The inventory's file, relative to the plan; -i overrides it."),
        Key::required("patch", Kind::Table(&PATCH), "What to patch."),
        Key::required("stage", Kind::List(&Kind::Table(&stage::STAGE)), "The stages, in order."),
        Key::later("notify", &[], "Who is told at gates, at the end and on failure."),
    ],
};

const SELECT: Kind = Kind::Word(&["packages", "security", "all"], &[]);
const TEXTS: Kind = Kind::List(&Kind::Text);

pub(crate) static PATCH: TableDef = TableDef {
    title: "[patch]",
    doc: "What to patch.",
    named: false,
    keys: &[
        Key::or("playbook", Kind::Text, "\"auto\"", "\"auto\" (by the host), a built-in's name, or a path."),
        Key::or("select", SELECT, "\"packages\"", "The named packages, every security update, or every update."),
        Key::new("packages", TEXTS, "`name`, `name=version`, `name:arch`, or lines of `apt list --upgradable`."),
        Key::new("packages_for", Kind::Map(&TEXTS), "By playbook: other names, instead of `packages`."),
        Key::new("approved", Kind::Text, "A file: nothing but the packages in it may be asked for."),
        Key::or("exclude", TEXTS, "[]", "Globs on package names that must not change."),
        Key::or("install", Kind::Bool, "false", "Whether a package that is not installed is installed."),
        Key::or("allow_removals", Kind::Bool, "false", "Whether the transaction may remove packages."),
        Key::or(
            "pin",
            Kind::Word(&["exact", "off"], &[]),
            "\"exact\"",
            "Whether later stages get exactly what was proved.",
        ),
        Key::or(
            "unproven",
            Kind::Word(&["skip", "refuse", "ask"], &[]),
            "\"skip\"",
            "What to do with what no earlier stage proved.",
        ),
        Key::new("vars", Kind::Map(&Kind::Text), "Variables of the playbook; a step sees `name` as `VAR_NAME`."),
    ],
};

/// The tables that a misplaced key may belong in.
pub(crate) static ALL: [&TableDef; 4] = [&PLAN, &PATCH, &stage::STAGE, &stage::APPROVAL];

/// Reads a plan, and the approved list that it names.
///
/// # Errors
/// Every mistake in them.
pub fn load(path: &Path) -> Result<LoadedPlan, InputErrors> {
    read(Source::read(path)?, path)
}

/// Reads a plan from its text; files that it names are looked for beside `path`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(path: &Path, text: &str) -> Result<LoadedPlan, InputErrors> {
    read(Source::new(path.display().to_string(), text), path)
}

fn read(source: Source, path: &Path) -> Result<LoadedPlan, InputErrors> {
    let sink = Sink::new(source.clone());
    let text = Arc::clone(&source.text);
    let plan = parse_toml(&sink, &text).and_then(|document| {
        let root = Table::new(&sink, &PLAN, document.get_ref(), 0..0);
        read_root(root, source, path)
    });
    sink.finish(plan)
}

fn read_root(root: Table<'_>, source: Source, path: &Path) -> Option<LoadedPlan> {
    let sink = root.sink;
    root.int("schema");
    let name = root.checked("name", |text| PlanName::new(text));
    let change = root.checked("change", |text| ChangeId::new(text));
    let inventory = root.checked("inventory", |text| beside(path, text));
    let patch = root.table("patch", &PATCH).and_then(|table| read_patch(table, path));
    let stages = stage::read_stages(sink, root.tables("stage", &stage::STAGE));
    root.finish(&ALL);
    let (patch, playbook, managers) = patch?;
    Some(LoadedPlan {
        source,
        path: path.to_owned(),
        name: name?.value,
        change: change.map(|c| c.value),
        inventory: inventory.map(|i| i.value),
        patch,
        playbook,
        managers,
        stages,
    })
}

fn read_patch(table: Table<'_>, path: &Path) -> Option<(Patch, Playbook, Vec<At<PlaybookName>>)> {
    let sink = table.sink;
    let playbook = table.checked("playbook", |text| which_playbook(path, text));
    let select = table.word("select").unwrap_or(Select::Packages);
    let span = table.span.clone();
    let has_packages = table.meant("packages") || table.meant("packages_for");
    let packages = table.texts("packages");
    match select {
        Select::Packages if !has_packages => {
            sink.error_hint(&span, "[patch] has no `packages`", "name them, or set `select` to \"security\" or \"all\"")
        }
        Select::Packages => {}
        Select::Security | Select::All if has_packages => {
            let at = packages.as_ref().map_or(&span, |list| &list.span);
            let message = format!("`packages` go only with `select = \"packages\"`, not \"{}\"", select.as_str());
            sink.error_hint(at, message, "leave them or `select` out");
        }
        Select::Security | Select::All => {}
    }
    let packages = packages.map(|list| requests(sink, "packages", &list)).unwrap_or_default();
    let packages_for = read_packages_for(&table);
    let approved_file = table.checked("approved", |text| beside(path, text));
    let approved = approved_file.and_then(|file| match read_approved(&file.value) {
        Ok(rows) => Some((file.value, rows)),
        Err(errors) => {
            for error in errors.all() {
                // A list that is not there is the plan's mistake.
                match error.span {
                    Some(_) => sink.push(error.clone()),
                    None => sink.error(&file.span, format!("the approved list {}: {}", error.file, error.message)),
                }
            }
            None
        }
    });
    let exclude = read_globs(&table, "exclude");
    let asked: Vec<_> = packages.iter().chain(packages_for.iter().flat_map(|(_, list)| list)).collect();
    check_approved(sink, &asked, approved.as_ref());
    check_excluded(sink, &asked, &exclude);
    let patch = Patch {
        playbook: None,
        select,
        packages: packages.into_iter().map(|p| p.value).collect(),
        packages_for: packages_for
            .iter()
            .map(|(name, list)| (name.value.clone(), list.iter().map(|p| p.value.clone()).collect()))
            .collect(),
        approved: approved.map(|(_, rows)| rows),
        exclude,
        install: table.bool("install").unwrap_or(false),
        allow_removals: table.bool("allow_removals").unwrap_or(false),
        pin: table.word("pin").unwrap_or(Pin::Exact),
        unproven: table.word("unproven").unwrap_or(Unproven::Skip),
        vars: read_vars(&table),
    };
    table.finish(&ALL);
    let managers = packages_for.into_iter().map(|(name, _)| name).collect();
    Some((patch, playbook.map_or(Playbook::Auto, |p| p.value.at(p.span)), managers))
}

/// A playbook before its place is known to be kept.
enum Which {
    Auto,
    Named(PlaybookName),
    File(PathBuf),
}

impl Which {
    fn at(self, span: std::ops::Range<usize>) -> Playbook {
        match self {
            Self::Auto => Playbook::Auto,
            Self::Named(name) => Playbook::Named(At::new(name, span)),
            Self::File(path) => Playbook::File(path),
        }
    }
}

fn which_playbook(plan: &Path, text: &str) -> Result<Which, String> {
    if text == "auto" {
        return Ok(Which::Auto);
    }
    if !text.contains('/') && !text.ends_with(".toml") {
        return PlaybookName::new(text).map(Which::Named).map_err(|e| e.to_string());
    }
    let path = beside(plan, text)?;
    match std::fs::metadata(&path) {
        Ok(file) if file.is_file() => Ok(Which::File(path)),
        Ok(_) => Err(format!("the playbook {} is not a file", path.display())),
        Err(_) => Err(format!("there is no playbook {}", path.display())),
    }
}

/// A path that stands in a file, relative to that file's folder.
pub(crate) fn beside(file: &Path, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".into());
    }
    if text.contains(char::is_control) {
        return Err("the path has a control character in it".into());
    }
    if let Some(rest) = text.strip_prefix("~/") {
        return std::env::home_dir()
            .map(|home| home.join(rest))
            .ok_or_else(|| "there is no home folder for `~`".into());
    }
    Ok(file.parent().unwrap_or(Path::new("")).join(text))
}

/// Reads requests, and reports what is asked for twice.
fn requests(sink: &Sink, name: &str, list: &At<Vec<At<String>>>) -> Vec<At<PackageRequest>> {
    if list.value.is_empty() {
        sink.error_hint(&list.span, format!("`{name}` is empty"), "name at least one package");
    }
    let mut seen = BTreeSet::new();
    let mut requests = Vec::with_capacity(list.value.len());
    for text in &list.value {
        match parse_request(&text.value) {
            Ok(request) => {
                if !seen.insert((request.name.clone(), request.arch.clone())) {
                    let twice = PackageRequest { version: None, ..request.clone() };
                    sink.error(&text.span, format!("`{}` is asked for twice", show(&twice)));
                }
                requests.push(At::new(request, text.span.clone()));
            }
            Err(why) => sink.error(&text.span, why),
        }
    }
    requests
}

type For = Vec<(At<PlaybookName>, Vec<At<PackageRequest>>)>;

fn read_packages_for(table: &Table<'_>) -> For {
    let sink = table.sink;
    let mut all = For::new();
    for (key, value) in table.map("packages_for") {
        let texts = At::new(table.strings(key.value, value), value.span());
        let list = if value.get_ref().is_array() { requests(sink, key.value, &texts) } else { Vec::new() };
        match PlaybookName::new(key.value) {
            Ok(name) => all.push((At::new(name, key.span), list)),
            Err(error) => sink.error(&key.span, error.to_string()),
        }
    }
    all
}

/// Globs on names, checked.
pub(crate) fn read_globs(table: &Table<'_>, name: &'static str) -> Vec<String> {
    let mut globs = Vec::new();
    for text in table.texts(name).map(|list| list.value).unwrap_or_default() {
        match Glob::new(&text.value) {
            Ok(_) => globs.push(text.value),
            Err(why) => table.sink.error(&text.span, format!("the glob {:?} of `{name}` {why}", text.value)),
        }
    }
    globs
}

fn check_approved(sink: &Sink, asked: &[&At<PackageRequest>], approved: Option<&(PathBuf, Vec<PackageRequest>)>) {
    let Some((file, rows)) = approved else { return };
    for request in asked.iter().filter(|request| !rows.iter().any(|row| covers(row, &request.value))) {
        let wanted = show(&request.value);
        let message = format!("`{wanted}` is not in the approved list {}", file.display());
        let near: Vec<String> = rows.iter().filter(|row| row.name == request.value.name).map(show).collect();
        if near.is_empty() {
            sink.error(&request.span, message);
        } else {
            let hint = format!("it has {}", alternatives(near.iter().map(String::as_str)).replace(" or ", " and "));
            sink.error_hint(&request.span, message, hint);
        }
    }
}

fn check_excluded(sink: &Sink, asked: &[&At<PackageRequest>], exclude: &[String]) {
    let globs: Vec<(&String, Glob)> = exclude.iter().filter_map(|text| Some((text, Glob::new(text).ok()?))).collect();
    for request in asked {
        if let Some((glob, _)) = globs.iter().find(|(_, glob)| glob.is_match(request.value.name.as_str())) {
            sink.error(&request.span, format!("`{}` is asked for, and `exclude` has \"{glob}\"", request.value.name));
        }
    }
}

fn read_vars(table: &Table<'_>) -> BTreeMap<String, String> {
    let sink = table.sink;
    let mut vars = BTreeMap::new();
    for (key, value) in table.map("vars") {
        if !variable_name(key.value) {
            let hint = "use lower-case letters, digits and underscores, a letter first";
            sink.error_hint(&key.span, format!("{:?} cannot be a variable's name", key.value), hint);
            continue;
        }
        match value.get_ref().as_str() {
            Some(text) if text.contains(char::is_control) => {
                sink.error(&value.span(), format!("the variable `{}` has a control character in it", key.value));
            }
            Some(text) if text.len() > 4096 => {
                sink.error(&value.span(), format!("the variable `{}` is longer than 4096 bytes", key.value));
            }
            Some(text) => {
                vars.insert(key.value.to_owned(), text.to_owned());
            }
            None => {
                let hint = "put it into quotes";
                let message = format!("the variable `{}` must be a string, not {}", key.value, found(value));
                sink.error_hint(&value.span(), message, hint);
            }
        }
    }
    vars
}

fn variable_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
