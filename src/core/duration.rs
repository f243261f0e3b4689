//! Durations as people write them: `90s`, `10m`, `1h30m`, `7d`, `2w`.

use std::time::Duration;

/// Ten years: nothing that waits longer is meant.
const MAX_SECONDS: u64 = 3650 * 86_400;

const EXAMPLE: &str = "write a number and a unit, like \"90s\", \"10m\", \"1h30m\" or \"7d\"";

/// Reads a duration: whole numbers with the units `s`, `m`, `h`, `d`, `w`, largest first; `0` needs no unit.
///
/// # Errors
/// A sentence without its subject: what is wrong, and what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return Err(format!("is empty; {EXAMPLE}"));
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(format!("is not a duration; {EXAMPLE}"));
        }
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let seconds = seconds_of(unit)?;
        if seconds >= last_unit {
            return Err(format!("has its units out of order; {EXAMPLE}"));
        }
        last_unit = seconds;
        let number: u64 = number.parse().map_err(|_| "is too long; ten years at most".to_owned())?;
        total = number
            .checked_mul(seconds)
            .and_then(|n| n.checked_add(total))
            .filter(|n| *n <= MAX_SECONDS)
            .ok_or("is too long; ten years at most")?;
        rest = after.trim_start();
    }
    Ok(Duration::from_secs(total))
}

fn seconds_of(unit: &str) -> Result<u64, String> {
    match unit {
        "s" | "sec" | "second" | "seconds" => Ok(1),
        "m" | "min" | "minute" | "minutes" => Ok(60),
        "h" | "hour" | "hours" => Ok(3600),
        "d" | "day" | "days" => Ok(86_400),
        "w" | "week" | "weeks" => Ok(7 * 86_400),
        "" => Err(format!("has a number without a unit; {EXAMPLE}")),
        "ms" => Err("is finer than a second".into()),
        _ => Err(format!("has the unknown unit `{unit}`; use s, m, h, d or w")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, seconds) in
            [("0", 0), ("0s", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("7d", 604_800), ("1d 2h", 93_600)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "10", "m", "10x", "-5m", "1.5h", "10m1h", "5m5m", "99999999999999999999d", "4000d", "500ms"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("10").unwrap_err(), format!("has a number without a unit; {EXAMPLE}"));
    }
}
