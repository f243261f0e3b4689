//! Whose decisions count, and what begins on them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use patchctl::core::approval::{Decision, OnTimeout, When, Who};
use patchctl::core::document::Verdict;
use patchctl::core::event::{GateKind, StageEnd, Step};
use patchctl::core::ids::{Digest, HostIx, StageIx};

use super::{Ledger, older};

impl Ledger {
    /// An approval is void: what it was about is undecided again.
    pub(super) fn opens_again(&mut self, stage: StageIx, digest: Option<Digest>, at: Timestamp) {
        let book = self.book(stage);
        let ended = book.end.is_some();
        (book.end, book.after_ok, book.looking) = (None, None, false);
        // A gate of a wave that lapses says nothing about the permission to begin, which was used.
        let permission = book.gate.as_ref().is_some_and(|gate| gate.kind == GateKind::Before);
        if permission {
            book.before_ok = None;
        }
        if permission && !ended {
            // And that is about nothing that an earlier try has kept.
            book.approved_last.clear();
        }
        let approved = if ended { book.approved.clone() } else { book.approved_last.clone() };
        book.approved.retain(|host| !approved.contains(host));
        book.passed.retain(|host| !approved.contains(host));
        book.undecided.extend(approved);
        if ended {
            book.undecided.append(&mut book.kept);
        }
        if let Some(gate) = &mut book.gate {
            (gate.decided, gate.since) = (None, at);
            gate.digest = digest.unwrap_or(gate.digest);
            gate.approvals.clear();
        }
    }

    pub(super) fn needs_hold(&mut self, ix: StageIx, host: HostIx, step: Step) {
        self.must(self.confirmed, 1, || format!("{step:?} on {host:?} before anybody confirmed"));
        for need in self.settings.stages[ix.at()].needs.clone() {
            let end = self.book(need).end;
            let succeeded = matches!(end, Some(StageEnd::Approved | StageEnd::Current));
            self.must(succeeded, 1, || format!("{step:?} on {host:?} of {ix:?}, whose need {need:?} is {end:?}"));
            let rules = self.settings.stages[need.at()].approval.clone();
            let asks = rules.is_some_and(|rules| rules.when != When::Before);
            // Hosts that failed after the last wave's gate and went back leave what that gate approved.
            let approved = self.book(need).after_ok.is_some() && self.book(need).undecided.is_empty();
            self.must(!asks || approved, 1, || format!("{step:?} on {host:?}; nobody approved {need:?}"));
        }
    }

    pub(super) fn wave(&mut self, ix: StageIx, number: u32) {
        let rules = self.settings.stages[ix.at()].approval.clone();
        let asks = rules.is_some_and(|rules| rules.when != When::After);
        let approved = self.book(ix).before_ok.is_some();
        self.must(!asks || approved, 1, || format!("{ix:?} begins without the permission to"));
        let each = self.settings.stages[ix.at()].approval.as_ref().is_some_and(|rules| rules.each_wave);
        let waves = patchctl::core::stage::waves(&self.settings.stages[ix.at()]);
        let earlier: BTreeSet<HostIx> =
            waves.iter().take(number.saturating_sub(1) as usize).flatten().copied().collect();
        let waits: Vec<HostIx> = self.book(ix).undecided.intersection(&earlier).copied().collect();
        self.must(!each || waits.is_empty(), 1, || {
            format!("a wave of {ix:?} begins, and {waits:?} wait for their gate")
        });
        self.nothing_unclear(ix, &earlier, "a wave begins");
        let first = !std::mem::replace(&mut self.book(ix).began, true);
        for need in self.settings.stages[ix.at()].needs.clone() {
            let Some(rules) = self.settings.stages[need.at()].approval.clone() else { continue };
            let Some(given) = self.book(need).after_ok else { continue };
            let looked = std::mem::take(&mut self.book(need).rechecked);
            self.must(!first || looked, 1, || format!("{ix:?} begins, and nobody has looked at {need:?} again"));
            // While a process lives its own approvals do not grow old, nor while a stage is being closed.
            let closed_before = self.stages[need.at()].closed < self.driven;
            let old = closed_before && self.driven.is_some_and(|driven| older(given, rules.valid, driven));
            // Nor is a stage asked about again under others that build on it already.
            let others = self.settings.stages.iter().zip(&self.stages).enumerate();
            let built_on = others
                .into_iter()
                .any(|(at, (stage, book))| at != ix.at() && stage.needs.contains(&need) && book.began);
            let asked_anew = self.book(ix).before_ok.is_some() || built_on;
            self.must(!(first && old) || asked_anew, 1, || {
                format!("{ix:?} begins on an approval of {need:?} that is too old")
            });
        }
    }

