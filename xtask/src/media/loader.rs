//! The program in front of a deck of cards that reads the rest of it.
//!
//! IPL reads 24 bytes of the first card to address 0: a PSW and two CCWs. The CCWs go on: the first
//! reads the second card, ten CCWs, behind themselves, the second goes there; those read the
//! program. It runs in the mode of the IPL, ESA/390 or z/Architecture, disabled, with 31-bit
//! addressing, and waits for the reader by asking it: so it needs no new PSWs, whose places depend
//! on the mode. All of it lies where an image keeps nothing, and the image clears it.

use super::flat::IMAGE;

/// Bytes of a card.
pub(super) const CARD: usize = 80;

/// Where the program is.
const PROGRAM: u16 = 0x200;
/// Cards that the program takes, its table of segments included.
const PROGRAM_CARDS: usize = 4;
/// Where it keeps the subchannel's description and then what the reader answers.
const ANSWER: u16 = 0x360;
/// Where it makes CCWs.
const CCWS: u16 = 0x400;
/// How many of them at a time.
const CHAIN: u16 = 128;
/// Where IPL leaves the number of the subchannel.
const SUBCHANNEL: u16 = 0xb8;
/// Where the CCWs of the second card go.
const SECOND_CARD: u32 = 0x18;

/// CCW flags: another command follows; any length will do.
const CHAINS: u8 = 0x40;
const ANY_LENGTH: u8 = 0x20;

// An interruption-response block has 96 bytes; the image's first page ends at 4096.
const _: () = assert!(PROGRAM as usize + PROGRAM_CARDS * CARD <= ANSWER as usize);
const _: () = assert!(ANSWER + 96 <= CCWS && CCWS + CHAIN * 8 <= 0x1000);

/// So many cards that go to ascending addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) address: u32,
    pub(super) cards: u32,
}

/// Most segments that there is room for.
pub(super) const MOST_SEGMENTS: usize = 4;

/// A CCW of format 0, as IPL uses it.
fn ccw(command: u8, address: u32, flags: u8, count: u16) -> [u8; 8] {
    let [_, a, b, c] = address.to_be_bytes();
    let [high, low] = count.to_be_bytes();
    [command, a, b, c, flags, 0, high, low]
}

/// The cards in front of the segments' own.
pub(super) fn cards(segments: &[Segment]) -> Vec<[u8; CARD]> {
    let mut first = [0; CARD];
    let [high, low] = PROGRAM.to_be_bytes();
    first[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, high, low]);
    first[8..16].copy_from_slice(&ccw(0x02, SECOND_CARD, CHAINS | ANY_LENGTH, CARD as u16));
    // Transfer in channel.
    first[16..24].copy_from_slice(&ccw(0x08, SECOND_CARD, 0, 0));

    let mut second = [0; CARD];
    for (index, place) in second.chunks_exact_mut(8).take(PROGRAM_CARDS).enumerate() {
        let flags = if index + 1 < PROGRAM_CARDS { CHAINS } else { 0 };
        let address = u32::from(PROGRAM) + (index * CARD) as u32;
        place.copy_from_slice(&ccw(0x02, address, flags | ANY_LENGTH, CARD as u16));
    }

    let program = program(segments);
    assert!(program.len() <= PROGRAM_CARDS * CARD, "{}", program.len());
    let mut cards = vec![first, second];
    cards.extend(super::deck::cut(&program, PROGRAM_CARDS));
    cards
}

