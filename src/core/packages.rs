//! Packages, and the exact transaction of one host.

use serde::{Deserialize, Serialize};

use super::ids::checked_name;

fn package_name(text: &str) -> Result<(), &'static str> {
    // Debian policy 5.6.7 wants two characters of [a-z0-9+.-]; rpm names also have capitals, underscores and `~`.
    let Some(first) = text.chars().next() else {
        return Err("is empty");
    };
    if !first.is_ascii_alphanumeric() {
        return Err("must begin with a letter or a digit");
    }
    if text.len() > 200 {
        return Err("is too long");
    }
    if text.contains("..") {
        return Err("must not contain `..`");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._~".contains(c)) {
        return Err("has a character that no package name has");
    }
    Ok(())
}

fn version(text: &str) -> Result<(), &'static str> {
    // Debian policy 5.6.12, and what rpm allows beside it (`^`, `_`).
    let Some(first) = text.chars().next() else {
        return Err("is empty");
    };
    if !first.is_ascii_alphanumeric() {
        return Err("must begin with a letter or a digit");
    }
    if text.len() > 200 {
        return Err("is too long");
    }
    if text.ends_with('-') {
        return Err("must not end with `-`");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || ".+-~:^_".contains(c)) {
        return Err("has a character that no version has");
    }
    Ok(())
}

fn arch(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 32 {
        return Err("is not an architecture");
    }
    if text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c)) && !text.starts_with('-')
    {
        return Ok(());
    }
    Err("is not an architecture")
}

checked_name!(
    /// A package's name, without architecture or version.
    PackageName,
    "the package name",
    package_name
);

checked_name!(
    /// A package's version, with epoch and revision.
    Version,
    "the version",
    version
);

checked_name!(
    /// A package's architecture.
    Arch,
    "the architecture",
    arch
);

/// What happens to one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// A newer version takes the place of the installed one.
    Upgrade,
    /// A package comes that was not there.
    Install,
    /// A package goes away.
    Remove,
    /// An older version takes the place of the installed one.
    Downgrade,
}

impl OpKind {
    /// The word that records, documents and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Install => "install",
            Self::Remove => "remove",
            Self::Downgrade => "downgrade",
        }
    }
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageOp {
    /// What happens.
    pub op: OpKind,
    /// To which package.
    pub name: PackageName,
    /// Of which architecture.
    pub arch: Arch,
    /// The version before; none for an installation.
    pub from: Option<Version>,
    /// The version after; none for a removal.
    pub to: Option<Version>,
    /// Where the new version comes from, as the package manager names it.
    pub origin: String,
    /// Whether it is a security update.
    pub security: bool,
}

/// A package at a version: installed, current, or proved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its architecture.
    pub arch: Arch,
    /// The version; none where it is not installed.
    pub version: Option<Version>,
}

/// What to patch, as the plan asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageRequest {
    /// The package.
    pub name: PackageName,
    /// Only this architecture, where the plan names one.
    pub arch: Option<Arch>,
    /// Exactly this version; none: the candidate.
    pub version: Option<Version>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grammar_of_names_and_versions() {
        for good in ["openssl", "libstdc++6", "linux-image-6.1.0-40-amd64", "NetworkManager-libnm", "0ad"] {
            assert!(PackageName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-o", "a b", "a;b", "$(id)", "../x", "a\n", "a=1", "a/b", "`x`"] {
            assert!(PackageName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["3.0.22-1~deb12u2", "1:2.3+dfsg-4", "0", "4.18.0^20240101-1.el9_4"] {
            assert!(Version::new(good).is_ok(), "{good}");
        }
        for bad in ["", "1.0-", "-1", "1 0", "1;x", "$(x)", "1\n"] {
            assert!(Version::new(bad).is_err(), "{bad:?}");
        }
    }

    /// Nearly a name or version, or anything.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[a-zA-Z0-9+.~:^_-]{0,6}", 1 => "[a-z0-9 =/;$`\\PC\n]{0,6}", 1 => any::<String>()]
    }

    proptest! {
        #[test]
        fn only_what_a_package_manager_takes_as_data(text in text()) {
            let small = "abcdefghijklmnopqrstuvwxyz0123456789";
            let word = format!("{small}{}", small.to_uppercase());
            // The first character, and the others.
            let is = |first: &str, also: &str, word: &str| {
                text.starts_with(|c| word.contains(c) || first.contains(c))
                    && text.chars().all(|c| word.contains(c) || also.contains(c))
            };
            let name = is("", "+-._~", &word) && !text.contains("..");
            prop_assert_eq!(PackageName::new(text.as_str()).is_ok(), name);
            let version = is("", ".+-~:^_", &word) && !text.ends_with('-');
            prop_assert_eq!(Version::new(text.as_str()).is_ok(), version);
            prop_assert_eq!(Arch::new(text.as_str()).is_ok(), is("_", "_-", small));
        }

        /// Debian policy 5.6.1, 5.6.8 and 5.6.12, as dpkg has them.
        #[test]
        fn all_that_dpkg_takes(
            name in "[a-z0-9][a-z0-9+-]{1,20}(\\.[a-z0-9+-]{1,9})?",
            version in "([0-9]{1,5}:)?[0-9][0-9A-Za-z.+~]{0,20}(-[0-9A-Za-z.+~]{1,20}){0,2}",
            arch in "[a-z0-9][a-z0-9-]{1,20}",
        ) {
            prop_assert!(PackageName::new(name.as_str()).is_ok(), "{}", name);
            prop_assert!(Version::new(version.as_str()).is_ok(), "{}", version);
            prop_assert!(Arch::new(arch.as_str()).is_ok(), "{}", arch);
        }

        #[test]
        fn what_is_too_long_is_refused(more in 0..400_usize) {
            prop_assert!(PackageName::new("a".repeat(201 + more)).is_err());
            prop_assert!(Version::new("1".repeat(201 + more)).is_err());
            prop_assert!(Arch::new("a".repeat(33 + more)).is_err());
        }
    }
}
