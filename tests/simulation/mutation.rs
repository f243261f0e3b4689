//! Faults put in on purpose, one for each invariant: a simulation that does not find them proves nothing.

use std::time::Duration;

use patchctl::core::approval::OnTimeout;
use patchctl::core::health::HealthRule;
use patchctl::core::hooks::{RestoreWhen, Taken};
use patchctl::core::settings::{Amount, OnExceeded, Pin, Scope, Settings, Stage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    ForgetNeeds,
    NoGate,
    LongValid,
    LateSync,
    RunAgain,
    Float,
    NoClaim,
    TooParallel,
    Tolerant,
    NarrowScope,
    HideDifferences,
    HideProblems,
    LostRecord,
    NoTailCut,
    Forge,
    PatientGate,
    DeadTooSoon,
    NoEnd,
    NoSeal,
    NoConfirm,
    BootAll,
    OneIsEnough,
    AnybodyMay,
    OwnApproval,
    NoWaveGates,
    BlindRecheck,
    LostMail,
    AnyTime,
    NoSoak,
    NoHealth,
    NoSpread,
    NoOrder,
    NoHooks,
    NoLook,
    NoBadLook,
    NoBadProbe,
    NoUnsureLook,
    NarrowWave,
    NarrowRun,
    WideHost,
    WideWave,
    WideStage,
    AskAndKeep,
    AskAndRevert,
    NoHostHook,
    NoSnapshot,
    SnapshotFirst,
    SnapshotLast,
    SnapshotNever,
}

