//! What was left outside of the state folder of how far journals had come: lines of the system's log, and of the
//! witnesses on hosts, as they are there.

use super::super::ids::{Digest, RunId};

/// How far a run's journal had come, as something outside says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// In which line it stands, from 1.
    pub line: usize,
    /// The run.
    pub run: RunId,
    /// How many records its journal had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
}

/// The anchors in this text. Lines that are none, as a log is full of, are passed over.
pub fn parse(text: &str) -> Vec<Anchor> {
    text.lines().enumerate().filter_map(|(at, line)| anchor(at + 1, line)).collect()
}

fn anchor(line: usize, text: &str) -> Option<Anchor> {
    let field = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name));
    let run = RunId::new(field("run=")?).ok()?;
    let records = field("records=")?.parse().ok()?;
    let head = Digest::try_from(field("head=")?.to_owned()).ok()?;
    Some(Anchor { line, run, records, head })
}

#[cfg(test)]
mod tests {
    use super::super::super::ids::ChangeId;
    use super::super::super::record::Head;
    use super::super::super::site::anchor;
    use super::*;

    #[test]
    fn lines_of_logs_and_witnesses_are_read_as_they_are() {
        let (run, change) = (RunId::new("01JD0000000000000000000000").unwrap(), ChangeId::new("CHG1").unwrap());
        let said = anchor(&run, &change, "finished", Head { next: 7, digest: Digest::of(b"x") });
        let text = format!(
            "Nov 26 19:37:00 ops patchctl[12]: {said}\nnoise\n2026-11-26T19:37:00Z {said}\n\
             2026-11-26T19:37:00.000001+00:00 ops patchctl[12]: {said}\nrun=x records=7 head=y\n"
        );
        let found = parse(&text);
        assert_eq!(found.iter().map(|anchor| anchor.line).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(found.iter().all(|found| (&found.run, found.records, found.head) == (&run, 7, Digest::of(b"x"))));
    }
}
