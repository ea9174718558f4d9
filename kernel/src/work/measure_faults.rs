//! What mapping and unmapping a page of a file costs: state changes and key instructions, counted.

use alloc::format;
use alloc::sync::Arc;

use arch::{Frame, PAGE_SIZE, storage};

use crate::mm::{
    Area, Backing, Key, Lookup, MOST_PENDING, Mm, OutOfMemory, Space, Store, StoreError,
};
use crate::report;

/// How often each path is taken.
const COUNT: u64 = 100;

/// Maps the page of a file that the cache has, as a task would that shares it with others.
struct Mapping<'m> {
    mm: &'m Mm<'m>,
    key: Key,
    space: Arc<Space>,
}

/// What the page is read from when the host has discarded it, and written to.
struct Nothing;

impl Store for Nothing {
    fn read(&self, _: Key, to: Frame) -> Result<(), StoreError> {
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(to.address(), &[0; PAGE_SIZE]) }
        Ok(())
    }

    fn write(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Ok(())
    }
}

/// State changes and key instructions so far.
fn counted(mm: &Mm<'_>) -> [u64; 2] {
    let essa = mm.stats.essa.iter().map(|count| count.get()).sum();
    [essa, mm.stats.keys.get()]
}

impl Mapping<'_> {
    fn area(&self) -> Area {
        Area {
            start: 0,
            pages: 1,
            backing: Backing::File {
                file: self.key.file,
                first: self.key.index,
            },
            writable: true,
            shared: true,
            locked: false,
        }
    }

    /// A fault of an access; whether the page is mapped.
    fn fault(&self, store: bool) -> bool {
        self.mm.map_page(&self.space, 0, store).is_ok()
    }

    /// The end of the mapping, and a new area in its place.
    fn unmap(&self) -> bool {
        let unmapped = self.mm.unmap_range(&self.space, 0..1);
        unmapped
            .and_then(|()| self.mm.map_area(&self.space, self.area()))
            .is_ok()
    }

    /// Counts what `path` takes, between `before` and `after`; reports it if it took its way every time.
    fn count(
        &self,
        name: &str,
        before: impl Fn() -> bool,
        path: impl Fn() -> bool,
        after: impl Fn() -> bool,
    ) {
        let mut sums = [0; 2];
        for _ in 0..COUNT {
            let prepared = before();
            let misses = self.mm.stats.cache_misses.get();
            let start = counted(self.mm);
            let taken = path();
            let end = counted(self.mm);
            let was_there = self.mm.stats.cache_misses.get() == misses;
            let restored = after();
            if !prepared || !taken || !was_there || !restored {
                return;
            }
            for (sum, (end, start)) in sums.iter_mut().zip(end.into_iter().zip(start)) {
                *sum += end - start;
            }
        }
        for (what, sum) in ["ESSA", "key instructions"].into_iter().zip(sums) {
            report::tally(&format!("{what}, {name}"), COUNT, sum);
        }
    }

    /// Writes to the page, and lets the file have it.
    fn write(&self) -> bool {
        let Lookup::Hit(page) = self.mm.lookup_stable(self.key) else {
            return false;
        };
        // SAFETY: nobody else uses the page, which is nobody's content.
        unsafe { storage::copy_in(page.frame().address(), &[1]) }
        true
    }

    /// What was written is of no worth.
    fn forget(&self) -> bool {
        if let Lookup::Hit(page) = self.mm.lookup_stable(self.key) {
            page.set_clean();
        }
        true
    }
}

/// Counts all paths with a page that the cache has.
///
/// # Errors
/// There is no memory for a space.
pub(super) fn run(mm: &Mm<'_>, key: Key) -> Result<(), OutOfMemory> {
    mm.set_store(&Nothing);
    // The page is volatile at each fault: it does not wait in a batch.
    mm.set_release_batch(0);
    let done = paths(mm, key);
    mm.set_release_batch(MOST_PENDING);
    done
}

fn paths(mm: &Mm<'_>, key: Key) -> Result<(), OutOfMemory> {
    let mapping = Mapping {
        mm,
        key,
        space: mm.new_space(1, &[])?,
    };
    mm.map_area(&mapping.space, mapping.area())?;
    drop(mm.lookup_stable(key));
    let fault = |store| mapping.fault(store);
    let unmap = || mapping.unmap();
    mapping.count("minor read fault", || true, || fault(false), unmap);
    mapping.count(
        "unmap of a page that is not writable",
        || fault(false),
        unmap,
        || true,
    );
    mapping.count("first writable mapping", || true, || fault(true), unmap);
    mapping.count(
        "last unmap of a writable page",
        || fault(true),
        unmap,
        || true,
    );
    mapping.count(
        "last unmap of a writable page that was written",
        || fault(true) && mapping.write(),
        unmap,
        || mapping.forget(),
    );
    mm.end_space(&mapping.space);
    Ok(())
}
