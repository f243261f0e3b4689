//! `[[stage.check]]`

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::keys::{Key, Kind, TableDef};
use super::plan::{ALL, existing};
use super::table::{At, Table, Value, found, integer};
use crate::core::approval::When;
use crate::core::check::{Ask, CheckSpec, Http, Query};
use crate::core::duration::parse_duration;
use crate::core::health;
use crate::core::template::{Dialect, Template};

/// How long one try may take, unless the plan says otherwise.
const TRY: Duration = Duration::from_secs(10);
/// For how long it is tried again.
const WITHIN: Duration = Duration::from_secs(60);
/// Exit code of a command that could not tell: EX_TEMPFAIL of sysexits.h.
const TEMPFAIL: u8 = 75;
/// Names of checks that verifying a host makes, beside those of the comparison.
const VERIFIED: [&str; 2] = ["packages", "services"];

const CODES: Kind = Kind::List(&Kind::Int { min: 1, max: 255 });
const STATUS_CODE: Kind = Kind::Int { min: 100, max: 599 };

pub(crate) static CHECK: TableDef = TableDef {
    title: "[[stage.check]]",
    doc: "A check of each host, before and after its patch. One of run, local, http, tcp, unit, prometheus says what is asked.",
    named: false,
    keys: &[
        Key::required("name", Kind::Text, "What the evidence calls it."),
        Key::new("run", Kind::Text, "A command on the host; it must end with 0."),
        Key::new("local", Kind::Text, "A command on this machine; it must end with 0."),
        Key::new("http", Kind::Text, "A URL that is asked from this machine."),
        Key::new("tcp", Kind::Text, "HOST:PORT on which somebody must listen, asked from this machine."),
        Key::new("unit", Kind::Text, "A systemd unit on the host that must be active."),
        Key::new("prometheus", Kind::Text, "The URL of a Prometheus server; `query`, `min` and `max` belong to it."),
        Key::or("when", Kind::Word(&["before", "after", "both"], &[]), "\"both\"", "When it is made."),
        Key::or("compare", Kind::Bool, "false", "Whether the answer after must equal the one before."),
        Key::or("within", Kind::Duration, "\"60s\"", "It is tried again until then."),
        Key::or("timeout", Kind::Duration, "\"10s\"", "The deadline of one try."),
        Key::or("inconclusive", CODES, "[75]", "Exit codes of a command that could not tell: a person must look then."),
        Key::or("status", Kind::Either(&[STATUS_CODE, Kind::List(&STATUS_CODE)]), "200", "What the page must answer."),
        Key::new("body", Kind::Text, "A text that the page must hold."),
        Key::new("json", Kind::Text, "A field of the page's JSON that must be there, such as `status.db`."),
        Key::new("equals", Kind::Any, "What that field must be."),
        Key::new("latency", Kind::Text, "How long the page may take, such as \"500ms\"."),
        Key::new("ca", Kind::Text, "A file (PEM) with authorities that are trusted beside the system's."),
        Key::new("query", Kind::Text, "What Prometheus is asked, in PromQL."),
        Key::new("min", Kind::Any, "The least that each of its values may be."),
        Key::new("max", Kind::Any, "The most that each of its values may be."),
    ],
};

/// The keys that say what is asked, and the other keys that belong to each.
const ASKS: [(&str, &[&str]); 6] = [
    ("run", &["inconclusive", "compare"]),
    ("local", &["inconclusive", "compare"]),
    ("http", &["status", "body", "json", "equals", "latency", "ca", "compare"]),
    ("tcp", &[]),
    ("unit", &["compare"]),
    ("prometheus", &["query", "min", "max", "ca", "compare"]),
];
/// The keys that belong to one of them.
const OWN: [&str; 11] =
    ["inconclusive", "compare", "status", "body", "json", "equals", "latency", "ca", "query", "min", "max"];

/// The stage's checks, each with the place of its texts.
pub(super) fn read(stage: &Table<'_>, plan: &Path) -> Vec<At<CheckSpec>> {
    let mut checks: Vec<At<CheckSpec>> = Vec::new();
    for table in stage.tables("check", &CHECK) {
        let Some(check) = one(table, plan) else { continue };
        if checks.iter().any(|other| other.value.name == check.value.name) {
            stage.sink.error(&check.span, format!("there are two checks `{}` in this stage", check.value.name));
        }
        checks.push(check);
    }
    checks
}

