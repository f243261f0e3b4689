//! The pre-approval: what may go on without anybody being asked again, as its signer wrote it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::error::InputErrors;
use super::keys::{Key, Kind, TableDef};
use super::source::{Sink, Source};
use super::table::{At, Table, parse as parse_toml};
use super::window;
use crate::core::document::Stamp;
use crate::core::preapproval::{Forbidden, Preapproval};

/// No list is longer; what is, says `*` in another way.
const LONGEST_LIST: usize = 1000;
const WORDS: &[&str] = &["kernel", "reboot", "removal"];

pub(crate) static PREAPPROVAL: TableDef = TableDef {
    title: "the pre-approval",
    doc: "A pre-approval for patchctl: the scope in which gates open without anybody being asked again, once it is signed.",
    named: false,
    keys: &[
        Key::or("schema", Kind::Int { min: 1, max: 1 }, "1", "The version of this format."),
        Key::required("id", Kind::Text, "Its name, one word; it goes into the record."),
        Key::required("reason", Kind::Text, "Why; it goes into the record."),
        Key::new("plan", Kind::Text, "The plan, by its name or a glob; any plan when absent."),
        Key::required("stages", Kind::List(&Kind::Text), "The stages whose gates it may open, by globs."),
        Key::new(
            "hosts",
            Kind::List(&Kind::Text),
            "The hosts that may be changed, by globs on their names; any when absent.",
        ),
        Key::required(
            "packages",
            Kind::List(&Kind::Text),
            "The packages that may change, new and removed ones too, by globs.",
        ),
        Key::new(
            "origins",
            Kind::List(&Kind::Text),
            "Where new versions may come from, by globs on what the package manager names; anywhere when absent.",
        ),
        Key::or("security_only", Kind::Bool, "false", "Whether each change must be a security update."),
        Key::or(
            "forbid",
            Kind::List(&Kind::Word(WORDS, &[])),
            "[\"kernel\", \"reboot\", \"removal\"]",
            "What must not happen; all three when absent.",
        ),
        Key::new(
            "max_severity",
            Kind::Word(&["low", "medium", "high", "critical"], &[]),
            "The worst `severity` that the plan's [patch] may have; a plan that says none counts as critical.",
        ),
        Key::new("from", Kind::Text, "It counts from this moment on: `2026-12-01T00:00:00Z`."),
        Key::required("until", Kind::Text, "After this moment it does not count: `2027-06-01T00:00:00Z`."),
        Key::new("uses", Kind::Int { min: 1, max: 100_000 }, "How many runs may use it; any number when absent."),
        Key::new("window", Kind::List(&Kind::Table(&WINDOW)), "When it may be used; at any time when absent."),
        Key::new(
            "checks",
            Kind::List(&Kind::Text),
            "Checks, by their names in the evidence, that must have been made and have held on each host that changed.",
        ),
        Key::new("soak", Kind::Duration, "For how long the plan must watch each wave."),
    ],
};

static WINDOW: TableDef = TableDef {
    title: "[[window]]",
    doc: "When the pre-approval may be used; of several, one is enough.",
    named: false,
    keys: &window::WINDOW_KEYS,
};

/// Reads a pre-approval from its text; `name` is its name in messages.
///
/// # Errors
/// Every mistake in it.
pub fn parse(name: &str, text: &str) -> Result<Preapproval, InputErrors> {
    let sink = Sink::new(Source::new(name, text));
    let read = parse_toml(&sink, text).and_then(|document| {
        let root = Table::new(&sink, &PREAPPROVAL, document.get_ref(), 0..0);
        read_root(root)
    });
    sink.finish(read)
}

