//! A stream: fragments of arbitrary instructions, one after the other, and the guest that executes them.

use drivers::x250::layout::{Entry, Initialize, READ, Request};
use zerocopy::IntoBytes as _;

use super::instructions::Source;
use crate::beside::MEMORY;
use crate::random::Random;
use crate::vcpus::{SUCCESS, psw, put};

/// Fragments of a stream.
const FRAGMENTS: usize = 32;
/// Most instructions of a fragment.
const MOST: u64 = 12;

/// Where a guest has its parts. Loaders write a parameter line at 0x10400.
const OTHER_PREFIX: usize = 0x2000;
const SEGMENTS: usize = 0x4000;
const REGIONS: usize = 0x5000;
const PAGES: [usize; 2] = [0x6000, 0x6800];
const BLOCKS: usize = 0x7000;
const DATA: usize = 0x8000;
const DESCRIPTIONS: usize = 0x1_2000;
const DESCRIPTION: usize = 0x200;
/// Subsystem identification of the first subchannel.
const SUBCHANNEL: u64 = 0x1_0000;
const CODE: usize = 0x1_8000;
const FRAGMENT: usize = 0x100;
const END: usize = CODE + FRAGMENTS * FRAGMENT;

/// What a fragment begins with, and its instructions.
#[derive(Clone)]
pub(super) struct Fragment {
    registers: [u64; 16],
    control: [u64; 16],
    mask: u64,
    pub(super) instructions: Vec<Vec<u8>>,
}

/// All that a guest executes.
#[derive(Clone)]
pub(super) struct Stream {
    pub(super) seed: u64,
    pub(super) fragments: Vec<Fragment>,
}

/// The images of streams.
pub(super) fn images(streams: &[Stream]) -> Vec<Vec<u8>> {
    streams.iter().map(Stream::image).collect()
}

impl Stream {
    /// The stream with this seed.
    pub(super) fn new(seed: u64, source: &Source<'_>) -> Self {
        let mut random = Random::new(seed);
        let fragments = (0..FRAGMENTS).map(|_| Fragment::new(&mut random, source));
        Self {
            seed,
            fragments: fragments.collect(),
        }
    }

    /// The image of the guest: whatever interrupts a fragment begins the next one, and behind the last one
    /// the guest ends well, if it still can.
    pub(super) fn image(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed ^ 0xda7a);
        let mut image = vec![0; END];
        for at in (DATA..0x1_0000).step_by(8) {
            put(&mut image, at, &random.next().to_be_bytes());
        }
        for prefix in [0, OTHER_PREFIX] {
            let area = &mut image[prefix..];
            put(area, 0, &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x08, 0x00]);
            put(area, 0x60, &SUCCESS);
            // Restart, external, supervisor call, program, machine check, input/output.
            for class in (0x1a0..0x200).step_by(16) {
                put(area, class, &psw(0, 0x800));
            }
            let count = self.fragments.len() as u64;
            put(area, 0x3f8, &count.to_be_bytes());
            put(area, 0x800, NEXT);
        }
        put_tables(&mut image);
        put_blocks(&mut image);
        put_channel(&mut image, &mut random);
        for (number, fragment) in self.fragments.iter().enumerate() {
            let code = CODE + number * FRAGMENT;
            let mut at = DESCRIPTIONS + number * DESCRIPTION;
            let psw = u128::from(fragment.mask) << 64 | code as u128;
            put(&mut image, at + 0x80, &psw.to_be_bytes());
            for (register, control) in fragment.registers.iter().zip(&fragment.control) {
                put(&mut image, at, &register.to_be_bytes());
                put(&mut image, at + 0x100, &control.to_be_bytes());
                at += 8;
            }
            put(&mut image, code, &fragment.code());
        }
        image
    }
}

impl Fragment {
    fn new(random: &mut Random, source: &Source<'_>) -> Self {
        let count = 1 + random.below(MOST);
        let instructions = (0..count).map(|_| source.instruction(random)).collect();
        let mut registers = [(); 16].map(|()| value(random));
        if random.one_in(3) {
            registers[1] = SUBCHANNEL + random.below(2);
        }
        let mut control = [0; 16];
        for (number, value) in control.iter_mut().enumerate() {
            *value = control_register(random, number);
        }
        Self {
            registers,
            control,
            mask: mask(random),
            instructions,
        }
    }

    /// Its instructions, and a supervisor call.
    fn code(&self) -> Vec<u8> {
        let code: Vec<_> = self.instructions.concat();
        [code, vec![0x0a, 0x00]].concat()
    }

    /// For people: what it begins with that matters, and its instructions.
    pub(super) fn describe(&self) -> String {
        let code = self.instructions.iter().map(|bytes| {
            let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
            bytes.collect::<String>()
        });
        let code: Vec<_> = code.collect();
        format!(
            "{} with mask {:016x}, registers {:x?}, control {:x?}",
            code.join(" "),
            self.mask,
            self.registers,
            self.control
        )
    }
}

const _: () = assert!(MOST as usize * 6 + 2 <= FRAGMENT);

