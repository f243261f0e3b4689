//! Which messages follow, what they say, and that nothing waits for them.

use jiff::SignedDuration;

use super::world::{Does, World, settings};
use crate::core::document::{Outcome, Verdict};
use crate::core::event::{Event, Step};
use crate::core::findings::Fate;
use crate::core::notify::{Channel, Notify, Topic};
use crate::core::problem::ErrorKind;
use crate::core::settings::{Amount, OnExceeded, Settings};

fn channel(name: &str, on: &[Topic]) -> Notify {
    Notify { name: name.into(), on: on.to_vec(), to: Channel::Command { run: "true".into() } }
}

/// The plan of the stories with one channel for everything.
fn told_all() -> Settings {
    Settings { notify: vec![channel("all", &Topic::ALL)], ..settings() }
}

/// What was told, in order: `gate uat`.
fn told(world: &World) -> Vec<String> {
    let stage =
        |message: &crate::core::notify::Message| message.stage.as_ref().map_or("", |stage| stage.as_str()).to_owned();
    world.told.iter().map(|message| format!("{} {}", message.event, stage(message)).trim().to_owned()).collect()
}

#[test]
fn gates_and_the_end_are_told_with_all_that_a_decision_needs() {
    let mut world = World::new(told_all());
    world.drive();
    assert_eq!(told(&world), ["gate uat"]);
    let gate = &world.told[0];
    let decide = gate.decide.as_ref().unwrap();
    let open = world.rollout.stages()[0].gate.as_ref().unwrap().digest;
    assert_eq!(decide.digest, open);
    let (run, digits) = ("01JD0000000000000000000000", &open.hex()[..12]);
    assert_eq!(decide.approve, format!("patchctl approve {run} --stage uat --digest {digits} --reason TEXT --resume"));
    assert_eq!(decide.reject, format!("patchctl reject {run} --stage uat --reason TEXT --resume"));
    assert_eq!((gate.title.as_str(), gate.outcome), ("p: stage uat waits for a decision", Outcome::Running));
    let text = gate.text.join("\n");
    for expected in [
        "run 01JD0000000000000000000000, change CHG1, started by ops",
        "2 hosts of 2 patched, a rejection takes them back; approval opens prod (4 hosts)",
        "openssl 1 → 2 on 2 hosts",
        "approvals: 0 of 1; anybody who may use the state folder may decide",
        &open.to_string(),
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }

    let mut world = World::new(told_all()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    world.drive();
    assert_eq!(told(&world), ["gate uat", "gate prod", "finished"]);
    let end = world.told.last().unwrap();
    assert_eq!((end.title.as_str(), end.outcome), ("p: the run is over: complete", Outcome::Complete));
    assert_eq!(end.summary.patched, 6);
    assert_eq!(end.more, format!("patchctl report {run}"));
    assert!(
        end.text.iter().any(|line| line == "stage uat: 2 hosts, succeeded, decided by boss: fine"),
        "{:?}",
        end.text
    );
}

#[test]
fn each_channel_hears_only_what_it_asked_for_and_nothing_twice() {
    let notify = vec![channel("a", &[Topic::Gate]), channel("b", &[Topic::Failed]), channel("c", &Topic::ALL)];
    let mut world = World::new(Settings { notify, ..settings() }).gate(0, Verdict::Rejected, "slow");
    world.mail_arrives = false;
    world.drive();
    let heard = |channel: u16| -> Vec<_> {
        let of = world.rollout.outbox().filter(|queued| queued.channel == channel);
        of.map(|queued| world.told[queued.number as usize - 1].event).collect()
    };
    assert_eq!(heard(0), ["gate"]);
    assert!(heard(1).is_empty(), "a rejection is no failure");
    assert_eq!(heard(2), ["gate", "rollback", "finished"]);
    assert!(world.told.iter().any(|message| message.text.iter().any(|line| line == "rejected by boss: slow")));
}

#[test]
fn a_failure_is_told_once_a_stage() {
    let fails = || [Does::Fails(ErrorKind::Apply, Fate::Changed)];
    let mut world = World::new(told_all()).host(0, Step::Apply, &fails()).host(1, Step::Apply, &fails());
    world.drive();
    assert_eq!(told(&world), ["failed uat", "finished"], "they go back by themselves");
    assert!(world.told[0].text.iter().any(|line| line.contains("max_failed")), "{:?}", world.told[0].text);
    assert!(world.told[0].text.iter().any(|line| line.contains("h0") && line.contains("as scripted")));

    // Within the budget the first is told, and that there are too many, once more.
    let mut plan = told_all();
    (plan.stages[0].max_failed, plan.stages[0].parallel) = (Amount::Count(1), 1);
    let mut world = World::new(plan).host(0, Step::Apply, &fails()).host(1, Step::Apply, &fails());
    world.drive();
    assert_eq!(told(&world), ["failed uat", "failed uat", "finished"]);
}

#[test]
fn who_asked_for_failures_hears_of_a_bad_end_that_none_announced() {
    let mut plan = Settings { notify: vec![channel("b", &[Topic::Failed])], ..settings() };
    plan.stages[0].on_exceeded = OnExceeded::Ask;
    let unreachable = [Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)];
    let mut world = World::new(plan.clone()).host(0, Step::Resolve, &unreachable).host(1, Step::Resolve, &unreachable);
    world.drive();
    assert_eq!((world.outcome(), told(&world)), (Outcome::Refused, vec!["finished".to_owned()]));
    let mut world = World::new(plan).gate(0, Verdict::Approved, "x").gate(1, Verdict::Approved, "x");
    world.drive();
    assert_eq!(told(&world), Vec::<String>::new());
}

