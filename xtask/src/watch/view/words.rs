//! Numbers that fit.

use std::time::Duration;

/// A rate in at most four characters; `-` while it is not known.
#[must_use]
pub fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| short(rate.round() as u64))
}

/// A number in at most four characters up to 999 millions.
#[must_use]
pub fn short(number: u64) -> String {
    match number {
        0..=9_999 => number.to_string(),
        10_000..=999_999 => format!("{}k", number / 1_000),
        1_000_000..=9_999_999 => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// A time in minutes and seconds, with hours if there are any.
#[must_use]
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match hours {
        0 => format!("{minutes}:{:02}", seconds % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        let numbers = [0, 9_999, 10_999, 999_999, 1_250_000, 12_500_000];
        assert_eq!(
            numbers.map(short),
            ["0", "9999", "10k", "999k", "1.2M", "12M"]
        );
        assert_eq!((rate(None), rate(Some(12.6))), ("-".into(), "13".into()));
        let times = [0, 61, 3_725].map(|seconds| clock(Duration::from_secs(seconds)));
        assert_eq!(times, ["0:00", "1:01", "1:02:05"]);
    }
}
