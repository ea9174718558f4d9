//! Where all pages are: at the end of a run nothing may be lost, and nothing be counted twice.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;

use super::Mm;
use super::page::PageFlags;

/// Pages by what they are used for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Account {
    /// All that have descriptors.
    pub all: usize,
    /// Free: in the buddy lists and in the lists of CPUs, as they count them.
    pub free: usize,
    /// In the page cache.
    pub cached: usize,
    /// Anonymous: mapped, in the swap cache, or both.
    pub anonymous: usize,
    /// The kernel's for good, as it counts them.
    pub kernel: usize,
    /// Discarded, and waiting for CPUs to sign off, as the rounds count them.
    pub waiting: usize,
    /// In the balloon.
    pub ballooned: usize,
    /// Never managed: image, descriptors, first heap.
    pub reserved: usize,
    /// Referred to, and none of the others.
    pub held: usize,
}

impl Account {
    /// Whether every page is somewhere, and all that is held is the kernel's for good.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let known = self.free
            + self.cached
            + self.anonymous
            + self.kernel
            + self.waiting
            + self.ballooned
            + self.reserved;
        known == self.all && self.held == self.kernel
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} pages {} are free, {} in the page cache, {} anonymous, {} waiting for sign-off, {} ballooned, {} reserved, {} the kernel's, and {} are held",
            self.all,
            self.free,
            self.cached,
            self.anonymous,
            self.waiting,
            self.ballooned,
            self.reserved,
            self.kernel,
            self.held
        )
    }
}

impl Mm<'_> {
    /// Notes that a block of 2^`order` pages is never given back.
    pub fn keep(&self, order: u32) {
        self.kept.fetch_add(1 << order, Relaxed);
    }

    /// Whether a block of 2^`order` pages may be taken for good: at most half of the memory is, or tasks
    /// would take each other's last pages in turn and none would get on.
    #[must_use]
    pub fn may_keep(&self, order: u32) -> bool {
        self.kept.load(Relaxed) + (1 << order) <= self.managed.load(Relaxed) / 2
    }

    /// Looks at all pages. They may change meanwhile: what comes out is exact only if nobody works.
    #[must_use]
    pub fn account(&self) -> Account {
        let mut account = Account {
            all: self.pages.len(),
            free: self.free_page_count(),
            kernel: self.kept.load(Relaxed),
            waiting: self.sign_off_stats().waiting() as usize,
            ..Account::default()
        };
        for page in self.pages {
            let flags = page.flags();
            let place = if flags.contains(PageFlags::RESERVED) {
                &mut account.reserved
            } else if flags.contains(PageFlags::BALLOONED) {
                &mut account.ballooned
            } else if page.references() == 0 {
                continue;
            } else if flags.contains(PageFlags::ANON) {
                &mut account.anonymous
            } else if flags.contains(PageFlags::CACHED) {
                &mut account.cached
            } else {
                &mut account.held
            };
            *place += 1;
        }
        account
    }
}
