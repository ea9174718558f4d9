//! From the entry to the end: memory, bundle, guests, report.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use arch::{Absolute, Frame, PAGE_SIZE, clock, cpu, key};
use boot::bundle::{Bundle, Kind};
use boot::start::{Start, image_end, is_stack_intact};
use drivers::block::{self, BLOCK_SIZE, Choice, Disk, MemoryDisk};
use drivers::recorder::{self, Event};
use drivers::{console, logger, record, sclp};
use linked_list_allocator::Heap;
use spin::Mutex;

#[cfg(feature = "controls")]
use crate::control::Mistake;
use crate::control::{Control, Paging};
use crate::dev::channel::{Channel, Subchannel};
use crate::dev::console::GuestConsole;
use crate::dev::disks::{Disks, Drive, Slice, registered};
use crate::dev::virtio::{Balloon, Block, Device, Virtio};
use crate::evict::Evictor;
use crate::guest::{Counters, Guest};
use crate::limits::Limits;
use crate::loader::{self, Room};
use crate::mem::GuestMemory;
use crate::memory::FramePool;
use crate::monitor::Monitor;
use crate::operator::{self, Operator};
use crate::paging::{Expanded, Ledger, Model, Pager, PagingDevice, PagingDisk};
use crate::personality::Hinting;
use crate::report::{self, HostBoot};
use crate::sched::{self, Host, Sampler};
use crate::vcpu::backend::{Backend, Chosen};
use crate::vcpu::interpret;
use crate::vcpu::{Floating, Vcpu};

/// The host's heap: page states, tables, and what it prints.
struct HostHeap(Mutex<Heap>);

#[global_allocator]
static HEAP: HostHeap = HostHeap(Mutex::new(Heap::empty()));

// SAFETY: `Heap` hands out disjoint blocks of the region it was given; the lock makes it one caller
// at a time, and no interruption handler allocates.
//
// Not inlined: taking the lock is long, and a hundred places allocate.
unsafe impl core::alloc::GlobalAlloc for HostHeap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: core::alloc::Layout) -> *mut u8 {
        let block = self.0.lock().allocate_first_fit(layout);
        block.map_or(core::ptr::null_mut(), core::ptr::NonNull::as_ptr)
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: core::alloc::Layout) {
        if let Some(block) = core::ptr::NonNull::new(block) {
            // SAFETY: the caller's promise: it is a block of ours with this layout.
            unsafe { self.0.lock().deallocate(block, layout) }
        }
    }
}

/// What the heap has beside the guests' metadata, in bytes.
const HEAP_BASE: u64 = 4 << 20;
/// Disks that every guest has: files for all; one to write, one for swap and one for whatever runs there, in
/// equal parts if they can be written.
const SHARED_DISK: u16 = 0x0100;
const SLICED_DISKS: [u16; 3] = [0x0101, 0x0102, GUEST_DISK];

/// Those of them that can be storage.
const MODELLED: [u16; 2] = [0x0101, 0x0102];

/// The disk that guests have by virtio in any case.
const GUEST_DISK: u16 = 0x0103;

/// The balloon that a guest has.
const BALLOON: u16 = 0x0110;

/// The disk that pages go to.
const PAGING_DISK: u16 = 0x0200;

/// What each CPU of a guest needs of the heap, in bytes: its tables, aligned.
const HEAP_VIRTUAL_CPU: u64 = 32 << 10;
/// What each further CPU of the machine needs of it: prefix area and stacks.
const HEAP_PHYSICAL_CPU: u64 = 96 << 10;

/// What a page of a guest needs of it that is out of memory: its entry, and room in tables.
const HEAP_PAGE: u64 = 32;
/// What a slot needs of it.
const HEAP_SLOT: u64 = 5;
/// Pages that there must be room for beyond those of guests, in frames and slots together, so that
/// a page can come before another one goes.
const PAGING_MARGIN: u64 = 64;

/// Runs the host.
pub fn main(start: Start) -> ! {
    boot::fatal::set_printer(record::print_failure);
    logger::start();
    let machine = match console::init().and_then(|_| sclp::read_info()) {
        Ok(machine) => machine,
        Err(_) => boot::fatal::fail(),
    };
    let end = match initialize_heap(&start, machine.memory) {
        Ok(end) => end,
        Err(reason) => boot::fatal::stop_with(format_args!("{reason}")),
    };
    let outcome = run(&start, machine, end);
    if !is_stack_intact() {
        boot::fatal::stop_with(format_args!("the stack has come to its end"));
    }
    match outcome {
        Ok(true) => boot::fatal::succeed(),
        Ok(false) => boot::fatal::fail(),
        Err(reason) => {
            report::failure(&reason);
            boot::fatal::fail()
        }
    }
}

