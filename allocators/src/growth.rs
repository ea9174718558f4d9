//! How our operations grow with the memory: from 64 MiB to 16 GiB, of which only descriptors exist.

extern crate alloc;

use alloc::format;

use arch::Frame;
use kernel::mm::{Key, Lookup, MAX_ORDER, Mm, Store, StoreError};
use kernel::report;

use crate::meter::Meter;
use crate::scenarios::{self, Cost};
use crate::spaces;
use crate::subjects::{Manager, Ours};
use crate::suite::say;

/// Sizes, in MiB.
const SIZES: [usize; 5] = [64, 256, 1024, 4096, 16384];
/// Operations that are counted.
const COUNTED: u32 = 4096;

/// A device: nobody looks at what pages hold.
struct Device;

impl Store for Device {
    fn read(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Ok(())
    }

    fn write(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A page of the file that is in the cache.
fn key(index: u32) -> Key {
    Key { file: 1, index }
}

pub(crate) fn run(meter: &Meter) {
    for mebibytes in SIZES {
        let pages = mebibytes << 8;
        let name = format!("ours, {mebibytes} MiB");
        let cost = scenarios::churn(meter, &mut Ours::new(pages), pages / 4);
        say(&name, "half-full random churn", cost);
        let worst = scenarios::holes(meter, &mut Ours::new(pages), pages, MAX_ORDER);
        let what = format!("allocator, {name}: holes, worst operation");
        report::measure(&what, 1, worst);
        cache(meter, mebibytes, &Manager::new(pages));
        mappings(meter, mebibytes, &Manager::new(pages));
    }
}

/// The page cache, with a quarter of all memory in it, and when there is nothing left.
fn cache(meter: &Meter, mebibytes: usize, manager: &Manager) {
    let mm = manager.mm();
    let pages = mm.frame_count() as u32;
    let say = |what: &str, cost: Cost| {
        let name = format!("page cache, {mebibytes} MiB: {what}");
        report::measure(&name, cost.count, cost.instructions);
    };
    (0..pages / 4).for_each(|index| fill(mm, index));
    let some = (0..COUNTED).map(|number| number * (pages / 4 / COUNTED));
    say("page found", total(meter, some, |index| find(mm, index)));
    let new = pages..pages + COUNTED;
    say("page filled", total(meter, new, |index| fill(mm, index)));
    let batches = 0..COUNTED / 32;
    let cost = total(meter, batches, |_| {
        mm.shrink_cache();
    });
    say("32 pages reclaimed", cost);
}

/// Address spaces, with pages mapped by one space, by some, and by many.
fn mappings(meter: &Meter, mebibytes: usize, manager: &Manager) {
    let mm = manager.mm();
    mm.set_store(&Device);
    let others = spaces::others(mm);
    for mappings in spaces::MAPPINGS {
        spaces::ask(mm, mappings, &mut |what, work| {
            let name = format!("spaces, {mebibytes} MiB, mapped {mappings} times: {what}");
            report::measure(&name, spaces::PAGES as u64, meter.count(work).1);
        });
    }
    spaces::end(mm, &others);
}

/// Brings a page into the cache; nobody looks at what it holds.
fn fill(mm: &Mm<'_>, index: u32) {
    let filling = mm.begin_fill(key(index)).ok().expect("there is memory");
    drop(filling.complete());
}

fn find(mm: &Mm<'_>, index: u32) {
    let found = mm.lookup_stable(key(index));
    assert!(matches!(found, Lookup::Hit(_)), "it was filled");
}

fn total(meter: &Meter, all: impl Iterator<Item = u32>, work: impl Fn(u32)) -> Cost {
    let mut cost = Cost::default();
    for index in all {
        cost.count += 1;
        cost.instructions += meter.count(|| work(index)).1;
    }
    cost
}
