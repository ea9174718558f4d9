//! The slots of the paging device: who has which, and what is under way.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use arch::Frame;

use super::{Direction, Expanded, Resident};

/// A page's place on the paging device, or in expanded storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(NonZeroU32);

impl Slot {
    /// The slot with a number.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    /// The slot of expanded storage with the same number.
    #[must_use]
    pub fn to_expanded(self) -> Self {
        Self(self.0 | EXPANDED)
    }

    /// Whether it is one of expanded storage.
    #[must_use]
    pub const fn is_expanded(self) -> bool {
        self.0.get() & EXPANDED != 0
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn number(self) -> u32 {
        (self.0.get() & !EXPANDED) - 1
    }
}

/// In front of the number of a slot of expanded storage.
const EXPANDED: u32 = 1 << 31;

/// A page of any guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageId(u32);

/// Bits of the number of a page of the largest guest.
const PAGE_BITS: u32 = 19;

impl PageId {
    /// A page of a guest by their numbers.
    #[must_use]
    pub const fn new(guest: u16, page: u32) -> Self {
        Self((guest as u32) << PAGE_BITS | page)
    }

    /// All of it as a number of 26 bits: there are at most 64 guests.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// The page whose [`PageId::bits`] these are.
    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The guest.
    #[must_use]
    pub const fn guest(self) -> usize {
        (self.0 >> PAGE_BITS) as usize
    }

    /// The page.
    #[must_use]
    pub const fn page(self) -> u32 {
        self.0 & ((1 << PAGE_BITS) - 1)
    }
}

/// A transfer that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Which way the page goes.
    pub direction: Direction,
    /// The slot.
    pub slot: Slot,
    /// Whose content it is.
    pub page: PageId,
    /// The frame.
    pub frame: Frame,
    /// Whether somebody waits for the page.
    pub is_wanted: bool,
    /// Whether the slot was given back meanwhile: nobody wants to know the outcome.
    pub is_stale: bool,
}

impl Transfer {
    /// A transfer that nobody waits for.
    #[must_use]
    pub fn new(direction: Direction, slot: Slot, page: PageId, frame: Frame) -> Self {
        Self {
            direction,
            slot,
            page,
            frame,
            is_wanted: false,
            is_stale: false,
        }
    }
}

const BITS: u32 = u64::BITS;

/// All slots. Pages that go together get slots that follow one another, as far as there are any.
#[derive(Debug)]
pub struct Slots {
    /// A bit for each that cannot be had; those behind the last one are on.
    taken: Vec<u64>,
    /// By slot: whose it is, if it is taken.
    owners: Vec<PageId>,
    free: u32,
    retired: u32,
    /// The word that the search begins with.
    next: usize,
    under_way: Vec<Transfer>,
}

impl Slots {
    /// So many free slots.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let mut taken = vec![0; count.div_ceil(BITS) as usize];
        if !count.is_multiple_of(BITS)
            && let Some(last) = taken.last_mut()
        {
            *last = u64::MAX << (count % BITS);
        }
        Self {
            taken,
            owners: vec![PageId(0); count as usize],
            free: count,
            retired: 0,
            next: 0,
            under_way: Vec::new(),
        }
    }

    /// Takes a free slot for a page: the next one in the word where the last one was found.
    pub fn take(&mut self, owner: PageId) -> Option<Slot> {
        if self.free == 0 {
            return None;
        }
        while self.taken[self.next] == u64::MAX {
            self.next = (self.next + 1) % self.taken.len();
        }
        let bit = self.taken[self.next].trailing_ones();
        let number = self.next as u32 * BITS + bit;
        self.taken[self.next] |= 1 << bit;
        self.owners[number as usize] = owner;
        self.free -= 1;
        Some(Slot::new(number))
    }

    /// Gives a slot back: at once, or when the transfer that is under way is complete.
    pub fn give(&mut self, slot: Slot) {
        match self.under_way.iter_mut().find(|one| one.slot == slot) {
            Some(transfer) => transfer.is_stale = true,
            None => self.release(slot),
        }
    }

    fn release(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        debug_assert!(self.taken[word] & bit != 0, "{slot:?} is free already");
        self.taken[word] &= !bit;
        self.free += 1;
    }

    /// Takes a slot out of use that its page has given up: it cannot be written, or not read.
    pub fn retire(&mut self) {
        self.retired += 1;
    }

    /// Whose a slot is.
    #[must_use]
    pub fn owner(&self, slot: Slot) -> Option<PageId> {
        let (word, bit) = place(slot);
        let taken = self.taken.get(word)? & bit != 0;
        taken.then(|| self.owners.get(slot.number() as usize).copied())?
    }

    /// Notes that a transfer has begun.
    pub fn begin(&mut self, transfer: Transfer) {
        self.under_way.push(transfer);
    }

    /// Notes that the transfer of a slot is complete; a slot that nobody wants any more is free.
    pub fn end(&mut self, slot: Slot) -> Option<Transfer> {
        let at = self.under_way.iter().position(|one| one.slot == slot)?;
        let transfer = self.under_way.swap_remove(at);
        if transfer.is_stale {
            self.release(slot);
        }
        Some(transfer)
    }

    /// Somebody waits for the page that is read from a slot.
    pub fn want(&mut self, slot: Slot) {
        if let Some(transfer) = self.under_way.iter_mut().find(|one| one.slot == slot) {
            transfer.is_wanted = true;
        }
    }

    /// How many transfers are under way in a direction.
    #[must_use]
    pub fn under_way(&self, direction: Direction) -> usize {
        let same = |transfer: &&Transfer| transfer.direction == direction;
        self.under_way.iter().filter(same).count()
    }

    /// How many are under way whose outcome nobody wants to know.
    #[must_use]
    pub fn stale(&self) -> usize {
        self.under_way.iter().filter(|one| one.is_stale).count()
    }

    /// Whether any transfer is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Slots that can be had.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Slots that could not be written or read.
    #[must_use]
    pub fn retired(&self) -> u32 {
        self.retired
    }

    /// Slots in all.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.owners.len() as u32
    }
}

