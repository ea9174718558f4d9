//! What the book lists is all that there is.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys that a source matches parameters with, but for those of negative tests.
fn keys(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut keys = Vec::new();
    for (patterns, body) in code
        .lines()
        .filter_map(|line| line.trim().split_once(" => "))
    {
        let is_arm = body.contains("self.") || body.ends_with('{') || body == "{}";
        let words = patterns.split(" | ");
        let own = words.map(|word| word.strip_prefix('"')?.strip_suffix('"'));
        if let (true, Some(own)) = (is_arm, own.collect::<Option<Vec<_>>>()) {
            keys.extend(own);
        }
    }
    keys.retain(|key| *key != "control");
    keys.sort_unstable();
    keys
}

/// The keys in the table behind a heading.
fn documented<'a>(book: &'a str, heading: &str) -> Vec<&'a str> {
    let section = book.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut keys: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn all_parameters_are_in_the_book() {
    let book = read("docs/parameters.md");
    let kernel = read("kernel/src/control.rs");
    let host = read("host/src/control.rs");
    assert!(keys(&kernel).len() > 10 && keys(&host).len() > 8);
    assert_eq!(documented(&book, "## The kernel's"), keys(&kernel));
    assert_eq!(documented(&book, "## The host's"), keys(&host));
}
