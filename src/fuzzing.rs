//! What the fuzz targets in `tests/fuzz` call, and the tests feed with the kept inputs: a function for everything that
//! takes text from a file, a host or another process. Whatever comes, it is an answer or an error that can be shown,
//! never a panic, and what is taken is written and read back as it was.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use russh::keys::PublicKey;
use serde::Deserialize;

use crate::adapters::job::exchange::{End, Exchange};
use crate::adapters::job::gathered::Gathered;
use crate::adapters::job::payload::Kind;
use crate::adapters::job::refusal;
use crate::adapters::ssh::known_line::Line;
use crate::core::event::{Event, Input};
use crate::core::ids::{ChangeId, HostIx, RunId, StageIx};
use crate::core::record::Head;
use crate::core::report::{self, Driven};
use crate::core::rollout::Rollout;
use crate::core::settings::{Person, Settings};
use crate::core::signers;
use crate::core::statement::DecisionStatement;
use crate::input::source::Source;
use crate::input::{Config, InputErrors, Inventory, Overrides, approved, packages, plan};
use crate::playbook::{self, StepName};
use crate::ports::Listener;
use crate::ui::input_error;

/// Takes any bytes; panics where something is wrong with patchctl.
pub type Target = fn(&[u8]);

/// The targets by their names: each has a folder in `tests/fuzz/corpus` and a program in `tests/fuzz/targets`.
pub const TARGETS: [(&str, Target); 13] = [
    ("plan", plan),
    ("inventory", inventory),
    ("patterns", patterns),
    ("packages", packages),
    ("config", config),
    ("preapproval", preapproval),
    ("playbook", playbook),
    ("records", records),
    ("journal", journal),
    ("frames", frames),
    ("known_hosts", known_hosts),
    ("signers", signers),
    ("statement", statement),
];

const INVENTORY: &str = r#"
[defaults]
user = "patch"
[groups.uat]
hosts = ["h[0:1]"]
[groups.prod]
hosts = ["h[2:5]"]
[groups.web]
children = ["uat", "prod"]
[hosts.h4]
address = "fe80::1%eth0"
tags = ["canary"]
"#;

const PLAN: &str = r#"
name = "p"
[patch]
select = "all"
[[stage]]
name = "uat"
hosts = "uat"
health = "off"
[[stage]]
name = "prod"
hosts = "prod"
health = "off"
waves = [1, "50%"]
max_failed = 1
rollback_scope = "run"
approval = { when = "both", on_timeout = "reject" }
"#;

/// No file lies there.
const NOWHERE: &str = "/nowhere/there";

/// A plan: an answer with places, and settings that are frozen and thawed as they were.
pub fn plan(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match plan::parse(Path::new(NOWHERE), text) {
        Ok(plan) => match crate::input::settings(&plan, fleet(), &overrides()) {
            Ok(settings) => frozen(&settings),
            Err(errors) => shown(&errors),
        },
        Err(errors) => shown(&errors),
    }
}

/// An inventory, as a file and as `-i`'s list.
pub fn inventory(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut read = vec![Inventory::parse(Path::new(NOWHERE), text)];
    if text.contains(',') && !text.contains(['\n', '/']) {
        read.push(Inventory::load(&[text]));
    }
    for read in read {
        match read {
            Ok(inventory) => {
                assert!(inventory.list(None).is_ok(), "an inventory can be listed");
                let every = inventory.select("PATTERN", None).unwrap_or_default();
                assert_eq!(every.len(), inventory.hosts().len());
            }
            Err(errors) => shown(&errors),
        }
    }
}

/// A host pattern, and a glob.
pub fn patterns(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let fleet = fleet();
    match fleet.pattern(&Source::new("PATTERN", text), &(0..text.len()), text, Path::new(NOWHERE)) {
        Ok(hosts) => {
            assert!(hosts.is_sorted_by(|a, b| a < b), "each host once, in the inventory's order");
            assert!(hosts.iter().all(|ix| fleet.host(*ix).is_some()));
        }
        Err(errors) => shown(&errors),
    }
    // Only whether it is one.
    let _ = crate::input::check_glob(text);
}

