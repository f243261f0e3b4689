//! The plan's `[patch]`: what is asked for, and what may be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::approved::read_approved;
use super::keys::{Key, Kind, TableDef};
use super::nearest::alternatives;
use super::packages::{covers, parse_request, show};
use super::patterns::Glob;
use super::plan::{ALL, Playbook, beside};
use super::source::Sink;
use super::table::{At, Table, found};
use crate::core::ids::PlaybookName;
use crate::core::packages::PackageRequest;
use crate::core::settings::{Patch, Pin, Select, Unproven};

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
        Key::new(
            "severity",
            Kind::Word(&["low", "medium", "high", "critical"], &[]),
            "How bad the worst weakness is that the patch closes, in CVSS's words; without it rules count it as critical.",
        ),
        Key::new("vars", Kind::Map(&Kind::Text), "Variables of the playbook; a step sees `name` as `VAR_NAME`."),
    ],
};

/// `[patch]`, and what of it is looked up later.
pub(crate) struct PlanPatch {
    pub(crate) patch: Patch,
    pub(crate) playbook: Playbook,
    /// The keys of `packages_for`, with their places.
    pub(crate) managers: Vec<At<PlaybookName>>,
    /// Where the plan says itself what a policy may limit.
    pub(crate) stated: BTreeMap<&'static str, Range<usize>>,
}

pub(crate) fn read_patch(table: Table<'_>, path: &Path) -> PlanPatch {
    let sink = table.sink;
    let playbook = table.checked("playbook", |text| which_playbook(path, text));
    let (select, packages) = read_packages(&table);
    let packages_for = read_packages_for(&table);
    let approved = read_approved_list(&table, path);
    let exclude = read_globs(&table, "exclude");
    let asked: Vec<_> = packages.iter().chain(packages_for.iter().flat_map(|(_, list)| list)).collect();
    check_approved(sink, &asked, approved.as_ref());
    check_excluded(sink, &asked, &exclude);
    let values = |list: &[At<PackageRequest>]| list.iter().map(|at| at.value.clone()).collect();
    let patch = Patch {
        playbook: None,
        select,
        packages: values(&packages),
        packages_for: packages_for.iter().map(|(name, list)| (name.value.clone(), values(list))).collect(),
        approved: approved.map(|(_, rows)| rows),
        exclude,
        install: table.bool("install").unwrap_or(false),
        allow_removals: table.bool("allow_removals").unwrap_or(false),
        pin: table.word("pin").unwrap_or(Pin::Exact),
        unproven: table.word("unproven").unwrap_or(Unproven::Skip),
        severity: table.word("severity"),
        vars: read_vars(&table),
    };
    let stated = table.stated(&["allow_removals", "install", "pin"]);
    table.finish(&ALL);
    PlanPatch {
        patch,
        stated,
        playbook: playbook.map_or(Playbook::Auto, |p| p.value.at(p.span)),
        managers: packages_for.into_iter().map(|(name, _)| name).collect(),
    }
}

/// What is selected, and the packages, which go only with one selection.
fn read_packages(table: &Table<'_>) -> (Select, Vec<At<PackageRequest>>) {
    let sink = table.sink;
    let select = table.word("select").unwrap_or(Select::Packages);
    let named = table.meant("packages") || table.meant("packages_for");
    let packages = table.texts("packages");
    if select == Select::Packages && !named {
        let hint = "name them, or set `select` to \"security\" or \"all\"";
        sink.error_hint(&table.span, "[patch] has no `packages`", hint);
    } else if select != Select::Packages && named {
        let at = packages.as_ref().map_or(&table.span, |list| &list.span);
        let message = format!("`packages` go only with `select = \"packages\"`, not \"{}\"", select.as_str());
        sink.error_hint(at, message, "leave them or `select` out");
    }
    (select, packages.map(|list| requests(sink, "packages", &list)).unwrap_or_default())
}

fn read_approved_list(table: &Table<'_>, path: &Path) -> Option<(PathBuf, Vec<PackageRequest>)> {
    let file = table.checked("approved", |text| beside(path, text))?;
    match read_approved(&file.value) {
        Ok(rows) => Some((file.value, rows)),
        Err(errors) => {
            table.sink.extend_at(&file.span, "the approved list", &errors);
            None
        }
    }
}

/// A playbook before its place is known to be kept.
enum Which {
    Auto,
    Named(PlaybookName),
    File(PathBuf),
}

impl Which {
    fn at(self, span: Range<usize>) -> Playbook {
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
