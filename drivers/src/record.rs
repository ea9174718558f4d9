//! Lines for programs: one JSON object each, with a `kind` and a running `seq`.

mod failure;

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    kind: &'a str,
    seq: u64,
    #[serde(flatten)]
    body: &'a T,
}

/// The line for a record, without its line end.
///
/// # Panics
/// If `body` is not a structure or map, which is a mistake in this program.
#[must_use]
pub fn line(kind: &str, body: &impl Serialize) -> String {
    let seq = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    serde_json::to_string(&Line { kind, seq, body })
        .expect("records are structures of plain fields")
}

/// A map of counts, made one by one: to collect them would sort them first, by a lot of code.
#[must_use]
pub fn counts<K: Ord>(all: &mut dyn Iterator<Item = (K, u64)>) -> BTreeMap<K, u64> {
    let mut map = BTreeMap::new();
    for (name, count) in all {
        map.insert(name, count);
    }
    map
}

/// Prints a record on the console.
#[cfg(target_os = "none")]
pub fn emit(kind: &str, body: &impl Serialize) {
    // Numbered and printed in one order by all CPUs.
    crate::sclp::exclusively(|| crate::console::print_line(format_args!("{}", line(kind, body))));
}

/// The line for a failure: a record of kind `error` with the first line of `text` as its reason.
///
/// Uses no heap.
pub fn failure<'a>(text: fmt::Arguments<'a>) -> impl fmt::Display + 'a {
    let seq = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    failure::FailureLine { seq, reason: text }
}

/// Prints the last words of an image that cannot go on, for people and for programs. Uses no heap.
#[cfg(target_os = "none")]
///
/// No other CPU may be running any more.
pub fn print_failure(text: fmt::Arguments<'_>) {
    crate::sclp::seize();
    crate::console::print_line(text);
    crate::console::print_line(format_args!("{}", failure(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Body {
        reason: &'static str,
    }

    #[test]
    fn a_record_is_one_line_with_kind_and_sequence() {
        let first = line(
            "error",
            &Body {
                reason: "a \"quoted\"\nword",
            },
        );
        assert!(first.starts_with("{\"kind\":\"error\",\"seq\":"));
        assert!(first.ends_with("\"reason\":\"a \\\"quoted\\\"\\nword\"}"));
        assert!(!first.contains('\n'));
    }
}
