//! The guarded transitions between page states.
//!
//! Nothing else in the kernel executes ESSA but the probe, which runs before there is a memory
//! manager. What is hinted is kept in the descriptor, so that a transition to the state that is set
//! already costs nothing.
//!
//! ```text
//!                 allocate_pages                    make_volatile
//!    U, on a    ────────────────>   S, somebody   ────────────────>   V or P, in the page cache,
//!    free list  <────────────────   needs it      <────────────────   nobody uses it
//!                  free_pages                        make_stable            │
//!        ^                                              fails: Vz           │
//!        └──────────────────────── remove_page, last reference gone ────────┘
//! ```

use arch::{Frame, essa};
use cmm::{Content, EssaResult, Orc, PageState, Usage};

use super::guard::Guard;
use super::page::{Page, PageFlags};
use super::{Hinting, Mm, Parts};
use crate::sync;
use crate::trace::{self, Kind};

/// The host has discarded the page's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Discarded;

/// A reason for which a page must stay stable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// It is not the allocator's.
    Reserved,
    /// The device does not have its content yet.
    Dirty,
    /// The device is just being given its content.
    Writeback,
    /// Somebody has it for himself.
    Locked,
    /// It is anonymous, and no copy of it is in swap.
    Anonymous,
    /// It belongs to no cache that could create it again.
    NoMapping,
    /// Its content is not that of its file.
    NotUpToDate,
    /// Its file system has data attached to it.
    Private,
    /// It is discarded or removed.
    Discarded,
    /// It is not on the LRU list.
    NotOnLru,
    /// It is of a mapping that was locked in memory once, which counts as no mapping.
    Kept,
    /// Somebody has a reference whom the caller does not know.
    References,
    /// The part of the scheme is left out by which it could be volatile.
    LeftOut,
}

/// What stands against making a page volatile, in the order in which it is looked at.
///
/// `known` counts the references that the caller accounts for, besides those of mappings.
///
/// References are counted before flags are read. Whoever raises an obstacle holds a reference while he
/// does: if it is gone when they are counted, his flag is there when they are read, and whoever gets
/// one later waits in make_stable. The other way round, somebody could raise a flag and drop his
/// reference in between, and would not be noticed.
pub(super) fn obstacle(page: &Page, known: u32) -> Option<Obstacle> {
    let references = page.references();
    obstacle_in(page, page.flags(), references, known)
}

/// As [`obstacle`], of a page that the caller has locked and taken off the LRU list.
pub(super) fn obstacle_isolated(page: &Page, known: u32) -> Option<Obstacle> {
    let references = page.references();
    let flags = (page.flags() | PageFlags::LRU) - PageFlags::LOCKED;
    obstacle_in(page, flags, references, known)
}

/// As [`obstacle`], the wrong way round: without [`Guard::ObstaclesLast`].
fn obstacle_flags_first(page: &Page, known: u32) -> Option<Obstacle> {
    let flags = page.flags();
    obstacle_in(page, flags, page.references(), known)
}

fn obstacle_in(page: &Page, flags: PageFlags, references: u32, known: u32) -> Option<Obstacle> {
    /// All flags that count, and those of them that a page of a file has against which nothing stands, and one of
    /// the swap cache.
    const ASKED: PageFlags = PageFlags::RESERVED
        .union(PageFlags::DIRTY)
        .union(PageFlags::WRITEBACK)
        .union(PageFlags::LOCKED)
        .union(PageFlags::PRIVATE)
        .union(PageFlags::DISCARDED)
        .union(OF_SWAP);
    const OF_FILE: PageFlags = PageFlags::CACHED
        .union(PageFlags::UP_TO_DATE)
        .union(PageFlags::LRU);
    const OF_SWAP: PageFlags = OF_FILE.union(PageFlags::ANON).union(PageFlags::SWAP_CACHE);
    // Most are so, and this is done for each page that comes.
    let found = flags & ASKED;
    if (found == OF_FILE || found == OF_SWAP) && page.mappings() + known == references {
        return None;
    }
    first_obstacle(page, flags, references, known)
}

