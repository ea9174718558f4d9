//! Steps of operations on pages of the simulated machine, from 64 MiB to 16 GiB, all states being hinted.
//!
//! A step is an operation of the machine, such as ESSA, an invalidation or part of a copy, or a look at a
//! node or a place of the reverse map. Their numbers are the same in every run.

use std::cell::Cell;
use std::sync::Arc;

use arch::sim::{self, Machine};
use arch::{Frame, storage};
use kernel::mm::{Area, Hinting, Key, Lookup, Mm, Page, Space, Store, StoreError};

use crate::spaces::{self, MAPPINGS, PAGES, key};

/// Sizes, in MiB.
pub(crate) const SIZES: [usize; 3] = [64, 1024, 16384];

thread_local! {
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

/// A device with a byte in each page: a page that nobody stores into stays logically zero, and is
/// discarded as soon as it is volatile.
struct Device;

impl Store for Device {
    fn read(&self, _: Key, to: Frame) -> Result<(), StoreError> {
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(to.address(), &[1]) }
        Ok(())
    }

    fn write(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What one operation took, on average.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Figure {
    /// The size of the memory, in MiB.
    pub(crate) mebibytes: usize,
    /// How often the page is mapped.
    pub(crate) mappings: usize,
    pub(crate) what: String,
    pub(crate) steps: f64,
}

/// A simulated machine of some size.
pub(crate) struct Rig {
    mebibytes: usize,
    machine: Machine,
    pub(crate) mm: &'static Mm<'static>,
}

/// All figures of a machine of some size.
pub(crate) fn figures(mebibytes: usize) -> Vec<Figure> {
    on_machine(mebibytes, |rig| {
        MAPPINGS
            .into_iter()
            .flat_map(|count| rig.ask(count))
            .collect()
    })
}

/// Asks for something on a simulated machine of some size.
pub(crate) fn on_machine<T>(mebibytes: usize, ask: impl FnOnce(&Rig) -> T) -> T {
    sim::on_every_step(|| OPERATIONS.set(OPERATIONS.get() + 1));
    let frames = mebibytes << 8;
    let machine = Machine::new(frames, sim::Hinting::Full);
    let _entered = machine.enter();
    let mut descriptors: Box<[Page]> = (0..frames).map(|_| Page::reserved()).collect();
    let table: *mut [Page] = &raw mut *descriptors;
    // SAFETY: the descriptors outlive the manager, and nobody else refers to them.
    let mm = Box::into_raw(Box::new(Mm::new(unsafe { &*table }, Hinting::Full)));
    // SAFETY: freed below, when all that refers to it is gone.
    let shared: &'static Mm<'static> = unsafe { &*mm };
    shared.add_free(Frame(1), frames as u32 - 1);
    shared.set_store(&Device);
    shared
        .add_swap(PAGES as u32)
        .expect("there is memory for it");
    let rig = Rig {
        mebibytes,
        machine,
        mm: shared,
    };
    let others = spaces::others(shared);
    let outcome = ask(&rig);
    spaces::end(shared, &others);
    // SAFETY: nothing refers to it any more.
    drop(unsafe { Box::from_raw(mm) });
    outcome
}

impl Rig {
    /// Steps that some work takes, a page.
    pub(crate) fn count(&self, work: impl FnOnce()) -> f64 {
        let now = || OPERATIONS.get() + self.mm.stats.reverse_map_steps.get();
        let before = now();
        work();
        (now() - before) as f64 / PAGES as f64
    }

    fn ask(&self, mappings: usize) -> Vec<Figure> {
        let mut figures = Vec::new();
        let mut say = |what: &str, steps| {
            figures.push(Figure {
                mebibytes: self.mebibytes,
                mappings,
                what: what.to_owned(),
                steps,
            });
        };
        // The first one is for the list of the CPU.
        self.allocate_and_free();
        let allocated = self.count(|| (0..PAGES).for_each(|_| self.allocate_and_free()));
        say("page allocated and freed", allocated);
        spaces::ask(self.mm, mappings, &mut |what, work| {
            say(what, self.count(work))
        });
        let mapped = spaces::mapped(self.mm, mappings);
        say(
            "page made stable and volatile",
            self.count(|| self.look_at_all()),
        );
        say("page discarded", self.count(|| self.discard_all()));
        spaces::end(self.mm, &mapped);
        let family = self.family(mappings);
        say(
            "page swapped out",
            self.count(|| while self.mm.shrink_cache() > 0 {}),
        );
        say("page swapped in", self.count(|| self.load_all(&family[0])));
        spaces::end(self.mm, &family);
        figures
    }

    pub(crate) fn allocate_and_free(&self) {
        let page = self.mm.allocate_page().expect("there is memory");
        self.mm.free_allocated(page);
    }

    pub(crate) fn look_at_all(&self) {
        for page in 0..PAGES {
            let found = self.mm.lookup_stable(key(page));
            assert!(matches!(found, Lookup::Hit(_)), "it is mapped");
        }
    }

    /// The host discards every page, and somebody finds out.
    pub(crate) fn discard_all(&self) {
        for page in 0..PAGES {
            let frame = self
                .mm
                .lookup_no_discard(key(page))
                .expect("it is mapped")
                .frame();
            assert!(self.machine.evict(frame), "it is volatile");
            let found = self.mm.lookup_stable(key(page));
            assert!(matches!(found, Lookup::WasDiscarded));
        }
    }

    /// A parent and its children, with memory that all of them have mapped.
    fn family(&self, count: usize) -> Vec<Arc<Space>> {
        let parent = self.mm.new_space(PAGES, &[Area::memory(0, PAGES)]).unwrap();
        self.load_all(&parent);
        let child = |_| self.mm.copy_space(&parent).unwrap();
        let children: Vec<_> = (1..count).map(child).collect();
        [vec![parent], children].concat()
    }

    fn load_all(&self, space: &Space) {
        for page in 0..PAGES {
            self.mm
                .map_page(space, page, false)
                .expect("there is memory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All but the size of the memory.
    fn of(mebibytes: usize) -> Vec<(usize, String, f64)> {
        let figures = figures(mebibytes).into_iter();
        figures
            .map(|figure| (figure.mappings, figure.what, figure.steps))
            .collect()
    }

    #[test]
    fn steps_do_not_grow_with_the_memory() {
        let smallest = of(SIZES[0]);
        for size in &SIZES[1..] {
            assert_eq!(of(*size), smallest, "{size} MiB");
        }
    }

    #[test]
    fn steps_grow_with_the_mappings_and_no_faster() {
        let all = of(SIZES[0]);
        let steps = |mappings, what| {
            let is_it = |figure: &&(usize, String, f64)| figure.0 == mappings && figure.1 == what;
            all.iter().find(is_it).expect("it is counted").2
        };
        for what in ["page removed", "page discarded", "page swapped out"] {
            let [one, some, many] = MAPPINGS.map(|mappings| steps(mappings, what));
            // Each mapping costs the same: what is looked at for all of them is small.
            let each = (some - one) / 3.0;
            assert!(
                (many - some) / 12.0 < 1.5 * each,
                "{what}: {one}, {some}, {many}"
            );
        }
        for what in ["page mapped", "page unmapped", "page allocated and freed"] {
            assert_eq!(steps(1, what), steps(16, what), "{what}");
        }
    }
}
