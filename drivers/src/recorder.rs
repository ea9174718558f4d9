//! A flight recorder: the latest events with their times, kept in memory while the image works and printed when it
//! ends. Nothing is recorded unless it was started, which costs a look at one word for each event.

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
#[cfg(any(test, target_os = "none"))]
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(any(test, target_os = "none"))]
use core::fmt::Write;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[cfg(target_os = "none")]
use serde::Serialize;

/// Most events that can be kept: 16 MiB.
pub const MOST_EVENTS: u64 = 1 << 20;
/// Events of a record; a line of it fits into one of a line-mode console.
#[cfg(any(test, target_os = "none"))]
const PER_RECORD: usize = 96;

/// An event: when it was, and where and what. What its last two fields mean is the image's to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Time-of-day clock.
    pub time: u64,
    /// Address of the CPU.
    pub cpu: u8,
    /// What happened.
    pub kind: u8,
    /// To whom.
    pub who: u16,
    /// What with.
    pub value: u32,
}

impl Event {
    /// An event as it is kept.
    #[must_use]
    pub const fn words(&self) -> [u64; 2] {
        let (cpu, kind) = (self.cpu as u64, self.kind as u64);
        let what = cpu << 56 | kind << 48 | (self.who as u64) << 32 | self.value as u64;
        [self.time, what]
    }

    /// The event that is kept so.
    #[must_use]
    pub const fn from_words([time, what]: [u64; 2]) -> Self {
        Self {
            time,
            cpu: (what >> 56) as u8,
            kind: (what >> 48) as u8,
            who: (what >> 32) as u16,
            value: what as u32,
        }
    }

    /// The events of a record's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Vec<Self>> {
        let digits = |from: usize| u64::from_str_radix(text.get(from..from + 16)?, 16).ok();
        let event = |at: usize| Some(Self::from_words([digits(at)?, digits(at + 16)?]));
        (0..text.len()).step_by(32).map(event).collect()
    }
}

/// Room for so many of the latest events.
struct Ring {
    words: Vec<[AtomicU64; 2]>,
    /// How many events there were.
    count: AtomicU64,
}

impl Ring {
    fn new(events: usize) -> Result<Self, TryReserveError> {
        let mut words = Vec::new();
        words.try_reserve_exact(events)?;
        words.resize_with(events, Default::default);
        let count = AtomicU64::new(0);
        Ok(Self { words, count })
    }

    /// Two CPUs never write the same place, unless one is overtaken by as many events as there is room for.
    fn note(&self, event: &Event) {
        let at = self.count.fetch_add(1, Ordering::Relaxed) as usize % self.words.len();
        for (place, word) in self.words[at].iter().zip(event.words()) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// How many were overwritten.
    #[cfg(any(test, target_os = "none"))]
    fn lost(&self) -> u64 {
        let count = self.count.load(Ordering::Relaxed);
        count.saturating_sub(self.words.len() as u64)
    }

    /// The texts of the records: all events that are left, in the order in which they came.
    #[cfg(any(test, target_os = "none"))]
    fn texts(&self) -> impl Iterator<Item = String> {
        let (count, lost) = (self.count.load(Ordering::Relaxed), self.lost());
        (lost..count).step_by(PER_RECORD).map(move |first| {
            let last = count.min(first + PER_RECORD as u64);
            let mut text = String::new();
            for event in first..last {
                for word in &self.words[event as usize % self.words.len()] {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{:016x}", word.load(Ordering::Relaxed));
                }
            }
            text
        })
    }
}

#[cfg(target_os = "none")]
#[derive(Serialize)]
struct Trace {
    lost: u64,
    events: String,
}

/// Where events go, if anywhere.
static RING: AtomicPtr<Ring> = AtomicPtr::new(null_mut());

/// From now on the latest so many events are kept, unless that is 0.
///
/// # Errors
/// One line: there is no room for them.
pub fn start(events: usize) -> Result<(), &'static str> {
    if events > 0 {
        let ring = Ring::new(events).map_err(|_| "trace: no room for so many events")?;
        RING.store(Box::leak(Box::new(ring)), Ordering::Release);
    }
    Ok(())
}

/// Whether anything is recorded: for whoever would note many events at once.
#[must_use]
#[inline]
pub fn is_on() -> bool {
    !RING.load(Ordering::Acquire).is_null()
}

/// Records that something has happened on this CPU.
#[inline]
pub fn note(kind: u8, who: u16, value: u32) {
    if is_on() {
        note_now(kind, who, value);
    }
}

fn ring() -> Option<&'static Ring> {
    // SAFETY: only `start` stores there, and what it stores stays for ever.
    unsafe { RING.load(Ordering::Acquire).as_ref() }
}

#[inline(never)]
fn note_now(kind: u8, who: u16, value: u32) {
    #[cfg(target_os = "none")]
    let (time, cpu) = (arch::clock::now(), arch::cpu::address() as u8);
    // The build machine's tests have neither.
    #[cfg(not(target_os = "none"))]
    let (time, cpu) = (0, 0);
    let event = Event {
        time,
        cpu,
        kind,
        who,
        value,
    };
    if let Some(ring) = ring() {
        ring.note(&event);
    }
}

/// Prints what was recorded. Nobody records any more.
#[cfg(target_os = "none")]
pub fn print() {
    let Some(ring) = ring() else {
        return;
    };
    RING.store(null_mut(), Ordering::Release);
    let lost = ring.lost();
    for events in ring.texts() {
        crate::record::emit("trace", &Trace { lost, events });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> Event {
        Event {
            time: 0xd000_0000_0000_0000 + number,
            cpu: 63,
            kind: 200,
            who: 0x3f3f,
            value: u32::MAX - number as u32,
        }
    }

    #[test]
    fn the_latest_events_are_left_in_their_order() {
        for count in [0, 1, 95, 96, 97, 250, 251, 600] {
            let ring = Ring::new(250).expect("there is room");
            (0..count).for_each(|number| ring.note(&event(number)));
            let texts: Vec<_> = ring.texts().collect();
            assert!(texts.iter().all(|text| text.len() <= 32 * PER_RECORD));
            let left: Vec<_> = texts
                .iter()
                .flat_map(|text| Event::parse(text).expect("it is a record"))
                .collect();
            let lost = count.saturating_sub(250);
            assert_eq!(ring.lost(), lost);
            assert_eq!(left, (lost..count).map(event).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert_eq!(Event::parse(""), Some(Vec::new()));
        for text in ["0", "00000000000000000000000000000g00", "é"] {
            assert_eq!(Event::parse(text), None, "{text}");
        }
    }
}