/// A PSW mask that can be loaded, mostly.
fn mask(random: &mut Random) -> u64 {
    let mut mask = 0;
    let mut bit = |one_in, bits: u64| {
        if random.one_in(one_in) {
            mask |= bits;
        }
    };
    bit(2, 0x0400 << 48); // DAT
    bit(3, 0x0001 << 48); // problem state
    bit(2, 0x0100 << 48); // external
    bit(4, 0x0200 << 48); // input/output
    bit(4, 0x0004 << 48); // machine check
    bit(64, 0x0002 << 48); // wait
    bit(5, 0x00f0 << 48); // a key
    let spaces = [0, 0, 0, 0x80, 0xc0, 0xc0];
    mask |= random.of(spaces) << 40;
    mask |= random.below(64) << 40; // condition code and program mask
    let addressing = [0x1_8000_0000, 0x1_8000_0000, 0x1_8000_0000, 0x8000_0000];
    mask | random.of(addressing)
}

/// A value that instructions have something to do with: an address, a length, or anything.
fn value(random: &mut Random) -> u64 {
    let base = random.of([
        0,
        OTHER_PREFIX as u64,
        SEGMENTS as u64,
        REGIONS as u64 | 8,
        PAGES[0] as u64,
        BLOCKS as u64,
        DATA as u64,
        0xa000,
        0xf000,
        DESCRIPTIONS as u64,
        CODE as u64,
        0x10_0000,
        MEMORY << 20,
        1 << 31,
        1 << 63,
    ]);
    match random.below(12) {
        0 => random.next(),
        1 => random.below(16),
        2 => random.below(0x1_0000),
        3 => base.wrapping_sub(1 + random.below(16)),
        4 => u64::MAX << random.below(64),
        5 => BLOCKS as u64 + 0x100 * random.below(16),
        6 => base + random.below(0x1000),
        7 => base | random.next() << 32,
        _ => base + 8 * random.below(0x200),
    }
}

fn control_register(random: &mut Random, number: usize) -> u64 {
    let asces = [
        SEGMENTS as u64,
        SEGMENTS as u64,
        SEGMENTS as u64 | 0x100,
        REGIONS as u64 | 4,
        0x20,
    ];
    let usual = match number {
        // Clock comparator and signals; sometimes floating-point and vector registers, and all else.
        0 => 0x6800 | 0xe0 | random.next() & random.of([0x0006_0000, 0x1486_0600]),
        1 | 7 | 13 => random.of(asces),
        8 => random.next() & 0xffff,
        14 => 0xc200_0000,
        _ => 0,
    };
    if random.one_in(12) {
        value(random)
    } else {
        usual
    }
}

/// Tables: the first MiB as it is with some entries that are not, and the MiBs behind in other ways.
fn put_tables(image: &mut [u8]) {
    let mut put = |at: usize, entry: u64| put(image, at, &entry.to_be_bytes());
    for index in 0..256 {
        let page = index << 12;
        let entry = match index {
            0xc => 0x400,
            0xd => page | 0x200,
            0xe => 0x8000,
            0xf => page | 0x800,
            0xff => 0x7fff_f000,
            _ => page,
        };
        put(PAGES[0] + 8 * index as usize, entry);
        put(
            PAGES[1] + 8 * index as usize,
            (0x8000 + (page & 0x7000)) | page & 0x200,
        );
    }
    for index in 0..512 {
        let entry = match index {
            0 | 5 => PAGES[0] as u64,
            1 => PAGES[1] as u64,
            2 => PAGES[0] as u64 | 0x200,
            3 => 0x7fff_f800,
            4 => 0x400,
            _ => 0x20,
        };
        put(SEGMENTS + 8 * index, entry);
        let entry = if index == 0 {
            SEGMENTS as u64 | 4
        } else {
            0x24
        };
        put(REGIONS + 8 * index, entry);
    }
}

/// What SERVICE CALL and DIAGNOSE take: blocks for the console and questions, for block I/O and its lists.
fn put_blocks(image: &mut [u8]) {
    let text = b"\x00\x22\x00\x00\x00\x00\x00\x00\x00\x1a\x1a\x00\x00\x00out of a stream\n";
    put(image, BLOCKS, text);
    put(image, BLOCKS + 0x100, &[0x01, 0x00]);
    put(
        image,
        BLOCKS + 0x200,
        &[0x00, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4],
    );
    put(image, BLOCKS + 0x300, &[0xff, 0xff]);
    for (block, number) in [(0x400, 0x100), (0x500, 0x101)] {
        put(
            image,
            BLOCKS + block,
            Initialize::new(number, 512).as_bytes(),
        );
    }
    // A list of three entries, and one that leads out of memory.
    for (block, list) in [(0x600, 0x800), (0x700, 0xfff_f000)] {
        let request = Request::new(0x100, 3, BLOCKS as u64 + list);
        put(image, BLOCKS + block, request.as_bytes());
    }
    for (number, buffer) in [DATA as u64, 0xa200, 0xffff_f000].into_iter().enumerate() {
        let entry = Entry::new(READ, 1 + number as u64, buffer);
        put(image, BLOCKS + 0x800 + 24 * number, entry.as_bytes());
    }
}

