//! Every JSON line that a run may hold, and nothing else: the program side of `docs/output.md`.
//!
//! [`parse`] refuses kinds and fields that are not listed here, so a test that reads a run with
//! it also checks that the images say what the documentation promises.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Counts by name or number, such as ESSA by operation request code.
pub type Counts = BTreeMap<String, u64>;

/// Declares the kinds: the enum, the list of names, and the parser, from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:literal => $kind:ident,)*) => {
        /// One line of a run.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "kind")]
        #[expect(
            clippy::large_enum_variant,
            reason = "an event is looked at and dropped; few are kept, and those by their contents"
        )]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $kind($kind),)*
        }

        /// The names of all kinds.
        pub const KINDS: &[&str] = &[$($name),*];

        fn from_fields(kind: &str, fields: Value) -> Result<Event, serde_json::Error> {
            match kind {
                $($name => serde_json::from_value(fields).map(Event::$kind),)*
                _ => Err(serde::de::Error::custom("unknown kind")),
            }
        }

        impl Event {
            /// The name of the line's kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $name,)* }
            }
        }
    };
}

kinds! {
    /// Kernel: what it found when it started.
    "boot" => Boot,
    /// Kernel: the work begins.
    "work" => WorkStart,
    /// Kernel: how far the work is.
    "progress" => Progress,
    /// Kernel: a file's bytes are not those that were packed.
    "mismatch" => Mismatch,
    /// Kernel: instructions counted on one path.
    "measure" => Measure,
    /// Kernel: how often something happened on one path.
    "tally" => Tally,
    /// Kernel: what it has left on a disk.
    "file" => FileLeft,
    /// Kernel: the outcome and all counters; its last line.
    "guest" => Guest,
    /// Kernel or host: why it cannot go on.
    "error" => Error,
    /// Host: what it found when it started.
    "host_boot" => HostBoot,
    /// Host: a line that a guest printed.
    "console" => Console,
    /// Host: a guest has ended.
    "guest_end" => GuestEnd,
    /// Host: the outcome and all counters; its last line.
    "host" => Host,
    /// xtask: the outcome of the run; the last line of all.
    "result" => Outcome,
    /// xtask: an image that `build` made.
    "image" => Image,
    /// xtask: a figure that `bench` took.
    "figure" => Figure,
}

/// Reads one line.
///
/// # Errors
/// It is not JSON, or has a kind or a field that is not part of the output, or lacks one.
pub fn parse(line: &str) -> Result<Event, String> {
    let mut value: Value =
        serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let fields = value.as_object_mut().ok_or("not a JSON object")?;
    let kind = match fields.remove("kind") {
        Some(Value::String(kind)) => kind,
        _ => return Err("no kind".to_owned()),
    };
    from_fields(&kind, value).map_err(|error| format!("kind {kind:?}: {error}"))
}

impl Event {
    /// Position of the line among those of its emitter, from 0; what xtask says itself has none.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        Some(match self {
            Self::Boot(event) => event.seq,
            Self::WorkStart(event) => event.seq,
            Self::Progress(event) => event.seq,
            Self::Mismatch(event) => event.seq,
            Self::Measure(event) => event.seq,
            Self::Tally(event) => event.seq,
            Self::FileLeft(event) => event.seq,
            Self::Guest(event) => event.seq,
            Self::Error(event) => event.seq,
            Self::HostBoot(event) => event.seq,
            Self::Console(event) => event.seq,
            Self::GuestEnd(event) => event.seq,
            Self::Host(event) => event.seq,
            Self::Outcome(_) | Self::Image(_) | Self::Figure(_) => return None,
        })
    }

    /// The line as it is written to a file.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("all keys are strings")
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should.
    Ok,
    /// Not so; there is a reason.
    Failed,
}

/// What a host does with volatile pages, as the kernel finds out when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discards {
    /// The access to a discarded page is a discard fault.
    #[serde(rename = "faults")]
    Faults,
    /// A discarded page reads as zeroes.
    #[serde(rename = "zero")]
    Zero,
    /// Nothing is ever discarded.
    #[serde(rename = "none")]
    None,
    /// There is no ESSA, or it is not to be used so far.
    #[serde(rename = "not probed")]
    NotProbed,
}

/// How a range of a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copy {
    /// Through a reference that was made stable.
    #[serde(rename = "stable")]
    Stable,
    /// From a page that may be discarded meanwhile.
    #[serde(rename = "fault-tolerant")]
    FaultTolerant,
    /// As that, without a reference to the page.
    #[serde(rename = "optimistic")]
    Optimistic,
}

