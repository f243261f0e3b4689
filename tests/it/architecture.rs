//! The house rules: who may import whom, and what stands nowhere in `src`. A rule that nothing holds is soon a wish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What each module may name, beside itself. `app` alone names everything.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("ports", &["core"]),
    ("playbook", &["core"]),
    ("input", &["core"]),
    ("engine", &["core", "ports", "playbook"]),
    ("adapters", &["core", "ports"]),
    ("fuzzing", &["core", "input", "ports", "playbook", "adapters", "ui"]),
    ("demo", &["core"]),
    ("ui", &["core", "input", "playbook"]),
    ("cli", &["core", "input"]),
    ("commands", &["core", "input", "ports", "playbook", "engine", "ui", "cli"]),
    ("app", &["core", "input", "ports", "playbook", "engine", "ui", "cli", "commands", "adapters", "demo"]),
];

/// An adapter sees no other adapter's inside; `job` is the remote protocol, and SSH is what carries it;
/// `secret_command` is how a secret comes out of a command, for whoever needs one.
const ADAPTER_ARROWS: &[(&str, &str)] = &[
    ("ssh", "job"),
    ("prompt", "secret_command"),
    ("notify", "secret_command"),
    ("notify", "tls"),
    ("control", "tls"),
];

/// Libraries that `core` may name: none of them does anything outside of memory.
const PURE: &[&str] = &["serde", "serde_json", "sha2", "jiff", "thiserror", "schemars", "ulid"];

const LONGEST_FILE: usize = 500;

struct Source {
    /// Below `src`.
    path: PathBuf,
    /// The text without comments and without what is in quotes; as many lines as the file has.
    code: String,
}

impl Source {
    /// The names of the modules that it is in, from the top: `adapters`, `ssh`, `exec`.
    fn module(&self) -> Vec<String> {
        let parts = self.path.with_extension("");
        let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
        parts.filter(|part| part != "mod").collect()
    }

    fn top(&self) -> String {
        self.module().remove(0)
    }

    fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    fn at(&self, offset: usize) -> String {
        format!("src/{}:{}", self.path.display(), self.line(offset))
    }

    fn has(&self, pattern: &str) -> Vec<String> {
        let regex = Regex::new(pattern).unwrap();
        regex.find_iter(&self.code).map(|found| format!("{}: {}", self.at(found.start()), found.as_str())).collect()
    }

    /// The paths from the crate's root that it names, up to two names deep, each with where.
    fn names(&self) -> Vec<(Vec<String>, String)> {
        let root = Regex::new(r"\bcrate::(\{|\w+)(?:::(\{|\w+))?").unwrap();
        let mut names = Vec::new();
        for found in root.captures_iter(&self.code) {
            let place = self.at(found.get(0).unwrap().start());
            let first = found.get(1).unwrap();
            let second = found.get(2);
            match (first.as_str(), second.map(|second| second.as_str())) {
                ("{", _) => {
                    let inner = group(&self.code[first.start()..]);
                    names.extend(inner.into_iter().map(|path| (path, place.clone())));
                }
                (top, Some("{")) => {
                    let inner = group(&self.code[second.unwrap().start()..]);
                    names.extend(inner.into_iter().map(|mut path| {
                        path.insert(0, top.to_owned());
                        (path, place.clone())
                    }));
                }
                (top, second) => {
                    let path = std::iter::once(top).chain(second).map(str::to_owned).collect();
                    names.push((path, place));
                }
            }
        }
        names.extend(self.climbs());
        names
    }