/// What the first subchannel takes: how it is enabled, a request, a channel program that sets a virtio queue up;
/// and in the data the queue's descriptors, which lead anywhere and around in circles.
fn put_channel(image: &mut [u8], random: &mut Random) {
    let word =
        |image: &mut [u8], at: usize, word: u32| put(image, BLOCKS + at, &word.to_be_bytes());
    word(image, 0x904, 0x1880_0000); // subclass 3, enabled
    word(image, 0xa04, 0x0080_ff00); // CCWs of format 1
    word(image, 0xa08, BLOCKS as u32 + 0xb00);
    // Revision, features, queue, indicators, status; each but the last is chained.
    let commands = [
        (0x83, 4, 0xc00),
        (0x11, 5, 0xc10),
        (0x13, 32, 0xc20),
        (0x43, 8, 0xc50),
        (0x31, 1, 0xc60),
    ];
    for (number, (code, count, data)) in commands.into_iter().enumerate() {
        let chain = if number == commands.len() - 1 {
            0
        } else {
            0x40
        };
        word(image, 0xb00 + 8 * number, code << 24 | chain << 16 | count);
        word(image, 0xb04 + 8 * number, BLOCKS as u32 + data);
    }
    word(image, 0xc00, 1 << 16);
    put(image, BLOCKS + 0xc10, &[1, 0, 0, 0, 1]); // VERSION_1, little-endian
    let [index, entries] = [random.below(4) as u16, random.of([1_u16, 8, 128])];
    for (at, ring) in [(0xc20, DATA), (0xc30, 0x9000), (0xc38, 0xa000)] {
        put(image, BLOCKS + at, &(ring as u64).to_be_bytes());
    }
    put(image, BLOCKS + 0xc2c, &index.to_be_bytes());
    put(image, BLOCKS + 0xc2e, &entries.to_be_bytes());
    put(
        image,
        BLOCKS + 0xc50,
        &(BLOCKS as u64 + 0xd00).to_be_bytes(),
    );
    put(image, BLOCKS + 0xc60, &[0x0f]);
    for descriptor in 0..8 {
        let at = DATA + 16 * descriptor;
        put(image, at, &value(random).to_le_bytes());
        put(image, at + 8, &(random.below(1 << 20) as u32).to_le_bytes());
        put(image, at + 12, &(random.below(8) as u16).to_le_bytes());
        put(image, at + 14, &(random.below(9) as u16).to_le_bytes());
    }
    put(
        image,
        0x9000,
        &[0, 0, random.below(4) as u8, 0, random.below(8) as u8, 0],
    );
}

/// Begins the next fragment: registers, two milliseconds of time, control registers, PSW.
#[rustfmt::skip]
const NEXT: &[u8] = &[
    0xe3, 0x10, 0x03, 0xf0, 0x00, 0x04,  // 800 lg    %r1,0x3f0
    0xa7, 0x1b, 0x00, 0x01,              // 806 aghi  %r1,1
    0xe3, 0x10, 0x03, 0xf0, 0x00, 0x24,  // 80a stg   %r1,0x3f0
    0xe3, 0x10, 0x03, 0xf8, 0x00, 0x20,  // 810 cg    %r1,0x3f8
    0xa7, 0x24, 0x00, 0x22,              // 816 jh    85a
    0xeb, 0x11, 0x00, 0x09, 0x00, 0x0d,  // 81a sllg  %r1,%r1,9
    0xc0, 0x2f, 0x00, 0x01, 0x1e, 0x00,  // 820 llilf %r2,0x11e00
    0xb9, 0x08, 0x00, 0x21,              // 826 agr   %r2,%r1
    0xb2, 0x05, 0x03, 0xd8,              // 82a stck  0x3d8
    0xe3, 0x30, 0x03, 0xd8, 0x00, 0x04,  // 82e lg    %r3,0x3d8
    0xc2, 0x3a, 0x00, 0x7d, 0x00, 0x00,  // 834 algfi %r3,8192000
    0xe3, 0x30, 0x03, 0xd8, 0x00, 0x24,  // 83a stg   %r3,0x3d8
    0xb2, 0x06, 0x03, 0xd8,              // 840 sckc  0x3d8
    0xeb, 0x0f, 0x21, 0x00, 0x00, 0x2f,  // 844 lctlg %c0,%c15,0x100(%r2)
    0xd2, 0x0f, 0x03, 0xe0, 0x20, 0x80,  // 84a mvc   0x3e0(16),0x80(%r2)
    0xeb, 0x0f, 0x20, 0x00, 0x00, 0x04,  // 850 lmg   %r0,%r15,0(%r2)
    0xb2, 0xb2, 0x03, 0xe0,              // 856 lpswe 0x3e0
    0x82, 0x00, 0x00, 0x60,              // 85a lpsw  0x60
];