/// Requests for packages, one a line, and the same as a list of what is approved.
pub fn packages(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for line in text.lines() {
        let Ok(request) = packages::parse_request(line) else { continue };
        let again = packages::show(&request);
        assert!(!again.starts_with('-') && !again.contains(char::is_whitespace), "{again:?} could be an option");
        assert_eq!(packages::parse_request(&again).as_ref(), Ok(&request));
        assert!(packages::covers(&request, &request));
    }
    if let Err(errors) = approved::parse_approved(Source::new("approved.txt", text)) {
        shown(&errors);
    }
}

/// A configuration.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Config::parse(Path::new(NOWHERE), text) {
        Ok(config) => assert_eq!(Config::default().under(config.clone()), config),
        Err(errors) => shown(&errors),
    }
}

/// A pre-approval, also as the record keeps it.
pub fn preapproval(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match crate::input::preapproval(NOWHERE, text) {
        Ok(scope) => {
            let kept = serde_json::to_string(&scope).unwrap_or_default();
            assert_eq!(serde_json::from_str(&kept).ok(), Some(scope));
        }
        Err(errors) => shown(&errors),
    }
}

/// A playbook's TOML; every script that it names is one that defines all steps.
pub fn playbook(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let scripts: String = StepName::ALL.iter().map(|step| format!("step_{}() {{ :; }}\n", step.as_str())).collect();
    if let Ok(playbook) = playbook::load::playbook("playbook.toml", text, &|_| Ok(scripts.clone())) {
        let thawed = serde_json::to_string(&playbook).and_then(|text| serde_json::from_str(&text));
        assert_eq!(thawed.ok(), Some(playbook));
    }
}

/// What a playbook's steps print.
pub fn records(data: &[u8]) {
    let whole = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let parsed = playbook::parse(data);
    assert_eq!(parsed, playbook::parse(&data[..whole]), "a torn line is no record");
    match parsed {
        Ok(records) => {
            // Whatever the state, it can be asked.
            let _ = (records.stopped_in(), records.finished(&StepName::ALL), records.platform());
        }
        Err(error) => plain(&error.to_string()),
    }
}

/// A journal's lines: as they are, and as events in a chain of their own, or no altered line would come further than
/// its hash.
pub fn journal(data: &[u8]) {
    let lines = || data.split(|byte| *byte == b'\n');
    let mut head = Head::EMPTY;
    let _ = lines().map_while(|line| head.read(line).ok()).count();

    #[derive(Deserialize)]
    struct Time {
        at: Option<Timestamp>,
    }
    let mut rollout = Rollout::new(Arc::clone(run()));
    let (mut written, mut read) = (Head::EMPTY, Head::EMPTY);
    let mut now = Timestamp::UNIX_EPOCH;
    for line in lines() {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { break };
        now = serde_json::from_slice::<Time>(line).ok().and_then(|time| time.at).unwrap_or(now);
        let again = written.write(now, &event).ok().and_then(|line| read.read(line.as_bytes()).ok());
        assert_eq!(again.map(|record| (record.event, record.at)), Some((event.clone(), now)));
        assert_eq!(read, written);
        if rollout.apply(&event, now).is_err() {
            return;
        }
    }
    told(&rollout, head, now);
    rollout.hand_out_again();
    while rollout.next_effect().is_some() {}
    // Forged events can make a state that never comes to rest; what is looked for is a panic.
    for _ in 0..100 {
        let next = rollout.advance(read.digest, now);
        let Some(event) = next.or_else(|| rollout.decide(Input::Tick, now).ok()?.pop()) else { break };
        if rollout.apply(&event, now).is_err() {
            return;
        }
    }
    told(&rollout, head, now);
}

