//! How long things took: a histogram whose buckets are an eighth as wide as their durations are long.

/// Buckets of durations of as many binary digits.
const PARTS: u32 = 8;
/// Binary digits of the number of parts.
const PART_DIGITS: u32 = PARTS.ilog2();
/// Buckets: durations up to 2^37 nanoseconds, two minutes; what is longer is in the last one.
const BUCKETS: usize = 280;

/// The bucket of a duration, in nanoseconds.
#[must_use]
pub const fn bucket(duration: u64) -> usize {
    if duration < PARTS as u64 {
        return duration as usize;
    }
    let digits = duration.ilog2();
    let part = (duration >> (digits - PART_DIGITS)) % PARTS as u64;
    let bucket = ((digits - PART_DIGITS + 1) * PARTS) as usize + part as usize;
    if bucket < BUCKETS {
        bucket
    } else {
        BUCKETS - 1
    }
}

/// The least duration of a bucket, in nanoseconds.
#[must_use]
pub const fn lower_bound(bucket: u32) -> u64 {
    let (power, part) = (bucket / PARTS, (bucket % PARTS) as u64);
    if power == 0 {
        part
    } else {
        (PARTS as u64 + part) << (power - 1)
    }
}

/// The histogram.
pub struct Histogram([u32; BUCKETS]);

impl Histogram {
    /// Nothing has taken any time yet.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; BUCKETS])
    }

    /// Something has taken so long, in nanoseconds.
    pub fn add(&mut self, duration: u64) {
        self.0[bucket(duration)] += 1;
    }

    /// Buckets that are not empty, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.0.iter().enumerate();
        all.filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (bucket, u64::from(*count)))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_and_begin_where_they_say() {
        for number in 1..BUCKETS as u32 {
            let least = lower_bound(number);
            assert_eq!(bucket(least), number as usize, "{least}");
            assert_eq!(bucket(least - 1), number as usize - 1, "{least}");
            let width = lower_bound(number + 1) - least;
            assert!(width * 8 <= least.max(8), "bucket {number} is {width} wide");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn only_what_happened_is_counted() {
        let mut histogram = Histogram::new();
        for duration in [3, 1000, 1001, u64::MAX] {
            histogram.add(duration);
        }
        let all: Vec<_> = histogram.iter().collect();
        assert_eq!(all, [(3, 1), (bucket(1000), 2), (BUCKETS - 1, 1)]);
    }
}
