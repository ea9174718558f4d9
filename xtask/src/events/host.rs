//! What hosts print.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Counts, Status};

records! {
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
        /// Hints that it acts on: none, unused, full; balloon is none, with a monitor.
        hinting: String,
        /// Hypervisor that it passes for: model, kvm, kvm-new, zvm.
        personality: String,
        /// How it lets guests run: trap, sie.
        backend: String,
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
        /// Those that could not be written or read.
        slots_retired: u64,
        /// Pages that could not be read from the paging device.
        page_read_errors: u64,
        /// Pages that could not be written to it.
        page_write_errors: u64,
        /// Time that CPUs of the machine waited for something to do, in microseconds.
        idle_us: u64,
        /// Pages that were taken without I/O because frames ran short.
        reclaimed: u64,
        /// How long that took, in nanoseconds: instructions, if they are counted.
        reclaim_ns: u64,
        /// From the time when guests could run to the end, in nanoseconds.
        elapsed_ns: u64,
        /// Time of taking samples, in nanoseconds.
        sampling_ns: u64,
        /// Time of the monitor that drives balloons, in nanoseconds.
        monitor_ns: u64,
        /// One entry a guest.
        guests: Vec<HostGuest>,
    }
    /// Host: what there is of everything at a moment.
    Sample {
        /// Position among the host's lines.
        seq: u64,
        /// Since guests could run, in nanoseconds.
        time_ns: u64,
        /// Pages of all guests by state; states of no page are absent.
        states: Counts,
        /// Frames, pages, and what has happened so far, by name.
        counts: Counts,
    }
    /// Host: the answer to a command of its operator.
    Operator {
        /// Position among the host's lines.
        seq: u64,
        /// The command's word; empty for what is none.
        command: String,
        /// Number of the guest that the answer is about; none if the command was refused.
        guest: Option<u64>,
        /// Whether it was carried out.
        status: Status,
        /// For people.
        text: Option<String>,
        /// For programs.
        counts: Counts,
    }
    /// Host: one guest's counters.
    HostGuest {
        /// Number of the guest, from 0.
        id: u64,
        /// Whether it ended with success.
        status: Status,
        /// How it ended.
        reason: Option<String>,
        /// Pages discarded: Vr to Vz, Pr to Vz and Vp to Vz.
        discards: u64,
        /// Evictions by the state the page was in: Ur, Vr, Pr, Vp.
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
        /// Volatile pages that went there instead of being discarded.
        expanded_volatile: u64,
        /// Pages written to the paging device.
        page_writes: u64,
        /// Pages read from it that the guest waited for.
        page_reads: u64,
        /// Pages read from it because others were.
        page_reads_ahead: u64,
        /// How often a CPU waited for a page, or for a frame for one, or was told of one.
        page_waits: u64,
        /// How long it took in all until they were there, in microseconds.
        page_wait_us: u64,
        /// How often a CPU was told of a page, and did not wait.
        page_faults_told: u64,
        /// Pages that its balloon should have at the end.
        balloon_target: u64,
        /// Pages that it has, as the guest says.
        balloon_pages: u64,
        /// Memory that the guest could give up without harm when it was asked last, in bytes.
        balloon_available: u64,
        /// Pages that went into the balloon.
        balloon_inflated: u64,
        /// Pages that came out of it.
        balloon_deflated: u64,
        /// Pages that were reported as free.
        balloon_reported: u64,
        /// How often the guest was told of another target.
        balloon_wake_ups: u64,
        /// Exits from the guest by cause.
        exits: Counts,
        /// ESSA emulated, by operation request code.
        essa: Counts,
        /// DIAGNOSE emulated, by function code.
        diagnose: Counts,
        /// Time that the guest ran, in microseconds.
        cpu_us: u64,
        /// Bytes that it has written to its disks.
        disk_bytes_written: u64,
        /// Bytes that it has read from them.
        disk_bytes_read: u64,
        /// Time in which it executed instructions itself, in nanoseconds.
        ran_ns: u64,
        /// Time of exits for ESSA and discard faults, in nanoseconds.
        hinting_ns: u64,
        /// Time of exits for requests of virtio devices, in nanoseconds.
        virtio_ns: u64,
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(guest) = self.guest {
            write!(f, "guest {guest}: ")?;
        }
        let word = if self.command.is_empty() {
            "operator"
        } else {
            &self.command
        };
        write!(f, "{word}: ")?;
        let counts = self
            .counts
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        let parts: Vec<_> = self.text.iter().cloned().chain(counts).collect();
        if parts.is_empty() {
            return f.write_str("done");
        }
        f.write_str(&parts.join(", "))
    }
}
