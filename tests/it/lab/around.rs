//! What goes around a patch on real hosts: hooks, checks, the built-in comparison, soaking, order.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::bench::{Bench, first_error, host, standing};
use super::host::{plain, wait_until};

const APPROVED: [&str; 5] = ["--yes", "--approve", "all", "--reason", "fine"];

/// A web server on this machine: each request is answered by what is set now, one for `/slow` in 0.3 seconds.
struct Web {
    port: u16,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked) = (Arc::new(Mutex::new((status, body.to_owned()))), Arc::default());
        let web = Self { port, answer, asked };
        let (answer, asked) = (Arc::clone(&web.answer), Arc::clone(&web.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &answer, &asked);
            }
        });
        web
    }

    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &Mutex<(u16, String)>, asked: &Mutex<Vec<String>>) {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).unwrap_or(0);
    let text = String::from_utf8_lossy(&request[..read]).into_owned();
    let line = text.lines().next().unwrap_or_default();
    asked.lock().unwrap().push(line.to_owned());
    if line.contains("/slow") {
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let (status, body) = answer.lock().unwrap().clone();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// What a Prometheus server says where the query's only value is this.
fn value(value: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"value":[1,"{value}"]}}]}}}}"#)
}

/// A plan for one package with this in each stage.
fn plan(bench: &Bench, stage: &str) {
    bench.plan_of("lab", "packages = [\"lab-plain\"]", stage);
}

fn run(bench: &Bench, code: i32) -> Value {
    bench.json(code, &[&["run", "plan.toml"], &APPROVED[..]].concat())
}

fn check_of<'a>(document: &'a Value, of: &str, name: &str, when: &str) -> &'a Value {
    let checks = host(document, of)["checks"].as_array().unwrap();
    match checks.iter().find(|check| check["name"] == name && check["when"] == when) {
        Some(check) => check,
        None => panic!("no check {name} {when}: {checks:#?}"),
    }
}

#[test]
fn hooks_and_checks_come_in_their_order_with_their_values() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    let web = Web::start(200, r#"{"status":{"db":"ok"},"n":1}"#);
    let metrics = Web::start(200, &value("0.995"));
    bench.defaults("user = \"root\"\nvars = { site = \"a b'$(touch /tmp/pwned)\", port = 22 }");
    plan(
        &bench,
        &format!(
            r#"[stage.hooks]
before_stage = {{ local = "echo before_stage {{{{ stage }}}} >>hooks.log" }}
after_stage = {{ run = "echo after_stage {{{{ stage }}}} >>/root/hooks.log" }}
before_host = {{ local = "echo before_host {{{{ host.name }}}} {{{{ host.vars.site }}}} >>hooks.log; echo drained {{{{ host.name }}}}" }}
after_host = {{ run = "echo after_host {{{{ host.name }}}} {{{{ host.vars.site }}}} >>/root/hooks.log; dpkg-query -W lab-plain >>/root/hooks.log" }}
[[stage.check]]
name = "unit"
unit = "ssh.service"
[[stage.check]]
name = "rows"
run = "cat /etc/hostname; echo {{{{ host.vars.site }}}}; dpkg-query -W lab-plain >>/root/hooks.log"
compare = true
[[stage.check]]
name = "port"
tcp = "{{{{ host.address }}}}:{{{{ host.vars.port }}}}"
[[stage.check]]
name = "page"
http = "http://127.0.0.1:{port}/health?host={{{{ host.name }}}}&site={{{{ host.vars.site }}}}"
json = "status.db"
equals = "ok"
latency = "5s"
[[stage.check]]
name = "slo"
prometheus = "http://127.0.0.1:{metrics}"
query = "up"
min = 0.99
max = 1
[[stage.check]]
name = "here"
local = "test {{{{ host.name }}}} != x"
when = "after""#,
            port = web.port,
            metrics = metrics.port,
        ),
    );
    let document = run(&bench, 0);
    let run_id = document["run_id"].as_str().unwrap();
    assert_eq!(standing(&document, "prod-1"), "PATCH/SUCCESS patched");
    let value = "a b'$(touch /tmp/pwned)";
    let here = |name: &str| format!("before_host {name} {value}\n");
    let log = bench.read("hooks.log");
    assert_eq!(log, format!("before_stage uat\n{}before_stage prod\n{}", here("uat-1"), here("prod-1")));
    assert_eq!(
        bench.host("uat-1").read("/root/hooks.log"),
        format!("lab-plain\t1.0\nlab-plain\t2.0\nafter_host uat-1 {value}\nlab-plain\t2.0\nafter_stage uat\n"),
        "the check before the patch, the one after it, and what follows"
    );
    assert!(!std::path::Path::new("/tmp/pwned").exists() && !bench.host("uat-1").exists("/tmp/pwned"));
    for (name, when, detail) in [
        ("unit", "before", "active"),
        ("unit", "after", "active"),
        ("rows", "after", value),
        ("running", "after", " services as before"),
        ("ports", "after", "2 listening as before"),
        ("disk", "after", "at most"),
        ("mounts", "after", "as before"),
    ] {
        let found = check_of(&document, "uat-1", name, when);
        assert!(found["ok"] == true && found["detail"].as_str().unwrap().contains(detail), "{found}");
    }
    assert!(check_of(&document, "uat-1", "port", "after")["detail"].as_str().unwrap().starts_with("connected in"));
    assert!(
        check_of(&document, "uat-1", "page", "after")["detail"].as_str().unwrap().starts_with("status.db is \"ok\"")
    );
    assert_eq!(check_of(&document, "uat-1", "here", "after")["ok"], true);
    assert_eq!(check_of(&document, "uat-1", "slo", "after")["detail"], "0.995");
    let asked = web.asked();
    let line = "GET /health?host=uat-1&site=a%20b%27%24%28touch%20%2Ftmp%2Fpwned%29 HTTP/1.1";
    assert!(asked.iter().filter(|asked| asked.as_str() == line).count() >= 2, "{asked:#?}");
    // What hooks printed is in the record.
    let journal = bench.read(&format!("state/runs/{run_id}/journal.jsonl"));
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps = events.iter().filter(|event| event["event"] == "step_started" && event["host"] == 0);
    let steps: Vec<&str> = steps.map(|event| event["step"].as_str().unwrap()).collect();
    let around = ["before", "probe", "apply", "check", "after"];
    assert_eq!(steps.into_iter().filter(|step| around.contains(step)).collect::<Vec<_>>(), around);
    let ended = journal.lines().find(|line| line.contains("\"step_ended\"") && line.contains("\"before\"")).unwrap();
    let ended: Value = serde_json::from_str(ended).unwrap();
    let blob = ended["result"]["done"]["log"].as_str().unwrap().trim_start_matches("sha256:");
    assert_eq!(bench.read(&format!("state/runs/{run_id}/blobs/{blob}")), "drained uat-1\n");
    assert!(!bench.host("uat-1").is_claimed());
}

