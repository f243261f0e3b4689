use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;

use super::{Names, Pattern};
use crate::input::source::Source;

fn names() -> Names {
    let hosts = ["web-1", "web-2", "web-3", "db-1", "db-2", "10.0.0.1", "fe80::1", "2001:db8:0:1:2:3:4:5"];
    let groups = [
        ("all", (0..8).collect()),
        ("ungrouped", vec![5, 6, 7]),
        ("web", vec![2, 0, 1]),
        ("db", vec![3, 4]),
        ("east", vec![0, 3]),
        ("webdb", vec![0, 1, 2, 3, 4]),
        ("empty", vec![]),
    ];
    let groups: BTreeMap<String, Vec<usize>> = groups.into_iter().map(|(name, list)| (name.into(), list)).collect();
    Names::new(hosts.map(String::from).into(), groups)
}

fn select_in(text: &str, folder: &Path) -> Result<String, String> {
    let source = Source::new("pattern", text);
    let names = names();
    let hosts = Pattern::parse(&source, &(0..text.len()), text, folder).and_then(|p| p.select(&names));
    let name = |ix: usize| names.hosts[ix].as_str();
    hosts.map(|list| list.into_iter().map(name).collect::<Vec<_>>().join(" ")).map_err(|e| e.to_string())
}

fn select(text: &str) -> Result<String, String> {
    select_in(text, Path::new(""))
}

#[test]
fn the_language() {
    let all = "web-1 web-2 web-3 db-1 db-2 10.0.0.1 fe80::1 2001:db8:0:1:2:3:4:5";
    for (pattern, expected) in [
        ("all", all),
        ("*", all),
        ("web", "web-1 web-2 web-3"),
        ("db:web", "web-1 web-2 web-3 db-1 db-2"),
        ("db , web-1", "web-1 db-1 db-2"),
        ("web:&east", "web-1"),
        ("web:!east", "web-2 web-3"),
        ("!web", "db-1 db-2 10.0.0.1 fe80::1 2001:db8:0:1:2:3:4:5"),
        ("&web", "web-1 web-2 web-3"),
        ("!web-1:web", "web-2 web-3"),
        ("webdb:&east:!db", "web-1"),
        ("web-?:!*-2", "web-1 web-3"),
        ("web-[!1]", "web-2 web-3"),
        ("w*", "web-1 web-2 web-3 db-1 db-2"),
        ("~web-[12]$", "web-1 web-2"),
        ("~(web|db)-1", "web-1 db-1"),
        ("~eb", ""),
        ("~(?:web|db)-\\d{1,3}", "web-1 web-2 web-3 db-1 db-2"),
        ("web[0]", "web-3"),
        ("web[-1]", "web-2"),
        ("web[0:1]", "web-1 web-3"),
        ("web[1:]", "web-1 web-2"),
        ("web[0-1]", "web-1 web-3"),
        ("web[1:99]", "web-1 web-2"),
        ("web[0:0]", "web-3"),
        ("web[1:18446744073709551615]", "web-1 web-2"),
        ("web[0],db[1]", "web-3 db-2"),
        ("web:!web[0]", "web-1 web-2"),
        ("fe80::1", "fe80::1"),
        ("fe80::1,web-1", "web-1 fe80::1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1:2:3:4:5"),
        ("all,!fe80::1,!webdb,!2001:db8:0:1:2:3:4:5", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("ungrouped[1]", "fe80::1"),
        ("empty", ""),
        ("empty[0]", ""),
        ("web::db", "web-1 web-2 web-3 db-1 db-2"),
        ("fe80::*", "fe80::1"),
        (":web:", "web-1 web-2 web-3"),
    ] {
        match select(pattern) {
            Ok(found) => assert_eq!(found, expected, "{pattern}"),
            Err(error) => assert_eq!(expected, "", "{pattern}: {error}"),
        }
    }
}

#[test]
fn mistakes_are_named_at_their_places() {
    for (pattern, expected) in [
        ("", "pattern:1:1: the host pattern is empty"),
        (",:", "pattern:1:1: the host pattern is empty"),
        ("web:!", "pattern:1:5: the host pattern has a sign with nothing behind it"),
        ("web:wbe", "pattern:1:5: the inventory has no host or group `wbe`; did you mean `web`?"),
        ("web:!typo", "pattern:1:5: the inventory has no host or group `typo`"),
        ("web[7]", "pattern:1:1: there is no host [7]: it has 3 hosts"),
        ("web[-4]", "pattern:1:1: there is no host [-4]: it has 3 hosts"),
        ("web[a", "pattern:1:1: the host pattern `web[a` has a `[` without a `]`"),
        ("~(", "pattern:1:1: `(` is not a regular expression that patchctl knows"),
        ("@no", "pattern:1:1: the file no: no such file"),
        ("a\u{1b}[2Jb", "pattern:1:1: the host pattern has a control character in it"),
    ] {
        assert_eq!(select(pattern).unwrap_err(), expected, "{pattern}");
    }
}

#[test]
fn files_of_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("retry", "# failed\nweb-1\n\n db:!db-2  # but not this\n");
    write("bad", "web-1\nwbe\n@retry\n");
    write("none", "# nobody\n");
    assert_eq!(select_in("@retry", folder.path()).unwrap(), "web-1 db-1");
    assert_eq!(select_in("web,!@retry", folder.path()).unwrap(), "web-2 web-3");
    assert_eq!(select_in("webdb:&@retry", folder.path()).unwrap(), "web-1 db-1");
    let bad = select_in("@bad", folder.path()).unwrap_err();
    assert!(bad.ends_with("bad:3:1: a file of patterns cannot name another one"), "{bad}");
    assert!(select_in("@none", folder.path()).unwrap_err().ends_with("none:1:1: the file names no host"));
}

