//! What the kernel prints for programs.

use alloc::format;
use alloc::string::String;

use arch::clock::UNITS_PER_MICROSECOND;
use drivers::record::{self, Counts};
use serde::Serialize;

use crate::mm::{Account, LATENCIES, Mm, Page, Stats};
use crate::smp;
use crate::time::nanoseconds;
use crate::work::latency::Histogram;
use crate::work::verify::{Mismatch, Progress};

#[derive(Serialize)]
struct Failure<'a> {
    reason: &'a str,
}

/// What the kernel found when it started.
#[derive(Serialize)]
pub struct Boot {
    /// Always `kernel`.
    pub image: &'static str,
    /// Version of the workspace.
    pub version: &'static str,
    /// Memory of the machine, in bytes.
    pub memory: u64,
    /// CPUs of the machine.
    pub cpus: u32,
    /// CPUs that this kernel uses.
    pub cpus_used: usize,
    /// Its console.
    pub console: &'static str,
    /// Whether ESSA is installed.
    pub essa: bool,
    /// What becomes of volatile pages.
    pub discards: &'static str,
    /// What is hinted.
    pub hinting: &'static str,
    /// What tells the host which pages are free.
    pub back_end: &'static str,
    /// Where the files are.
    pub disk: &'static str,
    /// How many files.
    pub files: usize,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Whether the host says which pages it brings in.
    pub pfault: bool,
}

#[derive(Serialize)]
struct Command<'a> {
    command: &'a str,
    code: u32,
    response: &'a str,
}

#[derive(Serialize)]
struct Work {
    work: &'static str,
    since_entry_us: u64,
}

#[derive(Serialize)]
struct ProgressRecord {
    pass: u64,
    passes: u64,
    files_done: usize,
    files: usize,
    bytes_verified: u64,
}

#[derive(Serialize)]
struct MismatchRecord<'a> {
    file: &'a str,
    offset: u64,
    length: usize,
    page_state: &'a str,
    copy: &'static str,
}

#[derive(Serialize)]
struct CheckBegins {
    check: u16,
}

#[derive(Serialize)]
struct Check<'a> {
    check: u16,
    case: &'a str,
    observed: &'a str,
}

#[derive(Serialize)]
struct Measure<'a> {
    name: &'a str,
    count: u64,
    instructions: u64,
}

#[derive(Serialize)]
struct FileRecord {
    disk: u16,
    first: u64,
    blocks: u64,
    crc64: String,
}

#[derive(Serialize)]
struct Tally<'a> {
    name: &'a str,
    count: u64,
    events: u64,
}

#[derive(Serialize)]
struct Requests {
    bytes: u64,
    elapsed_ns: u64,
    busy_ns: u64,
    latency: Counts<usize>,
}

#[derive(Serialize)]
struct Guest<'a> {
    status: &'static str,
    reason: Option<&'a str>,
    work: &'static str,
    files: usize,
    passes: u64,
    bytes_verified: u64,
    cache_hits: u64,
    cache_misses: u64,
    essa: Counts<usize>,
    discard_faults: u64,
    stable_failures: u64,
    reloads: u64,
    mismatches: u64,
    fault_tolerant_copies: u64,
    stable_copies: u64,
    optimistic_copies: u64,
    optimistic_failures: u64,
    made_volatile: u64,
    made_volatile_swap: u64,
    made_potentially_volatile: u64,
    refused_locked: u64,
    minor_faults: u64,
    volatile_refused: u64,
    made_stable: u64,
    reclaimed: u64,
    clears_skipped: u64,
    work_us: u64,
    duplicate_fills: u64,
    late_discard_faults: u64,
    frames: usize,
    frames_free: usize,
    frames_cached: usize,
    frames_anonymous: usize,
    frames_kernel: usize,
    frames_reserved: usize,
    page_descriptor_bytes: usize,
    sign_off_rounds: u64,
    sign_off_pages: u64,
    sign_off_waiting: usize,
    sign_off_longest: u32,
    /// Pages by the ticks that they waited; the last place counts all longer ones.
    sign_off_ticks: [u64; LATENCIES],
    ticks: u64,
    ticks_lost: u64,
    idle_us: u64,
    spin_us: u64,
    switches: u64,
    cpus_taken_off: u64,
    page_faults_waited: u64,
    page_faults_late: u64,
    swapped_in: u64,
    pages_written: u64,
    write_errors: u64,
    swap_full: u64,
    copies_on_write: u64,
    pages_reused: u64,
    pages_remapped: u64,
    reverse_map_walks: u64,
    reverse_map_steps: u64,
    non_linear_steps: u64,
    user_copies: u64,
    user_copy_fix_ups: u64,
    user_copy_faults: u64,
    reported_blocks: u64,
    reported_pages: u64,
    ballooned_pages: usize,
    withdrawn_pages: u64,
    balloon_ns: u64,
    read_requests: u64,
    pages_read_ahead: u64,
    read_ahead_used: u64,
    read_ahead_unused: u64,
    writes_skipped: u64,
}