#[test]
fn a_service_that_does_not_come_back_takes_its_host_back() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2")]) else { return };
    let sick = bench.host("uat-2");
    sick.sh(
        "printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/lab-svc.service
        systemctl enable --now lab-svc.service 2>/dev/null
        echo 'DPkg::Post-Invoke {\"systemctl stop lab-svc.service\";};' >/etc/apt/apt.conf.d/99lab",
    );
    plan(&bench, "parallel = 2\nrollback_scope = \"host\"\nmax_failed = 1");
    let document = run(&bench, 5);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "uat-2"), "ROLLBACK/SUCCESS restored");
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"], &error["step"]), (&"check".into(), &"uat-2".into(), &"check".into()));
    assert!(
        error["message"].as_str().unwrap().contains("running does not hold: not as before: lab-svc.service"),
        "{error}"
    );
    assert_eq!(check_of(&document, "uat-2", "running", "after")["ok"], false);
    assert_eq!(sick.version("lab-plain"), "1.0");

    // What the plan leaves out of it is no reason.
    sick.sh("systemctl start lab-svc.service");
    plan(&bench, "health_exclude = [\"lab-*\"]");
    let document = run(&bench, 0);
    assert_eq!(standing(&document, "uat-2"), "PATCH/SUCCESS patched");
}

