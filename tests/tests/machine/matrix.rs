//! Every kind of work under every policy and every mode, on 1 to 8 CPUs, in guests of the host.
//!
//! Of all combinations the suite runs those in which each two choices meet, or nearly all of those; with
//! `MATRIX=all` in the environment it runs all of them, but on Hercules, where they take a minute each.

use libtest_mimic::{Failed, Trial};

use crate::files;
use crate::hercules::both_ways;
use crate::support::{run, trial};

const WORKS: [&str; 3] = ["churn", "swap", "serve"];
const POLICIES: [&str; 4] = ["lru", "random:2000", "steal", "hold"];
const HINTS: [&str; 3] = ["full", "unused", "none"];
const CPUS: [&str; 4] = ["1", "2", "4", "8"];

pub(crate) fn tests() -> Vec<Trial> {
    let all = std::env::var("MATRIX").is_ok_and(|value| value == "all") && !both_ways::is_on();
    let mut tests = Vec::new();
    for (first, work) in WORKS.into_iter().enumerate() {
        for (second, policy) in POLICIES.into_iter().enumerate() {
            for (third, hints) in HINTS.into_iter().enumerate() {
                // A policy takes nothing away where there are no hints: one of them will do.
                if hints == "none" && policy != "lru" && !all {
                    continue;
                }
                for (fourth, cpus) in CPUS.into_iter().enumerate() {
                    let is_chosen = all || (first + second + third + 3) % CPUS.len() == fourth;
                    // All pauses of the one CPU in a row: minutes.
                    let is_slow = (work, policy, hints, cpus) == ("swap", "hold", "full", "1");
                    if is_chosen && !is_slow {
                        tests.push(one(work, policy, hints, cpus));
                    }
                }
            }
        }
    }
    tests
}

fn one(work: &'static str, policy: &'static str, hints: &'static str, cpus: &'static str) -> Trial {
    let name = format!("matrix::{work}_{policy}_{hints}_on_{cpus}");
    trial(name, move || check(work, policy, hints, cpus))
}

/// Nothing is lost, and every page is accounted for: the kernel looks, and ends with status 1 if not.
fn check(work: &str, policy: &str, hints: &str, cpus: &str) -> Result<(), Failed> {
    let machine = if cpus == "1" { "1" } else { "2" };
    // A CPU pauses after each discard fault: fewer pages, fewer of them.
    let memory = if policy == "hold" { "4M" } else { "8M" };
    let run = run(&[
        "--guests",
        "1",
        "--guest-memory",
        memory,
        "--memory",
        memory,
        "--passes",
        "1",
        "--files",
        files::directory(),
        "--work",
        work,
        "--evict",
        policy,
        "--hinting",
        hints,
        "--cpus",
        cpus,
        "--machine-cpus",
        machine,
    ])?;
    run.must_be_good()
}