fn page_align(address: u64) -> u64 {
    address.next_multiple_of(PAGE_SIZE as u64)
}

/// The heap lies behind image and initial RAM disk; what is behind the heap is for frames.
fn initialize_heap(start: &Start, memory: u64) -> Result<u64, &'static str> {
    let initrd_end = start
        .initrd
        .map_or(0, |bytes| bytes.as_ptr_range().end.addr() as u64);
    let first = page_align(image_end().max(initrd_end));
    // Page entries and tables of guests as large as the machine, twice over.
    let size = page_align(HEAP_BASE + memory / 64);
    let end = first + size;
    if end >= memory {
        return Err(
            "memory too small: image, bundle and heap leave no frames; give the machine more",
        );
    }
    // SAFETY: nobody uses this storage: it is behind image and bundle and in front of the frames.
    unsafe {
        HEAP.0.lock().init(
            core::ptr::with_exposed_provenance_mut(first as usize),
            size as usize,
        );
    }
    Ok(end)
}

/// The heap grows by what the CPUs and paging need; returns its new end.
fn extend_heap(
    control: &Control,
    cpus: usize,
    slots: u64,
    memory: u64,
    end: u64,
) -> Result<u64, String> {
    let virtual_cpus = u64::from(control.guests) * u64::from(control.cpus);
    let shadows = u64::from(control.guests) * control.shadow();
    let pages = control.guests_pages();
    let events = (control.trace * size_of::<Event>()) as u64;
    let more = events + shadows + virtual_cpus * HEAP_VIRTUAL_CPU + cpus as u64 * HEAP_PHYSICAL_CPU;
    let more = match control.paging {
        Paging::None => more,
        Paging::Disk | Paging::Model(..) => {
            more + pages * HEAP_PAGE
                + slots * HEAP_SLOT
                + u64::from(frames_of(control.expanded)) * HEAP_SLOT
        }
    };
    if end + more >= memory {
        return Err(format!(
            "memory too small: {virtual_cpus} CPUs of guests leave no frames; give the machine more"
        ));
    }
    // SAFETY: nobody uses the storage behind the heap yet.
    unsafe { HEAP.0.lock().extend(more as usize) }
    Ok(end + more)
}

fn run(start: &Start, machine: sclp::Machine, end: u64) -> Result<bool, String> {
    let line = start
        .parameters
        .map_err(|error| format!("parameter line: {error}"))?;
    let initrd = start
        .initrd
        .ok_or("no bundle: the host gets its guests as initial RAM disk")?;
    let bundle = Bundle::parse(initrd).map_err(|error| error.to_string())?;
    let mut control = Control::default();
    if let Some(entry) = bundle.find(Kind::HostParameters, 0) {
        control.read(entry.text().map_err(|error| error.to_string())?)?;
    }
    control.read(line)?;
    if control.is_interpreted && !arch::interpret::is_installed() {
        return Err("backend=sie: this machine has no START INTERPRETIVE EXECUTION".to_string());
    }
    let cpus = addresses(machine.cpus);
    let disk = match control.paging {
        Paging::Disk => Some(PagingDisk::find(PAGING_DISK)?),
        Paging::None | Paging::Model(..) => None,
    };
    let slots = match control.paging {
        Paging::Model(bytes, _) => bytes / PAGE_SIZE as u64,
        _ => disk.as_ref().map_or(0, |disk| disk.slots().into()),
    };
    let end = extend_heap(&control, cpus.len(), slots, machine.memory, end)?;
    recorder::start(control.trace)?;
    let (mut pool, behind) = frames(&control, machine.memory, end)?;
    let mut pager = pager(&control, disk, &mut pool, behind)?;
    record::emit(
        "host_boot",
        &HostBoot {
            image: "host",
            version: env!("CARGO_PKG_VERSION"),
            memory: machine.memory,
            frames: pool.total(),
            cpus: cpus.len(),
            guests: control.guests,
            vcpus: control.cpus,
            evict: control.policy.to_string(),
            hinting: control.hinting_name(),
            personality: control.hypervisor.name(),
            backend: backend(&control).name(),
            paging: pager.as_ref().map_or("none", Pager::name),
            expanded: frames_of(control.expanded),
            slots: pool
                .ledger
                .as_ref()
                .map_or(0, |ledger| ledger.slots.total()),
        },
    );
    let disks = disks(&bundle, &control, behind)?;
    let mut guests = Vec::new();
    for id in 0..control.guests {
        guests.push(guest(&control, id, &disks));
        let mut room = Room {
            guests: &mut guests,
            pool: &mut pool,
            pager: pager.as_mut(),
        };
        let entry = loader::load(&bundle, line, &mut room)?;
        guests[usize::from(id)].vcpus[0].start_at(entry);
    }
    let operator = operator(&control, &bundle)?;
    let mut host = Host::new(guests, pool, evictor(&control), pager, operator, &cpus);
    host.sampler = Sampler::new(control.sample);
    host.monitor = control
        .is_monitored
        .then(|| Monitor::new(control.monitor, control.guests.into()));
    // From here on the guests have all references to them.
    drop(disks);
    let host = sched::run(host, &cpus)?;
    recorder::print();
    Ok(report::host(&host))
}

