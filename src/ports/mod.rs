//! The traits through which the engine reaches the world. Adapters implement them; tests and the simulation put their
//! own in their place.

pub mod control;
pub mod signatures;
pub mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::core::approval::Decision;
use crate::core::document::Verdict;
use crate::core::evidence::{Beginning, Confirmation, GateAnswer, GateQuestion};
use crate::core::ids::{ChangeId, Digest, HostName, JobId, RunId, StageName};
use crate::core::notify::{Message, Notify};
use crate::core::problem::Problem;
use crate::core::settings::{Host, Person};
use crate::core::site::Seal;

/// The time, for people (wall clock) and for measuring (monotonic).
pub trait Clock: Send + Sync {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;
}

/// Whose rights a step runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// root's, by login or by becoming it.
    Root,
    /// The login user's.
    User,
}

/// A script with its parameters: what one round trip to a host carries.
#[derive(Debug, Clone)]
pub struct Script {
    /// The name for messages: the steps that it holds.
    pub name: &'static str,
    /// The whole text: prelude, library, steps, and the line that runs them. Constant for a playbook, never made from
    /// parameters.
    pub text: Arc<str>,
    /// Environment variables (names are `[A-Z][A-Z0-9_]*`; values are any text without line ends).
    pub env: BTreeMap<String, String>,
    /// Input files: name (`[a-z_]+`) and content, text lines.
    pub files: BTreeMap<String, String>,
    /// Whose rights.
    pub privilege: Privilege,
    /// From its start on the host to its end.
    pub timeout: Duration,
}

/// What a script gave back.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The records as the host wrote them: still to be parsed, never shown as they are.
    pub records: Vec<u8>,
    /// Its log, the last part of it where it was too long.
    pub log: Vec<u8>,
    /// How many bytes of the log were left out.
    pub log_dropped: u64,
    /// The exit code, where there was one.
    pub code: Option<i32>,
    /// The boot in which it ended.
    pub boot_id: Option<String>,
    /// For a job: the files that it left in `OUT`, by name (`[A-Za-z0-9._-]+`).
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whose claim the host carries.
    pub claim: Option<ClaimInfo>,
}

/// A claim as it was found on a host. All of it is the host's word: to be shown escaped, and not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimInfo {
    /// The run; `unreadable` where there is a claim that cannot be read.
    pub run: String,
    /// Who drives it.
    pub owner: String,
    /// Since when, by the host's clock (RFC 3339).
    pub since: String,
    /// The change that the run belongs to.
    pub change: String,
    /// How often the run had been taken up; 0 where the claim does not say.
    pub epoch: u64,
}

/// A script that changes its host: run at most once for its ID, detached from the connection.
#[derive(Debug, Clone)]
pub struct Job {
    /// Names the job's folder; asking for the same ID again finds the same job.
    pub id: JobId,
    /// Proves that a folder with this ID is ours.
    pub nonce: String,
    /// The claim that the host must carry (and is given, where it carries none) before the job starts.
    pub claim: Claim,
    /// What runs.
    pub script: Script,
    /// How long a host that does not answer is tried, where nothing has begun there yet. None: a few tries.
    pub patience: Option<Duration>,
    /// The job is asked about, and not begun where the host does not know it.
    pub ask_only: bool,
    /// What becomes of the host's dead man.
    pub dead_man: DeadMan,
}

/// What a job does about the host's dead man: what undoes the change there unless we confirm it in time.
#[derive(Debug, Clone)]
pub enum DeadMan {
    /// Arms it before the job begins.
    Arm(Box<Arm>),
    /// Where it has acted, the job does not begin, and what the host did by itself is followed instead.
    Heed,
    /// Takes the decision from it before the job begins; where it has acted already, as `Heed`.
    Disarm,
    /// It has acted, and what came of that is known: it is no obstacle.
    Spent,
}

/// A dead man to be armed.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Names the job under which the host undoes the change by itself.
    pub id: JobId,
    /// What undoes it, from the baseline and the stash alone.
    pub script: Script,
    /// How long after the end of the change, and after each boot, we have to confirm.
    pub wait: Duration,
}

/// A run's claim on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Who drives it: `user@machine`.
    pub owner: String,
    /// The change that the run belongs to.
    pub change: ChangeId,
    /// How often the run was taken up: a host that has seen a higher one refuses.
    pub epoch: u64,
    /// Go ahead over another run's claim (recorded on the host in both).
    pub force: bool,
    /// Take the claim away when the job has ended well.
    pub release: bool,
    /// What is left on the host of how far the run's journal has come: a line that nobody here can take back.
    pub witness: Option<String>,
}

