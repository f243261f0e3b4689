//! What is said about bad inventories, to the letter.

use std::path::Path;

use crate::input::inventory::Inventory;

fn mistakes(text: &str) -> String {
    Inventory::parse(Path::new("inventory.toml"), text).map_or_else(|errors| errors.to_string(), |_| "none".into())
}

fn hosts(list: &str) -> String {
    mistakes(&format!("[groups.g]\nhosts = [{list}]\n"))
}

#[test]
fn inventories() {
    let cases = [
        ("misspelt tables", mistakes("[group.uat]\n[host.a]\n[default]\n")),
        ("misspelt keys", mistakes("[defaults]\nusr = \"x\"\n[groups.g]\nhost = [\"a\"]\n[hosts.a]\nadress = \"x\"\n")),
        ("keys in the wrong table", mistakes("[defaults]\nhosts = [\"a\"]\n[groups.g]\ntags = [\"a\"]\n")),
        ("a name with dots, not quoted", mistakes("[hosts.web.example.com]\nport = 1\n")),
        (
            "hostile hosts",
            hosts("\"a;b\", \"$(id)\", \"`id`\", \"-oProxyCommand=x\", \"a\\nb\", \"../x\", \"\", \"ä\""),
        ),
        ("ports in names", hosts("\"web:22\", \"::1\", \"fe80::1\", \"::1:x:\"")),
        ("broken ranges", hosts("\"w[1:3\", \"w[3:1]\", \"w[01:100]\", \"w[x]\", \"w[0:99999999]\"")),
        ("a range for one host", mistakes("[hosts.\"w[1:3]\"]\n")),
        ("hostile groups and tags", mistakes("[groups.\"a;b\"]\n[groups.\"-x\"]\n[hosts.a]\ntags = [\"$(id)\", 3]\n")),
        (
            "groups that are there by themselves",
            mistakes("[groups.all]\n[groups.ungrouped]\n[hosts.a]\ntags=[\"all\"]\n"),
        ),
        ("unknown children", mistakes("[groups.prod]\n[groups.web]\nchildren = [\"prd\", \"nothing\"]\n")),
        (
            "groups in each other",
            mistakes("[groups.a]\nchildren=[\"b\"]\n[groups.b]\nchildren=[\"c\"]\n[groups.c]\nchildren=[\"a\"]\n"),
        ),
        ("a group in itself", mistakes("[groups.a]\nchildren=[\"a\"]\n")),
        ("a host that is a group", mistakes("[groups.web]\nhosts=[\"db\"]\n[hosts.web]\n[hosts.x]\ntags=[\"db\"]\n")),
        (
            "bad values",
            mistakes(
                "[defaults]\nuser = \"-x\"\nport = 0\naddress = \"a b\"\nbecome = \"root\"\nplaybook = \"../x\"\n",
            ),
        ),
        (
            "more bad values",
            mistakes(
                "[hosts.a]\nport = \"22\"\naddress = \"fe80::1%\"\nuser = \"a\\nb\"\nprivate_key = 3\npassword_command = \" \"\n",
            ),
        ),
        ("not built", mistakes("[defaults]\nbecome = \"doas\"\njump = \"bastion\"\n")),
        (
            "variables",
            mistakes("[hosts.a]\nvars = { \"a-b\" = 1, ansible_host = \"x\", ansible_password = \"x\", big = inf }\n"),
        ),
        ("not a table", mistakes("groups = []\nhosts = { a = \"10.0.0.1\" }\n")),
        ("broken TOML", mistakes("[groups.a\nhosts = [\"a\"\n")),
        ("the same twice", mistakes("[hosts.a]\n[hosts.a]\n")),
    ];
    super::snapshot("bad_inventories", &cases);
}

#[test]
fn files_that_are_no_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let end = |path: &Path| {
        let error = Inventory::load(&[path]).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    let cases = [
        ("a folder", end(folder.path())),
        ("a program", end(&at("script", "#!/bin/sh\n", 0o755))),
        ("INI", end(&at("hosts", "[web]\nweb-1 ansible_host=10.0.0.1\n", 0o644))),
        ("YAML", end(&at("hosts.yml", "all:\n  hosts:\n", 0o644))),
        ("none", end(Path::new("DIR/none.toml"))),
        ("a list", end(Path::new("a,$(id), -x,b:0,c:x,d:22,"))),
    ];
    super::snapshot("bad_inventory_files", &cases);
}