/// The program with its constants and the table.
fn program(segments: &[Segment]) -> Vec<u8> {
    let mut code = Code::default();
    assert!(segments.len() <= MOST_SEGMENTS);
    // The constants lie behind the code, at addresses that do not depend on its length.
    let constants = PROGRAM + 0xe0;
    let (entry, failed, model, orb) = (constants, constants + 8, constants + 16, constants + 24);
    let table = constants + 40;

    code.rx(0x58, 1, 0, SUBCHANNEL); //      l     %r1, subchannel
    code.s(0xb234, ANSWER); //               stsch answer
    code.si(0x96, ANSWER + 5, 0x80); //      oi    answer+5, 0x80      enabled
    code.s(0xb232, ANSWER); //               msch  answer
    code.rx(0x41, 2, 0, table); //           la    %r2, table
    let segment = code.here();
    code.rs(0x98, 3, 4, 2, 0); //            lm    %r3, %r4, 0(%r2)    address, cards
    code.rx(0x41, 2, 2, 8); //               la    %r2, 8(%r2)
    code.rr(0x12, 4, 4); //                  ltr   %r4, %r4
    let to_image = code.branch(8); //        jz    image
    let chain = code.here();
    code.rx(0x41, 5, 0, CCWS); //            la    %r5, ccws
    code.ri(0xa7, 6, 8, CHAIN as i16); //    lhi   %r6, CHAIN          so many, or what is left
    code.rr(0x19, 6, 4); //                  cr    %r6, %r4
    let enough = code.branch(12); //         jnh   enough
    code.rr(0x18, 6, 4); //                  lr    %r6, %r4
    code.land(enough);
    code.rr(0x1b, 4, 6); //                  sr    %r4, %r6
    let make = code.here();
    code.mvc(5, 0, 8, model); //             mvc   0(8, %r5), model
    code.rx(0x50, 3, 5, 4); //               st    %r3, 4(%r5)
    code.ri(0xa7, 3, 10, CARD as i16); //    ahi   %r3, CARD
    code.rx(0x41, 5, 5, 8); //               la    %r5, 8(%r5)
    code.back(0xa7, 6, 6, make); //          brct  %r6, make
    code.ri(0xa7, 5, 10, -8); //             ahi   %r5, -8
    code.word(0x9400_5001 | u32::from(ANY_LENGTH) << 16); // ni 1(%r5), ANY_LENGTH: the last one
    code.s(0xb233, orb); //                  ssch  orb
    let not_started = code.branch(7); //     jnz   failed
    let wait = code.here();
    code.s(0xb235, ANSWER); //               tsch  answer
    code.back(0xa7, 4, 4, wait); //          jl    wait                no answer yet
    let no_reader = code.branch(3); //       jp|jo failed            no such reader
    code.si(0x91, ANSWER + 9, 0xff); //      tm    answer+9, 0xff      the channel complains
    let channel = code.branch(5); //         jnz   failed
    code.si(0x91, ANSWER + 8, 0x53); //      tm    answer+8, 0x53      or the reader does
    let reader = code.branch(5); //          jnz   failed
    code.si(0x91, ANSWER + 8, 0x04); //      tm    answer+8, 0x04      device end
    code.back(0xa7, 8, 4, wait); //          jz    wait
    code.rr(0x12, 4, 4); //                  ltr   %r4, %r4
    code.back(0xa7, 7, 4, chain); //         jnz   chain
    code.back(0xa7, 15, 4, segment); //      j     segment
    code.land(to_image);
    code.rx(0x58, 14, 0, entry); //          l     %r14, entry
    code.rr(0x07, 15, 14); //                br    %r14
    for place in [not_started, no_reader, channel, reader] {
        code.land(place);
    }
    code.s(0x8200, failed); //               lpsw  failed

    let mut bytes = code.0;
    assert!(
        bytes.len() <= usize::from(constants - PROGRAM),
        "{}",
        bytes.len()
    );
    bytes.resize(usize::from(constants - PROGRAM), 0);
    bytes.extend((IMAGE as u32 | 0x8000_0000).to_be_bytes()); // entry
    bytes.extend([0; 4]);
    // A disabled wait at X'BAD'.
    bytes.extend([0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad]);
    // A CCW of format 1: read a card.
    bytes.extend([0x02, CHAINS | ANY_LENGTH, 0, CARD as u8, 0, 0, 0, 0]);
    // The operation request: format 1, any path.
    bytes.extend([0, 0, 0, 0, 0, 0x80, 0xff, 0]);
    bytes.extend(u32::from(CCWS).to_be_bytes());
    bytes.extend([0; 4]);
    for segment in segments {
        bytes.extend(segment.address.to_be_bytes());
        bytes.extend(segment.cards.to_be_bytes());
    }
    bytes.extend([0; 8]);
    bytes
}

