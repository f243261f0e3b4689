//! Plan, inventory and command line, put together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::{InputError, InputErrors};
use super::inventory::{InvHost, Inventory};
use super::nearest::{alternatives, did_you_mean};
use super::plan::{LoadedPlan, Playbook};
use super::signers;
use super::source::{Sink, Source};
use super::stage::PlanStage;
use super::table::At;
use crate::core::ids::{ChangeId, HostIx, PlaybookName, RunId};
use crate::core::policy::Policy;
use crate::core::settings::{Escalate, Host, Person, RunKind, SETTINGS_VERSION, Settings, Stage};

/// How to log in, where the command line or the configuration says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectAs {
    /// `--user`: holds over the inventory's.
    pub user: Option<String>,
    /// The configuration's user: for hosts whose inventory names none.
    pub default_user: Option<String>,
    /// `--private-key`: holds over the inventory's.
    pub private_key: Option<PathBuf>,
    /// The configuration's key: for hosts whose inventory names none.
    pub default_private_key: Option<PathBuf>,
}

/// What the command line and the caller add to a plan.
#[derive(Debug, Clone)]
pub struct Overrides {
    /// The run.
    pub run: RunId,
    /// `--change`: holds over the plan's.
    pub change: Option<ChangeId>,
    /// The change, where neither names one.
    pub made_up_change: ChangeId,
    /// Who starts the run.
    pub requester: Person,
    /// `--limit`.
    pub limit: Option<String>,
    /// `--user`: holds over the inventory's.
    pub user: Option<String>,
    /// The configuration's user: for hosts whose inventory names none.
    pub default_user: Option<String>,
    /// `--private-key`: holds over the inventory's.
    pub private_key: Option<PathBuf>,
    /// The configuration's key: for hosts whose inventory names none.
    pub default_private_key: Option<PathBuf>,
    /// `--forks`: caps every `parallel`.
    pub forks: Option<u32>,
    /// The playbooks that are known by name; empty: names are not checked.
    pub playbooks: Vec<PlaybookName>,
    /// Whose signatures count, where a policy says so: holds over the plan's.
    pub signers: Option<PathBuf>,
}

impl Overrides {
    fn connect_as(&self) -> ConnectAs {
        ConnectAs {
            user: self.user.clone(),
            default_user: self.default_user.clone(),
            private_key: self.private_key.clone(),
            default_private_key: self.default_private_key.clone(),
        }
    }
}

/// What a plan and an inventory come to. Where the plan names a playbook by its path, `patch.playbook` is still none.
///
/// # Errors
/// Every pattern that is broken or matches nothing, every host in two stages, every playbook that is not known.
pub fn settings(plan: &LoadedPlan, inventory: &Inventory, given: &Overrides) -> Result<Settings, InputErrors> {
    let sink = Sink::new(plan.source.clone());
    let limit = given.limit.as_deref().and_then(|text| match limited(inventory, text) {
        Ok(chosen) => Some(chosen),
        Err(errors) => {
            sink.extend(&errors);
            None
        }
    });
    let connect = given.connect_as();
    check_user(&sink, &connect);
    check_playbooks(&sink, plan, given);
    let mut hosts = Hosts::default();
    let stages: Vec<Stage> = plan
        .stages
        .iter()
        .map(|stage| read_stage(&sink, plan, inventory, stage, limit.as_deref(), &mut hosts, given))
        .collect();
    let mut patch = plan.patch.clone();
    if let Playbook::Named(name) = &plan.playbook {
        patch.playbook = Some(name.value.clone());
    }
    let signers = signers::of_run(&sink, plan, given.signers.as_deref());
    signers::check(&sink, plan, &stages, signers.as_deref());
    sink.finish(Some(Settings {
        schema: SETTINGS_VERSION,
        run: given.run.clone(),
        kind: RunKind::Run,
        change: given.change.as_ref().or(plan.change.as_ref()).unwrap_or(&given.made_up_change).clone(),
        plan: plan.name.clone(),
        // Whoever goes on with the run may stand in another folder.
        plan_path: std::path::absolute(&plan.path).unwrap_or_else(|_| plan.path.clone()),
        plan_digest: plan.digest(),
        requester: given.requester.clone(),
        patch,
        stages,
        hosts: hosts.list,
        forks: given.forks,
        signers,
        notify: plan.notify.clone(),
        freezes: Vec::new(),
        policy: Policy::default(),
    }))
}

