//! What steps print: typed lines, parsed strictly. Whatever does not fit fails the step; nothing is guessed.

use std::collections::BTreeMap;

use crate::core::findings::{Check, Difference, OldPackage, OldSource, Platform, RebootNeed, Service, ServiceState};
use crate::core::packages::{Arch, OpKind, Package, PackageName, PackageOp, Version};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::untrusted::Untrusted;

use super::StepName;

/// More records than any real host has.
const MOST_RECORDS: usize = 100_000;

/// Why a step's records cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {line}: {why}")]
pub struct RecordError {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong with it; safe to show.
    pub why: String,
}

/// Does a playbook fit a host, and why?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fits {
    /// Whether it does.
    pub yes: bool,
    /// Why.
    pub why: String,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The lock's file.
    pub path: String,
    /// The process.
    pub pid: String,
    /// What it runs.
    pub command: String,
}

/// Everything that the steps of one script reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The steps that began, and whether they said that they finished.
    pub steps: Vec<(StepName, bool)>,
    /// `fact`.
    pub facts: BTreeMap<String, String>,
    /// `fits`.
    pub fits: Option<Fits>,
    /// `op`.
    pub ops: Vec<PackageOp>,
    /// `current`.
    pub current: Vec<Package>,
    /// `absent`.
    pub absent: Vec<PackageName>,
    /// `unproven`.
    pub unproven: Vec<Package>,
    /// `held`.
    pub held: Vec<PackageName>,
    /// `old`.
    pub old: Vec<OldPackage>,
    /// `lock`.
    pub locks: Vec<Lock>,
    /// `reboot`.
    pub reboot: RebootNeed,
    /// `pkg`.
    pub packages: Vec<Package>,
    /// `installed`.
    pub installed: Vec<Package>,
    /// `service`.
    pub services: Vec<Service>,
    /// `check`: the last word of each.
    pub checks: Vec<Check>,
    /// `conflict`: with the version that was found.
    pub conflicts: Vec<Package>,
    /// `diff`.
    pub differences: Vec<Difference>,
    /// `note`.
    pub notes: Vec<String>,
    /// `problem`.
    pub problems: Vec<Problem>,
}

impl Records {
    /// Whether every one of these steps (that the script held) finished.
    pub fn finished(&self, steps: &[StepName]) -> bool {
        steps.iter().all(|step| self.steps.contains(&(*step, true)))
    }

    /// The step that began last and did not finish.
    pub fn stopped_in(&self) -> Option<StepName> {
        self.steps.last().filter(|(_, finished)| !finished).map(|(step, _)| *step)
    }

    /// What proofs are pinned under, where the host said it.
    pub fn platform(&self) -> Option<Platform> {
        let fact = |key: &str| self.facts.get(key).filter(|value| !value.is_empty()).cloned();
        Some(Platform { distro: fact("distro")?, release: fact("release")?, arch: fact("arch")? })
    }
}

/// Parses what a script reported. A last line without its end was torn by whatever killed the script and is left out.
///
/// # Errors
/// When a record's kind is unknown, its fields are too many or too few, or a value breaks its grammar.
pub fn parse(bytes: &[u8]) -> Result<Records, RecordError> {
    let mut records = Records::default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&bytes[..0], |end| &bytes[..=end]);
    for (number, line) in (1..).zip(whole.split_inclusive(|byte| *byte == b'\n')) {
        let fail = |why: String| RecordError { line: number, why };
        if number > MOST_RECORDS {
            return Err(fail(format!("more than {MOST_RECORDS} records")));
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| fail("is not UTF-8".into()))?;
        let fields: Vec<&str> = text.split('\t').collect();
        let Some((kind, fields)) = fields.split_first() else { continue };
        record(&mut records, kind, fields)
            .map_err(|why| fail(format!("{why} in {:?}", Untrusted::new(&shortened(text)).to_string())))?;
    }
    keep_last_words(&mut records.checks);
    Ok(records)
}

