//! The simulation: a world made from a seed drives the real core and the real engine through every fault that we could
//! think of, and holds what they do against what must always hold.
#![expect(clippy::expect_used, reason = "names that are written here are valid; a test that panics has failed")]

mod around;
mod deadman;
mod disk;
mod host;
mod ledger;
mod looks;
mod mail;
mod mutation;
mod people;
mod plan;
mod rng;
mod session;
mod transport;
mod truth;
mod world;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::mutation::Mutation;
use crate::world::Counters;

/// Seeds that a plain `cargo test` plays.
const A_FEW: u64 = 150;

struct Args {
    from: u64,
    seeds: u64,
    one: Option<u64>,
    keep_going: bool,
    mutations: bool,
    list: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { from: 1, seeds: A_FEW, one: None, keep_going: false, mutations: false, list: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            text.parse::<u64>().map_err(|e| format!("{word} {text}: {e}"))
        };
        match word.as_str() {
            "--seeds" => args.seeds = number()?,
            "--from" => args.from = number()?,
            "--seed" => args.one = Some(number()?),
            "--keep-going" => args.keep_going = true,
            "--mutations" => args.mutations = true,
            "--list" => args.list = true,
            // What cargo's own test runners say to every test binary.
            _ => {}
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\nusage: sim [--seeds N] [--from K] [--seed S] [--keep-going] [--mutations]");
            return ExitCode::from(2);
        }
    };
    let good = match args.one {
        _ if args.list => {
            println!("simulation: test");
            true
        }
        Some(seed) => replay(seed),
        None if args.mutations => mutations(args.seeds.max(3_000)),
        None => many(&args) && same_again(args.from),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One seed with its whole story.
fn replay(seed: u64) -> bool {
    let told = session::play(seed, true, None);
    for line in &told.story {
        println!("{line}");
    }
    println!("seed {seed}: {}", if told.wrong.is_empty() { "all well" } else { "WRONG" });
    told.wrong.iter().for_each(|what| println!("  {what}"));
    told.wrong.is_empty()
}

/// The same seed must tell the same story, or no failure could be looked at.
fn same_again(from: u64) -> bool {
    let differs = (from..from + 20).find(|seed| {
        let (first, second) = (session::play(*seed, true, None), session::play(*seed, true, None));
        first.digest != second.digest || first.story != second.story
    });
    if let Some(seed) = differs {
        println!("seed {seed} told two different stories");
    }
    differs.is_none()
}

fn many(args: &Args) -> bool {
    let begun = Instant::now();
    let stop = AtomicBool::new(false);
    let parts = on_every_core(args.from..args.from + args.seeds, |seed| {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let told = session::play(seed, false, None);
        let wrong = told.wrong.first().cloned();
        if let Some(wrong) = &wrong {
            println!("seed {seed}: {wrong}");
            stop.fetch_or(!args.keep_going, Ordering::Relaxed);
        }
        Some((told.counters, wrong.map(|_| seed)))
    });
    let mut total = Counters::default();
    let mut failed = Vec::new();
    for (counters, wrong) in parts {
        total.add(counters);
        failed.extend(wrong);
    }
    failed.sort_unstable();
    total.print(begun.elapsed().as_secs_f64());
    match failed.first() {
        Some(seed) => println!("{} seeds failed; `tests/sim --seed {seed}` tells the story of the first", failed.len()),
        None => println!("every invariant held"),
    }
    failed.is_empty()
}

/// What the work makes of each number, in no order: a seed is a world of its own.
fn on_every_core<T: Send>(numbers: Range<u64>, work: impl Fn(u64) -> Option<T> + Sync) -> Vec<T> {
    let next = AtomicU64::new(numbers.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let worker = || {
        let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        taken.take_while(|number| *number < numbers.end).filter_map(&work).collect::<Vec<T>>()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a seed panicked")).collect()
    })
}

/// Breaks each invariant on purpose, and names the seed that notices.
fn mutations(most: u64) -> bool {
    let all = Mutation::ALL;
    let mut told = on_every_core(0..all.len() as u64, |at| {
        let (mutation, number, what) = all[usize::try_from(at).ok()?];
        let mark = format!("invariant {number}:");
        let caught = (1..=most).find_map(|seed| {
            let told = session::play(seed, false, Some(mutation));
            told.wrong.into_iter().find(|wrong| wrong.starts_with(&mark)).map(|wrong| (seed, wrong))
        });
        let line = match &caught {
            Some((seed, wrong)) => format!("{number:>2}  {what}\n      seed {seed}: {wrong}"),
            None => format!("{number:>2}  {what}\n      NOT CAUGHT in {most} seeds"),
        };
        Some((at, caught.is_some(), line))
    });
    told.sort();
    told.iter().for_each(|(.., line)| println!("{line}"));
    told.iter().all(|(_, caught, _)| *caught)
}

impl Counters {
    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.sessions += other.sessions;
        self.questions += other.questions;
        self.crashes += other.crashes;
        self.resumes += other.resumes;
        self.simulated_ms += other.simulated_ms;
        self.states.extend(other.states);
        other.faults.into_iter().for_each(|(kind, n)| *self.faults.entry(kind).or_default() += n);
        other.outcomes.into_iter().for_each(|(kind, n)| *self.outcomes.entry(kind).or_default() += n);
    }

    fn print(&self, seconds: f64) {
        let rate = self.seeds as f64 / seconds.max(0.001);
        let days = self.simulated_ms / 86_400_000;
        println!("{} seeds in {seconds:.1} s ({rate:.0} a second), {days} simulated days", self.seeds);
        println!(
            "{} records, {} processes, {} of them killed; {} questions; {} distinct states",
            self.events,
            self.sessions,
            self.crashes,
            self.questions,
            self.states.len()
        );
        println!("how processes ended: {}", line(&self.outcomes));
        println!("faults met: {}", line(&self.faults));
    }
}

fn line(counts: &std::collections::BTreeMap<String, u64>) -> String {
    counts.iter().map(|(kind, n)| format!("{kind} {n}")).collect::<Vec<_>>().join(", ")
}
