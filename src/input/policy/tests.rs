//! Policies, good and bad, and what they make of plans; the exact texts of mistakes and refusals.

use std::path::Path;

use jiff::Timestamp;

use super::{LoadedPolicy, apply, load_from, read_source};
use crate::core::approval::When;
use crate::core::ids::{ChangeId, HostIx, RunId};
use crate::core::policy::Passes;
use crate::core::risk::Severity;
use crate::core::settings::{Amount, Person, Settings};
use crate::input::source::Source;
use crate::input::{InputErrors, Inventory, Overrides, plan};

const FULL: &str = r#"
schema = 1

[limits]
max_wave = "25%"
max_parallel = 5
max_failed = 1
max_unreachable = "10%"
reboot = "needed"
rollback_proven = true
removals = false
install = false
pin = "exact"

[[freeze]]
name = "christmas"
from = "2026-12-20T00:00:00+01:00"
to = "2027-01-03T00:00:00+01:00"
stages = ["prod*"]

[[window]]
stages = ["prod*"]
days = ["Sat"]
start = "22:00"
length = "6h"
zone = "Europe/Berlin"

[[approval]]
name = "kernels"
stages = ["prod*"]
severity = "high"
kernel = true
hosts_over = 50
packages = ["linux-image-*"]
by = ["group:cab", "alice"]
quorum = 2
signed = false
four_eyes = true
when = "both"

[[auto_approve]]
name = "low-risk"
stages = ["uat"]
max_severity = "medium"
kernel = false
removals = false
hosts_max = 5
packages = ["openssl*", "libssl*"]
origins = ["Debian-Security"]
security_only = true

[[exception]]
hosts = "h3"
packages = ["openssl*"]
until = 2026-12-31
ticket = "CHG7"
reason = "the vendor forbids it"

[emergency]
by = ["group:oncall"]
quorum = 1
passes = ["window", "freeze"]
review_within = "48h"

[drill]
within = "30d"
"#;

const INVENTORY: &str = "[groups.uat]\nhosts = [\"h1\", \"h2\"]\n[groups.prod]\nhosts = [\"h[3:12]\"]\n";
const PLAN: &str = "name = \"p\"\n[patch]\npackages = [\"openssl\"]\n[[stage]]\nname = \"uat\"\nhosts = \"uat\"\n\
                    [[stage]]\nname = \"prod\"\nhosts = \"prod\"\n";

fn policy(text: &str) -> Result<LoadedPolicy, InputErrors> {
    read_source(Source::new("policy.toml", text), Path::new("policy.toml"), None)
}

fn mistakes(text: &str) -> String {
    policy(text).map_or_else(|errors| errors.to_string(), |_| "none".into())
}

