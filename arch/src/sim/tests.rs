use cmm::{Orc, PageState};

use super::{Eviction, Hinting, Machine};
use crate::addr::{Absolute, Frame, PAGE_SIZE};
use crate::{diagnose, essa, program, storage};

const PAGE: Frame = Frame(2);

fn filled(hinting: Hinting) -> (Machine, super::Entered) {
    let machine = Machine::new(4, hinting);
    let entered = machine.enter();
    // SAFETY: nobody else uses the machine.
    unsafe { storage::copy_in(PAGE.address(), &[0x11; PAGE_SIZE]) }
    (machine, entered)
}

fn make_volatile() {
    let old = essa::essa(Orc::SetVolatile, PAGE.address());
    assert_eq!(old.state(), Ok(PageState::SR));
}

#[test]
fn a_discarded_page_faults_until_it_is_stable_and_then_reads_as_zero() {
    let (machine, _entered) = filled(Hinting::Full);
    assert!(!machine.evict(PAGE), "a stable page stays");
    make_volatile();
    assert!(machine.evict(PAGE));
    assert!(!machine.evict(PAGE), "there is nothing left to take");
    let mut bytes = [0x22; 8];
    // SAFETY: nobody writes the page.
    let fault = unsafe { storage::try_copy_out(PAGE.address() + 16, &mut bytes) }.unwrap_err();
    assert_eq!(fault.code, program::BLOCK_VOLATILITY);
    assert_eq!(fault.discarded_page(), Some(PAGE.address()));
    let old = essa::essa(Orc::SetStable, PAGE.address());
    assert!(old.is_discarded());
    // SAFETY: the page is stable.
    unsafe { storage::copy_out(PAGE.address(), &mut bytes) }
    assert_eq!(bytes, [0; 8]);
    assert_eq!(machine.state(PAGE), PageState::SR);
    assert_eq!((machine.discards(), machine.discard_faults()), (1, 1));
}

/// What a copy has got before the host took the page is right; the rest is untouched.
#[test]
fn a_page_can_go_in_the_middle_of_a_copy() {
    let mut torn = 0;
    for seed in 0..200 {
        let (machine, _entered) = filled(Hinting::Full);
        make_volatile();
        machine.set_eviction(Eviction::OneIn(8), seed);
        let mut bytes = [0x22; PAGE_SIZE];
        // SAFETY: nobody writes the page.
        let outcome = unsafe { storage::try_copy_out(PAGE.address(), &mut bytes) };
        let copied = bytes.iter().take_while(|byte| **byte == 0x11).count();
        assert!(bytes[copied..].iter().all(|byte| *byte == 0x22));
        assert_eq!(outcome.is_ok(), copied == PAGE_SIZE);
        torn += u32::from(copied > 0 && copied < PAGE_SIZE);
    }
    assert!(torn > 20, "{torn} of 200");
}

#[test]
#[should_panic(expected = "in the supervisor state: block-volatility")]
fn an_unguarded_access_to_a_discarded_page_is_fatal() {
    let (machine, _entered) = filled(Hinting::Full);
    make_volatile();
    machine.evict(PAGE);
    // SAFETY: not at all, which is what this shows.
    unsafe { storage::copy_out(PAGE.address(), &mut [0]) }
}

#[test]
#[should_panic(expected = "in the supervisor state: addressing")]
fn a_store_into_an_unused_page_that_has_gone_is_fatal() {
    let (machine, _entered) = filled(Hinting::Full);
    let _ = essa::essa(Orc::SetUnused, PAGE.address());
    machine.evict(PAGE);
    // SAFETY: not at all, which is what this shows.
    unsafe { storage::copy_in(PAGE.address(), &[0]) }
}

#[test]
fn a_changed_page_that_is_potentially_volatile_stays() {
    let (machine, _entered) = filled(Hinting::Full);
    let _ = essa::essa(Orc::SetPotentiallyVolatile, PAGE.address());
    assert_eq!(machine.evict_all(), 0);
    // A page that was not stored into since its content went is clean.
    // SAFETY: the page is ours.
    unsafe { diagnose::release_pages(PAGE.address(), PAGE.address()) }.unwrap();
    let _ = essa::essa(Orc::SetStable, PAGE.address());
    // SAFETY: as above.
    unsafe { storage::copy_out(PAGE.address(), &mut [0]) }
    let _ = essa::essa(Orc::SetPotentiallyVolatile, PAGE.address());
    assert!(machine.evict(PAGE));
    assert_eq!(machine.state(PAGE), PageState::VZ);
}

#[test]
fn a_host_that_honours_unused_only_keeps_volatile_pages() {
    let (machine, _entered) = filled(Hinting::Unused);
    make_volatile();
    assert_eq!(machine.evict_all(), 0);
    let _ = essa::essa(Orc::SetUnused, PAGE.address());
    assert_eq!(machine.evict_all(), 1);
    let mut byte = [1];
    // SAFETY: such a host supplies zeroes.
    unsafe { storage::copy_out(PAGE.address(), &mut byte) }
    assert_eq!(byte, [0]);
}

#[test]
fn without_essa_the_instruction_is_an_operation_exception() {
    let (machine, _entered) = filled(Hinting::None);
    let fault = essa::try_essa(Orc::GetState, PAGE.address()).unwrap_err();
    assert_eq!(fault.code, program::OPERATION);
    assert_eq!(machine.essa_counts(), [0; 8]);
    assert_eq!(machine.evict_all(), 0);
}

#[test]
fn copies_go_across_pages_and_end_with_storage() {
    let (_machine, _entered) = filled(Hinting::Full);
    let start = Absolute(2 * PAGE_SIZE as u64 - 3);
    // SAFETY: nobody else uses the machine.
    unsafe {
        storage::copy_in(start, &[1, 2, 3, 4, 5]);
        let mut bytes = [0; 5];
        storage::copy_out(start, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 5]);
        storage::copy_page(Frame(3).address(), PAGE.address());
        let mut copy = [0; 3];
        storage::copy_out(Frame(3).address(), &mut copy);
        assert_eq!(copy, [4, 5, 0x11]);
        storage::clear_page(Frame(3).address());
        storage::copy_out(Frame(3).address(), &mut copy);
        assert_eq!(copy, [0; 3]);
        let behind = storage::try_copy_out(Frame(4).address(), &mut copy).unwrap_err();
        assert_eq!(behind.code, program::ADDRESSING);
    }
}
