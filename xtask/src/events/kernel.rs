//! What kernels print.

use serde::{Deserialize, Serialize};

use super::{Copy, Counts, Discards, Status};

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
        /// Whether the host says which pages it brings in (DIAGNOSE X'258').
        pfault: bool,
    }
    /// Kernel: what the control program said to a command.
    ControlProgram {
        /// Position among the emitter's lines.
        seq: u64,
        /// The command.
        command: String,
        /// Its completion code; 0 is good.
        code: u64,
        /// What was said.
        response: String,
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
    /// Kernel: a check begins that the machine may not survive.
    CheckBegins {
        /// Position among the emitter's lines.
        seq: u64,
        /// Its number.
        check: u16,
    }
    /// Kernel: what a check has observed.
    Check {
        /// Position among the emitter's lines.
        seq: u64,
        /// Its number.
        check: u16,
        /// What it was made on, or how.
        case: String,
        /// What was observed.
        observed: String,
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
    /// Kernel: what a machine of a farm has served.
    Requests {
        /// Position among the emitter's lines.
        seq: u64,
        /// Bytes of files.
        bytes: u64,
        /// From the first request to the end of the last, in nanoseconds.
        elapsed_ns: u64,
        /// How long requests took, added up, in nanoseconds.
        busy_ns: u64,
        /// Requests by how long they took, in buckets of `kernel::work::latency`.
        latency: Counts,
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
        /// Those of them that were anonymous, in the swap cache.
        made_volatile_swap: u64,
        /// Those of them that had a writable mapping: potentially volatile.
        made_potentially_volatile: u64,
        /// Pages that an obstacle kept from being made volatile.
        volatile_refused: u64,
        /// Those of them of a file of which a mapping was locked in memory once.
        refused_locked: u64,
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
        /// Pages that a task waited for while the host brought them in, and others ran.
        page_faults_waited: u64,
        /// Pages that were there when that was to begin.
        page_faults_late: u64,
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
        /// Pages of the page cache that were mapped as they were.
        minor_faults: u64,
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
        /// CPU time of finding pages for the balloon device and of its requests, the host's part included, in
        /// nanoseconds.
        balloon_ns: u64,
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
}
