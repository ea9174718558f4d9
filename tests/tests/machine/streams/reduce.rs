//! From many streams that something is wrong with to the instructions that it needs.

use std::fmt::Write as _;

use libtest_mimic::Failed;

use super::stream::{self, Stream};
use crate::beside::{self, Outcome, Setting};

/// Most machines that are run for this.
const MOST_RUNS: usize = 150;

/// Runs parts of what fails, as long as they fail in the same way.
struct Search<'a> {
    setting: &'a Setting,
    is_abort: bool,
    runs: usize,
}

impl Search<'_> {
    fn fails(&mut self, streams: &[Stream]) -> Result<bool, Failed> {
        self.runs += 1;
        let outcome = beside::run(self.setting, &stream::images(streams))?;
        Ok(match outcome {
            Outcome::Good(_) => false,
            Outcome::Bad(_) => !self.is_abort,
            Outcome::Aborted(_) => self.is_abort,
        })
    }

    /// Leaves parts of a list out, halves first and then less, as long as the rest fails.
    fn shorten<T: Clone>(
        &mut self,
        mut all: Vec<T>,
        streams: impl Fn(&[T]) -> Vec<Stream>,
    ) -> Result<Vec<T>, Failed> {
        let mut size = all.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < all.len() && all.len() > 1 && self.runs < MOST_RUNS {
                let end = all.len().min(at + size);
                let rest = [&all[..at], &all[end..]].concat();
                if !rest.is_empty() && self.fails(&streams(&rest))? {
                    all = rest;
                } else {
                    at = end;
                }
            }
            size /= 2;
        }
        Ok(all)
    }
}

/// What is left when nothing more can be left out, as text.
pub(super) fn reduce(
    setting: &Setting,
    streams: Vec<Stream>,
    outcome: &Outcome,
) -> Result<String, Failed> {
    let mut search = Search {
        setting,
        is_abort: matches!(outcome, Outcome::Aborted(_)),
        runs: 0,
    };
    let mut left = search.shorten(streams, <[Stream]>::to_vec)?;
    if let [stream] = &mut left[..] {
        let whole = stream.clone();
        stream.fragments = search.shorten(whole.fragments.clone(), |fragments| {
            let mut part = whole.clone();
            part.fragments = fragments.to_vec();
            vec![part]
        })?;
        for number in 0..stream.fragments.len() {
            let whole = stream.clone();
            let instructions = whole.fragments[number].instructions.clone();
            stream.fragments[number].instructions = search.shorten(instructions, |part| {
                let mut shorter = whole.clone();
                shorter.fragments[number].instructions = part.to_vec();
                vec![shorter]
            })?;
        }
    }
    let mut text = format!("after {} runs:", search.runs);
    for stream in &left {
        write!(text, "\nSTREAMS=1 STREAMS_SEED={}:", stream.seed).expect("strings take text");
        for fragment in stream.fragments.iter().take(4) {
            write!(text, "\n  {}", fragment.describe()).expect("strings take text");
        }
    }
    Ok(text)
}
