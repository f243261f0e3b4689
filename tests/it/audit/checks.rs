//! Checks over HTTPS: the built binary on the demo's fleet, and a real server with a certificate of an authority of its
//! own.

use serde_json::Value;

use super::bench::Bench;
use crate::notify::server::{Does, Server};

/// Runs the demo's plan with this check in its first stage.
fn run(bench: &Bench, state: &str, code: i32, check: &str) -> Value {
    let plan = bench.read("second.toml");
    let at = plan.rfind("[[stage]]").unwrap();
    let check = format!("[[stage.check]]\nname = \"page\"\nwithin = \"1s\"\n{check}\n\n");
    bench.write("checked.toml", &format!("{}{check}{}", &plan[..at], &plan[at..]));
    bench.json_of(state, code, &["run", "checked.toml", "--yes", "--approve", "uat", "--reason", "fine", "-l", "uat"])
}

fn error(document: &Value) -> &str {
    document["errors"][0]["message"].as_str().unwrap()
}

#[test]
fn only_a_server_that_is_trusted_and_answers_as_it_should_lets_hosts_begin() {
    let bench = Bench::start();
    let server = Server::start(&bench.path(""));
    let url = format!("http = \"https://127.0.0.1:{}/health/{{{{ host.name }}}}\"", server.port);
    let ca = format!("{url}\nca = {:?}", server.ca.display().to_string());

    let document = run(&bench, "a", 7, &url);
    assert!(error(&document).contains("check page does not hold before the patch: 127.0.0.1:"), "{document:#}");
    assert!(error(&document).contains(": no safe connection: "), "{document:#}");
    server.next(std::iter::repeat_n(Does::Answers(503, ""), 40));
    let document = run(&bench, "b", 7, &ca);
    assert!(error(&document).contains("503 in "), "{document:#}");
    let document = run(&bench, "c", 7, &format!("{ca}\nstatus = [204, 503]\nbody = \"all is well\""));
    assert!(error(&document).contains("its body has no \"all is well\""), "{document:#}");
    let document = run(&bench, "d", 7, &format!("{ca}\nstatus = [200, 503]\njson = \"status\""));
    assert!(error(&document).contains("its body is no JSON"), "{document:#}");
    let document = run(&bench, "e", 7, &format!("{ca}\ntimeout = \"1s\"").replace("127.0.0.1", "127.0.0.2"));
    assert!(error(&document).contains("check page does not hold"), "{document:#}");

    let document = run(&bench, "f", 0, &format!("{ca}\nstatus = [200, 503]\nlatency = \"20s\""));
    let checks = document["stages"][0]["hosts"][0]["checks"].as_array().unwrap();
    let page = checks.iter().filter(|check| check["name"] == "page" && check["ok"] == true).count();
    assert_eq!(page, 2, "before and after: {checks:#?}");
    let got = server.got();
    assert!(got.iter().any(|got| got.path == "/health/uat-01"), "{got:?}");
}

#[test]
fn a_local_command_stands_in_the_folder_of_its_plan() {
    let bench = Bench::start();
    bench.write("answers.sh", "echo \"$1 is well\"\n");
    let document = run(&bench, "a", 0, "local = \"sh ./answers.sh {{ host.name }}\"\nwhen = \"after\"");
    let checks = document["stages"][0]["hosts"][0]["checks"].as_array().unwrap();
    let page = checks.iter().find(|check| check["name"] == "page").unwrap();
    assert_eq!(page["detail"], "uat-01 is well", "wherever the process stands: {page}");
}
