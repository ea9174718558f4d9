//! What the host prints for programs.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use arch::clock::UNITS_PER_MICROSECOND;
use cmm::extended;
use drivers::record::{self, Counts};
use serde::Serialize;

use crate::guest::Guest;
use crate::memory::FramePool;
use crate::vcpu::End;

/// The host has started.
#[derive(Serialize)]
pub struct HostBoot {
    /// Always `host`.
    pub image: &'static str,
    /// Version of the workspace.
    pub version: &'static str,
    /// Memory of the machine, in bytes.
    pub memory: u64,
    /// Frames for guests.
    pub frames: usize,
    /// CPUs of the machine that guests run on.
    pub cpus: usize,
    /// How many guests.
    pub guests: u16,
    /// CPUs of each guest.
    pub vcpus: u16,
    /// Eviction policy.
    pub evict: String,
    /// Hinting mode.
    pub hinting: &'static str,
}

#[derive(Serialize)]
struct Console<'a> {
    guest: u16,
    line: &'a str,
}

#[derive(Serialize)]
struct GuestEnd {
    guest: u16,
    status: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct Failure<'a> {
    reason: &'a str,
}

#[derive(Serialize)]
struct Host {
    status: &'static str,
    reason: Option<String>,
    frames: usize,
    frames_free: usize,
    idle_us: u64,
    guests: Vec<GuestSummary>,
}

#[derive(Serialize)]
struct GuestSummary {
    id: u16,
    status: &'static str,
    reason: String,
    discards: u64,
    evicted: Counts<&'static str>,
    discard_faults: u64,
    addressing_faults: u64,
    zero_fills: u64,
    shadow_recycled: u64,
    exits: Counts<&'static str>,
    essa: Counts<usize>,
    diagnose: Counts<String>,
    cpu_us: u64,
}

/// Prints what a guest printed.
pub fn console(guest: u16, lines: &[String]) {
    for line in lines {
        record::emit("console", &Console { guest, line });
    }
}

/// Prints why the host cannot go on.
pub fn failure(reason: &str) {
    record::emit("error", &Failure { reason });
}

/// Whether an end is a good one, and its reason for people.
#[must_use]
pub fn describe(end: Option<End>) -> (bool, String) {
    match end {
        Some(End::DisabledWait(address)) => (
            address & 0xfff == 0xfff,
            format!("disabled wait at {address:#x}"),
        ),
        Some(End::NothingToWaitFor) => (false, "it waits for what cannot come".to_string()),
        Some(End::AllStopped) => (false, "its last CPU has stopped".to_string()),
        Some(End::Misbehaved(what)) => (false, what.to_string()),
        Some(End::MemoryExhausted) => (
            false,
            "memory is exhausted: no frame is left and nothing can be discarded".to_string(),
        ),
        None => (false, "it did not end".to_string()),
    }
}

fn word(good: bool) -> &'static str {
    if good { "ok" } else { "failed" }
}

/// Prints how a guest ended.
pub fn guest_end(guest: &Guest) {
    let (good, reason) = describe(guest.end);
    record::emit(
        "guest_end",
        &GuestEnd {
            guest: guest.id,
            status: word(good),
            reason,
        },
    );
}

/// Prints the last line; returns whether all is well.
///
/// `idle_time` is that of all CPUs of the machine, in TOD units.
pub fn host(guests: &[Guest], pool: &FramePool, idle_time: u64) -> bool {
    // Who ran out of memory stopped all the others.
    let exhausted = |guest: &&Guest| guest.end == Some(End::MemoryExhausted);
    let bad = guests
        .iter()
        .find(exhausted)
        .or_else(|| guests.iter().find(|guest| !describe(guest.end).0));
    let reason = bad.map(|guest| format!("guest {}: {}", guest.id, describe(guest.end).1));
    record::emit(
        "host",
        &Host {
            status: word(bad.is_none()),
            reason,
            frames: pool.total(),
            frames_free: pool.free(),
            idle_us: idle_time / UNITS_PER_MICROSECOND,
            guests: guests.iter().map(summary).collect(),
        },
    );
    bad.is_none()
}

fn summary(guest: &Guest) -> GuestSummary {
    let (good, reason) = describe(guest.end);
    let (counters, memory) = (&guest.counters, guest.memory.counters);
    let evicted = [
        ("Ur", memory.evicted_unused),
        ("Vr", memory.evicted_volatile),
        ("Pr", memory.evicted_potentially_volatile),
    ];
    let essa = counters
        .essa
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0);
    GuestSummary {
        id: guest.id,
        status: word(good),
        reason,
        discards: memory.evicted_volatile + memory.evicted_potentially_volatile,
        evicted: evicted.into_iter().collect(),
        discard_faults: counters.discard_faults,
        addressing_faults: counters.addressing_faults,
        zero_fills: memory.zero_fills,
        shadow_recycled: guest.memory.recycled(),
        exits: counters
            .exits
            .iter()
            .map(|(why, count)| (*why, *count))
            .collect(),
        essa: essa.map(|(orc, count)| (orc, *count)).collect(),
        diagnose: counters
            .diagnose
            .iter()
            .map(|(code, count)| (format!("x{code:x}"), *count))
            .collect(),
        cpu_us: counters.cpu_time / UNITS_PER_MICROSECOND,
    }
}

/// How many pages of each state a guest has, for people: who holds what when memory is exhausted.
#[must_use]
pub fn histogram(guest: &Guest) -> String {
    let count = |state| {
        let pages = guest.memory.pages();
        pages.filter(|page| page.state == state).count()
    };
    let counts = extended::ALL.map(|state| (state, count(state)));
    let words: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    words.join(", ")
}
