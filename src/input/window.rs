//! When hosts may begin: `[[stage.window]]` of a plan, `[[window]]` and `[[freeze]]` of a policy.
//!
//! Here they are read; `core::calendar` says what they mean.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;

use super::keys::{Key, Kind, TableDef};
use super::nearest::did_you_mean;
use super::stage::read_people;
use super::table::{At, Table, Value, found, integer};
use crate::core::calendar::{Day, Freeze, LONGEST_WINDOW, Window, Zone, day_after_patch_tuesday};
use crate::core::duration::parse_duration;

const DAYS: Kind = Kind::List(&Kind::Text);
const WEEKS: Kind = Kind::List(&Kind::Int { min: -1, max: 5 });
/// Further from a second Tuesday the next month's is nearer.
const FURTHEST: u64 = 27;
const DAY: u64 = 86_400;

/// The keys of a window; those of a policy's stand beside them.
pub(crate) const WINDOW_KEYS: [Key; 7] = [
    Key::new("days", DAYS, "The weekdays on which it starts: \"Mon\" … \"Sun\"; default: every day."),
    Key::new("weeks", WEEKS, "The first, second, … such weekday of the month; -1: the last one. Default: every one."),
    Key::new(
        "after_patch_tuesday",
        Kind::Duration,
        "The day so long after a month's second Tuesday, in whole days: \"4d\"; \"0d\": that Tuesday.",
    ),
    Key::required("start", Kind::Text, "When it starts, on the zone's clocks: \"22:00\"."),
    Key::required("length", Kind::Duration, "How long it is open; time that passes, whatever the clocks do."),
    Key::or("zone", Kind::Text, "\"UTC\"", "The time zone of `start`, as \"Europe/Berlin\"."),
    Key::or("cutoff", Kind::Duration, "\"0s\"", "No new host starts later than this before the end."),
];

pub(crate) static STAGE_WINDOW: TableDef = TableDef {
    title: "[[stage.window]]",
    doc: "When the stage's hosts may begin; of several, one is enough.",
    named: false,
    keys: &WINDOW_KEYS,
};

/// The keys of a freeze.
pub(crate) static FREEZE: TableDef = TableDef {
    title: "[[freeze]]",
    doc: "A time in which no host begins.",
    named: false,
    keys: &[
        Key::required("name", Kind::Text, "What people call it, one word."),
        Key::required("from", Kind::Any, "Its first moment, with the offset: \"2026-12-20T00:00:00+01:00\"."),
        Key::required("to", Kind::Any, "The first moment after it, with the offset."),
        Key::new("stages", Kind::List(&Kind::Text), "Globs on the stages that it is for; default: all."),
        Key::new("override_by", Kind::List(&Kind::Text), "Who may go ahead all the same; default: nobody."),
    ],
};

/// Reads the keys of a window; the caller reads what else the table has, and finishes it.
pub(crate) fn window(table: &Table<'_>) -> Option<Window> {
    let days = read_days(table);
    let weeks = read_weeks(table);
    let after_patch_tuesday = read_offset(table);
    let start = table.checked("start", read_time);
    let length = table.duration("length");
    let zone = table.checked("zone", |text| {
        Zone::named(text).map_err(|why| format!("`zone` {why}; write a name like \"Europe/Berlin\", or \"UTC\""))
    });
    let cutoff = read_span(table, "cutoff");
    let window = Window {
        days,
        weeks,
        after_patch_tuesday,
        start: start?.value,
        length: length?,
        zone: match (zone, table.raw("zone")) {
            (Some(zone), _) => zone.value,
            (None, None) => Zone::UTC,
            (None, Some(_)) => return None,
        },
        cutoff: cutoff.unwrap_or_default(),
    };
    check(table, &window).then_some(window)
}

