//! Many hosts.

use super::bench::{Bench, host, standing};
use super::host::{Host, plain};

const NAMES: [&str; 20] = [
    "uat-01", "uat-02", "uat-03", "uat-04", "uat-05", "uat-06", "uat-07", "uat-08", "uat-09", "uat-10", "uat-11",
    "uat-12", "uat-13", "uat-14", "uat-15", "uat-16", "uat-17", "uat-18", "uat-19", "uat-20",
];

#[test]
fn twenty_hosts_are_patched_wave_by_wave() {
    let specs: Vec<_> = NAMES.into_iter().map(plain).collect();
    let Some(bench) = Bench::start(&specs) else { return };
    let inventory = bench.read("inventory.toml");
    let tagged = inventory.replace("[hosts.\"uat-07\"]\n", "[hosts.\"uat-07\"]\ntags = [\"canary\"]\n");
    bench.write("inventory.toml", &tagged);
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "waves = [1, \"25%\", \"50%\"]\nparallel = 6");
    let args = ["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine", "--output", "json"];
    let answer = bench.patchctl(&args).ended(0);
    let document = answer.json();
    assert_eq!(document["summary"]["patched"], 20);
    let mut sizes = [0; 5];
    for name in NAMES {
        assert_eq!(standing(&document, name), "PATCH/SUCCESS patched");
        sizes[usize::try_from(host(&document, name)["wave"].as_u64().unwrap()).unwrap()] += 1;
    }
    assert_eq!(sizes, [0, 1, 5, 10, 4]);
    assert!(bench.hosts.iter().all(|host| host.version("lab-plain") == "2.0" && !host.is_claimed()));

    // Progress without a terminal: whole lines, no control characters, each host's end, each wave's beginning.
    let err = &answer.err;
    assert!(!err.contains(|c: char| c.is_control() && c != '\n'), "{err:?}");
    for wave in 1..=4 {
        assert!(err.lines().any(|line| line.contains(&format!("wave {wave} of 4"))), "{err}");
    }
    for name in NAMES {
        assert!(err.lines().any(|line| line.contains(name) && line.contains("patched")), "{name}: {err}");
    }
    // The canary was alone: its end comes before the second wave begins.
    let at = |what: &str| err.find(what).unwrap();
    let canary = "uat-07";
    assert_eq!(host(&document, canary)["wave"], 1);
    let end = err.lines().position(|line| line.contains(canary) && line.contains("patched")).unwrap();
    let second = err.lines().position(|line| line.contains("wave 2 of 4")).unwrap();
    assert!(end < second && at("wave 1 of 4") < at("wave 2 of 4"), "{err}");
}

#[test]
fn a_failing_canary_spares_the_others() {
    let mut specs: Vec<_> = NAMES[..4].iter().map(|name| plain(name)).collect();
    specs[0] = plain(NAMES[0]).install(&["lab-failing=1.0"]);
    let Some(bench) = Bench::start(&specs) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\", \"lab-failing\"]", "waves = [1, 3]");
    let document = bench.json(5, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, NAMES[0]), "ROLLBACK/SUCCESS restored");
    for name in &NAMES[1..4] {
        assert_eq!(standing(&document, name), "NONE/SKIPPED not_begun");
    }
    bench.hosts[1..].iter().for_each(Host::assert_untouched);
}
