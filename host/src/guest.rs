//! One guest: virtual CPUs, memory, devices, counters.

mod waiting;

use alloc::vec::Vec;

use arch::{Absolute, clock};

use crate::dev::channel::Channel;
use crate::dev::console::GuestConsole;
use crate::dev::disks::Disks;
use crate::emulate::codes::Codes;
use crate::limits::Allowance;
use crate::mem::{AccessError, GuestMemory, Virtual, address_space_control};
use crate::memory::FramePool;
use crate::paging::Memories;
use crate::vcpu::backend::{Backend, Chosen};
use crate::vcpu::exit::{Exit, Exits};
use crate::vcpu::external::{self, External};
use crate::vcpu::orders::Deed;
use crate::vcpu::{End, Floating, Place, Vcpu, signal};

pub use waiting::Missing;

/// What happened to a guest, beside its memory's counters.
#[derive(Clone, Default, Debug)]
pub struct Counters {
    /// Exits by cause.
    pub exits: Exits,
    /// ESSA by operation request code.
    pub essa: [u64; 8],
    /// DIAGNOSE by code.
    pub diagnose: Codes,
    /// X'1A' delivered.
    pub discard_faults: u64,
    /// Addressing exceptions delivered.
    pub addressing_faults: u64,
    /// Time that its CPUs ran, in TOD units.
    pub cpu_time: u64,
    /// The part of it in which they executed instructions themselves.
    pub ran: u64,
    /// Bytes that it has written to its disks, and read from them.
    pub disk_bytes: [u64; 2],
    /// When the exit began that is handled, or was last.
    pub exit_began: u64,
    /// Time of exits for ESSA and discard faults.
    pub hinting_time: u64,
    /// Time of exits for requests of virtio devices.
    pub virtio_time: u64,
    /// How often a CPU waited for a page, or for a frame for one, or was told of one.
    pub page_waits: u64,
    /// How long it took in all until they were there, in TOD units.
    pub page_wait_time: u64,
    /// How often a CPU was told of a page, and did not wait.
    pub page_faults_told: u64,
}

/// Low addresses that can be protected: so many at the start of the first two pages.
const LOW: u64 = 512;
/// Size of a page, the bit that the addresses of the first two differ in.
const PAGE_SIZE: u64 = arch::PAGE_SIZE as u64;

/// A guest.
pub struct Guest {
    /// Its number, from 0.
    pub id: u16,
    /// Its CPUs, by address.
    pub vcpus: Vec<Vcpu>,
    /// What lets them run.
    pub backend: Chosen,
    /// Its storage.
    pub memory: GuestMemory,
    /// What it prints.
    pub console: GuestConsole,
    /// Its block devices.
    pub disks: Disks,
    /// Its other devices.
    pub channel: Channel,
    /// What waits to interrupt any of its CPUs.
    pub floating: Floating,
    /// CPUs that the scheduler must look at, a bit for each: something has become pending for them.
    pub alerts: u64,
    /// PSW address of the latest disabled wait.
    pub last_wait: u64,
    /// What happened to it.
    pub counters: Counters,
    /// What was missing for the CPU that was handled last.
    pub missing: Option<Missing>,
    /// CPU time at which the next random eviction is due, in TOD units.
    pub next_eviction: u64,
    /// Whether its CPUs rest until the operator resumes it.
    pub is_paused: bool,
    /// What is left of what it may use.
    pub allowance: Allowance,
    /// Set when it has ended.
    pub end: Option<End>,
    /// Whether the scheduler has acted on that.
    pub is_end_known: bool,
}

impl Guest {
    /// Counts an exit.
    pub fn count_exit(&mut self, cause: Exit) {
        self.counters.exits.count(cause);
    }

    /// Ends this guest, unless it has ended already.
    pub fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// The external interruption that a CPU would take now.
    #[must_use]
    pub fn due(&self, cpu: usize, now: u64) -> Option<External> {
        external::due(&self.vcpus[cpu], &self.floating, now)
    }

    /// Whether an interruption is pending that a CPU would take now.
    // Called from several places.
    #[inline(never)]
    #[must_use]
    pub fn is_due(&self, cpu: usize, now: u64) -> bool {
        let vcpu = &self.vcpus[cpu];
        self.due(cpu, now).is_some() || self.channel.due(&vcpu.psw, vcpu.control[6]).is_some()
    }