fn one(table: Table<'_>, plan: &Path) -> Option<At<CheckSpec>> {
    let span = table.span.clone();
    let name = table.checked("name", check_name);
    let kind = which(&table);
    let ask = kind.and_then(|kind| ask(&table, kind, plan));
    let when = table.word("when").unwrap_or(When::Both);
    let compare = table.bool("compare").unwrap_or(false);
    if let Some((value, _)) = table.raw("compare").filter(|_| compare && when != When::Both) {
        let hint = "set when = \"both\", or leave `compare` out";
        table.sink.error_hint(&value.span(), "`compare` needs an answer before and one after", hint);
    }
    let within = table.duration("within").unwrap_or(WITHIN);
    let timeout = table.duration("timeout").unwrap_or(TRY);
    table.finish(&ALL);
    Some(At::new(CheckSpec { name: name?.value, ask: ask?, when, compare, within, timeout }, span))
}

/// What is asked: one key says it.
fn which(table: &Table<'_>) -> Option<&'static str> {
    let given: Vec<_> = ASKS.iter().filter(|(key, _)| table.raw(key).is_some()).collect();
    let (kind, own) = match given.as_slice() {
        [(kind, own)] => (*kind, *own),
        [] => {
            let message = "[[stage.check]] does not say what is asked";
            table.sink.error_hint(&table.span, message, "add one of run, local, http, tcp, unit, prometheus");
            return None;
        }
        [(first, _), (second, _), ..] => {
            let span = table.raw(second).map_or_else(|| table.span.clone(), |(value, _)| value.span());
            let message = format!("a check has `{first}` or `{second}`, not both");
            table.sink.error_hint(&span, message, "write two checks");
            return None;
        }
    };
    for key in OWN.iter().filter(|key| !own.contains(key)) {
        if let Some((value, _)) = table.raw(key) {
            table.sink.error(&value.span(), format!("`{key}` says nothing for a check by `{kind}`"));
        }
    }
    Some(kind)
}

fn ask(table: &Table<'_>, kind: &'static str, plan: &Path) -> Option<Ask> {
    let ca = || table.checked("ca", |text| existing(plan, text)).map(|at| at.value);
    let unsure = || codes(table, "inconclusive").unwrap_or_else(|| vec![TEMPFAIL]);
    let text = |dialect| template(table, kind, dialect);
    Some(match kind {
        "run" => Ask::Run { unsure: unsure(), command: text(Dialect::Shell)? },
        "local" => Ask::Local { unsure: unsure(), command: text(Dialect::Shell)? },
        "tcp" => Ask::Tcp { address: address(table)? },
        "unit" => Ask::Unit { unit: text(Dialect::Plain)? },
        "http" => {
            let (json, equals) = (table.text("json"), table.raw("equals").and_then(|(value, _)| scalar(table, value)));
            if let Some((value, _)) = table.raw("equals").filter(|_| json.is_none()) {
                table.sink.error_hint(&value.span(), "`equals` without `json`", "name the field: json = \"status.db\"");
            }
            Ask::Http(Http {
                url: url(table, kind)?,
                status: statuses(table),
                body: table.text("body").map(|at| at.value),
                json: json.map(|at| at.value),
                equals,
                latency_ms: latency(table),
                ca: ca(),
            })
        }
        _ => {
            let (min, max) = (number(table, "min"), number(table, "max"));
            if min.is_none() && max.is_none() && table.raw("min").is_none() && table.raw("max").is_none() {
                let hint = "add `min`, `max`, or both";
                table.sink.error_hint(&table.span, "a query without a bound says nothing", hint);
            }
            let above = |min: &serde_json::Number, max: &serde_json::Number| min.as_f64() > max.as_f64();
            if let (Some(least), Some(most), Some((value, _))) = (&min, &max, table.raw("min"))
                && above(least, most)
            {
                table.sink.error(&value.span(), "`min` is above `max`: no value would do");
            }
            let query = template(table, "query", Dialect::Query);
            if query.is_none() && table.raw("query").is_none() {
                let hint = "add `query`, in PromQL";
                table.sink.error_hint(&table.span, "a check by `prometheus` has no `query`", hint);
            }
            Ask::Prometheus(Query { url: url(table, kind)?, query: query?, min, max, ca: ca() })
        }
    })
}

/// A text with values in it.
pub(super) fn template(table: &Table<'_>, key: &'static str, dialect: Dialect) -> Option<Template> {
    let text = table.text(key)?;
    if text.value.trim().is_empty() {
        table.sink.error(&text.span, format!("`{key}` is empty"));
        return None;
    }
    match Template::parse(&text.value, dialect) {
        Ok(template) => Some(template),
        Err(error) => {
            table.sink.error_hint(&text.span, format!("`{key}`: {}", error.message), error.hint);
            None
        }
    }
}

fn url(table: &Table<'_>, key: &'static str) -> Option<Template> {
    let text = table.text(key)?;
    if !(text.value.starts_with("http://") || text.value.starts_with("https://")) {
        let hint = "write http://HOST/PATH or https://HOST/PATH";
        table.sink.error_hint(&text.span, format!("`{key}` must be a URL"), hint);
        return None;
    }
    template(table, key, Dialect::Url)
}

fn address(table: &Table<'_>) -> Option<Template> {
    let text = table.text("tcp")?;
    let port = text.value.rsplit_once(':').map(|(_, port)| port.trim());
    let fits = |port: &str| port.ends_with("}}") || port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_some_and(fits) {
        let hint = "such as \"{{ host.address }}:5432\"";
        table.sink.error_hint(&text.span, "`tcp` must be HOST:PORT", hint);
        return None;
    }
    template(table, "tcp", Dialect::Plain)
}

fn statuses(table: &Table<'_>) -> Vec<u16> {
    let Some((value, _)) = table.raw("status") else { return vec![200] };
    let list: Vec<&Value<'_>> = value.get_ref().as_array().map_or_else(|| vec![value], |list| list.iter().collect());
    let status = |value: &&Value<'_>| {
        let code = integer(value).and_then(|n| u16::try_from(n).ok()).filter(|n| (100..=599).contains(n));
        if code.is_none() {
            table.sink.error(&value.span(), "`status` must be HTTP status codes, such as 200 or [200, 204]");
        }
        code
    };
    if list.is_empty() {
        table.sink.error(&value.span(), "`status` is an empty list: no answer would do");
    }
    list.iter().filter_map(status).collect()
}