/// Of several records of one check the last holds. All at once: a host may send very many.
fn keep_last_words(checks: &mut Vec<Check>) {
    let last: BTreeMap<String, usize> = checks.iter().enumerate().map(|(at, check)| (check.name.clone(), at)).collect();
    let mut at = 0..;
    checks.retain(|check| last.get(&check.name).copied() == at.next());
}

fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

fn record(into: &mut Records, kind: &str, fields: &[&str]) -> Result<(), String> {
    match (kind, fields) {
        ("step", [name]) => {
            let step = StepName::from_word(name).ok_or("unknown step")?;
            into.steps.push((step, false));
        }
        ("end", ["ok"]) => into.steps.last_mut().ok_or("the end of no step")?.1 = true,
        ("fact", [key, value]) => {
            into.facts.insert((*key).to_owned(), (*value).to_owned());
        }
        ("fits", [answer, why]) => into.fits = Some(Fits { yes: yes_or_no(answer)?, why: (*why).to_owned() }),
        ("op", [op, name, arch, from, to, origin, security]) => {
            into.ops.push(operation(op, name, arch, from, to, origin, security)?);
        }
        ("current", [name, arch, version]) => into.current.push(package(name, arch, version)?),
        ("absent", [name]) => into.absent.push(bare_name(name)?),
        ("unproven", [name, arch, version]) => into.unproven.push(package(name, arch, version)?),
        ("held", [name]) => into.held.push(bare_name(name)?),
        ("old", [name, arch, version, source, exact, _bytes]) => into.old.push(OldPackage {
            name: bare_name(name)?,
            arch: Arch::new(*arch).map_err(|e| e.to_string())?,
            version: Version::new(*version).map_err(|e| e.to_string())?,
            source: old_source(source)?,
            exact: match *exact {
                "exact" => true,
                "approximate" | "" => false,
                _ => return Err("neither exact nor approximate".into()),
            },
        }),
        ("space", [_, _, _]) | ("phase", [_]) => {}
        ("lock", [path, pid, command]) => {
            into.locks.push(Lock { path: (*path).to_owned(), pid: (*pid).to_owned(), command: (*command).to_owned() });
        }
        ("reboot", [answer, why]) => {
            into.reboot = if yes_or_no(answer)? { RebootNeed::Yes((*why).to_owned()) } else { RebootNeed::No };
        }
        ("pkg", [name, arch, version]) => into.packages.push(package(name, arch, version)?),
        ("installed", [name, arch, version]) => into.installed.push(package(name, arch, version)?),
        ("service", [state, unit, why]) => into.services.push(Service {
            unit: (*unit).to_owned(),
            state: service_state(state)?,
            why: (*why).to_owned(),
        }),
        ("check", [name, answer, detail]) => {
            let ok = yes_or_no(answer)?;
            into.checks.push(Check {
                name: (*name).to_owned(),
                ok,
                detail: (*detail).to_owned(),
                inconclusive: false,
                answer: None,
            });
        }
        ("conflict", [name, arch, _wanted, found]) => into.conflicts.push(package(name, arch, found)?),
        ("diff", [what, name, before, after]) => into.differences.push(Difference {
            what: (*what).to_owned(),
            name: (*name).to_owned(),
            before: (*before).to_owned(),
            after: (*after).to_owned(),
        }),
        ("note", [text]) => into.notes.push((*text).to_owned()),
        ("problem", [kind, message, hint]) => into.problems.push(problem(into, kind, message, hint)?),
        _ => return Err(format!("unknown kind of record, or {} fields are not what it has", fields.len())),
    }
    Ok(())
}

fn yes_or_no(word: &str) -> Result<bool, String> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("neither yes nor no".into()),
    }
}

/// A package's name; an architecture behind it (`libssl3:amd64`) is left out.
fn bare_name(text: &str) -> Result<PackageName, String> {
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    PackageName::new(name).map_err(|e| e.to_string())
}

