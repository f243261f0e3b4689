//! The files of an export against the two lists of them that it has: checksums, and the in-toto statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::{STATEMENT, SUMS};
use crate::commands::CommandError;
use crate::core::audit::{ExportAudit, Finding, FindingKind};
use crate::core::ids::{Digest, Hasher, RunId};

/// No list of files is longer.
const LONGEST: u64 = 256 << 20;

/// What an export says of itself.
pub(in crate::commands) struct Listed {
    /// The runs that it is of; none: it does not say, and each run that is there is looked at.
    pub(in crate::commands) runs: Option<BTreeSet<RunId>>,
    /// Its files.
    pub(in crate::commands) audit: ExportAudit,
}

/// The in-toto statement, as far as it matters here.
#[derive(Deserialize)]
struct Statement {
    subject: Vec<Subject>,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Predicate {
    runs: Vec<Run>,
    missing: Vec<RunId>,
}

#[derive(Deserialize)]
struct Run {
    run_id: RunId,
}

/// Compares the files in the folder with its lists.
pub(in crate::commands) fn check(folder: &Path) -> Result<Listed, CommandError> {
    let mut there = BTreeMap::new();
    walk(folder, "", &mut there)?;
    if !folder.join("runs").is_dir() {
        let message = format!("--export {}: there are no runs in it", folder.display());
        return Err(CommandError::invalid(message, "name a folder that `audit export` made"));
    }
    let mut findings = Vec::new();
    let mut found = |message: String| {
        findings.push(Finding { run: None, record: None, kind: FindingKind::Exported, message });
    };
    let sums = match read(folder, SUMS).map(|text| parse(&text)) {
        Ok(Some(sums)) => sums,
        Ok(None) => {
            found(format!("{SUMS} is no list of checksums"));
            BTreeMap::new()
        }
        Err(error) => {
            found(format!("{SUMS} cannot be read: {error}"));
            BTreeMap::new()
        }
    };
    compare(SUMS, &sums, &there, &[SUMS], &mut found);
    let statement = read(folder, STATEMENT).and_then(|text| Ok(serde_json::from_str::<Statement>(&text)?));
    let runs = match statement {
        Ok(Statement { subject, predicate }) => {
            let named = |subject: Subject| Some((subject.name, subject.digest.get("sha256")?.clone()));
            let subjects = subject.into_iter().filter_map(named).collect();
            compare(STATEMENT, &subjects, &there, &[SUMS, STATEMENT], &mut found);
            Some(predicate.runs.into_iter().map(|run| run.run_id).chain(predicate.missing).collect())
        }
        Err(error) => {
            found(format!("{STATEMENT} cannot be read: {error}"));
            None
        }
    };
    Ok(Listed { runs, audit: ExportAudit { files: there.len() as u64, findings } })
}

/// What differs between a list and what is there.
fn compare(
    list: &str,
    listed: &BTreeMap<String, String>,
    there: &BTreeMap<String, Option<Digest>>,
    without: &[&str],
    found: &mut dyn FnMut(String),
) {
    for (name, sum) in listed {
        match there.get(name) {
            None => found(format!("{name} is gone ({list} has it)")),
            Some(Some(digest)) if digest.hex() == *sum => {}
            Some(Some(_)) => found(format!("{name} is not what {list} says")),
            Some(None) => found(format!("{name} is no file that can be read")),
        }
    }
    for name in there.keys().filter(|name| !listed.contains_key(*name) && !without.contains(&name.as_str())) {
        found(format!("{name} is not in {list}"));
    }
}

/// `sha256sum`'s form: 64 digits, two spaces, a name.
fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    let line = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    text.lines().map(line).collect()
}

fn read(folder: &Path, name: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(folder.join(name))?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Every file below, by its name from the folder on; none: it is something else, or cannot be read.
fn walk(folder: &Path, below: &str, found: &mut BTreeMap<String, Option<Digest>>) -> Result<(), CommandError> {
    let path = folder.join(below);
    let named = |error: io::Error| {
        let message = format!("--export {}: {error}", path.display());
        CommandError::invalid(message, "name a folder that `audit export` made")
    };
    for entry in fs::read_dir(&path).map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(named)?;
        if kind.is_dir() {
            walk(folder, &name, found)?;
        } else {
            // A link is not followed: what it leads to was not exported.
            let digest = kind.is_file().then(|| sum(&entry.path()).ok()).flatten();
            found.insert(name, digest);
        }
    }
    Ok(())
}

fn sum(path: &Path) -> io::Result<Digest> {
    let (mut file, mut sum, mut part) = (File::open(path)?, Hasher::default(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.end()),
            read => sum.take(&part[..read]),
        }
    }
}
