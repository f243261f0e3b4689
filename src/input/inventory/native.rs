//! The native inventory: one TOML file, read into what it says; nothing is looked up or inherited yet.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use toml::de::DeValue;

use super::keys::{ALL, ANSIBLE, DEFAULTS, GROUP, HOST, INVENTORY};
use super::range::expand;
use crate::core::ids::{GroupName, HostName, PlaybookName};
use crate::core::settings::Escalate;
use crate::input::keys::TableDef;
use crate::input::plan::beside;
use crate::input::source::Sink;
use crate::input::table::{At, Table, Value, found, integer, parse as parse_toml};

/// One inventory holds no more hosts.
const MAX_HOSTS: usize = 200_000;

/// What defaults, a group or a host say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Props {
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) address: Option<String>,
    pub(crate) private_keys: Option<Vec<PathBuf>>,
    pub(crate) escalate: Option<Escalate>,
    pub(crate) playbook: Option<At<Option<PlaybookName>>>,
    pub(crate) password_command: Option<String>,
    pub(crate) become_password_command: Option<String>,
    pub(crate) vars: BTreeMap<String, Json>,
}

/// One file.
#[derive(Debug)]
pub(super) struct RawFile {
    pub(super) sink: Sink,
    pub(super) defaults: Props,
    pub(super) groups: Vec<RawGroup>,
    pub(super) hosts: Vec<RawHost>,
}

#[derive(Debug)]
pub(super) struct RawGroup {
    pub(super) name: At<GroupName>,
    pub(super) hosts: Vec<At<HostName>>,
    pub(super) children: Vec<At<String>>,
    pub(super) props: Props,
}

#[derive(Debug)]
pub(super) struct RawHost {
    pub(super) name: At<HostName>,
    pub(super) tags: Vec<At<GroupName>>,
    pub(super) props: Props,
}

/// Reads a file's text; its mistakes are in its sink.
pub(super) fn read(sink: Sink, path: &Path) -> RawFile {
    let text = Arc::clone(&sink.source.text);
    let mut file = RawFile { sink, defaults: Props::default(), groups: Vec::new(), hosts: Vec::new() };
    let RawFile { sink, defaults, groups, hosts } = &mut file;
    let sink = &*sink;
    let Some(document) = parse_toml(sink, &text) else { return file };
    let root = Table::new(sink, &INVENTORY, document.get_ref(), 0..0);
    if let Some(table) = root.table("defaults", &DEFAULTS) {
        *defaults = read_props(&table, path);
        table.finish(&ALL);
    }
    let mut room = MAX_HOSTS;
    for (name, value) in root.map("groups") {
        groups.extend(entry(sink, &name, value, &GROUP).and_then(|table| read_group(&name, table, path, &mut room)));
    }
    for (name, value) in root.map("hosts") {
        hosts.extend(entry(sink, &name, value, &HOST).and_then(|table| read_host(&name, table, path)));
    }
    root.finish(&ALL);
    file
}

fn entry<'a>(sink: &'a Sink, name: &At<&str>, value: &'a Value<'a>, def: &'static TableDef) -> Option<Table<'a>> {
    match value.get_ref().as_table() {
        Some(table) => Some(Table::new(sink, def, table, value.span())),
        None => {
            let hint = format!("write {}", def.title);
            sink.error_hint(&value.span(), format!("`{}` must be a table, not {}", name.value, found(value)), hint);
            None
        }
    }
}

fn read_group(name: &At<&str>, table: Table<'_>, path: &Path, room: &mut usize) -> Option<RawGroup> {
    let sink = table.sink;
    let mut hosts = Vec::new();
    for text in table.texts("hosts").map(|list| list.value).unwrap_or_default() {
        let names = expand(&text.value)
            .and_then(|names| names.iter().map(|name| host_name(name)).collect::<Result<Vec<_>, _>>());
        match names {
            Ok(names) if names.len() > *room => {
                sink.error(&text.span, format!("the inventory has more than {MAX_HOSTS} hosts"));
                *room = 0;
                break;
            }
            Ok(names) => {
                *room -= names.len();
                hosts.extend(names.into_iter().map(|name| At::new(name, text.span.clone())));
            }
            Err(why) => sink.error(&text.span, why),
        }
    }
    let children = table.texts("children").map(|list| list.value).unwrap_or_default();
    let props = read_props(&table, path);
    table.finish(&ALL);
    let name = group_name(sink, name.value, &name.span)?;
    Some(RawGroup { name, hosts, children, props })
}

fn read_host(name: &At<&str>, table: Table<'_>, path: &Path) -> Option<RawHost> {
    let sink = table.sink;
    let tags = table.texts("tags").map(|list| list.value).unwrap_or_default();
    let tags = tags.iter().filter_map(|tag| group_name(sink, &tag.value, &tag.span)).collect();
    let props = read_props(&table, path);
    table.finish(&ALL);
    if name.value.contains('[') {
        let hint = "put the range into a group's `hosts`";
        sink.error_hint(&name.span, format!("[hosts.\"{}\"] must be one host", name.value), hint);
        return None;
    }
    match host_name(name.value) {
        Ok(host) => Some(RawHost { name: At::new(host, name.span.clone()), tags, props }),
        Err(why) => {
            sink.error(&name.span, why);
            None
        }
    }
}

