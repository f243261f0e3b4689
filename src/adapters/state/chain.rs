//! The site's chain, as a file in the state folder, and its head's way out of the machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::core::chain::{Anchor, Seal, SiteRecord};
use crate::core::record::Head;

/// Where a system takes lines for its log.
pub const SYSLOG: &str = "/dev/log";
/// authpriv.info, as `sudo` and `sshd` have it: 10 * 8 + 6 (RFC 3164, 4.1.1).
const PRIORITY: u8 = 86;
/// The last line is looked for in so many bytes; a line has about 300.
const LAST: u64 = 4096;

/// The chain of a state folder.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    path: PathBuf,
    /// The socket that takes heads for the system's log.
    syslog: Option<PathBuf>,
    mode: u32,
}

impl Chain {
    pub(super) fn new(root: &Path, syslog: Option<PathBuf>, mode: u32) -> Self {
        Self { path: root.join("chain.jsonl"), syslog, mode }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down where a journal stands, and tells the system's log.
    pub(super) fn seal(&self, at: Timestamp, seal: &Seal) -> io::Result<()> {
        let site = self.append(at, seal)?;
        let anchor = Anchor {
            run: seal.run.clone(),
            records: seal.records,
            head: seal.head,
            site: Some((site.next, site.digest)),
        };
        if let Some(socket) = &self.syslog {
            // The chain has it. A system without a log, or with one that is full, is no reason to stop.
            let _ = tell(socket, &format!("{} {anchor}", seal.moment.as_str()));
        }
        Ok(())
    }

    fn append(&self, at: Timestamp, seal: &Seal) -> io::Result<Head> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(self.mode).open(&self.path)?;
        if self.mode & 0o060 != 0 && file.metadata()?.len() == 0 {
            // The umask does not know that this one is a team's. It may be another's already, who has done it.
            use std::os::unix::fs::PermissionsExt as _;
            let _ = file.set_permissions(std::fs::Permissions::from_mode(self.mode));
        }
        // Until the file is closed: other runs are sealed, too.
        file.lock()?;
        let mut head = behind(&mut file)?;
        let line = SiteRecord::write(&mut head, at, seal)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()?;
        Ok(head)
    }
}

/// The head behind the last whole line. A line that was cut off while it was written is taken away: nobody has seen it.
fn behind(file: &mut File) -> io::Result<Head> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LAST);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LAST).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole == 0 && from > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its last line is none of ours"));
    }
    file.set_len(from + whole as u64)?;
    let Some(line) = tail[..whole].strip_suffix(b"\n") else { return Ok(Head::EMPTY) };
    let begin = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(SiteRecord::head_behind(&line[begin..])?)
}

fn tell(socket: &Path, text: &str) -> io::Result<()> {
    let log = UnixDatagram::unbound()?;
    // Nobody waits for a log that does not read.
    log.set_nonblocking(true)?;
    log.send_to(format!("<{PRIORITY}>patchctl[{}]: {text}", std::process::id()).as_bytes(), socket)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chain::Moment;
    use crate::core::ids::{Digest, RunId};

    fn seal(records: u64) -> Seal {
        let run = RunId::new("01JD0000000000000000000000").unwrap();
        Seal { run, moment: Moment::Paused, records, head: Digest::of(&[u8::try_from(records).unwrap()]) }
    }

    fn read(chain: &Chain) -> Vec<SiteRecord> {
        let mut head = Head::EMPTY;
        let text = std::fs::read_to_string(chain.path()).unwrap();
        text.lines().map(|line| SiteRecord::read(&mut head, line.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn lines_hang_on_each_other_past_a_torn_one_and_reach_the_systems_log() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("log");
        let log = UnixDatagram::bind(&socket).unwrap();
        let chain = Chain::new(dir.path(), Some(socket), 0o600);
        for records in 1..40 {
            chain.seal(Timestamp::UNIX_EPOCH, &seal(records)).unwrap();
        }
        let mut file = OpenOptions::new().append(true).open(chain.path()).unwrap();
        file.write_all(b"{\"v\":1,\"seq\":39,").unwrap();
        chain.seal(Timestamp::UNIX_EPOCH, &seal(40)).unwrap();
        let records = read(&chain);
        assert_eq!(records.iter().map(|record| record.seal.records).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
        let mut text = [0; 1024];
        let read = log.recv(&mut text).unwrap();
        let line = std::str::from_utf8(&text[..read]).unwrap();
        assert!(line.starts_with("<86>patchctl[") && line.contains(": paused run="), "{line}");
        let anchor = Anchor::find(line).unwrap();
        assert_eq!((anchor.records, anchor.site.unwrap().0), (1, 1));
    }

    #[test]
    fn without_a_log_the_chain_is_written_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let chain = Chain::new(dir.path(), Some(dir.path().join("nobody")), 0o600);
        chain.seal(Timestamp::UNIX_EPOCH, &seal(1)).unwrap();
        assert_eq!(read(&chain).len(), 1);
    }

    #[test]
    fn what_is_no_chain_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let chain = Chain::new(dir.path(), None, 0o600);
        std::fs::write(chain.path(), "something else\n").unwrap();
        chain.seal(Timestamp::UNIX_EPOCH, &seal(1)).unwrap_err();
        assert_eq!(std::fs::read_to_string(chain.path()).unwrap(), "something else\n");
    }
}
