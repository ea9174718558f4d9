//! Devices that are to use pages which are not there: block I/O by DIAGNOSE X'250', channel programs, virtqueues.

use core::fmt;

use arch::channel::{self, Ccw, Irb, Orb, SUPPRESS_LENGTH};
use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Frame, PswMask, essa, storage};
use cmm::{Orc, PageState};
use drivers::block::{BLOCK_SIZE, Choice, Disk, find};
use drivers::virtio::{command, subchannel};
use drivers::x250::layout::{self, Entry, Request};
use zerocopy::IntoBytes as _;

use super::stage::Stage;
use super::{NOT_OBSERVED, observed};

/// The disk that they are tried on: one for pages that are swapped out, of which there are none.
const DISK: u16 = 0x0102;
/// First check of X'250': its list, a buffer that is read into, one that is written from.
const CALL: u16 = 326;
/// First check of channel programs: the program, its data.
const CHANNEL: u16 = 329;
/// First check of virtio: a buffer that is read into, one that is written from.
const BUFFER: u16 = 331;
/// Check of a virtqueue.
const QUEUE: u16 = 333;
/// How long a channel program may take, in TOD units: a second.
const PATIENCE: u64 = 1_000_000 * UNITS_PER_MICROSECOND;
/// What is said where there is no such disk.
const NO_DISK: &str = "skipped: no disk 0102 of that kind";

const STATES: [PageState; 5] = [
    PageState::SR,
    PageState::SP,
    PageState::SZ,
    PageState::UZ,
    PageState::VZ,
];

pub(super) fn run(stage: &mut Stage<'_>) {
    for check in CALL..=QUEUE {
        for state in STATES {
            let choice = match check {
                ..CHANNEL => Choice::Diag250,
                _ => Choice::Virtio,
            };
            // Anew for each: one that has failed is not used again.
            let Ok(Some(disk)) = find(DISK, choice) else {
                observed(check, &state, &NO_DISK);
                continue;
            };
            if check == QUEUE {
                // The device is found with a queue that it has just been told of.
                if state == PageState::SP {
                    continue;
                }
                queue(stage, &disk, state);
                continue;
            }
            let Some(page) = stage.prepare(check, &state, state) else {
                continue;
            };
            let other = stage.take();
            match check {
                ..CHANNEL => call(stage, check, &state, page, other),
                CHANNEL..BUFFER => channel(stage, check, &state, page, other),
                _ => buffer(stage, check, &state, page, &disk),
            }
            stage.give_back(other);
            stage.give_back(page);
        }
    }
}

/// Prints what came of it and the state of the page.
fn tell(stage: &Stage<'_>, check: u16, case: &PageState, page: Frame, what: &dyn fmt::Display) {
    let after = stage.state(page);
    observed(check, case, &format_args!("{what} >{after}"));
}

/// X'250' on one block: the page is its list, or the buffer.
fn call(stage: &Stage<'_>, check: u16, case: &PageState, page: Frame, other: Frame) {
    let block = other.address();
    let list = block + size_of::<Request>() as u64;
    let kind = if check == CALL + 2 {
        layout::WRITE
    } else {
        layout::READ
    };
    let entry = Entry::new(kind, 1, page.address().0);
    let list = if check == CALL { page.address() } else { list };
    let request = Request::new(DISK, 1, list.0);
    // SAFETY: the page is the stage's.
    unsafe {
        storage::copy_in(block, request.as_bytes());
        storage::copy_in(block + size_of::<Request>() as u64, entry.as_bytes());
    }
    let code = [0x83, 0x24, 0x02, 0x50];
    let seen = stage.attempt(
        PswMask::empty(),
        &code,
        page,
        &[(2, block.0), (4, layout::TRANSFER)],
    );
    tell(
        stage,
        check,
        case,
        page,
        &format_args!("{seen}, code {:x}", seen.gprs[3]),
    );
}

/// SENSE ID: the page has the channel program, or what is told goes there.
fn channel(stage: &Stage<'_>, check: u16, case: &PageState, page: Frame, other: Frame) {
    let Some(id) = subchannel(DISK) else {
        return;
    };
    let (program, data) = match check {
        CHANNEL => (page, other),
        _ => (other, page),
    };
    let ccw = Ccw {
        command: command::SENSE_ID,
        flags: SUPPRESS_LENGTH,
        count: 7,
        address: channel::address31(data.address()),
    };
    if program == other {
        // SAFETY: the page is the stage's.
        unsafe { storage::copy_in(program.address(), ccw.as_bytes()) };
    }
    let mut orb = Orb::new(channel::address31(program.address()));
    let mut irb = Irb::default();
    let end = clock::now() + PATIENCE;
    // SAFETY: the program stores a few bytes into a page of the stage's, or there is none.
    let (device, status) = unsafe {
        channel::test(id, &mut irb);
        channel::start(id, &mut orb);
        while channel::test(id, &mut irb) != 0 && clock::now() < end {}
        irb.status()
    };
    tell(
        stage,
        check,
        case,
        page,
        &format_args!("status {device:02x} {status:02x}"),
    );
}

/// A block is read into the page, or written from there.
fn buffer(stage: &Stage<'_>, check: u16, case: &PageState, page: Frame, disk: &Disk) {
    let at = page.address();
    // SAFETY: the page is the stage's.
    let outcome = unsafe {
        match check {
            BUFFER => disk.read(0, at, BLOCK_SIZE),
            _ => disk.write(0, at, BLOCK_SIZE),
        }
    };
    match outcome {
        Ok(()) => tell(stage, check, case, page, &"done"),
        Err(error) => tell(stage, check, case, page, &error),
    }
}

/// A virtqueue whose page is brought into a state before the device is told that it has news there.
fn queue(stage: &Stage<'_>, disk: &Disk, state: PageState) {
    let Disk::Virtio(disk) = disk else {
        return;
    };
    let mut is_there = false;
    let bring = &mut |page| is_there = stage.bring(page, state);
    let (page, is_well) = disk.notify_after(bring);
    let what = if is_well { "done" } else { "needs a reset" };
    if is_there {
        tell(stage, QUEUE, &state, page, &what);
    } else {
        observed(QUEUE, &state, &NOT_OBSERVED);
    }
    // Where there is no ESSA the state is what it was.
    let _ = essa::try_essa(Orc::SetStable, page.address());
}