#[test]
fn a_host_that_is_not_well_before_is_not_touched_and_a_failed_drain_skips_its_host() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2"), plain("uat-3")]) else { return };
    bench.host("uat-1").sh("touch /root/sick");
    plan(
        &bench,
        r#"[[stage.check]]
name = "well"
run = "test ! -e /root/sick || { echo it is sick; exit 4; }"
within = "1s"
[stage.hooks]
before_host = { local = "test {{ host.name }} != uat-2 || { echo no such node; exit 1; }" }
after_host = { local = "echo {{ host.name }} >>after.log" }"#,
    );
    let document = run(&bench, 8);
    assert_eq!(standing(&document, "uat-1"), "NONE/FAILED refused");
    assert_eq!(standing(&document, "uat-2"), "NONE/FAILED skipped");
    assert_eq!(standing(&document, "uat-3"), "PATCH/SUCCESS patched");
    let message = |name: &str| host(&document, name)["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message("uat-1"), "check well does not hold before the patch: exit code 4: it is sick");
    assert_eq!(message("uat-2"), "before_host ended with exit code 1: no such node");
    bench.host("uat-1").assert_untouched();
    bench.host("uat-2").assert_untouched();
    let mut after: Vec<String> = bench.read("after.log").lines().map(str::to_owned).collect();
    after.sort();
    assert_eq!(after, ["uat-1", "uat-2", "uat-3"], "whatever was begun is ended");

    // Each kind of check says why it does not hold.
    let web = Web::start(200, r#"{"status":{"db":"down"}}"#);
    let (page, closed) = (format!("http = \"http://127.0.0.1:{}", web.port), free_port());
    let (low, high) = (Web::start(200, &value("0.5")), Web::start(200, &value("1.5")));
    let query =
        |web: &Web, bound: &str| format!("prometheus = \"http://127.0.0.1:{}\"\nquery = \"up\"\n{bound}", web.port);
    let bad = [
        ("status", format!("{page}\"\nstatus = [204, 301]"), "200 in "),
        ("body", format!("{page}\"\nbody = \"up\""), "200, and its body has no \"up\""),
        (
            "equals",
            format!("{page}\"\njson = \"status.db\"\nequals = \"ok\""),
            "status.db is \"down\", and should be \"ok\"",
        ),
        ("json", format!("{page}\"\njson = \"status.cache\""), "200, and its JSON has no `status.cache`"),
        ("latency", format!("{page}/slow\"\nlatency = \"200ms\""), ", and may take 200 ms"),
        ("min", query(&low, "min = 0.99\nmax = 1"), "0.5, and must be at least 0.99"),
        ("max", query(&high, "min = 0.99\nmax = 1"), "1.5, and must be at most 1"),
        ("tcp", format!("tcp = \"127.0.0.1:{closed}\""), "refused"),
        ("unit", "unit = \"no-such.service\"".into(), "inactive"),
        ("local", "local = \"echo gone; exit 4\"".into(), "exit code 4: gone"),
    ];
    let check = |(name, keys, _): &(&str, String, &str)| {
        format!("[[stage.check]]\nname = \"{name}\"\n{keys}\nwithin = \"1s\"\nwhen = \"before\"\n")
    };
    plan(&bench, &bad.iter().map(check).collect::<String>());
    let document = run(&bench, 7);
    for (name, _, detail) in &bad {
        let found = check_of(&document, "uat-1", name, "before");
        assert!(found["ok"] == false && found["detail"].as_str().unwrap().contains(detail), "{found}");
    }
    bench.host("uat-1").assert_untouched();

    // And a stage that cannot begin does not.
    for (before_stage, why) in [
        ("run = \"echo no; exit 1\"", "before_stage ended with exit code 1: no"),
        ("local = \"echo waits; sleep 60\", timeout = \"1s\"", "before_stage did not end within 1 s: waits"),
    ] {
        plan(&bench, &format!("[stage.hooks]\nbefore_stage = {{ {before_stage} }}"));
        let document = run(&bench, 7);
        assert_eq!(first_error(&document)["message"], format!("stage uat: {why}"));
        let stage = &document["stages"][0];
        assert_eq!((&stage["state"], &stage["state_reason"]), (&"SKIPPED".into(), &"refused".into()), "{stage:#}");
        assert_eq!(standing(&document, "uat-1"), "NONE/FAILED skipped");
        assert_eq!(host(&document, "uat-1")["action_cause"], "before_stage failed, so no host of the stage was begun");
        assert_eq!(bench.host("uat-1").version("lab-plain"), "1.0");
        assert!(!bench.host("uat-1").is_claimed());
    }
}

/// A port of this machine on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_soak_looks_again_and_again_and_takes_back_what_gets_worse() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    let web = Web::start(200, "fine");
    let page =
        format!("[[stage.check]]\nname = \"page\"\nhttp = \"http://127.0.0.1:{}/\"\nwithin = \"1s\"\n", web.port);
    plan(&bench, &format!("soak = \"24s\"\n{page}"));
    let child = bench.spawn("run", &[&["run", "plan.toml"], &APPROVED[..], &["--output", "json"]].concat());
    wait_until("uat is watched", 60, || bench.read("run.err").contains("is watched until"));
    wait_until("it is looked at again", 30, || web.asked().len() >= 4);
    web.says(500, "down");
    let mut child = child;
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let document: Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert!(first_error(&document)["message"].as_str().unwrap().contains("check page does not hold: 500 in"));
    bench.host("prod-1").assert_untouched();

    // A process that is not to wait leaves; cron goes on when the time is over, and looks once more.
    web.says(200, "fine");
    let document = bench.json(3, &[&["run", "plan.toml", "--wait", "1s"], &APPROVED[..]].concat());
    let (waiting, id) = (&document["waiting"], document["run_id"].as_str().unwrap());
    assert_eq!((&waiting["kind"], &waiting["stage"]), (&"soak".into(), &"uat".into()), "{waiting:#}");
    assert_eq!(
        (&document["stages"][0]["state"], &document["stages"][0]["state_reason"]),
        (&"WAITING".into(), &"soak".into())
    );
    assert_eq!(bench.patchctl(&["resume", "--due"]).ended(0).out, "");
    let looks = web.asked().len();
    std::thread::sleep(std::time::Duration::from_secs(25));
    let due = [&["resume", "--due", "--wait", "5m"], &APPROVED[1..]].concat();
    bench.patchctl(&due).ended(0);
    assert!(web.asked().len() > looks);
    let document = bench.json(0, &["report", id]);
    assert_eq!(standing(&document, "prod-1"), "PATCH/SUCCESS patched");
}

