//! The monitor of `hinting=balloon`: estimates what each guest needs of its memory from reference bits, and
//! decides how large its balloon should be, in the way of a z/VM monitor that drives its guests.
//!
//! Frames are short when few of them are free, or pages had to be written out. The longer they are, the more
//! of what guests see beyond the frames that there are is asked for, of each guest in proportion to the memory
//! that it has not used lately. When frames are plenty, it is given back more slowly.

use alloc::vec::Vec;

use arch::tod::UNITS_PER_MICROSECOND;

/// What the monitor is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Time from one look at a guest to the next, in milliseconds.
    pub interval_ms: u32,
    /// How much more of the shortage is asked for each time, in percent.
    pub step: u32,
    /// What a guest keeps of its memory whatever it uses, in percent.
    pub floor: u32,
}

impl Settings {
    /// What a parameter's value names: interval, step and floor; the last ones may be missing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let mut number = |least: u32, most: u32, default| match words.next() {
            Some(word) => word
                .parse()
                .ok()
                .filter(|number| (least..=most).contains(number)),
            None => Some(default),
        };
        let settings = Self {
            interval_ms: number(1, 60_000, Self::DEFAULT.interval_ms)?,
            step: number(1, 100, Self::DEFAULT.step)?,
            floor: number(0, 100, Self::DEFAULT.floor)?,
        };
        words.next().is_none().then_some(settings)
    }

    /// What is good in most cases.
    pub const DEFAULT: Self = Self {
        interval_ms: 200,
        step: 25,
        floor: 25,
    };
}

/// Of the frames so many are to be free: fewer are short, and twice as many plenty.
const FREE_PART: usize = 16;
/// How much more slowly memory is given back than asked for.
const PATIENCE: u32 = 4;
/// Of an estimate so much is old: what was not used for a while is idle only then.
const OLD: (u32, u32) = (3, 4);
/// Smallest change of a target that a guest is told of: this part of its memory, and so many pages.
const LEAST_PART: u32 = 64;
const LEAST: u32 = 32;

/// What is known of a guest when targets are set.
#[derive(Clone, Copy, Default, Debug)]
struct Estimate {
    /// Pages that it uses.
    needed: u32,
    /// Its target.
    target: u32,
}

/// A guest when targets are set.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Pages that it sees; none if it has ended.
    pub size: u32,
    /// Whether somebody looks after its balloon.
    pub has_balloon: bool,
}

/// The frames at that moment.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// All for guests.
    pub total: usize,
    /// Those that are free.
    pub free: usize,
    /// Frames taken from pages whose content was kept, since the beginning.
    pub paged_out: u64,
}

/// The monitor.
#[derive(Debug)]
pub struct Monitor {
    settings: Settings,
    /// When the next guest is looked at.
    next: u64,
    /// The guest.
    turn: usize,
    /// How much of the shortage is asked for, in percent.
    pressure: u32,
    paged_out: u64,
    estimates: Vec<Estimate>,
}

impl Monitor {
    /// A monitor of so many guests.
    #[must_use]
    pub fn new(settings: Settings, guests: usize) -> Self {
        Self {
            settings,
            next: 0,
            turn: 0,
            pressure: 0,
            paged_out: 0,
            estimates: alloc::vec![Estimate::default(); guests],
        }
    }

    /// When the next look at a guest is due.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The guest that is to be looked at now, if any is: all in turn, so that a look is short.
    pub fn turn(&mut self, now: u64) -> Option<usize> {
        if now < self.next {
            return None;
        }
        let interval = u64::from(self.settings.interval_ms) * 1000 * UNITS_PER_MICROSECOND;
        self.next = now + interval / self.estimates.len() as u64;
        let turn = self.turn;
        self.turn = (turn + 1) % self.estimates.len();
        Some(turn)
    }

    /// A guest was looked at. Its estimate rises at once and falls slowly.
    pub fn see(&mut self, guest: usize, used: u32) {
        let needed = &mut self.estimates[guest].needed;
        let (part, of) = OLD;
        let slow = (*needed * part + used * (of - part)) / of;
        *needed = slow.max(used);
    }

    /// Whether all guests have been looked at since targets were set.
    #[must_use]
    pub fn is_round(&self) -> bool {
        self.turn == 0
    }

    /// Sets the targets of all guests.
    pub fn plan(&mut self, frames: Frames, guests: &[Seen]) {
        let low = frames.total / FREE_PART;
        let is_paging = frames.paged_out > self.paged_out;
        self.paged_out = frames.paged_out;
        let step = self.settings.step;
        if frames.free < low || is_paging {
            self.pressure = (self.pressure + step).min(100);
        } else if frames.free > 2 * low {
            self.pressure = self.pressure.saturating_sub(step.div_ceil(PATIENCE));
        }
        let size: u64 = guests.iter().map(|guest| u64::from(guest.size)).sum();
        let shortage = (size + low as u64).saturating_sub(frames.total as u64);
        let asked = shortage * u64::from(self.pressure) / 100;
        let idle: Vec<u64> = guests
            .iter()
            .zip(&self.estimates)
            .map(|(guest, estimate)| self.idle(guest, estimate.needed))
            .collect();
        let all: u64 = idle.iter().sum();
        for (at, guest) in guests.iter().enumerate() {
            let target = (asked * idle[at]).checked_div(all).unwrap_or(0);
            let target = target.min(idle[at]) as u32;
            let old = &mut self.estimates[at].target;
            let least = (guest.size / LEAST_PART).max(LEAST);
            if target.abs_diff(*old) >= least || target == 0 {
                *old = target;
            }
        }
    }

    /// Pages of a guest that it does not need.
    fn idle(&self, guest: &Seen, needed: u32) -> u64 {
        if !guest.has_balloon {
            return 0;
        }
        let floor = u64::from(guest.size) * u64::from(self.settings.floor) / 100;
        u64::from(guest.size) - u64::from(needed).max(floor).min(guest.size.into())
    }

    /// The target of a guest.
    #[must_use]
    pub fn target(&self, guest: usize) -> u32 {
        self.estimates[guest].target
    }
}

#[cfg(test)]
mod tests;
