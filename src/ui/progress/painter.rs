//! The thread that writes: lines that stay, and under them the block that changes.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::FRAME;
use super::tally::Tally;
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

/// Where the block is, on the output.
struct Canvas {
    out: Box<dyn Write + Send>,
    look: Look,
    block: Vec<String>,
}

impl Canvas {
    /// Writes `lines` where the block was, and the new block under them; all at once, so that nothing flickers.
    fn paint(&mut self, lines: &[String], block: Vec<String>) {
        if lines.is_empty() && block == self.block {
            return;
        }
        let mut text = String::new();
        if !self.block.is_empty() {
            text.push_str(&format!("\r\x1b[{}A", self.block.len()));
        }
        let end = if self.block.is_empty() { "\n" } else { "\x1b[K\n" };
        for line in lines.iter().chain(&block) {
            text.push_str(line);
            text.push_str(end);
        }
        if !self.block.is_empty() {
            text.push_str("\x1b[J");
        }
        self.block = block;
        // Nobody is there to be told that the terminal is gone, and the run goes on without it.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// The painting thread.
pub(super) struct Painter {
    shared: Arc<Shared>,
    canvas: Arc<Mutex<Canvas>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Painter {
    pub(super) fn start(shared: Arc<Shared>, look: Look, out: Box<dyn Write + Send>, start: Instant) -> Self {
        let canvas = Arc::new(Mutex::new(Canvas { out, look, block: Vec::new() }));
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
        canvas.paint(&lines, Vec::new());
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
        let block = match (shared.live && !ended, style::terminal_size()) {
            (true, size) => state.tally.draw(&paper.look, size.unwrap_or((24, 80)), start.elapsed()),
            (false, _) => Vec::new(),
        };
        drop(state);
        paper.paint(&lines, block);
    }
    drop(paper);
    if !ended && shared.live {
        std::thread::sleep(FRAME.saturating_sub(began.elapsed()));
    }
    !ended
}
