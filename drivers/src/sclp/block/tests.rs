//! Byte vectors, written out by hand.

use super::*;

const EMPTY: Block = [0; SIZE];

#[test]
fn an_event_mask_offers_messages_and_ascii() {
    let mut block = EMPTY;
    put_event_mask(
        &mut block,
        mask_bit(ASCII) | mask_bit(MESSAGE),
        mask_bit(COMMAND),
    );
    #[rustfmt::skip]
    let expected = [
        0, 28, 0, 0, 0, 0, 0, 0, // header: 28 bytes
        0, 0, 0, 4, // masks of 4 bytes
        0x80, 0, 0, 0, // receives type 1
        0x40, 0, 0, 0x40, // sends types 2 and 26
        0, 0, 0, 0, 0, 0, 0, 0, // the machine's answer
    ];
    assert_eq!(block[..28], expected);
    block[20..24].copy_from_slice(&[0x40, 0, 0, 0]);
    assert_eq!(machine_receives(&block), mask_bit(MESSAGE));
}

#[test]
fn ascii_text_follows_two_headers() {
    let mut block = EMPTY;
    put_ascii(&mut block, b"hi\r\n");
    #[rustfmt::skip]
    let expected = [
        0, 18, 0, 0, 0, 0, 0, 0, // header: 18 bytes
        0, 10, 0x1a, 0, 0, 0, // event of 10 bytes, ASCII
        b'h', b'i', b'\r', b'\n', 0,
    ];
    assert_eq!(block[..19], expected);
}

#[test]
fn a_line_is_a_message_with_one_text_object() {
    let mut block = EMPTY;
    put_line(&mut block, b"Hi");
    assert_eq!(
        block[..8],
        [0, 94, 0, 0, 0, 0, 0, 0],
        "8 + 6 + 12 + 56 + 10 + 2"
    );
    assert_eq!(block[8..14], [0, 86, 0x02, 0, 0, 0], "the event");
    #[rustfmt::skip]
    let message = [
        0, 80, 0, 1, // message data block of 80 bytes
        0xd4, 0xc4, 0xc2, 0x40, 0, 0, 0, 1, // "MDB ", revision 1
        0, 56, 0, 1, // general object of 56 bytes
    ];
    assert_eq!(block[14..30], message);
    assert_eq!(block[30..82], [0; 52]);
    #[rustfmt::skip]
    let text = [
        0, 12, 0, 4, // text object of 12 bytes
        0x10, 0, 0, 0, 0, 0, // the line ends here
        0xc8, 0x89, 0,
    ];
    assert_eq!(block[82..95], text);
}

#[test]
fn the_longest_texts_fill_the_block() {
    let mut block = EMPTY;
    put_ascii(&mut block, &[b'x'; MOST_ASCII]);
    assert_eq!(block[0..2], [0x10, 0]);
    assert_eq!(block[SIZE - 1], b'x');
    put_line(&mut block, &[b'x'; MOST_LINE]);
    assert_eq!(block[0..2], [0x10, 0]);
    assert_eq!(block[SIZE - 1], 0xa7);
    assert_eq!(MOST_LINE, 4004);
}

/// An answer with these bytes at these offsets.
fn answer(parts: &[(usize, &[u8])]) -> Block {
    let mut block = EMPTY;
    for (at, bytes) in parts {
        block[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    block
}

#[test]
fn asking_for_the_machine_offers_the_whole_block() {
    let mut block = EMPTY;
    put_read_info(&mut block);
    assert_eq!(block[..9], [0x10, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn memory_is_increments_times_their_size() {
    let facilities = [0x80, 0, 0, 0, 0, 0, 0, 1];
    let block = answer(&[
        (8, &[0, 128, 1]),
        (16, &[0, 2, 0, 128]),
        (48, &facilities),
        (144, &[3]),
    ]);
    let expected = Machine {
        memory: 128 << 20,
        cpus: 0b1001,
        facilities: (1 << 63) | 1,
    };
    assert_eq!(machine(&block), expected);
}

#[test]
fn wide_fields_count_where_the_narrow_ones_are_zero() {
    let many = answer(&[(10, &[4]), (104, &[0, 0, 0, 0, 0, 1, 0, 0])]);
    assert_eq!(machine(&many).memory, 0x1_0000 * (4 << 20));
    let large = answer(&[(8, &[0, 3]), (100, &[0, 0, 2, 0])]);
    assert_eq!(machine(&large).memory, 3 * (512 << 20));
    assert_eq!(machine(&EMPTY).cpus, 0);
}

#[test]
fn cpus_are_those_of_the_entries_that_fit() {
    let beyond = answer(&[(16, &[0, 3, 0x0f, 0xf0]), (0xff0, &[5])]);
    assert_eq!(machine(&beyond).cpus, 1 << 5);
    let inside_the_answer = answer(&[(16, &[0, 3, 0, 8])]);
    assert_eq!(machine(&inside_the_answer).cpus, 0);
    let far = answer(&[(16, &[0, 2, 0, 128]), (128, &[64]), (144, &[63])]);
    assert_eq!(machine(&far).cpus, 1 << 63);
}

#[test]
fn the_response_code_is_the_halfword_at_6() {
    assert_eq!(response(&answer(&[(5, &[1, 0x12, 0x34, 5])])), 0x1234);
}

#[test]
fn every_event_that_is_whole_is_read() {
    let mut block = EMPTY;
    put_read_event(&mut block);
    assert_eq!(block[..3], [0x10, 0, 0], "room for a page, unconditionally");
    #[rustfmt::skip]
    let events = [
        0, 24, 0, 0, 0, 0, 0, 0, // header: 24 bytes
        0, 8, 0x1a, 0, 0, 0, 0, b'l',
        0, 7, 0x01, 0, 0, 0, 0xd3,
        0, 9, // cut short
    ];
    block[..events.len()].copy_from_slice(&events);
    block[1] = events.len() as u8;
    let read = |block: &Block| {
        let mut all = Vec::new();
        super::events(block, |kind, data| all.push((kind, data.to_vec())));
        all
    };
    let whole = [(ASCII, vec![0, b'l']), (COMMAND, vec![0xd3])];
    assert_eq!(read(&block), whole);
    block[9] = 5;
    assert!(read(&block).is_empty(), "shorter than its own header");
}
