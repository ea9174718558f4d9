//! The work that the parameter line asks for, and the record of how it ended.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::move_spaces;
use drivers::block::{self, Choice, Disk};
use drivers::recorder;

use crate::control::{Control, Work};
use crate::fs::archive::Archive;
use crate::fs::store::Devices;
use crate::fs::writable::WritableFiles;
use crate::mm::{Account, Mm, OutOfMemory};
use crate::report::{self, Outcome};
use crate::work::tasks::Done;
use crate::work::verify::Failure;
use crate::{smp, task, validate, work};

/// Number of the disk for files that may be written.
const WRITABLE: u16 = 0x0101;
/// How often pages are counted before one that is not accounted for counts as lost.
const SETTLE_TRIES: u32 = 50;
/// Time between two counts, in microseconds.
const SETTLE_EVERY: u64 = 2000;
/// Number of the disk for the swap area.
const SWAP: u16 = 0x0102;

/// Does the work and reports it; returns whether all is well.
pub fn run(control: &Control, archive: &'static Archive<'static>) -> bool {
    let mut outcome = Outcome {
        reason: None,
        work: control.work.name(),
        files: archive.index().len(),
        passes: control.passes,
        work_us: 0,
        bytes_verified: 0,
        mismatches: 0,
    };
    let began = clock::now();
    let hotplug = control.hotplug.then(|| Hotplug::start(control.seed));
    let reason = match control.work {
        Work::Verify => verify(control, archive, &mut outcome),
        Work::Measure => work::measure::run(archive.mm()).err(),
        Work::Disks => work::disks::run(archive.mm(), control.seed).err(),
        Work::Reporting => work::reporting::run(archive.mm()).err(),
        Work::Pages => work::pages::run(archive.mm(), control.seed).err(),
        Work::Validate => validate::run(archive.mm(), control.from).err(),
        Work::Swap => conclude(swap(control, archive), archive.mm(), &mut outcome),
        Work::Serve => serve(control, archive, &mut outcome),
        Work::Churn => conclude(churn(control, archive), archive.mm(), &mut outcome),
        Work::Farm => conclude(farm(control, archive), archive.mm(), &mut outcome),
        Work::Idle => {
            work::idle::run();
            None
        }
    };
    let hotplug = hotplug.and_then(|started| match started {
        Ok(hotplug) => hotplug.end(),
        Err(error) => Some(format!("no CPU goes offline: {error}")),
    });
    outcome.work_us = (clock::now() - began) / UNITS_PER_MICROSECOND;
    recorder::print();
    let account = settle(archive.mm());
    let lost =
        (!account.is_complete()).then(|| format!("pages are lost or there twice: {account}"));
    let reason = reason.or(hotplug).or(lost);
    if reason.is_some() {
        // Who holds what: the reason may be that nothing was left.
        log::info!("{account}");
    }
    outcome.reason = reason.as_deref();
    report::guest(&outcome, archive.mm(), &account);
    reason.is_none()
}

/// Where all pages are when the work has ended. Threads that do not belong to the work may hold a page
/// for a moment, and pages that wait for sign-off be on their way: that passes.
fn settle(mm: &Mm<'_>) -> Account {
    for _ in 0..SETTLE_TRIES {
        let account = mm.account();
        if account.is_complete() {
            return account;
        }
        task::sleep_until(clock::now() + SETTLE_EVERY * UNITS_PER_MICROSECOND);
    }
    mm.account()
}

/// A disk that must be there and may be written.
fn writable_disk(number: u16, what: &str) -> Result<Disk, String> {
    block::find(number, Choice::Auto)
        .map_err(|error| error.to_string())?
        .filter(|disk| !disk.is_read_only())
        .ok_or_else(|| format!("there is no disk {number:04x} {what}"))
}

/// From now on pages come from these devices and go to them.
fn set_store(
    archive: &'static Archive<'static>,
    files: Option<WritableFiles>,
) -> Result<&'static Devices, String> {
    let disk = writable_disk(SWAP, "for the swap area")?;
    let devices: &'static Devices = Box::leak(Box::new(Devices::new(archive, files, disk)));
    archive.mm().set_store(devices);
    let swap = archive.mm().add_swap(devices.slots());
    swap.map_err(|error| format!("the swap area: {error}"))?;
    Ok(devices)
}

