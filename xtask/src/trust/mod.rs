//! Why anybody should believe what the rest says: commands that try to break it, and that count what has to be believed.

pub mod miri;
pub mod mutants;
pub mod sanitize;
pub mod supply;
pub mod unsafe_code;

/// Whether a package is wanted: all are, if none is named.
fn is_chosen(package: &str, named: Option<&str>) -> bool {
    named.is_none_or(|named| named == package)
}
