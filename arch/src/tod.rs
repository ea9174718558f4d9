//! The units of the time-of-day clock, on any machine.

/// TOD units in a microsecond.
pub const UNITS_PER_MICROSECOND: u64 = 4096;