/// Tasks that need the swap area.
fn swap(control: &Control, archive: &'static Archive<'static>) -> Result<Done, String> {
    set_store(archive, None)?;
    Ok(work::swap::run(smp::mm(), control.passes, control.seed))
}

/// Tasks that do everything.
fn churn(control: &Control, archive: &'static Archive<'static>) -> Result<Done, String> {
    let mm = archive.mm();
    if !move_spaces::is_installed() {
        return Err("the machine has no MOVE WITH OPTIONAL SPECIFICATIONS (facility 27), by which the kernel copies from and to tasks".to_string());
    }
    let disk = writable_disk(WRITABLE, "for files that may be written")?;
    let tasks = work::churn::task_count(smp::all().count());
    let pages = work::churn::part_pages(mm.free_page_count(), tasks);
    let devices = set_store(
        archive,
        Some(WritableFiles::create(mm, disk, tasks, pages)?),
    )?;
    let files = devices.files().expect("they were given");
    let steps = control
        .steps
        .unwrap_or_else(|| work::churn::steps(pages, control.passes));
    work::churn::run(archive, files, tasks, steps, control.seed)
        .map_err(|failure| failure.to_string())
}

/// A machine of a farm.
fn farm(control: &Control, archive: &'static Archive<'static>) -> Result<Done, String> {
    /// Requests of a phase if nothing is said.
    const REQUESTS: u64 = 100;
    let mm = archive.mm();
    let part = |percent: u64| (mm.account().all as u64 * percent / 100).max(1);
    let plan = work::farm::Plan {
        phases: control.passes,
        requests: control.steps.unwrap_or(REQUESTS),
        farm: control.farm,
        own: part(control.farm.own),
        written: part(control.farm.written),
    };
    let disk = writable_disk(WRITABLE, "for files that may be written")?;
    let files = WritableFiles::create(mm, disk, 1, plan.written as u32)?;
    let devices = set_store(archive, Some(files))?;
    let files = devices.files().expect("they were given");
    work::farm::run(archive, files, plan, control.seed).map_err(|error| error.to_string())
}

/// What tasks have come to, and what is wrong.
fn conclude(done: Result<Done, String>, mm: &Mm<'_>, outcome: &mut Outcome<'_>) -> Option<String> {
    match done {
        Ok(done) => {
            outcome.bytes_verified = done.checked * size_of::<u64>() as u64;
            outcome.mismatches = done.wrong;
            done.complaint(mm)
        }
        Err(reason) => Some(reason),
    }
}

/// The thread that takes CPUs off and on.
struct Hotplug {
    end: Arc<AtomicBool>,
    thread: task::Join<Result<(), String>>,
}

impl Hotplug {
    fn start(seed: u64) -> Result<Self, OutOfMemory> {
        let end = Arc::new(AtomicBool::new(false));
        let its = end.clone();
        let thread = task::spawn(move || smp::hotplug::take_off_and_on(seed, &its))?;
        Ok(Self { end, thread })
    }

    /// Returns what went wrong.
    fn end(self) -> Option<String> {
        self.end.store(true, Ordering::Release);
        self.thread.join().err()
    }
}

/// What failed, in the record too.
fn failed(failure: &Failure, outcome: &mut Outcome<'_>) -> String {
    match failure {
        Failure::Mismatch(mismatch) => {
            report::mismatch(mismatch);
            outcome.mismatches = 1;
        }
        Failure::Gap(..) => outcome.mismatches = 1,
        Failure::Read(..) | Failure::OutOfMemory => {}
    }
    failure.to_string()
}

fn serve(
    control: &Control,
    archive: &'static Archive<'static>,
    outcome: &mut Outcome<'_>,
) -> Option<String> {
    match work::serve::run(archive, control.passes, control.seed) {
        Ok(served) => {
            outcome.bytes_verified = served.bytes_verified;
            log::info!("{} requests, {} bytes", served.requests, served.bytes);
            None
        }
        Err(failure) => Some(failed(&failure, outcome)),
    }
}

fn verify(
    control: &Control,
    archive: &'static Archive<'static>,
    outcome: &mut Outcome<'_>,
) -> Option<String> {
    let done = work::share::run(archive, control);
    outcome.bytes_verified = done.bytes_verified;
    Some(failed(&done.failure?, outcome))
}
