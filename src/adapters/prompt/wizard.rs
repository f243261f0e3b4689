//! The wizard's questions.

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

    /// Those of these answers that were marked. None: the person left, or there is none.
    pub async fn several(&self, prompt: String, choices: Vec<String>) -> Option<Vec<String>> {
        let lines = choices.clone();
        let marked = self.converse(move |terminal| terminal.mark(&prompt, &lines)).await.ok()?;
        Some(marked.into_iter().filter_map(|at| choices.get(at).cloned()).collect())
    }
}
