//! Waiting: a guest that does nothing for a while.

use arch::clock;

use crate::task;

/// How long, in TOD units: a second.
const WHILE: u64 = 1_000_000 * clock::UNITS_PER_MICROSECOND;

/// Waits for a second.
pub fn run() {
    task::sleep_until(clock::now() + WHILE);
}