/// How a job ended, as far as can be known.
#[derive(Debug, Clone)]
pub enum JobEnd {
    /// It ran to its end (well or badly: the output says).
    Done(Output),
    /// It began and left no result: killed, or the host booted anew. What it had written is here.
    Died {
        /// What was found.
        why: String,
        /// Its records and log up to then; the boot is the one that the host is in now.
        output: Output,
    },
    /// Nobody confirmed the change in time, and the host undid it by itself. This is what that job of its own gave; the
    /// job that was asked for did not begin.
    RestoredItself(Output),
}

/// What became of a run's claim on a host that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It is gone.
    Cleared,
    /// There was none.
    NoClaim,
    /// The host carries another run's: that was left alone.
    OtherRun(ClaimInfo),
}

/// Why something on a host did not come to an end.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What happened.
    pub problem: Problem,
    /// For a job: whether it may have begun. `false`: this call began nothing (an earlier call for the same job, of a
    /// process that crashed, may have).
    pub may_have_begun: bool,
}

/// Takes what a host says while a step runs.
pub trait Listener: Send + Sync {
    /// A line of the step's log (without its end, at most 4 KiB, invalid UTF-8 replaced).
    fn line(&self, text: &str);
    /// A record of a running job, as it comes (without its end; still to be parsed): its `phase` records tell how far it
    /// is. All records come again in the output.
    fn record(&self, _text: &str) {}
    /// Something about the connection worth a line to a person: `reconnecting in 4 s`.
    fn notice(&self, text: &str);
}

/// What a host is, beyond its name: evidence for the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The fingerprint of the host key that was checked, `SHA256:…`.
    pub host_key: String,
    /// The user that we are there.
    pub user: String,
    /// Time from connect to a ready session.
    pub took: Duration,
}

/// Reaches hosts. One connection a host, made when first needed and kept until `close`.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Connects, checks the host key, logs in.
    async fn ping(&self, host: &Host) -> Result<Answer, Failure>;

    /// Runs a script that only reads, on the connection.
    async fn read(&self, host: &Host, script: &Script, listener: &dyn Listener) -> Result<Output, Failure>;

    /// Sees to it that the job has run once, and follows it to its end: absent → start it; running → follow it;
    /// done → fetch its result. A lost connection is made again, until the script's time is over.
    async fn job(&self, host: &Host, job: &Job, listener: &dyn Listener) -> Result<JobEnd, Failure>;

    /// Confirms the change over a new connection, so that the host's dead man does not act any more. `job` is never
    /// begun; it says whose dead man it is. `Done` without output: confirmed, or there was nothing to confirm.
    async fn confirm(&self, host: &Host, job: &Job, listener: &dyn Listener) -> Result<JobEnd, Failure>;

    /// Takes the run's claim off the host, and with it whatever would undo the run's change there. Refused while one of
    /// the run's jobs is alive on the host.
    async fn release(
        &self,
        host: &Host,
        run: &RunId,
        privilege: Privilege,
        listener: &dyn Listener,
    ) -> Result<Released, Failure>;

    /// Closes the host's connection, if there is one.
    async fn close(&self, host: &Host);
}

/// Knows the people of this machine.
pub trait People: Send + Sync {
    /// Which of these groups of the operating system the person is in, now.
    fn groups_of(&self, name: &str, of: &[&str]) -> Vec<String>;
}

/// Asks the person at the terminal for secrets. Without a terminal every question is refused.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The login password of this host: the host's `password_command`, else asked (`--ask-pass`), asked once for all.
    async fn password(&self, host: &Host) -> Result<Option<Secret>, Problem>;
    /// The password for becoming root there.
    async fn become_password(&self, host: &Host) -> Result<Option<Secret>, Problem>;
    /// The passphrase of a key file; asked once for each file, and again where the one before was `wrong`.
    async fn passphrase(&self, file: &std::path::Path, wrong: bool) -> Result<Option<Secret>, Problem>;
}

/// Asks the person at the terminal to decide. Without a terminal nothing is asked and nothing is granted.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Shows a gate's evidence and asks for the decision. Dropping the future closes the prompt and gives the
    /// terminal back: the decision came from elsewhere.
    async fn ask(&self, gate: &GateQuestion) -> GateAnswer;

    /// Shows a gate's evidence and asks whether the verdict that was given is meant.
    async fn sure(&self, gate: &GateQuestion, verdict: Verdict) -> Confirmation;

    /// Shows what a run is about to do and asks whether it may begin.
    async fn begin(&self, beginning: &Beginning) -> Confirmation;
}

