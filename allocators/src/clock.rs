//! The time for which the system has let this thread run: how many others want the cores is not its doing.

/// In seconds.
pub(crate) fn run_time() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is ours.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0, "every thread has that clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
