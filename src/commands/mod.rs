//! The commands, one thin file each: from parsed arguments to an exit code. What they need of the world comes through
//! [`Wiring`], so that none of them names an adapter.

mod audit;
mod cancel;
mod decide;
mod demo;
mod drift;
mod drill;
mod drive;
mod earlier;
mod export;
mod generate;
mod inventory;
mod letter;
mod new;
mod passed;
mod pause;
mod plan;
mod playbook;
mod policy;
mod preapproval;
mod recover;
mod release;
mod report;
mod resume;
mod review;
mod rollback;
mod run;
mod sign;
mod status;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::cli::{Cli, Command, Contact, Global, Output, PolicyCommand};
use crate::core::document::{DocumentKind, Outcome, ResultDocument};
use crate::core::ids::RunId;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Person, Settings};
use crate::core::view::Display;
use crate::engine::EngineError;
use crate::input::InputErrors;
use crate::playbook::LoadError;
use crate::ports::control::Control;
use crate::ports::signatures::{SignError, Signatures};
use crate::ports::state::{Runs, StateError};
use crate::ports::{Approver, Clock, Notifier, People, Signals, Transport};
use crate::ui::json::{write_document, write_text};
use crate::ui::style::Look;

/// What a person at the terminal sees and is asked through.
pub struct Front {
    /// Shows what happens.
    pub display: Arc<dyn Display>,
    /// Asks.
    pub approver: Arc<dyn Approver>,
}

/// How to reach hosts: what a command adds to what the inventory says.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The connection's flags.
    pub contact: Contact,
    /// Never ask for anything.
    pub non_interactive: bool,
    /// Keys of hosts that are not known yet are written down instead of being refused.
    pub accept_new_host_keys: bool,
    /// Instead of the user's own known_hosts files.
    pub known_hosts: Vec<PathBuf>,
    /// Variables of our environment that hold secrets: what we start must not get them.
    pub hidden: Vec<String>,
}

/// The demo's hosts; a test holds them equal to the fleet's.
pub(crate) const DEMO_HOSTS: [&str; 6] = ["uat-01", "uat-02", "prod-01", "prod-02", "prod-03", "prod-04"];

/// An embedded fleet: it lives as long as this.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Its plan.
    fn plan(&self) -> &Path;
    /// Its known_hosts file.
    fn known_hosts(&self) -> &Path;
    /// The folder for the runs on it.
    fn state_dir(&self) -> PathBuf;
    /// Takes it down.
    async fn stop(&self);
}

/// Makes the adapters.
#[async_trait]
pub trait Wiring: Send + Sync {
    /// The runs in the state folder, or in this one.
    ///
    /// # Errors
    /// When the folder cannot be used.
    fn runs(&self, folder: Option<&Path>) -> Result<Arc<dyn Runs>, StateError>;
    /// The runs in the state folder, where there is one: none is made.
    ///
    /// # Errors
    /// When the folder cannot be used.
    fn kept_runs(&self) -> Result<Option<Arc<dyn Runs>>, StateError>;
    /// The records in a folder that `audit export` made.
    ///
    /// # Errors
    /// When it is none.
    fn exported(&self, folder: &Path) -> Result<Arc<dyn Runs>, StateError>;
    /// The way to hosts.
    fn transport(&self, reach: &Reach, front: &Front) -> Arc<dyn Transport>;
    /// The terminal's display and prompts; without prompts where nothing may be asked.
    fn front(&self, non_interactive: bool) -> Front;
    /// The time.
    fn clock(&self) -> Arc<dyn Clock>;
    /// Signals to this process, from now on.
    ///
    /// # Errors
    /// When the system refuses.
    fn signals(&self) -> io::Result<Box<dyn Signals>>;
    /// Who we are.
    fn person(&self) -> Person;
    /// Sends a run's messages.
    fn notifier(&self, settings: &Settings) -> Arc<dyn Notifier>;
    /// Runs a run's commands here, and asks servers from here.
    fn control(&self, settings: &Settings) -> Arc<dyn Control>;
    /// Who is who here.
    fn people(&self) -> Arc<dyn People>;
    /// Makes and checks signatures.
    fn signatures(&self, front: &Front) -> Arc<dyn Signatures>;
    /// A new run's identity.
    fn new_run(&self) -> RunId;
    /// Whether there is a person at a terminal to ask.
    fn is_interactive(&self) -> bool;
    /// Starts the demo's fleet.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn demo(&self, fail: Option<&str>) -> anyhow::Result<Box<dyn Fleet>>;
    /// Asks a question at the terminal; none: the person left, or does not mean it.
    async fn question(&self, front: &Front, question: Question) -> Option<String>;
}

/// A question to the person at the terminal.
#[derive(Debug, Clone)]
pub enum Question {
    /// A line of text, with a default.
    Line {
        /// What is asked.
        prompt: String,
        /// What an empty line means.
        default: String,
    },
    /// One of a few.
    Choice {
        /// What is asked.
        prompt: String,
        /// The answers: what is returned, and what it means.
        choices: Vec<(String, String)>,
    },
    /// Whether something is meant, with this before the eyes.
    Sure {
        /// What is shown.
        about: String,
        /// What is asked.
        question: String,
    },
    /// Several of many, returned a line each.
    Several {
        /// What is asked.
        prompt: String,
        /// The answers.
        choices: Vec<String>,
    },
}

/// What every command has.
pub struct Context<'a> {
    /// The flags that every command takes.
    pub global: Global,
    /// The world.
    pub wiring: &'a dyn Wiring,
    /// How standard output looks.
    pub look: Look,
    /// How standard error looks.
    pub err_look: Look,
}

/// Why a command ended without its result.
#[derive(Debug)]
pub struct CommandError {
    /// What that makes of the command.
    pub outcome: Outcome,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// The mistakes with their places, where it was the input.
    pub input: Option<InputErrors>,
}