/// The first thing that stands against it, if any does.
#[inline(never)]
fn first_obstacle(page: &Page, flags: PageFlags, references: u32, known: u32) -> Option<Obstacle> {
    let flag = |flag| flags.contains(flag);
    let found = [
        (flag(PageFlags::RESERVED), Obstacle::Reserved),
        (flag(PageFlags::DIRTY), Obstacle::Dirty),
        (flag(PageFlags::WRITEBACK), Obstacle::Writeback),
        (flag(PageFlags::LOCKED), Obstacle::Locked),
        (
            flag(PageFlags::ANON) && !flag(PageFlags::SWAP_CACHE),
            Obstacle::Anonymous,
        ),
        (
            !flags.intersects(PageFlags::CACHED | PageFlags::SWAP_CACHE),
            Obstacle::NoMapping,
        ),
        (!flag(PageFlags::UP_TO_DATE), Obstacle::NotUpToDate),
        (flag(PageFlags::PRIVATE), Obstacle::Private),
        (flag(PageFlags::DISCARDED), Obstacle::Discarded),
        (!flag(PageFlags::LRU), Obstacle::NotOnLru),
        (page.mappings() + known != references, Obstacle::References),
    ];
    let (_, obstacle) = found.into_iter().find(|(stands, _)| *stands)?;
    Some(obstacle)
}

