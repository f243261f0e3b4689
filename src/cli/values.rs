//! Checks values while the command line is parsed.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::core::duration::parse_duration;
use crate::core::ids::{ChangeId, HostName, StageName};

/// A run, as people name one: it is looked up later, and is only held to be one line of text here.
pub(super) fn run_reference(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.contains(char::is_control) || text.len() > 128 {
        return Err("name a run by its ID, its change, its plan's name, or `last`".into());
    }
    Ok(text.to_owned())
}

/// A run, or the file of a statement to be signed.
pub(super) fn run_or_file(text: &str) -> Result<String, String> {
    let is_path = text.contains('/') && text.len() <= 4096 && !text.contains(char::is_control);
    if is_path { Ok(text.to_owned()) } else { run_reference(text) }
}

pub(super) fn change(text: &str) -> Result<ChangeId, String> {
    ChangeId::new(text).map_err(|e| e.to_string())
}

pub(super) fn stage(text: &str) -> Result<StageName, String> {
    StageName::new(text).map_err(|e| e.to_string())
}

pub(super) fn host(text: &str) -> Result<HostName, String> {
    HostName::new(text).map_err(|e| e.to_string())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|why| format!("it {why}"))
}

pub(super) fn glob(text: &str) -> Result<String, String> {
    crate::input::check_glob(text).map(|()| text.to_owned()).map_err(|why| format!("it {why}"))
}

/// A reason is a person's sentence: not empty, and nothing that could steer a terminal.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a reason must say something".into());
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') || text.len() > 2000 {
        return Err("a reason is at most 2000 characters, without control characters".into());
    }
    Ok(text.to_owned())
}

pub(super) fn digest(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if (8..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    Err("give at least the first 8 digits of the digest that `status` shows".into())
}

/// A moment, or the beginning of a day in UTC.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    moment(text, 0)
}

/// A moment, or the end of a day in UTC.
pub(super) fn until(text: &str) -> Result<Timestamp, String> {
    moment(text, 1)
}

fn moment(text: &str, days_later: i64) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let no = || "give a day (`2026-11-01`, in UTC) or a moment in RFC 3339 (`2026-11-01T08:00:00+01:00`)".to_owned();
    // A day and nothing more: what has a time in it needs its zone, too.
    let day: Date = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse().ok()).ok_or_else(no)?;
    let day = day.checked_add(days_later.days()).map_err(|_| no())?;
    day.to_zoned(TimeZone::UTC).map(|at| at.timestamp()).map_err(|_| no())
}
