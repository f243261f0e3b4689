//! Questions beside those of a run: the wizard's, and whether something is meant.

use super::Prompter;

impl Prompter {
    /// A line of text; an empty one means the default. None: the person left, or there is none.
    pub async fn line(&self, prompt: String, default: String) -> Option<String> {
        let default = Some(default).filter(|default| !default.is_empty());
        self.converse(move |terminal| terminal.line(&prompt, default.as_deref(), "something is needed here")).await.ok()
    }

    /// One of these answers, each with what it means: its first word. None: the person left, or there is none.
    pub async fn choice(&self, prompt: String, choices: Vec<(String, String)>) -> Option<String> {
        let lines = choices.clone();
        let chosen = self.converse(move |terminal| terminal.choose_or_leave(&prompt, &lines)).await.ok()?;
        choices.into_iter().nth(chosen).map(|(word, _)| word)
    }

    /// Whether the person means it, once this was shown. No: also where the person left, or there is none.
    pub async fn sure(&self, about: String, question: String) -> bool {
        self.confirm(about, question).await.unwrap_or(false)
    }

    /// Those of these answers that were marked. None: the person left, or there is none.
    pub async fn several(&self, prompt: String, choices: Vec<String>) -> Option<Vec<String>> {
        let lines = choices.clone();
        let marked = self.converse(move |terminal| terminal.mark(&prompt, &lines)).await.ok()?;
        Some(marked.into_iter().filter_map(|at| choices.get(at).cloned()).collect())
    }
}
