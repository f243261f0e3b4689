//! How often, and how long, a host is tried whose connection does not come about or does not hold.

use std::time::Duration;

use tokio::time::Instant;

use crate::core::problem::{ErrorKind, Problem};
use crate::ports::Job;

/// The longest wait between two tries to reach a host again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often we try before anything was begun, and how often a host may refuse us after that.
pub(super) const FIRST_TRIES: u32 = 3;

/// How often a host may refuse us that is waited for: what it depends on may be coming up.
const PATIENT_TRIES: u32 = 5;

/// The tries for one job.
pub(super) struct Tries {
    /// How long the job may take, once it has begun.
    own: Duration,
    /// Until when a host that does not answer is tried, whether or not anything has begun there.
    patient: Option<Instant>,
    /// Until when all must be over.
    until: Instant,
    began: bool,
    tries: u32,
    refusals: u32,
}

impl Tries {
    /// With so much time for the host beside the step itself.
    pub(super) fn new(job: &Job, grace: Duration) -> Self {
        let (now, own) = (Instant::now(), job.script.timeout + grace);
        let patient = job.patience.map(|patience| now + patience);
        Self { own, patient, until: now + own, began: false, tries: 0, refusals: 0 }
    }

    /// How long an exchange that starts now may take: a job's own time runs from when the host is there.
    pub(super) fn left(&self) -> Duration {
        let now = Instant::now();
        let until = match self.patient {
            Some(patient) if !self.began => patient.max(now + self.own),
            _ => self.until,
        };
        until.saturating_duration_since(now)
    }

    /// An exchange that was given so long came as far as to begin the job, or to find it begun.
    pub(super) fn began(&mut self, started: Instant, left: Duration) {
        if !self.began {
            (self.began, self.until) = (true, started + left);
        }
        // A job that shows signs of life is worth the first wait again.
        (self.tries, self.refusals) = (0, 0);
    }

    /// How long to wait before the next try; none: enough.
    pub(super) fn next(&mut self, failed: &Problem, may_have_begun: bool) -> Option<Duration> {
        let refused = is_refusal(failed);
        self.tries += 1;
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        let patient = self.patient.is_some_and(|patient| Instant::now() < patient);
        let enough = match may_have_begun {
            _ if matches!(failed.kind, ErrorKind::HostKey | ErrorKind::Internal | ErrorKind::Invalid) => true,
            _ if patient => self.refusals >= PATIENT_TRIES,
            true => self.refusals >= FIRST_TRIES,
            false => refused || self.tries >= FIRST_TRIES,
        };
        let wait = backoff(self.tries);
        let until =
            if patient { self.patient.map_or(self.until, |patient| patient.max(self.until)) } else { self.until };
        (!enough && Instant::now() + wait <= until).then_some(wait)
    }
}

/// Whether the host answers and does not take us for who we are.
pub(super) fn is_refusal(problem: &Problem) -> bool {
    matches!(problem.kind, ErrorKind::Auth | ErrorKind::Become)
}

/// 1, 2, 4 … 30 s, each somewhere between half and whole, so that a fleet does not come back as one.
fn backoff(tries: u32) -> Duration {
    let whole = Duration::from_secs(1 << tries.saturating_sub(1).min(5)).min(LONGEST_WAIT);
    let share = (ulid::Ulid::generate().random() % 512) as u32;
    whole / 2 + whole / 2 * share / 512
}
