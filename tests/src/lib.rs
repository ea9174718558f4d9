//! Whole-machine runs, and everything else that needs more than one crate: see `tests/`.