/// What all CPUs have counted, added up.
fn sum(count: impl Fn(&smp::Counters) -> u64) -> u64 {
    smp::all().map(|cpu| count(&cpu.counters)).sum()
}

/// How the work ended.
pub struct Outcome<'a> {
    /// Why it failed, if it did.
    pub reason: Option<&'a str>,
    /// What the work was.
    pub work: &'static str,
    /// How many files.
    pub files: usize,
    /// How many passes.
    pub passes: u64,
    /// How long it took, in microseconds.
    pub work_us: u64,
    /// Bytes verified.
    pub bytes_verified: u64,
    /// Ranges that differed.
    pub mismatches: u64,
}

/// Prints why the kernel cannot go on.
pub fn error(reason: &str) {
    record::emit("error", &Failure { reason });
}

/// Prints what was found.
pub fn boot(boot: &Boot) {
    record::emit("boot", boot);
}

/// Prints what the control program said to a command.
pub fn command(command: &str, code: u32, response: &str) {
    record::emit(
        "cp",
        &Command {
            command,
            code,
            response,
        },
    );
}

/// Prints that the work begins.
pub fn work(work: &'static str, since_entry_us: u64) {
    record::emit(
        "work",
        &Work {
            work,
            since_entry_us,
        },
    );
}

/// Prints how far the work is.
pub fn progress(progress: Progress, passes: u64, files: usize) {
    let Progress {
        pass,
        files_done,
        bytes_verified,
    } = progress;
    record::emit(
        "progress",
        &ProgressRecord {
            pass,
            passes,
            files_done,
            files,
            bytes_verified,
        },
    );
}

/// Prints what is wrong.
pub fn mismatch(mismatch: &Mismatch) {
    let Mismatch {
        file,
        offset,
        length,
        page_state,
        copy,
    } = mismatch;
    let record = MismatchRecord {
        file,
        offset: *offset,
        length: *length,
        page_state,
        copy: copy.name(),
    };
    record::emit("mismatch", &record);
}

/// Prints that a check begins which the machine may not survive.
pub fn check_begins(check: u16) {
    record::emit("check_begin", &CheckBegins { check });
}

/// Prints what a check has observed.
pub fn check(check: u16, case: &str, observed: &str) {
    record::emit(
        "check",
        &Check {
            check,
            case,
            observed,
        },
    );
}

/// Prints instructions counted on a path.
pub fn measure(name: &str, count: u64, instructions: u64) {
    record::emit(
        "measure",
        &Measure {
            name,
            count,
            instructions,
        },
    );
}

/// Prints what must stand on a disk when the machine is off: from which block on, how many, with which
/// CRC-64/XZ.
pub fn file(disk: u16, first: u64, blocks: u64, digest: u64) {
    record::emit(
        "file",
        &FileRecord {
            disk,
            first,
            blocks,
            crc64: format!("{digest:016x}"),
        },
    );
}

/// Prints how often something happened, of so many times that it could.
pub fn tally(name: &str, count: u64, events: u64) {
    let tally = Tally {
        name,
        count,
        events,
    };
    record::emit("tally", &tally);
}

/// Prints what was served: how many bytes, in which time, in how much time of requests, in nanoseconds, and
/// how long requests took.
pub fn requests(bytes: u64, [elapsed_ns, busy_ns]: [u64; 2], latency: &Histogram) {
    record::emit(
        "requests",
        &Requests {
            bytes,
            elapsed_ns,
            busy_ns,
            latency: latency.iter().collect(),
        },
    );
}

