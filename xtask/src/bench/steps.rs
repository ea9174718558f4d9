//! Steps of operations on pages, which must not grow with the memory: see `allocators/src/steps.rs`.

use anyhow::{Context as _, Result};

use super::{allocators, figure};
use crate::events::Figure;

/// Takes them all.
pub(super) fn figures() -> Result<Vec<Figure>> {
    parse(&allocators::program(&["steps"])?)
}

/// Each operation takes no more steps than with the least memory, which comes first.
fn parse(printed: &str) -> Result<Vec<Figure>> {
    let mut least = Vec::new();
    let figures = printed.lines().map(|line| {
        let (operation, steps) = parse_line(line).with_context(|| format!("no figure: {line}"))?;
        let (mebibytes, times, what) = operation;
        let known = least.iter().find(|(name, _)| *name == (times, what));
        let bound = known.map(|(_, steps)| *steps);
        if bound.is_none() {
            least.push(((times, what), steps));
        }
        let name = format!("simulated, {mebibytes} MiB, mapped {times} times: {what}");
        Ok(figure(name, steps, "steps", bound))
    });
    figures.collect()
}

/// The size of the memory, how often the page is mapped, and what is done; and the steps.
fn parse_line(line: &str) -> Option<((&str, &str, &str), f64)> {
    let mut words = line.split('\t');
    let operation = (words.next()?, words.next()?, words.next()?);
    Some((operation, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_memory_is_the_bound() {
        let figures = parse("64\t4\tx y\t2.5\n64\t1\tx y\t1\n1024\t4\tx y\t3\n").unwrap();
        let bounds: Vec<_> = figures.iter().map(|figure| figure.bound).collect();
        assert_eq!(bounds, [None, None, Some(2.5)]);
        assert_eq!(figures[2].name, "simulated, 1024 MiB, mapped 4 times: x y");
        assert!(parse("64\tx").is_err());
    }
}
