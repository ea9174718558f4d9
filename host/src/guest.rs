//! One guest: virtual CPU, memory, devices, counters.

use alloc::collections::BTreeMap;

use crate::dev::console::GuestConsole;
use crate::dev::x250::Disks;
use crate::mem::GuestMemory;
use crate::vcpu::Vcpu;

/// What happened to a guest, beside its memory's counters.
#[derive(Clone, Default, Debug)]
pub struct Counters {
    /// Exits by cause.
    pub exits: BTreeMap<&'static str, u64>,
    /// ESSA by operation request code.
    pub essa: [u64; 8],
    /// DIAGNOSE by code.
    pub diagnose: BTreeMap<u16, u64>,
    /// X'1A' delivered.
    pub discard_faults: u64,
    /// Addressing exceptions delivered.
    pub addressing_faults: u64,
    /// Time that it ran, in TOD units.
    pub cpu_time: u64,
}

/// A guest.
pub struct Guest {
    /// Its number, from 0.
    pub id: u16,
    /// Its one CPU.
    pub vcpu: Vcpu,
    /// Its storage.
    pub memory: GuestMemory,
    /// What it prints.
    pub console: GuestConsole,
    /// Its block devices.
    pub disks: Disks,
    /// What happened to it.
    pub counters: Counters,
    /// CPU time at which the next random eviction is due, in TOD units.
    pub next_eviction: u64,
}

impl Guest {
    /// Counts an exit.
    pub fn count_exit(&mut self, cause: &'static str) {
        *self.counters.exits.entry(cause).or_default() += 1;
    }
}
