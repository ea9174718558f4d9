//! What the host knows about one page of a guest.

use arch::{Frame, key};
use bitflags::bitflags;
use cmm::{Content, PageState, Usage};

use crate::paging::Slot;
use crate::personality::Personality;

bitflags! {
    /// Facts about a page beside its state.
    ///
    /// The change bit is kept by write protection, not in the frame's key: emulators with several
    /// CPUs can lose the key's, and a discarded page that was changed is lost data.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PageFlags: u8 {
        /// The guest's change bit is on.
        const CHANGED = 1;
        /// The guest's reference bit is on, whatever the frame's key says.
        const REFERENCED = 2;
        /// The page stands in the queue of pages that may be discarded.
        const QUEUED = 4;
        /// The page stands in the pager's list of resident pages.
        const LISTED = 8;
        /// The page is being written to its slot, or read from it.
        const IN_TRANSIT = 16;
        /// The page could not be read from its slot together with others: it is tried alone.
        const DOUBTFUL = 32;
        /// The page could not be read from its slot.
        const UNREADABLE = 64;
        /// The page was supplied lately, for an access that is still to be repeated: it is spared.
        const SPARED = 128;
        /// All that says something of the slot.
        const OF_SLOT = 16 | 32 | 64;
    }
}

/// One page of a guest, by guest absolute address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageEntry {
    /// What backs it while its content is resident.
    pub frame: Frame,
    /// Where its content stands on the paging device: while it is resident, a copy that is good, or will
    /// be when it is written.
    pub slot: Option<Slot>,
    /// Usage and content.
    pub state: PageState,
    /// Other facts.
    pub flags: PageFlags,
    /// Access-control and fetch-protection bits of the guest's storage key.
    pub key: u8,
}

const _: () = assert!(size_of::<PageEntry>() <= 16);

impl PageEntry {
    /// A page that the guest has never touched.
    pub const UNTOUCHED: Self = Self {
        frame: Frame(0),
        slot: None,
        state: PageState::SZ,
        flags: PageFlags::empty(),
        key: 0,
    };

    /// The frame, if the content is resident.
    #[must_use]
    pub fn resident(&self) -> Option<Frame> {
        (self.state.content() == Content::Resident).then_some(self.frame)
    }

    /// Makes the guest's key that of the frame, which has its last owner's. That costs a lot, so it is asked first.
    pub fn give_key(&self) {
        /// Access control and fetch protection.
        const PROTECTION: u8 = 0xf8;
        if key::get(self.frame) & PROTECTION != self.key {
            key::set(self.frame, self.key);
        }
    }

    /// Whether the host may take the frame without any I/O.
    #[must_use]
    #[inline(always)]
    pub fn is_discardable(&self, personality: Personality) -> bool {
        let usage = self.state.usage();
        let is_kept = usage == Usage::PotentiallyVolatile
            && self.flags.contains(PageFlags::CHANGED)
            && personality.minds_changes();
        self.state.content() == Content::Resident && personality.discards(usage) && !is_kept
    }

    /// Whether the page must be mapped read-only, so that a change of it is noticed: the change bit is
    /// off, or there is a copy.
    #[must_use]
    pub fn is_write_protected(&self) -> bool {
        !self.flags.contains(PageFlags::CHANGED) || self.slot.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::{Hinting, Hypervisor};

    fn page(state: PageState, flags: PageFlags) -> PageEntry {
        PageEntry {
            state,
            flags,
            ..PageEntry::UNTOUCHED
        }
    }

    #[test]
    fn stable_and_changed_pages_are_never_discardable() {
        for hinting in [Hinting::None, Hinting::Unused, Hinting::Full] {
            let hinting = Personality::new(Hypervisor::Model, hinting);
            assert!(!page(PageState::SR, PageFlags::empty()).is_discardable(hinting));
            assert!(!page(PageState::PR, PageFlags::CHANGED).is_discardable(hinting));
            for state in [PageState::SZ, PageState::UZ, PageState::VZ] {
                assert!(!page(state, PageFlags::empty()).is_discardable(hinting));
            }
        }
    }

    #[test]
    fn the_hinting_mode_decides_which_states_count() {
        let discardable = |state, hinting| {
            let personality = Personality::new(Hypervisor::Model, hinting);
            page(state, PageFlags::empty()).is_discardable(personality)
        };
        let all = [PageState::UR, PageState::VR, PageState::PR];
        assert_eq!(
            all.map(|state| discardable(state, Hinting::Full)),
            [true, true, true]
        );
        assert_eq!(
            all.map(|state| discardable(state, Hinting::Unused)),
            [true, false, false]
        );
        assert_eq!(
            all.map(|state| discardable(state, Hinting::None)),
            [false, false, false]
        );
    }

    #[test]
    fn a_clean_page_is_write_protected_in_every_state() {
        for state in [PageState::SR, PageState::PR, PageState::VR] {
            assert!(page(state, PageFlags::empty()).is_write_protected());
            assert!(!page(state, PageFlags::CHANGED).is_write_protected());
        }
    }

    #[test]
    fn a_page_with_a_copy_is_write_protected_whatever_its_change_bit() {
        let copied = PageEntry {
            slot: Some(Slot::new(0)),
            ..page(PageState::SR, PageFlags::CHANGED)
        };
        assert!(copied.is_write_protected());
    }
}