fn place(slot: Slot) -> (usize, u64) {
    let number = slot.number();
    ((number / BITS) as usize, 1 << (number % BITS))
}

/// What guests' memories and the pager both write in.
#[derive(Debug)]
pub struct Ledger {
    /// Expanded storage, if there is any.
    pub expanded: Option<Expanded>,
    /// The slots.
    pub slots: Slots,
    /// Resident pages of all guests; some are resident no more.
    pub resident: Resident,
}

impl Ledger {
    /// A ledger for expanded storage, so many slots, and so many guests of so many pages.
    #[must_use]
    pub fn new(expanded: Option<Expanded>, slots: u32, guests: usize, pages: usize) -> Self {
        Self {
            expanded,
            slots: Slots::new(slots),
            resident: Resident::new(guests, pages),
        }
    }

    /// Gives a slot back, and what is moved on from there is of no use.
    pub fn give(&mut self, slot: Slot) {
        match &mut self.expanded {
            Some(expanded) if slot.is_expanded() => {
                let frame = expanded.frame(slot);
                expanded.give(slot);
                let moved = self.slots.under_way.iter_mut();
                moved
                    .filter(|transfer| transfer.frame == frame)
                    .for_each(|transfer| transfer.is_stale = true);
            }
            _ => self.slots.give(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageId = PageId::new(3, 5);

    fn transfer(slot: Slot) -> Transfer {
        Transfer::new(Direction::Write, slot, PAGE, Frame(1))
    }

    #[test]
    fn a_page_is_known_by_both_numbers() {
        let last = PageId::new(63, (1 << PAGE_BITS) - 1);
        assert_eq!((last.guest(), last.page()), (63, (1 << PAGE_BITS) - 1));
        assert_eq!((PAGE.guest(), PAGE.page()), (3, 5));
    }

    #[test]
    fn every_slot_is_had_once_and_neighbours_first() {
        let mut slots = Slots::new(70);
        let all: Vec<_> = core::iter::from_fn(|| slots.take(PAGE)).collect();
        let numbers: Vec<_> = all.iter().map(|slot| slot.number()).collect();
        assert_eq!(numbers, (0..70).collect::<Vec<_>>());
        assert_eq!((slots.free(), slots.take(PAGE)), (0, None));
        slots.give(all[66]);
        assert_eq!(slots.owner(all[66]), None);
        assert_eq!(slots.take(PAGE), Some(all[66]));
        assert_eq!(slots.owner(all[66]), Some(PAGE));
        assert_eq!(slots.owner(Slot::new(70)), None);
    }

    #[test]
    fn a_slot_in_transfer_is_free_when_that_is_over() {
        let mut slots = Slots::new(1);
        let slot = slots.take(PAGE).unwrap();
        slots.begin(transfer(slot));
        slots.give(slot);
        assert_eq!(slots.take(PAGE), None, "the device still writes it");
        assert!(slots.end(slot).unwrap().is_stale && !slots.is_busy());
        assert_eq!(slots.take(PAGE), Some(slot));
    }

    #[test]
    fn a_retired_slot_is_had_by_nobody() {
        let mut slots = Slots::new(2);
        let slot = slots.take(PAGE).unwrap();
        slots.begin(transfer(slot));
        assert!(!slots.end(slot).unwrap().is_stale);
        slots.retire();
        assert_eq!(slots.take(PAGE), Some(Slot::new(1)));
        assert_eq!((slots.take(PAGE), slots.retired()), (None, 1));
    }
}