    pub(super) fn passed(&mut self, ix: StageIx, at: Timestamp) {
        // A gate that opens because nobody could tell whether hosts are well opens without the plan's rules, too.
        let rules = self.settings.stages[ix.at()].approval.clone().unwrap_or_default();
        let given = self.book(ix).gate.as_ref().and_then(|gate| gate.decided);
        // It is used from when its hosts are looked at again.
        let used = self.book(ix).used.take().unwrap_or(at);
        let fresh =
            given.is_some_and(|(verdict, given)| verdict == Verdict::Approved && !older(given, rules.valid, used));
        self.must(fresh, 1, || format!("{ix:?} begins on {given:?}"));
    }

    /// Whose decision it is, and whether that person may decide: read from the plan, not from the core.
    pub(super) fn counts(&mut self, ix: StageIx, decision: &Decision) {
        let Some(rules) = self.settings.stages[ix.at()].approval.clone() else { return };
        if decision.verdict == Verdict::Expired {
            return;
        }
        let name = decision.by.name.clone();
        let fits = |who: &Who| match who {
            Who::Person(listed) => *listed == name,
            Who::Group(group) => name.ends_with(group.as_str()),
        };
        let listed = rules.by.iter().all(|list| list.iter().any(fits));
        self.must(listed, 10, || format!("{name} decides at a gate of {ix:?} and may not"));
        if decision.verdict == Verdict::Approved {
            let own = rules.four_eyes && name == self.settings.requester.name;
            self.must(!own, 10, || format!("{name} approves the own run at {ix:?}"));
            let again = self.book(ix).gate.as_ref().is_some_and(|gate| gate.approvals.contains(&name));
            self.must(!again, 10, || format!("{name} approves {ix:?} twice"));
        }
    }

    pub(super) fn decided(&mut self, ix: StageIx, kind: GateKind, digest: Digest, decision: &Decision, at: Timestamp) {
        self.decisions.push((ix, decision.clone()));
        let open = self.book(ix).gate.clone();
        let fits = open.as_ref().is_some_and(|o| o.kind == kind && o.digest == digest && o.decided.is_none());
        self.must(fits, 10, || format!("{decision:?} at a gate of {ix:?} that is {open:?}"));
        let rules = self.settings.stages[ix.at()].approval.clone();
        let expired = open
            .zip(rules)
            .is_some_and(|(open, rules)| rules.on_timeout == OnTimeout::Reject && older(open.since, rules.wait, at));
        let yes = decision.verdict == Verdict::Approved;
        self.counts(ix, decision);
        self.must(!(yes && expired), 10, || format!("{decision:?} at an expired gate of {ix:?}"));
        let early = decision.verdict == Verdict::Expired && !expired;
        self.must(!early, 10, || format!("the gate of {ix:?} expires before its time"));
        if yes && kind != GateKind::Before {
            self.may_be_approved(ix, decision);
        }
        let quorum = self.settings.stages[ix.at()].approval.as_ref().map_or(1, |rules| rules.quorum as usize);
        let book = self.book(ix);
        if let Some(gate) = &mut book.gate {
            gate.approvals.extend(yes.then(|| decision.by.name.clone()));
            if yes && gate.approvals.len() < quorum {
                return;
            }
            gate.decided = Some((decision.verdict, at));
        }
        match (kind, yes) {
            (GateKind::Before, true) => book.before_ok = Some(at),
            (GateKind::Before, false) => {}
            (GateKind::Wave | GateKind::After, true) => {
                book.after_ok = Some(at);
                book.approves(kind);
            }
            (GateKind::Wave | GateKind::After, false) => {
                let all = book.undecided.clone();
                book.must_go_back.extend(all);
            }
        }
    }
}
