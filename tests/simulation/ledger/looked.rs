//! Whether anybody has looked at what stays, and what it came to. The looks are what was really answered.

use std::collections::BTreeSet;

use patchctl::core::approval::Decision;
use patchctl::core::document::How;
use patchctl::core::ids::{HostIx, StageIx};
use patchctl::core::settings::RunKind;

use super::Ledger;
use crate::looks::Seen;

impl Ledger {
    /// Invariant 17: no host stays whose last look was bad, or that nobody has looked at.
    pub(super) fn nothing_bad(&mut self, ix: StageIx, hosts: &BTreeSet<HostIx>) {
        let settings = self.settings.clone();
        for host in hosts.iter().filter(|_| settings.kind.patches()) {
            let seen = self.looks.after(&settings.stages[ix.at()], *host);
            let bad = matches!(seen, Seen::Bad(_) | Seen::Nothing(_));
            self.must(!bad, 17, || format!("{host:?} stays, and the last look at it came to {seen:?}"));
        }
    }

    /// Invariant 17: where the last look could not tell, a person says what happens, before anything else does.
    pub(super) fn nothing_unclear(&mut self, ix: StageIx, hosts: &BTreeSet<HostIx>, what: &str) {
        let waits: Vec<HostIx> = self.unclear(ix).into_iter().filter(|host| hosts.contains(host)).collect();
        self.must(waits.is_empty(), 17, || {
            format!("{what}, and nobody could tell whether {waits:?} of {ix:?} are well")
        });
    }

    /// Hosts that nobody has decided on, and whose last look could not tell.
    fn unclear(&self, ix: StageIx) -> Vec<HostIx> {
        let unsure = |host: &HostIx| matches!(self.looks.after(&self.settings.stages[ix.at()], *host), Seen::Unsure(_));
        // In a drill nobody is asked: everything goes back.
        let asks = self.settings.kind == RunKind::Run;
        self.stages[ix.at()].undecided.iter().copied().filter(|host| asks && unsure(host)).collect()
    }

    /// Who approves what stays: nothing that is bad, and what is unclear only a person who could know of it.
    pub(super) fn may_be_approved(&mut self, ix: StageIx, decision: &Decision) {
        let all = self.stages[ix.at()].undecided.clone();
        self.nothing_bad(ix, &all);
        if matches!(decision.how, How::Flag | How::Policy) {
            self.nothing_unclear(ix, &all, "they are approved beforehand");
        }
    }
}
