//! Packages as people ask for them: `name`, `name=version`, `name:arch`, or a line of `apt list --upgradable`.

use crate::core::packages::{Arch, PackageName, PackageRequest, Version};

/// Reads one request.
pub(crate) fn parse_request(text: &str) -> Result<PackageRequest, String> {
    let line = text.trim();
    let shown = shorten(line);
    if line.is_empty() {
        return Err("the package is empty".into());
    }
    if line.contains(char::is_control) {
        return Err(format!("{shown:?} has a control character in it"));
    }
    if line.contains('/') || line.contains(char::is_whitespace) {
        return parse_apt_line(line).map_err(|why| format!("\"{shown}\" {why}"));
    }
    let (name, version) = match line.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (line, None),
    };
    let (name, arch) = match name.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (name, None),
    };
    Ok(PackageRequest {
        name: PackageName::new(name).map_err(|e| e.to_string())?,
        arch: arch.map(Arch::new).transpose().map_err(|e| e.to_string())?,
        version: version.map(Version::new).transpose().map_err(|e| e.to_string())?,
    })
}

/// `name/suite[,suite…] version arch [note]`, as `apt list` prints it.
fn parse_apt_line(line: &str) -> Result<PackageRequest, String> {
    const FORM: &str = "is neither `name=version` nor a line of `apt list --upgradable` \
                        (`name/suite version arch [upgradable from: version]`)";
    let (line, note) = match line.split_once('[') {
        Some((before, note)) => (before.trim_end(), Some(note.strip_suffix(']').ok_or(FORM)?)),
        None => (line, None),
    };
    let mut words = line.split_whitespace();
    let (Some(first), Some(version), Some(arch), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(FORM.into());
    };
    let (name, suites) = first.split_once('/').ok_or(FORM)?;
    let suite_fits =
        |suite: &str| !suite.is_empty() && suite.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+~/".contains(c));
    if !suites.split(',').all(suite_fits) {
        return Err(FORM.into());
    }
    // The note is translated; what stands behind its colon is a version in every language.
    if let Some((_, from)) = note.and_then(|note| note.rsplit_once(": ")) {
        Version::new(from.trim()).map_err(|e| format!("is upgradable from no version: {e}"))?;
    }
    let request = PackageRequest {
        name: PackageName::new(name).map_err(|e| format!("does not begin with a package: {e}"))?,
        arch: Some(Arch::new(arch).map_err(|e| format!("names no architecture: {e}"))?),
        version: Some(Version::new(version).map_err(|e| format!("names no version: {e}"))?),
    };
    // `all` means that the package is the same everywhere; it is asked for by its name alone.
    Ok(match arch {
        "all" | "noarch" => PackageRequest { arch: None, ..request },
        _ => request,
    })
}

/// A request as a plan would name it.
pub(crate) fn show(request: &PackageRequest) -> String {
    let mut text = request.name.to_string();
    if let Some(arch) = &request.arch {
        text.push(':');
        text.push_str(arch.as_str());
    }
    if let Some(version) = &request.version {
        text.push('=');
        text.push_str(version.as_str());
    }
    text
}

