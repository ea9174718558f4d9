//! Figures of the source: how much code the scheme needs.

use anyhow::{Context as _, Result};

use super::figure;
use crate::events::Figure;
use crate::workspace;

/// What changes page states, and what follows from that: `make_volatile` and `make_stable`, batches of
/// them, removal of discarded pages, sign-off.
const PAGE_STATES: [&str; 4] = ["state.rs", "release.rs", "discard.rs", "signoff.rs"];
/// Lines of code, at most.
const MOST: f64 = 1200.0;

/// Takes them.
pub(super) fn figures() -> Result<Vec<Figure>> {
    let mut lines = 0;
    for name in PAGE_STATES {
        let path = workspace::root().join("kernel/src/mm").join(name);
        let text = std::fs::read_to_string(&path);
        lines += code_lines(&text.with_context(|| path.display().to_string())?);
    }
    Ok(vec![figure(
        "page-state code",
        lines as f64,
        "lines",
        Some(MOST),
    )])
}

/// Lines that are neither empty nor comments, and not behind the beginning of the tests.
fn code_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .map(str::trim)
        .filter(is_code)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_are_not_code() {
        let text = "//! A file.\n\nfn a() {\n    // Why.\n    b(); // too\n}\n\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(code_lines(text), 3);
    }

    #[test]
    fn the_files_are_there() {
        let figures = figures().unwrap();
        assert!(figures[0].value > 100.0 && figures[0].value <= MOST);
    }
}