/// What would never open, or for longer than a window does.
fn check(table: &Table<'_>, window: &Window) -> bool {
    let span = |name| table.raw(name).map_or_else(|| table.span.clone(), |(value, _)| value.span());
    if window.length > LONGEST_WINDOW {
        let hint = "a stage without a window may start at any time";
        table.sink.error_hint(&span("length"), "`length` is longer than 14 days", hint);
        return false;
    }
    if window.cutoff >= window.length {
        table.sink.error(&span("cutoff"), "`cutoff` is not shorter than the window: no host could ever start");
        return false;
    }
    let Some(offset) = window.after_patch_tuesday else { return true };
    if !window.weeks.is_empty() {
        let hint = "`weeks` counts weekdays of the month, `after_patch_tuesday` names the day itself: keep one of them";
        table.sink.error_hint(&span("weeks"), "`weeks` cannot stand beside `after_patch_tuesday`", hint);
        return false;
    }
    let day = day_after_patch_tuesday(offset);
    if !window.days.is_empty() && !window.days.contains(&day) {
        let message = format!("{offset} days after patch Tuesday is a {}, which `days` does not name", day.name());
        table.sink.error_hint(&span("after_patch_tuesday"), message, "leave `days` out, or name that day");
        return false;
    }
    true
}

fn read_days(table: &Table<'_>) -> Vec<Day> {
    let Some(list) = table.texts("days") else { return Vec::new() };
    if list.value.is_empty() {
        table.sink.error_hint(&list.span, "`days` is empty: it would never start", "leave it out for every day");
    }
    let mut days = Vec::new();
    for text in &list.value {
        match Day::named(&text.value) {
            Ok(day) if days.contains(&day) => table.sink.error(&text.span, format!("`days` has {} twice", day.name())),
            Ok(day) => days.push(day),
            Err(why) => {
                let words = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
                let near = did_you_mean(&text.value, words);
                let hint = near.unwrap_or_else(|| format!("allowed: {}", words.join(", ")));
                table.sink.error_hint(&text.span, format!("`days` {why}"), hint);
            }
        }
    }
    days
}

fn read_weeks(table: &Table<'_>) -> Vec<i8> {
    let Some((value, _)) = table.raw("weeks") else { return Vec::new() };
    let one = [value.clone()];
    let list: Vec<&Value<'_>> = match value.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => one.iter().collect(),
    };
    if list.is_empty() {
        table.sink.error_hint(&value.span(), "`weeks` is empty: it would never start", "leave it out for every week");
    }
    let mut weeks = Vec::new();
    for item in list {
        match integer(item).and_then(|number| i8::try_from(number).ok()) {
            Some(week) if week == -1 || (1..=5).contains(&week) => weeks.push(week),
            _ => {
                let message = format!("each of `weeks` must be 1 to 5, or -1 for the last, not {}", shown(item));
                table.sink.error(&item.span(), message);
            }
        }
    }
    weeks
}

fn shown(value: &Value<'_>) -> String {
    integer(value).map_or_else(|| found(value).to_owned(), |number| number.to_string())
}

/// A span of time that may be nothing.
pub(crate) fn read_span(table: &Table<'_>, name: &'static str) -> Option<Duration> {
    let (value, _) = table.raw(name)?;
    let Some(text) = value.get_ref().as_str() else {
        let message = format!("`{name}` must be {}, not {}", Kind::Duration.expected(), found(value));
        table.sink.error(&value.span(), message);
        return None;
    };
    parse_duration(text).map_err(|why| table.sink.error(&value.span(), format!("`{name}` {why}"))).ok()
}

fn read_offset(table: &Table<'_>) -> Option<u8> {
    let seconds = read_span(table, "after_patch_tuesday")?.as_secs();
    let span = table.raw("after_patch_tuesday").map_or_else(|| table.span.clone(), |(value, _)| value.span());
    if seconds % DAY != 0 {
        let hint = "`start` says the time of that day";
        table.sink.error_hint(&span, "`after_patch_tuesday` must be whole days, like \"4d\"", hint);
        return None;
    }
    let days = u8::try_from(seconds / DAY).ok().filter(|days| u64::from(*days) <= FURTHEST);
    if days.is_none() {
        table.sink.error(&span, format!("`after_patch_tuesday` must be {FURTHEST} days at most"));
    }
    days
}

