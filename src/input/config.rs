//! The configuration: the long flags' names as keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::error::InputErrors;
use super::keys::{Key, Kind, TableDef};
use super::plan::beside;
use super::source::{Sink, Source};
use super::table::{At, Table, parse as parse_toml};

/// What a configuration says; none where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `inventory`, relative to the configuration.
    pub inventory: Vec<PathBuf>,
    /// `output`: table, json or jsonl.
    pub output: Option<String>,
    /// `color`: auto, always or never.
    pub color: Option<String>,
    /// `quiet`
    pub quiet: Option<bool>,
    /// `verbose`, as often as the flag would be given.
    pub verbose: Option<u8>,
    /// `state-dir`
    pub state_dir: Option<PathBuf>,
    /// `user`
    pub user: Option<String>,
    /// `private-key`
    pub private_key: Option<PathBuf>,
    /// `ask-pass`
    pub ask_pass: Option<bool>,
    /// `ask-become-pass`
    pub ask_become_pass: Option<bool>,
    /// `forks`
    pub forks: Option<u32>,
    /// `non-interactive`
    pub non_interactive: Option<bool>,
    /// `on-gate`: pause or reject.
    pub on_gate: Option<String>,
    /// `wait`
    pub wait: Option<Duration>,
    /// `policy`
    pub policy: Option<PathBuf>,
    /// `group`: whose members share the state folder.
    pub group: Option<String>,
}

pub(super) static CONFIG: TableDef = TableDef {
    title: "the configuration",
    doc: "The configuration of patchctl: the long flags' names as keys.",
    named: false,
    keys: &[
        Key::new("inventory", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "Inventories."),
        Key::new("output", Kind::Word(&["table", "json", "jsonl"], &[]), "How results are printed."),
        Key::new("color", Kind::Word(&["auto", "always", "never"], &[]), "Colours."),
        Key::new("quiet", Kind::Bool, "Results and errors only."),
        Key::new("verbose", Kind::Int { min: 0, max: 3 }, "Say more."),
        Key::new("state-dir", Kind::Text, "Where runs are kept."),
        Key::new("user", Kind::Text, "The login user, where the inventory names none."),
        Key::new("private-key", Kind::Text, "The key, where the inventory names none."),
        Key::new("ask-pass", Kind::Bool, "Ask for the login password."),
        Key::new("ask-become-pass", Kind::Bool, "Ask for the password for becoming root."),
        Key::new("forks", Kind::Int { min: 1, max: 10_000 }, "At most so many hosts at a time."),
        Key::new("non-interactive", Kind::Bool, "Never ask anything."),
        Key::new("on-gate", Kind::Word(&["pause", "reject"], &[]), "What an undecided gate does without a terminal."),
        Key::new("wait", Kind::Duration, "How long to wait for a soak or window before pausing."),
        Key::new("policy", Kind::Text, "A policy that holds beside /etc/patchctl/policy.toml."),
        Key::new("group", Kind::Text, "The group whose members share the state folder."),
        Key::later("stash_keep", "How long old packages stay on the hosts."),
        Key::later("stash-keep", "How long old packages stay on the hosts."),
    ],
};

/// Flags that are one command's decision, and never a habit.
const FLAGS_ONLY: [&str; 8] = ["approve", "change", "config", "digest", "limit", "preapproval", "reason", "yes"];

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(path: &Path) -> Result<Self, InputErrors> {
        Self::read(Source::read(path)?, path)
    }

    /// Reads a configuration from its text; `path` is its name in messages, and where its paths begin.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputErrors> {
        Self::read(Source::new(path.display().to_string(), text), path)
    }

    fn read(source: Source, path: &Path) -> Result<Self, InputErrors> {
        let sink = Sink::new(source);
        let text = Arc::clone(&sink.source.text);
        let config = parse_toml(&sink, &text).map(|document| {
            let mut table = Table::new(&sink, &CONFIG, document.get_ref(), 0..0);
            table.elsewhere_known(&FLAGS_ONLY, "it must be given on the command line, each time");
            read_table(table, path)
        });
        sink.finish(config)
    }

    /// This one, and over it the other.
    #[must_use]
    pub fn under(self, over: Self) -> Self {
        Self {
            inventory: if over.inventory.is_empty() { self.inventory } else { over.inventory },
            output: over.output.or(self.output),
            color: over.color.or(self.color),
            quiet: over.quiet.or(self.quiet),
            verbose: over.verbose.or(self.verbose),
            state_dir: over.state_dir.or(self.state_dir),
            user: over.user.or(self.user),
            private_key: over.private_key.or(self.private_key),
            ask_pass: over.ask_pass.or(self.ask_pass),
            ask_become_pass: over.ask_become_pass.or(self.ask_become_pass),
            forks: over.forks.or(self.forks),
            non_interactive: over.non_interactive.or(self.non_interactive),
            on_gate: over.on_gate.or(self.on_gate),
            wait: over.wait.or(self.wait),
            policy: over.policy.or(self.policy),
            group: over.group.or(self.group),
        }
    }
}

