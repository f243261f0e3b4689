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
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    match shell {
        Shell::Bash => clap_complete::generate(clap_complete::Shell::Bash, &mut command, name, &mut text),
        Shell::Zsh => clap_complete::generate(clap_complete::Shell::Zsh, &mut command, name, &mut text),
        Shell::Fish => clap_complete::generate(clap_complete::Shell::Fish, &mut command, name, &mut text),
    }
    String::from_utf8_lossy(&text).into_owned()
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
    let man = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push((man.get_filename(), String::from_utf8_lossy(&text).into_owned()));
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).try_for_each(|inner| page(inner, pages))
}
