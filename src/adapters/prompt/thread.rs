//! The thread that a conversation blocks, and the way to wake it.
//!
//! The libraries below block in `poll` until a key comes, answer Ctrl-C with a SIGINT to their own thread, and take
//! any other interruption for Ctrl-C. So a conversation has a thread of its own that takes no signals: its SIGINT stays
//! with it and is gone when it ends, and neither a window's new size nor a child's end interrupts it. One signal is let
//! through, to end a conversation whose question nobody asks any more: left alone, it would take the keys that are
//! meant for the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Stop;

/// Wakes the thread: its default is to do nothing, so one that goes astray does no harm.
const WAKE: Signal = Signal::SIGURG;
/// How often it is sent: one that comes just before `poll` is lost.
const AGAIN: Duration = Duration::from_millis(5);

/// What the asker and the thread share.
#[derive(Default)]
struct Line {
    withdrawn: AtomicBool,
    thread: Mutex<Thread>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Thread {
    #[default]
    Starting,
    Runs(Pthread),
    Ended,
}

impl Line {
    fn thread(&self) -> MutexGuard<'_, Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a conversation on its thread. Dropping the future ends it; what it holds is dropped on the thread, when it has
/// ended.
pub(super) async fn converse<T: Send + 'static>(
    talk: impl FnOnce() -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    // Gives the signal a handler, for without one it interrupts nothing. It stays when this is dropped.
    let _handled = signal(SignalKind::from_raw(WAKE as i32)).map_err(|_| Stop::NoTerminal)?;
    let (tell, told) = oneshot::channel();
    let line = Arc::new(Line::default());
    let withdraw = Withdraw(Arc::clone(&line));
    let work = move || {
        let result = begin(&line).and_then(|_ends| talk());
        let withdrawn = line.withdrawn.load(Ordering::Acquire);
        // Nobody may be there any more.
        let _ = tell.send(if withdrawn { Err(Stop::Withdrawn) } else { result });
    };
    std::thread::Builder::new().name("prompt".to_owned()).spawn(work).map_err(|_| Stop::NoTerminal)?;
    let result = told.await.unwrap_or(Err(Stop::NoTerminal));
    drop(withdraw);
    result
}

fn begin(line: &Arc<Line>) -> Result<Ends, Stop> {
    let mut blocked = SigSet::all();
    blocked.remove(WAKE);
    blocked.thread_set_mask().map_err(|_| Stop::NoTerminal)?;
    *line.thread() = Thread::Runs(pthread_self());
    let ends = Ends(Arc::clone(line));
    if line.withdrawn.load(Ordering::Acquire) { Err(Stop::Withdrawn) } else { Ok(ends) }
}

/// From here on the thread must not be woken: it may be gone.
struct Ends(Arc<Line>);

impl Drop for Ends {
    fn drop(&mut self) {
        *self.0.thread() = Thread::Ended;
    }
}

/// Ends the conversation when its asker goes away.
struct Withdraw(Arc<Line>);

impl Drop for Withdraw {
    fn drop(&mut self) {
        if matches!(*self.0.thread(), Thread::Ended) {
            return;
        }
        self.0.withdrawn.store(true, Ordering::Release);
        let line = Arc::clone(&self.0);
        let wake = move || {
            loop {
                match *line.thread() {
                    Thread::Starting => {}
                    // The lock is held: the thread is still there.
                    Thread::Runs(thread) => drop(pthread_kill(thread, WAKE)),
                    Thread::Ended => return,
                }
                std::thread::sleep(AGAIN);
            }
        };
        // Without a thread the next key ends the conversation.
        drop(std::thread::Builder::new().name("prompt-end".to_owned()).spawn(wake));
    }
}
