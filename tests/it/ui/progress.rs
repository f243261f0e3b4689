//! Progress, written into memory.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use patchctl::core::view::{Display, Level, View};
use patchctl::ui::progress::{Form, Progress, Verbosity};
use patchctl::ui::style::Look;

use super::{samples, script};

/// An output that several can hold.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn played(hosts: usize, form: Form, verbosity: Verbosity) -> String {
    let paper = Paper::default();
    let display = Progress::new(Look::plain(Some(80)), verbosity, form, Box::new(paper.clone()));
    let views = script::start(hosts).into_iter().chain(script::forward(hosts).flatten()).chain(script::end());
    views.for_each(|view| display.show(&view));
    paper.text()
}

#[test]
fn plain_lines_name_stage_host_and_phase() {
    let text = played(2, Form::Plain, Verbosity::default());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    let expected = "\
openssl-2026-11  run 01JD8Z5M3QK7C2W9N4T6V8X0AB  change CHG0041337  2 hosts
prod  2 hosts
prod  wave 1 of 3
packages are pinned to what uat proved
prod  web-000.fra1.example.com  connect
prod  web-000.fra1.example.com  inspect
prod  web-001.fra1.example.com  connect
prod  web-000.fra1.example.com  stash
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("✓ prod  web-000.fra1.example.com  patched  openssl 3.0.20→3.0.22 +1  41s\n"), "{text}");
    assert!(text.ends_with("prod  WAITING (approval)\n"), "{text}");
}

#[test]
fn quiet_shows_what_went_wrong_and_nothing_else() {
    let quiet = Verbosity { quiet: true, verbose: false };
    assert_eq!(played(2, Form::Plain, quiet), "");
    let text = played(50, Form::Plain, quiet);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("✗ prod  web-042.fra1.example.com  restored"), "{text}");
}

#[test]
fn verbose_shows_what_the_steps_say_and_escapes_it() {
    let text = played(1, Form::Plain, Verbosity { quiet: false, verbose: true });
    assert!(
        text.contains("  web-000.fra1.example.com │ Setting up libssl3:amd64 (3.0.22-1~deb12u2) \\u{1b}[31m ...\n"),
        "{text}"
    );
}

#[test]
fn the_live_block_is_bounded_and_gone_at_the_end() {
    let text = played(300, Form::Live, Verbosity::default());
    // Only failures stay as lines for a large fleet.
    assert_eq!(text.matches("✗ prod").count(), 3, "{text}");
    assert!(!text.contains("✓ prod"), "{text}");
    let ups =
        text.split("\x1b[").filter_map(|part| part.split_once('A')).filter_map(|(rows, _)| rows.parse::<usize>().ok());
    assert!(ups.max().unwrap_or(0) <= 11, "{text}");
    assert!(text.len() < 20_000, "everything at once is painted once, not 2000 times: {} bytes", text.len());
}

#[test]
fn a_fleet_is_told_about_without_waiting_for_the_screen() {
    let paper = Paper::default();
    let display = Progress::new(Look::plain(Some(80)), Verbosity::default(), Form::Live, Box::new(paper.clone()));
    let began = Instant::now();
    script::start(20_000).iter().for_each(|view| display.show(view));
    script::forward(20_000).flatten().for_each(|view| display.show(&view));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    display.finish();
    assert!(paper.text().matches("✗ prod").count() == 200);
}

#[test]
fn what_happens_while_a_prompt_is_open_is_shown_afterwards() {
    let paper = Paper::default();
    let display = Progress::new(Look::plain(Some(80)), Verbosity::default(), Form::Live, Box::new(paper.clone()));
    display.suspend();
    display.suspend();
    script::start(3).iter().for_each(|view| display.show(view));
    display.show(&View::Message { level: Level::Warning, text: "the disk is\x1b[2J nearly full".to_owned() });
    display.resume();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(paper.text(), "", "one of two prompts is still open");
    display.resume();
    display.finish();
    let text = paper.text();
    assert!(text.contains("! the disk is\\u{1b}[2J nearly full\n"), "{text:?}");
    assert!(text.contains(samples::RUN));
}
