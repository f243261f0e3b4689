//! Messages to people who are not at the terminal: who gets them, about what, and what they say.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::{Outcome, Stamp, Summary};
use super::event::{GateKind, UndoCause};
use super::ids::{ChangeId, Digest, PlanName, RunId, StageIx, StageName};

/// One `[[notify]]` of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// What records and warnings call it.
    pub name: String,
    /// What it is told.
    pub on: Vec<Topic>,
    /// Where its messages go.
    pub to: Channel,
}

/// What a message can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// A gate waits for a person.
    Gate,
    /// The run is over.
    Finished,
    /// A host failed, too many failed or fell silent, or the run ended badly.
    Failed,
    /// Hosts go back.
    Rollback,
}

impl Topic {
    /// All of them: what a `[[notify]]` without `on` is told.
    pub const ALL: [Self; 4] = [Self::Gate, Self::Finished, Self::Failed, Self::Rollback];
}

/// Where messages go. Of secrets it holds only where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Channel {
    /// A Slack channel, through an incoming webhook.
    Slack {
        /// The webhook's URL.
        url: SecretSource,
    },
    /// A Teams channel, through a workflow that takes Adaptive Cards.
    Teams {
        /// The workflow's URL.
        url: SecretSource,
    },
    /// Any HTTPS endpoint.
    Webhook {
        /// Its URL.
        url: UrlSource,
        /// The key that signs the body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<SecretSource>,
        /// Certificates that are trusted beside the system's (PEM).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<PathBuf>,
    },
    /// A mail, handed to a command as `sendmail -t` takes it.
    Email {
        /// To whom.
        to: Vec<String>,
        /// From whom; none: the command knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The command.
        command: String,
    },
    /// A command that gets the message as JSON on its standard input.
    Command {
        /// What `sh -c` runs.
        run: String,
    },
}

/// A URL, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UrlSource {
    /// It stands in the plan: it is no secret.
    Plain(String),
    /// It comes from somewhere else.
    From(SecretSource),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A variable of patchctl's environment; processes that it starts do not get it.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a command prints.
    Command(String),
}

impl Channel {
    /// The word in plans.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Teams { .. } => "teams",
            Self::Webhook { .. } => "webhook",
            Self::Email { .. } => "email",
            Self::Command { .. } => "command",
        }
    }

    /// Where its secrets come from.
    pub fn secrets(&self) -> Vec<&SecretSource> {
        match self {
            Self::Slack { url } | Self::Teams { url } => vec![url],
            Self::Webhook { url, key, .. } => {
                let url = if let UrlSource::From(source) = url { Some(source) } else { None };
                url.into_iter().chain(key).collect()
            }
            Self::Email { .. } | Self::Command { .. } => Vec::new(),
        }
    }
}

/// The variables of the environment that hold secrets: no process that patchctl starts gets them.
pub fn secret_variables(all: &[Notify]) -> Vec<String> {
    let sources = all.iter().flat_map(|notify| notify.to.secrets());
    let names =
        sources.filter_map(|source| if let SecretSource::Env(name) = source { Some(name.clone()) } else { None });
    names.collect()
}

/// What happened that a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A gate opened.
    Gate {
        /// Of which stage.
        stage: StageIx,
        /// Which of its gates.
        gate: GateKind,
        /// What is decided on.
        digest: Digest,
        /// It has waited for long, and nobody has decided.
        reminder: bool,
    },
    /// Hosts of a stage failed.
    Failed {
        /// Of which stage.
        stage: StageIx,
    },
    /// Patched hosts go back.
    Rollback {
        /// Of which stage.
        stage: StageIx,
        /// Why.
        cause: UndoCause,
    },
    /// The run is over.
    Finished,
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its number in the run, from 1.
    pub number: u32,
    /// To which of the settings' `notify`.
    pub channel: u16,
    /// What it tells.
    pub about: About,
    /// Since when it is to be sent.
    pub since: Timestamp,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It was taken.
    Sent,
    /// It cannot be delivered, or could not for days.
    GaveUp,
}

/// A message as it is sent. What hosts said in it is escaped; markup is for each channel to escape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The version of this form.
    pub schema: u32,
    /// Names the message: the same one, sent again, has the same ID.
    pub id: String,
    /// `gate`, `reminder`, `failed`, `rollback` or `finished`.
    pub event: &'static str,
    /// When this try to send it began.
    pub sent_at: Stamp,
    /// When it happened.
    pub at: Stamp,
    /// The run.
    pub run_id: RunId,
    /// The change that it belongs to.
    pub change_id: ChangeId,
    /// The plan.
    pub plan: PlanName,
    /// The stage; none: the whole run.
    pub stage: Option<StageName>,
    /// One line.
    pub title: String,
    /// What there is to know, in a few lines.
    pub text: Vec<String>,
    /// At a gate that waits: what is decided on, and the commands that decide.
    pub decide: Option<Decide>,
    /// What shows the rest.
    pub more: String,
    /// How the run stands.
    pub outcome: Outcome,
    /// Its hosts, counted.
    pub summary: Summary,
}

/// The version of the messages' JSON.
pub const MESSAGE_VERSION: u32 = 1;

/// How to decide, to be pasted into a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decide {
    /// What is decided on.
    pub digest: Digest,
    /// The command that approves.
    pub approve: String,
    /// The command that rejects.
    pub reject: String,
}

impl Message {
    /// The commands to paste, each with what it does.
    pub fn commands(&self) -> Vec<(&'static str, &str)> {
        let decide = self.decide.iter().flat_map(|decide| [("Approve", &decide.approve), ("Reject", &decide.reject)]);
        decide.chain([("More", &self.more)]).map(|(what, line)| (what, line.as_str())).collect()
    }

    /// All of it but the title as plain text, for what has no markup.
    pub fn plain(&self) -> String {
        let mut text = self.text.join("\n");
        text.push('\n');
        for (what, line) in self.commands() {
            text.push_str(&format!("\n{what}:\n  {line}\n"));
        }
        text
    }
}