fn read_time(text: &str) -> Result<Time, String> {
    let read = Time::strptime("%H:%M", text).or_else(|_| Time::strptime("%H:%M:%S", text));
    read.map_err(|_| "`start` must be a time like \"22:00\", from 00:00 to 23:59".to_owned())
}

/// Reads a freeze, and finishes its table with what else the file knows.
pub(crate) fn freeze(table: Table<'_>, elsewhere: &[&'static TableDef]) -> Option<Freeze> {
    let name = table.checked("name", check_name);
    let (from, to) = (read_moment(&table, "from"), read_moment(&table, "to"));
    let stages = table.texts("stages");
    let override_by = read_people(&table, "override_by");
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value >= to.value
    {
        table.sink.error(&to.span, "`to` is not after `from`: the freeze would never hold");
    }
    if let Some(list) = stages.as_ref().filter(|list| list.value.is_empty()) {
        table.sink.error_hint(&list.span, "`stages` is empty: it would be for none", "leave it out for all");
    }
    let stages = stages.map(|list| stage_globs(&table, &list.value)).unwrap_or_default();
    let freeze = Freeze {
        name: name.map(|name| name.value).unwrap_or_default(),
        from: from.as_ref().map(|at| at.value).unwrap_or_default(),
        to: to.as_ref().map(|at| at.value).unwrap_or_default(),
        stages,
        override_by: override_by.unwrap_or_default(),
    };
    table.finish(elsewhere);
    (!freeze.name.is_empty() && freeze.from < freeze.to).then_some(freeze)
}

/// Globs on names of stages, checked.
pub(crate) fn stage_globs(table: &Table<'_>, list: &[At<String>]) -> Vec<String> {
    let check = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.*?".contains(c);
        if text.is_empty() || text.len() > 128 || !text.chars().all(fits) {
            return Err("a stage's name has letters, digits, `-`, `_` and `.`, and a glob of them also `*` and `?`");
        }
        Ok(text.to_owned())
    };
    let each = |at: &At<String>| check(&at.value).map_err(|why| table.sink.error(&at.span, why)).ok();
    list.iter().filter_map(each).collect()
}

fn check_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let good = !text.trim().is_empty() && text.len() <= 64 && text.chars().all(fits);
    if good { Ok(text.to_owned()) } else { Err("`name` must be letters, digits, `-`, `_`, `.` and spaces".into()) }
}