/// Declares structs whose fields are all public and all that there may be.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*
    };
}

records! {
    /// Kernel: what it found when it started.
    Boot {
        /// Position among the emitter's lines.
        seq: u64,
        /// Always "kernel".
        image: String,
        /// Version of the workspace.
        version: String,
        /// Memory of the machine in bytes.
        memory: u64,
        /// CPUs of the machine.
        cpus: u64,
        /// CPUs that the kernel uses.
        cpus_used: u64,
        /// Its console: ascii, line.
        console: String,
        /// Whether ESSA is installed.
        essa: bool,
        /// What the host does with volatile pages.
        discards: Discards,
        /// Hints that the kernel gives: off, unused, full.
        hinting: String,
        /// What tells the host which pages are free: none, essa, reporting, essa+reporting.
        back_end: String,
        /// Where the files come from: virtio, diag250, memory.
        disk: String,
        /// Number of files.
        files: u64,
        /// Their size in all, in bytes.
        bytes: u64,
    }
    /// Kernel: the work begins.
    WorkStart {
        /// Position among the emitter's lines.
        seq: u64,
        /// Its name.
        work: String,
        /// Microseconds since the image's first instruction.
        since_entry_us: u64,
    }
    /// Kernel: how far the work is.
    Progress {
        /// Position among the emitter's lines.
        seq: u64,
        /// The current pass, from 1.
        pass: u64,
        /// Number of passes.
        passes: u64,
        /// Files done in this pass.
        files_done: u64,
        /// Number of files.
        files: u64,
        /// Bytes verified in all passes.
        bytes_verified: u64,
    }
    /// Kernel: a file's bytes are not those that were packed.
    Mismatch {
        /// Position among the emitter's lines.
        seq: u64,
        /// Path of the file.
        file: String,
        /// First byte of the range that differs.
        offset: u64,
        /// Length of the range in bytes.
        length: u64,
        /// State of the page, such as "Vr", or "unknown".
        page_state: String,
        /// How the range was read.
        copy: Copy,
    }
    /// Kernel: instructions counted on one path.
    Measure {
        /// Position among the emitter's lines.
        seq: u64,
        /// Name of the path.
        name: String,
        /// How often it was taken.
        count: u64,
        /// Instructions of all times together.
        instructions: u64,
    }
    /// Kernel: what it has left on a disk.
    FileLeft {
        /// Position among the emitter's lines.
        seq: u64,
        /// Number of the disk.
        disk: u64,
        /// The first block of the guest's part of the disk that belongs to the file.
        first: u64,
        /// How many blocks of 512 bytes.
        blocks: u64,
        /// CRC-64/XZ of what must be there, in hexadecimal digits.
        crc64: String,
    }
    /// Kernel: how often something happened on one path.
    Tally {
        /// Position among the emitter's lines.
        seq: u64,
        /// Name of the path.
        name: String,
        /// How often it was taken, or how often it could have happened.
        count: u64,
        /// How often it happened, all times together.
        events: u64,
    }
    /// Kernel: the outcome and all counters.
    Guest {
        /// Position among the emitter's lines.
        seq: u64,
        /// How the work ended.
        status: Status,
        /// Why it failed.
        reason: Option<String>,
        /// Name of the work.
        work: String,
        /// Number of files.
        files: u64,
        /// Number of passes.
        passes: u64,
        /// Bytes compared with what was packed.
        bytes_verified: u64,
        /// Lookups that found the page in the page cache.
        cache_hits: u64,
        /// Lookups that did not.
        cache_misses: u64,
        /// ESSA by operation request code; absent codes were not used.
        essa: Counts,
        /// Discard faults taken.
        discard_faults: u64,
        /// Attempts to make a page stable that found it discarded.
        stable_failures: u64,
        /// Pages read again because they had been discarded.
        reloads: u64,
        /// Ranges that differed.
        mismatches: u64,
        /// Copies from pages that might be discarded meanwhile.
        fault_tolerant_copies: u64,
        /// Copies through stable references.
        stable_copies: u64,
        /// Pages made volatile.
        made_volatile: u64,
        /// Pages that an obstacle kept from being made volatile.
        volatile_refused: u64,
        /// Pages made stable.
        made_stable: u64,
        /// Pages taken from the page cache because memory ran short.
        reclaimed: u64,
        /// Pages not cleared because they came back as zeroes.
        clears_skipped: u64,
        /// Page frames that the kernel manages.
        frames: u64,
        /// Those that are free at the end.
        frames_free: u64,
        /// Those in the page cache at the end.
        frames_cached: u64,
        /// Those with anonymous memory at the end.
        frames_anonymous: u64,
        /// Those that the kernel has taken for good.
        frames_kernel: u64,
        /// Those that were never managed.
        frames_reserved: u64,
        /// Size of a page descriptor in bytes.
        page_descriptor_bytes: u64,
        /// Copies from pages without a reference to them.
        optimistic_copies: u64,
        /// Those of them during which the page became another one.
        optimistic_failures: u64,
        /// From the beginning of the work to its end, in microseconds.
        work_us: u64,
        /// Readers that waited for a page which somebody else was reading.
        duplicate_fills: u64,
        /// Discard faults that named a page which somebody else had removed and dropped.
        late_discard_faults: u64,
        /// Complete sign-off rounds.
        sign_off_rounds: u64,
        /// Pages freed after a sign-off.
        sign_off_pages: u64,
        /// Pages that wait for it at the end.
        sign_off_waiting: u64,
        /// Most pages that waited at a time.
        sign_off_longest: u64,
        /// Pages by the ticks that they waited: 0, 1, …, 15 and longer.
        sign_off_ticks: Vec<u64>,
        /// Timer ticks of all CPUs.
        ticks: u64,
        /// Ticks that were overdue when the next one came.
        ticks_lost: u64,
        /// Time in idle waits, of all CPUs, in microseconds.
        idle_us: u64,
        /// Time of waiting for other CPUs, of all CPUs, in microseconds.
        spin_us: u64,
        /// Threads that were given a CPU.
        switches: u64,
        /// CPUs that were taken offline.
        cpus_taken_off: u64,
        /// Pages read from the swap area.
        swapped_in: u64,
        /// Pages written to files and to the swap area.
        pages_written: u64,
        /// Writes that failed.
        write_errors: u64,
        /// Anonymous pages that found no free slot.
        swap_full: u64,
        /// Pages copied because somebody wrote to a private mapping.
        copies_on_write: u64,
        /// Pages that their last user took for himself.
        pages_reused: u64,
        /// Pages of spaces that got another page of their file to show.
        pages_remapped: u64,
        /// Pages whose mappings were looked for.
        reverse_map_walks: u64,
        /// Nodes and places in linear areas that were looked at for them.
        reverse_map_steps: u64,
        /// Places in areas that are not linear that were looked at for them.
        non_linear_steps: u64,
        /// Copies between pages of the page cache and tasks.
        user_copies: u64,
        /// Those that ended because the page of the cache was discarded.
        user_copy_fix_ups: u64,
        /// Faults at tasks' storage in such copies.
        user_copy_faults: u64,
        /// Free blocks reported to the balloon device.
        reported_blocks: u64,
        /// Pages of these blocks.
        reported_pages: u64,
        /// Pages in the balloon at the end.
        ballooned_pages: u64,
        /// Pages taken out of the balloon because memory ran short.
        withdrawn_pages: u64,
        /// Requests by which pages of files were read.
        read_requests: u64,
        /// Pages read before somebody wanted them.
        pages_read_ahead: u64,
        /// Those of them that somebody wanted then.
        read_ahead_used: u64,
        /// Those of them that went before.
        read_ahead_unused: u64,
        /// Writes of pages that the file had already.
        writes_skipped: u64,
    }
    /// Kernel or host: why it cannot go on.
    Error {
        /// Position among the emitter's lines.
        seq: u64,
        /// One line.
        reason: String,
    }
    /// Host: what it found when it started.
    HostBoot {
        /// Position among the emitter's lines.
        seq: u64,
        /// Always "host".
        image: String,
        /// Version of the workspace.
        version: String,
        /// Memory of the machine in bytes.
        memory: u64,
        /// CPUs of the machine that run guests.
        cpus: u64,
        /// Virtual CPUs of each guest.
        vcpus: u64,
        /// Page frames for guests.
        frames: u64,
        /// Number of guests.
        guests: u64,
        /// Eviction policy: lru, random:RATE, steal.
        evict: String,
        /// Hints that it acts on: none, unused, full.
        hinting: String,
        /// Where pages go that must be kept: none, disk, model.
        paging: String,
        /// Frames of expanded storage, where they go first.
        expanded: u64,
        /// Room for pages on the device.
        slots: u64,
    }
    /// Host: a line that a guest printed.
    Console {
        /// Position among the emitter's lines.
        seq: u64,
        /// Number of the guest, from 0.
        guest: u64,
        /// The line as the guest printed it.
        line: String,
    }
    /// Host: a guest has ended.
    GuestEnd {
        /// Position among the emitter's lines.
        seq: u64,
        /// Number of the guest, from 0.
        guest: u64,
        /// Whether it ended with success.
        status: Status,
        /// How it ended.
        reason: String,
    }
    /// Host: the outcome and all counters.
    Host {
        /// Position among the emitter's lines.
        seq: u64,
        /// Whether every guest ended with success.
        status: Status,
        /// Why not.
        reason: Option<String>,
        /// Page frames for guests.
        frames: u64,
        /// Those that are free at the end.
        frames_free: u64,
        /// Frames of expanded storage.
        expanded: u64,
        /// Those that are free at the end.
        expanded_free: u64,
        /// Slots of the paging device.
        slots: u64,
        /// Those that are free at the end.
        slots_free: u64,
        /// Those that could not be written.
        slots_retired: u64,
        /// Pages that could not be read from the paging device.
        page_read_errors: u64,
        /// Pages that could not be written to it.
        page_write_errors: u64,
        /// Time that CPUs of the machine waited for something to do, in microseconds.
        idle_us: u64,
        /// One entry a guest.
        guests: Vec<HostGuest>,
    }
    /// Host: one guest's counters.
    HostGuest {
        /// Number of the guest, from 0.
        id: u64,
        /// Whether it ended with success.
        status: Status,
        /// How it ended.
        reason: Option<String>,
        /// Pages discarded: Vr to Vz and Pr to Vz.
        discards: u64,
        /// Evictions by the state the page was in: Ur, Vr, Pr.
        evicted: Counts,
        /// Discard faults delivered.
        discard_faults: u64,
        /// Addressing exceptions delivered for unused pages.
        addressing_faults: u64,
        /// Pages supplied as zeroes at the first access.
        zero_fills: u64,
        /// Shadow page tables given up because there was no room for others.
        shadow_recycled: u64,
        /// Frames taken from pages whose content was kept.
        paged_out: u64,
        /// Those of them whose content went to expanded storage.
        expanded_out: u64,
        /// Pages that came back from there.
        expanded_in: u64,
        /// Pages written to the paging device.
        page_writes: u64,
        /// Pages read from it that the guest waited for.
        page_reads: u64,
        /// Pages read from it because others were.
        page_reads_ahead: u64,
        /// How often a CPU waited for a page, or for a frame for one.
        page_waits: u64,
        /// How long all of them did, in microseconds.
        page_wait_us: u64,
        /// Exits from the guest by cause.
        exits: Counts,
        /// ESSA emulated, by operation request code.
        essa: Counts,
        /// DIAGNOSE emulated, by function code.
        diagnose: Counts,
        /// Time that the guest ran, in microseconds.
        cpu_us: u64,
    }
    /// xtask: the outcome of the run.
    Outcome {
        /// How the run ended.
        status: Status,
        /// Why it failed.
        reason: Option<String>,
        /// One entry a guest.
        guests: Vec<GuestOutcome>,
    }
    /// xtask: one guest's share of the outcome.
    GuestOutcome {
        /// Number of the guest, from 0.
        id: u64,
        /// Bytes compared with what was packed.
        bytes_verified: u64,
        /// Ranges that differed.
        mismatches: u64,
        /// Pages that the host discarded; 0 without a host.
        discards: u64,
        /// Discard faults that the kernel took.
        discard_faults: u64,
        /// Attempts to make a page stable that found it discarded.
        stable_failures: u64,
        /// Pages read again because they had been discarded.
        reloads: u64,
        /// ESSA by operation request code, as the kernel counted.
        essa: Counts,
    }
    /// xtask: an image that `build` made.
    Image {
        /// kernel or host.
        name: String,
        /// The stripped image.
        path: String,
        /// Its size in bytes.
        bytes: u64,
    }
    /// xtask: a figure that `bench` took.
    Figure {
        /// What was measured.
        name: String,
        /// How much.
        value: f64,
        /// Of what.
        unit: String,
        /// The value that should not be exceeded, or, for faults survived, reached at least.
        bound: Option<f64>,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
