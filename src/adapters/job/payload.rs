//! Builds what goes to the host's standard input. Parameters are data: they become files there, never program text.

use std::fmt::Write as _;
use std::path::Path;

use super::{DRIVER, RUN, WATCH};
use crate::core::ids::RunId;
use crate::core::settings::Escalate;
use crate::ports::{DeadMan, Job, Privilege, Script};

/// The last line of a script on the host: without it the script is not whole.
const LAST_LINE: &str = "# patchctl: end of the step";

/// Names that are set for every step and are not a parameter's to set.
const RESERVED: [&str; 15] = [
    "CLAIMED_BY",
    "ENV",
    "HOME",
    "IFS",
    "IN",
    "LANG",
    "LC_ALL",
    "OUT",
    "PATH",
    "PS4",
    "PWD",
    "RECORDS",
    "STASH",
    "STATE",
    "TMPDIR",
];

/// Why a script cannot be sent. All are mistakes of the caller, found before the host sees anything.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadScript {
    #[error("environment variable {0:?} is not a name that a step may be given")]
    VariableName(String),
    #[error("environment variable {0} has a line end or a NUL in it")]
    VariableValue(String),
    #[error("input file {0:?} is not named with small letters and underscores")]
    FileName(String),
    #[error("{0} has a NUL in it")]
    Nul(String),
    #[error("{0} has a line end or a tab in it")]
    Field(&'static str),
    #[error("the state folder {0:?} is not an absolute path")]
    StateDir(String),
}

/// How the host lets us become root, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becoming {
    /// Not known yet: `sudo -n true` tells.
    Probe,
    /// Without a password.
    Free,
    /// With one.
    Password,
}

/// Everything about one exchange.
pub(crate) struct Request<'a> {
    /// What runs.
    pub(crate) script: &'a Script,
    /// How the inventory says to become root.
    pub(crate) escalate: Escalate,
    /// What we know about it.
    pub(crate) becoming: Becoming,
    /// Where the state folder is instead of its usual place.
    pub(crate) state_dir: Option<&'a Path>,
    /// What it is about.
    pub(crate) errand: Errand<'a>,
}

/// What an exchange is about.
#[derive(Clone)]
pub(crate) enum Errand<'a> {
    /// A step that only reads.
    Read,
    /// A job, and what of its output we have.
    Job(&'a Job, Have),
    /// The dead man of this job's run is told that the change is well; what of the host's own job we have.
    Confirm(&'a Job, Have),
    /// The host is given up: this run's claim goes.
    Release(&'a RunId),
}

/// How much of a job's output has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Have {
    /// Bytes of the log.
    pub(crate) log: u64,
    /// Bytes of the records.
    pub(crate) records: u64,
    /// Of the job by which the host goes back by itself, and not of the one that is asked for.
    pub(crate) of: Option<String>,
}

/// What the other side of an exchange may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// It is a job: its log comes in frames.
    pub(crate) is_job: bool,
    /// It may ask for the password.
    pub(crate) may_ask: bool,
}

