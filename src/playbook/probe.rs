//! Scripts that belong to no playbook: looking at a host, and snapshots of btrfs subvolumes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::embedded::file;
use super::records::RecordError;
use crate::core::health::Health;
use crate::core::untrusted::Untrusted;

/// What a command on the host came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its exit code; none: it did not end in its time.
    pub code: Option<i32>,
    /// The checksum of all that it printed.
    pub sum: String,
    /// The end of it.
    pub text: String,
}

/// What a look at a host reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How it is.
    pub health: Health,
    /// What the plan's checks said, by their numbers.
    pub answers: BTreeMap<usize, Answered>,
    /// It came to its end.
    pub whole: bool,
}

/// Exit codes of timeout(1) where the time is up: it asked the command to end, or killed it.
const TIME_IS_UP: [i32; 2] = [124, 137];
/// More records than any host has.
const MOST: usize = 10_000;

/// The script that looks at a host.
pub fn probe() -> Arc<str> {
    with_prelude("probe/probe.sh")
}

/// The script that takes, restores and removes snapshots of btrfs subvolumes.
pub fn btrfs() -> Arc<str> {
    with_prelude("probe/btrfs.sh")
}

fn with_prelude(path: &str) -> Arc<str> {
    let text = |path| file(path).unwrap_or_default();
    format!("{}\n{}", text("prelude.sh"), text(path)).into()
}

/// Parses what a look at a host reported.
///
/// # Errors
/// When a record is not what it should be: nothing is guessed.
pub fn parse_look(bytes: &[u8]) -> Result<Looked, RecordError> {
    let mut looked = Looked::default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&bytes[..0], |end| &bytes[..=end]);
    for (number, line) in (1..).zip(whole.split_inclusive(|byte| *byte == b'\n')) {
        let fail = |why: String| RecordError { line: number, why };
        if number > MOST {
            return Err(fail(format!("more than {MOST} records")));
        }
        let text = std::str::from_utf8(line).map_err(|_| fail("is not UTF-8".into()))?.trim_end_matches('\n');
        let fields: Vec<&str> = text.split('\t').collect();
        record(&mut looked, &fields).map_err(|why| {
            let shown: String = text.chars().take(120).collect();
            fail(format!("{why} in {:?}", Untrusted::new(&shown).to_string()))
        })?;
    }
    Ok(looked)
}

fn record(into: &mut Looked, fields: &[&str]) -> Result<(), &'static str> {
    let health = &mut into.health;
    let owned = |text: &&str| (*text).to_owned();
    match fields {
        ["health", "units", "yes"] => health.units = true,
        ["health", "failed", unit] => health.failed.extend([owned(unit)]),
        ["health", "running", unit] => health.running.extend([owned(unit)]),
        ["health", "port", port] => health.ports.extend([owned(port)]),
        ["health", "mount", path, mode @ ("rw" | "ro")] => health.mounts.extend([(owned(path), *mode == "rw")]),
        ["health", "full", path, percent] => {
            health.full.extend([(owned(path), percent.parse().map_err(|_| "no share of a hundred")?)]);
        }
        ["health", "time", answer @ ("yes" | "no")] => health.time = Some(*answer == "yes"),
        ["answer", number, code, sum, text] => {
            let code: i32 = code.parse().map_err(|_| "no exit code")?;
            let number = number.parse().map_err(|_| "no check's number")?;
            let code = Some(code).filter(|code| !TIME_IS_UP.contains(code));
            into.answers.insert(number, Answered { code, sum: owned(sum), text: owned(text) });
        }
        ["end", "ok"] => into.whole = true,
        _ => return Err("unknown kind of record"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_strictly() {
        let text = "health\tunits\tyes\nhealth\tport\ttcp/22\nhealth\tmount\t/\trw\nhealth\tfull\t/\t41\n\
                    answer\t0\t0\t123 \t12\nanswer\t1\t124\t9\t\nend\tok\ntorn\t";
        let looked = parse_look(text.as_bytes()).unwrap();
        assert!(looked.whole && looked.health.units && looked.health.mounts["/"]);
        assert_eq!((looked.answers[&0].code, looked.answers[&1].code), (Some(0), None));
        for bad in ["health\tfull\t/\tx\n", "health\tmount\t/\tmaybe\n", "answer\t0\n", "fact\ta\tb\n", "\u{1b}\n"] {
            assert!(parse_look(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
