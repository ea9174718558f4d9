//! The whole with machines that are none: they fail for a cause, now and then, or not at all.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;
use host::evict::Policy;
use tempfile::TempDir;

use super::judge::{Kind, Wrong};
use super::result::{RESULT, RUNS};
use super::*;

/// What a machine makes of a configuration, and of how many it has seen.
struct Fake<F> {
    seen: AtomicU32,
    what: F,
}

impl<F: Fn(&Config, u32) -> Result<Option<Verdict>> + Sync> Bench for Fake<F> {
    fn run(&self, config: &Config, _: Option<&Path>) -> Result<Option<Verdict>> {
        (self.what)(config, self.seen.fetch_add(1, Ordering::Relaxed))
    }
}

fn good() -> Verdict {
    Verdict {
        counts: [("bytes_verified".to_owned(), 5)].into(),
        ..Verdict::default()
    }
}

fn bad(kind: Kind) -> Verdict {
    Verdict {
        wrong: Some(Wrong {
            kind,
            reason: "as it should".to_owned(),
        }),
        ..good()
    }
}

fn plan_of(count: u64, tries: u32) -> Plan {
    Plan {
        seed: 1,
        time: None,
        count: Some(count),
        failures: None,
        machines: 2,
        timeout: 9,
        budget: Budget {
            tries,
            repeats: 3,
            time: Duration::from_secs(60),
        },
        control: None,
    }
}

/// What a soak on such machines leaves, as it is read from its folder.
fn soaked(
    plan: &Plan,
    what: impl Fn(&Config, u32) -> Result<Option<Verdict>> + Sync,
) -> (Result<Soak>, Soak, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        seen: AtomicU32::new(0),
        what,
    };
    let store = Store::create(folder.path()).unwrap();
    let outcome = run(plan, &fake, store, &|_| {});
    let text = std::fs::read_to_string(folder.path().join(RESULT)).unwrap();
    (outcome, serde_json::from_str(&text).unwrap(), folder)
}

#[test]
fn good_machines_are_counted() {
    let (outcome, read, folder) = soaked(&plan_of(30, 10), |_, _| Ok(Some(good())));
    assert_eq!(outcome.unwrap(), read);
    assert!(read.complete && read.failed.is_empty() && read.wrong.is_empty());
    assert_eq!((read.runs, read.passed), (30, 30));
    assert_eq!(read.counts["bytes_verified"], 150);
    assert_eq!(read.options["--seed"], 30);
    assert!(read.options.contains_key("--work verify"));
    let runs = std::fs::read_to_string(folder.path().join(RUNS)).unwrap();
    let mut seeds: Vec<u64> = runs
        .lines()
        .map(|line| serde_json::from_str::<Run>(line).unwrap().seed)
        .collect();
    seeds.sort_unstable();
    assert_eq!(seeds, (1..=30).collect::<Vec<_>>());
    assert!(read.summary().contains("30 good") && read.summary().contains("0 mismatches"));
}

#[test]
fn a_cause_is_found_and_the_command_line_has_nothing_else() {
    let is_cause = |config: &Config| config.evict == Policy::Steal && config.cpus >= 2;
    let (outcome, read, _) = soaked(&plan_of(60, 300), |config, _| {
        Ok(Some(if is_cause(config) {
            bad(Kind::Mismatch)
        } else {
            good()
        }))
    });
    outcome.unwrap();
    assert!(!read.failed.is_empty());
    assert_eq!(read.wrong[&Kind::Mismatch], read.failed.len() as u64);
    for failed in &read.failed {
        let smaller = failed.smaller.as_ref().unwrap();
        assert_eq!(failed.again, (3, 3));
        assert!(smaller.is_smallest);
        let seed = failed.seed;
        assert_eq!(
            smaller.command,
            format!(
                "cargo xtask qemu --guests 1 --guest-memory 6M --memory 6144K --evict steal --cpus 2 --work verify \
                 --passes 1 --seed {seed} --files {} --timeout 9",
                config::Files::Cmm.path().unwrap().display()
            )
        );
    }
}