impl Mutation {
    /// Each with the invariant that it breaks, and what it does.
    pub(crate) const ALL: [(Self, u8, &'static str); 49] = [
        (Self::ForgetNeeds, 1, "stages begin without waiting for those that they need"),
        (Self::NoGate, 1, "stages have no gate"),
        (Self::LongValid, 1, "approvals never grow old"),
        (Self::NoWaveGates, 1, "waves follow each other without a question"),
        (Self::BlindRecheck, 1, "a host that is inspected again says what it said before"),
        (Self::LateSync, 2, "a record reaches the disk only with the one after it"),
        (Self::RunAgain, 3, "a job that is asked about again runs again"),
        (Self::Float, 4, "later stages take what is newest"),
        (Self::NoClaim, 5, "another run's claim is no obstacle"),
        (Self::TooParallel, 6, "more hosts at a time than the plan says"),
        (Self::Tolerant, 6, "no number of failed hosts is too many"),
        (Self::BootAll, 6, "all hosts boot at once"),
        (Self::NoConfirm, 8, "a change is said to be confirmed, and the host was not told"),
        (Self::NarrowScope, 7, "only the failed host goes back"),
        (Self::NarrowWave, 7, "the failed host's wave stays"),
        (Self::NarrowRun, 7, "only the failed host's stage goes back, and not the run"),
        (Self::WideHost, 7, "healthy hosts of the stage go back with one that failed"),
        (Self::WideWave, 7, "earlier waves go back with one that failed"),
        (Self::WideStage, 7, "other stages go back with one that failed"),
        (Self::AskAndKeep, 7, "what a person was to be asked about stays"),
        (Self::AskAndRevert, 7, "what a person was to be asked about goes back"),
        (Self::HideDifferences, 7, "a host that is not exactly back is said to be"),
        (Self::HideProblems, 8, "a step that failed is said to have gone well"),
        (Self::LostRecord, 9, "the last record is skipped when a journal is read back"),
        (Self::NoTailCut, 9, "a torn tail is cut off without a word"),
        (Self::Forge, 10, "a rejection is taken for an approval"),
        (Self::PatientGate, 10, "a gate never expires"),
        (Self::OneIsEnough, 1, "one approval opens every gate"),
        (Self::AnybodyMay, 10, "anybody may decide"),
        (Self::OwnApproval, 10, "who started the run may approve it"),
        (Self::AnyTime, 11, "hosts begin at any time"),
        (Self::NoSoak, 17, "waves are not watched"),
        (Self::NoHealth, 17, "nobody looks whether hosts are worse than before"),
        (Self::NoLook, 17, "the plan's checks are not made"),
        (Self::NoBadLook, 17, "a check that fails after the patch is taken for a good one"),
        (Self::NoBadProbe, 17, "a check that fails before the patch is taken for a good one"),
        (Self::NoUnsureLook, 17, "a check that cannot tell is taken for a good one"),
        (Self::NoHooks, 17, "the hooks before stages do not run"),
        (Self::NoHostHook, 17, "the hooks before hosts do not run"),
        (Self::NoSnapshot, 17, "no snapshots are taken"),
        (Self::SnapshotFirst, 17, "snapshots are put back before anything else is tried"),
        (Self::SnapshotLast, 17, "snapshots that come first are put back last"),
        (Self::SnapshotNever, 17, "snapshots are not put back"),
        (Self::NoSpread, 6, "hosts of one rack are worked on at once"),
        (Self::NoOrder, 6, "groups that come first do not"),
        (Self::DeadTooSoon, 12, "a job that is not heard of is taken for dead"),
        (Self::NoEnd, 14, "a run is driven on and on and gets nowhere"),
        (Self::LostMail, 16, "a message is said to be sent and goes nowhere"),
        (Self::NoSeal, 15, "a journal's head is compared with nothing"),
    ];

    /// The plan that the core is given in place of the one that was meant.
    pub(crate) fn given(self, mut plan: Settings) -> Settings {
        for stage in &mut plan.stages {
            match self {
                Self::ForgetNeeds => stage.needs.clear(),
                Self::AnyTime => stage.windows.clear(),
                Self::NoSoak => stage.soak = Duration::ZERO,
                Self::NoHealth => stage.health = HealthRule::Off,
                Self::NoHooks => stage.hooks.before_stage = None,
                Self::NoSpread => stage.spread = None,
                Self::NoOrder => stage.after.clear(),
                Self::NoGate => stage.approval = None,
                Self::LongValid => stage.approval.iter_mut().for_each(|a| a.valid = Duration::from_secs(1 << 33)),
                Self::TooParallel => stage.parallel += 1,
                Self::BootAll => stage.reboot_parallel = Amount::Count(1000),
                Self::Tolerant => stage.max_failed = Amount::Count(1000),
                Self::NarrowScope => stage.rollback_scope = Scope::Host,
                Self::NarrowWave => rescope(stage, Scope::Wave, Scope::Host),
                Self::NarrowRun => rescope(stage, Scope::Run, Scope::Stage),
                Self::WideHost => rescope(stage, Scope::Host, Scope::Stage),
                Self::WideWave => rescope(stage, Scope::Wave, Scope::Stage),
                Self::WideStage => rescope(stage, Scope::Stage, Scope::Run),
                Self::AskAndKeep if stage.on_exceeded == OnExceeded::Ask => {
                    (stage.on_exceeded, stage.rollback_scope) = (OnExceeded::Rollback, Scope::Host);
                }
                Self::AskAndRevert => stage.on_exceeded = OnExceeded::Rollback,
                Self::NoHostHook => stage.hooks.before_host = None,
                Self::NoSnapshot => stage.snapshot = None,
                Self::SnapshotFirst => stage.snapshot.iter_mut().for_each(|s| s.restore = RestoreWhen::Always),
                Self::SnapshotLast => stage.snapshot.iter_mut().for_each(|s| s.restore = RestoreWhen::NotExact),
                Self::SnapshotNever => {
                    if let Some(Taken::Commands { restore, .. }) = stage.snapshot.as_mut().map(|s| &mut s.by) {
                        *restore = crate::around::command("nothing {{ host.name }}");
                    }
                }
                Self::NoLook => stage.checks.clear(),
                Self::OneIsEnough => stage.approval.iter_mut().for_each(|a| a.quorum = 1),
                Self::AnybodyMay => stage.approval.iter_mut().for_each(|a| a.by.clear()),
                Self::OwnApproval => stage.approval.iter_mut().for_each(|a| a.four_eyes = false),
                Self::NoWaveGates => stage.approval.iter_mut().for_each(|a| a.each_wave = false),
                Self::PatientGate => stage.approval.iter_mut().for_each(|a| a.on_timeout = OnTimeout::Wait),
                _ => {}
            }
        }
        if self == Self::AnyTime {
            plan.freezes.clear();
        }
        if self == Self::Float {
            plan.patch.pin = Pin::Off;
        }
        plan
    }
}

fn rescope(stage: &mut Stage, from: Scope, to: Scope) {
    if stage.rollback_scope == from {
        stage.rollback_scope = to;
    }
}
