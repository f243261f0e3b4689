//! Plans and inventories, put together.

use std::path::Path;

use super::{GOOD, parse};
use crate::core::ids::{ChangeId, PlaybookName, RunId};
use crate::core::settings::{Person, Settings};
use crate::input::inventory::Inventory;
use crate::input::{ConnectAs, InputErrors, Overrides, hosts, inventory_for, settings};

fn given() -> Overrides {
    Overrides {
        run: RunId::new("01JD0000000000000000000000").unwrap(),
        change: None,
        made_up_change: ChangeId::new("PATCH-1").unwrap(),
        requester: Person { name: "ana".into(), source: "login".into() },
        limit: None,
        user: None,
        default_user: None,
        private_key: None,
        default_private_key: None,
        forks: None,
        playbooks: ["apt", "release"].map(|name| PlaybookName::new(name).unwrap()).into(),
        signers: None,
    }
}

const FLEET: &str = r#"
[defaults]
user = "patch"
become = "sudo"
[groups.uat]
hosts = ["uat-[1:2]"]
[groups.prod]
hosts = ["web-[01:05]", "db-1"]
vars = { site = "fra1" }
[hosts.web-04]
tags = ["canary"]
port = 2222
address = "10.0.0.4"
[hosts.db-1]
user = "dba"
playbook = "apt"
"#;

fn together(plan: &str, inventory: &str, given: &Overrides) -> Result<Settings, InputErrors> {
    let inventory = Inventory::parse(Path::new("inventory.toml"), inventory)?;
    settings(&parse(plan)?, &inventory, given)
}

fn plan(stages: &str) -> String {
    format!("{}{stages}", GOOD.split("[[stage]]").next().unwrap())
}

const TWO: &str = "[[stage]]\nname=\"uat\"\nhosts=\"uat\"\n[[stage]]\nname=\"prod\"\nhosts=\"prod\"\nparallel=20\n";

fn hosts_of(settings: &Settings, stage: usize) -> Vec<&str> {
    settings.stages[stage].hosts.iter().map(|ix| settings.hosts[ix.at()].name.as_str()).collect()
}

#[test]
fn canaries_go_first_and_the_rest_in_order() {
    let settings = together(&plan(TWO), FLEET, &given()).unwrap();
    assert_eq!(hosts_of(&settings, 0), ["uat-1", "uat-2"]);
    assert_eq!(hosts_of(&settings, 1), ["web-04", "web-01", "web-02", "web-03", "web-05", "db-1"]);
    let host = &settings.hosts[settings.stages[1].hosts[0].at()];
    assert_eq!((host.address.as_str(), host.port, host.user.as_deref()), ("10.0.0.4", 2222, Some("patch")));
    assert_eq!(host.vars["site"], "fra1");
    assert!(host.is_in("canary") && host.is_in("prod"));
    let db = settings.hosts.last().unwrap();
    assert_eq!((db.address.as_str(), db.user.as_deref()), ("db-1", Some("dba")));
    assert_eq!(db.playbook.as_ref().map(PlaybookName::as_str), Some("apt"));
    assert_eq!(settings.change.as_str(), "PATCH-1");
}

#[test]
fn the_command_line_holds_over_the_files() {
    let given = Overrides {
        limit: Some("prod:!web-0[1-3]*".replace("[1-3]*", "1:!web-02")),
        user: Some("root".into()),
        private_key: Some("/k".into()),
        change: Some(ChangeId::new("CHG1").unwrap()),
        forks: Some(5),
        ..given()
    };
    let settings = together(&plan(TWO), FLEET, &given).unwrap();
    assert_eq!(hosts_of(&settings, 0), [""; 0], "the limit left none");
    assert_eq!(hosts_of(&settings, 1), ["web-04", "web-03", "web-05", "db-1"]);
    assert!(settings.hosts.iter().all(|h| h.user.as_deref() == Some("root") && h.private_keys == [Path::new("/k")]));
    assert_eq!((settings.stages[1].parallel, settings.forks), (5, Some(5)));
    assert_eq!(settings.change.as_str(), "CHG1");
    let raised = Overrides { forks: Some(50), ..given };
    assert_eq!(together(&plan(TWO), FLEET, &raised).unwrap().stages[1].parallel, 20, "never raised");
}

#[test]
fn settings_read_back_as_they_were_frozen() {
    let settings = together(&plan(TWO), FLEET, &given()).unwrap();
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
}

