//! `playbook list` and `playbook show`

use std::path::Path;

use super::drive;
use super::{CommandError, Context, Ended};
use crate::cli::PlaybookCommand;
use crate::playbook::{Playbook, Rights};

pub(super) fn playbook(context: &Context<'_>, command: &PlaybookCommand) -> Ended {
    match command {
        PlaybookCommand::List => list(context),
        PlaybookCommand::Show { name } => show(context, name),
        _ => Err(CommandError::invalid("this is not built yet", "`playbook list` and `playbook show` are")),
    }
}

fn list(context: &Context<'_>) -> Ended {
    let (playbooks, _) = drive::playbooks(None)?;
    let document = serde_json::json!({
        "schema": 1,
        "playbooks": playbooks.values().map(summary).collect::<Vec<_>>(),
    });
    let width = playbooks.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
    let text = playbooks.values().fold(String::new(), |text, playbook| {
        let auto = if playbook.auto { "" } else { " (by name only)" };
        text + &format!("{:width$}  {}{auto}\n", playbook.name.as_str(), playbook.description)
    });
    context.print(&document, |_| text)?;
    Ok(0)
}

fn summary(playbook: &Playbook) -> serde_json::Value {
    serde_json::json!({
        "name": playbook.name,
        "description": playbook.description,
        "privilege": playbook.rights,
        "auto": playbook.auto,
        "steps": playbook.steps.iter().map(|(step, script)| serde_json::json!({
            "step": step, "script": script.file, "timeout_s": script.timeout_s,
        })).collect::<Vec<_>>(),
    })
}

fn show(context: &Context<'_>, name: &str) -> Ended {
    let playbook = match crate::playbook::built_in(name) {
        Some(loaded) => loaded?,
        None if name.contains('/') || name.ends_with(".toml") => crate::playbook::from_path(Path::new(name))?,
        None => {
            let known = crate::playbook::BUILT_IN.join(", ");
            let message = format!("no playbook is called {name:?}");
            return Err(CommandError::invalid(message, format!("built in: {known}; a path shows one of your own")));
        }
    };
    let mut document = summary(&playbook);
    document["library"] = serde_json::json!(&*playbook.library);
    document["scripts"] = playbook
        .steps
        .iter()
        .map(|(step, script)| (step.as_str().to_owned(), serde_json::json!(&*script.text)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    context.print(&document, |_| text(&playbook, context.global.verbose > 0))?;
    Ok(0)
}

fn text(playbook: &Playbook, whole: bool) -> String {
    let rights = match playbook.rights {
        Rights::Root => "root (by login, or by becoming it)",
        Rights::User => "the login user",
    };
    let mut text = format!("{}: {}\nruns as {rights}\n\n", playbook.name, playbook.description);
    for (step, script) in &playbook.steps {
        let limit = script.timeout_s;
        text.push_str(&format!("{:10} {:22} at most {limit} s\n", step.as_str(), script.file));
    }
    if whole {
        for script in playbook.steps.values() {
            text.push_str(&format!("\n# --- {}\n{}", script.file, script.text));
        }
    } else {
        text.push_str("\n-v shows the scripts.\n");
    }
    text
}