fn overrides() -> Overrides {
    Overrides {
        run: RunId::new("01JD0000000000000000000000").unwrap(),
        change: None,
        made_up_change: ChangeId::new("CHG1").unwrap(),
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

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// A plan under policies: the settings that come of it, and what is said about it.
fn under(plan_text: &str, policies: &[&str]) -> (Settings, String) {
    let plan = plan::parse(Path::new("plan.toml"), plan_text).unwrap();
    let inventory = Inventory::parse(Path::new("inventory.toml"), INVENTORY).unwrap();
    let mut settings = crate::input::settings(&plan, &inventory, &overrides()).unwrap();
    let policies: Vec<LoadedPolicy> = policies.iter().map(|text| policy(text).unwrap()).collect();
    let said = match apply(&plan, &policies, &inventory, &mut settings, now()) {
        Err(errors) => errors.to_string(),
        Ok(applied) => {
            let refused = applied.refusals().into_iter().map(|problem| problem.message);
            let expired = applied.expired.iter().map(|old| format!("{}: {} is over", old.at, old.ticket));
            refused.chain(expired).collect::<Vec<_>>().join("\n")
        }
    };
    (settings, said)
}

#[test]
fn every_key() {
    let (settings, said) = under(PLAN, &[FULL]);
    assert_eq!(said, "");
    let policy = &settings.policy;
    assert_eq!(policy.rollback_proven.as_deref(), Some("policy.toml:10"));
    let rule = &policy.approvals[0];
    assert_eq!((rule.name.as_str(), rule.at.as_str()), ("kernels", "policy.toml:28"));
    assert_eq!((rule.severity, rule.kernel, rule.hosts_over), (Some(Severity::High), Some(true), Some(50)));
    assert_eq!((rule.quorum, rule.signed, rule.four_eyes, rule.when), (Some(2), false, true, Some(When::Both)));
    let auto = &policy.auto_approve[0];
    assert_eq!((auto.max_severity, auto.hosts_max, auto.security_only), (Severity::Medium, Some(5), true));
    let exception = &policy.exceptions[0];
    assert_eq!((exception.hosts.as_slice(), exception.ticket.as_str()), ([HostIx(2)].as_slice(), "CHG7"));
    assert_eq!(exception.until.to_string(), "2027-01-01T00:00:00Z", "through the end of that day");
    let emergency = policy.emergency.as_ref().unwrap();
    assert_eq!(emergency.passes, [Passes::Window, Passes::Freeze]);
    assert_eq!((emergency.quorum, emergency.review_within), (1, 48 * 3600));
    let drill = policy.drill.as_ref().unwrap();
    assert_eq!((drill.words().as_str(), drill.at.as_str()), ("a drill not older than 30d", "policy.toml:65"));
    assert_eq!((settings.stages[0].windows.len(), settings.stages[1].windows.len()), (0, 1));
    assert_eq!(settings.freezes.len(), 1);
    assert_eq!(policy.files[0].name, "policy.toml");
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings, "it is frozen and read back");
}

#[test]
fn what_a_plan_does_not_say_is_lowered() {
    let (settings, said) = under(PLAN, &[FULL]);
    assert_eq!(said, "");
    let prod = &settings.stages[1];
    assert_eq!((prod.waves.as_slice(), prod.parallel), ([Amount::Percent(25)].as_slice(), 5));
    let (settings, _) = under(PLAN, &["[limits]\nmax_wave = 4\n", "[limits]\nmax_wave = 3\nmax_parallel = 20\n"]);
    assert_eq!((settings.stages[1].waves.as_slice(), settings.stages[1].parallel), ([Amount::Count(3)].as_slice(), 10));
    assert_eq!(settings.stages[0].waves, [Amount::Percent(100)], "two hosts are no larger a wave than three");
}

#[test]
fn what_a_plan_says_beyond_the_limits_is_refused() {
    let stage = "waves = [1, 5]\nparallel = 6\nmax_failed = 2\nmax_unreachable = \"20%\"\nreboot = \"always\"\n";
    let plan = PLAN.replace(
        "[[stage]]\nname = \"uat\"",
        "allow_removals = true\ninstall = true\npin = \"off\"\n[[stage]]\nname = \"uat\"",
    );
    let (_, said) = under(&format!("{plan}{stage}"), &[FULL]);
    insta::assert_snapshot!(said, @r#"
    policy.toml:5: `max_wave` allows 25% (2 hosts), and stage prod wants 5 hosts (plan.toml:13)
    policy.toml:6: `max_parallel` allows 5, and stage prod wants 6 (plan.toml:14)
    policy.toml:7: `max_failed` allows 1 host, and stage prod wants 2 hosts (plan.toml:15)
    policy.toml:8: `max_unreachable` allows 10% (1 host), and stage prod wants 2 hosts (plan.toml:16)
    policy.toml:9: `reboot` allows "needed", and stage prod wants "always" (plan.toml:17)
    policy.toml:11: `removals` allows false, and the plan wants `allow_removals = true` (plan.toml:4)
    policy.toml:12: `install` allows false, and the plan wants true (plan.toml:5)
    policy.toml:13: `pin` allows "exact", and the plan wants "off" (plan.toml:6)
    "#);
}

#[test]
fn a_plans_own_rules_narrow_and_widen_nothing() {
    let own =
        "[policy.limits]\nmax_parallel = 2\n[[policy.approval]]\nname = \"two\"\nstages = [\"prod\"]\nquorum = 2\n";
    let (settings, said) = under(&format!("{PLAN}{own}"), &[FULL]);
    assert_eq!(said, "");
    assert_eq!(settings.stages[1].parallel, 2);
    let names: Vec<&str> = settings.policy.approvals.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["kernels", "two"]);
    assert_eq!(settings.policy.approvals[1].at, "plan.toml:12");
    let wide = format!("{PLAN}[[policy.auto_approve]]\nname = \"all\"\n[policy.emergency]\nby = [\"me\"]\n");
    let errors = plan::parse(Path::new("plan.toml"), &wide).unwrap_err().to_string();
    let why = "a plan can only narrow: it belongs in /etc/patchctl/policy.toml, or in the file of --policy";
    assert_eq!(
        errors,
        format!(
            "plan.toml:10:10: `auto_approve` cannot stand in [policy]; {why}\n\
             plan.toml:12:9: `emergency` cannot stand in [policy]; {why}"
        )
    );
}

#[test]
fn of_several_rules_about_drills_the_strictest_holds() {
    let drill = |policies: &[&str], own: &str| under(&format!("{PLAN}{own}"), policies).0.policy.drill;
    assert_eq!(drill(&[], ""), None);
    let (long, short) = ("[drill]\nwithin = \"30d\"\n", "[policy.drill]\nwithin = \"36h\"\n");
    let strictest = drill(&[long], short).unwrap();
    assert_eq!((strictest.words().as_str(), strictest.at.as_str()), ("a drill not older than 36h", "plan.toml:10"));
    assert_eq!(drill(&[long, "[drill]\nwithin = \"60d\"\n"], "").unwrap().at, "policy.toml:1");
}

#[test]
fn exceptions_that_are_over_are_told_and_not_used() {
    let exception = |hosts: &str, until: &str| {
        format!("[[exception]]\nhosts = \"{hosts}\"\nuntil = {until}\nticket = \"CHG7\"\nreason = \"old\"\n")
    };
    let (settings, said) = under(PLAN, &[&exception("all", "\"2026-11-27\"")]);
    assert_eq!((said.as_str(), settings.policy.exceptions.len()), ("policy.toml:1: CHG7 is over", 0));
    let (settings, said) = under(PLAN, &[&exception("uat:h99", "2026-11-28T13:00:00+01:00")]);
    assert_eq!((said.as_str(), settings.policy.exceptions.len()), ("policy.toml:1: CHG7 is over", 0));
    let (settings, said) = under(PLAN, &[&exception("uat:h99", "2026-11-28")]);
    assert_eq!(said, "", "through the end of the day; h99 is in another inventory");
    assert_eq!(settings.policy.exceptions[0].hosts, [HostIx(0), HostIx(1)]);
    let (_, said) = under(PLAN, &[&exception("uat:[", "2026-11-28")]);
    assert!(said.starts_with("policy.toml:2:14: "), "{said}");
}

#[test]
fn the_systems_policy_can_only_be_narrowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let system = file("system.toml", "[limits]\nmax_parallel = 5\n[[auto_approve]]\nname = \"low\"\n");
    let narrow = file("narrow.toml", "[limits]\nmax_parallel = 3\n");
    let wide = file("wide.toml", "[[auto_approve]]\nname = \"all\"\nmax_severity = \"critical\"\n");
    let nowhere = folder.path().join("nowhere");
    let count = |system: &Path, given: Option<&Path>| load_from(system, given).map(|list| list.len());
    assert_eq!(count(&system, None), Ok(1));
    assert_eq!(count(&system, Some(&narrow)), Ok(2));
    assert_eq!(count(&system, Some(&system)), Ok(1), "it is the system's itself");
    assert_eq!(count(&nowhere, Some(&wide)), Ok(1), "there is none to be narrowed");
    assert_eq!(count(&nowhere, None), Ok(0));
    let error = count(&system, Some(&wide)).unwrap_err().to_string();
    assert!(error.contains("wide.toml:1:1: `auto_approve` cannot stand here: "), "{error}");
    assert!(error.ends_with("system.toml holds, and can only be narrowed; have it put there"), "{error}");
    let missing = count(&nowhere, Some(&nowhere)).unwrap_err().to_string();
    assert!(missing.ends_with("nowhere: no such file"), "{missing}");
}