#[test]
fn what_does_not_fit_together() {
    let mistakes = |plan: &str, inventory: &str, given: &Overrides| {
        together(plan, inventory, given).map_or_else(|errors| errors.to_string(), |_| "none".into())
    };
    let stages = |a: &str, b: &str| plan(&TWO.replace("hosts=\"uat\"", a).replace("hosts=\"prod\"", b));
    let both = |text: &str| stages(text, "hosts=\"db-1\"");
    let limit = |text: &str| Overrides { limit: Some(text.into()), ..given() };
    let cases = [
        ("a group that is not there", mistakes(&both("hosts=\"uta\""), FLEET, &given())),
        ("a host that is not there", mistakes(&both("hosts='uat:web-1:~x('"), FLEET, &given())),
        ("nothing matches", mistakes(&both("hosts=\"uat:&prod\""), FLEET, &given())),
        ("an empty pattern", mistakes(&both("hosts=\" , \""), FLEET, &given())),
        ("a place that a group does not have", mistakes(&both("hosts=\"uat[5]\""), FLEET, &given())),
        ("a host in two stages", mistakes(&stages("hosts=\"web-01\"", "hosts=\"prod\""), FLEET, &given())),
        ("hosts in two stages", mistakes(&stages("hosts=\"all\"", "hosts=\"prod\""), FLEET, &given())),
        ("hostile patterns", mistakes(&both("hosts='$(id),-x,`id`,a;b,../x'"), FLEET, &given())),
        ("a line end in a pattern", mistakes(&both("hosts=\"uat\\nprod\""), FLEET, &given())),
        ("a file that is not there", mistakes(&both("hosts=\"@no.txt\""), FLEET, &given())),
        ("a limit that is not there", mistakes(&plan(TWO), FLEET, &limit("uat,prd"))),
        ("a limit that leaves none", mistakes(&plan(TWO), FLEET, &limit("uat:!uat"))),
        ("an unknown playbook", mistakes(&plan(TWO).replace("[patch]", "[patch]\nplaybook=\"atp\""), FLEET, &given())),
        (
            "unknown playbooks elsewhere",
            mistakes(
                &plan(TWO).replace("[patch]", "[patch]\npackages_for={dfn=[\"a\"]}"),
                &FLEET.replace("playbook = \"apt\"", "playbook = \"windows\""),
                &given(),
            ),
        ),
        ("a hostile user", mistakes(&plan(TWO), FLEET, &Overrides { user: Some("-oX".into()), ..given() })),
    ];
    super::snapshot("bad_together", &cases);
}

#[test]
fn hosts_without_a_plan() {
    let inventory = Inventory::parse(Path::new("inventory.toml"), FLEET).unwrap();
    let names = |pattern: Option<&str>, limit: Option<&str>| {
        let connect = ConnectAs { default_user: Some("me".into()), ..ConnectAs::default() };
        hosts(&inventory, pattern, limit, &connect)
            .map(|hosts| hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>().join(" "))
            .map_err(|errors| errors.to_string())
    };
    assert_eq!(names(Some("uat"), None), Ok("uat-1 uat-2".into()));
    assert_eq!(names(None, Some("db-1")), Ok("db-1".into()));
    assert_eq!(names(Some("uat"), Some("prod")), Err("PATTERN:1:1: `uat` matches no host".into()));
    assert_eq!(
        names(Some("utt"), Some("prdo")),
        Err("PATTERN:1:1: the inventory has no host or group `utt`; did you mean `uat`?\n\
             --limit:1:1: the inventory has no host or group `prdo`; did you mean `prod`?"
            .into())
    );
}

#[test]
fn which_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.toml"), "[hosts.a]\n").unwrap();
    std::fs::write(at("b.toml"), "[hosts.b]\n").unwrap();
    let plan = |text: &str| crate::input::plan::parse(&at("plan.toml"), text).unwrap();
    let named = plan(&format!("inventory = \"a.toml\"\n{GOOD}"));
    let first = |inventory: Inventory| inventory.hosts().next().unwrap().to_string();
    let (b, c) = (vec![at("b.toml")], vec!["c,".into()]);
    assert_eq!(inventory_for(Some(&named), &b, &c).map(first), Ok("b".into()));
    assert_eq!(inventory_for(Some(&named), &[], &c).map(first), Ok("a".into()));
    assert_eq!(inventory_for(Some(&plan(GOOD)), &[], &c).map(first), Ok("c".into()));
    let none = inventory_for(Some(&plan(GOOD)), &[], &[]).unwrap_err().to_string();
    assert!(none.ends_with("plan.toml: no inventory is named; set `inventory` in the plan, or give -i"), "{none}");
    let gone = plan(&format!("inventory = \"no.toml\"\n{GOOD}"));
    let gone = inventory_for(Some(&gone), &[], &[]).unwrap_err().to_string();
    assert!(gone.contains("plan.toml:1:13: the inventory ") && gone.ends_with("no.toml: no such file"), "{gone}");
}
