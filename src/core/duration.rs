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
    use proptest::prelude::*;

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

    /// As a person would write it: the largest units first, those that are nought left out.
    fn written(seconds: u64, gap: &str) -> String {
        let units = [(604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
        let mut rest = seconds;
        let mut parts = Vec::new();
        for (size, unit) in units {
            if rest >= size {
                parts.push(format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        if parts.is_empty() { "0".into() } else { parts.join(gap) }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..=MAX_SECONDS, gap in " {0,2}") {
            prop_assert_eq!(parse_duration(&written(seconds, &gap)), Ok(Duration::from_secs(seconds)));
        }

        #[test]
        fn what_is_longer_than_ten_years_is_refused(
            seconds in prop_oneof![MAX_SECONDS + 1..MAX_SECONDS + 9, MAX_SECONDS + 1..]
        ) {
            prop_assert!(parse_duration(&written(seconds, "")).is_err());
        }

        /// Each unit once, the largest first: else a unit was meant to be another one.
        #[test]
        fn units_in_another_order_are_refused(
            units in prop::collection::vec(prop::sample::select(vec![('s', 0), ('m', 1), ('h', 2), ('d', 3)]), 1..4)
        ) {
            let text: String = units.iter().map(|(unit, _)| format!("1{unit}")).collect();
            let falls = units.windows(2).all(|pair| pair[0].1 > pair[1].1);
            prop_assert_eq!(parse_duration(&text).is_ok(), falls, "{}", text);
        }

        #[test]
        fn any_text_is_answered(text in "[0-9smhdw .a-z\u{661}-]{0,24}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= Duration::from_secs(MAX_SECONDS));
                prop_assert_eq!(parse_duration(&written(duration.as_secs(), "")), Ok(duration));
            }
        }
    }
}
