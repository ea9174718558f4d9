//! The guarded transitions between page states. Nothing else in the kernel executes ESSA.

use arch::{Frame, essa};
use cmm::{Content, EssaResult, Orc, PageState, Usage};

use super::page::PageFlags;
use super::{Mm, Page};

/// What this kernel hints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hinting {
    /// Nothing.
    Off,
    /// Unused and stable.
    Unused,
    /// All states.
    Full,
}

impl Hinting {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unused => "unused",
            Self::Full => "full",
        }
    }
}

/// The host has discarded the page's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Discarded;

/// What stands against making a page volatile, of those obstacles that are flags.
const OBSTACLES: PageFlags = PageFlags::RESERVED
    .union(PageFlags::DIRTY)
    .union(PageFlags::WRITEBACK)
    .union(PageFlags::LOCKED)
    .union(PageFlags::PRIVATE)
    .union(PageFlags::DISCARDED);

/// What must be there, of what are flags.
const NEEDED: PageFlags = PageFlags::UP_TO_DATE.union(PageFlags::LRU);

/// Whether nothing stands against making a page volatile, given that `known` references besides the
/// mappings are accounted for.
///
/// The eleven obstacles: reserved; dirty; being written; locked; anonymous and not in the swap cache;
/// in no cache; not up to date; private data; discarded; not on the LRU; a reference too many.
pub(super) fn may_be_volatile(page: &Page, known: u32) -> bool {
    let flags = page.flags();
    let homeless = !flags.intersects(PageFlags::CACHED | PageFlags::SWAP_CACHE);
    let anonymous = flags.contains(PageFlags::ANON) && !flags.contains(PageFlags::SWAP_CACHE);
    let mappings = page.mappings.load(core::sync::atomic::Ordering::SeqCst);
    !flags.intersects(OBSTACLES)
        && flags.contains(NEEDED)
        && !homeless
        && !anonymous
        && mappings + known == page.references()
}

impl Page {
    /// The usage that this kernel set last; stable at the start.
    pub(super) fn hinted(&self) -> Usage {
        let flags = self.flags();
        let high = u8::from(flags.contains(PageFlags::HINTED_HIGH));
        let low = u8::from(flags.contains(PageFlags::HINTED_LOW));
        Usage::from_encoding(high << 1 | low)
    }

    fn set_hinted(&self, usage: Usage) {
        let code = usage.encoding();
        self.reset(PageFlags::HINTED_HIGH | PageFlags::HINTED_LOW);
        if code & 2 != 0 {
            self.set(PageFlags::HINTED_HIGH);
        }
        if code & 1 != 0 {
            self.set(PageFlags::HINTED_LOW);
        }
    }
}

impl Mm<'_> {
    fn essa(&self, orc: Orc, frame: Frame) -> EssaResult {
        self.stats.essa[usize::from(orc.code())].add(1);
        essa::essa(orc, frame.address())
    }

    /// A page that nobody has any more: its content is not needed.
    pub(super) fn hint_unused(&self, frame: Frame) {
        let page = self.page(frame);
        if self.hinting == Hinting::Off || page.hinted() == Usage::Unused {
            return;
        }
        let _ = self.essa(Orc::SetUnused, frame);
        page.set_hinted(Usage::Unused);
    }

    /// A free page that is about to be used; returns whether it reads as zero.
    pub(super) fn hint_stable(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        if self.hinting == Hinting::Off || page.hinted() == Usage::Stable {
            return false;
        }
        let old = self.essa(Orc::SetStable, frame);
        page.set_hinted(Usage::Stable);
        old.content() == Some(Content::Zero)
    }

    /// Tries to make a page volatile, or potentially volatile if it may be written through a mapping.
    ///
    /// `known` counts the references besides mappings that the caller accounts for: 1 is the cache's
    /// own, 2 the cache's and the caller's. Gives up, and leaves the page stable, if anything stands
    /// against it or if somebody else is changing the state.
    pub fn make_volatile(&self, frame: Frame, known: u32) -> bool {
        if self.hinting != Hinting::Full {
            return false;
        }
        let page = self.page(frame);
        if page.test_and_set(PageFlags::STATE_CHANGE) {
            return false;
        }
        let possible = may_be_volatile(page, known);
        if possible {
            let (orc, usage) = if page.flags().contains(PageFlags::WRITABLE) {
                (Orc::SetPotentiallyVolatile, Usage::PotentiallyVolatile)
            } else {
                (Orc::SetVolatile, Usage::Volatile)
            };
            if page.hinted() != usage {
                let _ = self.essa(orc, frame);
                page.set_hinted(usage);
                self.stats.made_volatile.add(1);
            }
        } else {
            self.stats.volatile_refused.add(1);
        }
        page.reset(PageFlags::STATE_CHANGE);
        possible
    }

    /// Makes a page stable. The caller holds a reference that no `make_volatile` knows of.
    ///
    /// # Errors
    /// The host has discarded it: the caller removes it and does as if it had never been there.
    pub fn make_stable(&self, frame: Frame) -> Result<(), Discarded> {
        let page = self.page(frame);
        if self.hinting != Hinting::Full || self.skips_make_stable() {
            return Ok(());
        }
        while page.flags().contains(PageFlags::STATE_CHANGE) {
            core::hint::spin_loop();
        }
        if page.hinted() == Usage::Stable {
            return Ok(());
        }
        let old = self.essa(Orc::SetStableIfNotDiscarded, frame);
        let lost = match (old.usage(), old.content()) {
            (_, Some(Content::Resident)) | (Usage::Stable, _) => false,
            (_, Some(Content::Zero)) => true,
            // A host that pages volatile pages out instead of discarding them leaves such a page as
            // it is: ask again, without the condition.
            _ => self.essa(Orc::SetStable, frame).is_discarded(),
        };
        if lost {
            self.stats.stable_failures.add(1);
            return Err(Discarded);
        }
        page.set_hinted(Usage::Stable);
        self.stats.made_stable.add(1);
        Ok(())
    }

    /// The state of a page as the host has it, for reports; `None` without ESSA.
    #[must_use]
    pub fn page_state(&self, frame: Frame) -> Option<PageState> {
        (self.hinting != Hinting::Off)
            .then(|| self.essa(Orc::GetState, frame).state().ok())
            .flatten()
    }
}
