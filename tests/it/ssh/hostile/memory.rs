//! How much a test's process grew; nextest gives each test a process of its own.

/// Whatever a host sends, this process grows by less, the server's end of the connection included. Measured: 18 MiB for
/// a host that sends as many records as are taken (16 MiB), at most 7 MiB for every other, 10 GB of log among them.
pub(super) const MOST_MIB: u64 = 24;

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The memory at a moment.
pub(super) struct Memory {
    before: u64,
}

impl Memory {
    /// From now on; what was in use once before does not count.
    pub(super) fn watch() -> Self {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { before: status_kib("VmRSS") }
    }

    /// The most it grew by since.
    pub(super) fn growth_mib(&self) -> u64 {
        status_kib("VmHWM").saturating_sub(self.before).div_ceil(1024)
    }

    /// It stayed within [`MOST_MIB`].
    #[track_caller]
    pub(super) fn assert_bounded(&self, what: &str) {
        let growth = self.growth_mib();
        println!("{what}: grew by {growth} MiB");
        assert!(growth < MOST_MIB, "{what}: grew by {growth} MiB");
    }
}