    /// Whether a CPU can be dispatched: it neither waits for what is not there, nor is it held.
    #[must_use]
    pub fn can_run(&self, cpu: usize, now: u64) -> bool {
        let vcpu = &self.vcpus[cpu];
        self.end.is_none()
            && !self.is_paused
            && vcpu.is_operating
            && vcpu.wants.is_none()
            && now >= vcpu.held_until
            && (!vcpu.is_waiting() || self.is_due(cpu, now))
    }

    /// Whether it waits, and for nothing that the host brings.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        let is_busy = |vcpu: &Vcpu| vcpu.place != Place::Off || !vcpu.is_waiting();
        self.end.is_none() && !self.vcpus.iter().any(is_busy)
    }

    /// When the clock will make a CPU runnable that is not now.
    #[must_use]
    pub fn wakes_at(&self, cpu: usize, now: u64) -> Option<u64> {
        let vcpu = &self.vcpus[cpu];
        if self.end.is_some() || self.is_paused || !vcpu.is_operating || vcpu.wants.is_some() {
            return None;
        }
        let ready = !vcpu.is_waiting() || self.is_due(cpu, now);
        let ready_at = if ready {
            Some(now)
        } else {
            external::timer(vcpu, now)
        };
        ready_at.map(|at| at.max(vcpu.held_until))
    }

    /// Tells the scheduler of an interruption that any CPU may take: the first that is enabled for it
    /// and not `busy` with it anyway. If none is, the one that becomes so finds it.
    // Called from several places.
    #[inline(never)]
    pub fn alert_for_floating(&mut self, busy: usize, now: u64) {
        let is_taker = |cpu: &usize| {
            let due = self.due(*cpu, now);
            let vcpu = &self.vcpus[*cpu];
            matches!(
                due,
                Some(External::ServiceSignal(_) | External::PageIsThere(_))
            ) || self.channel.due(&vcpu.psw, vcpu.control[6]).is_some()
        };
        let takers = core::iter::once(busy).chain(0..self.vcpus.len());
        if let Some(cpu) = takers.into_iter().find(is_taker) {
            self.alerts |= 1 << cpu;
        } else if !self.backend.sees_masks() {
            // One of those that run may be enabled by now.
            self.alerts = u64::MAX;
        }
    }

    /// How the guest has ended if no CPU of it will ever run again.
    #[must_use]
    pub fn conclusion(&self, now: u64) -> Option<End> {
        let all = || 0..self.vcpus.len();
        let is_alive = |cpu: usize| {
            let vcpu = &self.vcpus[cpu];
            vcpu.place != Place::Off
                || vcpu.wants.is_some()
                || self.expects_page(cpu)
                || self.wakes_at(cpu, now).is_some()
        };
        if self.is_paused || all().any(is_alive) {
            return None;
        }
        let mut operating = self
            .vcpus
            .iter()
            .filter(|vcpu| vcpu.is_operating)
            .peekable();
        Some(if operating.peek().is_none() {
            End::AllStopped
        } else if operating.all(Vcpu::is_in_disabled_wait) {
            End::DisabledWait(self.last_wait)
        } else {
            End::NothingToWaitFor
        })
    }
}

impl Memories for Vec<Guest> {
    fn memory(&mut self, guest: usize) -> &mut GuestMemory {
        &mut self[guest].memory
    }
}

/// A guest's machine as one of its CPUs has it: what an instruction or an interruption works on.
pub struct Machine<'a> {
    /// The guest.
    pub guest: &'a mut Guest,
    /// Frames for what it touches.
    pub pool: &'a mut FramePool,
    /// Address of the CPU.
    pub cpu: usize,
    /// Whether the control registers of this physical CPU still are those that it ran with.
    pub is_loaded: bool,
}

