//! The composition root: the only place that names adapters.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;

use crate::adapters::clock::SystemClock;
use crate::adapters::control::ThisMachine;
use crate::adapters::notify::Messenger;
use crate::adapters::person;
use crate::adapters::prompt::{AskFor, PromptLook, Prompter, TerminalApprover, TerminalGuard, TerminalSecrets};
use crate::adapters::signals::ProcessSignals;
use crate::adapters::signing::SshSignatures;
use crate::adapters::ssh::SshTransport;
use crate::adapters::state::{StateDir, Team};
use crate::cli::{ColorWhen, Global, state_dir};
use crate::commands::{self, CommandError, Context, Fleet, Front, Question, Reach, Wiring};
use crate::core::document::{DocumentKind, Outcome, ResultDocument, Verdict};
use crate::core::evidence::{Beginning, Confirmation, GateAnswer, GateQuestion};
use crate::core::ids::RunId;
use crate::core::notify::secret_variables;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Person, Settings};
use crate::demo::{Demo, DemoOptions};
use crate::ports::control::Control;
use crate::ports::signatures::Signatures;
use crate::ports::state::{Runs, StateError};
use crate::ports::{Approver, Clock, Notifier, People, Signals, SshOptions, Transport};
use crate::ui::evidence::Evidence;
use crate::ui::progress::{Progress, Verbosity};
use crate::ui::style::{ColorChoice, Look};

/// Runs the command line; the exit code. The only thing left to the caller is to end the process with it.
pub fn run(args: Vec<OsString>) -> u8 {
    let wants_json = crate::cli::asks_for_json(args.get(1..).unwrap_or_default());
    let cli = match crate::cli::parse(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, wants_json),
    };
    let cli = match cli.configured() {
        Ok(cli) => cli,
        Err(errors) => {
            let (err_look, problems) = (Look::stderr(ColorChoice::Auto), errors.problems());
            return fail_early(&err_look, wants_json, &problems, || {
                crate::ui::input_error::render(&errors, err_look.colour())
            });
        }
    };
    let _terminal = TerminalGuard::save();
    let wiring = App { global: cli.global.clone() };
    let choice = wiring.color();
    let context = Context {
        global: cli.global.clone(),
        wiring: &wiring,
        look: Look::stdout(choice),
        err_look: Look::stderr(choice),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return context.fail(&CommandError::from(error)),
    };
    let code = match runtime.block_on(commands::dispatch(cli, &context)) {
        Ok(code) => code,
        Err(error) => context.fail(&error),
    };
    // A prompt that nobody answered may still block a thread; it must not keep the process.
    runtime.shutdown_background();
    code
}

/// `--help` and `--version` as they are; a wrong command line as one document where JSON is asked for.
fn usage(error: &clap::Error, wants_json: bool) -> u8 {
    if error.use_stderr() && wants_json {
        let message = error.render().to_string();
        let first = message.trim().trim_start_matches("error: ").lines().next().unwrap_or_default().to_owned();
        let problem = Problem::new(ErrorKind::Invalid, first).hint("`patchctl --help` shows the command line");
        return fail_early(&Look::plain(None), true, &[problem], String::new);
    }
    // Nobody is left to be told when the terminal is gone.
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(2)
}

fn fail_early(_: &Look, wants_json: bool, problems: &[Problem], text: impl FnOnce() -> String) -> u8 {
    let outcome = Outcome::Invalid;
    let written = if wants_json {
        let document = ResultDocument::of_errors(DocumentKind::Run, outcome, problems.to_vec());
        crate::ui::json::write_document(&mut io::stdout().lock(), &document)
    } else {
        crate::ui::json::write_text(&mut io::stderr().lock(), &text())
    };
    // The exit code says it all the same.
    drop(written);
    outcome.exit_code()
}

/// Makes the adapters.
struct App {
    global: Global,
}

impl App {
    fn color(&self) -> ColorChoice {
        match self.global.color() {
            ColorWhen::Auto => ColorChoice::Auto,
            ColorWhen::Always => ColorChoice::Always,
            ColorWhen::Never => ColorChoice::Never,
        }
    }

    /// Who shares the state folder; none: it is its user's alone.
    fn team(&self) -> Result<Option<Team>, StateError> {
        let Some(name) = &self.global.group else { return Ok(None) };
        let group = person::group_number(name).ok_or_else(|| StateError::NoGroup(name.clone()))?;
        Ok(Some(Team { group, is_in_group: person::is_in_group, name_of: person::name_of, now: || SystemClock.now() }))
    }

    fn look(&self) -> Look {
        Look::stderr(self.color())
    }

    fn prompter(&self, front: &Front) -> Prompter {
        let look = self.look();
        let look = PromptLook { colour: look.colour(), unicode: look.unicode() };
        Prompter::new(Arc::clone(&front.display), look)
    }
}

#[async_trait]
impl Wiring for App {
    fn runs(&self, folder: Option<&Path>) -> Result<Arc<dyn Runs>, StateError> {
        let team = if folder.is_none() { self.team()? } else { None };
        let folder = folder.map(Path::to_owned).or_else(|| state_dir(&self.global)).ok_or_else(|| StateError::Io {
            path: PathBuf::from("~"),
            what: "no home folder to keep runs in; name a folder with --state-dir",
            source: io::ErrorKind::NotFound.into(),
        })?;
        Ok(Arc::new(StateDir::open(&folder, team)?))
    }

