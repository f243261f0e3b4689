//! The block that changes, as progress bars: one for each stage, a few for hosts. Bars are used again for other hosts,
//! so that a large fleet costs no more than a small one.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use super::echo::Echo;
use super::tally::{Frame, HostLine, StageLine};
use crate::ui::style::{self, Look};
use crate::ui::text;

/// Draws in a second that setting a bar may cause: as few as there can be, for a frame is drawn once, when all of it
/// is set.
const DRAWS: u8 = 1;

/// The terminal with its bars.
pub(super) struct Screen {
    paper: Paper,
    bars: MultiProgress,
    stages: Vec<ProgressBar>,
    hosts: Vec<ProgressBar>,
    more: Vec<ProgressBar>,
    styles: Styles,
    echo: Echo,
}

#[derive(Clone)]
struct Styles {
    stage: ProgressStyle,
    bad_stage: ProgressStyle,
    host: ProgressStyle,
    more: ProgressStyle,
}

impl Styles {
    fn new(look: &Look) -> Self {
        let time = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A line that cannot be written is left out.
            let _ = write!(out, "{:>6}", elapsed(state.elapsed()));
        };
        let chars = if look.unicode() { "━━─" } else { "==-" };
        let style = |template: &str| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            style.with_key("time", time).progress_chars(chars)
        };
        Self {
            stage: style("{prefix}  {bar:16.green/dim}  {wide_msg}  {time:.dim}"),
            bad_stage: style("{prefix}  {bar:16.yellow/dim}  {wide_msg}  {time:.dim}"),
            host: style("  {prefix}  {wide_msg}  {time:.dim}"),
            more: style("  {wide_msg:.dim}"),
        }
    }
}

fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { text::duration(seconds * 1000) }
}

impl Screen {
    pub(super) fn new(look: &Look, out: Box<dyn Write + Send>, echo: Echo) -> Self {
        console::set_colors_enabled(look.colour());
        let paper = Paper(Arc::new(Mutex::new(Sheet { out, text: String::new() })));
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), DRAWS);
        Self {
            paper,
            bars: MultiProgress::with_draw_target(target),
            stages: Vec::new(),
            hosts: Vec::new(),
            more: Vec::new(),
            styles: Styles::new(look),
            echo,
        }
    }

    /// Writes lines that stay, and under them the frame; all at once, so that nothing flickers.
    pub(super) fn draw(&mut self, lines: &[String], frame: &Frame, now: Duration) {
        let empty = self.stages.is_empty() && self.hosts.is_empty();
        if !empty || !frame.stages.is_empty() || !frame.hosts.is_empty() {
            self.echo.off();
            self.set(frame, now);
        }
        let write = || lines.iter().for_each(|line| self.paper.line(line));
        if lines.is_empty() {
            self.force();
        } else {
            self.bars.suspend(write);
        }
        self.paper.show();
    }

    /// Writes lines that stay, and takes the block away.
    pub(super) fn leave(&mut self, lines: &[String]) {
        // The paper takes everything.
        let _ = self.bars.clear();
        lines.iter().for_each(|line| self.paper.line(line));
        self.paper.show();
        self.echo.on();
    }

    fn force(&self) {
        // One bar draws all of them.
        if let Some(bar) = self.stages.iter().chain(&self.hosts).next() {
            bar.force_draw();
        }
    }

    fn set(&mut self, frame: &Frame, now: Duration) {
        let (stages, hosts, more) = (frame.stages.len(), frame.hosts.len(), usize::from(frame.more.is_some()));
        fit(&self.bars, &mut self.stages, stages, 0, &self.styles.stage);
        fit(&self.bars, &mut self.hosts, hosts, stages, &self.styles.host);
        fit(&self.bars, &mut self.more, more, stages + hosts, &self.styles.more);
        for (bar, stage) in self.stages.iter().zip(&frame.stages) {
            let StageLine { head, done, hosts, counts, well, since } = stage;
            bar.set_style(if *well { self.styles.stage.clone() } else { self.styles.bad_stage.clone() });
            bar.set_length(*hosts);
            bar.set_position(*done);
            set(bar, head, counts, now.saturating_sub(*since));
        }
        for (bar, HostLine { head, said, since }) in self.hosts.iter().zip(&frame.hosts) {
            set(bar, head, said, now.saturating_sub(*since));
        }
        for (bar, more) in self.more.iter().zip(&frame.more) {
            set(bar, "", more, Duration::ZERO);
        }
    }
}

fn set(bar: &ProgressBar, prefix: &str, message: &str, time: Duration) {
    bar.set_elapsed(time);
    bar.set_prefix(prefix.to_owned());
    bar.set_message(message.to_owned());
}

/// So many bars, the first of them as the block's line `at`.
fn fit(all: &MultiProgress, bars: &mut Vec<ProgressBar>, wanted: usize, at: usize, style: &ProgressStyle) {
    while bars.len() > wanted {
        if let Some(bar) = bars.pop() {
            all.remove(&bar);
        }
    }
    while bars.len() < wanted {
        let bar = ProgressBar::new(1).with_style(style.clone());
        bars.push(all.insert(at + bars.len(), bar));
    }
}

/// What is drawn on: it takes everything, and writes it out when it is told to. Nobody is there to be told that the
/// terminal is gone, and the run goes on without it.
#[derive(Clone)]
struct Paper(Arc<Mutex<Sheet>>);

struct Sheet {
    out: Box<dyn Write + Send>,
    text: String,
}

impl Paper {
    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &str) -> io::Result<()> {
        self.sheet().text.push_str(text);
        Ok(())
    }

    fn line(&self, text: &str) {
        let mut sheet = self.sheet();
        sheet.text.push_str(text);
        sheet.text.push('\n');
    }

    fn show(&self) {
        let sheet = &mut *self.sheet();
        let text = std::mem::take(&mut sheet.text);
        if !text.is_empty() {
            let _ = sheet.out.write_all(text.as_bytes()).and_then(|()| sheet.out.flush());
        }
    }

    /// A cursor's way; none is no way, which terminals would take for one step.
    fn go(&self, steps: usize, way: char) -> io::Result<()> {
        if steps == 0 { Ok(()) } else { self.add(&format!("\x1b[{steps}{way}")) }
    }
}

impl std::fmt::Debug for Paper {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Paper")
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        u16::try_from(style::terminal_size().map_or(80, |(_, width)| width)).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(style::terminal_size().map_or(24, |(height, _)| height)).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.line(text);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
