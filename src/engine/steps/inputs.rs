//! What a step is given: the script, its environment, and its input files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Task;
use crate::core::event::Step;
use crate::core::ids::Digest;
use crate::core::packages::{Package, PackageOp, PackageRequest, Version};
use crate::core::settings::{RunKind, Select};
use crate::playbook::{Playbook, StepName};
use crate::ports::Script;

/// How long a step waits for the package manager's lock, unless the plan says otherwise (`lock_timeout` in
/// `[patch.vars]`).
const LOCK_TIMEOUT: &str = "120";

impl Task {
    /// Names this run on this host: a folder with our job's ID but another nonce is not ours.
    pub(super) fn nonce(&self) -> String {
        let settings = &self.context.settings;
        Digest::of(format!("{} {} {}", settings.run, settings.plan_digest, self.settings().name).as_bytes()).hex()
    }

    pub(super) fn script(&self, playbook: &Playbook, steps: &[StepName], name: &'static str) -> Script {
        let (text, limit) = playbook.script(steps);
        Script {
            name,
            text,
            env: self.env(),
            files: self.files(playbook),
            privilege: self.privilege(playbook),
            timeout: limit.min(self.stage().timeout).max(Duration::from_secs(1)),
        }
    }

    fn env(&self) -> BTreeMap<String, String> {
        let settings = &self.context.settings;
        let patch = &settings.patch;
        let stage = self.stage();
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let undoes = matches!(settings.kind, RunKind::Rollback { .. });
        let run = match &settings.kind {
            RunKind::Run | RunKind::Drill => &settings.run,
            // The stash to go back to is the one of the run that is undone.
            RunKind::Rollback { of, .. } => of,
        };
        let lock_timeout = patch.vars.get("lock_timeout").cloned().unwrap_or_else(|| LOCK_TIMEOUT.into());
        let mut env: BTreeMap<String, String> = [
            ("RUN", run.to_string()),
            ("CHANGE", settings.change.to_string()),
            ("STAGE", stage.name.to_string()),
            ("HOST", self.settings().name.to_string()),
            ("SELECT", self.select().as_str().into()),
            ("INSTALL", flag(patch.install)),
            ("ALLOW_REMOVALS", flag(patch.allow_removals)),
            ("REFRESH", flag(self.context.refresh)),
            (
                "WANT_INSTALLED",
                flag(self.proof || self.step == Step::Recheck || (undoes && self.step == Step::Resolve)),
            ),
            ("LOCK_TIMEOUT", lock_timeout),
            ("RESTART", stage.restart.as_str().into()),
            ("KEEP_NEW", flag(self.ahead)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        env.extend(
            patch.vars.iter().map(|(name, value)| (format!("VAR_{}", name.to_ascii_uppercase()), value.clone())),
        );
        env
    }

    /// With an approved list, "all" means all of the list: nothing else may be asked for.
    fn select(&self) -> Select {
        let patch = &self.context.settings.patch;
        if patch.approved.is_some() && patch.select == Select::All { Select::Packages } else { patch.select }
    }

    fn requests(&self, playbook: &Playbook) -> &[PackageRequest] {
        let patch = &self.context.settings.patch;
        match (&patch.approved, patch.select) {
            (Some(approved), Select::All) => approved,
            _ => patch.packages_for.get(&playbook.name).unwrap_or(&patch.packages),
        }
    }

    /// What must not change on the host: the plan's, and what exceptions leave as it is there.
    fn exclude(&self) -> Vec<String> {
        let settings = &self.context.settings;
        let excepted = settings.policy.held_back(self.host).flat_map(|exception| exception.packages.iter());
        settings.patch.exclude.iter().chain(excepted).cloned().collect()
    }

    fn files(&self, playbook: &Playbook) -> BTreeMap<String, String> {
        let settings = &self.context.settings;
        let lines = |list: &[String]| list.iter().fold(String::new(), |text, line| text + line + "\n");
        let mut files: BTreeMap<String, String> = [
            ("packages", request_lines(self.requests(playbook))),
            ("exclude", lines(&self.exclude())),
            ("restart_exclude", lines(&self.stage().restart_exclude)),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into();
        if self.step.is_job() || self.step == Step::Restore {
            files.insert("transaction".into(), transaction_lines(&self.ops));
        }
        if let RunKind::Rollback { packages, .. } = &settings.kind
            && !packages.is_empty()
        {
            let undo = self.ops.iter().fold(String::new(), |mut text, op| {
                let _ = writeln!(text, "{}\t{}", op.name, op.arch);
                text
            });
            files.insert("undo".into(), undo);
        }
        files
    }
}

fn request_lines(requests: &[PackageRequest]) -> String {
    requests.iter().fold(String::new(), |mut text, request| {
        let arch = request.arch.as_ref().map(|arch| format!(":{arch}")).unwrap_or_default();
        let version = request.version.as_ref().map_or("", |version| version.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{arch}\t{version}", request.name);
        text
    })
}

pub(super) fn package_lines(packages: &[Package]) -> String {
    packages.iter().fold(String::new(), |mut text, package| {
        let version = package.version.as_ref().map_or("", |version| version.as_str());
        let _ = writeln!(text, "{}\t{}\t{version}", package.name, package.arch);
        text
    })
}

fn transaction_lines(ops: &[PackageOp]) -> String {
    ops.iter().fold(String::new(), |mut text, op| {
        let version = |v: &Option<Version>| v.as_ref().map(ToString::to_string).unwrap_or_default();
        let (from, to) = (version(&op.from), version(&op.to));
        let _ = writeln!(text, "{}\t{}\t{}\t{from}\t{to}", op.op.as_str(), op.name, op.arch);
        text
    })
}
