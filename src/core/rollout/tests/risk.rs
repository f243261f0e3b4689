//! What a stage's transactions put at stake.

use super::world::{Does, World, settings, upgrade};
use crate::core::event::Step;
use crate::core::findings::Fate;
use crate::core::ids::StageIx;
use crate::core::packages::{OpKind, PackageName, PackageOp};
use crate::core::problem::ErrorKind;
use crate::core::risk::Severity;
use crate::core::settings::Reboot;

#[test]
fn what_is_at_stake_is_counted_from_what_was_resolved() {
    let image = PackageName::new("linux-image-6.1.0-40-amd64").unwrap();
    let kernel = PackageOp { name: image.clone(), security: false, origin: "Debian".into(), ..upgrade("2").remove(0) };
    let gone = PackageName::new("gone").unwrap();
    let removal = PackageOp { op: OpKind::Remove, name: gone.clone(), to: None, ..upgrade("2").remove(0) };
    let mut plan = settings();
    plan.stages[0].reboot = Reboot::Needed;
    plan.patch.severity = Some(Severity::Low);
    let ops = [upgrade("2"), vec![kernel], vec![removal]].concat();
    let mut world = World::new(plan).host(0, Step::Resolve, &[Does::Resolves(ops)]);
    world.drive();
    let risk = world.rollout.risk(StageIx(0));
    assert_eq!((risk.severity, risk.hosts, risk.packages.len()), (Severity::Low, 2, 3));
    assert_eq!((risk.kernels.into_iter().collect::<Vec<_>>(), risk.removals), (vec![image], [gone].into()));
    assert_eq!(risk.origins, ["Debian".to_owned(), "Debian-Security".to_owned()].into());
    assert!(risk.reboot && risk.proven && !risk.security_only);
}

#[test]
fn hosts_that_are_not_touched_put_nothing_at_stake() {
    let unreachable = Does::Fails(ErrorKind::Unreachable, Fate::Unchanged);
    let mut plan = settings();
    plan.stages[0].max_unreachable = crate::core::settings::Amount::Count(2);
    let mut world = World::new(plan).host(0, Step::Resolve, &[unreachable, Does::Pends]);
    world.drive();
    let risk = world.rollout.risk(StageIx(0));
    assert_eq!((risk.hosts, risk.severity, risk.security_only), (1, Severity::Critical, true));
    assert_eq!(world.rollout.risk(StageIx(1)).hosts, 0, "its hosts have not been asked");
}
