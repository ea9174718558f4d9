//! Counters of what happened; read for the report only.

use core::sync::atomic::{AtomicU64, Ordering};

/// A counter.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of memory management.
#[derive(Default, Debug)]
pub struct Stats {
    /// Lookups that found the page in the page cache, its content there.
    pub cache_hits: Counter,
    /// Lookups that did not.
    pub cache_misses: Counter,
    /// ESSA by operation request code.
    pub essa: [Counter; 8],
    /// Discard faults taken.
    pub discard_faults: Counter,
    /// Attempts to make a page stable that found it discarded.
    pub stable_failures: Counter,
    /// Pages read again because they had been discarded.
    pub reloads: Counter,
    /// Copies out of pages that may be volatile.
    pub fault_tolerant_copies: Counter,
    /// Copies out of pages without a reference to them.
    pub optimistic_copies: Counter,
    /// Those of them during which the page became another one.
    pub optimistic_failures: Counter,
    /// Copies through stable references.
    pub stable_copies: Counter,
    /// Copies between pages of the page cache and tasks.
    pub user_copies: Counter,
    /// Those that ended because the host had discarded the page of the cache.
    pub user_copy_fix_ups: Counter,
    /// Faults at tasks' storage in such copies: pages that were missing, read-only or discarded.
    pub user_copy_faults: Counter,
    /// Pages made volatile.
    pub made_volatile: Counter,
    /// Those of them that were anonymous, in the swap cache.
    pub made_volatile_swap: Counter,
    /// Those of them that had a writable mapping: potentially volatile.
    pub made_potentially_volatile: Counter,
    /// Attempts that an obstacle stood against.
    pub volatile_refused: Counter,
    /// Those of them at pages of a file of which a mapping was locked in memory once.
    pub refused_locked: Counter,
    /// Pages of the page cache that were mapped as they were.
    pub minor_faults: Counter,
    /// Key instructions.
    pub keys: Counter,
    /// Pages made stable.
    pub made_stable: Counter,
    /// Pages taken out of the page cache because memory was short.
    pub reclaimed: Counter,
    /// Readers that wanted a page which somebody else was reading, and waited for it.
    pub duplicate_fills: Counter,
    /// Requests by which pages of files were read.
    pub read_requests: Counter,
    /// Pages read before somebody wanted them.
    pub read_ahead: Counter,
    /// Those of them that somebody wanted then.
    pub read_ahead_used: Counter,
    /// Those of them that went before.
    pub read_ahead_unused: Counter,
    /// Discard faults of the problem state that named a page which somebody else had removed.
    pub late_discard_faults: Counter,
    /// Pages written to files and to the swap area.
    pub pages_written: Counter,
    /// Those of them that the file had already: nothing was written.
    pub writes_skipped: Counter,
    /// Writes that failed; the page stays dirty.
    pub write_errors: Counter,
    /// Pages read from the swap area.
    pub swapped_in: Counter,
    /// Anonymous pages that found no free slot.
    pub swap_full: Counter,
    /// Pages of spaces that got another page of their file to show.
    pub remapped: Counter,
    /// Pages whose mappings were looked for.
    pub reverse_map_walks: Counter,
    /// Nodes of the reverse map and places in linear areas that were looked at for them.
    pub reverse_map_steps: Counter,
    /// Places in areas that are not linear that were looked at for them.
    pub non_linear_steps: Counter,
    /// Pages copied because somebody wrote to a private mapping.
    pub copies_on_write: Counter,
    /// Pages of the swap cache or shared by parent and child that their last user took for himself.
    pub reused: Counter,
    /// Times that a CPU's list of free pages got pages from the buddy allocator.
    pub list_refills: Counter,
    /// Pages that it would have got so in addition, had there been enough at hand each time.
    pub list_refills_short: Counter,
    /// Times that a full list gave pages to the buddy allocator, always as many.
    pub list_drains: Counter,
    /// Batches that lists gave because their CPU went idle or memory was short.
    pub list_flushes: Counter,
    /// Pages that lists gave because their CPU went idle or memory was short.
    pub list_flushed: Counter,
    /// Pages that were not cleared because the host said that they read as zero.
    pub clears_skipped: Counter,
    /// Free blocks reported to the balloon device.
    pub reported_blocks: Counter,
    /// Pages of these blocks.
    pub reported_pages: Counter,
    /// Pages taken from the balloon because memory was short.
    pub withdrawn: Counter,
    /// CPU time that went into finding pages for the balloon device and into its requests, in TOD units.
    pub balloon_time: Counter,
}

impl Stats {
    /// Adds ESSA that were executed elsewhere.
    pub fn count_essa(&self, counts: &[u64; 8]) {
        for (counter, count) in self.essa.iter().zip(counts) {
            counter.add(*count);
        }
    }
}
