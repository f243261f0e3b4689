//! Policies and the plan's own rules, put into the settings of a run.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::LoadedPolicy;
use super::limits::LimitCheck;
use super::read::{RawException, Rules, Span};
use crate::core::calendar::is_match;
use crate::core::ids::{Digest, HostIx, StageName};
use crate::core::policy::{Exception, PolicyFile};
use crate::core::problem::Problem;
use crate::core::settings::{Settings, stamp};
use crate::input::error::InputErrors;
use crate::input::inventory::Inventory;
use crate::input::plan::LoadedPlan;
use crate::input::source::{Sink, Source};

/// What became of policies when they were put into a run's settings.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Each limit, in each stage that it is about.
    pub limits: Vec<LimitCheck>,
    /// Exceptions that are over, and not used.
    pub expired: Vec<Expired>,
    /// The files' names and texts, as they are frozen.
    pub texts: Vec<(String, Arc<str>)>,
}

impl Applied {
    /// Why the run is refused; none: it is not.
    pub fn refusals(&self) -> Vec<Problem> {
        self.limits.iter().filter_map(LimitCheck::problem).collect()
    }
}

/// An exception that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// Its pattern.
    pub hosts: String,
    /// Where somebody agreed to it.
    pub ticket: String,
    /// Until when it held.
    pub until: Timestamp,
}

impl std::fmt::Display for Expired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let until = stamp(self.until);
        write!(
            f,
            "{}: the exception {} for {} is over since {until}, and is not used",
            self.at, self.ticket, self.hosts
        )
    }
}

/// Puts the rules of the policies, and of the plan itself, into the settings. What the plan does not say is lowered to their
/// limits; what it says beyond them is among what is returned.
///
/// # Errors
/// When a rule and the plan do not fit together.
pub fn apply(
    plan: &LoadedPlan,
    policies: &[LoadedPolicy],
    inventory: &Inventory,
    settings: &mut Settings,
    now: Timestamp,
) -> Result<Applied, InputErrors> {
    let mut applied = Applied::default();
    let folder = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    let files = policies.iter().map(|file| (&file.source, &file.rules, folder(&file.path)));
    let own = plan.policy.iter().map(|rules| (&plan.source, rules, folder(&plan.path)));
    for (source, rules, folder) in files.chain(own) {
        let sink = Sink::new(source.clone());
        put(&sink, plan, rules, settings, &mut applied);
        check_signers(&sink, rules, settings);
        for exception in &rules.exceptions {
            except(&sink, exception, inventory, &folder, settings, now, &mut applied);
        }
        sink.finish(Some(()))?;
    }
    for file in policies {
        let digest = Digest::of(file.source.text.as_bytes());
        settings.policy.files.push(PolicyFile { name: file.source.name.to_string(), digest });
        applied.texts.push((file.source.name.to_string(), Arc::clone(&file.source.text)));
    }
    Ok(applied)
}

/// What needs no host to be looked up.
fn put(sink: &Sink, plan: &LoadedPlan, rules: &Rules, settings: &mut Settings, applied: &mut Applied) {
    let source: &Source = &sink.source;
    let Settings { stages, patch, policy, freezes, .. } = settings;
    applied.limits.extend(rules.limits.hold(source, plan, stages, patch));
    if let Some(span) = &rules.limits.rollback_proven {
        policy.rollback_proven.get_or_insert_with(|| source.place(span));
    }
    freezes.extend(rules.freezes.iter().cloned());
    for stage in stages {
        let fits = |globs: &[String]| globs.is_empty() || globs.iter().any(|glob| is_match(glob, stage.name.as_str()));
        let windows = rules.windows.iter().filter(|(globs, _)| fits(globs)).map(|(_, window)| window.clone());
        let windows: Vec<_> = windows.collect();
        stage.windows.extend((!windows.is_empty()).then_some(windows));
    }
    policy.approvals.extend(rules.approvals.iter().map(|rule| rule.value.clone()));
    policy.checks.extend(rules.checks.iter().cloned());
    policy.auto_approve.extend(rules.auto_approve.iter().cloned());
    // Of several the strictest holds.
    let drills = policy.drill.take().into_iter().chain(rules.drill.clone());
    policy.drill = drills.min_by_key(|rule| rule.within);
    if let Some(emergency) = &rules.emergency {
        policy.emergency.get_or_insert_with(|| emergency.clone());
    }
}

/// A rule that counts signed decisions only, where nobody's would count.
fn check_signers(sink: &Sink, rules: &Rules, settings: &Settings) {
    let is_for = |stages: &[String], stage: &StageName| {
        stages.is_empty() || stages.iter().any(|glob| is_match(glob, stage.as_str()))
    };
    for rule in rules.approvals.iter().filter(|rule| rule.value.signed && settings.signers.is_none()) {
        if settings.stages.iter().any(|stage| is_for(&rule.value.stages, &stage.name)) {
            let message =
                format!("rule `{}` counts signed decisions only, and nobody's signature counts", rule.value.name);
            let hint = "name a file with `allowed_signers`, in the policy or at the plan's top";
            let span: &Span = &rule.span;
            sink.error_hint(span, message, hint);
        }
    }
}

fn except(
    sink: &Sink,
    raw: &RawException,
    inventory: &Inventory,
    folder: &Path,
    settings: &mut Settings,
    now: Timestamp,
    applied: &mut Applied,
) {
    // A policy is for many inventories: a name that this one does not have means nobody.
    let chosen = match inventory.known(&sink.source, &raw.hosts.span, &raw.hosts.value, folder) {
        Ok(chosen) => chosen,
        Err(errors) => return sink.extend(&errors),
    };
    if raw.until <= now {
        applied.expired.push(Expired {
            at: raw.at.clone(),
            hosts: raw.hosts.value.clone(),
            ticket: raw.ticket.clone(),
            until: raw.until,
        });
        return;
    }
    let names: std::collections::HashSet<_> =
        chosen.iter().filter_map(|ix| inventory.host(*ix)).map(|host| &host.name).collect();
    let hosts = (0..).map(HostIx).zip(&settings.hosts).filter(|(_, host)| names.contains(&host.name));
    settings.policy.exceptions.push(Exception {
        at: raw.at.clone(),
        hosts: hosts.map(|(ix, _)| ix).collect(),
        packages: raw.packages.clone(),
        until: raw.until,
        ticket: raw.ticket.clone(),
        reason: raw.reason.clone(),
    });
}
