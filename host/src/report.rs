//! What the host prints for programs.

pub mod operator;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use arch::clock::{self, UNITS_PER_MICROSECOND};
use cmm::{PageState, extended};
use drivers::record::{self, Counts};
use serde::Serialize;

use crate::dev::virtio::Balloon;
use crate::guest::Guest;
use crate::paging::{Expanded, Slots};
use crate::sched;
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
    /// Which hypervisor the host passes for.
    pub personality: &'static str,
    /// What lets guests run.
    pub backend: &'static str,
    /// Where pages go that must be kept.
    pub paging: &'static str,
    /// Frames of expanded storage, where they go first.
    pub expanded: u32,
    /// Room for pages on the device.
    pub slots: u32,
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
    expanded: u32,
    expanded_free: u32,
    slots: u32,
    slots_free: u32,
    slots_retired: u32,
    page_read_errors: u64,
    page_write_errors: u64,
    idle_us: u64,
    reclaimed: u64,
    reclaim_ns: u64,
    elapsed_ns: u64,
    sampling_ns: u64,
    monitor_ns: u64,
    guests: Vec<GuestSummary>,
}

#[derive(Serialize)]
struct Sample {
    time_ns: u64,
    states: Counts<&'static str>,
    counts: Counts<&'static str>,
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
    paged_out: u64,
    expanded_out: u64,
    expanded_in: u64,
    expanded_volatile: u64,
    page_writes: u64,
    page_reads: u64,
    page_reads_ahead: u64,
    page_waits: u64,
    page_wait_us: u64,
    page_faults_told: u64,
    balloon_target: u64,
    balloon_pages: u64,
    balloon_available: u64,
    balloon_inflated: u64,
    balloon_deflated: u64,
    balloon_reported: u64,
    balloon_wake_ups: u64,
    exits: Counts<&'static str>,
    essa: Counts<usize>,
    diagnose: Counts<String>,
    cpu_us: u64,
    disk_bytes_written: u64,
    disk_bytes_read: u64,
    ran_ns: u64,
    hinting_ns: u64,
    virtio_ns: u64,
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
        Some(End::UsedUp) => (false, "it has used up its limits".to_string()),
        Some(End::Misbehaved(what)) => (false, what.to_string()),
        Some(End::MemoryExhausted) => (
            false,
            "memory is exhausted: no frame is left and nothing can be taken".to_string(),
        ),
        Some(End::Stopped) => (false, "stopped by the operator".to_string()),
        Some(End::PageLost) => (
            false,
            "the paging device cannot read a page of it".to_string(),
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
pub fn host(host: &sched::Host) -> bool {
    let (guests, pool) = (&host.guests, &host.pool);
    let slots = pool.ledger.as_ref().map(|ledger| &ledger.slots);
    let expanded = pool
        .ledger
        .as_ref()
        .and_then(|ledger| ledger.expanded.as_ref());
    let pager = host.pager.as_ref();
    // Who ran out of memory may be why others failed.
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
            frames_free: pool.idle(),
            expanded: expanded.map_or(0, Expanded::total),
            expanded_free: expanded.map_or(0, Expanded::free),
            slots: slots.map_or(0, Slots::total),
            slots_free: slots.map_or(0, Slots::free),
            slots_retired: slots.map_or(0, Slots::retired),
            page_read_errors: pager.map_or(0, |pager| pager.read_errors),
            page_write_errors: pager.map_or(0, |pager| pager.write_errors),
            idle_us: host.idle_time / UNITS_PER_MICROSECOND,
            reclaimed: host.evictor.reclaimed,
            reclaim_ns: nanoseconds(host.evictor.reclaim_time),
            elapsed_ns: nanoseconds(clock::now() - host.began),
            sampling_ns: nanoseconds(host.sampler.took),
            monitor_ns: nanoseconds(host.monitor_time),
            guests: guests.iter().map(summary).collect(),
        },
    );
    bad.is_none()
}

