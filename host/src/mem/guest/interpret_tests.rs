//! Memory of a guest that the machine interprets: absolute addresses, prefix areas that stay, keys of frames.

use arch::key;
use arch::sim::{Hinting as Installed, Machine};

use super::*;
use crate::mem::notifier::Right;
use crate::paging::Ledger;

const SIZE: u64 = 4 << 20;
const FRAMES: u32 = 16;
/// Access control 5, with fetch protection.
const KEY: u8 = 0x58;
const PAGE: u32 = 0x240;
/// The prefix of CPU 1, and the page that it begins with.
const PREFIX: u32 = 0x10_0000;
const LOWCORE: u32 = PREFIX >> PAGE_SHIFT;

fn on_a_machine(test: impl Fn(&mut GuestMemory, &mut FramePool)) {
    let machine = Machine::new(1 + FRAMES as usize, Installed::None);
    let _entered = machine.enter();
    let mut pool = FramePool::new(Frame(1), FRAMES);
    pool.allow_paging(Ledger::new(None, 8, 1, (SIZE >> PAGE_SHIFT) as usize));
    let mut memory = GuestMemory::new(0, SIZE, Personality::MODEL, 2, 256 << 10);
    memory.interpret();
    memory.spared = 0;
    memory.set_prefix(1, PREFIX);
    test(&mut memory, &mut pool);
}

#[test]
fn a_page_that_one_cpu_has_brought_in_is_there_for_all_whatever_their_prefixes() {
    on_a_machine(|memory, pool| {
        let frame = memory.resolve(pool, 1, 0, true).unwrap();
        assert_eq!(memory.mapped(0, 0), Some((frame, true)));
        assert_eq!(memory.mapped(1, 0), Some((frame, true)));
        // By a real address it is another one.
        assert_eq!(memory.page_of(1, 0), Ok(LOWCORE));
        assert_eq!(memory.mapped(1, LOWCORE), None);
    });
}

#[test]
fn what_the_machine_stores_into_without_asking_stays() {
    on_a_machine(|memory, pool| {
        for page in [0, LOWCORE, LOWCORE + 1, LOWCORE + 2] {
            memory.resolve(pool, 0, page, true).unwrap();
            memory.essa(pool, page, Orc::SetUnused);
        }
        assert!(!memory.evict(pool, LOWCORE) && !memory.evict(pool, LOWCORE + 1));
        // With others in a batch, too.
        assert_eq!(memory.evict_all(pool), 1);
        let standing = [0, LOWCORE, LOWCORE + 1, LOWCORE + 2].map(|page| memory.mapped(0, page));
        assert_eq!(
            standing.map(|mapped| mapped.is_some()),
            [true, true, true, false]
        );
        let batch = [PAGE, LOWCORE, PAGE + 1];
        assert_eq!(memory.notifiers.invalidate_batch(&batch, Right::Store), 2);
        assert!(
            memory.mapped(0, LOWCORE).unwrap().1,
            "it may be stored into"
        );
        // A CPU whose prefix is elsewhere holds what is there.
        memory.set_prefix(1, PREFIX + 0x2000);
        assert!(memory.evict(pool, LOWCORE));
    });
}

#[test]
fn a_prefix_area_is_changed_whatever_its_key_says() {
    on_a_machine(|memory, pool| {
        memory.resolve(pool, 1, LOWCORE, true).unwrap();
        memory.set_key(LOWCORE, 0);
        assert!(memory.is_changed(LOWCORE));
        memory.resolve(pool, 1, PAGE, true).unwrap();
        memory.set_key(PAGE, 0);
        assert!(!memory.is_changed(PAGE));
    });
}

#[test]
fn the_key_of_a_page_is_that_of_its_frame_and_goes_with_it() {
    on_a_machine(|memory, pool| {
        let first = memory.resolve(pool, 0, PAGE, true).unwrap();
        memory.set_key(PAGE, KEY);
        assert_eq!(key::get(first) & !(key::REFERENCE | key::CHANGE), KEY);
        // Another page gets the frame, and not the key.
        memory.essa(pool, PAGE, Orc::SetVolatile);
        assert!(memory.evict(pool, PAGE));
        let other = memory.resolve(pool, 0, PAGE + 1, false).unwrap();
        assert_eq!((other, key::get(other) & KEY), (first, 0));
        // The page gets another frame, and its key.
        memory.essa(pool, PAGE, Orc::SetStable);
        let second = memory.resolve(pool, 0, PAGE, false).unwrap();
        assert_ne!(second, first);
        assert_eq!(key::get(second) & KEY, KEY);
        memory.reset_reference(PAGE);
        assert_eq!((memory.key(PAGE) & KEY, key::get(second) & KEY), (KEY, KEY));
    });
}

#[test]
fn a_frame_gets_the_key_of_its_page_whatever_it_had() {
    const PROTECTION: u8 = 0xf8;
    // None, that of the page, its complement, all.
    for old in [0, KEY, KEY ^ PROTECTION, PROTECTION] {
        on_a_machine(|memory, pool| {
            for frame in 1..=FRAMES {
                key::set(Frame(frame), old | key::CHANGE);
            }
            memory.set_key(PAGE, KEY);
            let frame = memory.resolve(pool, 0, PAGE, true).unwrap();
            assert_eq!(key::get(frame) & PROTECTION, KEY);
        });
    }
}

#[test]
fn a_page_that_was_paged_out_comes_back_with_its_key() {
    // That of the frame's last owner is another one, or the same.
    for old in [0x10, KEY] {
        on_a_machine(|memory, pool| {
            memory.resolve(pool, 0, PAGE, true).unwrap();
            memory.set_key(PAGE, KEY);
            memory.write_at_once(pool, PAGE);
            assert!(memory.page_out(pool, PAGE));
            let frame = pool.take().unwrap();
            key::set(frame, old | key::REFERENCE);
            memory.begin_page_in(PAGE);
            memory.end_page_in(pool, PAGE, frame, true);
            assert_eq!(key::get(frame), KEY);
            assert_eq!(memory.key(PAGE) & KEY, KEY);
        });
    }
}
