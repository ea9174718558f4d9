//! One guest: virtual CPUs, memory, devices, counters.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use crate::dev::console::GuestConsole;
use crate::dev::x250::Disks;
use crate::mem::GuestMemory;
use crate::vcpu::{Activity, End, Vcpu, interruption};

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
    /// Time that its virtual CPUs ran, in TOD units.
    pub cpu_time: u64,
}

/// A guest.
pub struct Guest {
    /// Its number, from 0.
    pub id: u16,
    /// The virtual CPU that something is done for just now.
    pub vcpu: Vcpu,
    /// All virtual CPUs by address; the place of [`Guest::vcpu`] holds one that means nothing.
    others: Vec<Vcpu>,
    /// Virtual CPUs of which something has changed that the scheduler has to look at.
    pub signalled: Vec<u16>,
    /// Parameter of a service signal, which any of its CPUs takes that is enabled for it.
    pub service_signal: Option<u32>,
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
    /// How it ended.
    pub end: Option<End>,
    /// Whether that has been printed.
    pub end_is_told: bool,
}

impl Guest {
    /// A guest of `cpus` virtual CPUs, of which the first is about to run at `start`.
    #[must_use]
    pub fn new(
        id: u16,
        cpus: u16,
        start: u64,
        memory: GuestMemory,
        console: GuestConsole,
        disks: Disks,
    ) -> Self {
        Self {
            id,
            vcpu: Vcpu::new(0, start),
            others: (0..cpus).map(|address| Vcpu::new(address, 0)).collect(),
            signalled: Vec::new(),
            service_signal: None,
            memory,
            console,
            disks,
            counters: Counters::default(),
            next_eviction: 0,
            end: None,
            end_is_told: false,
        }
    }

    /// How many virtual CPUs it has.
    #[must_use]
    pub fn cpus(&self) -> u16 {
        self.others.len() as u16
    }

    /// From now on something is done for the virtual CPU with this address.
    pub fn focus(&mut self, address: u16) {
        if address == self.vcpu.address {
            return;
        }
        let old = usize::from(self.vcpu.address);
        mem::swap(&mut self.vcpu, &mut self.others[old]);
        mem::swap(&mut self.vcpu, &mut self.others[usize::from(address)]);
        self.memory.focus(address);
    }

    /// The virtual CPU with an address.
    #[must_use]
    pub fn cpu(&self, address: u16) -> Option<&Vcpu> {
        if address == self.vcpu.address {
            return Some(&self.vcpu);
        }
        self.others.get(usize::from(address))
    }

    /// As [`Guest::cpu`], to change it.
    pub fn cpu_mut(&mut self, address: u16) -> Option<&mut Vcpu> {
        if address == self.vcpu.address {
            return Some(&mut self.vcpu);
        }
        self.others.get_mut(usize::from(address))
    }

    /// All virtual CPUs.
    pub fn all_cpus(&self) -> impl Iterator<Item = &Vcpu> {
        (0..self.cpus()).filter_map(|address| self.cpu(address))
    }

    /// Whether an interruption is pending that one of its CPUs, which all wait or are stopped, takes.
    pub fn is_any_due(&mut self) -> bool {
        let focused = self.vcpu.address;
        let due = (0..self.cpus()).any(|address| {
            self.focus(address);
            self.vcpu.activity == Activity::Waiting && interruption::is_due(self)
        });
        self.focus(focused);
        due
    }

    /// Counts an exit.
    pub fn count_exit(&mut self, cause: &'static str) {
        *self.counters.exits.entry(cause).or_default() += 1;
    }
}
