//! The configuration: what stands there holds where no flag says otherwise.

use clap::ValueEnum;

use super::args::{ColorWhen, Contact, Drive, InventoryCommand, OnGate, Output};
use super::places::config_files;
use super::policy::{PolicyArgs, PolicyCommand};
use super::{Cli, Command};
use crate::input::{Config, InputErrors};

impl Cli {
    /// Reads the configuration, and fills in what the command line leaves open.
    ///
    /// # Errors
    /// Every mistake in the configuration; a file that `--config` names and that is not there.
    pub fn configured(self) -> Result<Self, InputErrors> {
        let (files, must_be_there) = config_files(self.global.config.as_deref());
        let mut config = Config::default();
        for file in files {
            if must_be_there || file.exists() {
                config = config.under(Config::load(&file)?);
            }
        }
        Ok(self.with(config))
    }

    /// Fills in what the command line leaves open.
    #[must_use]
    pub fn with(mut self, config: Config) -> Self {
        let global = &mut self.global;
        global.default_inventory.clone_from(&config.inventory);
        global.output = global.output.or_else(|| named::<Output>(config.output.as_deref()));
        global.color = global.color.or_else(|| named::<ColorWhen>(config.color.as_deref()));
        if global.verbose == 0 {
            global.quiet |= config.quiet.unwrap_or(false);
        }
        if !global.quiet && global.verbose == 0 {
            global.verbose = config.verbose.unwrap_or(0);
        }
        global.state_dir = global.state_dir.take().or(config.state_dir.clone());
        global.group.clone_from(&config.group);
        if let Some(policy) = self.policy_mut() {
            policy.file = policy.file.take().or(config.policy.clone());
        }
        if let Some(contact) = self.contact_mut() {
            contact.default_user.clone_from(&config.user);
            contact.default_private_key.clone_from(&config.private_key);
            contact.ask_pass |= config.ask_pass.unwrap_or(false);
            contact.ask_become_pass |= config.ask_become_pass.unwrap_or(false);
            contact.forks = contact.forks.or(config.forks);
        }
        if let Some(drive) = self.drive_mut() {
            drive.non_interactive |= config.non_interactive.unwrap_or(false);
            drive.on_gate = drive.on_gate.or_else(|| named::<OnGate>(config.on_gate.as_deref()));
            drive.wait = drive.wait.or(config.wait);
        }
        if let Command::Drill(args) = &mut self.command {
            args.non_interactive |= config.non_interactive.unwrap_or(false);
            args.wait = args.wait.or(config.wait);
        }
        self
    }

    fn policy_mut(&mut self) -> Option<&mut PolicyArgs> {
        match &mut self.command {
            Command::New(args) => Some(&mut args.policy),
            Command::Run(args) => Some(&mut args.policy),
            Command::Plan(args) => Some(&mut args.policy),
            Command::Drill(args) => Some(&mut args.policy),
            Command::Check { policy, .. } => Some(policy),
            Command::Policy(PolicyCommand::Test(args)) => Some(&mut args.policy),
            _ => None,
        }
    }

    fn contact_mut(&mut self) -> Option<&mut Contact> {
        match &mut self.command {
            Command::New(args) => Some(&mut args.contact),
            Command::Run(args) => Some(&mut args.contact),
            Command::Plan(args) => Some(&mut args.contact),
            Command::Approve(args) | Command::Reject(args) => Some(&mut args.contact),
            Command::Resume(args) => Some(&mut args.contact),
            Command::Cancel(args) => Some(&mut args.contact),
            Command::Rollback(args) => Some(&mut args.contact),
            Command::Recover(args) => Some(&mut args.contact),
            Command::Release(args) => Some(&mut args.contact),
            Command::Inventory(InventoryCommand::Ping(args)) => Some(&mut args.contact),
            Command::Drift(args) => Some(&mut args.contact),
            Command::Drill(args) => Some(&mut args.contact),
            _ => None,
        }
    }

    fn drive_mut(&mut self) -> Option<&mut Drive> {
        match &mut self.command {
            Command::Run(args) => Some(&mut args.drive),
            Command::Resume(args) => Some(&mut args.drive),
            Command::Rollback(args) => Some(&mut args.drive),
            Command::Recover(args) => Some(&mut args.drive),
            _ => None,
        }
    }
}

/// The value with this name; the configuration's reader let only such names through.
fn named<T: ValueEnum>(name: Option<&str>) -> Option<T> {
    name.and_then(|name| T::from_str(name, false).ok())
}
