//! The translations of a guest's memory as users of its pages: both kinds can be dropped at any time.

use alloc::sync::Arc;
use core::ops::Range;

use spin::{Mutex, MutexGuard};

use super::notifier::{Notifier, Pinned, Right};
use super::shadow::Shadow;
use super::tables::Tables;

/// By what the CPUs of a guest run. Each has a lock of its own, which is held for one change.
pub(super) struct Translations {
    tables: Arc<Mutex<Tables>>,
    shadow: Arc<Mutex<Shadow>>,
}

/// Not inlined: there is little room for images, and few lines are as often repeated.
#[inline(never)]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Translations {
    /// No translations of `memory` bytes of guest storage, for so many CPUs, with so many bytes for
    /// shadow tables.
    pub(super) fn new(memory: u64, cpus: usize, shadow: u64) -> Self {
        Self {
            tables: Arc::new(Mutex::new(Tables::new(memory, cpus))),
            shadow: Arc::new(Mutex::new(Shadow::new(memory, cpus, shadow))),
        }
    }

    /// Those of CPUs with DAT off.
    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }

    /// Those of CPUs with DAT on.
    pub(super) fn shadow(&self) -> MutexGuard<'_, Shadow> {
        lock(&self.shadow)
    }

    /// Who must be told what is taken away.
    pub(super) fn notifiers(&self) -> [Arc<dyn Notifier>; 2] {
        [self.tables.clone(), self.shadow.clone()]
    }

    /// A CPU's prefix changes.
    pub(super) fn set_prefix(&self, cpu: usize, old: u32, new: u32) {
        self.shadow().purge(&|key| [old, new].contains(&key.prefix));
        self.tables().set_prefix(cpu, new);
    }
}

impl Notifier for Mutex<Tables> {
    fn age_page(&self, _: u32) -> bool {
        // An access by a translation turns the reference bit of the frame on.
        false
    }

    fn age_batch(&self, _: &[u32]) -> u64 {
        0
    }

    fn invalidate_range(&self, pages: Range<u32>, right: Right) -> Result<(), Pinned> {
        let mut tables = lock(self);
        if pages.clone().any(|page| tables.holds(&[page])) {
            return Err(Pinned);
        }
        match right {
            Right::Store => pages.for_each(|page| tables.protect(page)),
            Right::Access | Right::Content => pages.for_each(|page| tables.unmap(&[page])),
        }
        Ok(())
    }

    fn invalidate_batch(&self, pages: &[u32], right: Right) -> u64 {
        let mut tables = lock(self);
        if tables.holds(pages) {
            drop(tables);
            let each = pages.iter().enumerate();
            return each.fold(0, |held, (at, page)| {
                held | u64::from(self.invalidate_page(*page, right).is_err()) << at
            });
        }
        match right {
            Right::Store => pages.iter().for_each(|page| tables.protect(*page)),
            Right::Access | Right::Content => tables.unmap(pages),
        }
        0
    }

    fn release(&self) {
        lock(self).clear();
    }
}

impl Notifier for Mutex<Shadow> {
    fn age_page(&self, _: u32) -> bool {
        // As with the tables.
        false
    }

    fn age_batch(&self, _: &[u32]) -> u64 {
        0
    }

    fn invalidate_range(&self, pages: Range<u32>, right: Right) -> Result<(), Pinned> {
        let mut shadow = lock(self);
        pages.for_each(|page| match right {
            Right::Store => shadow.protect(page),
            Right::Access | Right::Content => shadow.unmap(page),
        });
        Ok(())
    }

    fn invalidate_batch(&self, pages: &[u32], right: Right) -> u64 {
        let mut shadow = lock(self);
        match right {
            Right::Store => pages.iter().for_each(|page| shadow.protect(*page)),
            Right::Access | Right::Content => shadow.unmap_batch(pages),
        }
        0
    }

    fn release(&self) {
        lock(self).purge(&|_| true);
    }
}
