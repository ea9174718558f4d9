//! Invalidations and orders to other CPUs, never at the same time.
//!
//! The architecture asks for nothing like it. QEMU 7.2 comes to a standstill if one CPU executes IPTE,
//! for which it waits until all CPUs have left their blocks of instructions, while a second CPU waits
//! inside SIGNAL PROCESSOR until a third one has carried out an order. Invalidations do not exclude one
//! another, orders are rare.

use core::sync::atomic::{AtomicU32, Ordering};

use super::clock::{self, Patience};

/// Somebody orders, or waits to.
const ORDERING: u32 = 1 << 31;
/// How long an order waits for invalidations, in TOD units: a second. A CPU that failed in one never ends it.
const PATIENCE: u64 = 1_000_000 * clock::UNITS_PER_MICROSECOND;

/// Invalidations under way, and [`ORDERING`].
static STATE: AtomicU32 = AtomicU32::new(0);

/// Invalidations are under way on this CPU until this is dropped.
pub(super) struct Invalidating(());

impl Invalidating {
    /// Begins, when nobody orders.
    pub(super) fn begin() -> Self {
        let more = |state: u32| (state & ORDERING == 0).then_some(state + 1);
        while STATE
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, more)
            .is_err()
        {
            core::hint::spin_loop();
        }
        Self(())
    }
}

impl Drop for Invalidating {
    fn drop(&mut self) {
        STATE.fetch_sub(1, Ordering::Release);
    }
}

/// Executes an invalidation.
pub(super) fn invalidate(invalidation: impl FnOnce()) {
    let _invalidating = Invalidating::begin();
    invalidation();
}

/// Executes an order.
pub(super) fn order<T>(order: impl FnOnce() -> T) -> T {
    let mut patience = Patience::new(PATIENCE, clock::now());
    let mut is_patient = || !patience.is_over(clock::now());
    while STATE.fetch_or(ORDERING, Ordering::Acquire) & ORDERING != 0 && is_patient() {
        core::hint::spin_loop();
    }
    while STATE.load(Ordering::Acquire) != ORDERING && is_patient() {
        core::hint::spin_loop();
    }
    let outcome = order();
    STATE.fetch_and(!ORDERING, Ordering::Release);
    outcome
}