    fn kept_runs(&self) -> Result<Option<Arc<dyn Runs>>, StateError> {
        // What cannot be looked at may be there: opening it says why it cannot be used.
        let is_missing = |folder: PathBuf| folder.join("runs").try_exists().is_ok_and(|there| !there);
        if state_dir(&self.global).is_none_or(is_missing) { Ok(None) } else { self.runs(None).map(Some) }
    }

    fn exported(&self, folder: &Path) -> Result<Arc<dyn Runs>, StateError> {
        Ok(Arc::new(StateDir::exported(folder)?))
    }

    fn transport(&self, reach: &Reach, front: &Front) -> Arc<dyn Transport> {
        let ask = AskFor {
            password: reach.contact.ask_pass && !reach.non_interactive,
            become_password: reach.contact.ask_become_pass && !reach.non_interactive,
        };
        let secrets = Arc::new(TerminalSecrets::new(self.prompter(front), ask, reach.hidden.clone()));
        let options = SshOptions {
            known_hosts: reach.known_hosts.clone(),
            accept_new: reach.accept_new_host_keys,
            user: reach.contact.user.clone(),
            private_keys: reach.contact.private_key.iter().cloned().collect(),
            agent: agent(),
            ..SshOptions::default()
        };
        Arc::new(SshTransport::new(options, secrets))
    }

    fn front(&self, non_interactive: bool) -> Front {
        let verbosity = Verbosity { quiet: self.global.quiet, verbose: self.global.verbose > 0 };
        let display = Arc::new(Progress::stderr(self.look(), verbosity));
        if non_interactive || !self.is_interactive() {
            return Front { display, approver: Arc::new(Nobody) };
        }
        let front = Front { display, approver: Arc::new(Nobody) };
        let approver = TerminalApprover::new(self.prompter(&front), Arc::new(Evidence::new(self.look())));
        Front { approver: Arc::new(approver), ..front }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn signals(&self) -> io::Result<Box<dyn Signals>> {
        Ok(Box::new(ProcessSignals::take()?))
    }

    fn notifier(&self, settings: &Settings) -> Arc<dyn Notifier> {
        Arc::new(Messenger::new(&settings.notify))
    }

    fn control(&self, settings: &Settings) -> Arc<dyn Control> {
        let folder = settings.plan_path.parent().unwrap_or(Path::new("/"));
        Arc::new(ThisMachine::new(folder, secret_variables(&settings.notify)))
    }

    fn person(&self) -> Person {
        person::person()
    }

    fn signatures(&self, front: &Front) -> Arc<dyn Signatures> {
        let secrets = TerminalSecrets::new(self.prompter(front), AskFor::default(), Vec::new());
        Arc::new(SshSignatures::new(Arc::new(secrets), agent()))
    }

    fn people(&self) -> Arc<dyn People> {
        Arc::new(person::SystemPeople)
    }

    #[expect(clippy::expect_used, reason = "26 digits of a ULID are what a run ID is; a test makes one")]
    fn new_run(&self) -> RunId {
        RunId::new(ulid::Ulid::generate().to_string()).expect("a ULID")
    }

    fn is_interactive(&self) -> bool {
        Prompter::is_available()
    }

    async fn demo(&self, fail: Option<&str>) -> anyhow::Result<Box<dyn Fleet>> {
        let options = DemoOptions { fail: fail.map(str::to_owned).into_iter().collect(), ..DemoOptions::default() };
        let demo = Demo::start(&options).await.context("the demo's fleet cannot be started")?;
        Ok(Box::new(
            DemoFleet {
                demo: tokio::sync::Mutex::new(None),
                plan: demo.plan_path().to_owned(),
                known_hosts: demo.known_hosts().to_owned(),
                state: demo.path().join("state"),
            }
            .keeping(demo),
        ))
    }

    async fn question(&self, front: &Front, question: Question) -> Option<String> {
        let prompter = self.prompter(front);
        match question {
            Question::Line { prompt, default } => prompter.line(prompt, default).await,
            Question::Choice { prompt, choices } => prompter.choice(prompt, choices).await,
            Question::Sure { about, question } => prompter.sure(about, question).await.then(|| "yes".into()),
            Question::Several { prompt, choices } => Some(prompter.several(prompt, choices).await?.join("\n")),
        }
    }
}

/// Where the SSH agent listens.
fn agent() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from)
}

/// The demo, kept until it is stopped.
struct DemoFleet {
    demo: tokio::sync::Mutex<Option<Demo>>,
    plan: PathBuf,
    known_hosts: PathBuf,
    state: PathBuf,
}

impl DemoFleet {
    fn keeping(mut self, demo: Demo) -> Self {
        *self.demo.get_mut() = Some(demo);
        self
    }
}

#[async_trait]
impl Fleet for DemoFleet {
    fn plan(&self) -> &Path {
        &self.plan
    }

    fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    fn state_dir(&self) -> PathBuf {
        self.state.clone()
    }

    async fn stop(&self) {
        if let Some(demo) = self.demo.lock().await.take() {
            demo.stop().await;
        }
    }
}

/// There is nobody to ask.
struct Nobody;

#[async_trait]
impl Approver for Nobody {
    async fn ask(&self, _: &GateQuestion) -> GateAnswer {
        GateAnswer::Unavailable
    }

    async fn sure(&self, _: &GateQuestion, _: Verdict) -> Confirmation {
        Confirmation::Unavailable
    }

    async fn begin(&self, _: &Beginning) -> Confirmation {
        Confirmation::Unavailable
    }
}