/// Sends messages to people who are not here.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends one message, once. Sent again, it has the same ID.
    async fn send(&self, to: &Notify, message: &Message) -> Result<(), SendError>;

    /// What is missing here to send anything there, as far as can be seen without sending: an early warning.
    fn missing(&self, to: &Notify) -> Option<String>;
}

/// Why a message was not taken. It never says a secret, and of a URL no more than the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// What happened.
    pub text: String,
    /// Whether it is worth another try.
    pub again: Again,
}

/// Whether a message that was not taken is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After a while; the other side may have said after how long.
    After(Option<Duration>),
    /// Not by this process: something is missing here that another one may have.
    Elsewhere,
    /// Never: the other side does not want it.
    Never,
}

impl SendError {
    /// Another try may help.
    pub fn soon(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: Again::After(None) }
    }

    /// Something is missing here.
    pub fn missing(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: Again::Elsewhere }
    }

    /// No try will help.
    pub fn never(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: Again::Never }
    }
}

/// A secret: never shown, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Arc<zeroize::Zeroizing<String>>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: String) -> Self {
        Self(Arc::new(zeroize::Zeroizing::new(text)))
    }

    /// The text, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Where to look for keys and host keys: what `ssh` would take from its command line.
#[derive(Debug, Clone, Default)]
pub struct SshOptions {
    /// known_hosts files; empty: `~/.ssh/known_hosts`, `~/.ssh/known_hosts2`, `/etc/ssh/ssh_known_hosts` and `…hosts2`.
    pub known_hosts: Vec<PathBuf>,
    /// `--private-key`: tried first.
    pub private_keys: Vec<PathBuf>,
    /// `--user`.
    pub user: Option<String>,
    /// Where unknown host keys are added instead of being refused (`--accept-new-host-keys`).
    pub accept_new: bool,
    /// From the first packet to a ready session.
    pub connect_timeout: Option<Duration>,
    /// Use the agent (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
}

/// The run's folder: an append-only journal, and blobs by their digest.
pub trait Store: Send {
    /// Appends lines to the journal; they are on the disk when this returns.
    ///
    /// # Errors
    /// When the disk did not take them; nothing may be done then.
    fn append(&mut self, lines: &[String]) -> std::io::Result<()>;

    /// Keeps these bytes.
    ///
    /// # Errors
    /// When the disk did not take them.
    fn put_blob(&mut self, bytes: &[u8]) -> std::io::Result<Digest>;

    /// Cuts so many bytes off the journal's end: a write that was not completed.
    ///
    /// # Errors
    /// When the disk refuses.
    fn cut(&mut self, bytes: u64) -> std::io::Result<()>;

    /// Writes down outside of the run's folder how far the journal has come, unless nothing was appended since.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn seal(&mut self, seal: &Seal, at: Timestamp) -> std::io::Result<()>;
}

/// A decision from another process, and the way to tell it what became of it.
#[derive(Debug)]
pub struct Letter {
    /// Names the letter.
    pub id: String,
    /// What it asks for.
    pub wish: Wish,
}

/// What another process asks of the one that drives the run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Decide a gate.
    Decide {
        /// Of this stage; none: of the one that is open.
        stage: Option<StageName>,
        /// On this digest (its beginning).
        digest: Option<String>,
        /// How.
        decision: Decision,
    },
    /// Come to a safe point and leave the run.
    Pause {
        /// Who wants it.
        by: Person,
    },
    /// Take back what is not approved yet.
    Cancel {
        /// Who wants it.
        by: Person,
        /// Why.
        reason: String,
    },
    /// Give a host up.
    Release {
        /// Which host.
        host: HostName,
        /// Who gives it up.
        by: Person,
        /// Why.
        reason: String,
    },
}

impl Wish {
    /// Who wants it; for a signed decision, who brings it: whose it is says its signature.
    pub fn by(&self) -> &Person {
        match self {
            Self::Decide { decision, .. } => decision.signed.as_ref().map_or(&decision.by, |signed| &signed.brought_by),
            Self::Pause { by } | Self::Cancel { by, .. } | Self::Release { by, .. } => by,
        }
    }
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is in the journal.
    Recorded {
        /// The stage whose gate it decided.
        stage: StageName,
    },
    /// It is in the journal.
    Done,
    /// It was not acceptable, for this reason.
    Refused(String),
}

/// Letters from other processes to the one that drives the run.
#[async_trait]
pub trait Inbox: Send {
    /// Waits for the next letter.
    async fn next(&mut self) -> Letter;

    /// Says what became of a letter.
    fn answer(&mut self, id: &str, reply: &Reply);
}

/// Signals to this process.
#[async_trait]
pub trait Signals: Send {
    /// Waits for the next one; its name, such as `SIGINT`.
    async fn next(&mut self) -> &'static str;
}