/// A moment: a string, or TOML's own form, with an offset.
fn read_moment(table: &Table<'_>, name: &'static str) -> Option<At<Timestamp>> {
    let (value, _) = table.raw(name)?;
    let text = match (value.get_ref().as_str(), value.get_ref()) {
        (Some(text), _) => text.to_owned(),
        (None, toml::de::DeValue::Datetime(at)) => at.to_string(),
        (None, _) => {
            let message = format!("`{name}` must be a moment like \"2026-12-20T00:00:00+01:00\", not {}", found(value));
            table.sink.error(&value.span(), message);
            return None;
        }
    };
    match text.parse::<Timestamp>() {
        Ok(at) => Some(At::new(at, value.span())),
        Err(_) => {
            let message = format!("`{name}` is no moment that one can tell");
            let hint = "write date, time and offset: \"2026-12-20T00:00:00+01:00\"";
            table.sink.error_hint(&value.span(), message, hint);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Sink, Source};
    use super::super::table::parse;
    use super::*;

    fn read_window(text: &str) -> String {
        let sink = Sink::new(Source::new("plan.toml", text));
        let document = parse(&sink, text).unwrap();
        let table = Table::new(&sink, &STAGE_WINDOW, document.get_ref(), 0..0);
        let read = window(&table);
        table.finish(&[]);
        match sink.finish(Some(read)) {
            Ok(window) => window.unwrap().to_string(),
            Err(errors) => errors.to_string(),
        }
    }

    #[test]
    fn windows_good_and_bad() {
        let base = "start = \"22:00\"\nlength = \"6h\"\n";
        for (more, said) in [
            (
                "days = [\"Sat\", \"sunday\"]\nweeks = [2, -1]\nzone = \"Europe/Berlin\"\ncutoff = \"1h\"",
                "2nd and last Sat, Sun of the month 22:00 for 6h (Europe/Berlin), no new host in the last 1h",
            ),
            ("after_patch_tuesday = \"4d\"", "4 days after patch Tuesday 22:00 for 6h (UTC)"),
            ("days = []", "plan.toml:3:8: `days` is empty: it would never start; leave it out for every day"),
            ("days = [\"Satt\"]", "plan.toml:3:9: `days` cannot have \"Satt\"; did you mean `Sat`?"),
            ("weeks = [0]", "plan.toml:3:10: each of `weeks` must be 1 to 5, or -1 for the last, not 0"),
            (
                "zone = \"Europe/Berlim\"",
                "plan.toml:3:8: `zone` is no time zone that is known: \"Europe/Berlim\"; write a name like \"Europe/Berlin\", or \"UTC\"",
            ),
            ("cutoff = \"6h\"", "plan.toml:3:10: `cutoff` is not shorter than the window: no host could ever start"),
            (
                "days = [\"Sun\"]\nafter_patch_tuesday = \"4d\"",
                "plan.toml:4:23: 4 days after patch Tuesday is a Sat, which `days` does not name; leave `days` out, or \
                 name that day",
            ),
        ] {
            assert_eq!(read_window(&format!("{base}{more}\n")).trim_end(), said);
        }
        let bad = ["weeks = [2]\nafter_patch_tuesday = \"4d\"", "after_patch_tuesday = \"36h\"", "cutof = \"1h\""];
        for more in bad {
            assert!(read_window(&format!("{base}{more}\n")).starts_with("plan.toml:"), "{more}");
        }
        for (from, to) in [("22:00", "24:00"), ("22:00", "10pm"), ("6h", "15d"), ("6h", "6")] {
            assert!(read_window(&base.replace(from, to)).starts_with("plan.toml:"), "{to}");
        }
    }

    fn read(text: &str) -> Result<Option<Freeze>, String> {
        let sink = Sink::new(Source::new("policy.toml", text));
        let document = parse(&sink, text).unwrap();
        let read = freeze(Table::new(&sink, &FREEZE, document.get_ref(), 0..0), &[]);
        sink.finish(Some(read)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_freeze_of_a_policy() {
        let good = "name = \"christmas\"\nfrom = \"2026-12-20T00:00:00+01:00\"\nto = 2027-01-03T00:00:00+01:00\n\
                    stages = [\"prod*\"]\noverride_by = [\"group:cab\", \"alice\"]\n";
        let freeze = read(good).unwrap().unwrap();
        assert_eq!(
            (freeze.from.to_string().as_str(), freeze.to.to_string().as_str()),
            ("2026-12-19T23:00:00Z", "2027-01-02T23:00:00Z")
        );
        assert!(freeze.is_for(&crate::core::ids::StageName::new("prod-eu").unwrap()));
        assert_eq!(freeze.override_by.len(), 2);
        for (bad, instead) in [
            ("+01:00\"", "\""),
            ("2027-01-03", "2026-01-03"),
            ("\"prod*\"", "\"prod[12]\""),
            ("\"prod*\"", ""),
            ("\"christmas\"", "\"a\\nb\""),
            ("to = 2027-01-03T00:00:00+01:00", "to = 2027-01-03"),
            ("to = 2027-01-03T00:00:00+01:00", "to = 3"),
            ("group:cab", "-x"),
        ] {
            assert!(read(&good.replacen(bad, instead, 1)).is_err(), "{instead}");
        }
    }
}