fn read_root(root: Table<'_>) -> Option<Preapproval> {
    root.int("schema");
    let id = root.checked("id", id);
    let reason = root.checked("reason", reason);
    let plan = root.checked("plan", name_glob);
    let stages = globs(&root, "stages", name_glob);
    let hosts = globs(&root, "hosts", name_glob);
    let packages = globs(&root, "packages", name_glob);
    let origins = globs(&root, "origins", origin_glob);
    let checks = globs(&root, "checks", check_name);
    let soak = root.duration("soak").map(|soak| soak.as_secs());
    let security_only = root.bool("security_only").unwrap_or(false);
    let max_severity = root.word("max_severity");
    let forbid = forbidden(&root);
    let windows = root.tables("window", &WINDOW).into_iter().filter_map(|table| {
        let read = window::window(&table);
        table.finish(&[]);
        read
    });
    let windows = windows.collect();
    let from = root.checked("from", moment);
    let until = root.checked("until", moment);
    let uses = root.int("uses").and_then(|uses| u32::try_from(uses).ok());
    if let (Some(from), Some(until)) = (&from, &until)
        && until.value <= from.value
    {
        root.sink.error_hint(&until.span, "`until` is not later than `from`", "it would never count");
    }
    root.finish(&[]);
    Some(Preapproval {
        id: id?.value,
        reason: reason?.value,
        plans: plan.map(|plan| plan.value).into_iter().collect(),
        stages: stages?,
        hosts: hosts.unwrap_or_default(),
        packages: packages?,
        origins: origins.unwrap_or_default(),
        checks: checks.unwrap_or_default(),
        soak,
        security_only,
        max_severity,
        forbid,
        from: from.map(|from| from.value),
        until: until?.value,
        windows,
        uses,
    })
}

/// A list of globs. One that is empty is a mistake: it would stand for nothing here, and for anything further on.
fn globs(root: &Table<'_>, name: &'static str, check: fn(&str) -> Result<String, String>) -> Option<Vec<String>> {
    let list = root.texts(name)?;
    if list.value.is_empty() || list.value.len() > LONGEST_LIST {
        let message = format!("`{name}` must have from 1 to {LONGEST_LIST} entries, not {}", list.value.len());
        root.sink.error_hint(&list.span, message, "`\"*\"` stands for all of them");
        return None;
    }
    let read = |At { value, span }: At<String>| check(&value).map_err(|why| root.sink.error(&span, why)).ok();
    Some(list.value.into_iter().filter_map(read).collect())
}

fn forbidden(root: &Table<'_>) -> BTreeSet<Forbidden> {
    let Some(list) = root.texts("forbid") else { return Forbidden::ALL.into() };
    let mut forbid = BTreeSet::new();
    for At { value, span } in list.value {
        match value.as_str() {
            "kernel" => drop(forbid.insert(Forbidden::Kernel)),
            "reboot" => drop(forbid.insert(Forbidden::Reboot)),
            "removal" => drop(forbid.insert(Forbidden::Removal)),
            other => {
                let mut hint = "allowed: \"kernel\", \"reboot\" or \"removal\"".to_owned();
                if let Some(near) = super::nearest::nearest(other, WORDS.iter().copied()) {
                    hint = format!("did you mean \"{near}\"? {hint}");
                }
                root.sink.error_hint(&span, format!("`forbid` cannot have {other:?} in it"), hint);
            }
        }
    }
    forbid
}

fn id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:+@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || text.len() > 64 || !text.chars().all(fits) {
        return Err(format!("the id {text:?} must be a word of at most 64 letters, digits and `._-:+@`"));
    }
    Ok(text.to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text {
        "" => Err("the reason is empty".into()),
        _ if text.chars().count() > 1000 => Err("the reason is longer than 1000 characters".into()),
        _ if text.chars().any(char::is_control) => Err("the reason has a control character in it".into()),
        _ => Ok(text.to_owned()),
    }
}

/// A check's name, as the evidence has it.
fn check_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "._-/ +@:".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(fits) {
        return Err(format!("{text:?} is no name of a check"));
    }
    Ok(text.to_owned())
}

/// A glob on a name of ours: `*` is any text and `?` any character.
fn name_glob(text: &str) -> Result<String, String> {
    glob(text, |c| c.is_ascii_alphanumeric() || "-_.+~:@*?".contains(c))
}

/// A glob on what a package manager names.
fn origin_glob(text: &str) -> Result<String, String> {
    glob(text, |c| !c.is_control())
}

fn glob(text: &str, fits: impl Fn(char) -> bool) -> Result<String, String> {
    if text.is_empty() || text.len() > 256 || !text.chars().all(fits) {
        return Err(format!("{text:?} is no glob: a name in which `*` stands for any text and `?` for any character"));
    }
    Ok(text.to_owned())
}

