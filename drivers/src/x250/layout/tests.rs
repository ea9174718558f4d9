//! Byte vectors, written out by hand.

use super::*;

/// The bytes that are not zero, with their offsets.
fn set(bytes: &[u8]) -> Vec<(usize, u8)> {
    let bytes = bytes.iter().copied().enumerate();
    bytes.filter(|(_, byte)| *byte != 0).collect()
}

#[test]
fn device_information_asks_by_number_and_length() {
    let block = Device::new(0x0203);
    assert_eq!(set(block.as_bytes()), [(0, 2), (1, 3), (3, 12)]);
}

#[test]
fn initialize_has_number_form_and_block_size() {
    let block = Initialize::new(0x0100, 512);
    assert_eq!(set(block.as_bytes()), [(0, 1), (2, 0x80), (26, 2)]);
    let mut bytes = [0; 64];
    bytes[48..56].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2]);
    let answer = Initialize::read_from_bytes(&bytes).unwrap();
    assert_eq!(answer.last(), 0x1_0000_0002);
}

#[test]
fn a_request_has_count_and_list_and_is_synchronous() {
    let block = Request::new(0x0102, 3, 0x1_2000);
    let expected = [(0, 1), (1, 2), (2, 0x80), (31, 3), (53, 1), (54, 0x20)];
    assert_eq!(set(block.as_bytes()), expected);
}

#[test]
fn an_entry_is_a_type_a_block_and_a_buffer() {
    let entry = Entry::new(READ, 0x101, 0x7000);
    assert_eq!(
        set(entry.as_bytes()),
        [(0, 2), (14, 1), (15, 1), (22, 0x70)]
    );
    let list = [entry, Entry::new(WRITE, 1, 0)];
    assert_eq!(list.as_bytes()[24], 1, "entries follow one another");
}