fn summary(guest: &Guest) -> GuestSummary {
    let (good, reason) = describe(guest.end);
    let (counters, memory) = (&guest.counters, guest.memory.counters);
    let nothing = Balloon::default();
    let balloon = guest.channel.balloon().unwrap_or(&nothing);
    let evicted = [
        ("Ur", memory.evicted_unused),
        ("Vr", memory.evicted_volatile),
        ("Pr", memory.evicted_potentially_volatile),
        ("Vp", memory.discarded_expanded),
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
        discards: discards(guest),
        evicted: evicted.into_iter().collect(),
        discard_faults: counters.discard_faults,
        addressing_faults: counters.addressing_faults,
        zero_fills: memory.zero_fills,
        shadow_recycled: guest.memory.recycled(),
        paged_out: memory.paged_out,
        expanded_out: memory.expanded_out,
        expanded_in: memory.expanded_in,
        expanded_volatile: memory.expanded_volatile,
        page_writes: memory.page_writes,
        page_reads: memory.page_reads,
        page_reads_ahead: memory.reads_ahead,
        page_waits: counters.page_waits,
        page_wait_us: counters.page_wait_time / UNITS_PER_MICROSECOND,
        page_faults_told: counters.page_faults_told,
        balloon_target: balloon.target().into(),
        balloon_pages: balloon.actual().into(),
        balloon_available: balloon.available().unwrap_or(0),
        balloon_inflated: balloon.counters.inflated,
        balloon_deflated: balloon.counters.deflated,
        balloon_reported: balloon.counters.reported,
        balloon_wake_ups: balloon.counters.wake_ups,
        exits: counters.exits.iter().collect(),
        essa: essa.map(|(orc, count)| (orc, *count)).collect(),
        diagnose: counters
            .diagnose
            .iter()
            .map(|(code, count)| (format!("x{code:x}"), count))
            .collect(),
        cpu_us: counters.cpu_time / UNITS_PER_MICROSECOND,
        disk_bytes_written: counters.disk_bytes[0],
        disk_bytes_read: counters.disk_bytes[1],
        ran_ns: nanoseconds(counters.ran),
        hinting_ns: nanoseconds(counters.hinting_time),
        virtio_ns: nanoseconds(counters.virtio_time),
    }
}

/// Whole nanoseconds of so many TOD units.
fn nanoseconds(units: u64) -> u64 {
    units * 1000 / UNITS_PER_MICROSECOND
}

/// Prints what there is of everything.
pub fn sample(host: &sched::Host, now: u64) {
    let names = [
        "frames_free",
        "balloon_pages",
        "guests_asleep",
        "page_writes",
        "page_reads",
        "discards",
        "discard_faults",
    ];
    let mut counts = names.map(|name| (name, 0));
    counts[0].1 = host.pool.free() as u64;
    for guest in &host.guests {
        let memory = &guest.memory.counters;
        let balloon = guest.channel.balloon();
        let more = [
            balloon.map_or(0, |one| one.actual().into()),
            guest.is_asleep().into(),
            memory.page_writes,
            memory.page_reads + memory.reads_ahead,
            discards(guest),
            guest.counters.discard_faults,
        ];
        for ((_, count), more) in counts[1..].iter_mut().zip(more) {
            *count += more;
        }
    }
    let states = page_states(&host.guests).filter(|(_, count)| *count > 0);
    record::emit(
        "sample",
        &Sample {
            time_ns: nanoseconds(now - host.began),
            states: states.map(|(state, count)| (state.name(), count)).collect(),
            counts: counts.into_iter().collect(),
        },
    );
}

/// Pages of a guest that were discarded.
fn discards(guest: &Guest) -> u64 {
    let memory = &guest.memory.counters;
    memory.evicted_volatile + memory.evicted_potentially_volatile + memory.discarded_expanded
}

/// How many pages of guests are in each state.
fn page_states(guests: &[Guest]) -> impl Iterator<Item = (PageState, u64)> {
    const CODES: usize = 16;
    let code = |state: PageState| {
        usize::from(state.usage().encoding() << 2 | state.content().encoding()) % CODES
    };
    let mut counts = [0; CODES];
    for page in guests.iter().flat_map(|guest| guest.memory.pages()) {
        counts[code(page.state)] += 1;
    }
    extended::ALL
        .map(|state| (state, counts[code(state)]))
        .into_iter()
}

/// How many pages of each state a guest has, for people: who holds what when memory is exhausted.
#[must_use]
pub fn histogram(guest: &Guest) -> String {
    let words: Vec<_> = page_states(core::slice::from_ref(guest))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    words.join(", ")
}
