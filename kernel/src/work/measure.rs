//! Counting instructions on the paths that hinting adds, on a machine that executes one a nanosecond.

use alloc::string::{String, ToString};

use arch::{PAGE_SIZE, clock, essa};
use cmm::Orc;

use crate::fs::archive::{Archive, Copy};
use crate::mm::{Hinting, Key, Lookup};
use crate::report;
use crate::timer::{self, Stopwatch, instructions};

/// How often each path is taken.
const COUNT: u64 = 1000;

/// Counts `path`, less what an empty loop takes.
fn count(name: &str, mut path: impl FnMut()) {
    let units = |path: &mut dyn FnMut()| {
        let watch = Stopwatch::start();
        for _ in 0..COUNT {
            path();
        }
        watch.units()
    };
    let empty = units(&mut || core::hint::black_box(()));
    let all = units(&mut path);
    report::measure(name, COUNT, instructions(all.saturating_sub(empty)));
}

/// Takes all figures.
///
/// # Errors
/// A file cannot be read, or there is none.
pub fn run(archive: &Archive<'_>) -> Result<(), String> {
    let mm = archive.mm();
    let number = archive.index().files().position(|file| file.size > 0);
    let number = number.ok_or("there is no file with content to measure with")?;
    let mut byte = [0; 64];
    let mut outcome = Ok(());
    let mut read = |copy| {
        if let Err(error) = archive.read(number, 0, &mut byte, copy) {
            outcome = Err(error.to_string());
        }
    };
    pure_wait();
    count("page allocated and freed", || {
        if let Some(block) = mm.allocate_pages(0) {
            mm.free_pages(block.frame, 0);
        }
    });
    if mm.hinting() == Hinting::Full {
        // The host takes a volatile page at the next exit, which a query is.
        count("discard fault, removed, read again", || {
            read(Copy::Stable);
            if let Some(page) = mm.lookup_no_discard(Key {
                file: number as u32,
                index: 0,
            }) {
                let _ = page.page_state();
            }
            read(Copy::FaultTolerant);
        });
        count("stable attempt that failed, read again", || {
            read(Copy::Stable);
            if let Some(page) = mm.lookup_no_discard(Key {
                file: number as u32,
                index: 0,
            }) {
                let _ = page.page_state();
            }
            drop(mm.lookup_stable(Key {
                file: number as u32,
                index: 0,
            }));
        });
    }
    if mm.hinting() != Hinting::Off
        && let Some(block) = mm.allocate_pages(0)
    {
        count("ESSA, state queried", || {
            let _ = essa::essa(Orc::GetState, block.frame.address());
        });
        mm.free_pages(block.frame, 0);
    }
    count("page-cache hit by a stable reference", || {
        if let Lookup::Hit(page) = mm.lookup_stable(Key {
            file: number as u32,
            index: 0,
        }) {
            core::hint::black_box(page.frame());
        }
    });
    count("64 bytes by a fault-tolerant copy", || {
        read(Copy::FaultTolerant)
    });
    const { assert!(PAGE_SIZE >= 64) };
    outcome
}

/// A wait executes nothing: what is left after the time of waiting is taken off must be nothing but
/// the reading of the clocks, which is the same without any wait.
fn pure_wait() {
    let wait = |units: u64| {
        let watch = Stopwatch::start();
        timer::wait_until(clock::now() + units);
        watch.units()
    };
    let millisecond = 1000 * clock::UNITS_PER_MICROSECOND;
    wait(millisecond);
    let (short, long) = (wait(millisecond), wait(10 * millisecond));
    report::measure(
        "wait of 10 ms, beyond that of a wait of 1 ms",
        1,
        instructions(long.abs_diff(short)),
    );
}
