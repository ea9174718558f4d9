//! Looks for a smaller configuration that fails as one does that was found.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::bench::Bench;
use super::config::Config;
use super::judge::Wrong;
use super::result::{Failed, Smaller};
use super::shrink::{Tried, shrink};

/// How much a search may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Most runs.
    pub tries: u32,
    /// How often a configuration is run before it counts as one that does not fail.
    pub repeats: u32,
    /// Most time.
    pub time: Duration,
}

/// Searches; what is found is in `failed`, of which `timeout` completes the command line. Returns false if the user has
/// interrupted it.
///
/// # Errors
/// A run could not take place.
pub fn search(
    bench: &dyn Bench,
    config: &Config,
    failed: &mut Failed,
    budget: Budget,
    timeout: u64,
) -> Result<bool> {
    let mut attempt = Attempt {
        bench,
        kind: failed.wrong.kind,
        until: Instant::now() + budget.time,
        budget,
        tries: 0,
        is_interrupted: false,
    };
    // Does it fail again at all?
    let mut again = (0, 0);
    while again.0 < budget.repeats && !attempt.is_over() {
        again.0 += 1;
        again.1 += u32::from(attempt.once(config)?.is_some());
    }
    failed.again = again;
    let mut wrong = failed.wrong.clone();
    if again.1 > 0 {
        let found = shrink(config.clone(), &mut |candidate| {
            let outcome = attempt.often(candidate)?;
            Ok(match outcome {
                Some(found) => {
                    wrong = found;
                    Tried::Fails
                }
                None if attempt.is_over() => Tried::Enough,
                None => Tried::Passes,
            })
        })?;
        failed.smaller = (found != *config).then(|| Smaller {
            command: found.line(timeout),
            wrong,
            is_smallest: !attempt.is_over(),
        });
    }
    failed.tries = attempt.tries;
    Ok(!attempt.is_interrupted)
}

struct Attempt<'a> {
    bench: &'a dyn Bench,
    kind: super::judge::Kind,
    until: Instant,
    budget: Budget,
    tries: u32,
    is_interrupted: bool,
}

impl Attempt<'_> {
    fn is_over(&self) -> bool {
        self.is_interrupted || self.tries >= self.budget.tries || Instant::now() >= self.until
    }

    /// Runs it, and says what is wrong if it fails as the first one did.
    fn once(&mut self, config: &Config) -> Result<Option<Wrong>> {
        self.tries += 1;
        let verdict = self.bench.run(config, None)?;
        self.is_interrupted |= verdict.is_none();
        let wrong = verdict.and_then(|verdict| verdict.wrong);
        Ok(wrong.filter(|wrong| wrong.kind.is_like(self.kind)))
    }

    /// The same, until it fails or has been run often enough.
    fn often(&mut self, config: &Config) -> Result<Option<Wrong>> {
        for _ in 0..self.budget.repeats {
            if self.is_over() {
                break;
            }
            let wrong = self.once(config)?;
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
        Ok(None)
    }
}
