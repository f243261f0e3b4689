//! What goes back, and what stays.

use std::collections::BTreeSet;

use patchctl::core::approval::When;
use patchctl::core::document::Verdict;
use patchctl::core::event::UndoCause;
use patchctl::core::ids::{HostIx, StageIx};
use patchctl::core::settings::{OnExceeded, RunKind, Scope};

use super::Ledger;

impl Ledger {
    /// Whatever stays on a stage's hosts must have been approved, where the plan wants that.
    pub(super) fn kept(&mut self, stage: StageIx) {
        let rules = &self.settings.stages[stage.at()];
        let (gate, asks_then) = (rules.approval.as_ref().map(|rules| rules.when), rules.on_exceeded == OnExceeded::Ask);
        let book = &self.stages[stage.at()];
        let mut due = book.must_go_back.clone();
        due.extend(self.goes_with_the_failed(stage));
        let (left, exceeded) = (book.undecided.clone(), book.exceeded);
        let asks = matches!(gate, Some(When::After | When::Both));
        let drill = self.settings.kind == RunKind::Drill;
        self.must(left.is_empty() || !drill, 7, || format!("{left:?} of {stage:?} stay after a drill"));
        self.must(left.is_empty() || !asks, 1, || format!("{left:?} of {stage:?} stay without approval"));
        self.must(due.is_empty(), 7, || format!("{due:?} of {stage:?} were to go back and were not"));
        self.must(left.is_empty() || !(exceeded && asks_then), 7, || {
            format!("too many of {stage:?} failed, and nobody was asked about {left:?}")
        });
        self.nothing_bad(stage, &left);
        self.nothing_unclear(stage, &left, "they stay");
        let book = self.book(stage);
        book.kept.append(&mut book.undecided);
    }

    /// The hosts that did not fail, and must not stay, since others did: too many of the stage, without a question.
    pub(super) fn goes_with_the_failed(&self, stage: StageIx) -> BTreeSet<HostIx> {
        let (rules, book) = (&self.settings.stages[stage.at()], &self.stages[stage.at()]);
        if !book.exceeded || rules.on_exceeded == OnExceeded::Ask {
            return BTreeSet::new();
        }
        match rules.rollback_scope {
            Scope::Host => BTreeSet::new(),
            Scope::Wave => book.undecided.intersection(&self.of_wave(stage)).copied().collect(),
            Scope::Stage | Scope::Run => book.undecided.union(&book.passed).copied().collect(),
        }
    }

    /// The hosts of the wave that began last.
    fn of_wave(&self, stage: StageIx) -> BTreeSet<HostIx> {
        let waves = patchctl::core::stage::waves(&self.settings.stages[stage.at()]);
        let last = (self.stages[stage.at()].wave as usize).wrapping_sub(1);
        waves.get(last).into_iter().flatten().copied().collect()
    }

    /// Whether a failure in this stage takes back what the other stages have done.
    fn takes_the_run_back(&self, stage: StageIx) -> bool {
        let rules = &self.settings.stages[stage.at()];
        let wide = rules.rollback_scope == Scope::Run && rules.on_exceeded == OnExceeded::Rollback;
        wide && self.stages[stage.at()].exceeded && !self.stages[stage.at()].took_back
    }

    /// A stage whose failure takes the whole run back ends only when no other one keeps anything.
    pub(super) fn whole_run_goes_back(&mut self, stage: StageIx) {
        if !self.takes_the_run_back(stage) || self.book(stage).for_another {
            return;
        }
        // What is approved from now on is approved in spite of it.
        self.book(stage).took_back = true;
        if self.cancelled {
            return;
        }
        let others = (0..).map(StageIx).zip(&self.stages).filter(|(ix, _)| *ix != stage);
        let left: Vec<HostIx> = others.flat_map(|(_, book)| book.patched()).collect();
        self.must(left.is_empty(), 7, || format!("too many of {stage:?} failed, and {left:?} of other stages stay"));
    }

    /// Nobody's patch is taken from a host that is well without a reason.
    pub(super) fn goes_back_for_a_reason(&mut self, ix: StageIx, host: HostIx) {
        let (cancelled, book) = (self.cancelled, self.book(ix));
        let due = book.failed.contains(&host)
            || book.may_go_back.contains(&host)
            || (cancelled && !book.approved.contains(&host) && !book.kept.contains(&host));
        self.must(due, 7, || format!("{host:?} of {ix:?} goes back, and neither failed nor has to"));
    }

    /// What nobody has approved goes back.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
        for book in &mut self.stages {
            let all = book.undecided.clone();
            book.must_go_back.extend(all);
        }
    }

    pub(super) fn recovering(&mut self, hosts: &[HostIx]) {
        self.finished = false;
        for host in hosts {
            let book = self.book(self.stage_of[host]);
            book.end = None;
            // A question that waits is asked anew; what was decided about the other hosts stays so.
            book.gate.take_if(|gate| gate.decided.is_none());
            book.may_go_back.insert(*host);
            self.asking.insert(*host);
        }
    }

    /// Nobody waits for the host any more, and nobody says that it is well.
    pub(super) fn given_up(&mut self, host: HostIx) {
        let book = self.book(self.stage_of[&host]);
        book.forgets(host);
        book.back.insert(host);
        book.busy.remove(&host);
        book.booting.remove(&host);
        self.armed.remove(&host);
    }

    pub(super) fn undo(&mut self, ix: StageIx, cause: &UndoCause) {
        self.may_undo(ix, cause);
        let scope = self.settings.stages[ix.at()].rollback_scope;
        let of_wave = self.of_wave(ix);
        let book = self.book(ix);
        let back: BTreeSet<HostIx> = match (cause, scope) {
            (UndoCause::FailedIn(_), _) => book.patched(),
            (UndoCause::Failed, Scope::Host) => BTreeSet::new(),
            (UndoCause::Failed, Scope::Wave) => book.undecided.intersection(&of_wave).copied().collect(),
            (UndoCause::Failed, Scope::Stage | Scope::Run) => book.undecided.union(&book.passed).copied().collect(),
            (UndoCause::Rejected | UndoCause::Cancelled | UndoCause::Drilled, _) => book.undecided.clone(),
        };
        (book.end, book.gate, book.proves, book.failed_over) = (None, None, false, true);
        book.for_another = matches!(cause, UndoCause::FailedIn(_));
        book.must_go_back.extend(&back);
        book.may_go_back.extend(back);
    }

    /// Whether hosts that are well go back for this cause at all.
    fn may_undo(&mut self, ix: StageIx, cause: &UndoCause) {
        let (rules, book) = (&self.settings.stages[ix.at()], &self.stages[ix.at()]);
        let (narrow, asks) = (rules.rollback_scope == Scope::Host, rules.on_exceeded == OnExceeded::Ask);
        let verdict = book.gate.as_ref().and_then(|gate| gate.decided).map(|(verdict, _)| verdict);
        let so = match cause {
            UndoCause::Rejected => verdict.is_some_and(|verdict| verdict != Verdict::Approved),
            UndoCause::Cancelled => self.cancelled,
            UndoCause::Drilled => self.settings.kind == RunKind::Drill,
            UndoCause::Failed => book.exceeded && !narrow && !asks,
            UndoCause::FailedIn(other) => *other != ix && self.takes_the_run_back(*other),
        };
        self.must(so, 7, || format!("{ix:?} goes back ({cause:?}), and the plan does not say so"));
    }
}
