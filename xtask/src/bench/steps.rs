//! Steps of operations on pages, which must not grow with the memory nor with the CPUs: see `allocators/src/steps.rs` and
//! `allocators/src/cpus.rs`.

use anyhow::{Context as _, Result, bail};

use super::{allocators, figure};
use crate::events::Figure;

/// Takes them all.
pub(super) fn figures() -> Result<Vec<Figure>> {
    let mut figures = parse(&allocators::program(&["steps"])?)?;
    figures.extend(parse_cpus(&allocators::program(&["cpus"])?)?);
    Ok(figures)
}

/// Each operation takes no more steps than with one CPU, which comes first. Pages wait for two rounds at most.
fn parse_cpus(printed: &str) -> Result<Vec<Figure>> {
    let mut alone = Vec::new();
    let figures = printed.lines().map(|line| {
        let words: Vec<&str> = line.split('\t').collect();
        let [cpus, what, value, unit] = words[..] else {
            bail!("no figure: {line}");
        };
        let (count, value): (f64, f64) = (cpus.parse()?, value.parse()?);
        let known = alone.iter().find(|(name, _)| *name == what);
        let bound = match (unit, known) {
            ("sign-offs", _) => Some(2.0 * count),
            (_, Some((_, steps))) => Some(*steps),
            (_, None) => {
                alone.push((what, value));
                None
            }
        };
        let name = format!("simulated, CPUs {cpus}: {what}");
        Ok(figure(name, value, unit, bound))
    });
    figures.collect()
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

    #[test]
    fn one_cpu_is_the_bound_and_two_rounds_are() {
        let printed = "1\tx\t2\tsteps\n1\ty\t0\tsign-offs\n64\tx\t3\tsteps\n64\ty\t70\tsign-offs\n";
        let figures = parse_cpus(printed).unwrap();
        let bounds: Vec<_> = figures.iter().map(|figure| figure.bound).collect();
        assert_eq!(bounds, [None, Some(2.0), Some(2.0), Some(128.0)]);
        assert!(parse_cpus("1\tx\t2").is_err());
    }
}
