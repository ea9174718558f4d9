//! From the entry to the end: memory, probe, files, work, report.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Absolute, Frame, PAGE_SHIFT, PAGE_SIZE};
use boot::bundle::{Bundle, Kind};
use boot::params::Params;
use boot::start::{Start, image_end};
use drivers::block::{self, Choice, Disk, MemoryDisk};
use drivers::{console, control_program, logger, record, recorder, sclp};

use crate::balloon::{self, Balloon};
use crate::control::{Cmma, Control, DiskChoice, Work};
use crate::fs::archive::Archive;
use crate::mm::{Hinting, MOST_PENDING, Mm, Page, Probe, probe};
use crate::report::{self, Boot};
use crate::{heap, job, smp, task, time, trap};

/// Number of the disk with the files.
const FILES: u16 = 0x0100;
/// The heap's first region, in bytes.
const FIRST_HEAP: u64 = 256 << 10;
/// Least memory behind the image and its descriptors, in bytes: heap, index, a few pages to work with.
const LEAST: u64 = 1 << 20;

/// What an image does once memory is managed and all CPUs are there; whether all was well.
type Job = fn(&Prepared) -> Result<bool, String>;

/// What is known then.
pub struct Prepared {
    start: Start,
    machine: sclp::Machine,
    control: Control,
    found: Probe,
}

impl Prepared {
    /// What the parameters say is to be done.
    #[must_use]
    pub fn work(&self) -> Work {
        self.control.work
    }

    /// Has the control program execute the commands of a parameter: semicolons are between them, and underscores stand
    /// for blanks.
    fn command(&self, key: &str) -> Result<(), String> {
        let line = self.start.parameters.unwrap_or_default();
        let all = Params::parse(line).ok().and_then(|params| params.get(key));
        for command in all.into_iter().flat_map(|all| all.split(';')) {
            let command = command.replace('_', " ");
            let (code, response) = control_program::execute(&command)
                .map_err(|error| format!("{key}={command}: {error}"))?;
            report::command(&command, code, response.trim_end());
        }
        Ok(())
    }
}

/// Runs the kernel.
pub fn main(start: Start) -> ! {
    begin(start, run)
}

/// Runs an image that starts as the kernel does, and does something of its own.
pub fn begin(start: Start, job: Job) -> ! {
    boot::fatal::set_printer(record::print_failure);
    trap::install();
    logger::start();
    let machine = match console::init().and_then(|_| sclp::read_info()) {
        Ok(machine) => machine,
        Err(_) => boot::fatal::fail(),
    };
    let memory = match lay_out(&start, machine.memory, machine.cpus.count_ones()) {
        Ok(memory) => memory,
        Err(needed) => boot::fatal::stop_with(format_args!(
            "memory too small: {} KiB, at least {} KiB needed",
            machine.memory >> 10,
            needed >> 10
        )),
    };
    smp::set_up_first(memory.grounds);
    match prepare(&start, &machine, memory) {
        Ok((control, found)) => {
            let prepared = Prepared {
                start,
                machine,
                control,
                found,
            };
            let job = move || {
                let outcome = job(&prepared);
                end(outcome.and_then(|is_good| prepared.command("cp-end").map(|()| is_good)))
            };
            match task::spawn(job) {
                Ok(_) => task::schedule(),
                Err(error) => end(Err(error.to_string())),
            }
        }
        Err(reason) => end(Err(reason)),
    }
}

/// Ends the kernel: all was well or was not, or it could not go on.
fn end(outcome: Result<bool, String>) -> ! {
    match outcome {
        Ok(true) => boot::fatal::succeed(),
        Ok(false) => boot::fatal::fail(),
        Err(reason) => {
            report::error(&reason);
            boot::fatal::fail()
        }
    }
}

/// Where things are.
struct Layout {
    /// Descriptors of all frames.
    pages: &'static [Page],
    /// The first frame that nobody uses.
    first_free: Frame,
    /// The frame behind the last one.
    end: Frame,
    /// Where CPUs besides the first will stand.
    grounds: u64,
}