fn moment(text: &str) -> Result<Stamp, String> {
    let at: Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is no moment: write one as `2027-06-01T00:00:00Z`, or with its offset"))?;
    // The record keeps whole seconds.
    if at.subsec_nanosecond() != 0 {
        return Err(format!("{text:?} has a fraction of a second: leave it out"));
    }
    Ok(Stamp(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"schema = 1
id = "night-2027"
reason = " weekly openssl "
plan = "openssl-*"
stages = ["uat", "prod*"]
hosts = ["web-??"]
packages = ["openssl", "libssl*"]
origins = ["Debian-Security*"]
security_only = true
max_severity = "high"
forbid = ["kernel"]
from = "2026-12-01T00:00:00Z"
until = "2027-06-01T02:00:00+02:00"
uses = 12
[[window]]
days = ["Sat"]
start = "22:00"
length = "6h"
zone = "Europe/Berlin"
"#;

    const LEAST: &str =
        "id = \"n\"\nreason = \"r\"\nstages = [\"*\"]\npackages = [\"*\"]\nuntil = \"2027-06-01T00:00:00Z\"\n";

    fn wrong(from: &str, to: &str) -> String {
        assert!(FULL.contains(from), "{from}");
        parse("p.toml", &FULL.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn all_of_it_is_read() {
        let read = parse("p.toml", FULL).unwrap();
        assert_eq!(
            (read.id.as_str(), read.words().as_str()),
            ("night-2027", "weekly openssl (pre-approval night-2027)")
        );
        assert_eq!((read.plans.len(), read.stages.len(), read.hosts.len(), read.packages.len()), (1, 2, 1, 2));
        assert_eq!(read.until, Stamp("2027-06-01T00:00:00Z".parse().unwrap()));
        assert_eq!((read.security_only, read.uses), (true, Some(12)));
        assert_eq!(read.forbid, [Forbidden::Kernel].into());
        // As the record keeps it.
        let again: Preapproval = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn what_is_left_out_permits_no_kernel_reboot_or_removal() {
        let read = parse("p.toml", LEAST).unwrap();
        assert_eq!(read.forbid, Forbidden::ALL.into());
        assert!(read.hosts.is_empty() && read.origins.is_empty() && read.plans.is_empty() && read.uses.is_none());
        let permits = parse("p.toml", &format!("{LEAST}forbid = []\n")).unwrap();
        assert!(permits.forbid.is_empty());
    }

    #[test]
    fn mistakes_have_their_place() {
        for (from, to, said) in [
            ("security_only", "securty_only", "p.toml:9:1: unknown key `securty_only`"),
            ("[\"kernel\"]", "[\"kernal\"]", "p.toml:11:11: `forbid` cannot have \"kernal\" in it"),
            ("[\"web-??\"]", "[]", "p.toml:6:9: `hosts` must have from 1 to 1000 entries, not 0"),
            ("\"web-??\"", "\"web-[0-9]\"", "p.toml:6:10: \"web-[0-9]\" is no glob"),
            ("2026-12-01T00:00:00Z", "tomorrow", "p.toml:12:8: \"tomorrow\" is no moment"),
            (
                "2026-12-01T00:00:00Z",
                "2026-12-01T00:00:00.5Z",
                "p.toml:12:8: \"2026-12-01T00:00:00.5Z\" has a fraction",
            ),
            ("2026-12-01T00:00:00Z", "2027-06-01T00:00:00Z", "`until` is not later than `from`"),
            ("uses = 12", "uses = 0", "`uses` must be a whole number from 1 to 100000, not 0"),
            ("uses = 12", "soak = \"1\"", "p.toml:14:8: `soak` has a number without a unit"),
            ("[\"Sat\"]", "[\"Sam\"]", "p.toml:16:9: "),
            ("id = \"night-2027\"", "", "the pre-approval has no `id`"),
            ("night-2027", "night 2027", "p.toml:2:6: the id \"night 2027\" must be a word"),
            (" weekly openssl ", "  ", "p.toml:3:10: the reason is empty"),
        ] {
            let message = wrong(from, to);
            assert!(message.contains(said), "{from}: {message}");
        }
        assert!(parse("p.toml", "").is_err() && parse("p.toml", "[[").is_err());
    }
}
