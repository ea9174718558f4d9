//! What a page that goes costs in looks, and that nothing goes that must not.

use arch::sim::{Hinting as Installed, Machine};
use arch::{Frame, key};
use cmm::{Orc, PageState};

use super::*;
use crate::mem::{GuestMemory, PageEntry, PageFlags};
use crate::personality::Personality;

const SPARE: PageFlags = PageFlags::SPARED;

const PAGES: u32 = 256;
const MOST_GUESTS: usize = 64;
/// Pages that are spared a CPU: as many as one instruction needs.
const SPARED: u32 = 8;

/// Guests that have touched all their pages and then said what they are.
fn guests(count: usize, orc: Orc) -> (Vec<GuestMemory>, FramePool) {
    let mut pool = FramePool::new(Frame(1), count as u32 * PAGES);
    let memory = |id| {
        let bytes = u64::from(PAGES) << arch::PAGE_SHIFT;
        let mut memory = GuestMemory::new(id, bytes, Personality::MODEL, 1, 256 << 10);
        for page in 0..PAGES {
            let frame = memory.resolve(&mut pool, 0, page, true).unwrap();
            key::reset_reference(frame);
            memory.essa(&mut pool, page, orc);
        }
        memory
    };
    ((0..count as u16).map(memory).collect(), pool)
}

fn on_a_machine(test: impl FnOnce()) {
    let machine = Machine::new(1 + MOST_GUESTS * PAGES as usize, Installed::None);
    let _entered = machine.enter();
    test();
}

/// A decision takes as many looks whether there is one guest or 64, one of which alone has something to give.
#[test]
fn a_decision_does_not_depend_on_the_number_of_guests() {
    on_a_machine(|| {
        for count in [1, 4, 16, MOST_GUESTS] {
            for orc in [Orc::SetUnused, Orc::SetVolatile] {
                let (mut all, mut pool) = guests(count, orc);
                let (mut turns, mut looks) = (Turns::default(), 0);
                let goal = count * (PAGES - SPARED) as usize;
                while pool.free() < goal {
                    let next = pool.free() + 64;
                    looks += turns.reclaim(&mut all, count, &mut pool, next.min(goal), usize::MAX);
                }
                assert_eq!(looks, goal, "{count} guests");
                let (mut few, mut pool) = guests(1, orc);
                let nothing = |id| GuestMemory::new(id, 1 << 20, Personality::MODEL, 1, 256 << 10);
                few.extend((1..count as u16).map(nothing));
                let looks = turns.reclaim(&mut few, count, &mut pool, 128, usize::MAX);
                assert!(looks <= 128 + 2 * count, "{looks} looks for 128 pages");
            }
        }
    });
}

/// Where nothing can go, each guest is asked once: what the pager waits for may take long, and this is asked after each exit
/// meanwhile.
#[test]
fn nothing_to_give_is_found_out_soon() {
    on_a_machine(|| {
        let (mut all, mut pool) = guests(2, Orc::SetStable);
        assert_eq!(Turns::default().reclaim(&mut all, 2, &mut pool, 1, 128), 2);
        assert_eq!(pool.free(), 0);
    });
}

/// Patience ends the search where all that could go is in use.
#[test]
fn what_is_in_use_is_not_looked_for_without_end() {
    on_a_machine(|| {
        let (mut all, mut pool) = guests(1, Orc::SetVolatile);
        for page in 0..PAGES {
            let frame = all[0].page(page).unwrap().frame;
            key::set(frame, key::REFERENCE);
        }
        let looks = Turns::default().reclaim(&mut all, 1, &mut pool, 1, 10);
        assert_eq!((looks, pool.free()), (10, 0), "each has a second chance");
    });
}

/// In the queue stand pages that are stable again, were changed or used since, and all kinds side by side.
#[test]
fn only_what_may_go_goes() {
    on_a_machine(|| {
        let (mut all, mut pool) = guests(1, Orc::SetUnused);
        let orcs = [
            Orc::SetStable,
            Orc::SetVolatile,
            Orc::SetUnused,
            Orc::SetPotentiallyVolatile,
        ];
        for page in 0..PAGES {
            let memory = &mut all[0];
            memory.essa(&mut pool, page, orcs[page as usize / 3 % 4]);
            if page % 5 == 0 {
                memory.set_key(page, 0);
            }
            if page % 7 == 0 {
                memory.resolve(&mut pool, 0, page, false).unwrap();
                key::set(memory.page(page).unwrap().frame, key::REFERENCE);
            }
        }
        let before: Vec<_> = all[0].pages().copied().collect();
        let is_used = |page: usize| key::get(before[page].frame) & key::REFERENCE != 0;
        let used: Vec<_> = (0..before.len()).map(is_used).collect();
        // Every page that may go is looked at once.
        let is_meant = |page: &&PageEntry| {
            page.is_discardable(Personality::MODEL) && !page.flags.contains(SPARE)
        };
        let mut looks = before.iter().filter(is_meant).count();
        let mut turns = Turns::default();
        while looks > 0 {
            looks -= turns.reclaim(&mut all, 1, &mut pool, usize::MAX, 1);
        }
        for (number, page) in before.iter().enumerate() {
            let now = all[0].page(number as u32).unwrap();
            let stays = !is_meant(&page) || page.state != PageState::UR && used[number];
            assert_eq!(now.state == page.state, stays, "{number}: {page:?} {now:?}");
            assert_eq!(now.resident().is_some(), stays, "{number}");
        }
        assert!(pool.free() > 64);
    });
}
