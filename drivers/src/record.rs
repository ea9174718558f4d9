//! Lines for programs: one JSON object each, with a `kind` and a running `seq`.

mod failure;
mod json;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use json::Json;
use serde::{Serialize, Serializer};

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// What every line begins with.
#[derive(Serialize)]
struct Head<'a> {
    kind: &'a str,
    seq: u64,
}

/// Counts by name or number: an object, in the order in which they came. A map would sort them, by code
/// that is larger than all else here.
pub struct Counts<K>(Vec<(K, u64)>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> FromIterator<(K, u64)> for Counts<K> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(counts: I) -> Self {
        Self(counts.into_iter().collect())
    }
}

impl<K: Serialize> Serialize for Counts<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, count)| (key, count)))
    }
}

/// The line for a record, without its line end.
///
/// # Panics
/// If `body` is not a structure of plain fields, which is a mistake in this program.
#[must_use]
pub fn line(kind: &str, body: &impl Serialize) -> String {
    let mut line = begin(kind);
    let Ok(()) = body.serialize(Json::inside(&mut line));
    line
}

/// One code for all kinds of records.
#[inline(never)]
fn begin(kind: &str) -> String {
    let seq = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    let mut line = String::new();
    let Ok(()) = Head { kind, seq }.serialize(Json::new(&mut line));
    // The record's own fields, and the end of all, follow.
    line.pop();
    line
}

/// Prints a record on the console.
#[cfg(target_os = "none")]
pub fn emit(kind: &str, body: &impl Serialize) {
    print(&|| line(kind, body));
}

/// Prints a record's line. One code for all kinds of records: they are many.
#[cfg(target_os = "none")]
#[inline(never)]
fn print(line: &dyn Fn() -> String) {
    // Numbered and printed in one order by all CPUs.
    crate::sclp::exclusively(|| crate::console::print_line(format_args!("{}", line())));
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
    fn counts_are_an_object() {
        #[derive(Serialize)]
        struct Body {
            essa: Counts<usize>,
        }
        let essa = [(1, 5), (6, 2)].into_iter().collect();
        let line = line("guest", &Body { essa });
        assert!(line.ends_with("\"essa\":{\"1\":5,\"6\":2}}"), "{line}");
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
