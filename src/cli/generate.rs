//! Completions and manual pages, made from the same definitions as the parser.

use clap::{CommandFactory, ValueEnum};

use super::Cli;

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// The completions' text.
pub fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    let mut command = visible(&Cli::command());
    let name = command.get_name().to_owned();
    match shell {
        Shell::Bash => clap_complete::generate(clap_complete::Shell::Bash, &mut command, name, &mut text),
        Shell::Zsh => clap_complete::generate(clap_complete::Shell::Zsh, &mut command, name, &mut text),
        Shell::Fish => clap_complete::generate(clap_complete::Shell::Fish, &mut command, name, &mut text),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The command without what is hidden, which completions would offer.
fn visible(command: &clap::Command) -> clap::Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(visible);
    let mut copy = clap::Command::new(command.get_name().to_owned()).args(arguments).subcommands(inner);
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        copy = copy.version(version.to_owned());
    }
    copy
}

/// The manual pages: file name and text, one for each command that is built.
///
/// # Errors
/// Never in practice: pages are written into memory.
pub fn man_pages() -> std::io::Result<Vec<(String, String)>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    page(&command, &mut pages)?;
    Ok(pages)
}

fn page(command: &clap::Command, pages: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let plain = clap_mangen::Man::new(command.clone());
    let file = plain.get_filename();
    let title = file.trim_end_matches(".1").to_uppercase();
    let man = plain.title(title).source(concat!("patchctl ", env!("CARGO_PKG_VERSION"))).manual("patchctl manual");
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push((file, String::from_utf8_lossy(&text).replace("\n.SH EXTRA\n", "\n.SH NOTES\n")));
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).try_for_each(|inner| page(inner, pages))
}
