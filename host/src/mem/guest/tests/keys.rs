//! The guest's storage keys, wherever their bits are.

use arch::key::{CHANGE, REFERENCE};

use super::*;

const PAGE: u32 = PAGES[0];

#[test]
fn a_key_is_what_it_was_set_to() {
    on_a_machine(|mut world| {
        for value in [0, 0xa8, 0xa8 | REFERENCE, 0xa8 | CHANGE, 0xfe] {
            world.memory.set_key(PAGE, value);
            assert_eq!(world.memory.key(PAGE), value);
            assert_eq!(world.memory.is_referenced(PAGE), value & REFERENCE != 0);
            assert_eq!(world.memory.is_changed(PAGE), value & CHANGE != 0);
        }
        // The last bit is nobody's.
        world.memory.set_key(PAGE, 0xff);
        assert_eq!(world.memory.key(PAGE), 0xfe);
    });
}

#[test]
fn a_reference_is_one_by_the_guest_s_key_or_by_that_of_the_frame() {
    on_a_machine(|mut world| {
        let frame = world.memory.pages[PAGE as usize].frame;
        world.memory.set_key(PAGE, 0);
        arch::key::set(frame, 0x30 | CHANGE);
        assert!(!world.memory.is_referenced(PAGE));
        arch::key::set(frame, REFERENCE);
        assert_eq!(world.memory.key(PAGE), REFERENCE);
        // The host has seen it, which is nothing to the guest.
        world.memory.reset_reference_of_host(PAGE);
        assert_eq!(arch::key::get(frame) & REFERENCE, 0);
        assert_eq!(world.memory.key(PAGE), REFERENCE);
    });
}

#[test]
fn a_reference_that_is_reset_is_seen_nowhere_any_more() {
    on_a_machine(|mut world| {
        let frame = world.memory.pages[PAGE as usize].frame;
        world.memory.set_key(PAGE, 0xf8 | REFERENCE | CHANGE);
        arch::key::set(frame, REFERENCE);
        world.memory.reset_reference(PAGE);
        assert_eq!(world.memory.key(PAGE), 0xf8 | CHANGE);
        world.memory.set_key(PAGE, 0xf8);
        assert_eq!(world.memory.key(PAGE), 0xf8);
    });
}