/// Prints the last line.
pub fn guest(outcome: &Outcome<'_>, mm: &Mm<'_>, account: &Account) {
    let stats: &Stats = &mm.stats;
    let sign_off = mm.sign_off_stats();
    let sign_off_ticks = core::array::from_fn(|ticks| sign_off.latency[ticks].get());
    let essa = stats
        .essa
        .iter()
        .enumerate()
        .filter(|(_, count)| count.get() > 0);
    record::emit(
        "guest",
        &Guest {
            status: if outcome.reason.is_none() {
                "ok"
            } else {
                "failed"
            },
            reason: outcome.reason,
            work: outcome.work,
            files: outcome.files,
            passes: outcome.passes,
            bytes_verified: outcome.bytes_verified,
            cache_hits: stats.cache_hits.get(),
            cache_misses: stats.cache_misses.get(),
            essa: essa.map(|(orc, count)| (orc, count.get())).collect(),
            discard_faults: stats.discard_faults.get(),
            stable_failures: stats.stable_failures.get(),
            reloads: stats.reloads.get(),
            mismatches: outcome.mismatches,
            fault_tolerant_copies: stats.fault_tolerant_copies.get(),
            stable_copies: stats.stable_copies.get(),
            optimistic_copies: stats.optimistic_copies.get(),
            optimistic_failures: stats.optimistic_failures.get(),
            made_volatile: stats.made_volatile.get(),
            made_volatile_swap: stats.made_volatile_swap.get(),
            made_potentially_volatile: stats.made_potentially_volatile.get(),
            refused_locked: stats.refused_locked.get(),
            minor_faults: stats.minor_faults.get(),
            volatile_refused: stats.volatile_refused.get(),
            made_stable: stats.made_stable.get(),
            reclaimed: stats.reclaimed.get(),
            clears_skipped: stats.clears_skipped.get(),
            frames: account.all,
            frames_free: account.free,
            frames_cached: account.cached,
            frames_anonymous: account.anonymous,
            frames_kernel: account.kernel,
            frames_reserved: account.reserved,
            page_descriptor_bytes: size_of::<Page>(),
            work_us: outcome.work_us,
            duplicate_fills: stats.duplicate_fills.get(),
            late_discard_faults: stats.late_discard_faults.get(),
            sign_off_rounds: sign_off.rounds.get(),
            sign_off_pages: sign_off_ticks.iter().sum(),
            // Of the same moment as all other pages.
            sign_off_waiting: account.waiting,
            sign_off_longest: sign_off.longest(),
            sign_off_ticks,
            ticks: sum(|counters| counters.ticks.get()),
            ticks_lost: sum(|counters| counters.ticks_lost.get()),
            idle_us: sum(|counters| counters.waited.get()) / UNITS_PER_MICROSECOND,
            spin_us: sum(|counters| counters.spun.get()) / UNITS_PER_MICROSECOND,
            switches: sum(|counters| counters.switches.get()),
            cpus_taken_off: smp::hotplug::TAKEN_OFF.get(),
            page_faults_waited: sum(|counters| counters.page_faults_waited.get()),
            page_faults_late: sum(|counters| counters.page_faults_late.get()),
            swapped_in: stats.swapped_in.get(),
            pages_written: stats.pages_written.get(),
            write_errors: stats.write_errors.get(),
            swap_full: stats.swap_full.get(),
            copies_on_write: stats.copies_on_write.get(),
            pages_reused: stats.reused.get(),
            pages_remapped: stats.remapped.get(),
            reverse_map_walks: stats.reverse_map_walks.get(),
            reverse_map_steps: stats.reverse_map_steps.get(),
            non_linear_steps: stats.non_linear_steps.get(),
            user_copies: stats.user_copies.get(),
            user_copy_fix_ups: stats.user_copy_fix_ups.get(),
            user_copy_faults: stats.user_copy_faults.get(),
            reported_blocks: stats.reported_blocks.get(),
            reported_pages: stats.reported_pages.get(),
            ballooned_pages: mm.ballooned_page_count(),
            withdrawn_pages: stats.withdrawn.get(),
            balloon_ns: nanoseconds(stats.balloon_time.get()),
            read_requests: stats.read_requests.get(),
            pages_read_ahead: stats.read_ahead.get(),
            read_ahead_used: stats.read_ahead_used.get(),
            read_ahead_unused: stats.read_ahead_unused.get(),
            writes_skipped: stats.writes_skipped.get(),
        },
    );
}