impl Mm<'_> {
    fn obstacle(&self, page: &Page, known: u32) -> Option<Obstacle> {
        let found = if self.has(Guard::ObstaclesLast) {
            obstacle(page, known)
        } else {
            obstacle_flags_first(page, known)
        };
        found
            .or_else(|| self.is_kept(page).then_some(Obstacle::Kept))
            .or_else(|| self.lacks_part_for(page).then_some(Obstacle::LeftOut))
    }

    pub(super) fn essa(&self, orc: Orc, frame: Frame) -> EssaResult {
        self.stats.essa[usize::from(orc.code())].add(1);
        trace::note(Kind::Essa, frame.0 << 4 | u32::from(orc.code()));
        let old = essa::essa(orc, frame.address());
        assert!(
            !old.exception(),
            "the host does not know {frame}, which is storage of this machine"
        );
        old
    }

    /// Marks a page unused that nobody has any more and that is not; returns the state before.
    pub(super) fn hint_unused(&self, frame: Frame) -> EssaResult {
        let old = self.essa(Orc::SetUnused, frame);
        self.page(frame).set_hinted(Usage::Unused);
        old
    }

    /// Marks a page unused that nobody has any more, if anything is hinted and it is neither unused yet nor
    /// released.
    ///
    /// It is a page that is not volatile: no discard fault names it.
    pub(super) fn hint_free(&self, frame: Frame) {
        let flags = self.page(frame).flags();
        let is_known = flags.usage() == Usage::Unused || flags.contains(PageFlags::ZERO);
        if self.hinting() != Hinting::Off && !is_known {
            let _ = self.hint_unused(frame);
        }
    }

    /// Marks a page stable that nobody has any more and that was volatile; returns the state before.
    pub(super) fn hint_stable_again(&self, frame: Frame) -> EssaResult {
        let old = self.essa(Orc::SetStable, frame);
        self.page(frame).set_hinted(Usage::Stable);
        old
    }

    /// Marks a free page stable that is about to be used, unless it is; returns whether it reads as zero.
    pub(super) fn hint_stable(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        let flags = page.flags();
        if self.hinting() == Hinting::Off || flags.usage() == Usage::Stable {
            return flags.contains(PageFlags::ZERO);
        }
        let old = self.essa(Orc::SetStable, frame);
        page.set_hinted(Usage::Stable);
        old.content() == Some(Content::Zero)
    }

    /// Tries to make a page volatile, or potentially volatile if it may be written through a mapping.
    ///
    /// `known` counts the references that the caller accounts for: 1 is the cache's own, 2 the
    /// cache's and the caller's. Gives up, and leaves the page stable, if anything stands against it
    /// or if somebody else is changing the state. Returns whether the page is volatile now.
    pub(super) fn make_volatile(&self, frame: Frame, known: u32) -> bool {
        if self.hinting() != Hinting::Full {
            return false;
        }
        let page = self.page(frame);
        if page.test_and_set(PageFlags::STATE_CHANGE) {
            return false;
        }
        // From here on a make_stable waits for us, and whoever else could raise an obstacle has a
        // reference, which is one too many for the check.
        let obstacle = self.obstacle(page, known);
        if obstacle.is_none() {
            let flags = page.flags();
            let (orc, usage) = if flags.contains(PageFlags::WRITABLE) {
                (Orc::SetPotentiallyVolatile, Usage::PotentiallyVolatile)
            } else {
                (Orc::SetVolatile, Usage::Volatile)
            };
            if page.hinted() != usage {
                let _ = self.essa(orc, frame);
                page.set_hinted(usage);
                self.count_made_volatile(flags);
            }
        } else {
            self.stats.volatile_refused.add(1);
            let is_kept = obstacle == Some(Obstacle::Kept);
            self.stats.refused_locked.add(u64::from(is_kept));
        }
        page.reset(PageFlags::STATE_CHANGE);
        obstacle.is_none()
    }

    /// Counts a page that was made volatile, by what it is.
    fn count_made_volatile(&self, flags: PageFlags) {
        let stats = &self.stats;
        stats.made_volatile.add(1);
        if flags.contains(PageFlags::ANON) {
            stats.made_volatile_swap.add(1);
        }
        if flags.contains(PageFlags::WRITABLE) {
            stats.made_potentially_volatile.add(1);
        }
    }

    /// Makes a page potentially volatile that is volatile, because it is about to be mapped writable.
    /// The caller has StateChange. A page that is discarded stays so.
    pub(super) fn mind_changes(&self, frame: Frame) {
        let page = self.page(frame);
        if self.lacks(Parts::WRITABLE) {
            // If it is discarded, whoever accesses it will be told.
            let _ = self.leave_volatile(frame);
        } else if page.hinted() == Usage::Volatile {
            let _ = self.essa(Orc::SetPotentiallyVolatile, frame);
            page.set_hinted(Usage::PotentiallyVolatile);
        }
    }

    /// Whether no page is ever volatile, or that is left out of account.
    #[inline]
    fn are_all_stable(&self) -> bool {
        self.hinting() != Hinting::Full || !self.has(Guard::MakeStable)
    }

    /// Makes a page stable. The caller took a reference before, of which no make_volatile knows.
    ///
    /// # Errors
    /// The host has discarded it: the caller removes it and does as if it had never been there.
    // Where nothing is hinted, this is two instructions in a page-cache hit.
    #[inline]
    pub(super) fn make_stable(&self, frame: Frame) -> Result<(), Discarded> {
        if self.are_all_stable() {
            return Ok(());
        }
        self.make_stable_hinted(frame)
    }

    #[inline(never)]
    fn make_stable_hinted(&self, frame: Frame) -> Result<(), Discarded> {
        let page = self.page(frame);
        let flags = page.flags();
        if !flags.contains(PageFlags::STATE_CHANGE) && flags.usage() == Usage::Stable {
            // A make_volatile that begins now finds our reference and gives up.
            return Ok(());
        }
        self.with_state_change(frame, || self.leave_volatile(frame))
    }

    /// As [`Mm::make_stable`], of a caller who has StateChange.
    pub(super) fn make_stable_alone(&self, frame: Frame) -> Result<(), Discarded> {
        if self.are_all_stable() {
            return Ok(());
        }
        self.leave_volatile(frame)
    }

    /// Does what nobody may do at the same time as changing the page's state.
    pub(super) fn with_state_change<T>(&self, frame: Frame, work: impl FnOnce() -> T) -> T {
        let page = self.page(frame);
        while page.test_and_set(PageFlags::STATE_CHANGE) {
            if !self.has(Guard::StateChange) {
                break;
            }
            sync::relax();
        }
        let outcome = work();
        page.reset(PageFlags::STATE_CHANGE);
        outcome
    }

    /// The transition itself, with StateChange held.
    fn leave_volatile(&self, frame: Frame) -> Result<(), Discarded> {
        let page = self.page(frame);
        if page.hinted() == Usage::Stable {
            return Ok(());
        }
        let old = self.essa(Orc::SetStableIfNotDiscarded, frame);
        let lost = match (old.usage(), old.content()) {
            (_, Some(Content::Resident)) | (Usage::Stable, _) => false,
            (_, Some(Content::Zero)) => true,
            // KVM pages volatile pages out instead of discarding them, and then leaves such a page
            // as it is: ask again, without the condition.
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

    /// The state of a page as the host has it, for reports; `None` if nothing is hinted.
    #[must_use]
    pub fn page_state(&self, frame: Frame) -> Option<PageState> {
        match self.hinting() {
            Hinting::Off => None,
            _ => self.essa(Orc::GetState, frame).state().ok(),
        }
    }
}
