//! What is said about bad plans, to the letter (see `snapshots/`).

use super::{GOOD, mistakes, mistakes_after, mistakes_with, snapshot};

#[test]
fn plans() {
    let cases = [
        ("a misspelt key", mistakes_with("packages =", "packges =")),
        ("no name", mistakes_with("name = \"p\"\n", "")),
        ("a key in the wrong table", mistakes_with("name = \"p\"", "name = \"p\"\npackages = []")),
        ("a number for a name", mistakes_with("name = \"p\"", "name = 5")),
        ("no hosts", mistakes_with("hosts = \"uat\"\n", "")),
        ("an empty plan", mistakes("")),
        ("broken TOML", mistakes("name = \"p\"\nname = \"q\"\nx = \n")),
        ("stage is not a list", mistakes(&GOOD.replace("[[stage]]", "[stage]"))),
        ("no packages", mistakes_with("packages = [\"openssl\"]", "")),
        ("packages beside select = all", mistakes_with("packages =", "select = \"all\"\npackages =")),
        ("a misspelt word", mistakes_with("packages =", "select = \"securty\"\npackages =")),
        ("an unknown word", mistakes_with("packages =", "select = \"everything\"\npackages =")),
        ("a key of the gate in the stage", mistakes_after("quorum = 2\nprefetch = 1\nsoak = \"10\"")),
        ("checks that ask nothing, or twice", mistakes_after(&checks(&["", "run = \"x\"\ntcp = \"h:1\""]))),
        (
            "checks",
            mistakes_after(&checks(&[
                "http = \"ftp://x\"",
                "http = \"http://{{ host.nam }}/\"",
                "http = \"http://x/\"\nstatus = [99, \"x\"]\nequals = 1\nlatency = \"soon\"",
                "run = \"echo '{{ host.name }}'\"",
                "run = \"x\"\ninconclusive = [0, 300]\nwhen = \"after\"\ncompare = true",
                "tcp = \"host\"",
                "unit = \"x\"\nstatus = 200",
                "prometheus = \"http://x\"",
                "prometheus = \"http://x\"\nquery = \"up\"\nmin = \"1\"",
                "prometheus = \"http://x\"\nquery = \"up\"\nmin = 2\nmax = 1.5",
                "http = \"https://x/\"\nca = \"nowhere.pem\"\nstatus = []",
            ])),
        ),
        ("a check's name", mistakes_after("[[stage.check]]\nname = \"disk\"\nrun = \"x\"")),
        (
            "hooks",
            mistakes_after(
                "[stage.hooks]\nbefore_stage = { local = \"echo {{ host.name }}\" }\nafter_host = { }\n\
                 before_host = { run = \"a\", local = \"b\" }\nafter_hosts = { run = \"a\" }",
            ),
        ),
        ("snapshots", mistakes_after("[stage.snapshot]\ntake = { run = \"a\" }")),
        ("snapshots of btrfs", mistakes_after("[stage.snapshot]\nbtrfs = [\"srv\", \"/\"]\nremove = { run = \"a\" }")),
        (
            "health",
            mistakes_after(
                "health = \"maybe\"\nhealth_exclude = \"x\"\nhealth_within = \"soon\"\nspread = 1\nafter = [1]",
            ),
        ),
        ("a bad window", mistakes_after("[[stage.window]]\ndays = [\"Satt\"]\nstart = \"22:00\"")),
        ("nobody to tell", mistakes_after("[[notify]]\non = [\"gate\"]\n[[notify]]\nslack = {}")),
        (
            "one channel each",
            mistakes_after(
                "[[notify]]\nslack = { url_env = \"A\" }\ncommand = { run = \"true\" }\n[[notify]]\nslak = 1",
            ),
        ),
        (
            "secrets in the plan",
            mistakes_after(
                "[[notify]]\nslack = { url = \"https://hooks.slack.com/services/T/B/secret\" }\n\
                 [[notify]]\nteams = { url_env = \"https://x.example/secret\" }\n\
                 [[notify]]\nwebhook = { url = \"http://x.example/secret\", secret = \"abc\" }",
            ),
        ),
        (
            "bad URLs",
            mistakes_after(
                "[[notify]]\nwebhook = { url = \"ftp://x\" }\n[[notify]]\nwebhook = { url = \"https://\" }\n\
                 [[notify]]\nwebhook = { url = \"http://127.0.0.1.evil.example/\" }\n\
                 [[notify]]\nwebhook = { url = \"http://localhost@evil.example/\" }\n\
                 [[notify]]\nwebhook = { url = \"https://a b\" }",
            ),
        ),
        (
            "several sources",
            mistakes_after(
                "[[notify]]\nwebhook = { url = \"https://x\", url_env = \"A\", secret_env = \"B\", secret_file = \"c\" }\n\
                 [[notify]]\nwebhook = { url = \"https://x\", ca = \"no.pem\" }",
            ),
        ),
        (
            "topics and names",
            mistakes_after(
                "[[notify]]\non = []\nname = \"a b\"\ncommand = { run = \" \" }\n\
                 [[notify]]\nname = \"x\"\non = [\"gates\", \"end\"]\ncommand = { run = \"true\" }\n\
                 [[notify]]\nname = \"x\"\ncommand = { run = \"true\" }",
            ),
        ),
        (
            "mail addresses",
            mistakes_after(
                "[[notify]]\nemail = { to = [\"-oQ/tmp\", \"a@b\\nBcc: c@d\", \"Ops <o@x>\"], from = \"a@\" }\n\
                 [[notify]]\nemail = { to = [] }\n[[notify]]\nemail = {}",
            ),
        ),
        ("approval = true", mistakes_after("approval = true")),
        (
            "the gate",
            mistakes_after("approval = { when = \"befor\", quorum = 2, by = [\"x\"], signed = true, wit = \"7d\" }"),
        ),
        ("a dead man that would act too soon", mistakes_after("dead_man = \"9s\"")),
        ("a dead man that is no duration", mistakes_after("dead_man = true")),
        ("a word for no dead man", mistakes_after("dead_man = \"never\"")),
        ("boots", mistakes_after("reboot = \"sometimes\"\nreboot_parallel = 0\nreboot_timeout = \"0s\"")),
        (
            "bad numbers",
            mistakes_after("waves = []\nparallel = 0\nmax_failed = \"101%\"\nmax_unreachable = 1.5\ntimeout = \"10\""),
        ),
        (
            "bad items",
            mistakes_after("waves = [0, \"0%\", \"x\", true]\ntimeout = \"0s\"\nrestart_exclude = [\"a b\", 3]"),
        ),
        ("an unknown stage is needed", mistakes_after("needs = [\"uta\", \"uat\"]")),
        ("two stages of one name", mistakes_after("needs = []\n[[stage]]\nname = \"uat\"\nhosts = \"x\"")),
        (
            "stages need each other",
            mistakes_after("needs = [\"b\"]\n[[stage]]\nname = \"b\"\nhosts = \"x\"\nneeds=[\"uat\"]"),
        ),
        (
            "hostile packages",
            mistakes_with(
                "\"openssl\"",
                "\"openssl\", \"openssl=1\", \"-o=x\", \"a;b\", \"$(id)\", \"`id`\", \"../x\", 5",
            ),
        ),
        ("variables", mistakes_with("packages =", "vars = { A = \"x\", b = 1, c = \"a\\nb\" }\npackages =")),
        (
            "files that are not there",
            mistakes_with("packages =", "playbook = \"./no.toml\"\napproved = \"no.txt\"\npackages ="),
        ),
        (
            "excluded, and hostile playbook names",
            mistakes_with(
                "packages =",
                "exclude = [\"open*\"]\npackages_for = { \"-x\" = [\"a\"], dnf = \"x\" }\npackages =",
            ),
        ),
        ("a hostile stage name", mistakes_with("\"uat\"\nhosts", "\"../uat\"\nhosts")),
        (
            "hostile names at the top",
            mistakes_with("name = \"p\"", "name = \"$(id)\"\nschema = 2\nchange = \"a\\nb\"\ninventory = \"\""),
        ),
        ("misspelt and unknown at the top", mistakes_with("name = \"p\"", "nmae = \"p\"\nextra = 1")),
    ];
    snapshot("bad_plans", &cases);
}

/// Checks with these keys, each under a name of its own.
fn checks(all: &[&str]) -> String {
    let check = |(at, keys): (usize, &&str)| format!("[[stage.check]]\nname = \"c{at}\"\n{keys}\n");
    all.iter().enumerate().map(check).collect()
}