#[test]
fn what_monitoring_cannot_tell_waits_for_a_person() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let web = Web::start(200, empty);
    let check = |when: &str| {
        format!(
            "approval = false\n[[stage.check]]\nname = \"slo\"\nprometheus = \"http://127.0.0.1:{}\"\nquery = \
             'avg(up{{instance=\"{{{{ host.name }}}}:9100\"}})'\nmin = 0.99\nwithin = \"1s\"\nwhen = \"{when}\"\n",
            web.port
        )
    };
    plan(&bench, &check("both"));
    let document = run(&bench, 7);
    assert!(
        first_error(&document)["message"]
            .as_str()
            .unwrap()
            .contains("check slo is inconclusive: the query has no data")
    );
    bench.host("uat-1").assert_untouched();

    plan(&bench, &check("after"));
    let document = run(&bench, 3);
    assert_eq!(document["waiting"]["kind"], "approval", "there is no gate in the plan: {document:#}");
    let slo = check_of(&document, "uat-1", "slo", "after");
    assert_eq!((&slo["ok"], &slo["inconclusive"]), (&false.into(), &true.into()));
    let line = "GET /api/v1/query?query=avg%28up%7Binstance%3D%22uat-1%3A9100%22%7D%29 HTTP/1.1";
    assert!(web.asked().iter().any(|asked| asked == line), "{:#?}", web.asked());
    let id = document["run_id"].as_str().unwrap();
    let digest = &document["waiting"]["digest"].as_str().unwrap()[..20];
    bench.json(0, &["approve", id, "--digest", digest, "--reason", "the graph is fine", "--resume"]);
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
}

#[test]
fn hosts_of_a_rack_one_at_a_time_and_databases_first() {
    let names = ["uat-1", "uat-2", "uat-3", "uat-4"];
    let Some(bench) = Bench::start(&names.map(plain)) else { return };
    let text = bench.read("inventory.toml");
    let host = |name: &str, more: &str| {
        let head = format!("[hosts.\"{name}\"]\n");
        (head.clone(), format!("{head}{more}\n"))
    };
    let changes = [
        host("uat-1", "vars = { rack = \"a\" }"),
        host("uat-2", "vars = { rack = \"a\" }"),
        host("uat-3", "vars = { rack = \"b\" }\ntags = [\"cache\"]"),
        host("uat-4", "vars = { rack = \"c\" }\ntags = [\"db\"]"),
    ];
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    bench.write("inventory.toml", &text);
    let hooks = "[stage.hooks]\nbefore_host = { local = \"echo + {{ host.name }} >>order.log\" }\n\
                 after_host = { local = \"echo - {{ host.name }} >>order.log\" }";
    plan(&bench, &format!("parallel = 4\nspread = \"rack\"\nafter = [\"db\", \"cache\"]\n{hooks}"));
    run(&bench, 0);
    let order = bench.read("order.log");
    let one_by_one = ["uat-4", "uat-3", "uat-1", "uat-2"].map(|name| format!("+ {name}\n- {name}\n"));
    assert_eq!(order, one_by_one.concat());
    plan(&bench, "spread = \"row\"");
    let answer = bench.patchctl(&["check", "plan.toml"]).ended(2);
    assert!(
        answer.err.contains("`spread` is by the variable `row`, which the host `uat-1` (and 3 more) does not have"),
        "{}",
        answer.err
    );
}
