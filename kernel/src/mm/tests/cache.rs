use arch::sim::Eviction;
use arch::{PAGE_SIZE, storage};
use cmm::PageState;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::super::{Discarded, Hinting, Key, Lookup, Mm, PageFlags, StableRef};
use super::{Rig, key};

#[test]
fn a_page_is_volatile_exactly_while_nobody_uses_it() {
    let rig = Rig::new(32, Hinting::Full);
    let page = rig.fill(key(0), 1);
    let state = || rig.machine.state(page.frame());
    assert_eq!(state(), PageState::SR);
    let Lookup::Hit(second) = rig.mm.lookup_stable(key(0)) else {
        panic!("the page is in the cache")
    };
    drop(second);
    assert_eq!(state(), PageState::SR, "the first user is still there");
    let frame = page.frame();
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::VR);
    let Lookup::Hit(_third) = rig.mm.lookup_stable(key(0)) else {
        panic!("the page is in the cache")
    };
    assert_eq!(rig.machine.state(frame), PageState::SR);
}

#[test]
fn a_stable_lookup_of_a_discarded_page_removes_it() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let free = rig.mm.free_page_count();
    rig.machine.evict(frame);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::WasDiscarded));
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Miss));
    assert_eq!(rig.mm.free_page_count(), free + 1);
    assert_eq!(rig.mm.cached_page_count(), 0);
    assert!(rig.is_given_up(frame));
}

#[test]
fn a_copy_from_a_discarded_page_fails_and_removes_it() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let page = rig
        .mm
        .lookup_no_discard(key(0))
        .expect("the page is in the cache");
    assert_eq!(
        rig.machine.state(frame),
        PageState::VR,
        "a lookup alone leaves it volatile"
    );
    assert_eq!(page.page_state(), Some(PageState::VR));
    let mut byte = [0];
    assert_eq!(page.try_read(9, &mut byte), Ok(()));
    assert_eq!(byte, [0xa5]);
    rig.machine.evict(frame);
    assert_eq!(page.try_read(9, &mut byte), Err(Discarded));
    assert!(rig.mm.lookup_no_discard(key(0)).is_none());
    assert_eq!(rig.mm.stats.discard_faults.get(), 1);
    assert_eq!(rig.machine.discard_faults(), 1);
}

/// A page that is there and not in storage: something is wrong with what the kernel thinks of it.
#[test]
#[should_panic(expected = "a copy from")]
fn a_copy_that_fails_for_any_other_reason_is_fatal() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let page = rig.mm.lookup_no_discard(key(0)).unwrap();
    let _ = rig.mm.hint_unused(frame);
    rig.machine.evict(frame);
    let _ = page.try_read(0, &mut [0]);
}

#[test]
fn a_page_whose_content_its_file_has_again_becomes_volatile() {
    let rig = Rig::new(32, Hinting::Full);
    let page = rig.fill(key(0), 1);
    let frame = page.frame();
    page.set_dirty();
    page.set_clean();
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

/// Two users notice the discard; the page leaves the cache once, and is freed with the last of them.
#[test]
fn a_discarded_page_is_removed_exactly_once() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let free = rig.mm.free_page_count();
    let first = rig
        .mm
        .lookup_no_discard(key(0))
        .expect("the page is in the cache");
    let second = rig
        .mm
        .lookup_no_discard(key(0))
        .expect("the page is in the cache");
    rig.machine.evict(frame);
    assert_eq!(first.try_read(0, &mut [0]), Err(Discarded));
    assert_eq!(second.try_read(0, &mut [0]), Err(Discarded));
    assert!(!rig.mm.remove_page(frame));
    assert_eq!(rig.mm.cached_page_count(), 0);
    assert_eq!(rig.mm.page(frame).references(), 2, "the users'");
    drop(first);
    assert_eq!(rig.mm.free_page_count(), free, "somebody has it still");
    // The file's page is another one now, which has nothing to do with the old one.
    let again = rig.fill(key(0), 2);
    assert_ne!(again.frame(), frame);
    drop(second);
    assert_eq!(rig.mm.free_page_count(), free, "one freed, one filled");
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Hit(_)));
}

#[test]
fn a_page_that_was_not_filled_goes_back() {
    let rig = Rig::new(32, Hinting::Full);
    let free = rig.mm.free_page_count();
    drop(rig.mm.begin_fill(key(0)).ok().expect("there is memory"));
    assert_eq!(rig.mm.free_page_count(), free);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Miss));
}

#[test]
fn a_page_being_filled_is_not_discarded() {
    let rig = Rig::new(32, Hinting::Full);
    rig.machine.set_eviction(Eviction::Always, 0);
    let page = rig.fill(key(0), 0x5a);
    assert!(!rig.flags(page.frame()).contains(PageFlags::LOCKED));
    let mut bytes = [0; 100];
    page.read(PAGE_SIZE - 100, &mut bytes);
    assert_eq!(bytes, [0x5a; 100]);
}

