//! A state folder that a team shares: one runs, another approves, and nobody else gets in.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::access::everything;
use super::bench::{Bench, text};

/// Users and groups that every Debian has.
const STAFF: u32 = 50;
const DAEMON: u32 = 1;
const BIN: u32 = 2;
const GAMES: u32 = 5;

/// The demo's fleet, a folder for the group `staff`, and a home for each user.
struct Team {
    bench: Bench,
    place: tempfile::TempDir,
}

impl Team {
    fn start() -> Option<Self> {
        let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
        let unknown = ["", "4294967295"].contains(&login.trim());
        if !rustix::process::geteuid().is_root() || !unknown {
            eprintln!("SKIPPED: only root, and without a login behind it, can be several people");
            return None;
        }
        let team = Self { bench: Bench::start(), place: tempfile::tempdir().unwrap() };
        std::fs::set_permissions(team.place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        // Where others cannot go, the binary may be.
        std::fs::copy(env!("CARGO_BIN_EXE_patchctl"), team.path("patchctl")).unwrap();
        std::fs::create_dir(team.path("state")).unwrap();
        std::os::unix::fs::chown(team.path("state"), Some(0), Some(STAFF)).unwrap();
        std::fs::set_permissions(team.path("state"), std::fs::Permissions::from_mode(0o2770)).unwrap();
        let config = format!("group = \"staff\"\nstate-dir = {:?}\n", team.path("state").display().to_string());
        std::fs::write(team.path("team.toml"), config).unwrap();
        for uid in [DAEMON, BIN, GAMES] {
            team.settle(uid);
        }
        Some(team)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn home(&self, uid: u32) -> PathBuf {
        self.path(&uid.to_string())
    }

    /// A home with what it takes to reach the fleet.
    fn settle(&self, uid: u32) {
        let home = self.home(uid);
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        std::fs::copy(self.bench.path(".ssh/known_hosts"), home.join(".ssh/known_hosts")).unwrap();
        std::fs::copy(self.bench.demo().join("client_key"), home.join("key")).unwrap();
        let inventory = std::fs::read_to_string(self.bench.demo().join("inventory.toml")).unwrap();
        let key = self.bench.demo().join("client_key").display().to_string();
        std::fs::write(home.join("inventory.toml"), inventory.replace(&key, &home.join("key").display().to_string()))
            .unwrap();
        let plan = self.bench.read("second.toml");
        let theirs = self.bench.demo().join("inventory.toml").display().to_string();
        let ours = home.join("inventory.toml").display().to_string();
        std::fs::write(home.join("plan.toml"), plan.replace(&theirs, &ours)).unwrap();
        everything(&home, &mut |path, _| std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap());
    }

    /// Something run as this user, a member of the team or not, with this umask.
    fn command(&self, uid: u32, umask: &str, words: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        let groups = if uid == GAMES { GAMES } else { STAFF };
        command.args([format!("--reuid={uid}"), format!("--regid={uid}"), format!("--groups={groups}")]);
        command.args(["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"]).args(words);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home(uid)).current_dir(self.home(uid));
        command.stdin(Stdio::null());
        command
    }

    fn patchctl(&self, uid: u32, umask: &str, args: &[&str]) -> Command {
        let (binary, config) =
            (self.path("patchctl").display().to_string(), self.path("team.toml").display().to_string());
        let words: Vec<&str> = [binary.as_str()].into_iter().chain(args.iter().copied()).collect();
        self.command(uid, umask, &[&words[..], &["--config", &config, "--output", "json"]].concat())
    }

    #[track_caller]
    fn json(&self, uid: u32, code: i32, args: &[&str]) -> Value {
        document(&self.patchctl(uid, "077", args).output().unwrap(), code)
    }

    #[track_caller]
    fn refused(&self, uid: u32, code: i32, said: &str) {
        let document = self.json(uid, code, &["runs"]);
        let message = text(&document["errors"][0]["message"]);
        assert!(message.contains(said), "{message}");
    }
}

#[track_caller]
fn document(output: &Output, code: i32) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

#[track_caller]
fn ended(child: Child, code: i32) -> Value {
    document(&child.wait_with_output().unwrap(), code)
}

/// A file that a process makes, once it is there.
fn awaited(what: &str, mut there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn one_runs_and_another_approves() {
    let Some(team) = Team::start() else { return };
    let eyes = team.home(DAEMON).join("plan.toml");
    let plan = std::fs::read_to_string(&eyes).unwrap();
    std::fs::write(&eyes, plan.replacen("hosts = \"uat\"", "hosts = \"uat\"\napproval = { four_eyes = true }", 1))
        .unwrap();
    let waits = document(&team.patchctl(DAEMON, "0", &["run", "plan.toml", "--yes"]).output().unwrap(), 3);
    let (run, digest) = (text(&waits["run_id"]), text(&waits["waiting"]["digest"]));
    let approve = ["approve", &run, "--digest", &digest, "--reason", "smoke tests fine"];
    let own = team.json(DAEMON, 2, &approve);
    assert!(text(&own["errors"][0]["message"]).contains("four eyes"), "{own:#}");
    team.json(BIN, 0, &approve);
    // The approver goes on with it: journal, lock and letters are the team's, whatever the umask.
    let second = team.json(BIN, 3, &["resume", &run, "--private-key", "key"]);
    let uat = &second["stages"][0]["decision"]["by"][0];
    assert_eq!((text(&uat["name"]), text(&second["waiting"]["stage"])), ("bin".into(), "prod".into()), "{uat:#}");
    team.json(DAEMON, 0, &["resume", &run, "--approve", "prod", "--reason", "fine"]);
    team.json(BIN, 0, &["audit", "verify"]);
    everything(&team.path("state"), &mut |path, meta| {
        let wanted = if meta.is_dir() { 0o2770 } else { 0o660 };
        assert_eq!((meta.mode() & 0o7777, meta.gid()), (wanted, STAFF), "{}", path.display());
    });

    // Who is not of the team gets nothing out of it, and puts nothing in.
    team.refused(GAMES, 2, "is not for this user");
    let run = team.patchctl(GAMES, "077", &["run", "plan.toml", "--yes"]).output().unwrap();
    assert_ne!(run.status.code(), Some(0), "{run:?}");
}

#[test]
fn letters_count_for_whom_they_are_from() {
    let Some(team) = Team::start() else { return };
    let window = "[[stage.window]]\nstart = \"START\"\nlength = \"1h\"\n";
    let soon =
        patchctl::ports::Clock::now(&patchctl::adapters::clock::SystemClock) + jiff::SignedDuration::from_secs(3000);
    let start = soon.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S").to_string();
    let path = team.home(DAEMON).join("plan.toml");
    let plan = std::fs::read_to_string(&path).unwrap();
    let at = plan.find("hosts = \"uat\"").unwrap() + "hosts = \"uat\"\n".len();
    let (before, after) = plan.split_at(at);
    std::fs::write(&path, format!("{before}{}{after}", window.replace("START", &start))).unwrap();
    let driver = team
        .patchctl(DAEMON, "077", &["run", "plan.toml", "--yes", "--wait", "2h"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let runs = team.path("state/runs");
    let journal = |folder: &Path| std::fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
    let mut folder = PathBuf::new();
    awaited("the run waits for its window", || {
        folder = std::fs::read_dir(&runs).ok().and_then(|mut all| Some(all.next()?.ok()?.path())).unwrap_or_default();
        journal(&folder).contains("window_shut")
    });

    // A letter in somebody else's name, one that others could write, a link, and a pipe: none counts, none is waited for.
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let wish = |id: &str, by: &str, run: &str, until: &str| {
        format!(
            "{{\"run\":\"{run}\",\"id\":\"{id}\",\"until\":\"{until}\",\"wish\":{{\"cancel\":{{\"by\":\
             {{\"name\":\"{by}\",\"source\":\"login\"}},\"reason\":\"not me\"}}}}}}"
        )
    };
    let (later, other) = ("2120-01-01T00:00:00Z", "01JD0000000000000000000000");
    let letters = [
        ("a", wish("a", "daemon", &run, later), "640"),
        ("b", wish("b", "bin", &run, later), "666"),
        ("e", wish("e", "bin", other, later), "640"),
        ("f", wish("x", "bin", &run, later), "640"),
        ("g", wish("g", "bin", &run, "2026-11-01T00:00:00Z"), "640"),
    ];
    let mut script = format!(
        "cd '{}'; ln -s /etc/passwd .c; mv .c c.json; mkfifo .d; mv .d d.json\n",
        folder.join("inbox").display()
    );
    for (name, text, mode) in letters {
        script.push_str(&format!("printf '%s' '{text}' >.{name}; chmod {mode} .{name}; mv .{name} {name}.json\n"));
    }
    assert!(team.command(BIN, "022", &["sh", "-ec", &script]).status().unwrap().success());
    let reply =
        |name: &str| std::fs::read_to_string(folder.join(format!("inbox/{name}.reply.json"))).unwrap_or_default();
    for (name, said) in [
        ("a", "says that it is from daemon, and is from bin"),
        ("b", "others than its writer"),
        ("c", "a link"),
        ("d", "no plain file"),
        ("e", "for another run"),
        ("f", "at another time"),
        ("g", "at another time"),
    ] {
        awaited(name, || !reply(name).is_empty());
        assert!(reply(name).contains(said), "{}", reply(name));
    }
    assert!(!journal(&folder).contains("\"event\":\"cancelled\""));

    // A letter of its own reaches the process, and its answer the one who wrote.
    let paused = team.json(BIN, 0, &["pause", &run]);
    assert!(text(&paused["driver"]).contains("process"), "{paused:#}");
    let left = ended(driver, 3);
    assert_eq!(left["outcome"], "paused");
    assert!(journal(&folder).contains("\"event\":\"pause_asked\",\"by\":{\"name\":\"bin\""), "{}", journal(&folder));

    // What is planted in place of a file is not followed.
    let script = format!("cd '{}'; mv lock kept; ln -s /etc/passwd lock", folder.display());
    assert!(team.command(BIN, "022", &["sh", "-ec", &script]).status().unwrap().success());
    let planted = team.json(DAEMON, 1, &["resume", &run]);
    assert!(planted["errors"].to_string().contains("it is a link"), "{planted:#}");
    // Nor in place of a folder: what lies there is not ours to read, to write or to take away.
    let elsewhere = team.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("theirs.json"), "{}").unwrap();
    let script =
        format!("cd '{}'; mv kept lock; mv inbox old; ln -s '{}' inbox", folder.display(), elsewhere.display());
    assert!(team.command(BIN, "022", &["sh", "-ec", &script]).status().unwrap().success());
    team.json(DAEMON, 3, &["resume", &run, "--wait", "1s"]);
    assert_eq!(
        std::fs::read_dir(&elsewhere).unwrap().count(),
        1,
        "nothing was taken from there, and nothing put there"
    );
    let script = format!("cd '{}'; mv '{run}' kept; ln -s '{}' '{run}'", runs.display(), elsewhere.display());
    assert!(team.command(BIN, "022", &["sh", "-ec", &script]).status().unwrap().success());
    let planted = team.json(DAEMON, 1, &["resume", &run]);
    assert!(planted["errors"].to_string().contains("is a link, and no folder"), "{planted:#}");
}

#[test]
fn a_teams_folder_is_the_teams_alone() {
    let Some(team) = Team::start() else { return };
    team.json(BIN, 0, &["runs"]);
    let state = team.path("state");
    let mode = |mode| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
    for wide in [0o2775, 0o770, 0o2771] {
        mode(wide);
        team.refused(BIN, 2, "chmod 2770");
    }
    mode(0o2770);
    std::os::unix::fs::chown(&state, Some(GAMES), None).unwrap();
    team.refused(BIN, 2, "a user who is not in the group");
    std::os::unix::fs::chown(&state, Some(0), Some(GAMES)).unwrap();
    mode(0o2777);
    team.refused(BIN, 2, "does not belong to the group of the configuration");
    std::os::unix::fs::chown(&state, Some(0), Some(STAFF)).unwrap();
    mode(0o2770);
    // What one could do in the name of several asks for signatures.
    let path = team.home(BIN).join("plan.toml");
    let plan = std::fs::read_to_string(&path).unwrap();
    let two = plan.replacen("hosts = \"uat\"", "hosts = \"uat\"\napproval = { quorum = 2 }", 1);
    std::fs::write(&path, &two).unwrap();
    let refused = team.json(BIN, 2, &["run", "plan.toml", "--yes"]);
    assert!(text(&refused["errors"][0]["hint"]).contains("signed = true"), "{refused:#}");
    std::fs::write(team.path("team.toml"), "group = \"nobody-has-it\"\n").unwrap();
    team.refused(BIN, 2, "no group \"nobody-has-it\"");
}
