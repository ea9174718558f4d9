//! The table of rules: no guard is missing, and every test that it names exists.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backquotes in a line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_guard_is_in_the_table_with_a_test_that_takes_it_out() {
    let table = read("tests/RULES.md");
    let source = read("kernel/src/mm/guard.rs");
    let body = source.split("pub enum Guard {").nth(1).unwrap();
    let body = body.split('}').next().unwrap();
    let guards: Vec<_> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("///"))
        .filter_map(|line| line.strip_suffix(','))
        .collect();
    assert!(guards.len() > 20);
    for guard in guards {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| `{guard}` |")));
        let row = row.unwrap_or_else(|| panic!("{guard} is not in the table"));
        let words = quoted(row);
        let file = read(words[words.len() - 2]);
        assert!(file.contains(&format!("Guard::{guard}")), "{row}");
    }
}

#[test]
fn every_test_in_the_table_exists() {
    let table = read("tests/RULES.md");
    let rows = table.lines().filter(|line| line.contains(".rs`: `"));
    let mut count = 0;
    for row in rows {
        let words = quoted(row);
        let [.., file, test] = words[..] else {
            panic!("{row}")
        };
        let name = test.rsplit("::").next().unwrap();
        assert!(read(file).contains(&format!("fn {name}(")), "{row}");
        count += 1;
    }
    assert!(count > 25, "{count} rows");
}