#[test]
fn the_rest_of_a_page_reads_as_zero_cleared_or_not() {
    for evicted in [false, true] {
        let rig = Rig::new(32, Hinting::Full);
        if evicted {
            rig.machine.evict_all();
        }
        let mut filling = rig.mm.begin_fill(key(0)).ok().expect("there is memory");
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(filling.address(), &[0xcc; 1024]) }
        filling.clear_behind(700, 1024);
        assert_eq!(rig.mm.stats.clears_skipped.get(), u64::from(evicted));
        let mut page = [1; PAGE_SIZE];
        filling.complete().unwrap().read(0, &mut page);
        assert_eq!(page[..700], [0xcc; 700]);
        assert_eq!(page[700..], [0; PAGE_SIZE - 700]);
    }
}

#[test]
fn of_a_page_that_was_written_to_its_end_nothing_is_left_to_clear() {
    let rig = Rig::new(32, Hinting::Full);
    rig.machine.evict_all();
    let mut filling = rig.mm.begin_fill(key(0)).ok().expect("there is memory");
    filling.clear_behind(PAGE_SIZE, PAGE_SIZE);
    assert_eq!(rig.mm.stats.clears_skipped.get(), 0);
}

/// Files that can be told apart at every byte.
fn content(key: Key, offset: usize) -> u8 {
    let word = (u64::from(key.file) << 40 | u64::from(key.index) << 16 | offset as u64 >> 2)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word >> 56) as u8 ^ offset as u8
}

fn load<'m>(mm: &'m Mm<'m>, key: Key) -> StableRef<'m> {
    let filling = mm.begin_fill(key).ok().expect("pages of the cache can go");
    let bytes: Vec<u8> = (0..PAGE_SIZE).map(|offset| content(key, offset)).collect();
    // SAFETY: the page is new and locked.
    unsafe { storage::copy_in(filling.address(), &bytes) }
    filling.complete().unwrap()
}

/// Reads through the cache while the host discards; every byte must be the file's.
fn read_under(eviction: Eviction, operations: u32, frames: usize, seed: u64) -> Rig {
    let rig = Rig::new(frames, Hinting::Full);
    rig.machine.set_eviction(eviction, seed);
    let mut random = Pcg64Mcg::new(u128::from(seed));
    let mut held = Vec::new();
    for operation in 0..operations {
        let key = Key {
            file: random.next_u32() % 3,
            index: random.next_u32() % (frames as u32 / 2),
        };
        let offset = random.next_u32() as usize % PAGE_SIZE;
        let length = 1 + random.next_u32() as usize % (PAGE_SIZE - offset).min(600);
        let mut bytes = vec![0; length];
        if random.next_u32() & 1 == 0 {
            let page = match rig.mm.lookup_stable(key) {
                Lookup::Hit(page) => page,
                Lookup::Miss | Lookup::WasDiscarded => load(rig.mm, key),
            };
            page.read(offset, &mut bytes);
            if random.next_u32().is_multiple_of(16) {
                held.push(page);
            }
        } else {
            let page = rig.mm.lookup_no_discard(key);
            if page.is_none_or(|page| page.try_read(offset, &mut bytes).is_err()) {
                load(rig.mm, key).read(offset, &mut bytes);
            }
        }
        if held.len() > 4 {
            held.swap_remove(random.next_u32() as usize % held.len());
        }
        let wrong = (0..length).find(|at| bytes[*at] != content(key, offset + at));
        assert_eq!(
            wrong, None,
            "operation {operation}, {key:?}, offset {offset}"
        );
    }
    rig
}

#[test]
fn no_byte_is_lost_under_random_discards() {
    for seed in 1..=10 {
        let rig = read_under(Eviction::OneIn(20), 10_000, 48, seed);
        let stats = &rig.mm.stats;
        for counter in [
            &stats.discard_faults,
            &stats.stable_failures,
            &stats.reclaimed,
            &stats.made_stable,
        ] {
            assert!(
                counter.get() > 100,
                "both ways of noticing, and reclaim, took part"
            );
        }
        assert_eq!(stats.discard_faults.get(), rig.machine.discard_faults());
    }
}

#[test]
fn no_byte_is_lost_under_a_host_that_discards_at_every_moment() {
    let rig = read_under(Eviction::Always, 20_000, 48, 1);
    assert!(rig.mm.stats.discard_faults.get() + rig.mm.stats.stable_failures.get() > 1000);
}

#[test]
fn all_pages_come_back_in_the_end() {
    let rig = read_under(Eviction::OneIn(10), 5000, 48, 3);
    while rig.mm.shrink_cache() > 0 {}
    assert_eq!(rig.mm.free_page_count(), 47);
    // What the CPU has at hand is hinted when it goes idle.
    rig.mm.enter_idle();
    for frame in 1..48 {
        assert!(rig.is_given_up(arch::Frame(frame)), "frame {frame}");
    }
}

/// Who was writing to a page when it was cut off its file says so too late: it is freed with him.
#[test]
fn a_page_that_was_cut_off_while_somebody_wrote_to_it_is_freed() {
    let rig = Rig::new(32, Hinting::Full);
    let free = rig.mm.free_page_count();
    for dirty_before in [false, true] {
        let page = rig.fill(key(0), 1);
        if dirty_before {
            page.set_dirty();
        }
        rig.mm.truncate(key(0).file, 0..1);
        page.set_dirty();
        drop(page);
        while rig.mm.sign_off_stats().waiting() > 0 {
            rig.mm.sign_off(0);
        }
        assert_eq!(rig.mm.free_page_count(), free);
    }
}
