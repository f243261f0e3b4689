//! The site's chain on the disk, and the copy of each of its lines that goes to the system's log: whoever alters the
//! folder afterwards cannot take that back.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::access::Access;
use crate::core::record::Head;
use crate::core::site::{End, Line, Seal, end, end_of_tail};

/// Where the system's log listens.
pub(super) const SYSLOG: &str = "/dev/log";
/// So much of the chain's end is read first: some hundred lines.
const TAIL: u64 = 64 * 1024;
/// `authpriv.notice`
const PRIORITY: u8 = 10 * 8 + 5;

/// Where the chain is kept, and whom its lines are told.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) root: PathBuf,
    pub(super) syslog: PathBuf,
    pub(super) access: Access,
}

impl Site {
    pub(super) fn path(&self) -> PathBuf {
        self.root.join("chain.jsonl")
    }

    /// The whole chain; none: nothing was ever written.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        found(self.access.read(&self.path()))
    }

    /// Where it ends. Of a long one only the end is read: it grows for as long as there are runs.
    pub(super) fn end(&self) -> io::Result<End> {
        let Some(mut file) = found(self.access.open_to_read(&self.path()))? else { return Ok(end(b"")) };
        let from = file.metadata()?.len().saturating_sub(TAIL);
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)?;
        if from > 0
            && let Some(end) = end_of_tail(&text)
        {
            return Ok(end);
        }
        Ok(end(&self.read()?.unwrap_or_default()))
    }

    /// Appends a line; it is on the disk when this returns. The system's log gets it, too, where there is one.
    pub(super) fn append(&self, seal: &Seal, at: Timestamp) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path().display()));
        self.write(seal, at).map_err(named)?;
        // Nobody may listen there, and a log that is full must not hold up a run.
        let _ = self.tell(seal, at);
        Ok(())
    }

    fn write(&self, seal: &Seal, at: Timestamp) -> io::Result<()> {
        // One line at a time, whichever run it is of.
        let lock = self.access.open_or_create(&self.root.join("chain.lock"))?;
        lock.lock()?;
        let last = self.end()?;
        let mut file = self.access.open_or_create(&self.path())?;
        if last.torn > 0 {
            file.set_len(file.metadata()?.len().saturating_sub(last.torn))?;
        }
        let mut line = Line::write(last, at, seal.clone())?;
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        if last.head == Head::EMPTY {
            File::open(&self.root)?.sync_all()?;
        }
        Ok(())
    }

    /// One datagram, as the C library's `syslog` sends it.
    fn tell(&self, seal: &Seal, at: Timestamp) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let when = at.to_zoned(TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
        let text = format!("<{PRIORITY}>{when} patchctl[{}]: {}", std::process::id(), seal.text());
        socket.send_to(text.as_bytes(), &self.syslog)?;
        Ok(())
    }
}

/// What is there, if it is.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::path::Path;

    use super::*;
    use crate::core::ids::{ChangeId, Digest, RunId};
    use crate::core::record::Head;
    use crate::core::site::Moment;

    fn seal() -> Seal {
        let head = Head { next: 7, digest: Digest::of(b"x") };
        let run = RunId::new("01JD0000000000000000000000").unwrap();
        Seal::new(&run, &ChangeId::new("CHG1").unwrap(), Moment::Finished, head)
    }

    fn site(folder: &Path) -> Site {
        Site { root: folder.to_owned(), syslog: folder.join("log"), access: Access::new(folder, None) }
    }

    #[test]
    fn each_line_goes_to_the_systems_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = UnixDatagram::bind(folder.path().join("log")).unwrap();
        log.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        site(folder.path()).append(&seal(), Timestamp::UNIX_EPOCH).unwrap();
        let mut text = [0; 1024];
        let length = log.recv(&mut text).unwrap();
        let text = std::str::from_utf8(&text[..length]).unwrap();
        assert!(text.starts_with("<85>"), "{text}");
        let id = std::process::id();
        assert!(text.contains(&format!(" patchctl[{id}]: run=01JD0000000000000000000000 change=CHG1")), "{text}");
        assert!(text.ends_with(&format!("moment=finished records=7 head={}", Digest::of(b"x"))), "{text}");
    }

    #[test]
    fn the_end_of_a_long_chain_is_the_end_of_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let mut head = Head::EMPTY;
        let mut text = String::new();
        while text.len() as u64 <= 2 * TAIL {
            let line = Line::write(End { head, torn: 0 }, Timestamp::UNIX_EPOCH, seal()).unwrap();
            head = Head { next: head.next + 1, digest: Digest::of(line.as_bytes()) };
            text.push_str(&line);
            text.push('\n');
        }
        for behind in ["", "{\"v\":1", "not a line\n", &"x".repeat(TAIL as usize + 5)] {
            fs::write(site.path(), format!("{text}{behind}")).unwrap();
            let whole = end(&fs::read(site.path()).unwrap());
            assert_eq!(site.end().unwrap(), whole, "{behind:?}");
            assert_eq!(whole.head.next, head.next + u64::from(behind.ends_with('\n')));
        }
    }

    #[test]
    fn without_a_log_and_behind_a_torn_line_the_chain_goes_on() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        site.append(&seal(), Timestamp::UNIX_EPOCH).unwrap();
        let path = site.path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"v\":1").unwrap();
        site.append(&seal(), Timestamp::UNIX_EPOCH).unwrap();
        let text = site.read().unwrap().unwrap();
        let mut head = Head::EMPTY;
        let lines: Vec<Line> = text
            .strip_suffix(b"\n")
            .unwrap()
            .split(|byte| *byte == b'\n')
            .map(|line| Line::read(&mut head, line).unwrap())
            .collect();
        assert_eq!(lines.iter().map(|line| line.cut).collect::<Vec<_>>(), [None, Some(6)]);
    }
}