fn codes(table: &Table<'_>, key: &'static str) -> Option<Vec<u8>> {
    let (value, _) = table.raw(key)?;
    let list = value.get_ref().as_array();
    if list.is_none() {
        table.sink.error(&value.span(), format!("`{key}` must be a list of exit codes, not {}", found(value)));
    }
    let code = |item: &Value<'_>| {
        let code = integer(item).and_then(|n| u8::try_from(n).ok()).filter(|code| *code > 0);
        if code.is_none() {
            table.sink.error(&item.span(), format!("each of `{key}` must be an exit code from 1 to 255"));
        }
        code
    };
    Some(list?.iter().filter_map(code).collect())
}

fn latency(table: &Table<'_>) -> Option<u64> {
    let text = table.text("latency")?;
    let ms = text.value.trim().strip_suffix("ms").and_then(|ms| ms.trim().parse::<u64>().ok()).filter(|ms| *ms > 0);
    if ms.is_some() {
        return ms;
    }
    match parse_duration(&text.value) {
        Ok(span) if !span.is_zero() => u64::try_from(span.as_millis()).ok(),
        _ => {
            table.sink.error(&text.span, "`latency` must be a span like \"500ms\" or \"2s\"");
            None
        }
    }
}

fn number(table: &Table<'_>, key: &'static str) -> Option<serde_json::Number> {
    let (value, _) = table.raw(key)?;
    let number = match scalar_of(value) {
        Some(serde_json::Value::Number(number)) => Some(number),
        _ => None,
    };
    if number.is_none() {
        table.sink.error(&value.span(), format!("`{key}` must be a number, not {}", found(value)));
    }
    number
}

fn scalar(table: &Table<'_>, value: &Value<'_>) -> Option<serde_json::Value> {
    let scalar = scalar_of(value);
    if scalar.is_none() {
        table
            .sink
            .error(&value.span(), format!("`equals` must be a string, a number or a truth, not {}", found(value)));
    }
    scalar
}

fn scalar_of(value: &Value<'_>) -> Option<serde_json::Value> {
    match value.get_ref() {
        DeValue::String(text) => Some(serde_json::Value::String(text.to_string())),
        DeValue::Boolean(flag) => Some(serde_json::Value::Bool(*flag)),
        DeValue::Integer(_) => integer(value).map(Into::into),
        DeValue::Float(number) => number.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Into::into),
        _ => None,
    }
}

fn check_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err("a check's name has letters, digits, `-`, `_`, `.` and `/`, 64 at most".into());
    }
    if VERIFIED.contains(&text) || health::KINDS.contains(&text) {
        return Err(format!("the name `{text}` belongs to a check that is built in"));
    }
    Ok(text.to_owned())
}
