//! Failures that are expected to happen, and the exit status each one ends with.

use std::fmt;

/// Exit status of a run or a test that failed.
pub const FAILED: u8 = 1;
/// Exit status of a wrong command line, a missing tool or an input that cannot be used.
pub const UNUSABLE: u8 = 2;
/// Exit status of a run that took longer than it was given.
pub const TIMED_OUT: u8 = 124;
/// Exit status of a run that the user interrupted (128 + SIGINT, as shells report it).
pub const INTERRUPTED: u8 = 130;

/// A failure with the exit status it ends with; its text says what to do about it.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// Makes a failure that ends with `status`.
pub fn with_status(status: u8, reason: impl Into<String>) -> anyhow::Error {
    Failure {
        status,
        reason: reason.into(),
    }
    .into()
}

/// Makes a failure of the caller's making: wrong usage, missing tool, unusable input.
pub fn unusable(reason: impl Into<String>) -> anyhow::Error {
    with_status(UNUSABLE, reason)
}

/// Turns any error into one about an unusable input, its causes included.
pub fn as_unusable(error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref::<Failure>().is_some() {
        error
    } else {
        unusable(one_line(&error))
    }
}

/// Exit status that an error ends with; [`FAILED`] unless it says otherwise.
#[must_use]
pub fn status_of(error: &anyhow::Error) -> u8 {
    error
        .downcast_ref::<Failure>()
        .map_or(FAILED, |failure| failure.status)
}

/// The error and its causes in one line, without a stack trace.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_status_survives_added_context() {
        let error = Err::<(), _>(unusable("no such thing"))
            .context("while looking")
            .unwrap_err();
        assert_eq!(status_of(&error), UNUSABLE);
        assert_eq!(one_line(&error), "while looking: no such thing");
    }

    #[test]
    fn other_errors_are_failures_in_one_line() {
        let error = anyhow::anyhow!("first\n\n   second\n");
        assert_eq!(status_of(&error), FAILED);
        assert_eq!(one_line(&error), "first; second");
        assert_eq!(status_of(&as_unusable(error)), UNUSABLE);
    }
}
