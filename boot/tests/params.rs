//! The parameter line: words, values, routes and layers.

use boot::params::{
    Error, Parameter, Params, Route, ValueError, merge, parse_int, parse_size, route, write_line,
};
use proptest::prelude::*;

fn pairs(line: &str) -> Result<Vec<(&str, &str)>, Error<'_>> {
    let params = Params::parse(line)?;
    Ok(params.iter().map(|p| (p.key, p.value)).collect())
}

#[test]
fn words_are_separated_by_any_blanks() {
    assert_eq!(pairs(""), Ok(vec![]));
    assert_eq!(pairs("  \t\n"), Ok(vec![]));
    assert_eq!(
        pairs("  cmma=full\tpasses=2  g0.seed=1\n"),
        Ok(vec![("cmma", "full"), ("passes", "2"), ("g0.seed", "1")])
    );
}

#[test]
fn the_first_equals_sign_ends_the_key() {
    assert_eq!(
        pairs("script=a=b empty="),
        Ok(vec![("script", "a=b"), ("empty", "")])
    );
}

#[test]
fn errors_are_one_line_and_name_the_key() {
    for (line, text) in [
        (
            "passes",
            "parameter passes: `=` is missing, write passes=VALUE",
        ),
        ("=5", "parameter =5: a key is missing before `=`"),
        ("a=1 b=2 a=3", "parameter a is given twice"),
        (
            "käse=1",
            "parameter k\\xc3\\xa4se=1: only printable ASCII characters are allowed",
        ),
        (
            "a=\x1b[0m",
            "parameter a=\\x1b[0m: only printable ASCII characters are allowed",
        ),
    ] {
        assert_eq!(pairs(line).unwrap_err().to_string(), text);
    }
    let size = Parameter {
        key: "memory",
        value: "lots",
    };
    assert_eq!(
        size.size().unwrap_err().to_string(),
        "parameter memory=lots: the value is not a size such as 4096, 64M or 1GiB"
    );
    assert_eq!(
        size.integer().unwrap_err().to_string(),
        "parameter memory=lots: the value is not a number"
    );
    assert_eq!(size.unknown().to_string(), "unknown parameter memory");
    assert_eq!(
        size.one_of("off|full", [0, 1]).unwrap_err().to_string(),
        "parameter memory=lots: the value must be off|full"
    );
}

#[test]
fn a_key_that_starts_another_is_no_duplicate() {
    assert_eq!(
        pairs("pass=1 passes=2 pas=3").map(|pairs| pairs.len()),
        Ok(3)
    );
}

#[test]
fn a_choice_gives_what_stands_at_its_place() {
    let params = Params::parse("cmma=unused").unwrap();
    let cmma = params.iter().next().unwrap();
    assert_eq!(cmma.one_of("off|unused|full", ['o', 'u', 'f']), Ok('u'));
    let whole = Parameter {
        key: "cmma",
        value: "off|unused",
    };
    assert!(whole.one_of("off|unused|full", [0, 1, 2]).is_err());
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        ("1K", 1 << 10),
        ("64M", 64 << 20),
        ("64MiB", 64 << 20),
        ("1G", 1 << 30),
        ("3TiB", 3 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for text in [
        "", "M", "-1", "+1", "1m", "1 M", "1MB", "0x10", "1.5G", "M1",
    ] {
        assert_eq!(parse_size(text), Err(ValueError::NotASize), "{text}");
    }
    for text in ["18446744073709551616", "18446744073709551615K", "16777216T"] {
        assert_eq!(parse_size(text), Err(ValueError::TooLarge), "{text}");
    }
}

#[test]
fn integers() {
    assert_eq!(parse_int("42"), Ok(42));
    assert_eq!(parse_int("0x2A"), Ok(42));
    assert_eq!(parse_int("0xffffffffffffffff"), Ok(u64::MAX));
    for text in ["", "0x", "-1", "+1", "0x+1", "1_000", "ten", "4K"] {
        assert_eq!(parse_int(text), Err(ValueError::NotANumber), "{text}");
    }
    for text in ["18446744073709551616", "0x10000000000000000"] {
        assert_eq!(parse_int(text), Err(ValueError::TooLarge), "{text}");
    }
}

#[test]
fn routes() {
    assert_eq!(route("guests"), Route::Own("guests"));
    assert_eq!(route("g.cmma"), Route::AllGuests("cmma"));
    assert_eq!(route("g0.cmma"), Route::Guest(0, "cmma"));
    assert_eq!(route("g12.a.b"), Route::Guest(12, "a.b"));
    // Not numbers of guests, so keys that the host does not know.
    for key in [
        "g",
        "g.",
        "g1.",
        "gx.a",
        "g01.a",
        "g+1.a",
        "g4294967296.a",
        "x1.a",
    ] {
        assert_eq!(route(key), Route::Own(key));
    }
}

#[test]
fn a_guest_gets_what_is_for_all_unless_there_is_its_own() {
    let host = Params::parse("guests=2 g1.seed=7 g.seed=1 g.cmma=full g0.cmma=off").unwrap();
    let line = |guest| {
        let mut line = String::new();
        write_line(host.for_guest(guest), &mut line).unwrap();
        line
    };
    assert_eq!(line(0), "seed=1 cmma=off");
    assert_eq!(line(1), "cmma=full seed=7");
    assert_eq!(line(2), "seed=1 cmma=full");
}

#[test]
fn the_upper_layer_overrides_the_lower() {
    let bundle = Params::parse("cmma=full passes=2 seed=1").unwrap();
    let line = Params::parse("passes=3 disk=memory").unwrap();
    let mut text = String::new();
    write_line(merge(bundle.iter(), line.iter()), &mut text).unwrap();
    assert_eq!(text, "cmma=full seed=1 passes=3 disk=memory");
    // So the result is a line without duplicates.
    assert!(Params::parse(&text).is_ok());
}

proptest! {
    #[test]
    fn a_line_is_read_as_it_was_written(
        parameters in prop::collection::btree_map("[!-<>-~]{1,8}", "[!-~]{0,8}", 0..8)
    ) {
        let mut line = String::new();
        let iter = parameters.iter().map(|(key, value)| Parameter { key, value });
        write_line(iter, &mut line).unwrap();
        let params = Params::parse(&line).unwrap();
        prop_assert_eq!(params.iter().count(), parameters.len());
        for (key, value) in &parameters {
            prop_assert_eq!(params.get(key), Some(value.as_str()));
        }
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in any::<String>()) {
        if let Ok(params) = Params::parse(&line) {
            for parameter in &params {
                let _ = (parameter.size(), parameter.integer(), route(parameter.key));
            }
        }
    }
}
