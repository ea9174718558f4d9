//! Exponentially distributed gaps: events that know nothing of one another.

use rand_core::Rng;

/// Draws gaps whose mean is given.
#[derive(Clone, Copy, Debug)]
pub struct Gaps {
    mean: f64,
}

impl Gaps {
    /// Gaps of `mean` units on average.
    #[must_use]
    pub fn new(mean: f64) -> Self {
        Self { mean }
    }

    /// The next gap, at least 1.
    pub fn next(&self, random: &mut impl Rng) -> u64 {
        // Uniform in (0, 1]: 53 bits, and never zero.
        let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        ((-libm::log(uniform) * self.mean) as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::Pcg64Mcg;

    #[test]
    fn gaps_are_exponential() {
        let gaps = Gaps::new(10_000.0);
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