    /// The same for `super::super::x` that leads out of the top module.
    fn climbs(&self) -> Vec<(Vec<String>, String)> {
        let climb = Regex::new(r"\b((?:super::)+)(\w+)(?:::(\w+))?").unwrap();
        let module = self.module();
        let found = climb.captures_iter(&self.code).filter_map(|found| {
            let ups = found[1].matches("super::").count();
            // In a `mod tests` inside the file one `super` more is needed, so this may see too few, never too many.
            let mut path = module.get(..module.len().checked_sub(ups)?)?.to_vec();
            path.extend([2, 3].into_iter().filter_map(|ix| found.get(ix)).map(|part| part.as_str().to_owned()));
            (ups == module.len()).then(|| (path, self.at(found.get(0).unwrap().start())))
        });
        // `super::x` in a `mod tests` of a top module is that module's own x.
        found.filter(|(path, _)| ARROWS.iter().any(|(top, _)| *top == path[0])).collect()
    }
}

/// `{a::b, c::{d}, e as f}` as the first names of each: `[[a, b], [c, d], [e]]`.
fn group(text: &str) -> Vec<Vec<String>> {
    let mut depth = 0;
    let mut paths = vec![];
    let mut path = String::new();
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            paths.push(std::mem::take(&mut path));
        } else if !(depth == 1 && c == '{') {
            path.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    let names = |path: String| {
        let names = path.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
        names.take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    paths.into_iter().map(names).filter(|path| !path.is_empty()).collect()
}

/// Blanks what the compiler does not read as code: comments, texts, characters.
fn code_of(text: &str) -> String {
    let kinds = [
        r"//[^\n]*",
        r"/\*.*?\*/",
        r###"\br##".*?"##"###,
        r##"\br#".*?"#"##,
        r#"\br".*?""#,
        r#"b?"(?:[^"\\]|\\.)*""#,
        r"'(?:[^'\\\n]|\\.[^'\n]*)'",
    ];
    let blank = Regex::new(&format!("(?s){}", kinds.join("|")));
    let keep_lines = |found: &regex::Captures<'_>| found[0].matches('\n').collect::<String>() + " ";
    blank.unwrap().replace_all(text, keep_lines).into_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = repository().join("src");
    let read = |path: PathBuf| {
        let code = code_of(&fs::read_to_string(&path).unwrap());
        Source { path: path.strip_prefix(&src).unwrap().to_owned(), code }
    };
    files(&src).into_iter().map(read).collect()
}

/// The sources that are in one of the modules, so neither `main` nor `lib`.
fn modules() -> Vec<Source> {
    sources().into_iter().filter(|source| !["main", "lib"].contains(&source.top().as_str())).collect()
}

#[track_caller]
fn none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

#[test]
fn modules_name_only_what_the_arrows_allow() {
    let mut wrong = Vec::new();
    for source in modules() {
        let top = source.top();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == top) else {
            wrong.push(format!("src/{}: no arrow is known for {top}", source.path.display()));
            continue;
        };
        for (path, place) in source.names() {
            let is_module = ARROWS.iter().any(|(name, _)| *name == path[0]);
            if is_module && path[0] != top && !allowed.contains(&path[0].as_str()) {
                wrong.push(format!("{place}: {top} names {}", path.join("::")));
            }
        }
    }
    none(&wrong, "a module may name only what it stands on");
}

#[test]
fn adapters_do_not_see_each_other() {
    let adapters = modules().into_iter().filter(|source| source.top() == "adapters");
    let mut wrong = Vec::new();
    for source in adapters {
        let Some(own) = source.module().get(1).cloned() else { continue };
        for (path, place) in source.names().into_iter().filter(|(path, _)| path[0] == "adapters") {
            let other = path.get(1).map_or("", String::as_str);
            if other != own && !ADAPTER_ARROWS.contains(&(own.as_str(), other)) {
                wrong.push(format!("{place}: adapters::{own} names adapters::{other}"));
            }
        }
    }
    none(&wrong, "an adapter stands alone");
}