fn group_name(sink: &Sink, text: &str, span: &std::ops::Range<usize>) -> Option<At<GroupName>> {
    if matches!(text, "all" | "ungrouped") {
        let message = format!("the group `{text}` is there by itself and cannot be defined");
        sink.error_hint(span, message, "for every host use [defaults]");
        return None;
    }
    GroupName::new(text)
        .map(|name| At::new(name, span.clone()))
        .map_err(|error| sink.error(span, error.to_string()))
        .ok()
}

/// A host's name: what [`HostName`] allows, and colons in addresses only.
pub(super) fn host_name(text: &str) -> Result<HostName, String> {
    let name = HostName::new(text).map_err(|e| e.to_string())?;
    if text.contains(':') && text.parse::<Ipv6Addr>().is_err() {
        return Err(format!("the host name \"{text}\" has a colon and is no IPv6 address (a port goes into `port`)"));
    }
    Ok(name)
}

fn read_props(table: &Table<'_>, path: &Path) -> Props {
    Props {
        user: table.checked("user", user_name).map(|v| v.value),
        port: table.int("port").and_then(|n| u16::try_from(n).ok()),
        address: table.checked("address", address).map(|v| v.value),
        private_keys: private_keys(table, path),
        escalate: table.word("become"),
        playbook: table.checked("playbook", playbook),
        password_command: table.checked("password_command", command).map(|v| v.value),
        become_password_command: table.checked("become_password_command", command).map(|v| v.value),
        vars: read_vars(table),
    }
}

/// A login user's name.
pub(crate) fn user_name(text: &str) -> Result<String, String> {
    let bare = text.strip_suffix('$').unwrap_or(text);
    let first = bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if first && bare.len() <= 128 && bare.chars().all(|c| c.is_ascii_alphanumeric() || "_.@+\\-".contains(c)) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} cannot be a user's name"))
}

fn address(text: &str) -> Result<String, String> {
    // `fe80::1%eth0` names the interface too.
    let (host, zone) = text.split_once('%').map_or((text, None), |(host, zone)| (host, Some(zone)));
    let zone_fits = |zone: &str| {
        !zone.is_empty() && zone.len() <= 15 && zone.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    host_name(host).map_err(|why| why.replacen("the host name", "the address", 1))?;
    match zone {
        Some(zone) if !zone_fits(zone) => Err(format!("the address {text:?} names no interface behind its `%`")),
        Some(_) if host.parse::<Ipv6Addr>().is_err() => {
            Err(format!("the address {text:?} has a `%` and is no IPv6 address"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// `auto` stands for none, over an outer group's.
fn playbook(text: &str) -> Result<Option<PlaybookName>, String> {
    if text == "auto" {
        return Ok(None);
    }
    if text.contains('/') || text.ends_with(".toml") {
        return Err("a playbook by its path is not built yet in an inventory; name it in the plan".into());
    }
    PlaybookName::new(text).map(Some).map_err(|e| e.to_string())
}

fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("the command is empty".into());
    }
    if text.contains(char::is_control) {
        return Err("the command has a control character in it".into());
    }
    Ok(text.to_owned())
}

fn private_keys(table: &Table<'_>, path: &Path) -> Option<Vec<PathBuf>> {
    let (value, key) = table.raw("private_key")?;
    let texts = match value.get_ref() {
        DeValue::String(text) => vec![At::new(text.to_string(), value.span())],
        DeValue::Array(_) => table.strings(key.name, value),
        _ => {
            let message = format!("`{}` must be {}, not {}", key.name, key.kind.expected(), found(value));
            table.sink.error(&value.span(), message);
            return None;
        }
    };
    let path_of = |text: At<String>| beside(path, &text.value).map_err(|why| table.sink.error(&text.span, why)).ok();
    Some(texts.into_iter().filter_map(path_of).collect())
}

fn read_vars(table: &Table<'_>) -> BTreeMap<String, Json> {
    let sink = table.sink;
    let mut vars = BTreeMap::new();
    for (key, value) in table.map("vars") {
        if let Some((_, ours)) = ANSIBLE.iter().find(|(theirs, _)| *theirs == key.value) {
            let hint = format!("use the key `{ours}` beside `vars`");
            sink.error_hint(&key.span, format!("the variable `{}` is not read here", key.value), hint);
            continue;
        }
        let first = key.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first || !key.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let hint = "use letters, digits and underscores, no digit first";
            sink.error_hint(&key.span, format!("{:?} cannot be a variable's name", key.value), hint);
            continue;
        }
        match json(value) {
            Some(json) => {
                vars.insert(key.value.to_owned(), json);
            }
            None => sink.error(&value.span(), format!("the variable `{}` has a number that does not fit", key.value)),
        }
    }
    vars
}

fn json(value: &Value<'_>) -> Option<Json> {
    Some(match value.get_ref() {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Integer(_) => Json::from(integer(value)?),
        DeValue::Float(number) => {
            Json::Number(serde_json::Number::from_f64(number.as_str().replace('_', "").parse().ok()?)?)
        }
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Datetime(moment) => Json::String(moment.to_string()),
        DeValue::Array(list) => Json::Array(list.iter().map(json).collect::<Option<_>>()?),
        DeValue::Table(table) => Json::Object(
            table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(value)?))).collect::<Option<_>>()?,
        ),
    })
}
