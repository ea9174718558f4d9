//! What holds for every parameter line, whoever reads it.

use std::collections::BTreeMap;

use boot::params::{Params, Route, merge, parse_int, parse_size, route, write_line};

use super::assert_is_one_line;

/// Reads a line and checks all that can be asked of it. Returns the same line with its words as they are written, and
/// those in reverse.
pub(super) fn check(line: &str) -> Option<[String; 2]> {
    let params = match Params::parse(line) {
        Ok(params) => params,
        Err(error) => {
            assert_is_one_line(&error.to_string());
            return None;
        }
    };
    let words: Vec<(&str, &str)> = line
        .split_ascii_whitespace()
        .map(|word| word.split_once('=').expect("it was accepted"))
        .collect();
    let read: Vec<_> = params.iter().map(|one| (one.key, one.value)).collect();
    assert_eq!(read, words);
    let by_key: BTreeMap<_, _> = words.iter().copied().collect();
    assert_eq!(by_key.len(), words.len(), "a key stands twice");
    for (key, value) in &words {
        assert_eq!(params.get(key), Some(*value));
        check_route(key);
        check_numbers(value);
    }
    for guest in [0, 1, u32::MAX] {
        check_guest(&params, &words, guest);
    }
    let whole: BTreeMap<_, _> = merge(params.iter(), params.iter())
        .map(|one| (one.key, one.value))
        .collect();
    assert_eq!(whole, by_key);
    let mut written = String::new();
    write_line(params.iter(), &mut written).expect("a string takes all");
    let reversed = words
        .iter()
        .rev()
        .map(|(key, value)| format!("{key}={value}"));
    let reversed = reversed.collect::<Vec<_>>().join(" ");
    Some([written, reversed])
}

/// A key can be written in one way only.
fn check_route(key: &str) {
    match route(key) {
        Route::Own(own) => assert_eq!(own, key),
        Route::Guest(number, rest) => assert_eq!(format!("g{number}.{rest}"), key),
        Route::AllGuests(rest) => assert_eq!(format!("g.{rest}"), key),
    }
}

/// Numbers are what another reader of numbers makes of them.
fn check_numbers(text: &str) {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = |text: &str| text.parse::<u64>().ok().filter(|_| digits(text));
    let number = match text.strip_prefix("0x") {
        Some(rest) if rest.starts_with('+') => None,
        Some(rest) => u64::from_str_radix(rest, 16).ok(),
        None => plain(text),
    };
    assert_eq!(parse_int(text).ok(), number);
    let units = ["K", "M", "G", "T"].into_iter().zip(1..);
    let scaled = units.into_iter().find_map(|(unit, power)| {
        let rest = text.strip_suffix("iB").unwrap_or(text).strip_suffix(unit)?;
        Some(plain(rest).and_then(|number| number.checked_mul(1024_u64.pow(power))))
    });
    assert_eq!(parse_size(text).ok(), scaled.unwrap_or_else(|| plain(text)));
}

/// What is said to one guest stands above what is said to all.
fn check_guest(params: &Params<'_>, words: &[(&str, &str)], guest: u32) {
    let own = format!("g{guest}.");
    let mut expected = BTreeMap::new();
    for prefix in ["g.", &own] {
        for (key, value) in words {
            if let Some(rest) = key.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
                expected.insert(rest, *value);
            }
        }
    }
    let read: Vec<_> = params.for_guest(guest).collect();
    let map: BTreeMap<_, _> = read.iter().map(|one| (one.key, one.value)).collect();
    assert_eq!((read.len(), map), (expected.len(), expected));
}