#[test]
fn a_policy_that_others_could_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, "[limits]\nmax_parallel = 5\n").unwrap();
    let with = |mode: u32| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        load_from(&path, None).map(|list| list.len()).map_err(|errors| errors.to_string())
    };
    assert_eq!((with(0o644), with(0o600)), (Ok(1), Ok(1)));
    for mode in [0o664, 0o646] {
        let error = with(mode).unwrap_err();
        assert!(error.ends_with("may be written by others, who could allow anything; chmod 644"), "{error}");
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let error = with(0o644).unwrap_err();
        assert!(error.ends_with("belongs to the user 12345, who could allow anything; chown it to root"), "{error}");
    }
}

#[test]
fn bad_policies() {
    let rule = |more: &str| mistakes(&format!("[[approval]]\nname = \"x\"\n{more}\n"));
    let auto = |more: &str| mistakes(&format!("[[auto_approve]]\nname = \"x\"\n{more}\n"));
    let exception = |hosts: &str, until: &str| {
        mistakes(&format!("[[exception]]\nhosts = {hosts}\nuntil = {until}\nticket = \"T\"\nreason = \"r\"\n"))
    };
    let cases = [
        ("an unknown key", mistakes("[limit]\nmax_wave = 1\n")),
        ("a key of another table", mistakes("max_wave = 1\n")),
        ("an unknown limit", mistakes("[limits]\nmax_waves = 1\nmax_wave = 0\nmax_parallel = 0\n")),
        ("limits that allow", mistakes("[limits]\nremovals = true\nreboot = \"always\"\npin = \"off\"\n")),
        ("a check without a name", mistakes("checks = [1]\n")),
        ("a rule without a name", mistakes("[[approval]]\nquorum = 2\n")),
        ("bad stages", rule("stages = []\n")),
        ("bad globs", rule("stages = [\"prod[12]\"]\npackages = [\"lib ssl\", \"\"]\n")),
        ("a bad severity", rule("severity = \"hihg\"\n")),
        ("a quorum of nobody", rule("by = [\"ann\"]\nquorum = 2\n")),
        ("nobody", rule("by = []\n")),
        ("nothing to approve", auto("max_severity = 3\nhosts_max = 0\norigins = []\n")),
        ("an exception of nothing", mistakes("[[exception]]\n")),
        ("bad ends", exception("\"h1\"", "\"soon\"")),
        ("a moment without a zone", exception("\"h1\"", "2026-12-31T10:00:00")),
        ("a bad freeze", mistakes("[[freeze]]\nname = \"x\"\nfrom = \"2026-12-20\"\nto = \"2026-12-21\"\n")),
        ("a bad window", mistakes("[[window]]\nstages = [\"prod\"]\nstart = \"22:00\"\n")),
        ("drills of any age", mistakes("[drill]\n")),
        ("a bad drill", mistakes("[drill]\nwithin = \"0s\"\nstage = \"uat\"\n")),
        ("a bad emergency", mistakes("[emergency]\npasses = [\"gate\"]\nreview_within = \"soon\"\n")),
    ];
    crate::input::tests::snapshot("bad_policies", &cases);
}