/// Instructions in the making. Operands that have no register are addresses below 4096.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn here(&self) -> usize {
        self.0.len()
    }

    fn word(&mut self, word: u32) {
        self.0.extend(word.to_be_bytes());
    }

    fn rr(&mut self, code: u8, first: u8, second: u8) {
        self.0.extend([code, first << 4 | second]);
    }

    fn rx(&mut self, code: u8, register: u8, base: u8, displacement: u16) {
        let operand = u32::from(base) << 12 | u32::from(displacement);
        self.word(u32::from(code) << 24 | u32::from(register) << 20 | operand);
    }

    fn rs(&mut self, code: u8, first: u8, last: u8, base: u8, displacement: u16) {
        self.rx(code, first, base, displacement);
        let at = self.0.len() - 3;
        self.0[at] |= last;
    }

    fn s(&mut self, code: u16, address: u16) {
        self.word(u32::from(code) << 16 | u32::from(address));
    }

    fn si(&mut self, code: u8, address: u16, mask: u8) {
        self.word(u32::from(code) << 24 | u32::from(mask) << 16 | u32::from(address));
    }

    fn ri(&mut self, code: u8, register: u8, extension: u8, value: i16) {
        self.0.extend([code, register << 4 | extension]);
        self.0.extend(value.to_be_bytes());
    }

    fn mvc(&mut self, base: u8, displacement: u16, length: u8, from: u16) {
        self.0.extend([0xd2, length - 1]);
        self.0
            .extend((u16::from(base) << 12 | displacement).to_be_bytes());
        self.0.extend(from.to_be_bytes());
    }

    /// A relative branch to what is already there.
    fn back(&mut self, code: u8, register: u8, extension: u8, target: usize) {
        let halfwords = (target as i64 - self.here() as i64) / 2;
        self.ri(code, register, extension, halfwords as i16);
    }

    /// A branch on a condition to what [`land`](Self::land) tells later.
    fn branch(&mut self, mask: u8) -> usize {
        let place = self.here();
        self.ri(0xa7, mask, 4, 0);
        place
    }

    fn land(&mut self, branch: usize) {
        let halfwords = ((self.here() - branch) / 2) as i16;
        self.0[branch + 2..branch + 4].copy_from_slice(&halfwords.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENTS: [Segment; 2] = [
        Segment {
            address: 0x10000,
            cards: 3,
        },
        Segment {
            address: 0x80_0000,
            cards: 1,
        },
    ];

    #[test]
    fn ipl_reads_the_program_where_its_psw_points() {
        let cards = cards(&SEGMENTS);
        assert_eq!(cards.len(), 2 + PROGRAM_CARDS);
        assert_eq!(cards[0][..8], [0x00, 0x08, 0, 0, 0x80, 0, 0x02, 0x00]);
        assert_eq!(cards[0][8..16], [2, 0, 0, 0x18, 0x60, 0, 0, 80]);
        assert_eq!(cards[0][16..24], [8, 0, 0, 0x18, 0, 0, 0, 0]);
        let mut address = 0x200u32;
        for ccw in cards[1].chunks_exact(8).take(PROGRAM_CARDS) {
            assert_eq!(ccw[..4], (0x0200_0000 | address).to_be_bytes());
            assert_eq!(ccw[6..], [0, 80]);
            address += 80;
        }
        // All but the last one go on.
        let chained = |index: usize| cards[1][index * 8 + 4] & CHAINS != 0;
        assert!((0..PROGRAM_CARDS - 1).all(chained) && !chained(PROGRAM_CARDS - 1));
    }

    #[test]
    fn the_table_fits_and_has_an_end() {
        let most = [SEGMENTS[0]; MOST_SEGMENTS];
        let program = program(&most);
        assert!(program.len() <= PROGRAM_CARDS * CARD);
        assert!(program.ends_with(&[0; 8]));
        let table = &program[program.len() - 8 * (MOST_SEGMENTS + 1)..];
        assert_eq!(table[..8], [0, 1, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn instructions_are_encoded_as_the_architecture_has_them() {
        let mut code = Code::default();
        code.rx(0x58, 1, 0, 0xb8);
        code.rs(0x98, 3, 4, 2, 0);
        code.si(0x96, 0x365, 0x80);
        code.mvc(5, 0, 8, 0x2f0);
        code.ri(0xa7, 5, 10, -8);
        let branch = code.branch(8);
        code.rr(0x18, 6, 4);
        code.land(branch);
        code.back(0xa7, 15, 4, 0);
        let expected = "581000b89834200096800365d207500002f0a75afff8a78400031864a7f4fff2";
        let hex: String = code.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
}