/// The hosts that a command without a plan means: those of the pattern (none: all), cut down to the limit.
///
/// # Errors
/// When either is broken, names what is not there, or leaves no host.
pub fn hosts(
    inventory: &Inventory,
    pattern: Option<&str>,
    limit: Option<&str>,
    connect: &ConnectAs,
) -> Result<Vec<Host>, InputErrors> {
    let sink = Sink::new(Source::new("PATTERN", pattern.unwrap_or("all")));
    check_user(&sink, connect);
    let chosen = inventory.chosen("PATTERN", pattern.unwrap_or("all"));
    let limit = limit.map(|text| limited(inventory, text)).transpose();
    let hosts: Option<Vec<Host>> = match (chosen, limit) {
        (Ok(chosen), Ok(limit)) => {
            let kept = |ix: &&usize| limit.as_ref().is_none_or(|limit| limit.binary_search(ix).is_ok());
            let hosts = chosen.iter().filter(kept).filter_map(|ix| inventory.host(*ix));
            Some(hosts.map(|host| resolve(host, connect)).collect())
        }
        (chosen, limit) => {
            chosen.err().iter().chain(limit.err().iter()).for_each(|errors| sink.extend(errors));
            None
        }
    };
    if hosts.as_ref().is_some_and(Vec::is_empty) {
        sink.error(&(0..sink.source.text.len()), format!("`{}` matches no host", sink.source.text));
    }
    sink.finish(hosts)
}

/// The inventory to use: what `-i` gives, else what the plan names, else the configuration's.
///
/// # Errors
/// Every mistake in it, and that there is none.
pub fn inventory_for(
    plan: Option<&LoadedPlan>,
    given: &[PathBuf],
    default: &[PathBuf],
) -> Result<Inventory, InputErrors> {
    if !given.is_empty() {
        return Inventory::load(given);
    }
    if let Some((plan, named)) = plan.and_then(|plan| Some((plan, plan.inventory.as_ref()?))) {
        let sink = Sink::new(plan.source.clone());
        let inventory = Inventory::load(std::slice::from_ref(&named.value));
        return match inventory {
            Ok(inventory) => sink.finish(Some(inventory)),
            Err(errors) => {
                sink.extend_at(&named.span, "the inventory", &errors);
                sink.finish(None)
            }
        };
    }
    if !default.is_empty() {
        return Inventory::load(default);
    }
    let (file, hint) = match plan {
        Some(plan) => (plan.source.name.to_string(), "set `inventory` in the plan, or give -i"),
        None => ("--inventory".to_owned(), "give -i, or set `inventory` in the configuration"),
    };
    Err(InputError::whole(file, "no inventory is named").hint(hint).into())
}

fn limited(inventory: &Inventory, text: &str) -> Result<Vec<usize>, InputErrors> {
    let chosen = inventory.chosen("--limit", text)?;
    if chosen.is_empty() {
        let source = Source::new("--limit", text);
        return Err(source.error(0..text.len(), format!("`{text}` matches no host")).into());
    }
    Ok(chosen)
}

/// The hosts of all stages so far, and whose each is.
#[derive(Default)]
struct Hosts {
    list: Vec<Host>,
    /// By place in the inventory: the stage that has the host.
    taken: HashMap<usize, String>,
}

fn read_stage(
    sink: &Sink,
    plan: &LoadedPlan,
    inventory: &Inventory,
    stage: &PlanStage,
    limit: Option<&[usize]>,
    hosts: &mut Hosts,
    given: &Overrides,
) -> Stage {
    let mut settled = stage.stage.clone();
    if let Some(forks) = given.forks {
        settled.parallel = settled.parallel.min(forks.max(1));
    }
    let folder = plan.path.parent().unwrap_or(Path::new(""));
    let connect = &given.connect_as();
    let chosen = match inventory.pattern(&plan.source, &stage.pattern, &settled.pattern, folder) {
        Ok(chosen) => chosen,
        Err(errors) => {
            sink.extend(&errors);
            return settled;
        }
    };
    if chosen.is_empty() {
        let message = format!("`{}` matches no host, so the stage `{}` has none", settled.pattern, settled.name);
        sink.error(&stage.pattern, message);
    }
    report_twice(sink, inventory, stage, &chosen, hosts);
    let kept = |ix: &usize| limit.is_none_or(|limit| limit.binary_search(ix).is_ok());
    let mut chosen: Vec<&InvHost> = chosen.iter().filter(|ix| kept(ix)).filter_map(|ix| inventory.host(*ix)).collect();
    check_groups(sink, inventory, stage);
    check_spread(sink, stage, &chosen);
    // The sort is stable: the rest stays in the inventory's order.
    chosen.sort_by_key(|host| !host.groups.iter().any(|group| group.as_str() == "canary"));
    let mut chosen: Vec<Host> = chosen
        .into_iter()
        .map(|host| {
            check_playbook(sink, host, given);
            resolve(host, connect)
        })
        .collect();
    chosen.sort_by_key(|host| settled.rank(host));
    check_templates(sink, stage, &chosen);
    for host in chosen {
        settled.hosts.extend(u32::try_from(hosts.list.len()).ok().map(HostIx));
        hosts.list.push(host);
    }
    settled
}

/// What a text names of a host, every host of the stage must have.
fn check_templates(sink: &Sink, stage: &PlanStage, hosts: &[Host]) {
    for text in &stage.templates {
        if let Some(why) = hosts.iter().find_map(|host| text.value.lacks(host)) {
            sink.error_hint(&text.span, why, "set it for each host of the stage, or for its group: vars = { … }");
        }
    }
}

