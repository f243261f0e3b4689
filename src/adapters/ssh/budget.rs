//! A time limit that does not run while a person is asked something.

use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often the limit looks at the time.
const TICK: Duration = Duration::from_millis(200);

/// The limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfTime;

/// A time limit for several things together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Duration,
    spent_ms: AtomicU64,
    asking: AtomicUsize,
}

impl Budget {
    /// So long.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, spent_ms: AtomicU64::new(0), asking: AtomicUsize::new(0) }
    }

    /// The whole limit.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs the future within what is left of the limit.
    ///
    /// # Errors
    /// When the time was over first.
    pub(crate) async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, OutOfTime> {
        let mut future = std::pin::pin!(future);
        loop {
            let begun = tokio::time::Instant::now();
            let left = self.left();
            let done = tokio::select! {
                biased;
                value = &mut future => Some(value),
                () = tokio::time::sleep(left.min(TICK)) => None,
            };
            if self.asking.load(Ordering::Relaxed) == 0 {
                let spent = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.spent_ms.fetch_add(spent, Ordering::Relaxed);
            }
            match done {
                Some(value) => return Ok(value),
                None if self.left().is_zero() => return Err(OutOfTime),
                None => {}
            }
        }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(Duration::from_millis(self.spent_ms.load(Ordering::Relaxed)))
    }

    /// Runs the future, which asks a person, outside the limit.
    pub(crate) async fn asking<T>(&self, future: impl Future<Output = T>) -> T {
        let _counted = Asking::new(&self.asking);
        future.await
    }
}

struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn asking_a_person_stops_the_clock() {
        let budget = Budget::new(Duration::from_secs(5));
        let slow_person = budget.asking(tokio::time::sleep(Duration::from_secs(600)));
        assert_eq!(budget.within(slow_person).await, Ok(()));
        assert_eq!(budget.within(tokio::time::sleep(Duration::from_secs(3))).await, Ok(()));
        let slow_host = tokio::time::sleep(Duration::from_secs(3));
        assert_eq!(budget.within(slow_host).await, Err(OutOfTime), "the limit is for all together");
    }
}