#[test]
fn nothing_waits_for_a_message_and_none_is_lost_with_the_process() {
    let mut world = World::new(told_all()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    world.mail_arrives = false;
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete, "the run is over, whatever became of its messages");
    let ended = world.rollout.last_at();
    let open = |world: &World| world.rollout.outbox().map(|queued| queued.number).collect::<Vec<_>>();
    assert_eq!(open(&world), [1, 2, 3]);
    // A process that comes later sends them, and the run's end stays where it was.
    world.now += SignedDuration::from_hours(1);
    let first = world.told.clone();
    (world.mail_arrives, world.told) = (true, Vec::new());
    world.rollout.hand_out_again();
    while let Some(effect) = world.rollout.next_effect() {
        world.carry_out(&effect);
    }
    let ids = |messages: &[crate::core::notify::Message]| messages.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&world.told), ids(&first), "the same messages");
    assert_eq!(world.told[0].title, "p: the gate of stage uat was decided meanwhile");
    assert_eq!(world.told[0].text[1], "approved by boss: fine");
    assert!(world.told[0].decide.is_none());
    assert_eq!((open(&world), world.rollout.last_at()), (vec![], ended));
    world.replays_at_every_length();
}

#[test]
fn a_gate_that_waits_for_long_is_told_once_more() {
    let mut world = World::new(told_all());
    world.drive();
    assert_eq!(world.rollout.next_reminder(), Some(world.now + SignedDuration::from_hours(7 * 24)));
    assert!(!world.rollout.owes_messages(world.now));
    world.now += SignedDuration::from_hours(7 * 24) + SignedDuration::from_secs(1);
    assert!(world.rollout.owes_messages(world.now));
    let reminders = world.rollout.reminders_due(world.now);
    assert!(matches!(reminders.as_slice(), [Event::Reminded { .. }]));
    world.resume(None);
    world.resume(None);
    assert_eq!(told(&world), ["gate uat", "reminder uat"]);
    assert_eq!(world.told[1].title, "p: stage uat still waits for a decision");
    assert!(world.told[1].decide.is_some());
    assert_eq!(world.rollout.next_reminder(), None);
}

#[test]
fn without_anybody_to_tell_nothing_is_queued_and_nothing_reminded() {
    let mut world = World::new(settings());
    world.drive();
    assert_eq!((world.rollout.messages(), world.rollout.next_reminder()), (0, None));
}

#[test]
fn what_a_host_says_steers_nothing_and_stays_short() {
    let mut plan = told_all();
    plan.stages[0].parallel = 1;
    let mut world = World::new(plan).host(0, Step::Apply, &[Does::Says("\x1b[2J\u{202e}<!channel>\n".repeat(100))]);
    world.drive();
    let text = world.told[0].text.join("\n");
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
    assert!(world.told[0].text.iter().all(|line| line.chars().count() <= 250), "{text}");
    assert!(world.told.iter().all(|message| message.text.len() <= 20));
}
