//! "Did you mean …?"

/// The known word that is nearest to the given one, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    if length > 64 {
        return None;
    }
    let worst = match length {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    let folded = given.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .filter(|word| *word != given && word.len() <= 128 && word.chars().count().abs_diff(length) <= worst)
        .map(|word| (strsim::damerau_levenshtein(&folded, &word.to_ascii_lowercase().replace('-', "_")), word))
        .filter(|(distance, word)| *distance <= worst && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `did you mean …?`, if something is near.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, known).map(|word| format!("did you mean `{word}`?"))
}

/// Words as people list them: `a`, `b` or `c`.
pub(crate) fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|w| format!("`{w}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_meant_is_named() {
        let keys = ["packages", "packages_for", "pin", "exclude"];
        assert_eq!(nearest("packges", keys), Some("packages"));
        assert_eq!(nearest("Packages-For", keys), Some("packages_for"));
        assert_eq!(nearest("nip", keys), Some("pin"));
        assert_eq!(nearest("reboot", keys), None);
        assert_eq!(nearest("", ["a"]), None, "nothing is near to nothing");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