impl Request<'_> {
    /// What the host may do in this exchange.
    pub(crate) fn kind(&self) -> Kind {
        let may_ask = self.script.privilege == Privilege::Root && self.escalate == Escalate::Sudo;
        Kind { is_job: !matches!(self.errand, Errand::Read), may_ask }
    }

    /// The bytes for standard input, under this key.
    ///
    /// # Errors
    /// When a name or value cannot be sent as it is.
    pub(crate) fn bytes(&self, key: &str) -> Result<Vec<u8>, BadScript> {
        let mut text = String::with_capacity(DRIVER.len() + self.script.text.len() + 4096);
        text.push_str(DRIVER);
        part(&mut text, "arg", &self.arguments()?);
        if matches!(self.errand, Errand::Read | Errand::Job(..)) {
            part(&mut text, "run", RUN);
            script_parts(&mut text, "", self.script)?;
        }
        if let Errand::Job(Job { dead_man: DeadMan::Arm(arm), .. }, _) = &self.errand {
            part(&mut text, "watch", WATCH);
            script_parts(&mut text, "back.", &arm.script)?;
        }
        // A line of its own ends the last part.
        text.push_str("=end\n");
        Ok(format!("{key} {}\n{text}", text.len()).into_bytes())
    }

    fn arguments(&self) -> Result<String, BadScript> {
        let privilege = match self.script.privilege {
            Privilege::Root => "root",
            Privilege::User => "user",
        };
        let escalate = match self.escalate {
            Escalate::None => "none",
            Escalate::Sudo => "sudo",
        };
        let mode = match self.becoming {
            Becoming::Probe => "probe",
            Becoming::Free => "free",
            Becoming::Password => "pass",
        };
        let mut text = format!("priv={privilege}\nescalate={escalate}\nmode={mode}\n");
        if let Some(dir) = self.state_dir {
            let dir = dir.to_str().filter(|dir| dir.starts_with('/') && plain(dir));
            let dir = dir.ok_or_else(|| BadScript::StateDir(format!("{:?}", self.state_dir)))?;
            let _ = writeln!(text, "state={dir}");
        }
        let (op, job, have) = match &self.errand {
            Errand::Read => {
                text.push_str("op=read\n");
                return Ok(text);
            }
            Errand::Release(run) => {
                let _ = writeln!(text, "op=release\nrun={run}");
                return Ok(text);
            }
            Errand::Job(job, have) => ("job", job, have),
            Errand::Confirm(job, have) => ("confirm", job, have),
        };
        for (what, value) in [("the job's nonce", &job.nonce), ("the claim's owner", &job.claim.owner)] {
            if value.is_empty() || !plain(value) {
                return Err(BadScript::Field(what));
            }
        }
        let claim = &job.claim;
        if let Some(witness) = &claim.witness {
            if !plain(witness) {
                return Err(BadScript::Field("the witness"));
            }
            let _ = writeln!(text, "witness={witness}");
        }
        let _ = writeln!(text, "op={op}\nid={}\nnonce={}\nrun={}", job.id, job.nonce, claim.run);
        let _ = writeln!(text, "owner={}\nchange={}\nepoch={}", claim.owner, claim.change, claim.epoch);
        let _ = writeln!(text, "force={}\nrelease={}", u8::from(claim.force), u8::from(claim.release));
        let _ = writeln!(text, "ask={}\nlog={}\nrec={}", u8::from(job.ask_only), have.log, have.records);
        if let Some(of) = &have.of {
            let _ = writeln!(text, "of={of}");
        }
        text.push_str(&rule(&job.dead_man));
        Ok(text)
    }
}

fn rule(dead_man: &DeadMan) -> String {
    match dead_man {
        DeadMan::Arm(arm) => format!("rule=arm\narm={}\ndelay={}\n", arm.id, arm.wait.as_secs().max(1)),
        DeadMan::Heed => "rule=heed\n".to_owned(),
        DeadMan::Disarm => "rule=disarm\n".to_owned(),
        DeadMan::Spent => "rule=spent\n".to_owned(),
    }
}

/// What a job's folder is made of, each part's name beginning with `prefix`.
fn script_parts(text: &mut String, prefix: &str, script: &Script) -> Result<(), BadScript> {
    part(text, &format!("{prefix}env"), &environment(script)?);
    check_nul("the script", &script.text)?;
    part(text, &format!("{prefix}script"), &script.text);
    let _ = writeln!(text, "|{LAST_LINE}");
    for (name, content) in &script.files {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(BadScript::FileName(name.clone()));
        }
        check_nul(name, content)?;
        part(text, &format!("{prefix}in.{name}"), content);
    }
    Ok(())
}

fn environment(script: &Script) -> Result<String, BadScript> {
    let mut text = String::new();
    for (name, value) in &script.env {
        let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let begins = name.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
        if !begins || !name.bytes().all(fits) || RESERVED.contains(&name.as_str()) || name.starts_with("LD_") {
            return Err(BadScript::VariableName(name.clone()));
        }
        if value.contains(['\n', '\0']) {
            return Err(BadScript::VariableValue(name.clone()));
        }
        let _ = writeln!(text, "{name}={value}");
    }
    Ok(text)
}

/// Whether the text is one field of one line.
fn plain(text: &str) -> bool {
    !text.contains(['\n', '\r', '\t', '\0'])
}

fn check_nul(what: &str, text: &str) -> Result<(), BadScript> {
    if text.contains('\0') { Err(BadScript::Nul(what.to_owned())) } else { Ok(()) }
}

/// A part of the data: a line that names it, then its lines, each marked as one. The last line's end is added where
/// it is missing.
fn part(text: &mut String, name: &str, content: &str) {
    let _ = writeln!(text, "={name}");
    for line in content.split_inclusive('\n') {
        text.push('|');
        text.push_str(line);
    }
    if !content.is_empty() && !content.ends_with('\n') {
        text.push('\n');
    }
}