impl Machine<'_> {
    /// The CPU.
    #[must_use]
    #[inline]
    pub fn vcpu(&self) -> &Vcpu {
        &self.guest.vcpus[self.cpu]
    }

    /// The CPU, to change it.
    #[inline]
    pub fn vcpu_mut(&mut self) -> &mut Vcpu {
        &mut self.guest.vcpus[self.cpu]
    }

    /// The guest real address of a logical one: through the guest's DAT if that is on.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame for a table.
    pub fn real(&mut self, address: u64, store: bool) -> Result<u64, AccessError> {
        let control = address_space_control(&self.vcpu().psw);
        self.real_in(control, address, store)
    }

    /// As [`Machine::real`], of one of the CPU's address spaces.
    ///
    /// # Errors
    /// As for [`Machine::real`].
    pub fn real_in(&mut self, control: u8, address: u64, store: bool) -> Result<u64, AccessError> {
        if store {
            self.check_low(control, address)?;
        }
        let vcpu = self.vcpu();
        if !vcpu.has_dat() {
            return Ok(address);
        }
        let access = Virtual {
            space: vcpu.space(control),
            control,
            address,
            store,
        };
        let to = self.guest.memory.translate(self.pool, &access)?;
        Ok(to.real)
    }

    /// Low-address protection of a store by real address, or by one of an address space. Whoever stores
    /// behind what is protected begins no page there.
    ///
    /// # Errors
    /// The protection exception.
    pub fn check_low(&self, control: u8, address: u64) -> Result<(), AccessError> {
        let vcpu = self.vcpu();
        if address & !PAGE_SIZE >= LOW || !vcpu.is_low_protected(control) {
            return Ok(());
        }
        let access = Virtual {
            space: vcpu.space(control),
            control,
            address,
            store: true,
        };
        Err(access.low_address_protection().into())
    }

    /// Copies out of real storage.
    ///
    /// # Errors
    /// As for [`GuestMemory::read`].
    pub fn copy_out(&mut self, real: u64, buffer: &mut [u8]) -> Result<(), AccessError> {
        self.guest.memory.read(self.pool, self.cpu, real, buffer)
    }

    /// Copies into real storage.
    ///
    /// # Errors
    /// As for [`GuestMemory::write`].
    pub fn copy_in(&mut self, real: u64, bytes: &[u8]) -> Result<(), AccessError> {
        self.guest.memory.write(self.pool, self.cpu, real, bytes)
    }

    /// The first page of the CPU's prefix area, for stores.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn lowcore(&mut self) -> Result<Absolute, AccessError> {
        self.guest.memory.lowcore(self.pool, self.cpu)
    }

    /// Time since the exit began that is handled, in TOD units.
    #[must_use]
    pub fn since_exit(&self) -> u64 {
        clock::now() - self.guest.counters.exit_began
    }

    /// The CPU, or the host for it, has used so much time, in TOD units.
    #[inline(always)]
    pub fn charge(&mut self, used: u64) {
        self.guest.counters.cpu_time += used;
        if !self.guest.allowance.take(used) {
            self.guest.finish(End::UsedUp);
        }
        let vcpu = self.vcpu_mut();
        vcpu.cpu_timer = vcpu.cpu_timer.wrapping_sub_unsigned(used);
    }

    /// Waits for the prefix area at an address if it is paged out: interruptions, which cannot wait,
    /// find it there.
    ///
    /// # Errors
    /// What to wait for.
    pub fn expect_prefix(&mut self, prefix: u32) -> Result<(), AccessError> {
        let first = prefix >> arch::PAGE_SHIFT;
        (first..first + 2).try_for_each(|page| self.guest.memory.expect(self.pool, page))
    }

    /// Sets the prefix of the CPU, which does not run now.
    pub fn set_prefix(&mut self, prefix: u32) {
        self.guest.memory.set_prefix(self.cpu, prefix);
        self.vcpu_mut().spaces += 1;
    }

    /// The same machine as another CPU of the guest has it.
    pub fn on(&mut self, cpu: usize) -> Machine<'_> {
        Machine {
            guest: self.guest,
            pool: self.pool,
            cpu,
            is_loaded: false,
        }
    }

    /// Goes on with an instruction that is executed piece by piece, for a time that has a bound. Returns whether
    /// there is more of it.
    // Rare, and not to make the way to the guest longer.
    #[inline(never)]
    pub fn go_on(&mut self) -> bool {
        let began = clock::now();
        let pages = &mut self.guest.vcpus[self.cpu].releases;
        let memory = &mut self.guest.memory;
        memory.release_some(self.pool, self.cpu, pages);
        let is_more = pages.start < pages.end;
        self.charge(clock::now() - began);
        is_more
    }

    /// Makes a CPU do something: at once, or if it runs on another physical CPU or is within an instruction, when
    /// it comes out. A reset ends the instruction.
    pub fn order(&mut self, cpu: usize, deed: Deed) {
        let target = &mut self.guest.vcpus[cpu];
        if matches!(deed, Deed::Reset | Deed::InitialReset) {
            target.releases = 0..0;
        }
        let is_within = !target.releases.is_empty();
        if cpu != self.cpu && (is_within || matches!(target.place, Place::Running(_))) {
            target.order = Some(deed);
        } else {
            signal::carry_out(&mut self.on(cpu), deed);
        }
        self.guest.alerts |= 1 << cpu;
    }
}
