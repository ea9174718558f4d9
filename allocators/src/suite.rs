//! The image: what is counted, and for whom.

extern crate alloc;

use alloc::format;
use alloc::string::String;

use boot::start::Start;
use kernel::control::Work;
use kernel::mm::MAX_ORDER;
use kernel::{report, start};

use crate::meter::Meter;
use crate::scenarios::{self, Cost};
use crate::subjects::{
    Alignment, BuddySystem, GoodMemory, LinkedList, Ours, OursDirect, Subject, Talc,
};
use crate::{growth, scan};

/// Pages of the arena: 64 MiB.
const PAGES: usize = 64 << 8;
/// Pages that live, on average.
const LIVE: usize = 4096;

pub(crate) fn main(start: Start) -> ! {
    start::begin(start, |prepared| {
        match prepared.work() {
            Work::Pages => scan::run(),
            _ => run(),
        }
        Ok(true)
    })
}

fn run() {
    let meter = Meter::new();
    subject(&meter, "ours", Ours::new);
    subject(&meter, "ours without lists of CPUs", OursDirect::new);
    subject(&meter, "buddy_system_allocator", BuddySystem::new);
    for alignment in [Alignment::Word, Alignment::Page] {
        let name = |name: &str| format!("{name}, {}", alignment.name());
        subject(&meter, &name("talc"), |pages| Talc::new(pages, alignment));
        subject(&meter, &name("good_memory_allocator"), |pages| {
            GoodMemory::new(pages, alignment)
        });
        subject(&meter, &name("linked_list_allocator"), |pages| {
            LinkedList::new(pages, alignment)
        });
    }
    growth::run(&meter);
}

/// Reports what churn costs.
pub(crate) fn say(name: &str, what: &str, cost: Cost) {
    let name = |what: &str| -> String { format!("allocator, {name}: {what}") };
    report::measure(&name(what), cost.count, cost.instructions);
    report::measure(&name(&format!("{what}, worst operation")), 1, cost.worst);
}

/// What one allocator takes.
// Each for itself: all of them together are more than a stack.
#[inline(never)]
fn subject<S: Subject>(meter: &Meter, name: &str, make: impl Fn(usize) -> S) {
    let cost = scenarios::churn(meter, &mut make(PAGES), LIVE);
    say(name, "half-full random churn", cost);
    let mut worst = 0;
    for order in 1..=MAX_ORDER {
        worst = worst.max(scenarios::holes(meter, &mut make(PAGES), PAGES, order));
    }
    let what = format!("allocator, {name}: holes of any size, worst operation");
    report::measure(&what, 1, worst);
}