fn package(name: &str, arch: &str, version: &str) -> Result<Package, String> {
    let version = if version.is_empty() { None } else { Some(Version::new(version).map_err(|e| e.to_string())?) };
    Ok(Package { name: bare_name(name)?, arch: Arch::new(arch).map_err(|e| e.to_string())?, version })
}

fn operation(
    op: &str,
    name: &str,
    arch: &str,
    from: &str,
    to: &str,
    origin: &str,
    security: &str,
) -> Result<PackageOp, String> {
    let kind = match op {
        "upgrade" => OpKind::Upgrade,
        "install" => OpKind::Install,
        "remove" => OpKind::Remove,
        "downgrade" => OpKind::Downgrade,
        _ => return Err("unknown operation".into()),
    };
    let from = package(name, arch, from)?;
    let to = package(name, arch, to)?.version;
    let fits = match kind {
        OpKind::Upgrade | OpKind::Downgrade => from.version.is_some() && to.is_some(),
        OpKind::Install => to.is_some(),
        OpKind::Remove => from.version.is_some() && to.is_none(),
    };
    if !fits {
        return Err("its versions do not fit the operation".into());
    }
    let security = match security {
        "1" => true,
        "0" => false,
        _ => return Err("security is neither 1 nor 0".into()),
    };
    let Package { name, arch, version: from } = from;
    Ok(PackageOp { op: kind, name, arch, from, to, origin: origin.to_owned(), security })
}

fn old_source(word: &str) -> Result<OldSource, String> {
    match word {
        "cache" => Ok(OldSource::Cache),
        "repository" => Ok(OldSource::Repository),
        "repack" => Ok(OldSource::Repack),
        "stashed" => Ok(OldSource::Stashed),
        "missing" => Ok(OldSource::Missing),
        _ => Err("unknown source".into()),
    }
}

fn service_state(word: &str) -> Result<ServiceState, String> {
    match word {
        "restarted" => Ok(ServiceState::Restarted),
        "stale" => Ok(ServiceState::Stale),
        "failed" => Ok(ServiceState::Failed),
        _ => Err("unknown state of a service".into()),
    }
}

