//! Whole files, good and bad, and the exact texts of their mistakes.

mod accepted;
mod any_text;
mod bad_inventories;
mod bad_plans;
mod schemas;
mod settings;

use std::path::Path;

use super::InputErrors;
use super::plan::{self, LoadedPlan};

/// The shortest good plan.
const GOOD: &str = "name = \"p\"\n[patch]\npackages = [\"openssl\"]\n[[stage]]\nname = \"uat\"\nhosts = \"uat\"\n";

fn parse(text: &str) -> Result<LoadedPlan, InputErrors> {
    plan::parse(Path::new("plan.toml"), text)
}

/// The mistakes of a plan as people see them.
fn mistakes(text: &str) -> String {
    parse(text).map_or_else(|errors| errors.to_string(), |_| "none".into())
}

/// Those of the good plan with one line put in the place of another.
fn mistakes_with(line: &str, instead: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    mistakes(&GOOD.replacen(line, instead, 1))
}

/// Those of the good plan with lines behind it (in its stage).
fn mistakes_after(lines: &str) -> String {
    mistakes(&format!("{GOOD}{lines}\n"))
}

/// Compares each case's mistakes with the kept ones.
pub(super) fn snapshot(name: &str, cases: &[(&str, String)]) {
    let text: String = cases.iter().map(|(title, mistakes)| format!("# {title}\n{mistakes}\n\n")).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
