//! The thread that writes: lines that stay, and under them the block that changes.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::FRAME;
use super::echo::Echo;
use super::screen::Screen;
use super::tally::{Frame, Tally};
use crate::ui::style::{self, Look};

/// Lines that wait to be written, at most: a terminal that does not take them must not fill the memory.
const WAITING: usize = 20_000;
/// How long the end waits for a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// What views change and the painter reads.
pub(super) struct State {
    pub(super) tally: Tally,
    /// By how many.
    pub(super) suspended: usize,
    waiting: Vec<String>,
    dropped: usize,
    changed: bool,
    ended: bool,
}

impl State {
    pub(super) fn push(&mut self, line: String) {
        if self.waiting.len() < WAITING {
            self.waiting.push(line);
        } else {
            self.dropped += 1;
        }
    }

    fn take_lines(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.waiting);
        if self.dropped > 0 {
            lines.push(format!("({} lines were left out: the terminal was too slow)", self.dropped));
            self.dropped = 0;
        }
        lines
    }
}

/// The state and its bell.
pub(super) struct Shared {
    state: Mutex<State>,
    bell: Condvar,
    live: bool,
}

/// A poisoned lock is still the best there is to show.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(live: bool) -> Self {
        let state = State {
            tally: Tally::default(),
            suspended: 0,
            waiting: Vec::new(),
            dropped: 0,
            changed: false,
            ended: false,
        };
        Self { state: Mutex::new(state), bell: Condvar::new(), live }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        state.changed = true;
        drop(state);
        self.bell.notify_one();
    }
}

/// What is written on.
enum Canvas {
    Live(Look, Box<Screen>),
    Plain(Box<dyn Write + Send>),
}

impl Canvas {
    /// The lines, and under them the block, where there is one.
    fn paint(&mut self, lines: &[String], frame: Option<&Frame>, now: Duration) {
        match (self, frame) {
            (Self::Live(_, screen), Some(frame)) => screen.draw(lines, frame, now),
            (Self::Live(_, screen), None) => screen.leave(lines),
            (Self::Plain(_), _) if lines.is_empty() => {}
            // Nobody is there to be told that the terminal is gone, and the run goes on without it.
            (Self::Plain(out), _) => drop(out.write_all((lines.join("\n") + "\n").as_bytes())),
        }
    }

    /// What the block is to show.
    fn frame(&self, tally: &Tally) -> Option<Frame> {
        match self {
            Self::Live(look, _) => Some(tally.frame(look, style::terminal_size().unwrap_or((24, 80)))),
            Self::Plain(_) => None,
        }
    }
}

/// The painting thread.
pub(super) struct Painter {
    shared: Arc<Shared>,
    canvas: Arc<Mutex<Canvas>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Painter {
    pub(super) fn start(
        shared: Arc<Shared>,
        look: Look,
        out: Box<dyn Write + Send>,
        echo: Echo,
        start: Instant,
    ) -> Self {
        let canvas = if shared.live {
            let screen = Box::new(Screen::new(&look, out, echo));
            Canvas::Live(look, screen)
        } else {
            Canvas::Plain(out)
        };
        let canvas = Arc::new(Mutex::new(canvas));
        let (theirs, paper) = (Arc::clone(&shared), Arc::clone(&canvas));
        let work = move || while paint_next(&theirs, &paper, start) {};
        // Without a thread nothing is shown; the run does not depend on it.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(work).ok();
        Self { shared, canvas, thread: Mutex::new(thread) }
    }

    /// Clears the block and paints no more until the state says otherwise.
    pub(super) fn suspend(&self) {
        self.shared.update(|state| state.suspended += 1);
        let mut canvas = lock(&self.canvas);
        let lines = lock(&self.shared.state).take_lines();
        canvas.paint(&lines, None, Duration::ZERO);
    }

    /// Writes what is left, clears the block, ends the thread.
    pub(super) fn finish(&self) {
        self.shared.update(|state| {
            state.ended = true;
            state.suspended = 0;
        });
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        let deadline = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Waits for something to paint, paints it, and says whether there may be more.
fn paint_next(shared: &Shared, canvas: &Mutex<Canvas>, start: Instant) -> bool {
    let began = Instant::now();
    let mut state = lock(&shared.state);
    if !state.changed && !state.ended {
        // Times on the screen go on although nothing happens.
        let tick = if shared.live { Duration::from_secs(1) } else { Duration::from_secs(3600) };
        state = shared.bell.wait_timeout(state, tick).unwrap_or_else(PoisonError::into_inner).0;
    }
    let ended = state.ended;
    state.changed = false;
    drop(state);

    let mut paper = lock(canvas);
    let mut state = lock(&shared.state);
    if state.suspended > 0 {
        drop(state);
    } else {
        let lines = state.take_lines();
        let frame = if ended { None } else { paper.frame(&state.tally) };
        drop(state);
        paper.paint(&lines, frame.as_ref(), start.elapsed());
    }
    drop(paper);
    if !ended && shared.live {
        std::thread::sleep(FRAME.saturating_sub(began.elapsed()));
    }
    !ended
}
