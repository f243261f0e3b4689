//! For people: shows made-up runs on this terminal.
//! `UI_SHOW=degraded cargo test --test it -- --ignored --exact ui::show::on_this_terminal --nocapture`

use std::time::Duration;

use patchctl::core::view::Display;
use patchctl::ui::progress::{Progress, Verbosity};
use patchctl::ui::style::{ColorChoice, Look};
use patchctl::ui::{evidence, lists, plan, result};

use super::{samples, script};

#[test]
#[ignore = "for eyes"]
fn on_this_terminal() {
    let look = Look::stdout(ColorChoice::Auto);
    let text = match std::env::var("UI_SHOW").unwrap_or_default().as_str() {
        "complete" => result::result(&look, &samples::complete()),
        "paused" => result::result(&look, &samples::paused()),
        "rejected" => result::result(&look, &samples::rejected()),
        "degraded" => result::result(&look, &samples::degraded()),
        "many" => result::result(&look, &samples::many()),
        "gate" => evidence::overview(&look, &samples::small_gate()),
        "large_gate" => evidence::overview(&look, &samples::large_gate()),
        "details" => evidence::details(&look, &samples::small_gate()),
        "plan" => plan::plan(&look, &samples::plan()),
        "runs" => lists::runs(&look, &samples::runs()),
        "ping" => lists::ping(&look, &samples::pinged()),
        "inventory" => {
            let hosts = samples::inventory();
            lists::inventory(&look, &hosts.iter().collect::<Vec<_>>())
        }
        other => panic!("UI_SHOW={other:?} is nothing to show"),
    };
    print!("\n{text}");
}

/// `UI_HOSTS=300`: a stage of so many hosts, 20 at a time, some of which fail; then it goes back.
#[test]
#[ignore = "for eyes"]
fn progress() {
    let hosts: usize = std::env::var("UI_HOSTS").ok().and_then(|number| number.parse().ok()).unwrap_or(3);
    let verbose = std::env::var("UI_VERBOSE").is_ok();
    let display = Progress::stderr(Look::stderr(ColorChoice::Auto), Verbosity { quiet: false, verbose });
    for view in script::start(hosts) {
        display.show(&view);
    }
    for views in script::forward(hosts) {
        std::thread::sleep(Duration::from_millis(if hosts > 20 { 6 } else { 150 }));
        views.iter().for_each(|view| display.show(view));
    }
    script::end().iter().for_each(|view| display.show(view));
}

/// Progress as it is in the middle of a run.
pub(super) fn live() -> Progress {
    let display = Progress::stderr(Look::stderr(ColorChoice::Auto), Verbosity::default());
    script::start(300).iter().for_each(|view| display.show(view));
    script::forward(300).take(100).flatten().for_each(|view| display.show(&view));
    display
}