#[test]
fn core_is_pure() {
    let manifest: toml::Table = fs::read_to_string(repository().join("Cargo.toml")).unwrap().parse().unwrap();
    let libraries = manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_"));
    let impure: Vec<_> = libraries.filter(|name| !PURE.contains(&name.as_str())).collect();
    let library = format!(r"\b(?:{})::", impure.join("|"));
    let outside =
        r"\bstd::(?:fs|net|env|process|thread|os)\b|\bstd::io::std\w+|\b(?:Instant|SystemTime|Zoned|Timestamp)::now\b";
    let core = modules().into_iter().filter(|source| source.top() == "core");
    let wrong: Vec<_> = core.flat_map(|source| [source.has(&library), source.has(outside)].concat()).collect();
    none(&wrong, "core reads no clock, no disk and no network, and stands on pure libraries");
}

#[test]
fn main_hands_over_to_the_library() {
    let main = sources().into_iter().find(|source| source.path == Path::new("main.rs")).unwrap();
    let named: BTreeSet<_> = main
        .has(r"\bpatchctl::\w+")
        .into_iter()
        .filter_map(|line| line.rsplit("::").next().map(str::to_owned))
        .collect();
    assert_eq!(named, BTreeSet::from(["app".to_owned()]));
    assert!(main.code.lines().count() < 30, "main.rs parses, calls and returns the code: no more");
}

#[test]
fn nothing_ends_the_process_is_unsafe_or_imports_everything() {
    let mut wrong = Vec::new();
    for source in sources() {
        wrong.extend(source.has(r"\bprocess::(?:exit|abort)\b"));
        wrong.extend(source.has(r"\bunsafe\b"));
        let globs = source.has(r"\buse [\w:]*\*|^[\w:, {]*::\*");
        // A `mod tests` sees the whole of what it tests; proptest is made to be used so.
        let meant = |line: &String| line.ends_with("use super::*") || line.ends_with("use proptest::prelude::*");
        wrong.extend(globs.into_iter().filter(|line| !meant(line)));
    }
    none(&wrong, "only main ends the process, `unsafe` is forbidden, imports are named");
}

#[test]
fn files_are_short() {
    let sources = sources().into_iter();
    let long = sources.map(|source| (source.code.lines().count(), source)).filter(|(lines, _)| *lines > LONGEST_FILE);
    let wrong: Vec<_> = long.map(|(lines, source)| format!("src/{}: {lines} lines", source.path.display())).collect();
    none(&wrong, "a file is one subject; split what has more");
}

#[test]
fn the_top_level_holds_what_a_reader_looks_for() {
    let known = ["Cargo.toml", "Cargo.lock", "src", "playbooks", "completions", "man", "tests", "target"];
    let texts = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];
    let entries = fs::read_dir(repository()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let wrong: Vec<_> = entries
        .filter(|name| !name.starts_with('.') && !known.contains(&name.as_str()) && !texts.contains(&name.as_str()))
        .collect();
    none(&wrong, "the top level stays small");
}

#[test]
fn the_scanner_sees_what_it_should() {
    let source = |path: &str, text: &str| Source { path: path.into(), code: code_of(text) };
    let names = |source: &Source| source.names().into_iter().map(|(path, _)| path.join("::")).collect::<Vec<_>>();
    let grouped =
        source("ui/a.rs", "use crate::{core::ids::X, input::{self, Y}};\nuse crate::ports::{state::Z, Clock};");
    assert_eq!(names(&grouped), ["core::ids", "input::self", "ports::state::Z", "ports::Clock"]);
    let quoted = source(
        "ui/a.rs",
        "// crate::app\nlet _ = (\"crate::app\", r#\"crate::app\"#, '\"', '\\'', \"\\\"crate::app\");\nlet x: &'a str = crate::demo::y();",
    );
    assert_eq!(names(&quoted), ["demo::y"]);
    assert_eq!(quoted.line(quoted.code.find("crate").unwrap()), 3);
    let climbing = source("ui/a/b.rs", "use super::super::c;\nuse super::super::super::engine::Engine;");
    assert_eq!(names(&climbing), ["engine::Engine"]);
}