#[test]
fn what_fails_now_and_then_is_made_smaller_too() {
    let (_, read, _) = soaked(&plan_of(1, 400), |config, seen| {
        let fails = config.cpus > 0 && seen.is_multiple_of(2);
        Ok(Some(if fails { bad(Kind::Hang) } else { good() }))
    });
    let failed = &read.failed[0];
    assert_eq!(failed.wrong.kind, Kind::Hang);
    assert!(
        failed.again.1 > 0 && failed.again.1 < failed.again.0,
        "{failed:?}"
    );
    let smaller = failed.smaller.as_ref().unwrap();
    assert!(smaller.command.contains("--guests 1") || smaller.command.contains("--bare"));
}

#[test]
fn what_never_fails_again_is_left_as_it_was() {
    let (_, read, _) = soaked(&plan_of(1, 400), |_, seen| {
        Ok(Some(if seen == 0 { bad(Kind::Leak) } else { good() }))
    });
    let failed = &read.failed[0];
    assert_eq!((failed.again, failed.tries), ((3, 0), 3));
    assert_eq!(failed.smaller, None);
}

#[test]
fn another_failure_is_not_taken_for_the_same() {
    // The smaller ones fail, but for want of memory.
    let original = Config::draw(1);
    let (_, read, _) = soaked(&plan_of(1, 400), |config, _| {
        let is_original = *config == original;
        Ok(Some(bad(if is_original {
            Kind::Mismatch
        } else {
            Kind::OutOfMemory
        })))
    });
    assert_eq!(read.failed[0].smaller, None);
}

#[test]
fn tries_are_bounded() {
    let most = AtomicU32::new(0);
    let (_, read, _) = soaked(&plan_of(1, 10), |_, seen| {
        most.fetch_max(seen + 1, Ordering::Relaxed);
        Ok(Some(bad(Kind::Status)))
    });
    assert_eq!(most.into_inner(), 11, "one run, and ten tries");
    assert_eq!(read.failed[0].tries, 10);
    let (_, read, _) = soaked(&plan_of(1, 0), |_, _| Ok(Some(bad(Kind::Status))));
    assert_eq!((read.failed[0].tries, read.failed[0].again), (0, (0, 0)));
}

#[test]
fn enough_failures_end_it() {
    let plan = Plan {
        failures: Some(2),
        machines: 1,
        ..plan_of(1000, 0)
    };
    let (_, read, _) = soaked(&plan, |_, seen| {
        Ok(Some(if seen < 5 { good() } else { bad(Kind::Status) }))
    });
    assert!(read.complete);
    assert_eq!((read.runs, read.failed.len()), (7, 2));
}

#[test]
fn time_ends_it() {
    let plan = Plan {
        time: Some(Duration::ZERO),
        count: None,
        ..plan_of(1, 0)
    };
    let (_, read, _) = soaked(&plan, |_, _| Ok(Some(good())));
    assert!(read.complete && read.runs == 0);
}

#[test]
fn an_interruption_leaves_what_there_is() {
    let (outcome, read, _) = soaked(&plan_of(1000, 10), |_, seen| Ok((seen < 7).then(good)));
    assert!(!outcome.unwrap().complete);
    assert!(!read.complete);
    assert_eq!((read.runs, read.passed), (7, 7));
}

#[test]
fn an_interruption_of_a_search_leaves_the_failure() {
    let (outcome, read, _) = soaked(&plan_of(1000, 100), |_, seen| {
        Ok((seen < 3).then(|| bad(Kind::Mismatch)))
    });
    assert!(!outcome.unwrap().complete && !read.complete);
    assert!(!read.failed.is_empty());
}

#[test]
fn a_machine_that_cannot_be_had_ends_it() {
    let (outcome, read, _) = soaked(&plan_of(1000, 10), |_, seen| {
        if seen < 4 {
            return Ok(Some(good()));
        }
        bail!("the disk is full")
    });
    assert_eq!(outcome.unwrap_err().to_string(), "the disk is full");
    assert!(!read.complete && read.runs <= 5);
}