/// Who operates the host: a script in the bundle, whoever types, both or neither.
fn operator(control: &Control, bundle: &Bundle<'_>) -> Result<Operator, String> {
    let steps = match bundle.find(Kind::Script, 0) {
        Some(entry) => {
            let text = entry.text().map_err(|error| error.to_string())?;
            operator::parse(text).map_err(|error| format!("script: {error}"))?
        }
        None => Vec::new(),
    };
    if control.operator {
        console::listen().map_err(|error| error.to_string())?;
    }
    Ok(Operator::new(steps, control.operator, clock::now()))
}

fn evictor(control: &Control) -> Evictor {
    #[cfg_attr(
        not(feature = "controls"),
        expect(unused_mut, reason = "only controls change it")
    )]
    let mut evictor = Evictor::new(control.policy, control.seed);
    #[cfg(feature = "controls")]
    if let Some(mistake) = control.mistake {
        evictor.err(mistake);
    }
    evictor
}

/// Addresses of the CPUs to use: this one, then the others of the machine.
fn addresses(machine: u64) -> Vec<u16> {
    let own = cpu::address();
    let others = (0..64).filter(|other| machine >> other & 1 != 0 && *other != own);
    core::iter::once(own).chain(others).collect()
}

/// The frames for guests and expanded storage: behind the heap, as many as the parameter says; and the
/// first frame behind them, from which on a modelled paging device has its storage.
fn frames(control: &Control, memory: u64, end: u64) -> Result<(FramePool, Frame), String> {
    let bytes = |storage: Paging| storage.model().map_or(0, |(bytes, _)| bytes);
    let model = bytes(control.paging) + MODELLED.len() as u64 * bytes(control.guest_disks);
    let left = (memory - end).saturating_sub(model);
    let wanted = control.memory.unwrap_or(left);
    if wanted > left || left == 0 {
        return Err(format!(
            "memory={wanted}: only {left} bytes are left of the machine's {memory}"
        ));
    }
    if control.expanded >= wanted || control.expanded > 0 && control.paging == Paging::None {
        return Err(format!(
            "expanded={}: a part of memory={wanted}, in front of a paging device",
            control.expanded
        ));
    }
    if control.expanded == 0 && control.hinting == Hinting::Extended {
        return Err("hinting=full+extended: there is no expanded storage".to_string());
    }
    // The first key instruction makes emulators record references and changes from now on.
    key::set(Absolute(end).frame(), 0);
    let count = frames_of(wanted - control.expanded);
    let first = Absolute(end).frame();
    Ok((FramePool::new(first, count), Frame(first.0 + count)))
}

/// Frames that so many bytes are.
fn frames_of(bytes: u64) -> u32 {
    (bytes / PAGE_SIZE as u64) as u32
}

/// The pager, if there is a device for it. All that guests have must find room then.
fn pager(
    control: &Control,
    disk: Option<PagingDisk>,
    pool: &mut FramePool,
    behind: Frame,
) -> Result<Option<Pager>, String> {
    let device: Box<dyn PagingDevice> = match (control.paging, disk) {
        (Paging::Model(bytes, timing), _) => {
            let first = Frame(behind.0 + frames_of(control.expanded));
            // SAFETY: `frames` has left the storage there to it.
            Box::new(unsafe { Model::new(first, frames_of(bytes), timing) })
        }
        (_, Some(disk)) => Box::new(disk),
        (_, None) => return Ok(None),
    };
    let (frames, slots) = (pool.total() as u64, u64::from(device.slots()));
    let (more, pages) = (frames_of(control.expanded), control.guests_pages());
    let room = frames + u64::from(more) + slots;
    if pages + PAGING_MARGIN > room {
        return Err(format!(
            "guests have {pages} pages, and there are {frames} frames, {more} expanded ones and {slots} \
             slots for paging: that is too little by {}",
            pages + PAGING_MARGIN - room
        ));
    }
    let expanded = (more > 0).then(|| Expanded::new(behind, more));
    let guests = usize::from(control.guests);
    let ledger = Ledger::new(expanded, device.slots(), guests, pages as usize / guests);
    pool.allow_paging(ledger);
    Ok(Some(Pager::new(device, pool)))
}

