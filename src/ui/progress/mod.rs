//! Progress, live on a terminal and as plain lines elsewhere.
//!
//! Whoever reports is never held up: views are folded into a small state, and a thread of its own paints that state a
//! few times a second. What it costs depends on the hosts that run now, not on the fleet.

mod echo;
mod lines;
mod painter;
mod screen;
mod tally;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::style::Look;
use crate::core::view::{Display, View};
use echo::Echo;
use lines::Lines;
use painter::{Painter, Shared};

/// How often the screen is painted at most.
const FRAME: Duration = Duration::from_millis(120);

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// `-q`: only what went wrong.
    pub quiet: bool,
    /// `-v`: also what the hosts' steps say.
    pub verbose: bool,
}

/// In which form progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A block at the terminal's end that changes, under lines that stay.
    Live,
    /// Lines only, without control characters.
    Plain,
}

/// Shows a run's progress.
pub struct Progress {
    shared: Arc<Shared>,
    painter: Painter,
    lines: Lines,
    start: Instant,
}

impl Progress {
    /// On standard error: live where that is a terminal and nothing asks for silence.
    pub fn stderr(look: Look, verbosity: Verbosity) -> Self {
        let form = if look.is_terminal() && !verbosity.quiet { Form::Live } else { Form::Plain };
        Self::on(look, verbosity, form, Box::new(std::io::stderr()), Echo::of_terminal())
    }

    /// Onto `out`, in this form.
    pub fn new(look: Look, verbosity: Verbosity, form: Form, out: Box<dyn Write + Send>) -> Self {
        Self::on(look, verbosity, form, out, Echo::of_nothing())
    }

    fn on(look: Look, verbosity: Verbosity, form: Form, out: Box<dyn Write + Send>, echo: Echo) -> Self {
        let live = form == Form::Live;
        let start = Instant::now();
        let shared = Arc::new(Shared::new(live));
        let painter = Painter::start(Arc::clone(&shared), look.clone(), out, echo, start);
        Self { shared, painter, lines: Lines::new(look, verbosity, live), start }
    }

    /// Shows what is still to be shown and clears the block that changes. Nothing is shown after it.
    pub fn finish(&self) {
        self.painter.finish();
    }
}

impl Display for Progress {
    fn show(&self, view: &View) {
        let now = self.start.elapsed();
        self.shared.update(|state| {
            state.tally.apply(view, now);
            if let Some(line) = self.lines.of(view, &state.tally) {
                state.push(line);
            }
        });
        if *view == View::RunDone {
            self.finish();
        }
    }

    fn suspend(&self) {
        self.painter.suspend();
    }

    fn resume(&self) {
        self.shared.update(|state| state.suspended = state.suspended.saturating_sub(1));
    }
}