/// Groups that come first must be groups.
fn check_groups(sink: &Sink, inventory: &Inventory, stage: &PlanStage) {
    for (group, span) in stage.stage.after.iter().zip(&stage.after) {
        let known = || inventory.group_names();
        if !known().any(|name| name == group.as_str()) {
            let message = format!("`after` names the group `{group}`, which the inventory does not have");
            match did_you_mean(group.as_str(), known()) {
                Some(hint) => sink.error_hint(span, message, hint),
                None => sink.error(span, message),
            }
        }
    }
}

/// A host of which nobody knows what it shares with others cannot be kept apart from them.
fn check_spread(sink: &Sink, stage: &PlanStage, chosen: &[&InvHost]) {
    let Some((name, span)) = stage.stage.spread.as_ref().zip(stage.spread.as_ref()) else { return };
    let without: Vec<&str> =
        chosen.iter().filter(|host| !host.props.vars.contains_key(name)).map(|host| host.name.as_str()).collect();
    let Some(first) = without.first() else { return };
    let others = if without.len() == 1 { String::new() } else { format!(" (and {} more)", without.len() - 1) };
    let message = format!("`spread` is by the variable `{name}`, which the host `{first}`{others} does not have");
    sink.error_hint(span, message, "set it for each host, or for its group: vars = { … }");
}

fn report_twice(sink: &Sink, inventory: &Inventory, stage: &PlanStage, chosen: &[usize], hosts: &mut Hosts) {
    let name = &stage.stage.name;
    let mut twice: Vec<(&str, String)> = Vec::new();
    for ix in chosen {
        if let Some(other) = hosts.taken.insert(*ix, name.to_string()) {
            twice.extend(inventory.host(*ix).map(|host| (host.name.as_str(), other)));
        }
    }
    let Some((host, other)) = twice.first() else { return };
    let others = match twice.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let message = format!("the host `{host}`{others} is in two stages, `{other}` and `{name}`");
    sink.error_hint(&stage.pattern, message, format!("take it out of one of them, as in `a:!{host}`"));
}

fn resolve(host: &InvHost, given: &ConnectAs) -> Host {
    let props = &host.props;
    let keys = match (&given.private_key, &props.private_keys, &given.default_private_key) {
        (Some(key), _, _) => vec![key.clone()],
        (None, Some(keys), _) => keys.clone(),
        (None, None, key) => key.clone().into_iter().collect(),
    };
    Host {
        name: host.name.clone(),
        address: props.address.clone().unwrap_or_else(|| host.name.to_string()),
        port: props.port.unwrap_or(22),
        user: given.user.as_ref().or(props.user.as_ref()).or(given.default_user.as_ref()).cloned(),
        private_keys: keys,
        escalate: props.escalate.unwrap_or(Escalate::None),
        password_command: props.password_command.clone(),
        become_password_command: props.become_password_command.clone(),
        playbook: host.playbook.as_ref().and_then(|(_, at)| at.value.clone()),
        groups: host.groups.clone(),
        vars: props.vars.clone(),
    }
}

fn check_user(sink: &Sink, given: &ConnectAs) {
    for user in given.user.iter().chain(&given.default_user) {
        if let Err(why) = super::inventory::user_name(user) {
            sink.push(InputError::whole("--user", why));
        }
    }
}

/// Playbooks that a plan may name though none of them is built in here.
const MANAGERS: [&str; 6] = ["apt", "dnf", "zypper", "pacman", "apk", "release"];

fn check_playbooks(sink: &Sink, plan: &LoadedPlan, given: &Overrides) {
    if given.playbooks.is_empty() {
        return;
    }
    let known = || given.playbooks.iter().map(PlaybookName::as_str);
    if let Playbook::Named(name) = &plan.playbook
        && !given.playbooks.contains(&name.value)
    {
        let hint = did_you_mean(name.value.as_str(), known())
            .unwrap_or_else(|| format!("known: {}, or a path with a `/`", alternatives(known())));
        sink.error_hint(&name.span, format!("there is no playbook `{}`", name.value), hint);
    }
    if plan.playbook_file().is_some() {
        return;
    }
    for name in &plan.managers {
        let words = || known().chain(MANAGERS);
        if !words().any(|word| word == name.value.as_str()) {
            let message = format!("`packages_for` names the playbook `{}`, which is not known", name.value);
            match did_you_mean(name.value.as_str(), words()) {
                Some(hint) => sink.error_hint(&name.span, message, hint),
                None => sink.error(&name.span, message),
            }
        }
    }
}

fn check_playbook(sink: &Sink, host: &InvHost, given: &Overrides) {
    let Some((source, At { value: Some(name), span })) = &host.playbook else { return };
    if given.playbooks.is_empty() || given.playbooks.contains(name) {
        return;
    }
    let known = given.playbooks.iter().map(PlaybookName::as_str);
    let hint = did_you_mean(name.as_str(), known.clone()).unwrap_or_else(|| format!("known: {}", alternatives(known)));
    sink.push(source.error(span.clone(), format!("there is no playbook `{name}`")).hint(hint));
}
