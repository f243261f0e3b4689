use std::path::{Path, PathBuf};

use super::Inventory;

fn read(text: &str) -> Inventory {
    Inventory::parse(Path::new("dir/inventory.toml"), text).unwrap()
}

fn names<'a>(hosts: impl IntoIterator<Item = &'a crate::core::ids::HostName>) -> Vec<&'a str> {
    hosts.into_iter().map(crate::core::ids::HostName::as_str).collect()
}

fn select<'a>(inventory: &'a Inventory, pattern: &str) -> Vec<&'a str> {
    names(inventory.select("PATTERN", Some(pattern)).unwrap())
}

const FLEET: &str = r#"
[defaults]
user = "patch"
become = "sudo"
private_key = "keys/fleet"
vars = { site = "none", tier = "none" }

[groups.web]
children = ["uat", "prod"]
port = 2200
vars = { tier = "web", list = [1, 2.5, true, "x", { a = 2026-01-01 }] }

[groups.prod]
hosts = ["web-[01:03].example.com"]
port = 2201
vars = { site = "fra1" }

[groups.uat]
hosts = ["uat-1"]

[groups.zone]
hosts = ["web-02.example.com"]
vars = { tier = "zone" }

[hosts."web-02.example.com"]
port = 2202
tags = ["canary", "prod"]

[hosts.alone]
user = "root"
become = "none"
"#;

#[test]
fn order_groups_tags_and_loners() {
    let fleet = read(FLEET);
    let all = ["web-01.example.com", "web-02.example.com", "web-03.example.com", "uat-1", "alone"];
    assert_eq!(names(fleet.hosts()), all);
    assert_eq!(select(&fleet, "all"), all);
    assert_eq!(select(&fleet, "web"), &all[..4]);
    assert_eq!(select(&fleet, "web[0]"), ["uat-1"], "a group's hosts are its children's in their order");
    assert_eq!(select(&fleet, "canary"), ["web-02.example.com"]);
    assert_eq!(select(&fleet, "ungrouped"), ["alone"]);
    let groups: Vec<&str> = fleet.hosts[1].groups.iter().map(crate::core::ids::GroupName::as_str).collect();
    assert_eq!(groups, ["canary", "prod", "web", "zone"]);
}

#[test]
fn the_nearest_holds() {
    let fleet = read(FLEET);
    let props = |ix: usize| &fleet.hosts[ix].props;
    assert_eq!(props(0).port, Some(2201), "a child over its parent");
    assert_eq!(props(1).port, Some(2202), "the host over its groups");
    assert_eq!(props(3).port, Some(2200));
    assert_eq!(props(4).port, None);
    assert_eq!(props(0).vars["site"], "fra1");
    assert_eq!(props(0).vars["tier"], "web");
    assert_eq!(props(1).vars["tier"], "zone", "of the same depth, the later");
    assert_eq!(props(0).vars["list"], serde_json::json!([1, 2.5, true, "x", { "a": "2026-01-01" }]));
    assert_eq!((props(0).user.as_deref(), props(4).user.as_deref()), (Some("patch"), Some("root")));
    assert_eq!(props(0).private_keys, Some(vec![PathBuf::from("dir/keys/fleet")]), "beside the inventory");
}

#[test]
fn several_files_and_lists_are_one_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let one = write("one.toml", "[groups.web]\nhosts = [\"a\"]\nport = 1\n[defaults]\nuser = \"x\"\n");
    let two = write("two.toml", "[groups.web]\nhosts = [\"b\"]\nport = 2\n[groups.top]\nchildren = [\"web\"]\n");
    let inventory = Inventory::load(&[one, two, PathBuf::from("c:2222,::1,[::2]:23,")]).unwrap();
    assert_eq!(names(inventory.hosts()), ["a", "b", "c", "::1", "::2"]);
    assert_eq!(select(&inventory, "top"), ["a", "b"]);
    let ports: Vec<Option<u16>> = inventory.hosts.iter().map(|host| host.props.port).collect();
    assert_eq!(ports, [Some(2), Some(2), Some(2222), None, Some(23)], "the later file holds");
    assert!(inventory.hosts.iter().all(|host| host.props.user.as_deref() == Some("x")));
}

#[test]
fn mistakes_of_all_files_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let files = [write("b.toml", "[hosts.a]\nprot = 1\n"), folder.path().join("no.toml"), write("a.toml", "x = 1\n")];
    let errors = Inventory::load(&files).unwrap_err();
    let found: Vec<String> = errors.all().iter().map(|e| e.message.clone()).collect();
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn the_document_of_ansible_inventory() {
    let list = read(FLEET).list(None).unwrap();
    assert_eq!(list["all"], serde_json::json!({ "children": ["ungrouped", "web", "zone", "canary"] }));
    assert_eq!(list["web"], serde_json::json!({ "children": ["uat", "prod"] }));
    assert_eq!(list["ungrouped"], serde_json::json!({ "hosts": ["alone"] }));
    assert_eq!(list["canary"], serde_json::json!({ "hosts": ["web-02.example.com"] }));
    let vars = &list["_meta"]["hostvars"]["web-02.example.com"];
    assert_eq!((&vars["ansible_port"], &vars["ansible_user"]), (&2202.into(), &"patch".into()));
    assert_eq!((&vars["ansible_become"], &vars["site"]), (&true.into(), &"fra1".into()));
    let some = read(FLEET).list(Some("uat")).unwrap();
    assert_eq!(some["_meta"]["hostvars"].as_object().unwrap().len(), 1);
}

#[test]
fn a_deep_chain_of_groups_is_no_trouble() {
    let mut text = String::from("[groups.g0]\nhosts = [\"a\"]\n");
    for n in 1..2000 {
        text.push_str(&format!("[groups.g{n}]\nchildren = [\"g{}\"]\n", n - 1));
    }
    assert_eq!(select(&read(&text), "g1999"), ["a"]);
}
