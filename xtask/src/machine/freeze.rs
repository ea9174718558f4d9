//! Machines that stand still for a while, as one does whose own host is busy: the emulator does nothing, and the
//! clocks that it shows go on.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A while in which the emulator is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// When it begins, from the start of the emulator.
    pub at: Duration,
    /// How long it takes.
    pub time: Duration,
}

/// Stops a child and lets it go on.
pub(super) struct Freezer {
    start: Instant,
    /// When which signal is due, the latest first.
    due: Vec<(Duration, Signal)>,
}

impl Freezer {
    /// For a child that starts now.
    pub(super) fn new(freezes: &[Freeze]) -> Self {
        let both = |freeze: &Freeze| {
            let Freeze { at, time } = *freeze;
            [(at, Signal::STOP), (at + time, Signal::CONT)]
        };
        let mut due: Vec<_> = freezes.iter().flat_map(both).collect();
        due.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Self {
            start: Instant::now(),
            due,
        }
    }

    /// Sends what is due to a child that nobody has waited for; returns the time until more is.
    pub(super) fn next(&mut self, child: &Child) -> Option<Duration> {
        let now = self.start.elapsed();
        while let Some((_, signal)) = self.due.pop_if(|(at, _)| *at <= now) {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            // It may have ended already: nothing is left to stop then.
            let _ = pid.map(|pid| kill_process(pid, signal));
        }
        self.due.last().map(|(at, _)| *at - now)
    }
}
