//! Ranges in host names: `web-[01:40]`, `db-[a:f]`, `n[0:10:2]`.

/// No entry stands for more hosts.
const MAX_HOSTS: usize = 50_000;

/// The names that the text stands for: itself, where it has no range.
pub(super) fn expand(text: &str) -> Result<Vec<String>, String> {
    let check = |part: &str| match part.contains(']') {
        true => Err(format!("\"{text}\" has a `]` without a `[`")),
        false => Ok(()),
    };
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        check(before)?;
        let (inside, after) = after.split_once(']').ok_or_else(|| format!("the range in \"{text}\" has no `]`"))?;
        let parts = members(inside).map_err(|why| format!("the range [{inside}] {why}"))?;
        if names.len().saturating_mul(parts.len()) > MAX_HOSTS {
            return Err(format!("\"{text}\" stands for more than {MAX_HOSTS} hosts"));
        }
        names = names.iter().flat_map(|name| parts.iter().map(move |part| format!("{name}{before}{part}"))).collect();
        rest = after;
    }
    check(rest)?;
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// What a range runs through, both ends included.
fn members(inside: &str) -> Result<Vec<String>, String> {
    let mut parts = inside.split(':');
    let (first, last, step) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(last), step, None) => (first, last, step),
        _ => return Err("must be [first:last] or [first:last:step]".into()),
    };
    let step: usize = match step {
        None => 1,
        Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or("has a step that is not a number from 1")?,
    };
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        if first > last || first.is_ascii_lowercase() != last.is_ascii_lowercase() {
            return Err("must run upwards, within capitals or small letters".into());
        }
        return Ok((first..=last).step_by(step).map(String::from).collect());
    }
    let first = if first.is_empty() { "0" } else { first };
    let (Some(from), Some(to)) = (number(first), number(last)) else {
        return Err("must have numbers or single letters at both ends".into());
    };
    if from > to {
        return Err("runs downwards".into());
    }
    let padded = first.len() > 1 && first.starts_with('0');
    if padded && first.len() != last.len() {
        return Err("needs ends of the same length, since the first begins with 0".into());
    }
    if (to - from) / step >= MAX_HOSTS {
        return Err(format!("stands for more than {MAX_HOSTS} hosts"));
    }
    let width = if padded { first.len() } else { 0 };
    Ok((from..=to).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

fn letter(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
}

fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_ansible_expands_them() {
        for (text, expected) in [
            ("web", "web"),
            ("w[1:3]", "w1 w2 w3"),
            ("w[08:11].x", "w08.x w09.x w10.x w11.x"),
            ("w[:2]", "w0 w1 w2"),
            ("w[0:10:5]", "w0 w5 w10"),
            ("db-[a:c]", "db-a db-b db-c"),
            ("r[1:2]n[a:b]", "r1na r1nb r2na r2nb"),
        ] {
            assert_eq!(expand(text).unwrap().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn broken_and_huge_ranges() {
        for bad in [
            "w[1:3",
            "w1]",
            "w]1[1:3]",
            "w[]",
            "w[1]",
            "w[3:1]",
            "w[a:Z]",
            "w[c:a]",
            "w[1:a]",
            "w[01:100]",
            "w[1:2:0]",
            "w[1:2:3:4]",
            "w[1:]",
            "w[-1:3]",
            "w[0:99999999999999999999]",
            "w[0:9999999]",
            "w[0:999][0:999]",
        ] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn numbers_run_from_end_to_end(
            from in 0..2000_usize, more in 0..300_usize, step in 1..50_usize, width in 1..7_usize, padded: bool
        ) {
            let to = from + more;
            let width = if padded { width.max(to.to_string().len()) } else { 0 };
            let names = expand(&format!("w-[{from:0width$}:{to:0width$}:{step}].x")).unwrap();
            let expected: Vec<_> = (0..=more / step).map(|n| format!("w-{:0width$}.x", from + n * step)).collect();
            prop_assert_eq!(names, expected);
        }

        #[test]
        fn letters_run_from_end_to_end(from in b'a'..=b'z', to in b'a'..=b'z', capitals: bool) {
            let letter = |b: u8| char::from(if capitals { b.to_ascii_uppercase() } else { b });
            let names = expand(&format!("[{}:{}]", letter(from), letter(to)));
            let expected: Vec<String> = (from..=to).map(|b| letter(b).to_string()).collect();
            prop_assert_eq!(names.ok(), (from <= to).then_some(expected));
        }

        /// Several ranges are all pairs, the first the slowest; their number is the product.
        #[test]
        fn ranges_multiply(a in 1..30_usize, b in 1..30_usize) {
            let names = expand(&format!("r[1:{a}]n[1:{b}]")).unwrap();
            let pairs = (1..=a).flat_map(|x| (1..=b).map(move |y| format!("r{x}n{y}")));
            prop_assert_eq!(names, pairs.collect::<Vec<_>>());
        }

        #[test]
        fn any_text_is_answered(text in "[a-z0-9:\\[\\]é-]{0,16}") {
            match expand(&text) {
                Ok(names) if text.contains('[') => {
                    prop_assert!(!names.is_empty() && names.len() <= MAX_HOSTS);
                    prop_assert!(names.iter().all(|name| !name.contains(['[', ']'])));
                }
                Ok(names) => prop_assert_eq!(names, [text]),
                Err(_) => prop_assert!(text.contains(['[', ']'])),
            }
        }
    }
}