impl CommandError {
    /// One problem with this outcome.
    pub fn new(outcome: Outcome, problem: Problem) -> Self {
        Self { outcome, problems: vec![problem], input: None }
    }

    /// An argument, or something that it names, is not acceptable.
    pub fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Outcome::Invalid, Problem::new(ErrorKind::Invalid, message).hint(hint))
    }

    /// Nothing was changed, because a rule says no.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Outcome::Refused, Problem::new(ErrorKind::Refused, message).hint(hint))
    }
}

impl From<InputErrors> for CommandError {
    fn from(errors: InputErrors) -> Self {
        Self { outcome: Outcome::Invalid, problems: errors.problems(), input: Some(errors) }
    }
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        let (outcome, kind) = match error {
            StateError::NoRuns
            | StateError::NoSuchRun(_)
            | StateError::SeveralRuns { .. }
            | StateError::NoGroup(_)
            | StateError::Unsafe { .. } => (Outcome::Invalid, ErrorKind::Invalid),
            StateError::Held { .. } => (Outcome::Refused, ErrorKind::Refused),
            _ => (Outcome::Error, ErrorKind::Internal),
        };
        Self::new(outcome, Problem::new(kind, with_causes(&error)))
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Refused(refusal) => {
                Self::new(Outcome::Invalid, Problem::new(ErrorKind::Invalid, refusal.to_string()))
            }
            _ => Self::new(Outcome::Error, Problem::from(&error)),
        }
    }
}

impl From<SignError> for CommandError {
    fn from(error: SignError) -> Self {
        Self::invalid(
            with_causes(&error),
            "nothing was signed; KEY is a key file, or the .pub of a key in the SSH agent",
        )
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        Self::new(Outcome::Invalid, Problem::new(ErrorKind::Invalid, with_causes(&error)))
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::new(Outcome::Error, Problem::new(ErrorKind::Internal, error.to_string()))
    }
}

impl From<anyhow::Error> for CommandError {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Outcome::Error, Problem::new(ErrorKind::Internal, format!("{error:#}")))
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

/// The result of a command: its exit code.
pub type Ended = Result<u8, CommandError>;

impl Context<'_> {
    fn wants_json(&self) -> bool {
        matches!(self.global.output(), Output::Json | Output::Jsonl)
    }

    /// Prints a document as JSON, or else this text.
    fn print(&self, document: &impl serde::Serialize, text: impl FnOnce(&Look) -> String) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.wants_json() { write_document(&mut out, document) } else { write_text(&mut out, &text(&self.look)) }
    }

    /// A line for the person, on standard error; nothing with `-q`.
    fn say(&self, text: &str) {
        if !self.global.quiet {
            // Nobody is left to be told when standard error is gone.
            let _ = write_text(&mut io::stderr().lock(), &format!("{text}\n"));
        }
    }

    /// `--limit` is refused where it would be without effect: whoever gives it means it.
    fn refuse_limit(&self, why: &str) -> Result<(), CommandError> {
        match &self.global.limit {
            None => Ok(()),
            Some(_) => Err(CommandError::invalid(format!("--limit has no place here: {why}"), "leave it out")),
        }
    }

    fn runs(&self) -> Result<Arc<dyn Runs>, CommandError> {
        Ok(self.wiring.runs(None)?)
    }

    /// The error as the one document of `--output json`, or as text on standard error.
    pub fn fail(&self, error: &CommandError) -> u8 {
        let mut out = io::stdout().lock();
        if self.wants_json() {
            let document = ResultDocument::of_errors(DocumentKind::Run, error.outcome, error.problems.clone());
            let _ = write_document(&mut out, &document);
        } else {
            let text = match &error.input {
                Some(errors) => crate::ui::input_error::render(errors, self.err_look.colour()),
                None => crate::ui::problems::errors(&self.err_look, &error.problems),
            };
            let _ = write_text(&mut io::stderr().lock(), &text);
        }
        error.outcome.exit_code()
    }
}

/// Runs the command; the exit code.
///
/// # Errors
/// When it ended without its result.
pub async fn dispatch(cli: Cli, context: &Context<'_>) -> Ended {
    match cli.command {
        Command::New(args) => new::new(context, args).await,
        Command::Run(args) if args.check => plan::check_only(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Plan(args) => plan::plan(context, args).await,
        Command::Check { plan, policy } => plan::check(context, &plan, &policy),
        Command::Policy(PolicyCommand::Test(args)) => policy::test(context, &args),
        Command::Runs => report::runs(context),
        Command::Status(args) => status::status(context, &args),
        Command::Approve(args) => decide::decide(context, args, true).await,
        Command::Reject(args) => decide::decide(context, args, false).await,
        Command::Resume(args) => resume::resume(context, args).await,
        Command::Pause(args) => pause::pause(context, &args).await,
        Command::Cancel(args) => cancel::cancel(context, args).await,
        Command::Rollback(args) => rollback::rollback(context, args).await,
        Command::Recover(args) => recover::recover(context, args).await,
        Command::Release(args) => release::release(context, args).await,
        Command::Report { run } => report::report(context, &run),
        Command::Audit(command) => audit::command(context, &command),
        Command::Inventory(command) => inventory::inventory(context, command).await,
        Command::Drill(args) => drill::drill(context, args).await,
        Command::Drift(args) => drift::drift(context, args).await,
        Command::Playbook(command) => playbook::playbook(context, &command),
        Command::Demo(args) => demo::demo(context, args).await,
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::man(context, &dir),
        Command::Schema { kind } => generate::schema(kind),
        Command::Later(_) => Err(CommandError::invalid("this is not built yet", "`patchctl --help` lists what is")),
    }
}