/// Everything that is said about a run.
fn told(rollout: &Rollout, head: Head, now: Timestamp) {
    for driven in [Driven::Yes, Driven::No] {
        let document = report::document(rollout, head.digest, now, driven);
        assert!(serde_json::to_string(&document).is_ok());
    }
    assert!(serde_json::to_string(&report::plan_document(rollout)).is_ok());
    for stage in (0..).map(StageIx).take(rollout.stages().len()) {
        let _ = (report::stage_state(rollout, stage), report::question(rollout, stage));
    }
    for host in (0..).map(HostIx).take(rollout.settings().hosts.len()) {
        let _ = (report::standing(rollout, host), rollout.ops(host), rollout.is_pinned(host));
    }
    let _ = (rollout.next_expiry(), rollout.next_opening(now), rollout.has_opened(now));
    let _ = (rollout.waits_for(), rollout.running().count());
}

/// What the driver sends, whole and in pieces. The first byte says of what kind the exchange is, and where it is cut.
pub fn frames(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let kind = Kind { is_job: first & 1 != 0, may_ask: first & 2 != 0 };
    let whole = exchange(kind, &[data]);
    let pieces: Vec<&[u8]> = data.chunks(usize::from(first >> 2) + 1).collect();
    let pieces = exchange(kind, &pieces);
    if let (Some(whole), Some(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces, "it matters where the stream is cut");
    }
}

/// The output of an exchange, in a form that compares; none: it broke.
fn exchange(kind: Kind, pieces: &[&[u8]]) -> Option<String> {
    struct Deaf;
    impl Listener for Deaf {
        fn line(&self, text: &str) {
            assert!(!text.contains('\n'));
        }
        fn notice(&self, _: &str) {}
    }
    let mut gathered = Gathered::default();
    let mut exchange = Exchange::new("KEY", kind, &mut gathered, &Deaf);
    for piece in pieces {
        exchange.stdout(piece).ok()?;
        exchange.stderr(piece).ok()?;
    }
    exchange.finish();
    let (end, over, noise) = (exchange.end().cloned(), exchange.is_over(), exchange.noise());
    if let (Some(end @ (End::Refused { .. } | End::NoRoot { .. })), Some(host)) = (&end, run().hosts.first()) {
        assert!(!refusal::problem(end, &noise, host).0.message.is_empty());
    }
    Some(format!("{end:?} {over} {:?}", gathered.output(None, None, &Deaf)))
}

/// The lines of a known_hosts file.
pub fn known_hosts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines().filter_map(|line| Line::parse(1, line)) {
        for name in ["web", "web.example.com", "[10.0.0.1]:2222", "fe80::1"] {
            let _ = line.names.matches(name);
        }
        let _ = line.blob.is_some_and(|blob| PublicKey::from_bytes(&blob).is_ok());
    }
}

/// A file of allowed signers: every line is read, or shown with what is wrong in it.
pub fn signers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match signers::parse(&text) {
        Ok(lines) => {
            for line in lines {
                assert!(line.names().all(|name| signers::fits(name, &line.principals)));
            }
        }
        Err(mistakes) => {
            let shown = |mistake: &signers::Mistake| text.get(mistake.span.clone()).is_some();
            assert!(!mistakes.is_empty() && mistakes.iter().all(shown));
        }
    }
}

/// What somebody signs: it has one text, and no other is taken for it.
pub fn statement(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(statement) = DecisionStatement::parse(&text) {
        assert_eq!(statement.text(), text);
    }
}

fn fleet() -> &'static Inventory {
    static FLEET: OnceLock<Inventory> = OnceLock::new();
    FLEET.get_or_init(|| made(Inventory::parse(Path::new("inventory.toml"), INVENTORY)))
}

/// Two stages, of two and four hosts.
fn run() -> &'static Arc<Settings> {
    static RUN: OnceLock<Arc<Settings>> = OnceLock::new();
    RUN.get_or_init(|| {
        let plan = made(plan::parse(Path::new("plan.toml"), PLAN));
        Arc::new(made(crate::input::settings(&plan, fleet(), &overrides())))
    })
}

fn overrides() -> Overrides {
    Overrides {
        run: made(RunId::new("01JD0000000000000000000000")),
        change: None,
        made_up_change: made(ChangeId::new("CHG1")),
        requester: Person { name: "ops".into(), source: "login".into() },
        limit: None,
        user: None,
        default_user: None,
        private_key: None,
        default_private_key: None,
        forks: None,
        playbooks: Vec::new(),
        signers: None,
    }
}