/// A term of a pattern that names something, its sign, and the hosts that it means.
fn term() -> impl Strategy<Value = (String, char, BTreeSet<usize>)> {
    let plain = prop_oneof![
        Just(("web", vec![0, 1, 2])),
        Just(("db", vec![3, 4])),
        Just(("east", vec![0, 3])),
        Just(("all", (0..8).collect())),
        Just(("empty", vec![])),
        Just(("web-2", vec![1])),
        Just(("*-1", vec![0, 3])),
        Just(("~.*b-2", vec![1, 4])),
        Just(("web[0]", vec![2])),
        Just(("webdb[1:3]", vec![1, 2, 3])),
        Just(("10.0.0.1", vec![5])),
    ];
    (plain, prop_oneof![3 => Just('+'), 1 => Just('&'), 1 => Just('!')]).prop_map(|((text, hosts), sign)| {
        let text = if sign == '+' { text.to_owned() } else { format!("{sign}{text}") };
        (text, sign, hosts.into_iter().collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What holds of sets, in any inventory, of the texts as they are written.
    #[test]
    fn the_laws_of_sets(
        count in 0..12_usize,
        members in prop::collection::vec(prop::collection::btree_set(0..12_usize, 0..8), 3),
        shuffled: bool,
    ) {
        let groups = ["a", "b", "c"].into_iter().zip(&members).map(|(name, members)| {
            let mut members: Vec<usize> = members.iter().copied().filter(|ix| *ix < count).collect();
            if shuffled {
                members.reverse();
            }
            (name.to_owned(), members)
        });
        let names = Names::new((0..count).map(|n| format!("h{n}")).collect(), groups.collect());
        let select = |text: &str| {
            let source = Source::new("pattern", text);
            Pattern::parse(&source, &(0..text.len()), text, Path::new("")).and_then(|p| p.select(&names)).unwrap()
        };
        for (one, other) in [
            ("a:b", "b:a"), ("a:b:c", "c,b,a"), ("a:&b", "b:&a"), ("a:a", "a"), ("a:&a", "a"), ("a:!b:!c", "a:!c:!b"),
            ("!a", "*:!a"), ("&a", "a"), ("a:b:&c", "&c:b:a"), ("!b:a", "a:!b"), ("a:!a", "*:!*"), ("h*", "*"),
        ] {
            prop_assert_eq!(select(one), select(other), "{} and {}", one, other);
        }
        let (a, b) = (select("a"), select("b"));
        for (text, expected) in [
            ("a:b", (0..count).filter(|ix| a.contains(ix) || b.contains(ix)).collect::<Vec<_>>()),
            ("a:&b", (0..count).filter(|ix| a.contains(ix) && b.contains(ix)).collect()),
            ("a:!b", (0..count).filter(|ix| a.contains(ix) && !b.contains(ix)).collect()),
        ] {
            prop_assert_eq!(select(text), expected, "{}: each host once, in the inventory's order", text);
        }
        let union: BTreeSet<usize> = [select("a:!b"), select("b:!a"), select("a:&b")].concat().into_iter().collect();
        prop_assert_eq!(union.into_iter().collect::<Vec<_>>(), select("a:b"));
    }
}

proptest! {
    /// Union, then intersection, then difference, host by host: the naive reading of the documentation.
    #[test]
    fn a_pattern_means_what_sets_say(terms in prop::collection::vec(term(), 1..6), comma in any::<bool>()) {
        let text = terms.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(if comma { "," } else { ":" });
        let all_signs = |sign| terms.iter().filter(move |t| t.1 == sign);
        let any_plus = all_signs('+').next().is_some();
        let meant = |host: &usize| {
            (!any_plus || all_signs('+').any(|t| t.2.contains(host)))
                && all_signs('&').all(|t| t.2.contains(host))
                && !all_signs('!').any(|t| t.2.contains(host))
        };
        let expected: Vec<usize> = (0..8).filter(meant).collect();
        let source = Source::new("pattern", text.as_str());
        let found = Pattern::parse(&source, &(0..text.len()), &text, Path::new("")).and_then(|p| p.select(&names()));
        prop_assert_eq!(found.map_err(|e| e.to_string()), Ok(expected));
    }

    /// A subscript takes of the group's own order; the parts of a group are the group.
    #[test]
    fn subscripts_part_a_group(members in prop::collection::btree_set(0..20_usize, 1..12), at: prop::sample::Index) {
        let mut members: Vec<usize> = members.into_iter().collect();
        let by = at.index(members.len());
        members.rotate_left(by);
        let names = Names::new((0..20).map(|n| format!("h{n}")).collect(), [("g".into(), members.clone())].into());
        let select = |text: &str| {
            let source = Source::new("pattern", text);
            Pattern::parse(&source, &(0..text.len()), text, Path::new("")).and_then(|p| p.select(&names))
        };
        for (place, host) in members.iter().enumerate() {
            prop_assert_eq!(select(&format!("g[{place}]")).unwrap(), [*host]);
            prop_assert_eq!(select(&format!("g[-{}]", members.len() - place)).unwrap(), [*host]);
            let parts = format!("g[0:{place}],g[{}:]", place + 1);
            prop_assert_eq!(select(&parts).unwrap(), select("g").unwrap());
        }
        let beyond = [format!("g[{}]", members.len()), format!("g[-{}]", members.len() + 1)];
        prop_assert!(beyond.iter().all(|text| select(text).is_err()));
    }

    /// Whatever is written, it is answered, and every place lies in the text.
    #[test]
    fn no_text_is_too_much(text in "[a-z0-9\\[\\]:,!&~*?@(){}+.\\-\\\\ é]{0,40}") {
        let source = Source::new("pattern", text.as_str());
        let found = Pattern::parse(&source, &(0..text.len()), &text, Path::new("/nowhere")).and_then(|p| p.select(&names()));
        if let Err(errors) = found {
            for error in errors.all() {
                prop_assert!(error.excerpt().is_some());
            }
        }
    }
}
