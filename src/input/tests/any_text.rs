//! Whatever stands in a file, it is answered, every mistake with a place in it.

use std::path::Path;

use proptest::prelude::*;

use super::GOOD;
use crate::input::inventory::Inventory;
use crate::input::{InputErrors, plan};

const INVENTORY: &str = "[defaults]\nuser = \"p\"\nvars = { a = [1, { b = 2.5 }] }\n[groups.g]\nhosts = [\"w-[01:03]\"]\n\
                         children = [\"h\"]\n[groups.h]\nport = 22\n[hosts.\"w-01\"]\ntags = [\"canary\"]\n";

const PIECES: [&str; 24] = [
    "[",
    "]",
    "[[",
    "{",
    "}",
    "\"",
    "'",
    "=",
    "\n",
    ",",
    ".",
    "#",
    "-",
    "\\u0000",
    "ü",
    "\u{202e}",
    "stage",
    "patch",
    "1e999",
    "0x_",
    "[stage.approval]\n",
    "\"[0:9]\"",
    "waves=[\"9%\"]\n",
    "vars={}\n",
];

/// A good text with pieces put in and stretches taken out.
fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    let damage = (any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(PIECES.to_vec()));
    prop::collection::vec(damage, 1..5).prop_map(move |damages| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, cut, piece) in damages {
            let at = at.index(chars.len() + 1);
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

fn has_places(errors: &InputErrors) -> bool {
    errors.all().iter().all(|error| error.excerpt().is_some() && error.line().is_some() && error.column().is_some())
}

proptest! {
    #[test]
    fn plans(text in damaged(GOOD)) {
        if let Err(errors) = plan::parse(Path::new("plan.toml"), &text) {
            prop_assert!(has_places(&errors), "{errors}");
        }
    }

    #[test]
    fn inventories(text in damaged(INVENTORY)) {
        match Inventory::parse(Path::new("inventory.toml"), &text) {
            Ok(inventory) => prop_assert!(inventory.list(None).is_ok()),
            Err(errors) => prop_assert!(has_places(&errors), "{errors}"),
        }
    }
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(plan::parse(Path::new("plan.toml"), &deep).is_err());
    let deep = format!("[hosts.a]\nvars = {{ a = {}1{} }}\n", "{ b = ".repeat(100_000), " }".repeat(100_000));
    assert!(Inventory::parse(Path::new("inventory.toml"), &deep).is_err());
}