fn problem(so_far: &Records, kind: &str, message: &str, hint: &str) -> Result<Problem, String> {
    let kind = ErrorKind::from_word(kind).ok_or("unknown kind of problem")?;
    let mut problem = Problem::new(kind, message);
    if let Some((step, _)) = so_far.steps.last() {
        problem = problem.during(step.as_str());
    }
    if !hint.is_empty() {
        problem = problem.hint(hint);
    }
    Ok(problem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bundle_that_went_well() {
        let text = "step\tresolve\nfact\tdistro\tdebian\nfact\trelease\t12\nfact\tarch\tamd64\n\
                    op\tupgrade\tlibssl3\tamd64\t3.0.20-1\t3.0.22-1\tDebian-Security\t1\nend\tok\n";
        let records = parse(text.as_bytes()).expect("valid");
        assert!(records.finished(&[StepName::Resolve]));
        assert_eq!(records.ops.len(), 1);
        assert_eq!(records.platform().expect("said").release, "12");
    }

    #[test]
    fn a_torn_last_line_is_no_record() {
        let records = parse(b"step\tapply\npkg\ta\tamd64\t1\nend\tok").expect("valid");
        assert_eq!(records.stopped_in(), Some(StepName::Apply));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_safe_to_show() {
        for bad in [
            "nonsense\n",
            "op\tupgrade\ta\n",
            "pkg\t-o\tamd64\t1\n",
            "pkg\ta;b\tamd64\t1\n",
            "pkg\ta\tamd64\t1;x\n",
            "op\tupgrade\ta\tamd64\t\t2\to\t1\n",
            "op\tinstall\ta\tamd64\t\t2\to\tyes\n",
            "end\tok\n",
            "step\tdance\n",
            "fits\tmaybe\tx\n",
            "old\ta\tamd64\t1\tmoon\texact\t1\n",
            "problem\tstrange\tx\ty\n",
            "service\tdancing\tx\ty\n",
            "\x1b[2J\n",
        ] {
            let error = parse(bad.as_bytes()).expect_err(bad);
            assert!(!error.to_string().contains('\x1b'), "{error}");
        }
        assert!(parse(b"\xff\xfe\n").is_err());
    }

    #[test]
    fn the_last_word_of_each_of_very_many_checks_holds() {
        let line = |name: usize, answer: &str| format!("check\tname-of-a-check-{name:06}\t{answer}\td\n");
        let lines = (0..99_000).map(|n| line(n, "no")).chain([line(3, "yes"), line(1, "no"), line(3, "no")]);
        let records = parse(lines.collect::<String>().as_bytes()).expect("valid");
        assert_eq!(records.checks.len(), 99_000);
        let end: Vec<_> = records.checks[98_997..].iter().map(|check| (&check.name[16..], check.ok)).collect();
        assert_eq!(end, [("098999", false), ("000001", false), ("000003", false)]);
    }

    /// A line that a step could print.
    fn line() -> impl Strategy<Value = String> {
        let kinds = prop::sample::select(vec![
            "step\tapply",
            "step\tverify",
            "end\tok",
            "fact\tarch\tamd64",
            "fits\tyes\twhy",
            "op\tupgrade\ta\tamd64\t1\t2\to\t1",
            "op\tremove\tb\tall\t1\t\to\t0",
            "current\ta\tamd64\t1",
            "absent\ta",
            "held\ta:amd64",
            "old\ta\tamd64\t1\tcache\texact\t9",
            "space\t/\t1\t2",
            "phase\tx",
            "lock\t/x\t1\tapt",
            "reboot\tno\t",
            "pkg\ta\tamd64\t",
            "service\tstale\tx\ty",
            "check\tx\tno\td",
            "diff\tconffile\t/x\ta\tb",
            "note\tx",
            "problem\tlocked\tm\th",
            "conflict\ta\tamd64\t1\t2",
        ]);
        prop_oneof![8 => kinds.prop_map(str::to_owned), 1 => "[a-z]{1,5}(\t[a-z0-9:;$ -]{0,6}){0,7}", 1 => "\\PC{0,20}"]
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Err(error) = parse(&bytes) {
                prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
            }
        }

        /// What a killed script leaves is what it had reported, and the line that it was at is none of it.
        #[test]
        fn a_torn_tail_is_the_lines_before_it(lines in prop::collection::vec(line(), 1..12), cut: prop::sample::Index) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let torn = &text.as_bytes()[..cut.index(text.len())];
            let whole = torn.iter().filter(|byte| **byte == b'\n').count();
            let before: String = lines[..whole].iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(parse(torn), parse(before.as_bytes()));
        }

        /// A mistake is at its line, whatever stands before and behind it, and nothing is guessed.
        #[test]
        fn the_first_line_that_does_not_fit_is_named(
            before in 0..9_usize, behind in prop::collection::vec(line(), 0..4)
        ) {
            let text = format!("{}pkg\ta;b\tamd64\t1\n{}\n", "note\tx\n".repeat(before), behind.join("\n"));
            prop_assert_eq!(parse(text.as_bytes()).map_err(|error| error.line), Err(before + 1));
        }

        #[test]
        fn a_step_is_finished_only_where_it_said_so(ends in prop::collection::vec(any::<bool>(), 1..6)) {
            let all = StepName::ALL.into_iter().zip(&ends);
            let line = |(step, ends): (StepName, &bool)| {
                format!("step\t{}\n{}", step.as_str(), if *ends { "end\tok\n" } else { "" })
            };
            let records = parse(all.clone().map(line).collect::<String>().as_bytes()).expect("valid");
            for (step, ends) in all {
                prop_assert_eq!(records.finished(&[step]), *ends);
            }
            prop_assert_eq!(records.stopped_in().is_none(), *ends.last().expect("one at least"));
        }
    }
}