/// The host's disks by number; a disk in the bundle takes the place of the shared one, and those that are
/// storage lie behind that of the paging device.
fn disks(
    bundle: &Bundle<'static>,
    control: &Control,
    behind: Frame,
) -> Result<Vec<(u16, Rc<Drive>)>, String> {
    let mut found = Vec::new();
    let paging = control.paging.model().map_or(0, |(bytes, _)| bytes);
    let mut next = (behind.0 + frames_of(control.expanded + paging)) as usize * PAGE_SIZE;
    let (size, timing) = control.guest_disks.model().unzip();
    for number in [SHARED_DISK].into_iter().chain(SLICED_DISKS) {
        let in_bundle = bundle.find(Kind::Disk, 0).filter(|_| number == SHARED_DISK);
        let disk = if let Some(entry) = in_bundle {
            let bytes = entry.verify().map_err(|error| error.to_string())?;
            Some(Disk::Memory(MemoryDisk::new(bytes)))
        } else if let Some(size) = size.filter(|_| MODELLED.contains(&number)) {
            let start = core::ptr::with_exposed_provenance_mut(next);
            next += size as usize;
            // SAFETY: `frames` has left the storage there to it.
            let disk = unsafe { MemoryDisk::writable(number, start, size / BLOCK_SIZE as u64) };
            Some(Disk::Memory(disk))
        } else {
            block::find(number, Choice::Auto).map_err(|error| error.to_string())?
        };
        found.extend(disk.map(|disk| (number, Rc::new(Drive::new(disk, timing)))));
    }
    Ok(found)
}

/// A guest's virtio devices: its balloon in front of its disks.
fn channel(control: &Control, disks: &Disks, memory: &GuestMemory) -> Channel {
    let mut all = Vec::new();
    let mut add = |number, device: Device| all.push(Subchannel::new(number, Virtio::new(device)));
    if control.has_balloon() {
        add(BALLOON, Balloon::default().into());
    }
    let least = if control.virtio_disks { 0 } else { GUEST_DISK };
    for (number, slice) in disks.from(least) {
        let buffers = registered(memory);
        let block = Block::new(number, slice.blocks(), slice.is_read_only(), buffers);
        add(number, block.into());
    }
    Channel(all)
}

/// What lets guests run.
fn backend(control: &Control) -> Chosen {
    if control.is_interpreted {
        Chosen::Interpret
    } else {
        Chosen::Trap
    }
}

/// A guest without an image.
fn guest(control: &Control, id: u16, disks: &[(u16, Rc<Drive>)]) -> Guest {
    let cpus = usize::from(control.cpus);
    let (bytes, shadow) = (control.guest_memory, control.shadow());
    let mut memory = GuestMemory::new(id, bytes, control.personality(), cpus, shadow);
    if control.is_interpreted {
        memory.interpret();
    }
    if control.is_monitored {
        memory.watch();
    }
    let slice = |(number, disk): &(u16, Rc<Drive>)| {
        let is_shared = *number == SHARED_DISK || *number == GUEST_DISK && disk.is_read_only();
        let parts = if is_shared {
            (0, 1)
        } else {
            (id.into(), control.guests.into())
        };
        (*number, Slice::new(disk.clone(), parts.0, parts.1))
    };
    let disks = Disks::new(disks.iter().map(slice));
    let channel = channel(control, &disks, &memory);
    let mut vcpus: Vec<_> = (0..cpus).map(|_| Vcpu::new()).collect();
    if control.is_interpreted {
        for vcpu in &mut vcpus {
            vcpu.state = Some(interpret::state(bytes));
        }
    }
    #[cfg(feature = "controls")]
    if control.mistake == Some(Mistake::MuteCpu)
        && let Some(mute) = vcpus.get_mut(1)
    {
        // It has an order to carry out and never does: it is busy for ever.
        mute.order = Some(crate::vcpu::orders::Deed::Stop);
    }
    Guest {
        id,
        vcpus,
        backend: backend(control),
        memory,
        console: GuestConsole::new(control.console),
        disks,
        channel,
        floating: Floating::default(),
        alerts: 0,
        missing: None,
        last_wait: 0,
        counters: Counters::default(),
        next_eviction: 0,
        is_paused: false,
        allowance: Limits::of(control.limits, id),
        end: None,
        is_end_known: false,
    }
}
