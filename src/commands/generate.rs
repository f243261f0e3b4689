//! `completions`, `man` and `schema`: for packagers and editors.

use std::io;
use std::path::Path;

use super::{CommandError, Context, Ended};
use crate::cli::{SchemaKind, Shell};
use crate::core::document::ResultDocument;
use crate::ui::json::write_text;

pub(super) fn completions(shell: Shell) -> Ended {
    write_text(&mut io::stdout().lock(), &crate::cli::completions(shell))?;
    Ok(0)
}

pub(super) fn man(context: &Context<'_>, dir: &Path) -> Ended {
    let unwritable = |error: io::Error| {
        CommandError::invalid(format!("{}: cannot be written: {error}", dir.display()), "name another folder")
    };
    std::fs::create_dir_all(dir).map_err(unwritable)?;
    let pages = crate::cli::man_pages()?;
    for (name, text) in &pages {
        std::fs::write(dir.join(name), text).map_err(unwritable)?;
    }
    context.say(&format!("{} pages in {}", pages.len(), dir.display()));
    Ok(0)
}

pub(super) fn schema(kind: SchemaKind) -> Ended {
    let schema = match kind {
        SchemaKind::Plan => crate::input::plan_schema(),
        SchemaKind::Inventory => crate::input::inventory_schema(),
        SchemaKind::Preapproval => crate::input::preapproval_schema(),
        SchemaKind::Playbook => crate::playbook::schema(),
        SchemaKind::Result => schemars::schema_for!(ResultDocument).to_value(),
        SchemaKind::Event => crate::core::record::schema(),
        SchemaKind::Policy => crate::input::policy_schema(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(io::Error::other)?;
    write_text(&mut io::stdout().lock(), &format!("{text}\n"))?;
    Ok(0)
}