fn read_table(table: Table<'_>, path: &Path) -> Config {
    let file = |name: &'static str| table.checked(name, |text| beside(path, text)).map(|at| at.value);
    let config = Config {
        inventory: inventories(&table, path),
        output: table.word("output"),
        color: table.word("color"),
        quiet: table.bool("quiet"),
        verbose: table.int("verbose").and_then(|n| u8::try_from(n).ok()),
        state_dir: file("state-dir"),
        user: table.checked("user", super::inventory::user_name).map(|at| at.value),
        private_key: file("private-key"),
        ask_pass: table.bool("ask-pass"),
        ask_become_pass: table.bool("ask-become-pass"),
        forks: table.int("forks").and_then(|n| u32::try_from(n).ok()),
        non_interactive: table.bool("non-interactive"),
        on_gate: table.word("on-gate"),
        wait: table.duration("wait"),
        policy: file("policy"),
        group: table.checked("group", group_name).map(|at| at.value),
    };
    table.finish(&[]);
    config
}

fn group_name(text: &str) -> Result<String, String> {
    super::inventory::user_name(text).map_err(|_| format!("{text:?} cannot be a group's name"))
}

fn inventories(table: &Table<'_>, path: &Path) -> Vec<PathBuf> {
    let Some((value, key)) = table.raw("inventory") else { return Vec::new() };
    let texts = match value.get_ref() {
        DeValue::String(text) => vec![At::new(text.to_string(), value.span())],
        _ => table.strings(key.name, value),
    };
    let path_of = |text: At<String>| {
        // A list of hosts is no path.
        if text.value.contains(',') {
            return Some(PathBuf::from(text.value));
        }
        beside(path, &text.value).map_err(|why| table.sink.error(&text.span, why)).ok()
    };
    texts.into_iter().filter_map(path_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let path = Path::new("/etc/patchctl/config.toml");
        Config::read(Source::new("config.toml", text), path).map_err(|e| e.to_string())
    }

    #[test]
    fn the_long_flags_names_are_keys() {
        let config = read(
            "inventory = [\"fleet.toml\", \"a,b,\"]\noutput = \"json\"\nforks = 5\nuser = \"patch\"\n\
             private-key = \"/k\"\non-gate = \"reject\"\nwait = \"10m\"\nverbose = 1\nask-pass = true\n",
        )
        .unwrap();
        assert_eq!(config.inventory, [Path::new("/etc/patchctl/fleet.toml"), Path::new("a,b,")]);
        assert_eq!((config.output.as_deref(), config.forks, config.ask_pass), (Some("json"), Some(5), Some(true)));
        assert_eq!(config.wait, Some(Duration::from_secs(600)));
        let over = read("forks = 7\ninventory = \"b.toml\"").unwrap();
        let both = config.under(over);
        assert_eq!((both.forks, both.user.as_deref()), (Some(7), Some("patch")));
        assert_eq!(both.inventory, [Path::new("/etc/patchctl/b.toml")]);
    }

    #[test]
    fn mistakes() {
        let text = "fork = 5\ngroup = \"-x\"\nyes = true\nprivate_key = \"x\"\noutput = \"html\"\nuser = \"-x\"\n";
        assert_eq!(
            read(text).unwrap_err(),
            "config.toml:1:1: unknown key `fork` in the configuration; did you mean `forks`?\n\
             config.toml:2:9: \"-x\" cannot be a group's name\n\
             config.toml:3:1: `yes` cannot stand in the configuration; it must be given on the command line, each time\n\
             config.toml:4:1: unknown key `private_key` in the configuration; did you mean `private-key`?\n\
             config.toml:5:10: `output` cannot be \"html\"; allowed: \"table\", \"json\" or \"jsonl\"\n\
             config.toml:6:8: \"-x\" cannot be a user's name"
        );
    }
}