/// Behind the image and the initial RAM disk: descriptors, the first region of the heap, free frames.
///
/// The error is the memory that would do, in bytes.
fn lay_out(start: &Start, memory: u64, cpus: u32) -> Result<Layout, u64> {
    let initrd_end = start
        .initrd
        .map_or(0, |bytes| bytes.as_ptr_range().end.addr() as u64);
    let first = image_end()
        .max(initrd_end)
        .next_multiple_of(PAGE_SIZE as u64);
    // In front of what grows with memory: it must lie below 2 GiB.
    let grounds = first.next_multiple_of(2 * PAGE_SIZE as u64);
    let first = grounds + smp::grounds_size(cpus);
    let frames = memory >> PAGE_SHIFT;
    let descriptors = (frames * size_of::<Page>() as u64).next_multiple_of(PAGE_SIZE as u64);
    let heap = first + descriptors;
    let needed = heap + FIRST_HEAP + LEAST;
    if needed > memory {
        return Err(needed.next_multiple_of(1 << 20));
    }
    let at = core::ptr::with_exposed_provenance_mut::<Page>(first as usize);
    for number in 0..frames as usize {
        // SAFETY: storage behind the image and the initial RAM disk, which nobody uses yet.
        unsafe { at.add(number).write(Page::reserved()) }
    }
    // SAFETY: all of them have just been written; descriptors change through atomics only.
    let pages = unsafe { core::slice::from_raw_parts(at, frames as usize) };
    // SAFETY: behind the descriptors, and nobody else's.
    unsafe { heap::add_region(heap, FIRST_HEAP as usize) }
    let first_free = Absolute(heap + FIRST_HEAP).frame();
    Ok(Layout {
        pages,
        first_free,
        end: Frame(frames as u32),
        grounds,
    })
}

/// Memory management and all CPUs.
fn prepare(
    start: &Start,
    machine: &sclp::Machine,
    layout: Layout,
) -> Result<(Control, Probe), String> {
    let line = start
        .parameters
        .map_err(|error| format!("parameter line: {error}"))?;
    let control = Control::read(line)?;
    let found = probe(layout.first_free, control.cmma == Cmma::Full);
    let hinting = control.cmma.hinting(&found);
    if control.cmma == Cmma::Full && hinting != Hinting::Full {
        let why = if found.essa {
            "the host delivers no discard faults"
        } else {
            "ESSA is not installed"
        };
        log::info!("hinting is limited to {}: {why}", hinting.name());
    }
    let mm: &'static Mm<'static> = Box::leak(Box::new(Mm::new(layout.pages, hinting)));
    mm.stats.count_essa(&found.essa_counts);
    mm.set_release_batch(MOST_PENDING);
    mm.set_read_ahead(control.read_ahead);
    mm.leave_out(control.left_out);
    mm.add_free_released(layout.first_free, layout.end.0 - layout.first_free.0);
    heap::grow_from(mm).map_err(|error| error.to_string())?;
    recorder::start(control.trace as usize)?;
    #[cfg(feature = "controls")]
    if let Some(guard) = control.take_out {
        mm.take_out(guard);
    }

    smp::share(mm);
    time::install();
    if control.pfault {
        task::page_fault::install();
    }
    smp::start(machine.cpus, control.cpus)?;
    Ok((control, found))
}

/// Opens the files and does the work; the first thread.
fn run(prepared: &Prepared) -> Result<bool, String> {
    let Prepared {
        start,
        machine,
        control,
        found,
    } = prepared;
    let mm = smp::mm();
    let disk = disk(start, control.disk)?;
    let archive = Archive::open(disk, mm).map_err(|error| error.to_string())?;
    let archive: &'static Archive<'static> = Box::leak(Box::new(archive));
    let balloon = Balloon::find(&control.balloon, mm);
    report::boot(&Boot {
        image: "kernel",
        version: env!("CARGO_PKG_VERSION"),
        memory: machine.memory,
        cpus: machine.cpus.count_ones(),
        console: console::kind().name(),
        cpus_used: smp::all().count(),
        essa: found.essa,
        discards: found.discards.name(),
        hinting: mm.hinting().name(),
        back_end: balloon::back_end(mm.hinting(), balloon.as_ref()),
        disk: archive.disk_name(),
        files: archive.index().len(),
        bytes: archive.index().total_size(),
        pfault: task::page_fault::is_offered(),
    });
    prepared.command("cp")?;
    if let Some(balloon) = balloon {
        balloon.start();
    }
    let since_entry = (clock::now() - start.entry_tod) / UNITS_PER_MICROSECOND;
    report::work(control.work.name(), since_entry);
    Ok(job::run(control, archive))
}

/// The disk with the files: in memory, or the device.
fn disk(start: &Start, choice: DiskChoice) -> Result<Disk, String> {
    let in_memory = matches!(choice, DiskChoice::Auto | DiskChoice::Memory);
    if in_memory && let Some(initrd) = start.initrd {
        let bundle = Bundle::parse(initrd).map_err(|error| error.to_string())?;
        if let Some(entry) = bundle.find(Kind::Disk, 0) {
            let bytes = entry.verify().map_err(|error| error.to_string())?;
            return Ok(Disk::Memory(MemoryDisk::new(bytes)));
        }
    }
    let found = match choice {
        DiskChoice::Memory => None,
        DiskChoice::Auto => block::find(FILES, Choice::Auto).map_err(|error| error.to_string())?,
        DiskChoice::Virtio => {
            block::find(FILES, Choice::Virtio).map_err(|error| error.to_string())?
        }
        DiskChoice::Diag250 => {
            block::find(FILES, Choice::Diag250).map_err(|error| error.to_string())?
        }
    };
    found.ok_or_else(|| format!("no disk with files: device {FILES:04x} is not there"))
}