/// What stands in this file is good.
fn made<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => unreachable!("{error}"),
    }
}

fn frozen(settings: &Settings) {
    let thawed = serde_json::to_string(settings).and_then(|text| serde_json::from_str::<Settings>(&text));
    assert_eq!(thawed.ok().as_ref(), Some(settings));
    let hosts: usize = settings.stages.iter().map(|stage| stage.hosts.len()).sum();
    assert_eq!(hosts, settings.hosts.len(), "a host is in one stage");
    assert_eq!(Rollout::new(Arc::new(settings.clone())).stages().len(), settings.stages.len());
}

/// Every mistake has its place, and can be shown.
fn shown(errors: &InputErrors) {
    for error in errors.all() {
        assert!(error.excerpt().is_some() && error.line().is_some() && error.column().is_some(), "{error}");
    }
    for line in errors.to_string().lines().chain(input_error::render(errors, false).lines()) {
        plain(line);
    }
}

/// No text steers a terminal.
fn plain(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name)
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Every input that is kept, with all that once broke something among them, is taken.
    fn try_corpus(name: &str) {
        let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
        let inputs = files(&folder("corpus").join(name));
        assert!(!inputs.is_empty());
        let breaks = |path: &&PathBuf| {
            let input = std::fs::read(path).unwrap();
            std::panic::catch_unwind(|| target(&input)).is_err()
        };
        let broken: Vec<_> = inputs.iter().filter(breaks).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    macro_rules! corpora {
        ($($name:ident)*) => {
            const TRIED: &[&str] = &[$(stringify!($name)),*];
            $(#[test] fn $name() { try_corpus(stringify!($name)); })*
        };
    }
    corpora!(plan inventory patterns packages config preapproval playbook records journal frames known_hosts signers statement);

    #[test]
    fn every_target_has_inputs_a_program_and_a_test() {
        let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let stems = |name: &str| -> BTreeSet<String> {
            files(&folder(name)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(stems("corpus"), names);
        assert_eq!(stems("targets"), names);
        assert_eq!(TRIED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), names);
        for name in &names {
            let program = std::fs::read_to_string(folder("targets").join(name).with_extension("rs")).unwrap();
            assert!(program.contains(&format!("patchctl::fuzzing::{name}(data)")), "{name}");
        }
        let manifest: toml::Table = std::fs::read_to_string(folder("Cargo.toml")).unwrap().parse().unwrap();
        let programs = manifest["bin"].as_array().unwrap().iter();
        let programs: BTreeSet<String> = programs.map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(programs, names);
    }

    /// A target that stops at its first line would find nothing for ever.
    #[test]
    fn good_inputs_get_through() {
        let read = |name: &str| std::fs::read_to_string(folder("corpus").join(name)).unwrap();
        assert!(plan::parse(Path::new(NOWHERE), &read("plan/full")).is_ok());
        assert!(Inventory::parse(Path::new(NOWHERE), &read("inventory/good")).is_ok());
        assert!(Config::parse(Path::new(NOWHERE), &read("config/good")).is_ok());
        assert!(crate::input::preapproval(NOWHERE, &read("preapproval/full")).is_ok());
        assert_eq!(signers::parse(&read("signers/good")).unwrap().len(), 4);
        assert!(DecisionStatement::parse(&read("statement/good")).is_ok());
        assert!(playbook::parse(read("records/verify").as_bytes()).is_ok());
        assert!(Line::parse(1, read("known_hosts/plain").lines().next().unwrap()).is_some());
        let mut rollout = Rollout::new(Arc::clone(run()));
        for line in read("journal/scope_run").lines() {
            rollout.apply(&serde_json::from_str(line).unwrap(), Timestamp::UNIX_EPOCH).unwrap();
        }
        assert!(rollout.is_finished());
        let job = std::fs::read(folder("corpus/frames/job")).unwrap();
        let output = exchange(Kind { is_job: true, may_ask: true }, &[&job[1..]]).unwrap();
        assert!(output.contains("Done { code: 3, boot: \"boot-id\" }") && output.contains("\"x.y\""), "{output}");
    }
}