/// Whether everything that `wanted` can mean is allowed by `row`.
pub(crate) fn covers(row: &PackageRequest, wanted: &PackageRequest) -> bool {
    row.name == wanted.name
        && (row.arch.is_none() || row.arch == wanted.arch)
        && (row.version.is_none() || row.version == wanted.version)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        parse_request(text).map_or_else(|e| format!("error: {e}"), |r| show(&r))
    }

    #[test]
    fn all_the_ways_to_ask() {
        for (text, expected) in [
            ("openssl", "openssl"),
            (" openssl=3.0.22-1~deb12u2 ", "openssl=3.0.22-1~deb12u2"),
            ("libssl3:amd64", "libssl3:amd64"),
            ("libssl3:i386=1:2.3-4", "libssl3:i386=1:2.3-4"),
            ("libstdc++6", "libstdc++6"),
        ] {
            assert_eq!(read(text), expected);
        }
    }

    #[test]
    fn lines_of_apt_list_as_they_are() {
        for (line, expected) in [
            ("apt/focal-updates 2.0.11 amd64 [upgradable from: 2.0.10]", "apt:amd64=2.0.11"),
            (
                "openssl/stable-security,stable-updates 3.0.22-1~deb12u2 amd64 [upgradable from: 3.0.20-1~deb12u2]",
                "openssl:amd64=3.0.22-1~deb12u2",
            ),
            ("tzdata/stable-updates 2025b-0+deb12u2 all [upgradable from: 2025b-0+deb12u1]", "tzdata=2025b-0+deb12u2"),
            ("vim/now 2:9.0-1 amd64 [installed,upgradable to: 2:9.0-2]", "vim:amd64=2:9.0-1"),
            ("apt/bookworm 2.6.2 amd64 [aktualisierbar von: 2.6.1]", "apt:amd64=2.6.2"),
            ("apt/bookworm 2.6.2 amd64", "apt:amd64=2.6.2"),
        ] {
            assert_eq!(read(line), expected);
        }
    }

    #[test]
    fn hostile_and_broken_requests_are_refused() {
        for bad in [
            "",
            " ",
            "-o=Dpkg::Options",
            "--reinstall",
            "a;reboot",
            "$(id)",
            "`id`",
            "a\nb",
            "../x",
            "a/../b",
            "openssl=",
            "openssl=-1",
            "openssl=1.0-",
            "openssl:",
            "openssl:AMD64",
            "apt/focal 2.0.11",
            "apt/focal 2.0.11 amd64 [upgradable from: 2.0.10",
            "apt/focal 2.0.11 amd64 extra",
            "apt/fo;cal 2.0.11 amd64",
            "-apt/focal 2.0.11 amd64",
            "apt/focal $(id) amd64",
            "apt/focal 1 amd64 [upgradable from: $(id)]",
            "openssl = 3.0",
            "Listing... Done",
        ] {
            assert!(parse_request(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_row_covers_what_it_says_and_no_more() {
        let request = |text: &str| parse_request(text).unwrap();
        for (row, wanted, fits) in [
            ("openssl", "openssl=1", true),
            ("openssl=1", "openssl=1", true),
            ("openssl=1", "openssl:amd64=1", true),
            ("openssl=1", "openssl=2", false),
            ("openssl=1", "openssl", false),
            ("openssl:amd64", "openssl", false),
            ("openssl", "libssl3", false),
        ] {
            assert_eq!(covers(&request(row), &request(wanted)), fits, "{row} covers {wanted}");
        }
    }

    const NAME: &str = "[a-z0-9][a-z0-9+-]{1,12}(\\.[a-z0-9+-]{1,5})?";
    const VERSION: &str = "([0-9]{1,2}:)?[0-9][0-9A-Za-z.+~]{0,9}(-[0-9A-Za-z.+~]{1,9})?";
    const ARCH: &str = "[a-z][a-z0-9]{2,8}";

    fn request() -> impl Strategy<Value = PackageRequest> {
        (NAME, prop::option::of(ARCH), prop::option::of(VERSION)).prop_map(|(name, arch, version)| PackageRequest {
            name: PackageName::new(name).unwrap(),
            arch: arch.map(|arch| Arch::new(arch).unwrap()),
            version: version.map(|version| Version::new(version).unwrap()),
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(request in request(), space in "[ \t]{0,2}") {
            let text = format!("{space}{}{space}", show(&request));
            prop_assert_eq!(parse_request(&text), Ok(request));
        }

        #[test]
        fn a_line_of_apt_list_is_its_package_version_and_architecture(
            name in NAME, version in VERSION, old in VERSION, arch in ARCH,
            suites in "[a-z]{3,9}(-updates|/main)?(,[a-z]{3,9}-security)?",
            note in prop::sample::select(vec!["", "upgradable from", "aktualisierbar von", "installé, version"]),
        ) {
            let note = if note.is_empty() { String::new() } else { format!(" [{note}: {old}]") };
            let request = parse_request(&format!("{name}/{suites} {version} {arch}{note}"));
            let arch = Some(arch).filter(|arch| arch != "all" && arch != "noarch");
            let expected = PackageRequest {
                name: PackageName::new(name).unwrap(),
                arch: arch.map(|arch| Arch::new(arch).unwrap()),
                version: Some(Version::new(version).unwrap()),
            };
            prop_assert_eq!(request, Ok(expected));
        }

        /// Nothing that is taken can be an option, a path or more than one word.
        #[test]
        fn any_text_is_answered(text in prop_oneof!["[a-z0-9=:/ .\\[\\]+~,-]{0,24}", any::<String>()]) {
            if let Ok(request) = parse_request(&text) {
                let shown = show(&request);
                prop_assert!(shown.starts_with(|c: char| c.is_ascii_alphanumeric()), "{}", shown);
                prop_assert!(!shown.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/'), "{}", shown);
                prop_assert_eq!(parse_request(&shown), Ok(request));
            }
        }

        #[test]
        fn what_covers_means_as_much_or_more(row in request(), wanted in request(), other in request()) {
            let wanted = PackageRequest { name: row.name.clone(), ..wanted };
            prop_assert!(covers(&row, &row));
            let bare = PackageRequest { arch: None, version: None, ..row.clone() };
            prop_assert!(covers(&bare, &wanted));
            prop_assert_eq!(covers(&wanted, &bare), wanted == bare);
            prop_assert_eq!(covers(&row, &other), row == other || (bare == row && row.name == other.name));
        }
    }
}
