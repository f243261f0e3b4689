//! The inventory's keys.

use crate::input::keys::{Key, Kind, TableDef};

/// A table with the keys that defaults, groups and hosts share, and its own.
macro_rules! table {
    ($title:literal, $doc:literal, $named:literal, [$($own:expr),*]) => {
        TableDef {
            title: $title,
            doc: $doc,
            named: $named,
            keys: &[
                $($own,)*
                Key::new("user", Kind::Text, "The login user; default: the local user's name."),
                Key::or("port", Kind::Int { min: 1, max: 65_535 }, "22", "The port."),
                Key::new("address", Kind::Text, "Where to connect: a DNS name or an address; default: the host's name."),
                Key::new("private_key", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "Key files, relative to this file."),
                Key::or("become", Kind::Word(&["none", "sudo"], &["doas", "su"]), "\"none\"", "How to become root."),
                Key::new("playbook", Kind::Text, "The playbook's name; default: the plan's."),
                Key::new("password_command", Kind::Text, "A command that prints the login password."),
                Key::new("become_password_command", Kind::Text, "A command that prints the password for becoming root."),
                Key::new("vars", Kind::Map(&Kind::Any), "Variables."),
                Key::later("jump", "A host to connect through."),
            ],
        }
    };
}

pub(crate) static INVENTORY: TableDef = TableDef {
    title: "the inventory",
    doc: "An inventory for patchctl: the hosts, their groups, and how to reach them.",
    named: false,
    keys: &[
        Key::new("defaults", Kind::Table(&DEFAULTS), "What holds for every host that says nothing else."),
        Key::new("groups", Kind::Map(&Kind::Table(&GROUP)), "The groups, by name."),
        Key::new("hosts", Kind::Map(&Kind::Table(&HOST)), "Single hosts, by name."),
    ],
};

pub(crate) static DEFAULTS: TableDef =
    table!("[defaults]", "What holds for every host that says nothing else.", false, []);

pub(crate) static GROUP: TableDef = table!(
    "[groups.NAME]",
    "A group of hosts.",
    true,
    [
        Key::new("hosts", Kind::List(&Kind::Text), "Hosts and ranges: \"web-[01:40].example.com\"."),
        Key::new("children", Kind::List(&Kind::Text), "Groups whose hosts are this group's too.")
    ]
);

pub(crate) static HOST: TableDef = table!(
    "[hosts.NAME]",
    "One host.",
    true,
    [Key::new("tags", Kind::List(&Kind::Text), "Tags; they are groups too, and `canary` hosts go first.")]
);

/// The tables that a misplaced key may belong in.
pub(super) static ALL: [&TableDef; 4] = [&GROUP, &HOST, &DEFAULTS, &INVENTORY];

/// What Ansible's variables are called here: they would be ignored, or hold secrets, as plain variables.
pub(super) static ANSIBLE: [(&str, &str); 14] = [
    ("ansible_host", "address"),
    ("ansible_ssh_host", "address"),
    ("ansible_port", "port"),
    ("ansible_ssh_port", "port"),
    ("ansible_user", "user"),
    ("ansible_ssh_user", "user"),
    ("ansible_ssh_private_key_file", "private_key"),
    ("ansible_private_key_file", "private_key"),
    ("ansible_become", "become"),
    ("ansible_become_method", "become"),
    ("ansible_password", "password_command"),
    ("ansible_ssh_pass", "password_command"),
    ("ansible_become_password", "become_password_command"),
    ("ansible_become_pass", "become_password_command"),
];
