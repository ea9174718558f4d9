//! Whole-machine tests stand in `tests/`.
