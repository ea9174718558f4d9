//! Exponentially distributed gaps: events that know nothing of one another.

use rand_core::Rng;

/// Bits behind the point of the logarithms.
const FRACTION: u32 = 16;
/// The natural logarithm of 2.
const LN_2: u64 = 45_426;

/// Draws gaps whose mean is given.
#[derive(Clone, Copy, Debug)]
pub struct Gaps {
    mean: u32,
}

impl Gaps {
    /// Gaps of `mean` units on average.
    #[must_use]
    pub fn new(mean: u32) -> Self {
        Self { mean }
    }

    /// The next gap, at least 1.
    pub fn next(&self, random: &mut impl Rng) -> u64 {
        // Uniform in 0 to 1 but for both, as so many parts of 2^64.
        let halvings = halvings(random.next_u64() | 1);
        let logarithm = (halvings * LN_2) >> FRACTION;
        ((logarithm * u64::from(self.mean)) >> FRACTION).max(1)
    }
}

/// How often 1 is halved to get `parts` of 2^64, with [`FRACTION`] bits: a binary logarithm, in integers
/// since floating point by software takes 3 KiB.
fn halvings(parts: u64) -> u64 {
    let zeros = parts.leading_zeros();
    let mut mantissa = parts << zeros;
    let mut fraction = 0;
    for _ in 0..FRACTION {
        // Squaring doubles the logarithm, whose next bit is whether 2 is reached.
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let is_two = square >> 64 != 0;
        fraction = fraction << 1 | u64::from(is_two);
        mantissa = (square >> u32::from(is_two)) as u64;
    }
    (u64::from(zeros + 1) << FRACTION) - fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::Pcg64Mcg;

    #[test]
    fn halvings_are_a_logarithm() {
        for parts in [
            1,
            3,
            1 << 40,
            u64::MAX,
            u64::MAX / 3 * 2,
            0x1234_5678_9abc_def0,
        ] {
            let exact = 64.0 - (parts as f64).log2();
            let found = halvings(parts) as f64 / f64::from(1 << FRACTION);
            assert!(
                (found - exact).abs() < 2e-5,
                "{parts}: {found}, not {exact}"
            );
        }
    }

    #[test]
    fn gaps_are_exponential() {
        let gaps = Gaps::new(10_000);
        let mut random = Pcg64Mcg::new(7);
        let drawn: Vec<f64> = (0..20_000).map(|_| gaps.next(&mut random) as f64).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let beyond =
            drawn.iter().filter(|gap| **gap > 10_000.0).count() as f64 / drawn.len() as f64;
        assert!((mean / 10_000.0 - 1.0).abs() < 0.03, "mean {mean}");
        // e^-1 of an exponential distribution lies beyond its mean.
        assert!((beyond - 0.3679).abs() < 0.015, "beyond the mean {beyond}");
    }
}
