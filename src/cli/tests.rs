use std::time::Duration;

use clap::CommandFactory as _;

use super::{
    Cli, ColorWhen, Command, DriftArgs, InventoryCommand, OnGate, Output, PlaybookCommand, SchemaKind, Shell,
    asks_for_json, completions, man_pages, parse,
};
use crate::input::Config;

fn cli(line: &str) -> Cli {
    parse(words(line)).unwrap_or_else(|e| panic!("{line}: {e}"))
}

fn words(line: &str) -> Vec<String> {
    std::iter::once("patchctl").chain(line.split_whitespace()).map(|w| w.replace('_', " ")).collect()
}

/// The first line of the error, and its exit code.
fn error(line: &str) -> (String, i32) {
    let error = parse(words(line)).expect_err(line);
    let text = error.render().to_string();
    (text.lines().next().unwrap_or_default().to_owned(), error.exit_code())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn run_with_everything() {
    let cli = cli("run plan.toml -i a.toml -i h1,h2, -l uat:!web --output json --color never -vv --state-dir /s \
         -u root --private-key k -k -K -f 5 --change CHG1 --yes --non-interactive --approve uat --approve all \
         --reason all_green --on-gate reject --wait 2h -C");
    assert_eq!(cli.global.inventory.len(), 2);
    assert_eq!((cli.global.output(), cli.global.color(), cli.global.verbose), (Output::Json, ColorWhen::Never, 2));
    let Command::Run(args) = cli.command else { panic!("not run") };
    assert_eq!((args.contact.forks, args.contact.user.as_deref()), (Some(5), Some("root")));
    assert!(args.contact.ask_pass && args.contact.ask_become_pass && args.check);
    assert!(args.drive.yes && args.drive.non_interactive);
    assert_eq!((args.drive.approve.len(), args.drive.reason.as_deref()), (2, Some("all green")));
    assert_eq!((args.drive.on_gate(), args.drive.wait()), (OnGate::Reject, Duration::from_secs(7200)));
    let prod = crate::core::ids::StageName::new("prod").unwrap();
    assert!(args.drive.approves(&prod), "`all` is every stage");
}

#[test]
fn every_command_by_its_name() {
    for line in [
        "new",
        "new p.toml --uat uat --prod prod --packages openssl,libssl3",
        "run p.toml",
        "plan p.toml --no-refresh -o kept.json",
        "check p.toml",
        "runs",
        "status",
        "status last --exit-code",
        "approve last --reason fine --digest sha256:3f9a61c2 --stage uat --resume",
        "reject 01JD --reason slow",
        "approve last --sign key --reason fine --digest 01234567",
        "approve ./uat.json --sign key.pub --yes",
        "reject last --reason slow --export uat.json",
        "approve last --import uat.json --resume",
        "resume --due",
        "resume CHG1 --failed",
        "pause last",
        "cancel CHG1 --reason why --yes -u root -K",
        "recover last -l web-1,web-2 --approve all --reason fine",
        "release 01JD -l web-1 --reason gone --yes",
        "rollback last --stage prod --packages libssl* --dry-run --reason why -l web-1",
        "report last --output json",
        "inventory list --output json",
        "inventory list uat",
        "inventory ping --accept-new-host-keys -u root",
        "playbook list",
        "playbook show apt",
        "demo --reject",
        "demo --fail uat-2",
        "completions bash",
        "man out",
        "audit verify",
        "audit verify last --anchors -",
        "audit verify --export d",
        "audit export last -o d",
        "audit export --since 2026-01-01 --until 2026-01-31T08:00:00+01:00 -o d --anchors -",
        "schema plan",
        "schema event",
    ] {
        cli(line);
    }
    assert!(matches!(cli("schema result").command, Command::Schema { kind: SchemaKind::Result }));
    assert!(matches!(cli("drift uat:&web -f 3").command, Command::Drift(DriftArgs { pattern: Some(_), .. })));
    let Command::Drill(args) = cli("drill plan.toml -y --wait 2h -l uat-1").command else { panic!("another command") };
    assert_eq!((args.drive().yes, args.drive().wait().as_secs()), (true, 7200));
    assert!(matches!(cli("playbook list").command, Command::Playbook(PlaybookCommand::List)));
    assert!(matches!(cli("inventory ping").command, Command::Inventory(InventoryCommand::Ping(_))));
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (line, what) in [
        ("updates --security", "`patchctl updates`"),
        ("updates --help", "`patchctl updates`"),
        ("inventory graph", "`patchctl inventory graph`"),
        ("playbook new x", "`patchctl playbook new`"),
        ("playbook test apt --on web-1", "`patchctl playbook test`"),
        ("run p.toml --planned x", "`--planned`"),
        ("run p.toml --planned f", "`--planned`"),
        ("run p.toml --stage prod --proof last", "`--stage`"),
        ("resume last --proof last", "`--proof`"),
        ("report last --output csv", "`--output csv`"),
        ("report last --output junit", "`--output junit`"),
    ] {
        let (text, code) = error(line);
        assert!(text.starts_with(&format!("error: {what} is not built yet in this version")), "{line}: {text}");
        assert_eq!(code, 2, "{line}");
    }
}

#[test]
fn mistakes_end_with_2() {
    for (line, part) in [
        ("", ""),
        ("rnu plan.toml", "unrecognized subcommand 'rnu'"),
        ("run", "required arguments were not provided"),
        ("run p.toml --frobnicate", "unexpected argument '--frobnicate'"),
        ("run p.toml --approve uat", "`--approve` needs `--reason TEXT`"),
        ("run p.toml --approve $(id) --reason x", "invalid value '$(id)'"),
        ("run p.toml --change ../x", "invalid value '../x'"),
        ("run p.toml --wait 10", "has a number without a unit"),
        ("run p.toml -f 0", "invalid value '0'"),
        ("run p.toml --reason _", "a reason must say something"),
        ("approve last --import f --reason x", "cannot be used with"),
        ("approve last --import f --sign k", "cannot be used with"),
        ("approve last --export f --resume", "cannot be used with"),
        ("runs --output html", "`--output html` is for `patchctl report` alone"),
        ("audit export -o d", "required arguments were not provided"),
        ("audit export last --since 2026-01-01 -o d", "cannot be used with"),
        ("audit export --since 2026-01-01T08:00 -o d", "give a day"),
        ("resume", "required arguments were not provided"),
        ("resume last --due", "cannot be used with"),
        ("approve last --digest 12", "at least the first 8 digits"),
        ("pause", "required arguments were not provided"),
        ("pause last --yes", "unexpected argument '--yes'"),
        ("cancel last --reason _", "a reason must say something"),
        ("recover last", "`recover` needs `-l HOST`"),
        ("recover last -l web-1 --approve all", "`--approve` needs `--reason TEXT`"),
        ("release last --reason gone", "`release` needs `-l HOST`"),
        ("release last -l web-1", "required arguments were not provided"),
        ("rollback last --packages a;b", "invalid value 'a;b'"),
        ("new --uat u", "required arguments were not provided"),
        ("runs -q -v", "cannot be used with"),
        ("completions tcsh", "invalid value 'tcsh'"),
        ("demo --reject --approve", "cannot be used with"),
    ] {
        let error = parse(words(line)).expect_err(line);
        let text = error.to_string();
        assert!(text.contains(part), "{line}: {text}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    assert_eq!(error("--help").1, 0);
    assert_eq!(error("--version"), (format!("patchctl {}", env!("CARGO_PKG_VERSION")), 0));
}

#[test]
fn the_configuration_fills_what_flags_leave_open() {
    let config = Config {
        inventory: vec!["fleet.toml".into()],
        output: Some("json".into()),
        user: Some("patch".into()),
        forks: Some(5),
        on_gate: Some("reject".into()),
        verbose: Some(2),
        ..Config::default()
    };
    let open = cli("run p.toml").with(config.clone());
    assert_eq!((open.global.output(), open.global.default_inventory.len()), (Output::Json, 1));
    assert_eq!((open.global.inventory.len(), open.global.verbose), (0, 2));
    let Command::Run(args) = open.command else { panic!("not run") };
    assert_eq!((args.contact.forks, args.contact.user, args.drive.on_gate()), (Some(5), None, OnGate::Reject));
    assert_eq!(args.contact.default_user.as_deref(), Some("patch"), "weaker than the inventory's");
    let set = cli("run p.toml -i a -i b --output table -f 9 -q").with(config);
    assert_eq!((set.global.output(), set.global.inventory.len(), set.global.verbose), (Output::Table, 2, 0));
    let Command::Run(args) = set.command else { panic!("not run") };
    assert_eq!(args.contact.forks, Some(9));
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    let error = cli("runs --config /nowhere/config.toml").configured().unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/config.toml: no such file");
}

#[test]
fn packages_for_a_new_plan() {
    let args = |list: &[&str]| {
        let mut line = words("new --uat u --prod p");
        line.extend(list.iter().flat_map(|item| ["--packages".to_owned(), (*item).to_owned()]));
        match parse(line).unwrap().command {
            Command::New(args) => args.package_list(),
            _ => panic!("not new"),
        }
    };
    assert_eq!(args(&["openssl,libssl3=3.0", "curl"]), ["openssl", "libssl3=3.0", "curl"]);
    let line = "apt/focal-updates,focal 2.0.11 amd64 [upgradable from: 2.0.10]";
    assert_eq!(args(&[line]), [line]);
}

#[test]
fn json_is_seen_on_a_wrong_command_line_too() {
    assert!(asks_for_json(&["patchctl", "frobnicate", "--output", "json"]));
    assert!(asks_for_json(&["patchctl", "--output=jsonl"]));
    assert!(!asks_for_json(&["patchctl", "--output", "table"]));
    assert!(!asks_for_json(&["patchctl", "run", "--", "--output", "json"]));
}

#[test]
fn pages_and_completions_have_what_is_built_and_no_more() {
    let pages = man_pages().unwrap();
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["patchctl.1", "patchctl-run.1", "patchctl-inventory-ping.1", "patchctl-demo.1"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("updates") || name.contains("graph")), "{names:?}");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let text = completions(shell);
        assert!(text.contains("accept-new-host-keys"), "{shell:?}");
        for later in ["updates", "planned", "junit"] {
            assert!(!text.contains(later), "{shell:?} offers {later}");
        }
    }
}
