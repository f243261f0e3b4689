//! Numbers of hosts: `3`, `"3"` or `"10%"`.

use crate::core::settings::Amount;

/// Reads an amount from text; `min` is the least number.
pub(crate) fn parse_amount(text: &str, min: u32) -> Result<Amount, String> {
    let wrong = || format!("\"{text}\" is not a number of hosts or a share like \"10%\"");
    match text.strip_suffix('%') {
        Some(share) => {
            let share: u8 = digits(share).and_then(|d| d.parse().ok()).ok_or_else(wrong)?;
            if share > 100 {
                return Err(format!("{share}% is more than all"));
            }
            if share == 0 && min > 0 {
                return Err("0% is no host".into());
            }
            Ok(Amount::Percent(share))
        }
        None => count(digits(text).and_then(|d| d.parse().ok()).ok_or_else(wrong)?, min),
    }
}

/// A plain number; `min` is the least.
pub(crate) fn count(number: i64, min: u32) -> Result<Amount, String> {
    match u32::try_from(number) {
        Ok(n) if n >= min && n <= 1_000_000 => Ok(Amount::Count(n)),
        _ => Err(format!("{number} is not a number of hosts from {min} to 1000000")),
    }
}

/// The text, if it is digits alone (`parse` would take a `+` too).
fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_shares() {
        assert_eq!(parse_amount("3", 0), Ok(Amount::Count(3)));
        assert_eq!(parse_amount("10%", 1), Ok(Amount::Percent(10)));
        assert_eq!(parse_amount("0%", 0), Ok(Amount::Percent(0)));
        for bad in ["", "%", "+3", "-1", "10.5%", "101%", "0%", "0", "10 %", "99999999999"] {
            assert!(parse_amount(bad, 1).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            number in prop_oneof![0..2_u32, 999_999..1_000_002_u32, any::<u32>()], share: u8, min in 0..=1_u32
        ) {
            let count = parse_amount(&number.to_string(), min);
            prop_assert_eq!(count.ok(), (min..=1_000_000).contains(&number).then_some(Amount::Count(number)));
            let percent = parse_amount(&format!("{share}%"), min);
            prop_assert_eq!(percent.ok(), (min..=100).contains(&u32::from(share)).then_some(Amount::Percent(share)));
        }

        #[test]
        fn any_text_is_a_number_of_hosts_or_refused(text in "[0-9%+. é-]{0,12}", hosts in 1..100_000_usize) {
            if let Ok(amount) = parse_amount(&text, 1) {
                match amount {
                    Amount::Count(n) => prop_assert!((1..=1_000_000).contains(&n)),
                    Amount::Percent(_) => prop_assert!(amount.of(hosts) <= hosts),
                }
            }
        }
    }
}
