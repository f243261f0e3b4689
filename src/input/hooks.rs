//! `[stage.hooks]` and `[stage.snapshot]`

use std::path::PathBuf;
use std::time::Duration;

use super::checks::template;
use super::keys::{Key, Kind, TableDef};
use super::plan::ALL;
use super::table::{At, Table};
use crate::core::hooks::{Command, Hooks, RestoreWhen, Snapshot, Taken, Where};
use crate::core::template::Dialect;

/// How long a command of the plan's may take, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(600);

pub(crate) static COMMAND: TableDef = TableDef {
    title: "{ run = \"…\" } or { local = \"…\" }",
    doc: "A command.",
    named: false,
    keys: &[
        Key::new("run", Kind::Text, "On the host, for `sh`."),
        Key::new("local", Kind::Text, "On this machine, for `sh`."),
        Key::or("timeout", Kind::Duration, "\"10m\"", "Its deadline."),
    ],
};

const A_COMMAND: Kind = Kind::Table(&COMMAND);

pub(crate) static HOOKS: TableDef = TableDef {
    title: "[stage.hooks]",
    doc: "Commands around the stage and its hosts.",
    named: false,
    keys: &[
        Key::new("before_stage", A_COMMAND, "Before the stage's first change; on its first host, or here."),
        Key::new("before_host", A_COMMAND, "Before anything is done to a host."),
        Key::new("after_host", A_COMMAND, "Where a host is known good: patched, or as it was."),
        Key::new("after_host_failed", A_COMMAND, "Where it is not."),
        Key::new("after_stage", A_COMMAND, "Once the stage's hosts have come to rest, before its gate waits."),
    ],
};

pub(crate) static SNAPSHOT: TableDef = TableDef {
    title: "[stage.snapshot]",
    doc: "A snapshot of each host beside its stash: by commands, or of btrfs subvolumes.",
    named: false,
    keys: &[
        Key::new("take", A_COMMAND, "Takes it."),
        Key::new("restore", A_COMMAND, "Puts it back."),
        Key::new("remove", A_COMMAND, "Removes it, once the host is decided."),
        Key::new("btrfs", Kind::List(&Kind::Text), "Subvolumes on the host, such as [\"/srv/data\"]."),
        Key::or(
            "restore_when",
            Kind::Word(&["not_exact", "always"], &[]),
            "\"not_exact\"",
            "Where the packages' way back failed or was not exact; or always, and packages go back where that was not all.",
        ),
    ],
};

/// The stage's hooks, each with its place.
pub(super) fn hooks(stage: &Table<'_>) -> (Hooks, Vec<At<Command>>) {
    let Some(table) = stage.table("hooks", &HOOKS) else { return Default::default() };
    let [before_stage, after_stage] = ["before_stage", "after_stage"].map(|key| {
        let at = command(&table, key)?;
        if at.value.command.names_host() {
            let message = format!("`{key}` is about the whole stage, and there is no `host` in it");
            let hint = "it has `stage`, `run.id` and `run.change`; before_host and after_host have the host";
            table.sink.error_hint(&at.span, message, hint);
        }
        Some(at.value)
    });
    let of_hosts = ["before_host", "after_host", "after_host_failed"].map(|key| command(&table, key));
    let all = of_hosts.iter().flatten().cloned().collect();
    let [before_host, after_host, after_host_failed] = of_hosts.map(|at| at.map(|at| at.value));
    table.finish(&ALL);
    (Hooks { before_stage, before_host, after_host, after_host_failed, after_stage }, all)
}

/// The stage's snapshot, and its commands with their places.
pub(super) fn snapshot(stage: &Table<'_>) -> (Option<Snapshot>, Vec<At<Command>>) {
    let Some(table) = stage.table("snapshot", &SNAPSHOT) else { return Default::default() };
    let [take, restore, remove] = ["take", "restore", "remove"].map(|key| command(&table, key));
    let all = [&take, &restore, &remove].into_iter().flatten().cloned().collect();
    let btrfs = subvolumes(&table);
    let by = match (btrfs, take, restore, remove) {
        (Some(subvolumes), None, None, None) => Some(Taken::Btrfs(subvolumes)),
        (None, Some(take), Some(restore), remove) => {
            Some(Taken::Commands { take: take.value, restore: restore.value, remove: remove.map(|at| at.value) })
        }
        (Some(_), ..) => {
            let hint = "leave one of the two out";
            table.sink.error_hint(&table.span, "a snapshot is by commands, or of btrfs subvolumes", hint);
            None
        }
        (None, ..) => {
            if table.raw("btrfs").is_none() {
                let hint = "add `take` and `restore`, or `btrfs`";
                table.sink.error_hint(&table.span, "[stage.snapshot] does not say how it is taken and put back", hint);
            }
            None
        }
    };
    let restore = table.word("restore_when").unwrap_or(RestoreWhen::NotExact);
    table.finish(&ALL);
    (by.map(|by| Snapshot { by, restore }), all)
}

fn subvolumes(table: &Table<'_>) -> Option<Vec<PathBuf>> {
    let list = table.texts("btrfs")?;
    if list.value.is_empty() {
        table.sink.error(&list.span, "`btrfs` is empty");
    }
    let path = |at: &At<String>| {
        let good = at.value.starts_with('/') && at.value.len() > 1 && !at.value.ends_with('/');
        let plain = !at.value.chars().any(char::is_control) && !at.value.split('/').any(|part| part == "..");
        if !(good && plain) {
            let hint = "the root itself cannot be put back while it runs";
            table.sink.error_hint(&at.span, "each of `btrfs` must be the whole path of a subvolume", hint);
        }
        (good && plain).then(|| PathBuf::from(&at.value))
    };
    Some(list.value.iter().filter_map(path).collect())
}

pub(super) fn command(table: &Table<'_>, key: &'static str) -> Option<At<Command>> {
    let command = table.table(key, &COMMAND)?;
    let span = command.span.clone();
    let (run, local) = (command.raw("run").is_some(), command.raw("local").is_some());
    let on = match (run, local) {
        (true, false) => Some((Where::Run, "run")),
        (false, true) => Some((Where::Local, "local")),
        _ => {
            let message = format!("`{key}` needs `run` (on the host) or `local` (here), and one of them");
            command.sink.error(&span, message);
            None
        }
    };
    let text = on.and_then(|(_, word)| template(&command, word, Dialect::Shell));
    let timeout = command.duration("timeout").unwrap_or(TIMEOUT);
    command.finish(&ALL);
    Some(At::new(Command { on: on?.0, command: text?, timeout }, span))
}
